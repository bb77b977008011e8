//! [`Task`]: what is done to a subject while time is taken.
//!
//! Every task can [`check`](Task::check) itself: it runs on a small subject of the same kind,
//! through the same code that is timed, and panics if the outcome is not what it must be.

use crate::NumberSubject;
use crate::keys::{Shape, Stream, key, shuffled, value_of};
use crate::subjects::Kind;

/// The ways to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One look-up that stands alone.
    Single,
    /// 64 look-ups under one guard or session.
    Guarded,
    /// 16 look-ups in one call that is made for that.
    Batched,
    /// As `Batched`, with the values in a `Vec`.
    Listed,
}

/// What is done with each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Read it.
    Read(Form),
    /// Overwrite the first of so many, read the rest.
    Mix(usize),
    /// Overwrite its number.
    Overwrite,
    /// Insert an entry derived from it, and remove that 64 keys later.
    Churn,
    /// Increment its counter.
    Increment,
    /// Increment its counter with an optimistic loop.
    Swap,
}

/// All tasks that need no more than a filled subject.
pub const TASKS: [Task; 10] = [
    Task::Read(Form::Single),
    Task::Read(Form::Guarded),
    Task::Read(Form::Batched),
    Task::Read(Form::Listed),
    Task::Mix(20),
    Task::Mix(2),
    Task::Overwrite,
    Task::Churn,
    Task::Increment,
    Task::Swap,
];

const LIVE: usize = 64;

impl Task {
    /// A name for titles and benchmark identifiers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read(Form::Single) => "read",
            Self::Read(Form::Guarded) => "read 64 under one guard",
            Self::Read(Form::Batched) => "read in batches of 16",
            Self::Read(Form::Listed) => "read in batches of 16, listed",
            Self::Mix(20) => "95 % read, 5 % overwrite",
            Self::Mix(2) => "50 % read, 50 % overwrite",
            Self::Mix(_) => "mix",
            Self::Overwrite => "overwrite",
            Self::Churn => "insert and remove",
            Self::Increment => "increment",
            Self::Swap => "compare and swap",
        }
    }

    /// Whether the subject has what it takes.
    #[must_use]
    pub fn suits(self, subject: &dyn NumberSubject) -> bool {
        match self {
            Self::Read(form) => read(form, subject, &[]).is_some(),
            _ => true,
        }
    }

    /// Does it, for all `keys`, as `thread`. `round` tells overwrites apart. Reads return the sum
    /// of the values, compare-and-swap the number of attempts.
    ///
    /// # Panics
    ///
    /// If the subject cannot do it, or loses an entry of a churn.
    pub fn run(self, subject: &dyn NumberSubject, thread: usize, keys: &[u64], round: u64) -> u64 {
        match self {
            Self::Read(form) => read(form, subject, keys).expect("the task suits the subject"),
            Self::Mix(cycle) => subject.mix(keys, cycle, round),
            Self::Overwrite => subject.fill(keys, round),
            Self::Churn => {
                let removed = subject.churn(keys, (thread as u64 + 1) << 40, LIVE);
                assert_eq!(removed, keys.len() as u64, "an entry got lost");
                removed
            }
            Self::Increment => subject.increment_each(keys),
            Self::Swap => subject.optimistic_add_each(keys),
        }
    }

    /// The keys that `threads` threads do it with. A churn needs distinct ones.
    #[must_use]
    pub fn streams(self, shape: Shape, entries: usize, length: usize) -> Vec<Stream> {
        match self {
            Self::Churn => (0..2).map(|thread| Stream::once_each(entries, thread, 2)).collect(),
            _ => {
                let draw = |thread| Stream::draw(shape, entries, length, 100 + thread);
                (0..2u64).map(draw).collect()
            }
        }
    }

    /// Does it on a small subject of this kind and looks whether it was done.
    ///
    /// # Panics
    ///
    /// If it was not.
    pub fn check(self, kind: &Kind<dyn NumberSubject>) {
        const ENTRIES: usize = 500;
        const ROUND: u64 = 3;
        let subject = &*(kind.new)(ENTRIES);
        let keys = fill(subject, ENTRIES);
        if !self.suits(subject) {
            return;
        }
        let done: Vec<u64> = std::thread::scope(|scope| {
            let run = |thread| {
                let keys = &keys;
                scope.spawn(move || self.run(subject, thread, keys, ROUND))
            };
            let threads: Vec<_> = (0..2).map(run).collect();
            threads.into_iter().map(|thread| thread.join().expect("the task works")).collect()
        });
        let before = sum_of(&keys);
        let each = match self {
            Self::Read(_) | Self::Churn => 0,
            Self::Mix(cycle) => ROUND * keys.len().div_ceil(cycle) as u64,
            Self::Overwrite => ROUND * keys.len() as u64,
            Self::Increment | Self::Swap => 2 * keys.len() as u64,
        };
        let context = format!("{}: {}", kind.name, self.name());
        assert_eq!(subject.read_each(&keys), before + each, "{context}");
        match self {
            Self::Read(_) => assert_eq!(done, [before, before], "{context}"),
            Self::Swap => assert!(done.iter().all(|tries| *tries >= 500), "{context}"),
            _ => {}
        }
    }
}

/// Fills an empty subject and sees to it that everything is there. Returns the keys.
///
/// # Panics
///
/// If something is missing.
pub fn fill(subject: &dyn NumberSubject, entries: usize) -> Vec<u64> {
    let keys = shuffled(entries);
    subject.fill(&keys, 0);
    subject.settle();
    assert_eq!(subject.read_each(&keys), sum_of(&keys), "an entry is missing or wrong");
    keys
}

/// Two threads increment the counter of one key, and no increment may get lost.
///
/// # Panics
///
/// If one does.
pub fn check_one_key(task: Task, kind: &Kind<dyn NumberSubject>) {
    let subject = &*(kind.new)(500);
    fill(subject, 500);
    let hot = vec![key(0); 5_000];
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let hot = &hot;
            scope.spawn(move || task.run(subject, thread, hot, 0));
        }
    });
    assert_eq!(subject.get(key(0)), Some(value_of(key(0)) + 10_000), "{}", kind.name);
}

fn sum_of(keys: &[u64]) -> u64 {
    keys.iter().map(|key| value_of(*key)).sum()
}

fn read(form: Form, subject: &dyn NumberSubject, keys: &[u64]) -> Option<u64> {
    match form {
        Form::Single => Some(subject.read_each(keys)),
        Form::Guarded => subject.read_guarded(keys),
        Form::Batched => subject.read_batched(keys),
        Form::Listed => subject.read_listed(keys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subjects::NUMBERS;

    #[test]
    fn every_subject_does_every_task_right() {
        for kind in &NUMBERS {
            TASKS.iter().for_each(|task| task.check(kind));
        }
    }

    #[test]
    fn no_subject_loses_an_increment_of_a_contended_counter() {
        for kind in &NUMBERS {
            check_one_key(Task::Increment, kind);
            check_one_key(Task::Swap, kind);
        }
    }
}
