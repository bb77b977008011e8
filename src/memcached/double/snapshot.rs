//! [`Snapshot`]: all items of a server at one moment, and what two of them differ in.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::bytes::{ItemView, Store};

/// So much of a value is shown.
const SHOWN: usize = 60;

/// All items of a server at one moment, by key.
///
/// # Examples
///
/// ```
/// use caskade::memcached::TestServer;
///
/// let server = TestServer::start()?;
/// server.store().set("a", "1", 0, 0)?;
/// let before = server.snapshot();
/// server.store().set("a", "2", 0, 0)?;
/// server.store().set("b", "3", 0, 0)?;
///
/// let diff = before.diff(&server.snapshot());
/// assert!(diff.to_string().starts_with("~ a: value \"1\" -> \"2\""));
/// assert_eq!(diff.added.len(), 1);
///
/// server.restore(&before);
/// assert!(before.diff(&server.snapshot()).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    items: BTreeMap<Bytes, ItemView>,
}

impl Snapshot {
    /// The items of `store`, each as it is at one instant.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        let items = store.items().into_iter().map(|item| (item.key.clone(), item));
        Self { items: items.collect() }
    }

    /// Makes the items of `store` these, with their stamps. An item that has expired since stays
    /// away, and locks are open. Returns how many items there are.
    pub fn restore_to(&self, store: &Store) -> usize {
        store.flush_all(0);
        self.items().filter(|item| store.restore_item(item)).count()
    }

    /// The items, by key.
    pub fn items(&self) -> impl Iterator<Item = &ItemView> {
        self.items.values()
    }

    /// The item under `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// server.store().set("k", "value", 0, 0)?;
    /// let item = server.snapshot().get("k").map(|item| item.value.clone());
    /// assert_eq!(item, Some("value".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&ItemView> {
        self.items.get(key.as_ref())
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What is different in `later`. Reads leave no difference, nor does time that passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::TestServer;
    ///
    /// let server = TestServer::start()?;
    /// let before = server.snapshot();
    /// server.store().set("k", "value", 0, 0)?;
    /// let diff = before.diff(&server.snapshot()).to_string();
    /// assert!(diff.starts_with("+ k: value \"value\""), "{diff}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn diff(&self, later: &Self) -> Diff {
        let mut diff = Diff::default();
        for (key, item) in &self.items {
            match later.items.get(key) {
                None => diff.removed.push(item.clone()),
                Some(other) if differences(item, other).is_empty() => {}
                Some(other) => diff.changed.push((item.clone(), other.clone())),
            }
        }
        let added = later.items.iter().filter(|(key, _)| !self.items.contains_key(*key));
        diff.added = added.map(|(_, item)| item.clone()).collect();
        diff
    }
}

/// What two snapshots differ in. Displayed with a line for each item: `+` for one that has come, `-`
/// for one that has gone, `~` for one that has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff {
    /// Items that only the later one has.
    pub added: Vec<ItemView>,
    /// Items that only the earlier one has.
    pub removed: Vec<ItemView>,
    /// Items that both have, before and after.
    pub changed: Vec<(ItemView, ItemView)>,
}

impl Diff {
    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = BTreeMap::new();
        for (sign, items) in [('+', &self.added), ('-', &self.removed)] {
            for item in items {
                lines.insert(&item.key, format!("{sign} {}: {}", text(&item.key), summary(item)));
            }
        }
        for (before, after) in &self.changed {
            let differences = differences(before, after).join(", ");
            lines.insert(&before.key, format!("~ {}: {differences}", text(&before.key)));
        }
        lines.values().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn summary(item: &ItemView) -> String {
    let mut parts = vec![format!("value {}", shown(&item.value))];
    if item.flags != 0 {
        parts.push(format!("flags {}", item.flags));
    }
    if let Some(at) = item.expires {
        parts.push(format!("expires at {at}"));
    }
    parts.push(format!("stamp {}", item.cas));
    parts.join(", ")
}

fn differences(before: &ItemView, after: &ItemView) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: &str, from: String, to: String| {
        if from != to {
            found.push(format!("{what} {from} -> {to}"));
        }
    };
    if before.value != after.value {
        let (from, to) = (shown(&before.value), shown(&after.value));
        // Long values may differ behind what is shown.
        let mark = if from == to { " (further on)" } else { "" };
        note("value", from, format!("{to}{mark}"));
    }
    note("flags", before.flags.to_string(), after.flags.to_string());
    note("expires", deadline(before), deadline(after));
    note("stamp", before.cas.to_string(), after.cas.to_string());
    note("stale", before.is_stale.to_string(), after.is_stale.to_string());
    note("won", before.is_won.to_string(), after.is_won.to_string());
    let locked = |item: &ItemView| item.locked_for.is_some().to_string();
    note("locked", locked(before), locked(after));
    found
}

fn deadline(item: &ItemView) -> String {
    item.expires.map_or("never".into(), |at| format!("at {at}"))
}

fn shown(value: &[u8]) -> String {
    if value.len() <= SHOWN {
        return format!("\"{}\"", text(value));
    }
    format!("\"{}...\" ({} bytes)", text(&value[..SHOWN]), value.len())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
