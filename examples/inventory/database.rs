//! The SQLite database: its file, its tables, and the statements the run uses.
//!
//! Deliberately has no UNIQUE and no CHECK constraint on what the threads write. They would turn a
//! lost update into a failed statement somewhere; the audit shall find it and say what it is.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::orders::{Delivery, Order, OrderBook, PartNumber};
use crate::strategies::{Decision, Strategy};

const TABLES: &str = "
    DROP TABLE IF EXISTS parts;
    DROP TABLE IF EXISTS orders;
    DROP TABLE IF EXISTS pages;
    CREATE TABLE parts (
        part     TEXT PRIMARY KEY,
        name     TEXT NOT NULL,
        price    INTEGER NOT NULL,  -- of one, in cents
        stock    INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE orders (
        line     INTEGER NOT NULL,  -- in the orders file
        bay      INTEGER NOT NULL,
        part     TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        strategy TEXT NOT NULL,
        filled   INTEGER NOT NULL,  -- 1, or 0 if the part was sold out
        amount   INTEGER NOT NULL,  -- in cents
        sequence INTEGER NOT NULL,  -- how many orders for the part were filled by then
        left     INTEGER NOT NULL,  -- what the cache said was in stock after them
        decided  INTEGER NOT NULL   -- in nanoseconds after the start
    ) STRICT;
    CREATE TABLE pages (
        page     TEXT PRIMARY KEY,
        views    INTEGER NOT NULL
    ) STRICT;
";

/// Where the database is. A temporary file is removed at the end, a named one stays.
#[derive(Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    temporary: bool,
}

impl DatabaseFile {
    /// A new file at `path`. One that exists is refused rather than overwritten.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        File::create_new(&path)?;
        Ok(Self { path, temporary: false })
    }

    /// A new file with a name nobody else has.
    pub(crate) fn temporary() -> io::Result<Self> {
        loop {
            let (process, random) = (std::process::id(), RandomState::new().hash_one(0u8));
            let name = format!("caskade-inventory-{process}-{random:016x}.sqlite");
            let path = std::env::temp_dir().join(name);
            match File::create_new(&path) {
                Ok(_) => return Ok(Self { path, temporary: true }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl Drop for DatabaseFile {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.path.clone().into_os_string();
            file.push(suffix);
            // SQLite removes the companions itself as a rule; what is gone need not be removed.
            let _ = fs::remove_file(file);
        }
    }
}

/// A part as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartRow {
    pub(crate) part: String,
    pub(crate) name: String,
    pub(crate) stock: i64,
}

/// An order as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(crate) line: u32,
    pub(crate) bay: u32,
    pub(crate) part: String,
    pub(crate) quantity: u32,
    pub(crate) strategy: String,
    pub(crate) filled: bool,
    pub(crate) amount: i64,
    pub(crate) sequence: i64,
    pub(crate) left: i64,
    pub(crate) decided: i64,
}

/// The one connection that writes. SQLite lets one writer in at a time; threads that share a
/// connection wait for each other at a mutex, which is shorter than SQLite's waiting by sleeping.
#[derive(Debug)]
pub(crate) struct Ledger {
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Makes the tables anew and enters what is delivered and which pages there are.
    pub(crate) fn create(file: &DatabaseFile, book: &OrderBook) -> rusqlite::Result<Self> {
        let mut connection = Connection::open(file.path())?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        for (part, delivery) in &book.deliveries {
            let Delivery { quantity, price, name } = delivery;
            let values = params![part, name, price, quantity];
            transaction.execute("INSERT INTO parts VALUES (?1, ?2, ?3, ?4)", values)?;
        }
        for page in book.views().keys() {
            transaction.execute("INSERT INTO pages VALUES (?1, 0)", [page])?;
        }
        transaction.commit()?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Enters a decided order and, if it was filled, takes its parts from stock: both or neither.
    ///
    /// The stock goes down by the quantity instead of being set to what the cache says. Subtractions
    /// commute, so the transactions of one part may come in any order, and the database's stock is
    /// a result of its own that the audit can hold against the cache's.
    pub(crate) fn record(
        &self,
        order: &Order,
        decision: &Decision,
        decided: Duration,
    ) -> rusqlite::Result<()> {
        let Order { line, bay, part, quantity } = order;
        let Decision { filled, amount, sequence, left } = decision;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        if *filled {
            transaction
                .prepare_cached("UPDATE parts SET stock = stock - ?2 WHERE part = ?1")?
                .execute(params![part, quantity])?;
        }
        transaction
            .prepare_cached("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                line,
                bay,
                part,
                quantity,
                Strategy::of(order).name(),
                filled,
                amount,
                sequence,
                left,
                nanoseconds(decided),
            ])?;
        transaction.commit()
    }

    /// Brings the database's views of a page up to `views`, which the counter has reached. A lower
    /// number that comes late changes nothing.
    pub(crate) fn record_views(&self, page: &str, views: u32) -> rusqlite::Result<()> {
        self.lock()
            .prepare_cached("UPDATE pages SET views = max(views, ?2) WHERE page = ?1")?
            .execute(params![page, views])?;
        Ok(())
    }

    /// A panic inside a transaction rolls it back, so the connection is good after one.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The run is over long before this would not fit.
pub(crate) fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// A connection that only reads. Every thread has one of its own, and so has the audit.
#[derive(Debug)]
pub(crate) struct Reader {
    connection: Connection,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self { connection })
    }

    /// What one piece of a part costs, in cents; `None` if there is no such part.
    pub(crate) fn price(&self, part: &PartNumber) -> rusqlite::Result<Option<u32>> {
        self.connection
            .prepare_cached("SELECT price FROM parts WHERE part = ?1")?
            .query_row([part], |row| row.get(0))
            .optional()
    }

    pub(crate) fn parts(&self) -> rusqlite::Result<Vec<PartRow>> {
        let mut statement = self.connection.prepare("SELECT part, name, stock FROM parts")?;
        let rows = statement.query_map([], |row| {
            Ok(PartRow { part: row.get(0)?, name: row.get(1)?, stock: row.get(2)? })
        })?;
        rows.collect()
    }

    pub(crate) fn orders(&self) -> rusqlite::Result<Vec<OrderRow>> {
        let mut statement = self.connection.prepare("SELECT * FROM orders")?;
        let rows = statement.query_map([], |row| {
            Ok(OrderRow {
                line: row.get("line")?,
                bay: row.get("bay")?,
                part: row.get("part")?,
                quantity: row.get("quantity")?,
                strategy: row.get("strategy")?,
                filled: row.get("filled")?,
                amount: row.get("amount")?,
                sequence: row.get("sequence")?,
                left: row.get("left")?,
                decided: row.get("decided")?,
            })
        })?;
        rows.collect()
    }

    /// Pages with their views.
    pub(crate) fn pages(&self) -> rusqlite::Result<Vec<(String, i64)>> {
        let mut statement = self.connection.prepare("SELECT page, views FROM pages")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }
}
