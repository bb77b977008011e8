//! The mutants: which fault, where, and which model catches it at which preemption bound.

/// A fault to plant.
#[derive(Clone, Copy)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// Below `src`.
    pub(crate) file: &'static str,
    /// Must stand there exactly once.
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
    /// The model that must fail.
    pub(crate) model: &'static str,
    /// With this many preemptions.
    pub(crate) bound: u32,
}

/// Faults that must be caught.
pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "slot loaded relaxed",
        file: "raw/bucket.rs",
        find: "self.slots[slot].load(Ordering::Acquire)",
        replace: "self.slots[slot].load(Ordering::Relaxed)",
        model: "overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "slot published relaxed",
        file: "raw/bucket.rs",
        find: "self.slots[slot].store(node, Ordering::Release)",
        replace: "self.slots[slot].store(node, Ordering::Relaxed)",
        model: "remove_and_insert_against_reads",
        bound: 2,
    },
    Mutant {
        name: "slot replaced relaxed",
        file: "raw/bucket.rs",
        find: "self.slots[slot].store(new, Ordering::Release)",
        replace: "self.slots[slot].store(new, Ordering::Relaxed)",
        model: "overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "slot before tag",
        file: "raw/bucket.rs",
        find: "        self.set_meta(self.meta().with_tag(slot, tag));
        // Release, pairs with the Acquire in `node` [O1].
        self.slots[slot].store(node, Ordering::Release);",
        replace: "        self.slots[slot].store(node, Ordering::Release);
        self.set_meta(self.meta().with_tag(slot, tag));",
        model: "stale_tag_word",
        bound: 4,
    },
    Mutant {
        name: "dropped without deferral",
        file: "raw/limbo.rs",
        find: "epoch::defer(move || limbo.push(batch));",
        replace: "limbo.push(batch);",
        model: "overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "replaced by unlinking and publishing",
        file: "raw/stripe.rs",
        find: "Unlinked::new(self.table().bucket(at.bucket()).replace(at.slot(), node))",
        replace: "// SAFETY: the node is ours.
        let tag = crate::hash::tag(unsafe { (*node).low_hash() });
        let old = self.table().bucket(at.bucket()).unlink(at.slot());
        self.table().bucket(at.bucket()).publish(at.slot(), tag, node);
        Unlinked::new(old)",
        model: "overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "reader not pinned",
        file: "epoch/strict.rs",
        find: "EPOCH.book(|book| book.active.insert(number));",
        replace: "",
        model: "overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "view without a second look at the state",
        file: "raw/node.rs",
        find: "if self.state.load(Ordering::Relaxed) == state {",
        replace: "if true {",
        model: "word_overwrite_against_reads",
        bound: 2,
    },
    Mutant {
        name: "state before cell",
        file: "raw/node.rs",
        find: "        self.set_cell(parity ^ 1, bits);
        self.set_state(stamp << 1 | (parity ^ 1));",
        replace: "        self.set_state(stamp << 1 | (parity ^ 1));
        self.set_cell(parity ^ 1, bits);",
        model: "two_steps_against_reads",
        bound: 2,
    },
    Mutant {
        name: "the live cell overwritten",
        file: "raw/node.rs",
        find: "        self.set_cell(parity ^ 1, bits);
        self.set_state(stamp << 1 | (parity ^ 1));",
        replace: "        self.set_cell(parity, bits);
        self.set_state(stamp << 1 | parity);",
        model: "two_steps_against_reads",
        bound: 2,
    },
    Mutant {
        name: "cell stored relaxed",
        file: "raw/node.rs",
        find: "self.cells()[cell as usize].store(bits, Ordering::Release)",
        replace: "self.cells()[cell as usize].store(bits, Ordering::Relaxed)",
        model: "word_overwrite_against_reads",
        bound: 3,
    },
    Mutant {
        name: "cell loaded relaxed",
        file: "raw/node.rs",
        find: "self.cells()[(state & 1) as usize].load(Ordering::Acquire)",
        replace: "self.cells()[(state & 1) as usize].load(Ordering::Relaxed)",
        model: "word_overwrite_against_reads",
        bound: 3,
    },
    Mutant {
        name: "state stored relaxed",
        file: "raw/node.rs",
        find: "self.state.store(state, Ordering::Release)",
        replace: "self.state.store(state, Ordering::Relaxed)",
        model: "two_steps_against_reads",
        bound: 2,
    },
    Mutant {
        name: "state loaded relaxed",
        file: "raw/node.rs",
        find: "let state = self.state.load(Ordering::Acquire);",
        replace: "let state = self.state.load(Ordering::Relaxed);",
        model: "two_steps_against_reads",
        bound: 2,
    },
    Mutant {
        name: "deadlines stored relaxed",
        file: "raw/node.rs",
        find: "self.times.store(times, Ordering::Release)",
        replace: "self.times.store(times, Ordering::Relaxed)",
        model: "expiry_against_touch",
        bound: 3,
    },
    Mutant {
        name: "deadlines loaded relaxed",
        file: "raw/node.rs",
        find: "let times = self.times.load(Ordering::Acquire);",
        replace: "let times = self.times.load(Ordering::Relaxed);",
        model: "expiry_against_touch",
        bound: 3,
    },
    Mutant {
        name: "no doubt between stamp and deadline",
        file: "raw/node.rs",
        find: "self.set_times(IN_DOUBT);",
        replace: "",
        model: "touch_that_shortens",
        bound: 3,
    },
    Mutant {
        name: "lapsed lock unmasked without the stripe lock",
        file: "store/read.rs",
        find: "Standing::Masked => Some(Found::new(&view, true)),",
        replace: "Standing::Masked => Some(Found::new(&view, true)),
            Standing::Lapsed => Some(Found::new(&view, false)),",
        model: "renew_against_lapse",
        bound: 3,
    },
    Mutant {
        name: "lock not masked",
        file: "store/read.rs",
        find: "Standing::Masked => Some(Found::new(&view, true)),",
        replace: "Standing::Masked => Some(Found::new(&view, false)),",
        model: "lock_and_write_against_swap",
        bound: 2,
    },
    Mutant {
        name: "expired entry missed without the stripe lock",
        file: "store/read.rs",
        find: "Standing::Masked => Some(Found::new(&view, true)),",
        replace: "Standing::Masked => Some(Found::new(&view, true)),
            Standing::Expired => None,",
        model: "expiry_against_swap",
        bound: 3,
    },
    Mutant {
        name: "expired entry removed without a second decision",
        file: "store/mod.rs",
        find: "if shown.is_some_and(|at| at <= now.get()) {",
        replace: "if shown.is_some() {",
        model: "touch_that_shortens",
        bound: 2,
    },
    Mutant {
        name: "the shortest write overlooks the lock",
        file: "store/write.rs",
        find: "Some(entry) if entry.is_timeless() => {",
        replace: "Some(entry) => {",
        model: "word_write_against_lock",
        bound: 2,
    },
    Mutant {
        name: "a counter that moves overlooks the lock",
        file: "store/counter.rs",
        find: "found.filter(|entry| entry.is_timeless() && self.keeps_timeless())",
        replace: "found.filter(|_| self.keeps_timeless())",
        model: "lapse_against_step",
        bound: 2,
    },
    Mutant {
        name: "clock sampled before the stripe lock",
        file: "store/mod.rs",
        // Chores would remove the expired entry before anybody can revive it.
        find: "        let grip = self.grip(hash)?;
        self.locked_by(grip, act)",
        replace: "        let early = self.time.now();
        let grip = self.grip(hash)?;
        self.within(grip, |held, now| {
            now.sampled = Some(early);
            act(held, now)
        })",
        model: "late_touch_against_write_that_expired",
        bound: 3,
    },
    Mutant {
        name: "stamps begin again after a removal",
        file: "raw/stripe.rs",
        find: "let (node, passed) = unsafe { self.table().unlink(at) };",
        replace: "let (node, passed) = unsafe { self.table().unlink(at) };
        self.writer.stamps = StampSource::new(0, 1, 0);",
        model: "swap_against_remove_and_insert",
        bound: 2,
    },
    Mutant {
        name: "table published relaxed",
        file: "raw/stripe.rs",
        find: "current.table.swap(Box::into_raw(Box::new(fresh)), Ordering::Release)",
        replace: "current.table.swap(Box::into_raw(Box::new(fresh)), Ordering::Relaxed)",
        model: "growth_and_write_against_reads",
        bound: 2,
    },
    Mutant {
        name: "growing empties the old table",
        file: "raw/table.rs",
        find: "                let (at, passed) = self.place(hash, node);",
        replace: "                let (at, passed) = self.place(hash, node);
                let slot = old.buckets[index].meta().occupied().next().unwrap();
                old.buckets[index].unlink(slot);",
        model: "growth_and_write_against_reads",
        bound: 2,
    },
    Mutant {
        name: "old table dropped at once",
        file: "raw/stripe.rs",
        find: "self.retire_with(|batch| batch.push_table(old, Nodes::MovedOn, 0));",
        replace: "// SAFETY: none, this is the fault.
        drop(unsafe { Box::from_raw(old) });",
        model: "growth_and_write_against_reads",
        bound: 2,
    },
    Mutant {
        name: "overflow count not raised",
        file: "raw/table.rs",
        find: "            here.raise_overflow();",
        replace: "",
        model: "overflow_falls_and_rises",
        bound: 2,
    },
    Mutant {
        name: "overflow count lowered too far",
        file: "raw/table.rs",
        find: "while bucket != at.bucket() {",
        replace: "if bucket == at.bucket() {
            self.buckets[bucket].lower_overflow();
        }
        while bucket != at.bucket() {",
        model: "overflow_falls_and_rises",
        bound: 2,
    },
    Mutant {
        name: "helping until there is little left",
        file: "raw/limbo.rs",
        find: "        for round in 0..patience {",
        replace: "        for round in 0.. {",
        model: "helping_writer_in_a_session",
        bound: 2,
    },
    Mutant {
        name: "room made for one too few",
        file: "store/bound.rs",
        find: "        let most = policy.capacity() - u64::from(weight);
        if policy.used()",
        replace: "        let most = policy.capacity() - u64::from(weight) + 1;
        if policy.used()",
        model: "eviction_against_reads",
        bound: 2,
    },
    Mutant {
        name: "evicted and not unlinked",
        file: "store/bound.rs",
        find: "self.unlink(held, at, victim.weight, Cause::Evicted);",
        replace: "",
        model: "eviction_and_return_against_reads",
        bound: 2,
    },
    Mutant {
        name: "a swap brings back what was evicted",
        file: "store/mod.rs",
        find: "            Condition::Always | Condition::Absent => Ok(()),
            Condition::Present | Condition::Unchanged(_) => Err(Refusal::Absent),",
        replace: "            _ => Ok(()),",
        model: "eviction_against_swap",
        bound: 2,
    },
    Mutant {
        name: "a token brings back what was evicted",
        file: "store/mod.rs",
        find: "            Condition::Always | Condition::Absent => Ok(()),
            Condition::Present | Condition::Unchanged(_) => Err(Refusal::Absent),",
        replace: "            _ => Ok(()),",
        model: "eviction_against_lock_and_write",
        bound: 2,
    },
    Mutant {
        name: "locked entry evicted like any other",
        file: "store/bound.rs",
        find: "        deadline.is_none_or(|deadline| deadline <= *self.now.get_or_init(|| self.time.now()))",
        replace: "        let _ = (deadline, &self.now, self.time);
        true",
        model: "eviction_spares_the_locked",
        bound: 2,
    },
    Mutant {
        name: "locked entry evicted before one whose lock has lapsed",
        file: "store/bound.rs",
        find: "deadline <= *self.now",
        replace: "deadline > *self.now",
        model: "eviction_of_the_lapsed",
        bound: 2,
    },
    Mutant {
        name: "policy not told of a removal",
        file: "store/mod.rs",
        find: "weight = policy.forget(at.place(), usage);",
        replace: "weight = u32::from(usage.uses());",
        model: "eviction_against_remove",
        bound: 2,
    },
    Mutant {
        name: "room made before the write is admitted",
        file: "store/write.rs",
        find: "                self.admit_counted(held, entry.as_ref(), condition, now)?;
                Ok(self.store",
        replace: "                let _ = self.room_for_new(held, hash, weight);
                self.admit_counted(held, entry.as_ref(), condition, now)?;
                Ok(self.store",
        model: "refused_write_evicts_nobody",
        bound: 2,
    },
    Mutant {
        name: "table loaded relaxed",
        file: "raw/stripe.rs",
        find: "let table = self.current.0.table.load(Ordering::Acquire);",
        replace: "let table = self.current.0.table.load(Ordering::Relaxed);",
        model: "growth_and_write_against_reads",
        bound: 2,
    },
    Mutant {
        name: "an absent key raises no floor",
        file: "store/invalidate.rs",
        find: "return self.raise_floor(held, hash) };",
        replace: "return };",
        model: "fills::fill_against_invalidate",
        bound: 2,
    },
    Mutant {
        name: "an evicted entry leaves no floor",
        file: "store/mod.rs",
        find: "        if held.fills.is_armed() {",
        replace: "        if held.fills.is_armed() && cause != Cause::Evicted {",
        model: "fills::fill_against_write_then_evict",
        bound: 2,
    },
    Mutant {
        name: "a removed entry leaves no floor",
        file: "store/mod.rs",
        find: "        if held.fills.is_armed() {",
        replace: "        if held.fills.is_armed() && cause != Cause::Removed {",
        model: "fills::fill_against_write_then_remove",
        bound: 2,
    },
    Mutant {
        name: "a clear raises no floor",
        file: "store/mod.rs",
        find: "        self.raise_all_floors(held);",
        replace: "",
        model: "fills::fill_against_clear",
        bound: 2,
    },
    Mutant {
        name: "a predicate raises no floor",
        file: "store/bulk.rs",
        find: "        self.refuse_fills()?;\n        let mut removed",
        replace: "        let mut removed",
        model: "fills::fill_against_invalidation_by_predicate",
        bound: 2,
    },
    Mutant {
        name: "a floor lets in what is as old",
        file: "store/fills.rs",
        find: "        if floor > since.stamp {",
        replace: "        if floor > since.stamp + 1 {",
        model: "fills::snapshot_against_invalidate",
        bound: 2,
    },
    Mutant {
        name: "a fence lets fills in",
        file: "store/fills.rs",
        find: "armed.fence(since.hash).map_or(Ok(()), |until| Err(Late::Fenced(until)))",
        replace: "Ok(())",
        model: "fills::fence_against_fill",
        bound: 2,
    },
    Mutant {
        name: "a fence goes without a floor",
        file: "store/fills.rs",
        find: "*floor = stamp.max(*floor);\n            }",
        replace: "let _ = (floor, stamp);\n            }",
        model: "fills::fence_against_fill",
        bound: 2,
    },
    Mutant {
        name: "a late caller joins a load from before",
        file: "store/fills.rs",
        find: "load.until > now && self.check(since).is_ok()",
        replace: "load.until > now && (self.check(since).is_ok() || true)",
        model: "fills::load_against_invalidate",
        bound: 2,
    },
    Mutant {
        name: "a load is led twice",
        file: "store/fills.rs",
        find: "is_newest && !is_over && load.until > now",
        replace: "is_newest && !is_over && load.until < now",
        model: "fills::two_loads",
        bound: 2,
    },
    Mutant {
        name: "a dropped leader tells nobody",
        file: "store/load.rs",
        find: "            self.withdraw();\n            self.flight.end(None);",
        replace: "            self.withdraw();",
        model: "fills::loader_hand_over",
        bound: 2,
    },
    Mutant {
        name: "a landed load wakes nobody",
        file: "store/flight.rs",
        find: "            wake_all(waiters.into_iter().flatten().collect());",
        replace: "            drop(waiters);",
        model: "fills::two_loads",
        bound: 2,
    },
];

/// Mutants that the random mixes must catch as well, and which of them. Shuttle knows no weak
/// memory, so these are faults in the order of steps and in decisions.
pub(crate) const IN_MIXES: &[(&str, &str)] = &[
    ("dropped without deferral", "random_schedules"),
    ("growing empties the old table", "random_schedules"),
    ("expired entry removed without a second decision", "schedules_with_few_switches"),
];

/// Faults in the use of `crossbeam-epoch`, which only the models over it can notice.
pub(crate) const OVER_EPOCH: &[Mutant] = &[Mutant {
    name: "no fence after repin",
    file: "epoch/crossbeam.rs",
    find: "        fence(Ordering::SeqCst);
",
    replace: "",
    model: "refresh_against_overwrite_and_reclaim",
    bound: 1,
}];

/// Faults in our own epoch. The models of these stand beside it.
pub(crate) const OF_EPOCH: &[Mutant] = &[
    Mutant {
        name: "epoch not acquired by a pin",
        file: "epoch/asymmetric.rs",
        find: "        let epoch = SHARED.epoch.0.load(Ordering::Acquire);
        // Release",
        replace: "        let epoch = SHARED.epoch.0.load(Ordering::Relaxed);
        // Release",
        model: "a_barrier_finds_pins_that_are_not_visible",
        bound: 2,
    },
    Mutant {
        name: "epoch not released by a deferral",
        file: "epoch/asymmetric.rs",
        find: "store(number + 1, Ordering::Release)",
        replace: "store(number + 1, Ordering::Relaxed)",
        model: "a_barrier_finds_pins_that_are_not_visible",
        bound: 2,
    },
    Mutant {
        name: "pin announced relaxed",
        file: "epoch/asymmetric.rs",
        find: "self.word.store(epoch << 1 | 1, Ordering::Release)",
        replace: "self.word.store(epoch << 1 | 1, Ordering::Relaxed)",
        model: "busy_readers_need_no_barrier",
        bound: 2,
    },
    Mutant {
        name: "pin retracted relaxed",
        file: "epoch/asymmetric.rs",
        find: "self.word.store(word & !1, Ordering::Release)",
        replace: "self.word.store(word & !1, Ordering::Relaxed)",
        model: "a_barrier_finds_pins_that_are_not_visible",
        bound: 2,
    },
    Mutant {
        name: "word surveyed relaxed",
        file: "epoch/asymmetric.rs",
        find: "self.word.load(Ordering::Acquire)",
        replace: "self.word.load(Ordering::Relaxed)",
        model: "a_barrier_finds_pins_that_are_not_visible",
        bound: 2,
    },
    Mutant {
        name: "no light barrier in a pin",
        file: "epoch/asymmetric.rs",
        find: "        self.light.pass();
",
        replace: "",
        model: "a_refreshed_guard_protects_what_is_reached_after_it",
        bound: 2,
    },
    Mutant {
        name: "no heavy barrier",
        file: "epoch/asymmetric.rs",
        find: "if barrier::heavy(readers.iter().map(|reader| &reader.0.light)) {",
        replace: "if true {",
        model: "a_refreshed_guard_protects_what_is_reached_after_it",
        bound: 2,
    },
    Mutant {
        name: "no second survey after the barrier",
        file: "epoch/asymmetric.rs",
        find: "        let found = survey(readers);
        found.pinned.min(found.idle)
    } else",
        replace: "        found.pinned
    } else",
        model: "a_refreshed_guard_protects_what_is_reached_after_it",
        bound: 2,
    },
    Mutant {
        name: "trust without a barrier",
        file: "epoch/asymmetric.rs",
        find: "        found.idle
    }",
        replace: "        found.pinned
    }",
        model: "busy_readers_need_no_barrier",
        bound: 2,
    },
    Mutant {
        name: "no fence on waking",
        file: "epoch/asymmetric.rs",
        find: "        fence(Ordering::SeqCst);
        // Relaxed: whoever sees",
        replace: "        // Relaxed: whoever sees",
        model: "who_wakes_is_seen",
        bound: 2,
    },
    Mutant {
        name: "no fence in a survey",
        file: "epoch/asymmetric.rs",
        find: "    fence(Ordering::SeqCst);
    let mut found",
        replace: "    let mut found",
        model: "who_wakes_is_seen",
        bound: 2,
    },
    Mutant {
        name: "surveyed before the epoch is read",
        file: "epoch/asymmetric.rs",
        find: "    let now = SHARED.epoch.0.load(Ordering::Relaxed);
    // Pairs with the fence in `wake` [O10].
    fence(Ordering::SeqCst);",
        replace: "    fence(Ordering::SeqCst);
    let now = SHARED.epoch.0.load(Ordering::Relaxed);",
        model: "who_wakes_is_seen_by_a_third",
        bound: 3,
    },
    Mutant {
        name: "asleep looked at before the word",
        file: "epoch/asymmetric.rs",
        find: "        let word = self.word.load(Ordering::Acquire);
        let epoch = word >> 1;
        if word & 1 == 1 {
            State::Pinned(epoch)
        // Relaxed, and after the word: a pin that has woken the reader and ended is seen with that.
        } else if self.asleep.load(Ordering::Relaxed) == 1 {",
        replace: "        let asleep = self.asleep.load(Ordering::Relaxed);
        let word = self.word.load(Ordering::Acquire);
        let epoch = word >> 1;
        if word & 1 == 1 {
            State::Pinned(epoch)
        } else if asleep == 1 {",
        model: "who_wakes_is_seen",
        bound: 2,
    },
    Mutant {
        name: "the pin's own number goes",
        file: "epoch/asymmetric.rs",
        find: "*number < horizon",
        replace: "*number <= horizon",
        model: "a_refreshed_guard_protects_what_is_reached_after_it",
        bound: 2,
    },
];

/// Changes that no model can tell, kept so that nobody plants them again in the belief that a
/// model has a hole.
pub(crate) const EQUIVALENT: &[Mutant] = &[
    Mutant {
        // A reader that finds no tag while the slot is still full misses a key whose removal has
        // begun: the miss takes effect where the tag was cleared.
        name: "tag cleared before slot",
        file: "raw/bucket.rs",
        find: "        // Release, pairs with the Acquire in `node` [O1]: whoever finds the slot empty sees what was
        // done before the key was removed.
        self.slots[slot].store(ptr::null_mut(), Ordering::Release);
        self.set_meta(self.meta().with_tag(slot, 0));",
        replace: "        self.set_meta(self.meta().with_tag(slot, 0));
        self.slots[slot].store(ptr::null_mut(), Ordering::Release);",
        model: "remove_and_insert_against_reads",
        bound: 3,
    },
    // The next three only weaken what a reader learns from a miss about other keys. Two pins, one
    // of the remover and one of the reader's next look-up, order these already, in the stand-in
    // as in `crossbeam-epoch`. The table does not lean on that.
    Mutant {
        name: "tags stored relaxed",
        file: "raw/bucket.rs",
        find: "self.meta.store(meta.0, Ordering::Release)",
        replace: "self.meta.store(meta.0, Ordering::Relaxed)",
        model: "remove_and_insert_against_reads",
        bound: 3,
    },
    Mutant {
        name: "tags loaded relaxed",
        file: "raw/bucket.rs",
        find: "Meta(self.meta.load(Ordering::Acquire))",
        replace: "Meta(self.meta.load(Ordering::Relaxed))",
        model: "stale_tag_word",
        bound: 3,
    },
    Mutant {
        name: "slot emptied without release",
        file: "raw/bucket.rs",
        find: "store(ptr::null_mut(), Ordering::Release)",
        replace: "store(ptr::null_mut(), Ordering::Relaxed)",
        model: "remove_and_insert_against_reads",
        bound: 3,
    },
];
