//! What can be asked of a store in full, and what it answers.
//!
//! The forms have the reach of memcached's meta commands; all else is a special case of them. Each
//! is built with struct update syntax from its default.

use std::time::Duration;

use bytes::Bytes;

/// The stamp shown of an item that somebody has locked: all ones.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{LOCKED, Store};
/// use std::time::Duration;
///
/// let store = Store::new();
/// store.set("k", "value", 0, 0)?;
/// store.get_and_lock("k", Duration::ZERO)?;
/// assert_eq!(store.get("k")?.map(|hit| hit.cas), Some(LOCKED));
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
pub const LOCKED: u64 = u64::MAX;

/// An item, as a read finds it.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
///
/// let store = Store::new();
/// let cas = store.set("k", "value", 7, 0)?;
/// let hit = store.get("k")?.ok_or("gone")?;
/// assert_eq!((&hit.value[..], hit.flags, hit.cas), (&b"value"[..], 7, cas));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// The value. It shares the store's memory; nothing is copied.
    pub value: Bytes,
    /// What the client has stored with it.
    pub flags: u32,
    /// The stamp, or [`LOCKED`].
    pub cas: u64,
}

/// A look at an item, for as long as a closure runs.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
///
/// let store = Store::new();
/// store.set("k", "value", 0, 0)?;
/// assert_eq!(store.read("k", |item| item.value.len())?, Some(5)); // without a clone
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct View<'v> {
    /// The value. A clone of it shares the store's memory.
    pub value: &'v Bytes,
    /// What the client has stored with it.
    pub flags: u32,
    /// The stamp, or [`LOCKED`].
    pub cas: u64,
}

/// Under which condition [`Store::put`](super::Store::put) stores, and what.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Mode, Put, Store};
///
/// let store = Store::new();
/// store.set("log", "one", 0, 0)?;
/// let more = Put { mode: Mode::Append, value: " two".into(), ..Put::default() };
/// store.put("log", more)?;
/// assert_eq!(store.get("log")?.map(|hit| hit.value), Some("one two".into()));
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whether or not there is an item.
    #[default]
    Set,
    /// Only if there is none.
    Add,
    /// Only if there is one.
    Replace,
    /// The value goes behind that of the item, which keeps its flags and its expiry time.
    Append,
    /// The value goes before that of the item, likewise.
    Prepend,
}

/// A write in full: memcached's `ms`.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Mode, Put, Reason, Store};
///
/// let store = Store::new();
/// let put = Put { mode: Mode::Add, value: "mine".into(), exptime: 60, ..Put::default() };
/// let stored = store.put("leader", put.clone())?;
/// assert_eq!(store.put("leader", put).unwrap_err().reason(), Reason::Exists);
///
/// let again = Put { value: "still mine".into(), cas: Some(stored.cas), ..Put::default() };
/// store.put("leader", again)?;
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// How to store.
    pub mode: Mode,
    /// The value.
    pub value: Bytes,
    /// What to store with it.
    pub flags: u32,
    /// When it expires: 0 never, up to [`RELATIVE_LIMIT`](super::RELATIVE_LIMIT) in so many seconds,
    /// beyond that at that Unix time, negative at once.
    pub exptime: i64,
    /// Only if the item has this stamp, or is locked with it. Not looked at by [`Mode::Add`]. Zero is
    /// a stamp that no item has.
    pub cas: Option<u64>,
    /// With `cas`: a value that is older than the item is stored all the same, as a stale one.
    pub invalidate: bool,
    /// For [`Mode::Append`] and [`Mode::Prepend`]: without an item, store one that expires then.
    pub vivify: Option<i64>,
    /// The stamp to store under instead of a fresh one. Zero stands for a fresh one.
    pub stamp: Option<u64>,
    /// The key came in base64, so it is to be shown so.
    pub binary_key: bool,
}

/// What a write has done.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Put, Store};
///
/// let store = Store::new();
/// let stored = store.put("k", Put { value: "value".into(), ..Put::default() })?;
/// assert_eq!(stored.size, 5);
/// store.cas("k", "other", 0, 0, stored.cas)?;
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The item's new stamp.
    pub cas: u64,
    /// How many bytes its value has.
    pub size: usize,
}

/// A read in full: memcached's `mg`.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Fetch, Role, Store};
///
/// let store = Store::new();
/// // Of all who miss, one is to fill the item; the others find it empty for half a minute.
/// let fetch = Fetch { vivify: Some(30), ..Fetch::default() };
/// let mut roles = Vec::new();
/// for _ in 0..3 {
///     roles.push(store.fetch("page", fetch)?.map(|found| found.role));
/// }
/// assert_eq!(roles, [Some(Role::Won), Some(Role::Taken), Some(Role::Taken)]);
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    /// Does not count as a use.
    pub quietly: bool,
    /// The new expiry time. The stamp stays.
    pub touch: Option<i64>,
    /// Without an item, make an empty one that expires then, and win the right to fill it.
    pub vivify: Option<i64>,
    /// The stamp of an item that `vivify` makes.
    pub stamp: Option<u64>,
    /// Win the right to fill an item anew that has less than so many seconds to live.
    pub recache: Option<i64>,
    /// What is left to live is taken from after `touch`.
    pub recache_touched: bool,
    /// The caller wants [`Metadata`] of the item, which costs the stripe lock.
    pub metadata: bool,
}

impl Fetch {
    /// Whether this takes more than a look.
    pub(super) fn needs_lock(&self) -> bool {
        let changes = self.touch.is_some() || self.vivify.is_some();
        changes || self.recache.is_some() || self.metadata
    }
}

