//! The audit: do the file, the database, the cache and the counters agree?
//!
//! Believes nobody. It opens the database anew, and recomputes every stock from the deliveries in
//! the file and the order rows. Since each row says as which order for its part it was filled and
//! what was left then, the orders of a part must form one unbroken line from its delivery to its
//! stock, and every refused order must fit into it at a point at which too little was left. Two
//! threads that took the same parts cannot hide in a sum that happens to come out right.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::database::{OrderRow, Reader, nanoseconds};
use crate::orders::{Delivery, Order, OrderBook};
use crate::station::{Service, Station};
use crate::strategies::{Part, Strategy};

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) differences: Vec<Difference>,
    pub(crate) totals: Totals,
}

/// The numbers that agree if there is no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) delivered: i64,
    pub(crate) taken: i64,
    pub(crate) in_database: i64,
    pub(crate) in_cache: i64,
    pub(crate) filled: u64,
    pub(crate) sold_out: u64,
    pub(crate) views_in_file: i64,
    pub(crate) views_in_database: i64,
    pub(crate) views_counted: i64,
    /// From the moment at which the crashed thread locked its part to the next filled order for it.
    pub(crate) reopened_after: Option<Duration>,
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    PartMissing { part: String, place: Place },
    PartInvented { part: String, place: Place },
    Stock { part: String, place: Place, expected: i64, found: i64 },
    Sequence { part: String, filled: i64, found: i64 },
    OrderMissing { line: u32 },
    OrderTwice { line: u32, rows: usize },
    OrderInvented { line: u32 },
    OrderAltered { line: u32, column: &'static str },
    OutOfLine { line: u32, sequence: i64, expected: i64 },
    WrongRest { line: u32, left: i64, expected: i64 },
    RefusedInVain { line: u32, left: i64 },
    Views { page: String, place: Place, expected: i64, found: i64 },
    Tally { strategy: &'static str, counted: u64, rows: u64 },
    LockIgnored { line: u32 },
    NoLapse,
}

/// Who keeps a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Database,
    Cache,
}

/// Compares everything with everything.
pub(crate) fn audit(
    book: &OrderBook,
    station: &Station<'_>,
    service: &Service,
    database: &Path,
) -> rusqlite::Result<Findings> {
    let reader = Reader::open(database)?;
    let rows = reader.orders()?;
    let mut audit = Audit { book, rows: &rows, findings: Findings::default() };
    audit.orders();
    audit.histories();
    audit.stocks(Place::Database, &database_stocks(&reader)?);
    audit.stocks(Place::Cache, &cache_stocks(station));
    audit.sequences(station);
    audit.views(Place::Database, &reader.pages()?.into_iter().collect());
    audit.views(Place::Cache, &counted_views(station));
    audit.tallies(service);
    audit.crash(service, station.parts.stats().locks_lapsed);
    Ok(audit.findings)
}

fn database_stocks(reader: &Reader) -> rusqlite::Result<BTreeMap<String, i64>> {
    Ok(reader.parts()?.into_iter().map(|row| (row.part, row.stock)).collect())
}

fn cache_stocks(station: &Station<'_>) -> BTreeMap<String, i64> {
    let stock = |part: &Part| i64::from(part.stock);
    station.parts.iter().map(|(number, part)| (number.to_string(), stock(&part))).collect()
}

fn counted_views(station: &Station<'_>) -> BTreeMap<String, i64> {
    station.pages.iter().map(|(page, views)| (page.to_string(), i64::from(*views))).collect()
}

struct Audit<'a> {
    book: &'a OrderBook,
    rows: &'a [OrderRow],
    findings: Findings,
}

