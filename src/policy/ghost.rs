//! What is remembered of entries that were evicted: a fingerprint of the hash and a time.
//!
//! Sets of eight records lie in half a cache line. A new record pushes out the oldest of its set,
//! so that a ghost lives for about as many evictions as there are records. Times are kept in 16
//! bits, coarse enough that whatever matters is told from what wrapped around.

/// The records of a set.
const WAYS: u64 = 8;

/// A fingerprint above a time; 0 is nobody. The newest comes first.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Set([u32; WAYS as usize]);

#[derive(Debug)]
pub(super) struct Ghosts {
    /// Records per 128 entries.
    share: u64,
    sets: Vec<Set>,
    /// How many entries the sets are meant for.
    entries: u64,
    /// How many bits of a time are left out.
    shift: u32,
}

impl Ghosts {
    /// Remembers `share` records per 128 entries. Takes no memory yet.
    pub(super) fn new(share: u64) -> Self {
        Self { share, sets: Vec::new(), entries: 0, shift: 0 }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.sets.capacity() * size_of::<Set>()
    }

    /// Makes the ghosts fit a cache of so many entries; if that number `varies`, with room to spare.
    /// History is lost when they must be made anew. Without memory for them there are none.
    pub(super) fn fit(&mut self, entries: u64, varies: bool) {
        if entries > self.entries || entries < self.entries / 4 {
            self.rebuild(entries.saturating_add(if varies { entries / 2 } else { 0 }));
        }
    }

    #[cold]
    fn rebuild(&mut self, entries: u64) {
        let records = u128::from(entries) * u128::from(self.share) / 128;
        let sets = usize::try_from(records.div_ceil(u128::from(WAYS))).unwrap_or(usize::MAX).max(1);
        self.sets = Vec::new();
        if self.sets.try_reserve_exact(sets).is_ok() {
            self.sets.resize(sets, Set::default());
        }
        self.entries = entries;
        // Ages of up to four times the entries must be less than half the range.
        self.shift = (64 - entries.leading_zeros() + 2).saturating_sub(15).min(16);
    }

    pub(super) fn put(&mut self, hash: u64, time: u32) {
        let record = fingerprint(hash) | self.short(time);
        if let Some(set) = self.set(hash) {
            set.0.copy_within(..WAYS as usize - 1, 1);
            set.0[0] = record;
        }
    }

    /// Forgets the ghost of `hash`; says how long ago, seen from `now`, its time was.
    pub(super) fn take(&mut self, hash: u64, now: u32) -> Option<u32> {
        let (fingerprint, now, shift) = (fingerprint(hash), self.short(now), self.shift);
        let set = self.set(hash)?;
        let at = set.0.iter().position(|record| record & !0xffff == fingerprint)?;
        let age = now.wrapping_sub(set.0[at]) & 0xffff;
        set.0.copy_within(at + 1.., at);
        set.0[WAYS as usize - 1] = 0;
        Some(age << shift)
    }

    fn short(&self, time: u32) -> u32 {
        (time >> self.shift) & 0xffff
    }

    fn set(&mut self, hash: u64) -> Option<&mut Set> {
        let at = (u128::from(mix(hash)) * self.sets.len() as u128) >> 64;
        self.sets.get_mut(at as usize)
    }
}

/// The hash's bits brought to the top, where the set is chosen, and to the middle.
fn mix(hash: u64) -> u64 {
    let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// 16 bits that the choice of the set does not fix, never all zero, in the upper half.
fn fingerprint(hash: u64) -> u32 {
    let bits = mix(hash) as u32 & !0xffff;
    if bits == 0 { 1 << 16 } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
    }

    #[test]
    fn a_ghost_is_found_once_and_knows_its_age() {
        let mut ghosts = Ghosts::new(128);
        assert_eq!(ghosts.take(hash(1), 0), None);
        assert_eq!(ghosts.heap_bytes(), 0);
        ghosts.fit(1000, false);
        // Across the end of the clock.
        ghosts.put(hash(1), u32::MAX - 9);
        ghosts.put(hash(2), u32::MAX);
        assert_eq!(ghosts.take(hash(1), 90), Some(100));
        assert_eq!(ghosts.take(hash(1), 90), None);
        assert_eq!(ghosts.take(hash(2), 90), Some(91));
    }

    #[test]
    fn a_full_set_gives_up_its_oldest() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(WAYS, false);
        assert_eq!(ghosts.heap_bytes(), 32);
        (0..10).for_each(|n| ghosts.put(hash(n), n as u32));
        assert_eq!(ghosts.take(hash(5), 10), Some(5));
        ghosts.put(hash(10), 10);
        let found: Vec<_> = (0..11).filter(|n| ghosts.take(hash(*n), 10).is_some()).collect();
        assert_eq!(found, [2, 3, 4, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn ages_of_many_entries_are_coarse_but_right() {
        let entries = 10_000_000;
        let mut ghosts = Ghosts::new(1);
        ghosts.fit(entries, false);
        ghosts.put(hash(1), 5);
        let age = 4 * entries as u32;
        let seen = ghosts.take(hash(1), 5 + age).expect("still there");
        assert!(seen.abs_diff(age) <= 1 << ghosts.shift, "{seen} for {age}");
    }

    #[test]
    fn memory_that_cannot_be_had_leaves_no_ghosts() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(u64::MAX, true);
        ghosts.put(hash(1), 1);
        assert_eq!(ghosts.take(hash(1), 2), None);
        ghosts.fit(100, false);
        assert_eq!(ghosts.heap_bytes(), 13 * 32, "made anew for fewer");
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(100_000, false);
        (0..50_000).for_each(|n| ghosts.put(hash(n), 1));
        let found = (0..50_000).filter(|n| ghosts.take(hash(*n), 2).is_some()).count();
        assert!(found > 48_000, "{found}: the sets are not used evenly");
    }
}
