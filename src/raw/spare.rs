//! Memory of dropped nodes, kept by each thread for those that it makes next.
//!
//! Whoever inserts into a full cache drops as many nodes as it makes, so that it need not bother the
//! allocator. Only a little is kept, in blocks of one layout: threads use one kind of node at a time.

use std::alloc::{Layout, dealloc};
use std::cell::Cell;
use std::ptr;

use crate::sync::MODELLED;

/// The most bytes that a thread keeps.
const MOST: usize = 16 << 10;

/// Under a sanitizer memory goes back at once, so that it notices who still looks at it.
const OFF: bool = MODELLED || cfg!(crossbeam_sanitize);

/// Blocks that hold nothing but the way to the next one.
struct Spare {
    layout: Cell<Layout>,
    first: Cell<*mut Link>,
    /// How many more there is room for.
    room: Cell<usize>,
}

struct Link(*mut Self);

crate::sync::thread_local! {
    static SPARE: Spare = Spare::new();
}

impl Spare {
    fn new() -> Self {
        let layout = Cell::new(Layout::new::<()>());
        Self { layout, first: Cell::new(ptr::null_mut()), room: Cell::new(0) }
    }

    #[inline]
    fn pop(&self, layout: Layout) -> Option<*mut u8> {
        let first = self.first.get();
        if first.is_null() || self.layout.get() != layout {
            return None;
        }
        // SAFETY: the block is kept, so `push` has left a link in it. It need not be aligned.
        let Link(next) = unsafe { first.read_unaligned() };
        self.first.set(next);
        self.room.set(self.room.get() + 1);
        Some(first.cast())
    }

    /// Keeps a block of this layout, which holds nothing, if there is room.
    #[inline]
    fn push(&self, block: *mut u8, layout: Layout) -> bool {
        if self.layout.get() != layout {
            self.adopt(layout);
        }
        if self.room.get() == 0 {
            return false;
        }
        let link = block.cast::<Link>();
        // SAFETY: whoever has no room for a link adopts no layout, and the block holds nothing else.
        unsafe { link.write_unaligned(Link(self.first.get())) };
        self.first.set(link);
        self.room.set(self.room.get() - 1);
        true
    }

    /// From now on blocks of this layout are kept; the others go back to the allocator.
    #[cold]
    fn adopt(&self, layout: Layout) {
        while let Some(block) = self.pop(self.layout.get()) {
            // SAFETY: whoever pushed it had it from the allocator, with this layout.
            unsafe { dealloc(block, self.layout.get()) };
        }
        let is_fit = layout.size() >= size_of::<Link>();
        self.room.set(if is_fit { MOST / layout.size() } else { 0 });
        self.layout.set(layout);
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.adopt(Layout::new::<()>());
    }
}

/// A box for a value, from memory that was kept if there is some.
#[inline]
pub(super) fn boxed<T>(value: T) -> Box<T> {
    let layout = Layout::new::<T>();
    // A thread that is ending has nothing any more.
    let kept = if OFF { None } else { SPARE.try_with(|spare| spare.pop(layout)).ok().flatten() };
    let block =
        kept.map_or_else(|| Box::into_raw(Box::<T>::new_uninit()).cast(), <*mut u8>::cast::<T>);
    // SAFETY: it came from the allocator with this layout, holds nothing and is nobody else's.
    unsafe {
        block.write(value);
        Box::from_raw(block)
    }
}

/// Drops the value in a box and keeps its memory, if there is room. Should the value's drop panic,
/// the memory is lost.
#[inline]
pub(super) fn drop_and_keep<T>(value: Box<T>) {
    if OFF {
        return drop(value);
    }
    let layout = Layout::new::<T>();
    let block = Box::into_raw(value);
    // SAFETY: it was a box until now, and is bare memory from here on.
    unsafe { block.drop_in_place() };
    let kept = SPARE.try_with(|spare| spare.push(block.cast(), layout));
    if !matches!(kept, Ok(true)) && layout.size() > 0 {
        // SAFETY: boxes have their memory from the allocator, with the layout of what is in them.
        unsafe { dealloc(block.cast(), layout) };
    }
}

#[cfg(all(test, not(any(crossbeam_sanitize, caskade_loom, caskade_shuttle))))]
mod tests {
    use super::*;

    /// Begins with nothing, whatever ran in this thread before.
    fn alone(act: impl FnOnce()) {
        SPARE.with(|spare| spare.adopt(Layout::new::<()>()));
        act();
    }

    fn kept() -> usize {
        SPARE.with(|spare| {
            let layout = spare.layout.get();
            if layout.size() == 0 { 0 } else { MOST / layout.size() - spare.room.get() }
        })
    }

    #[test]
    fn what_was_dropped_last_is_used_first() {
        alone(|| {
            let [first, second] = [1, 2].map(|n| Box::new([n; 6]));
            let addresses = [&*first, &*second].map(|value| std::ptr::from_ref(value).addr());
            drop_and_keep(first);
            drop_and_keep(second);
            assert_eq!(kept(), 2);
            let again = [boxed([3u32; 6]), boxed([4; 6])];
            let now = again.each_ref().map(|value| std::ptr::from_ref(&**value).addr());
            assert_eq!(now, [addresses[1], addresses[0]]);
            assert_eq!((kept(), *again[0], *again[1]), (0, [3; 6], [4; 6]));
        });
    }

    #[test]
    fn a_thread_keeps_a_few_of_one_layout() {
        alone(|| {
            let most = MOST / 16;
            let boxes: Vec<_> = (0..2 * most as u64).map(|n| Box::new([n; 2])).collect();
            boxes.into_iter().for_each(drop_and_keep);
            assert_eq!(kept(), most);
            assert_eq!(*boxed(7u64), 7);
            assert_eq!(kept(), most, "another layout has nothing of it");
            drop_and_keep(Box::new(7u64));
            assert_eq!((kept(), *boxed(8u64), kept()), (1, 8, 0), "the last layout is kept");
            drop_and_keep(Box::new([0u8; 2 * MOST]));
            assert_eq!(kept(), 0, "too large");
            drop_and_keep(Box::new(7u32));
            assert_eq!(*boxed(8u32), 8, "too small");
            drop_and_keep(Box::new(()));
        });
    }

    #[test]
    fn values_are_dropped_before_their_memory_is_kept() {
        alone(|| {
            let value = std::sync::Arc::new(());
            drop_and_keep(Box::new((value.clone(), 1)));
            assert_eq!((std::sync::Arc::strong_count(&value), kept()), (1, 1));
        });
    }
}
