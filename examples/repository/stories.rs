//! Three stories in which one thread is stopped at the worst moment, while another gets on with it.
//!
//! Nothing is left to chance: the thread says where it has stopped, and waits until it is let go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::audit::{Difference, audit};
use crate::choice::Choice;
use crate::database::{AccountId, Database, OPENING};
use crate::repository::{Accounts, Step, Watch};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// A reader has read a row; before it stores it, somebody changes the row.
    SlowReader,
    /// A reader's snapshot has begun; somebody changes a row that it has yet to read.
    OldSnapshot,
    /// A writer has committed; before it tells the cache, somebody asks for the row.
    SlowWriter,
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Right,
    /// Somebody got the row as it was before a commit that was over.
    OldAnswer,
    /// Everybody gets the row as it was, from now on.
    Stale(Vec<Difference>),
}

const FIRST: AccountId = 0;
const SECOND: AccountId = 1;
const THIRD: AccountId = 2;
const AMOUNT: i64 = 100;

impl Story {
    pub(crate) const ALL: [Self; 3] = [Self::SlowReader, Self::OldSnapshot, Self::SlowWriter];

    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::SlowReader => "changes between read and store",
            Self::OldSnapshot => "changes after the snapshot began",
            Self::SlowWriter => "is asked for right after the commit",
        }
    }

    fn stops_at(self, step: Step<'_>) -> bool {
        match self {
            Self::SlowReader | Self::OldSnapshot => matches!(step, Step::Read),
            Self::SlowWriter => matches!(step, Step::Committed(_)),
        }
    }

    /// Tells the story of a repository.
    pub(crate) fn tell(self, choice: Choice) -> rusqlite::Result<Ending> {
        let database = Database::create(3)?;
        let cache = Accounts::new();
        if self == Self::SlowWriter {
            // Somebody has asked before.
            cache.insert(FIRST, OPENING).expect("a new cache has no locks");
        }
        let (stop, visitor) = Stop::new(self);
        let repository = choice.open(cache, &database, &stop);
        let transfer = |from, to| repository.transfer(from, to, AMOUNT);
        let mut answer = None;
        match self {
            Self::SlowReader => {
                visitor.meanwhile(|| repository.get(FIRST), || transfer(FIRST, SECOND))?;
            }
            Self::OldSnapshot => {
                let both = [FIRST, SECOND];
                visitor.meanwhile(|| repository.find(&both), || transfer(SECOND, THIRD))?;
            }
            Self::SlowWriter => {
                let ask = || repository.get(FIRST);
                answer = visitor.meanwhile(|| transfer(FIRST, SECOND), ask)?;
            }
        }
        let differences = audit(repository.cache(), &database)?;
        Ok(match answer {
            _ if !differences.is_empty() => Ending::Stale(differences),
            Some(answer) if answer == OPENING => Ending::OldAnswer,
            _ => Ending::Right,
        })
    }
}

/// Stops the first thread that comes to the story's step.
struct Stop {
    story: Story,
    is_over: AtomicBool,
    stopped: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

/// The other end: comes by while the thread is stopped.
struct Visitor {
    stopped: Receiver<()>,
    go_on: Sender<()>,
}

/// Nobody waits as long, unless a thread never comes to where it is to stop.
const PATIENCE: Duration = Duration::from_secs(20);

impl Stop {
    fn new(story: Story) -> (Self, Visitor) {
        let (stopped, is_stopped) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let (is_over, may_go_on) = (AtomicBool::new(false), Mutex::new(may_go_on));
        let stop = Self { story, is_over, stopped, go_on: may_go_on };
        (stop, Visitor { stopped: is_stopped, go_on })
    }
}

impl Watch for Stop {
    fn at(&self, step: Step<'_>) {
        // Relaxed: it only has to be one of them.
        if self.story.stops_at(step) && !self.is_over.swap(true, Ordering::Relaxed) {
            let _ = self.stopped.send(());
            // An error means that the visitor has gone.
            let _ = self.go_on.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
    }
}

impl Visitor {
    /// Does `visit` while another thread that does `work` is stopped, and returns what came of it.
    fn meanwhile<T, R>(
        self,
        work: impl FnOnce() -> rusqlite::Result<T> + Send,
        visit: impl FnOnce() -> rusqlite::Result<R>,
    ) -> rusqlite::Result<R>
    where
        T: Send,
    {
        thread::scope(|scope| {
            let Self { stopped, go_on } = self;
            let worker = scope.spawn(work);
            stopped.recv_timeout(PATIENCE).expect("the thread comes to where it is to stop");
            let visited = visit();
            drop(go_on);
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            visited
        })
    }
}
