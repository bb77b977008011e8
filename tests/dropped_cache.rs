//! What a cache leaves behind when it is dropped, while a thread that once read is idle.
//!
//! A program of its own: nobody else here pins.

use std::sync::{Arc, mpsc};
use std::thread;

use caskade::Cache;

#[test]
fn values_of_a_dropped_cache_go_with_it() {
    let other = Arc::new(Cache::new());
    other.insert(1, 1).expect("nobody locks a key");
    let (has_read, reads) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let idle = {
        let other = Arc::clone(&other);
        thread::spawn(move || {
            has_read.send(other.get(&1)).expect("somebody waits");
            ended.recv().expect_err("nothing is sent");
        })
    };
    assert_eq!(reads.recv(), Ok(Some(1)));

    let value = Arc::new(());
    let cache = Cache::builder().stripes(1).build().expect("the settings are valid");
    for round in 0..200 {
        cache.insert(round % 2, Arc::clone(&value)).expect("nobody locks a key");
    }
    drop(cache);
    assert_eq!(Arc::strong_count(&value), 1, "values outlive their cache");

    drop(end);
    idle.join().expect("it ended");
}
