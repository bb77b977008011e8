//! A cache that follows a database: the repositories of the example, which are compiled into this
//! test, and what their stories cannot tell.

#[path = "../examples/repository/arguments.rs"]
mod arguments;
#[path = "../examples/repository/audit.rs"]
mod audit;
#[path = "../examples/repository/cached.rs"]
mod cached;
#[path = "../examples/repository/choice.rs"]
mod choice;
#[path = "../examples/repository/database.rs"]
mod database;
#[path = "../examples/repository/loading.rs"]
mod loading;
#[path = "../examples/repository/naive.rs"]
mod naive;
#[path = "../examples/repository/program.rs"]
mod program;
#[path = "../examples/repository/repository.rs"]
mod repository;
#[path = "../examples/repository/stories.rs"]
mod stories;
#[path = "../examples/repository/workload.rs"]
mod workload;

use std::ffi::OsString;
use std::sync::Mutex;

use arguments::{Command, DEFAULT, UsageError};
use audit::{Difference, audit};
use cached::FENCE_TIME;
use caskade::{Lookup, ManualClock, Refusal};
use choice::Choice;
use database::{Account, Database, OPENING};
use repository::{Accounts, Step, Watch};
use stories::{Ending, Story};
use workload::Plan;

/// What the accounts are after one transfer of 100.
const GIVER: Account = Account { balance: OPENING.balance - 100, revision: 1 };
const RECEIVER: Account = Account { balance: OPENING.balance + 100, revision: 1 };

struct Unwatched;

impl Watch for Unwatched {
    fn at(&self, _: Step<'_>) {}
}

#[test]
fn the_naive_repository_goes_stale() {
    let stale = |story: Story| match story.tell(Choice::Naive).unwrap() {
        Ending::Stale(differences) => differences,
        ending => panic!("{story:?} ends with {ending:?}"),
    };
    let giver = Difference { id: 0, cached: OPENING, row: Some(GIVER) };
    assert_eq!(stale(Story::SlowReader), [giver]);
    let giver = Difference { id: 1, ..giver };
    assert_eq!(stale(Story::OldSnapshot), [giver]);
    assert_eq!(Story::SlowWriter.tell(Choice::Naive).unwrap(), Ending::OldAnswer);
}

#[test]
fn tokens_marks_and_loaders_stay_right() {
    for story in [Story::SlowReader, Story::OldSnapshot] {
        for choice in [Choice::Transaction, Choice::Fence, Choice::Loader] {
            assert_eq!(story.tell(choice).unwrap(), Ending::Right, "{story:?}, {choice:?}");
        }
    }
}

#[test]
fn only_a_fence_closes_the_moment_after_the_commit() {
    for choice in [Choice::Transaction, Choice::Loader] {
        assert_eq!(Story::SlowWriter.tell(choice).unwrap(), Ending::OldAnswer);
    }
    assert_eq!(Story::SlowWriter.tell(Choice::Fence).unwrap(), Ending::Right);
}

/// Reads and stores account 0 right before a commit, and looks at it in the cache right after.
struct Bystander<'a> {
    cache: Accounts,
    database: &'a Database,
    after_commit: Mutex<Option<Account>>,
}

impl Watch for Bystander<'_> {
    fn at(&self, step: Step<'_>) {
        match step {
            Step::Read => {}
            Step::Committing => {
                let Lookup::Miss(token) = self.cache.lookup(&0) else { return };
                let read = self.database.snapshot().and_then(|snapshot| snapshot.account(0));
                let account = read.ok().flatten().expect("the account can be read");
                let _ = self.cache.fill(token, 0, account);
            }
            Step::Committed(_) => {
                let mut after_commit = self.after_commit.lock().expect("nobody panics");
                *after_commit = self.cache.get(&0);
            }
        }
    }
}

#[test]
fn only_a_fence_keeps_out_what_is_read_right_before_the_commit() {
    for (choice, expected) in [(Choice::Transaction, Some(OPENING)), (Choice::Fence, None)] {
        let database = Database::create(2).unwrap();
        let cache = Accounts::new();
        let after_commit = Mutex::new(Some(GIVER));
        let bystander = Bystander { cache: cache.clone(), database: &database, after_commit };
        let repository = choice.open(cache, &database, &bystander);
        repository.transfer(0, 1, 100).unwrap().expect("there is enough");
        assert_eq!(*bystander.after_commit.lock().unwrap(), expected);
        assert!(repository.cache().is_empty());
    }
}

