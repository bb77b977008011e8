//! What is remembered of entries that were evicted: a fingerprint of the hash and a time.
//!
//! Sets of eight records lie in half a cache line. A new record pushes out the oldest of its set,
//! so that a ghost lives for about as many evictions as there are records. Times are kept in 16
//! bits, coarse enough that whatever matters is told from what wrapped around.

/// The records of a set.
const WAYS: usize = 8;

/// Fingerprints, of which 0 is nobody's, and the times that belong to them. The newest comes first.
/// They lie apart so that one instruction compares all fingerprints.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Set {
    fingerprints: [u16; WAYS],
    times: [u16; WAYS],
}

impl Set {
    /// Forgets the newest record with this fingerprint; those that are older move up. Returns its
    /// time.
    #[inline]
    fn take(&mut self, fingerprint: u16) -> Option<u16> {
        // Without a branch for each, and mostly in vain.
        let is_there = self.fingerprints.iter().fold(false, |any, &it| any | (it == fingerprint));
        if is_there { self.take_out(fingerprint) } else { None }
    }

    #[inline(never)]
    fn take_out(&mut self, fingerprint: u16) -> Option<u16> {
        let way = self.fingerprints.iter().position(|it| *it == fingerprint)?;
        let time = self.times[way];
        self.fingerprints.copy_within(way + 1.., way);
        self.times.copy_within(way + 1.., way);
        (self.fingerprints[WAYS - 1], self.times[WAYS - 1]) = (0, 0);
        Some(time)
    }

    #[inline]
    fn push(&mut self, fingerprint: u16, time: u16) {
        let pushed = |into: [u16; WAYS], first: u16| {
            let [a, b, c, d, e, f, g, _] = into;
            [first, a, b, c, d, e, f, g]
        };
        self.fingerprints = pushed(self.fingerprints, fingerprint);
        self.times = pushed(self.times, time);
    }
}

/// A hash as the ghosts know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    /// Its top bits choose the set.
    mixed: u64,
}

impl Print {
    #[inline]
    pub(super) fn of(hash: u64) -> Self {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { mixed: (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93) }
    }

    /// 16 bits that the choice of the set does not fix, never all zero.
    #[inline]
    fn fingerprint(self) -> u16 {
        ((self.mixed >> 16) as u16).max(1)
    }
}

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
    #[inline]
    pub(super) fn fit(&mut self, entries: u64, varies: bool) {
        if entries > self.entries || entries < self.entries / 4 {
            self.rebuild(entries.saturating_add(if varies { entries / 2 } else { 0 }));
        }
    }

    #[cold]
    fn rebuild(&mut self, entries: u64) {
        let records = u128::from(entries) * u128::from(self.share) / 128;
        let sets = usize::try_from(records.div_ceil(WAYS as u128)).unwrap_or(usize::MAX).max(1);
        self.sets = Vec::new();
        if self.sets.try_reserve_exact(sets).is_ok() {
            self.sets.resize(sets, Set::default());
        }
        self.entries = entries;
        // Ages of up to four times the entries must be less than half the range.
        self.shift = (64 - entries.leading_zeros() + 2).saturating_sub(15).min(16);
    }

    #[inline]
    pub(super) fn put(&mut self, print: Print, time: u32) {
        let time = self.short(time);
        if let Some(set) = self.set(print) {
            set.push(print.fingerprint(), time);
        }
    }

    /// Forgets the ghost of `print`; says how long ago, seen from `now`, its time was.
    #[inline]
    pub(super) fn take(&mut self, print: Print, now: u32) -> Option<u32> {
        let (now, shift) = (self.short(now), self.shift);
        let set = self.set(print)?;
        let time = set.take(print.fingerprint())?;
        Some(u32::from(now.wrapping_sub(time)) << shift)
    }

    #[inline]
    fn short(&self, time: u32) -> u16 {
        (time >> self.shift) as u16
    }

    #[inline]
    fn set(&mut self, print: Print) -> Option<&mut Set> {
        let at = (u128::from(print.mixed) * self.sets.len() as u128) >> 64;
        self.sets.get_mut(at as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(n: u64) -> Print {
        Print::of((n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32)
    }

    #[test]
    fn a_ghost_is_found_once_and_knows_its_age() {
        let mut ghosts = Ghosts::new(128);
        assert_eq!(ghosts.take(print(1), 0), None);
        assert_eq!(ghosts.heap_bytes(), 0);
        ghosts.fit(1000, false);
        // Across the end of the clock.
        ghosts.put(print(1), u32::MAX - 9);
        ghosts.put(print(2), u32::MAX);
        assert_eq!(ghosts.take(print(1), 90), Some(100));
        assert_eq!(ghosts.take(print(1), 90), None);
        assert_eq!(ghosts.take(print(2), 90), Some(91));
    }

    #[test]
    fn a_full_set_gives_up_its_oldest() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(WAYS as u64, false);
        assert_eq!(ghosts.heap_bytes(), 32);
        (0..10).for_each(|n| ghosts.put(print(n), n as u32));
        assert_eq!(ghosts.take(print(5), 10), Some(5));
        ghosts.put(print(10), 10);
        let found: Vec<_> = (0..11).filter(|n| ghosts.take(print(*n), 10).is_some()).collect();
        assert_eq!(found, [2, 3, 4, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn ages_of_many_entries_are_coarse_but_right() {
        let entries = 10_000_000;
        let mut ghosts = Ghosts::new(1);
        ghosts.fit(entries, false);
        ghosts.put(print(1), 5);
        let age = 4 * entries as u32;
        let seen = ghosts.take(print(1), 5 + age).expect("still there");
        assert!(seen.abs_diff(age) <= 1 << ghosts.shift, "{seen} for {age}");
    }

    #[test]
    fn memory_that_cannot_be_had_leaves_no_ghosts() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(u64::MAX, true);
        ghosts.put(print(1), 1);
        assert_eq!(ghosts.take(print(1), 2), None);
        ghosts.fit(100, false);
        assert_eq!(ghosts.heap_bytes(), 13 * 32, "made anew for fewer");
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let mut ghosts = Ghosts::new(128);
        ghosts.fit(100_000, false);
        (0..50_000).for_each(|n| ghosts.put(print(n), 1));
        let found = (0..50_000).filter(|n| ghosts.take(print(*n), 2).is_some()).count();
        assert!(found > 48_000, "{found}: the sets are not used evenly");
    }
}
