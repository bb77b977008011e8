//! Memory per entry and allocations per insert, by a counting allocator.
//!
//!     cargo run --release -p caskade-bench --bin memory
//!
//! Counts the bytes that are requested of the allocator, from an empty subject to a full one, keys
//! and values of eight bytes each, the slack of growth included. It does not count what an
//! allocator adds. Fails if caskade needs
//!
//! * more than 64 bytes for an entry, growth included,
//! * more than one allocation for an insert into a cache that was given its size, where nothing
//!   grows,
//! * more than 1.05 where it grows from nothing, which is what the growing itself may cost,
//! * more than two for a miss through the loader: the entry, and where others would wait for it.
//!
//! This program does not measure time, so it uses the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::ExitCode;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use caskade_bench::NumberSubject;
use caskade_bench::keys::shuffled;
use caskade_bench::subjects::{Kind, NUMBERS};

const MOST_BYTES: f64 = 64.0;
const MOST_ALLOCATIONS: f64 = 1.0;
const MOST_WITH_GROWTH: f64 = 1.05;
const MOST_TO_LOAD: f64 = 2.0;

struct Counting {
    live: AtomicI64,
    allocations: AtomicU64,
}

#[global_allocator]
static ALLOCATOR: Counting = Counting { live: AtomicI64::new(0), allocations: AtomicU64::new(0) };

impl Counting {
    fn note(&self, change: i64) {
        self.live.fetch_add(change, Relaxed);
        self.allocations.fetch_add(u64::from(change > 0), Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator is an unsafe trait; every call goes on to System")]
// SAFETY: all calls are passed on unchanged to `System`, which is a valid allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note(layout.size() as i64);
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note(layout.size() as i64);
        // SAFETY: the caller's promises are `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.note(-(layout.size() as i64));
        // SAFETY: the caller's promises are `System`'s, where the pointer came from.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.note(-(layout.size() as i64));
        self.note(size as i64);
        // SAFETY: the caller's promises are `System`'s, where the pointer came from.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What one entry costs, on average.
struct Cost {
    bytes: f64,
    allocations: f64,
}

fn cost(kind: &Kind<dyn NumberSubject>, entries: usize) -> Cost {
    let keys = shuffled(entries);
    let (live, allocations) = (ALLOCATOR.live.load(Relaxed), ALLOCATOR.allocations.load(Relaxed));
    let subject = (kind.new)(entries);
    subject.fill(&keys, 0);
    let allocated = ALLOCATOR.allocations.load(Relaxed) - allocations;
    subject.settle();
    subject.settle();
    let bytes = ALLOCATOR.live.load(Relaxed) - live;
    let expected: u64 = keys.iter().map(|key| caskade_bench::keys::value_of(*key)).sum();
    assert_eq!(subject.read_each(&keys), expected, "{}", kind.name);
    let each = entries as f64;
    Cost { bytes: bytes as f64 / each, allocations: allocated as f64 / each }
}

/// Allocations per insert into a caskade cache that was given its size.
fn allocations_without_growth(entries: usize) -> f64 {
    let keys = shuffled(entries);
    let builder = caskade::Cache::builder().initial_entries(entries * 2);
    let cache = builder.build().expect("the settings are valid");
    let before = ALLOCATOR.allocations.load(Relaxed);
    for key in keys {
        cache.insert(key, key).expect("nobody locks a key");
    }
    let allocated = ALLOCATOR.allocations.load(Relaxed) - before;
    assert_eq!(cache.len(), entries);
    allocated as f64 / entries as f64
}

/// Allocations per miss through the loader of such a cache.
fn allocations_to_load(entries: usize) -> f64 {
    let builder = caskade::Cache::builder().initial_entries(entries * 2);
    let cache = builder.build().expect("the settings are valid");
    // Each stripe makes its floors at its first load.
    let first = 100_000_000..100_010_000;
    first.for_each(|key| assert_eq!(cache.get_or_load(&key, |key| *key), key));
    let keys = shuffled(entries);
    let before = ALLOCATOR.allocations.load(Relaxed);
    for key in &keys {
        assert_eq!(cache.get_or_load(key, |key| *key), *key);
    }
    let allocated = ALLOCATOR.allocations.load(Relaxed) - before;
    assert_eq!(cache.len(), entries + 10_000);
    allocated as f64 / entries as f64
}

fn main() -> ExitCode {
    const SIZES: [usize; 2] = [100_000, 1_000_000];
    let mut over = Vec::new();
    println!("| u64 to u64 | bytes/entry, 100 k | 1 M | allocations/insert, 100 k | 1 M |");
    println!("|---|---:|---:|---:|---:|");
    for kind in &NUMBERS {
        let [few, many] = SIZES.map(|entries| cost(kind, entries));
        println!(
            "| {} | {:.1} | {:.1} | {:.3} | {:.3} |",
            kind.name, few.bytes, many.bytes, few.allocations, many.allocations
        );
        if kind.name == "caskade" {
            for cost in [few, many] {
                over.push(cost.bytes > MOST_BYTES || cost.allocations > MOST_WITH_GROWTH);
            }
        }
    }
    let [few, many] = SIZES.map(allocations_without_growth);
    println!("| caskade, given its size | – | – | {few:.3} | {many:.3} |");
    over.extend([few, many].map(|allocations| allocations > MOST_ALLOCATIONS));
    let [few, many] = SIZES.map(allocations_to_load);
    println!("| caskade, a miss through the loader | – | – | {few:.3} | {many:.3} |");
    over.extend([few, many].map(|allocations| allocations > MOST_TO_LOAD));
    if over.contains(&true) {
        eprintln!("caskade needs more memory or allocations than it may");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