/// Lets the fence lapse before the commit, and then does what the bystander does.
struct SlowCommit<'a> {
    clock: ManualClock,
    bystander: Bystander<'a>,
}

impl Watch for SlowCommit<'_> {
    fn at(&self, step: Step<'_>) {
        if let Step::Committing = step {
            self.clock.advance(FENCE_TIME);
        }
        self.bystander.at(step);
    }
}

#[test]
fn a_fence_that_lapses_is_made_up_for_by_the_invalidation() {
    let database = Database::create(2).unwrap();
    let clock = ManualClock::new();
    let cache = Accounts::builder().clock(clock.clone()).build().unwrap();
    let after_commit = Mutex::new(None);
    let bystander = Bystander { cache: cache.clone(), database: &database, after_commit };
    let slow = SlowCommit { clock, bystander };
    let repository = Choice::Fence.open(cache.clone(), &database, &slow);
    repository.transfer(0, 1, 100).unwrap().expect("there is enough");
    assert_eq!(*slow.bystander.after_commit.lock().unwrap(), Some(OPENING));
    assert_eq!(audit(&cache, &database).unwrap(), []);
}

#[test]
fn an_invalidation_before_the_commit_is_in_vain() {
    let database = Database::create(2).unwrap();
    let cache = Accounts::new();
    let change = database.change().unwrap();
    change.transfer(0, 1, 100).unwrap().expect("there is enough");
    cache.invalidate(&0);

    let Lookup::Miss(token) = cache.lookup(&0) else { panic!("nobody has stored it") };
    let old = database.snapshot().unwrap().account(0).unwrap().unwrap();
    cache.fill(token, 0, old).expect("nothing has happened since");
    change.commit().unwrap();
    let stale = Difference { id: 0, cached: OPENING, row: Some(GIVER) };
    assert_eq!(audit(&cache, &database).unwrap(), [stale]);
}

#[test]
fn many_threads_and_operations_leave_nothing_out_of_date() {
    let plan = Plan { operations: 20_000, threads: 4, seed: 7 };
    for choice in [Choice::Transaction, Choice::Fence, Choice::Loader] {
        let outcome = workload::run(plan, choice).unwrap();
        assert!(outcome.is_right(), "{choice:?}: {outcome:?}");
        let tally = outcome.tally;
        assert_eq!(tally.audits, 20);
        // Two operations in a hundred find eight accounts, and three transfer.
        assert!((20_000..25_000).contains(&tally.answers), "{tally:?}");
        assert!((400..800).contains(&(tally.transfers + tally.refused)), "{tally:?}");
        assert!(outcome.stats.hits > 3 * outcome.stats.misses, "{:?}", outcome.stats);
        assert!(outcome.stats.evicted > 0);
    }
}

#[test]
fn a_token_of_an_old_snapshot_comes_too_late_and_a_mark_does_not() {
    let database = Database::create(2).unwrap();
    let cache = Accounts::new();
    let mark = cache.mark();
    let snapshot = database.snapshot().unwrap();
    assert_eq!(snapshot.account(1).unwrap(), Some(OPENING)); // with which it begins

    let change = database.change().unwrap();
    change.transfer(0, 1, 100).unwrap().expect("there is enough");
    change.commit().unwrap();
    cache.invalidate_many(&[0, 1]);

    let Lookup::Miss(token) = cache.lookup(&0) else { panic!("nobody has stored it") };
    let old = snapshot.account(0).unwrap().unwrap();
    assert_eq!(old, OPENING);
    let refused = cache.fill_since(&mark, 0, old).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Invalidated);
    cache.fill(token, 0, old).expect("the cache cannot know of the snapshot");
    let stale = Difference { id: 0, cached: OPENING, row: Some(GIVER) };
    assert_eq!(audit(&cache, &database).unwrap(), [stale]);
}

#[test]
fn a_mark_lets_in_what_has_not_changed() {
    let database = Database::create(200).unwrap();
    let cache = Accounts::new();
    let repository = Choice::Transaction.open(cache.clone(), &database, &Unwatched);
    let mark = cache.mark();
    let snapshot = database.snapshot().unwrap();
    assert_eq!(snapshot.account(0).unwrap(), Some(OPENING));
    repository.transfer(0, 1, 100).unwrap().expect("there is enough");
    for id in 0..200 {
        let account = snapshot.account(id).unwrap().unwrap();
        let stored = cache.fill_since(&mark, id, account);
        assert!(id > 1 || stored.is_err());
    }
    assert_eq!(audit(&cache, &database).unwrap(), []);
    // Now and then a neighbour of the two is refused as well.
    assert!(cache.len() > 150, "{}", cache.len());
}