impl Audit<'_> {
    /// Every order is in the database once, as it was given.
    fn orders(&mut self) {
        let mut rows_of = HashMap::<u32, Vec<&OrderRow>>::new();
        for row in self.rows {
            rows_of.entry(row.line).or_default().push(row);
        }
        for order in self.book.orders() {
            let line = order.line;
            match rows_of.remove(&line).as_deref() {
                None => self.report(Difference::OrderMissing { line }),
                Some([row]) => self.order(order, row),
                Some(rows) => self.report(Difference::OrderTwice { line, rows: rows.len() }),
            }
        }
        for line in rows_of.into_keys() {
            self.report(Difference::OrderInvented { line });
        }
        let filled = self.rows.iter().filter(|row| row.filled).count() as u64;
        self.findings.totals.filled = filled;
        self.findings.totals.sold_out = self.rows.len() as u64 - filled;
    }

    fn order(&mut self, order: &Order, row: &OrderRow) {
        let price = self.book.deliveries.get(&order.part).map_or(0, |delivery| delivery.price);
        let quantity = if row.filled { order.quantity } else { 0 };
        let columns = [
            ("bay", row.bay == order.bay),
            ("part", *row.part == *order.part),
            ("quantity", row.quantity == order.quantity),
            ("strategy", row.strategy == Strategy::of(order).name()),
            ("amount", row.amount == i64::from(price) * i64::from(quantity)),
        ];
        for (column, _) in columns.into_iter().filter(|(_, agrees)| !agrees) {
            self.report(Difference::OrderAltered { line: order.line, column });
        }
    }

    /// The orders of each part form one line of history.
    fn histories(&mut self) {
        let book = self.book;
        for (part, delivery) in &book.deliveries {
            let rows: Vec<_> = self.rows.iter().filter(|row| *row.part == **part).collect();
            self.history(delivery, &rows);
        }
    }

    fn history(&mut self, delivery: &Delivery, rows: &[&OrderRow]) {
        let mut filled: Vec<_> = rows.iter().filter(|row| row.filled).collect();
        filled.sort_by_key(|row| (row.sequence, row.line));
        let mut left = vec![i64::from(delivery.quantity)]; // after so many filled orders
        for (expected, row) in (1..).zip(filled) {
            let rest = left[left.len() - 1] - i64::from(row.quantity);
            left.push(rest);
            if row.sequence != expected {
                let (line, sequence) = (row.line, row.sequence);
                self.report(Difference::OutOfLine { line, sequence, expected });
            }
            self.rest(row, rest);
        }
        for row in rows.iter().filter(|row| !row.filled) {
            let (line, sequence) = (row.line, row.sequence);
            match usize::try_from(sequence).ok().and_then(|index| left.get(index)) {
                Some(&rest) => self.rest(row, rest),
                None => {
                    let expected = left.len() as i64 - 1;
                    self.report(Difference::OutOfLine { line, sequence, expected });
                }
            }
            if row.left >= i64::from(row.quantity) {
                self.report(Difference::RefusedInVain { line, left: row.left });
            }
        }
    }

    fn rest(&mut self, row: &OrderRow, expected: i64) {
        let (line, left) = (row.line, row.left);
        if left != expected || left < 0 {
            self.report(Difference::WrongRest { line, left, expected });
        }
    }

    /// What was delivered, less what the filled orders took, is what `place` has in stock.
    fn stocks(&mut self, place: Place, stocks: &BTreeMap<String, i64>) {
        let book = self.book;
        let (mut delivered, mut taken) = (0, 0);
        for (part, delivery) in &book.deliveries {
            let filled = self.rows.iter().filter(|row| row.filled && *row.part == **part);
            let gone: i64 = filled.map(|row| i64::from(row.quantity)).sum();
            delivered += i64::from(delivery.quantity);
            taken += gone;
            let expected = i64::from(delivery.quantity) - gone;
            let part = part.to_string();
            match stocks.get(&part) {
                None => self.report(Difference::PartMissing { part, place }),
                Some(&found) if found != expected => {
                    self.report(Difference::Stock { part, place, expected, found });
                }
                Some(_) => {}
            }
        }
        for part in stocks.keys().filter(|&part| !book.deliveries.contains_key(&**part)) {
            self.report(Difference::PartInvented { part: part.clone(), place });
        }
        let totals = &mut self.findings.totals;
        (totals.delivered, totals.taken) = (delivered, taken);
        let sum = stocks.values().sum();
        match place {
            Place::Database => totals.in_database = sum,
            Place::Cache => totals.in_cache = sum,
        }
    }

    /// The cache has seen as many filled orders for each part as the database.
    fn sequences(&mut self, station: &Station<'_>) {
        let mut rows_of = HashMap::<&str, i64>::new();
        for row in self.rows.iter().filter(|row| row.filled) {
            *rows_of.entry(&row.part).or_default() += 1;
        }
        for (part, entry) in station.parts.iter() {
            let filled = rows_of.get(&*part).copied().unwrap_or(0);
            let found = i64::from(entry.sequence);
            if filled != found {
                self.report(Difference::Sequence { part: part.to_string(), filled, found });
            }
        }
    }

    /// `place` has counted as many views of each page as the file has.
    fn views(&mut self, place: Place, counts: &BTreeMap<String, i64>) {
        let mut in_file: BTreeMap<_, _> = self
            .book
            .views()
            .into_iter()
            .map(|(page, views)| (page.to_string(), i64::from(views)))
            .collect();
        self.findings.totals.views_in_file = in_file.values().sum();
        let sum = counts.values().sum();
        match place {
            Place::Database => self.findings.totals.views_in_database = sum,
            Place::Cache => self.findings.totals.views_counted = sum,
        }
        for page in counts.keys() {
            in_file.entry(page.clone()).or_insert(0);
        }
        for (page, expected) in in_file {
            let found = counts.get(&page).copied().unwrap_or(0);
            if found != expected {
                self.report(Difference::Views { page, place, expected, found });
            }
        }
    }

    /// The threads remember as many orders by each strategy as the database has.
    fn tallies(&mut self, service: &Service) {
        for (strategy, tally) in Strategy::ALL.into_iter().zip(service.tallies) {
            let strategy = strategy.name();
            let rows = self.rows.iter().filter(|row| row.strategy == strategy).count() as u64;
            let counted = tally.orders();
            if counted != rows {
                self.report(Difference::Tally { strategy, counted, rows });
            }
        }
    }

    /// The crashed thread's lock kept everybody out until it opened, and then it did open.
    fn crash(&mut self, service: &Service, lapses: u64) {
        let rows = self.rows;
        let Some(crash) = &service.crash else { return };
        let since_start =
            |instant: Instant| nanoseconds(instant.saturating_duration_since(service.started));
        let opens = since_start(crash.opens);
        let later = |row: &&OrderRow| {
            row.filled && *row.part == *crash.part && row.sequence > i64::from(crash.sequence)
        };
        for row in rows.iter().filter(later) {
            if row.decided < opens {
                self.report(Difference::LockIgnored { line: row.line });
            }
        }
        if lapses == 0 {
            self.report(Difference::NoLapse);
        }
        let first = rows.iter().filter(later).map(|row| row.decided).min();
        let after = first.map(|decided| decided - since_start(crash.locked));
        self.findings.totals.reopened_after =
            after.and_then(|after| u64::try_from(after).ok()).map(Duration::from_nanos);
    }

    fn report(&mut self, difference: Difference) {
        self.findings.differences.push(difference);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Cache => "cache",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartMissing { part, place } => write!(f, "{part}: is not in the {place}"),
            Self::PartInvented { part, place } => {
                write!(f, "{part}: is in the {place}, but was never delivered")
            }
            Self::Stock { part, place, expected, found } => {
                write!(f, "{part}: {found} in the {place}, but delivery less orders is {expected}")
            }
            Self::Sequence { part, filled, found } => {
                write!(f, "{part}: {filled} filled orders in the database, {found} in the cache")
            }
            Self::OrderMissing { line } => {
                write!(f, "order of line {line}: is not in the database")
            }
            Self::OrderTwice { line, rows } => {
                write!(f, "order of line {line}: is in the database {rows} times")
            }
            Self::OrderInvented { line } => {
                write!(f, "order of line {line}: is in the database, but not in the file")
            }
            Self::OrderAltered { line, column } => {
                write!(f, "order of line {line}: the {column} in the database is another one")
            }
            Self::OutOfLine { line, sequence, expected } => {
                write!(f, "order of line {line}: has sequence number {sequence}, not {expected}")
            }
            Self::WrongRest { line, left, expected } => {
                write!(f, "order of line {line}: saw a rest of {left} instead of {expected}")
            }
            Self::RefusedInVain { line, left } => {
                write!(f, "order of line {line}: was refused although {left} were left")
            }
            Self::Views { page, place, expected, found } => {
                write!(f, "{page}: {found} views in the {place}, {expected} in the file")
            }
            Self::Tally { strategy, counted, rows } => {
                write!(f, "{strategy}: {counted} orders counted, {rows} in the database")
            }
            Self::LockIgnored { line } => {
                write!(f, "order of line {line}: was filled while its part was locked")
            }
            Self::NoLapse => f.write_str("the crashed thread's lock never opened by itself"),
        }
    }
}