/// An item, as a read in full finds it.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Fetch, Role, Store};
///
/// let store = Store::new();
/// store.set("k", "value", 0, 0)?;
/// let found = store.fetch("k", Fetch::default())?.ok_or("gone")?;
/// assert_eq!((found.hit.value, found.role, found.is_stale), ("value".into(), Role::None, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Value, flags and stamp.
    pub hit: Hit,
    /// Who is to fill it, if it is stale or about to expire.
    pub role: Role,
    /// The item is stale.
    pub is_stale: bool,
    /// The item was made by a request with a base64 key.
    pub binary_key: bool,
    /// This read has made the item.
    pub is_new: bool,
    /// The rest, if it was asked for; from before this read.
    pub metadata: Option<Metadata>,
}

/// Whose turn it is to fill an item.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Delete, Fetch, Role, Store};
///
/// let store = Store::new();
/// store.set("page", "old", 0, 0)?;
/// store.remove("page", Delete { invalidate: true, ..Delete::default() })?;
/// let role = || store.fetch("page", Fetch::default()).map(|found| found.map(|it| it.role));
/// assert_eq!(role()?, Some(Role::Won)); // who reads the stale item first renews it
/// assert_eq!(role()?, Some(Role::Taken));
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nobody's: the item is good.
    #[default]
    None,
    /// The caller's: W.
    Won,
    /// Somebody else's: Z.
    Taken,
}

/// What is known of an item besides its content; from before the read that returns it.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Fetch, Store};
///
/// let store = Store::new();
/// store.set("k", "value", 0, 60)?;
/// let fetch = Fetch { metadata: true, touch: Some(0), ..Fetch::default() };
/// let found = store.fetch("k", fetch)?.and_then(|found| found.metadata).ok_or("gone")?;
/// assert_eq!((found.ttl, found.was_fetched), (Some(60), false)); // as it was before
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// How many seconds it has to live; `None` for ever.
    pub ttl: Option<u32>,
    /// Whether it was read before.
    pub was_fetched: bool,
    /// How many seconds ago it was last read or stored.
    pub idle: u32,
}

/// A removal in full: memcached's `md`.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Delete, Fetch, Store};
///
/// let store = Store::new();
/// let cas = store.set("page", "old", 0, 0)?;
/// let stale = Delete { cas: Some(cas), invalidate: true, touch: Some(30), ..Delete::default() };
/// store.remove("page", stale)?;
/// let found = store.fetch("page", Fetch::default())?.ok_or("gone")?;
/// assert!(found.is_stale && found.hit.value == "old");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delete {
    /// Only if the item has this stamp, or is locked with it.
    pub cas: Option<u64>,
    /// Keep the item, but mark it stale.
    pub invalidate: bool,
    /// The new expiry time of an item that is kept. Without one, an emptied item never expires.
    pub touch: Option<i64>,
    /// Keep the item, but empty it.
    pub clear_value: bool,
    /// The flags of an item that is emptied.
    pub flags: u32,
    /// The new stamp of an item that is kept.
    pub stamp: Option<u64>,
}

/// A change of a counter in full: memcached's `ma`.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Count, Store};
///
/// let store = Store::new();
/// let take = Count { down: true, delta: 10, vivify: Some(0), initial: 100, ..Count::default() };
/// assert_eq!(store.count("stock", take)?.number, 100); // made, and not counted yet
/// assert_eq!(store.count("stock", take)?.number, 90);
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Count down, not up.
    pub down: bool,
    /// By how much.
    pub delta: u64,
    /// Without an item, store `initial` with this expiry time.
    pub vivify: Option<i64>,
    /// What a new item begins with. The delta is not applied to it.
    pub initial: u64,
    /// The new expiry time of an item that is there.
    pub touch: Option<i64>,
    /// Only if the item has this stamp.
    pub cas: Option<u64>,
    /// The new stamp.
    pub stamp: Option<u64>,
}

impl Default for Count {
    /// Up by one, only where there is an item.
    fn default() -> Self {
        Self {
            down: false,
            delta: 1,
            vivify: None,
            initial: 0,
            touch: None,
            cas: None,
            stamp: None,
        }
    }
}

/// What a change of a counter has done.
///
/// # Examples
///
/// ```
/// use caskade::bytes::{Count, Store};
///
/// let store = Store::new();
/// let visit = Count { vivify: Some(3600), initial: 1, ..Count::default() };
/// let first = store.count("visits", visit)?;
/// assert_eq!((first.number, first.is_new), (1, true));
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// The number that was stored.
    pub number: u64,
    /// The item's new stamp.
    pub cas: u64,
    /// How many seconds it had to live before this change; `None` for ever.
    pub ttl: Option<u32>,
    /// Whether the item is new.
    pub is_new: bool,
}

/// An item that the caller has locked.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use std::time::Duration;
///
/// let store = Store::new();
/// store.set("balance", "100", 0, 0)?;
/// let held = store.get_and_lock("balance", Duration::from_secs(5))?;
/// assert_eq!(held.value, "100");
/// store.cas("balance", "90", held.flags, 0, held.token)?;
/// # Ok::<(), caskade::bytes::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locked {
    /// The value.
    pub value: Bytes,
    /// What the client has stored with it.
    pub flags: u32,
    /// What opens the lock, as the stamp of a conditional write or in
    /// [`unlock`](super::Store::unlock).
    pub token: u64,
    /// How long the lock holds.
    pub remaining: Duration,
}
