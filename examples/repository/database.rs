//! The SQLite database: many connections, of which each reads in a snapshot or changes in a
//! transaction.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

/// Accounts are numbered from 0.
pub(crate) type AccountId = u32;

/// A row of the table of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// In cents.
    pub(crate) balance: i64,
    /// How often the row has changed.
    pub(crate) revision: u32,
}

/// The two accounts of a transfer, as they are after it.
pub(crate) type Changed = [(AccountId, Account); 2];

/// What every account begins with.
pub(crate) const OPENING: Account = Account { balance: 10_000, revision: 0 };

/// The database is thrown away at the end, so it need not survive a loss of power.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;";
const TABLE: &str = "
    CREATE TABLE accounts (
        id       INTEGER PRIMARY KEY,
        balance  INTEGER NOT NULL CHECK (balance >= 0),
        revision INTEGER NOT NULL
    ) STRICT;
";
const SELECT: &str = "SELECT balance, revision FROM accounts WHERE id = ?1";
const UPDATE: &str = "
    UPDATE accounts SET balance = balance + ?2, revision = revision + 1 WHERE id = ?1
    RETURNING balance, revision
";

/// A database in a temporary directory, with connections for whoever needs one.
#[derive(Debug)]
pub(crate) struct Database {
    idle: Mutex<Vec<Connection>>,
    /// SQLite lets one writer in at a time and makes others wait by sleeping; this wakes them.
    turn: Mutex<()>,
    directory: Directory,
}

impl Database {
    /// A new database of accounts with the opening balance.
    pub(crate) fn create(accounts: AccountId) -> rusqlite::Result<Self> {
        let directory = Directory::new().map_err(cannot_open)?;
        let database = Self { idle: Mutex::default(), turn: Mutex::new(()), directory };
        let session = database.session("BEGIN IMMEDIATE")?;
        session.connection().execute_batch(TABLE)?;
        for id in 0..accounts {
            session
                .connection()
                .prepare_cached("INSERT INTO accounts VALUES (?1, ?2, ?3)")?
                .execute(params![id, OPENING.balance, OPENING.revision])?;
        }
        session.end("COMMIT")?;
        Ok(database)
    }

    /// Begins to read. The snapshot shows the rows as they were when it is first read from.
    pub(crate) fn snapshot(&self) -> rusqlite::Result<Snapshot<'_>> {
        Ok(Snapshot(self.session("BEGIN DEFERRED")?))
    }

    /// Begins to write.
    pub(crate) fn change(&self) -> rusqlite::Result<Change<'_>> {
        let turn = lock(&self.turn);
        Ok(Change { session: self.session("BEGIN IMMEDIATE")?, _turn: turn })
    }

    /// All accounts in the order of their numbers.
    pub(crate) fn accounts(&self) -> rusqlite::Result<Vec<(AccountId, Account)>> {
        let snapshot = self.snapshot()?;
        let mut statement = snapshot
            .0
            .connection()
            .prepare("SELECT balance, revision, id FROM accounts ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get(2)?, account(row)?)))?;
        rows.collect()
    }

    fn session(&self, begin: &str) -> rusqlite::Result<Session<'_>> {
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.directory.0)?,
        };
        connection.prepare_cached(begin)?.execute([])?;
        Ok(Session { connection: Some(connection), idle: &self.idle })
    }
}

fn connect(directory: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(directory.join("accounts.sqlite"))?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.execute_batch(SETTINGS)?;
    Ok(connection)
}

fn cannot_open(error: io::Error) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account { balance: row.get(0)?, revision: row.get(1)? })
}

/// What a panic leaves behind a lock here is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection within a transaction, rolled back unless it ends otherwise.
#[derive(Debug)]
struct Session<'d> {
    /// Until it ends.
    connection: Option<Connection>,
    idle: &'d Mutex<Vec<Connection>>,
}

impl Session<'_> {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("the session has not ended")
    }

    fn end(mut self, how: &str) -> rusqlite::Result<()> {
        self.connection().prepare_cached(how)?.execute([])?;
        self.put_back();
        Ok(())
    }

    fn put_back(&mut self) {
        lock(self.idle).extend(self.connection.take());
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Some(connection) = &self.connection else { return };
        let rolled_back = connection.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        // A connection in an unknown state is not used again.
        if rolled_back.is_ok() {
            self.put_back();
        }
    }
}

/// A read transaction.
#[derive(Debug)]
pub(crate) struct Snapshot<'d>(Session<'d>);

impl Snapshot<'_> {
    pub(crate) fn account(&self, id: AccountId) -> rusqlite::Result<Option<Account>> {
        let mut select = self.0.connection().prepare_cached(SELECT)?;
        select.query_row([id], account).optional()
    }
}

/// A write transaction.
#[derive(Debug)]
pub(crate) struct Change<'d> {
    session: Session<'d>,
    /// After the session: it goes when that has ended.
    _turn: MutexGuard<'d, ()>,
}

impl Change<'_> {
    /// Moves `amount`. Returns `None` if there is not as much or one of the accounts does not exist; the
    /// change is then to be dropped.
    pub(crate) fn transfer(
        &self,
        from: AccountId,
        to: AccountId,
        amount: i64,
    ) -> rusqlite::Result<Option<Changed>> {
        let Some(receiver) = self.add(to, amount)? else { return Ok(None) };
        match self.add(from, -amount) {
            Ok(giver) => Ok(giver.map(|giver| [(from, giver), (to, receiver)])),
            Err(error) if is_constraint(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        self.session.end("COMMIT")
    }

    fn add(&self, id: AccountId, amount: i64) -> rusqlite::Result<Option<Account>> {
        let mut update = self.session.connection().prepare_cached(UPDATE)?;
        update.query_row(params![id, amount], account).optional()
    }
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

/// A directory of our own, removed at the end.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Self> {
        let (process, random) = (std::process::id(), RandomState::new().hash_one(0u8));
        let name = format!("caskade-repository-{process}-{random:016x}");
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing depends on it; at worst a file stays in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
