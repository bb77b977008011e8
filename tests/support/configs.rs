//! The cache shapes that behaviour must not depend on: stripe counts, room, hashers.
//!
//! Deliberately without time to live: tests that need a clock build their own cache.

use std::hash::{BuildHasher, Hasher};

use caskade::{Cache, CacheBuilder};

/// A hasher that is one of two, so that every shape has the same type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// An ordinary hasher.
    Spread,
    /// All keys get the same hash.
    Constant,
}

impl BuildHasher for Shape {
    type Hasher = ShapeHasher;

    fn build_hasher(&self) -> ShapeHasher {
        ShapeHasher { shape: *self, inner: std::hash::DefaultHasher::new() }
    }
}

/// The hasher of a [`Shape`].
#[derive(Clone, Debug)]
pub(crate) struct ShapeHasher {
    shape: Shape,
    inner: std::hash::DefaultHasher,
}

impl Hasher for ShapeHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }

    fn finish(&self) -> u64 {
        match self.shape {
            Shape::Spread => self.inner.finish(),
            Shape::Constant => 7,
        }
    }
}

/// Runs `check` on an empty cache of each shape; `adjust` adds what the test needs beyond.
pub(crate) fn for_each_config<K, V>(
    adjust: impl Fn(CacheBuilder<K, V, Shape>) -> CacheBuilder<K, V, Shape>,
    check: impl Fn(Cache<K, V, Shape>),
) where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let shapes = [
        (1, 0, Shape::Spread),
        (1, 10_000, Shape::Spread),
        (1, 0, Shape::Constant),
        (64, 0, Shape::Spread),
        (64, 0, Shape::Constant),
    ];
    for (stripes, entries, hasher) in shapes {
        let builder = Cache::builder().stripes(stripes).initial_entries(entries).hasher(hasher);
        check(adjust(builder).build().expect("the settings are valid"));
    }
}
