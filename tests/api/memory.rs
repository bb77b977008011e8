//! What the documentation says about memory, checked against what the cache itself counts.

use std::time::Duration;

use caskade::{Cache, CacheBuilder, Expiry};

/// Bytes beside the entries, for each entry of a cache that has seen five times as many as it holds.
fn overhead(builder: CacheBuilder<u64, u64>, entries: u64, expiry: Expiry) -> f64 {
    let cache = builder.max_entries(entries).build().expect("valid settings");
    for key in 0..5 * entries {
        cache.insert_with(key, key, expiry).expect("free");
    }
    let stats = cache.stats();
    assert!(stats.entries > entries - entries / 20);
    assert_eq!(stats.entry_bytes, 48 * stats.entries);
    stats.overhead_bytes as f64 / stats.entries as f64
}

#[test]
fn a_bounded_cache_takes_what_it_says() {
    for entries in [1_000, 30_000, 100_000] {
        let plain = overhead(Cache::builder(), entries, Expiry::Never);
        assert!((28.0..=38.0).contains(&plain), "{plain} bytes for each of {entries}");
        let expiring =
            overhead(Cache::builder(), entries, Expiry::After(Duration::from_secs(9999)));
        let more = expiring - plain;
        assert!((8.0..=27.0).contains(&more), "{more} bytes more for each of {entries}");
    }
}

#[test]
fn an_unbounded_cache_takes_what_it_says() {
    for entries in [100_000, 200_000, 400_000] {
        let cache = Cache::new();
        for key in 0..entries {
            cache.insert(key, key).expect("free");
        }
        let stats = cache.stats();
        let table = stats.overhead_bytes as f64 / stats.entries as f64;
        assert!((11.0..=17.0).contains(&table), "{table} bytes for each of {entries}");
        for key in 0..entries - entries / 50 {
            assert!(cache.discard(&key).expect("free"));
        }
        let left = cache.stats().overhead_bytes as f64 / stats.overhead_bytes as f64;
        assert!(left < 0.2, "tables shrink when most entries are gone, but {left} is left");
    }
}
