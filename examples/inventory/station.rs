//! The repair station at work: the cache in front, the database behind, threads in between.
//!
//! Sets up a run and carries it out. Whether it came out right is not decided here but by the
//! audit.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use caskade::{BuildError, Cache, Clock, Expiry, LockError, SystemClock, WriteError};

use crate::crash::{self, Crash};
use crate::database::{DatabaseFile, Ledger, Reader};
use crate::orders::{Order, OrderBook, Page, Task};
use crate::strategies::{Desk, OrderError, PATIENCE, Part, Parts, Tallies};

/// Page counters by page.
pub(crate) type Pages = Cache<Page, u32>;

/// A station that is open for orders.
#[derive(Debug)]
pub(crate) struct Station<'b> {
    book: &'b OrderBook,
    pub(crate) parts: Parts,
    pub(crate) pages: Pages,
    ledger: Ledger,
    database: &'b Path,
    lock_time: Duration,
}

/// What a run did, as the threads tell it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) tallies: Tallies,
    pub(crate) started: Instant,
    pub(crate) took: Duration,
    pub(crate) crash: Option<Crash>,
}

/// How a run is getting on.
#[derive(Clone, Debug)]
pub(crate) enum Event<'e> {
    /// A little time has passed. With the part that is locked by nobody, and for how long.
    Progress { done: usize, of: usize, locked: Option<(&'e str, Duration)> },
    /// A thread has crashed, and its lock is left behind and holds for a while.
    Crashed { crash: &'e Crash, holds: Duration },
    /// The order at which the thread crashed has got through, this long after the lock.
    Reopened { crash: &'e Crash, after: Duration },
}

/// Why a run broke off.
#[derive(Debug)]
pub(crate) enum ServiceError {
    Database(rusqlite::Error),
    Cache(BuildError),
    Order { line: u32, error: OrderError },
    View(WriteError<Page>),
    Crash(LockError),
}

/// How often the observer hears from a run.
const BEAT: Duration = Duration::from_millis(100);
/// A page's views go to the database whenever this many have come together.
const VIEWS_PER_WRITE: u32 = 32;

enum Message {
    Crashed(Crash),
    Reopened(Duration),
}

impl<'b> Station<'b> {
    /// Fills the database from the book, and the cache from the database.
    pub(crate) fn open(
        book: &'b OrderBook,
        file: &'b DatabaseFile,
        lock_time: Duration,
    ) -> Result<Self, ServiceError> {
        let ledger = Ledger::create(file, book)?;
        let database = file.path();
        let parts = Cache::builder()
            .default_lock_time(lock_time)
            .max_lock_time(PATIENCE)
            .build()
            .map_err(ServiceError::Cache)?;
        for row in Reader::open(database)?.parts()? {
            let stock = u32::try_from(row.stock).unwrap_or(0);
            let part = Part { name: row.name.into(), stock, sequence: 0 };
            parts.insert(row.part.into(), part).expect("a new cache has no locks");
        }
        Ok(Self { book, parts, pages: Cache::new(), ledger, database, lock_time })
    }

    /// Works through the book with `threads` threads. `observe` is called on this thread.
    pub(crate) fn serve(
        &self,
        threads: u32,
        mut observe: impl FnMut(Event<'_>),
    ) -> Result<Service, ServiceError> {
        let run = Run {
            station: self,
            crash_at: crash::place(self.book),
            started: SystemClock.now(),
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        };
        let (tallies, crash) = thread::scope(|scope| {
            let (sender, messages) = mpsc::channel();
            let worker = |sender| scope.spawn(|| run.work(sender));
            let workers: Vec<_> = (0..threads).map(|_| worker(sender.clone())).collect();
            drop(sender); // the workers' ends stay; when the last one goes, the work is done
            let crash = run.watch(&messages, &mut observe);
            let mut tallies = Tallies::default();
            for worker in workers {
                let own = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                tallies.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
            Ok::<_, ServiceError>((tallies, crash))
        })?;
        self.write_remaining_views()?;
        Ok(Service { tallies, started: run.started, took: run.started.elapsed(), crash })
    }

    fn write_remaining_views(&self) -> Result<(), ServiceError> {
        for (page, views) in self.pages.iter() {
            self.ledger.record_views(&page, *views)?;
        }
        Ok(())
    }
}

/// What the threads of one run share.
struct Run<'r> {
    station: &'r Station<'r>,
    crash_at: Option<u32>,
    started: Instant,
    next: AtomicUsize,
    done: AtomicUsize,
    /// One thread has failed; the others stop.
    broken: AtomicBool,
}

// The atomics are counters and a flag. What the threads hand over goes through the cache, the
// ledger's mutex, the channel and the joins, which order it; so Relaxed is enough here.
impl Run<'_> {
    fn work(&self, sender: Sender<Message>) -> Result<Tallies, ServiceError> {
        let result = self.work_until_done(&sender);
        if result.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }

    fn work_until_done(&self, sender: &Sender<Message>) -> Result<Tallies, ServiceError> {
        let mut desk = Desk::new(&self.station.parts, Reader::open(self.station.database)?);
        while !self.broken.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            match self.station.book.tasks.get(index) {
                None => break,
                Some(Task::View(page)) => self.count_view(page)?,
                Some(Task::Order(order)) => self.order(order, &mut desk, sender)?,
            }
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(desk.into_tallies())
    }

    fn order(
        &self,
        order: &Order,
        desk: &mut Desk<'_>,
        sender: &Sender<Message>,
    ) -> Result<(), ServiceError> {
        let crashed = if self.crash_at == Some(order.line) {
            let crash = crash::cause(&self.station.parts, order, self.station.lock_time)
                .map_err(ServiceError::Crash)?;
            let locked = crash.locked;
            // The receiver lives until the last sender is gone.
            let _ = sender.send(Message::Crashed(crash));
            Some(locked)
        } else {
            None
        };
        let failed = |error| ServiceError::Order { line: order.line, error };
        let decision = desk.decide(order).map_err(failed)?;
        let decided = SystemClock.now();
        if let Some(locked) = crashed {
            let _ = sender.send(Message::Reopened(decided - locked));
        }
        let time = decided - self.started;
        self.station.ledger.record(order, &decision, time)?;
        Ok(())
    }

    fn count_view(&self, page: &Page) -> Result<(), ServiceError> {
        let counted = self.station.pages.increment_or_insert(page.clone(), 1, 1, Expiry::Never);
        let views = counted.map_err(ServiceError::View)?.into_value();
        if views % VIEWS_PER_WRITE == 0 {
            self.station.ledger.record_views(page, views)?;
        }
        Ok(())
    }

    /// Tells the observer how the run is getting on until all workers are done.
    fn watch(
        &self,
        messages: &mpsc::Receiver<Message>,
        observe: &mut impl FnMut(Event<'_>),
    ) -> Option<Crash> {
        let mut crash = None;
        let mut reopened = false;
        loop {
            match messages.recv_timeout(BEAT) {
                Ok(Message::Crashed(news)) => {
                    let crash = crash.insert(news);
                    observe(Event::Crashed { crash, holds: self.station.lock_time });
                }
                Ok(Message::Reopened(after)) => {
                    reopened = true;
                    if let Some(crash) = &crash {
                        observe(Event::Reopened { crash, after });
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let locked = crash.as_ref().filter(|_| !reopened);
            observe(self.progress(locked));
        }
        observe(self.progress(None));
        crash
    }

    fn progress<'e>(&self, locked: Option<&'e Crash>) -> Event<'e> {
        let locked = locked
            .map(|crash| (&*crash.part, crash.opens.saturating_duration_since(SystemClock.now())));
        let (done, of) = (self.done.load(Ordering::Relaxed), self.station.book.tasks.len());
        Event::Progress { done, of, locked }
    }
}

impl From<rusqlite::Error> for ServiceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the database says: {error}"),
            Self::Cache(error) => write!(f, "the cache cannot be built: {error}"),
            Self::Order { line, error } => write!(f, "the order on line {line}: {error}"),
            Self::View(error) => write!(f, "counting a view of {}: {error}", error.rejected()),
            Self::Crash(error) => write!(f, "the thread that was to crash got no lock: {error}"),
        }
    }
}

impl std::error::Error for ServiceError {}