#[test]
fn a_repository_answers_and_remembers() {
    for choice in Choice::ALL {
        let database = Database::create(4).unwrap();
        let cache = Accounts::new();
        let repository = choice.open(cache.clone(), &database, &Unwatched);
        assert_eq!(repository.get(0).unwrap(), Some(OPENING));
        assert_eq!(cache.get(&0), Some(OPENING));
        let found = repository.find(&[1, 9, 0]).unwrap();
        assert_eq!(found, [Some(OPENING), None, Some(OPENING)]);
        assert_eq!((cache.len(), cache.get(&1)), (2, Some(OPENING)));
        assert_eq!(repository.get(9).unwrap(), None);

        let changed = repository.transfer(0, 1, 100).unwrap();
        assert_eq!(changed, Some([(0, GIVER), (1, RECEIVER)]));
        assert!(cache.is_empty());
        assert_eq!(repository.find(&[1, 0]).unwrap(), [Some(RECEIVER), Some(GIVER)]);
        assert_eq!(cache.len(), 2);
        assert_eq!(repository.cache().len(), 2);
    }
}

#[test]
fn a_transfer_that_is_not_covered_changes_nothing() {
    for choice in Choice::ALL {
        let database = Database::create(2).unwrap();
        let repository = choice.open(Accounts::new(), &database, &Unwatched);
        repository.find(&[0, 1]).unwrap();
        for (from, to, amount) in [(0, 1, OPENING.balance + 1), (0, 9, 1), (9, 0, 1)] {
            assert_eq!(repository.transfer(from, to, amount).unwrap(), None);
        }
        assert_eq!(repository.cache().len(), 2);
        assert_eq!(database.accounts().unwrap(), [(0, OPENING), (1, OPENING)]);
    }
}

#[test]
fn the_audit_finds_every_difference() {
    let database = Database::create(3).unwrap();
    let cache = Accounts::new();
    cache.insert(0, OPENING).unwrap();
    cache.insert(1, GIVER).unwrap();
    cache.insert(9, OPENING).unwrap();
    let mut found = audit(&cache, &database).unwrap();
    found.sort_by_key(|difference| difference.id);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "account 1: 9900 at revision 1 in the cache, 10000 at revision 0 in the database",
            "account 9: 10000 at revision 0 in the cache, none in the database",
        ]
    );
}

fn parse(arguments: &[&str]) -> Result<Command, UsageError> {
    arguments::parse(arguments.iter().map(OsString::from))
}

#[test]
fn arguments_are_taken_apart() {
    assert_eq!(parse(&[]), Ok(Command::Run(DEFAULT)));
    assert_eq!(parse(&["--seed", "3", "--help"]), Ok(Command::Help));
    let plan = Plan { operations: 9, threads: 64, seed: 3 };
    let all = ["--seed", "1", "--operations", "9", "--threads", "64", "--seed", "3"];
    assert_eq!(parse(&all), Ok(Command::Run(plan)));
    let table: &[(&[&str], &str)] = &[
        (&["--speed"], "there is no option --speed"),
        (&["--seed"], "--seed needs a value"),
        (&["--threads", "65"], "--threads needs a number from 1 to 64, not \"65\""),
        (&["--operations", "0"], "--operations needs a number from 1 to 4294967295, not \"0\""),
    ];
    for (arguments, message) in table {
        assert_eq!(parse(arguments).unwrap_err().to_string(), *message);
    }
}

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = program::run(arguments.iter().map(OsString::from), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (code, text(out), text(err))
}

#[test]
fn the_program_shows_who_goes_stale() {
    let (code, out, err) = run(&["--operations", "300", "--threads", "2", "--seed", "5"]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = out.lines().map(words).collect();
    for expected in [
        "changes between read and store stale right right right",
        "changes after the snapshot began stale right right right",
        "is asked for right after the commit old for once old for once right old for once",
        "300 operations each, 2 threads, seed 5",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in\n{out}");
    }
    let (code, _, err) = run(&["--threads", "0"]);
    assert_eq!((code, err.ends_with("\nTry --help.\n")), (2, true), "{err}");
    assert_eq!(run(&["--help"]), (0, arguments::HELP.into(), String::new()));
}
