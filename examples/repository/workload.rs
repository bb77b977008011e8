//! Random operations of many threads on one repository, with audits at random moments.
//!
//! What is done is decided by the seed alone, when is not. Two things are watched. An **audit** stops
//! the threads between two operations and compares every entry with its row. And every **answer** is
//! held against what was known when its question was asked: an account must not be older than the
//! last change that was complete by then.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use caskade::{Clock, Stats, SystemClock};

use crate::audit::{Difference, audit};
use crate::choice::Choice;
use crate::database::{Account, AccountId, Changed, Database};
use crate::repository::{Accounts, Repository, Step, Watch};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) operations: u64,
    pub(crate) threads: u32,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// Differences at the end.
    pub(crate) lasting: Vec<Difference>,
    pub(crate) stats: Stats,
    pub(crate) took: Duration,
}

/// What a thread has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) answers: u64,
    /// Answers that were out of date when the question was asked.
    pub(crate) old_answers: u64,
    pub(crate) transfers: u64,
    /// Transfers that were not covered.
    pub(crate) refused: u64,
    /// At random moments, not counting the one at the end.
    pub(crate) audits: u64,
    /// Differences that the audits found, all together.
    pub(crate) passing: usize,
}

/// How many accounts there are, and how many of them the cache may hold.
const ACCOUNTS: AccountId = 4_096;
const BOUND: u64 = 2_048;
/// How many audits there are at random moments.
const AUDITS: u64 = 20;
/// How many accounts are looked for at once.
const TOGETHER: u64 = 8;

impl Outcome {
    /// Whether everybody was told what is right.
    pub(crate) fn is_right(&self) -> bool {
        self.tally.old_answers == 0 && self.tally.passing == 0 && self.lasting.is_empty()
    }
}

/// Carries out the plan.
pub(crate) fn run(plan: Plan, choice: Choice) -> rusqlite::Result<Outcome> {
    let database = Database::create(ACCOUNTS)?;
    let cache = Accounts::builder().max_entries(BOUND).build().expect("the settings are sound");
    let known = Known::new(choice);
    let repository = choice.open(cache, &database, &known);
    let run = Run {
        plan,
        repository: &*repository,
        database: &database,
        known: &known,
        next: AtomicU64::new(0),
        broken: AtomicBool::new(false),
        working: RwLock::new(()),
    };
    let started = SystemClock.now();
    let tally = run.all()?;
    let took = SystemClock.now() - started;
    let stats = repository.cache().stats();
    let lasting = audit(repository.cache(), &database)?;
    Ok(Outcome { tally, lasting, stats, took })
}

/// The latest revision of each account that everybody must see who asks from now on.
struct Known {
    revisions: Vec<AtomicU32>,
    /// Not only from when the writer is done.
    from_commit: bool,
}

impl Known {
    fn new(choice: Choice) -> Self {
        let revisions = (0..ACCOUNTS).map(|_| AtomicU32::new(0)).collect();
        Self { revisions, from_commit: choice == Choice::Fence }
    }

    // Acquire, pairs with the Release below: who knows of a change asks after it.
    fn of(&self, id: AccountId) -> u32 {
        self.revisions[id as usize].load(Ordering::Acquire)
    }

    fn learn(&self, changed: &Changed) {
        for (id, account) in changed {
            self.revisions[*id as usize].fetch_max(account.revision, Ordering::Release);
        }
    }
}

impl Watch for Known {
    fn at(&self, step: Step<'_>) {
        if let Step::Committed(changed) = step {
            if self.from_commit {
                self.learn(changed);
            }
        }
        // On few processors hardly anybody would be interrupted here otherwise.
        thread::yield_now();
    }
}

/// What the threads share.
struct Run<'r> {
    plan: Plan,
    repository: &'r dyn Repository,
    database: &'r Database,
    known: &'r Known,
    next: AtomicU64,
    /// One thread has failed; the others stop.
    broken: AtomicBool,
    /// Held by many for the time of an operation, and by one alone for an audit.
    working: RwLock<()>,
}

// The atomics that are Relaxed are a counter and a flag.
impl Run<'_> {
    fn all(&self) -> rusqlite::Result<Tally> {
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.plan.threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut sum = Tally::default();
            for thread in threads {
                sum += thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            Ok(sum)
        })
    }

    fn work(&self) -> rusqlite::Result<Tally> {
        let mut tally = Tally::default();
        while !self.broken.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.operations {
                break;
            }
            let done = match self.is_audit(number) {
                true => self.audit(&mut tally),
                false => self.operate(Dice::new(self.plan.seed, number), &mut tally),
            };
            if let Err(error) = done {
                self.broken.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(tally)
    }

    /// Whether this operation is an audit: a random one of each of equal parts of them.
    fn is_audit(&self, number: u64) -> bool {
        let part = self.plan.operations.div_ceil(AUDITS).max(2);
        let chosen = Dice::new(!self.plan.seed, number / part).below(part);
        number % part == chosen
    }

    fn audit(&self, tally: &mut Tally) -> rusqlite::Result<()> {
        let _alone = self.working.write().unwrap_or_else(PoisonError::into_inner);
        tally.audits += 1;
        tally.passing += audit(self.repository.cache(), self.database)?.len();
        Ok(())
    }

    fn operate(&self, mut dice: Dice, tally: &mut Tally) -> rusqlite::Result<()> {
        let _working = self.working.read().unwrap_or_else(PoisonError::into_inner);
        match dice.below(100) {
            0..=2 => self.transfer(&mut dice, tally),
            3..=4 => self.find(&mut dice, tally),
            _ => self.get(&mut dice, tally),
        }
    }

    fn get(&self, dice: &mut Dice, tally: &mut Tally) -> rusqlite::Result<()> {
        let id = dice.account();
        let known = self.known.of(id);
        let answer = self.repository.get(id)?;
        tally.count(answer, known);
        Ok(())
    }

    fn find(&self, dice: &mut Dice, tally: &mut Tally) -> rusqlite::Result<()> {
        let ids: Vec<_> = (0..TOGETHER).map(|_| dice.account()).collect();
        let known: Vec<_> = ids.iter().map(|id| self.known.of(*id)).collect();
        let answers = self.repository.find(&ids)?;
        answers.into_iter().zip(known).for_each(|(answer, known)| tally.count(answer, known));
        Ok(())
    }

    fn transfer(&self, dice: &mut Dice, tally: &mut Tally) -> rusqlite::Result<()> {
        let (from, mut to) = (dice.account(), dice.account());
        if from == to {
            to = (to + 1) % ACCOUNTS;
        }
        let amount = 1 + (dice.next() >> 53) as i64; // up to a fifth of what an account begins with
        match self.repository.transfer(from, to, amount)? {
            Some(changed) => {
                tally.transfers += 1;
                self.known.learn(&changed);
            }
            None => tally.refused += 1,
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, answer: Option<Account>, known: u32) {
        self.answers += 1;
        self.old_answers += u64::from(answer.is_none_or(|account| account.revision < known));
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.old_answers += other.old_answers;
        self.transfers += other.transfers;
        self.refused += other.refused;
        self.audits += other.audits;
        self.passing += other.passing;
    }
}

/// Random numbers (splitmix64), a sequence for each operation.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, number: u64) -> Self {
        Self(Self(seed).next() ^ number)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Some accounts are wanted much more often than others.
    fn account(&mut self) -> AccountId {
        let all = u64::from(ACCOUNTS);
        let least = (0..3).map(|_| self.below(all)).min();
        let id = least.and_then(|least| self.below(least + 1).try_into().ok());
        id.expect("below the number of accounts")
    }
}
