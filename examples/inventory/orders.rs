//! The orders file: what it may say, and everything that can be wrong with a line of it.
//!
//! Reads a whole file and reports every bad line, not only the first. Does not open files and knows
//! nothing of databases or caches.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::SplitWhitespace;
use std::sync::Arc;

/// A part number; cheap to clone, because it is the key of the cache.
pub(crate) type PartNumber = Arc<str>;
/// The path of a page.
pub(crate) type Page = Arc<str>;

/// The greatest quantity a line may name.
pub(crate) const MAX_QUANTITY: u32 = 1_000_000;
/// The greatest bay number.
pub(crate) const MAX_BAY: u32 = 999;
/// The greatest price, in cents.
pub(crate) const MAX_PRICE: u32 = 10_000_000;
const MAX_WORD: usize = 40;

/// What an orders file asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderBook {
    /// What is delivered before the first order, by part number.
    pub(crate) deliveries: BTreeMap<PartNumber, Delivery>,
    /// Orders and page views in the order of the file.
    pub(crate) tasks: Vec<Task>,
}

/// A `stock` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) quantity: u32,
    /// The price of one, in cents.
    pub(crate) price: u32,
    pub(crate) name: Arc<str>,
}

/// Something a thread has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Order(Order),
    View(Page),
}

/// An `order` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The order's line in the file, which identifies it.
    pub(crate) line: u32,
    pub(crate) bay: u32,
    pub(crate) part: PartNumber,
    pub(crate) quantity: u32,
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) line: u32,
    pub(crate) fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotText,
    UnknownVerb(String),
    Missing(&'static str),
    Surplus(String),
    NotANumber { field: &'static str, found: String },
    OutOfRange { field: &'static str, found: String, max: u32 },
    BadPrice(String),
    BadPartNumber(String),
    BadPage(String),
    StockedBefore { part: PartNumber, line: u32 },
    NotStocked(PartNumber),
}

impl OrderBook {
    /// Reads a file. The book holds the good lines; the bad ones come beside it, by line number.
    pub(crate) fn parse(text: &[u8]) -> (Self, Vec<BadLine>) {
        let mut reader = Reader::default();
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        for (line, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            if let Err(fault) = reader.line(line, bytes) {
                reader.bad.push(BadLine { line, fault });
            }
        }
        reader.finish()
    }

    /// The orders, in the order of the file.
    pub(crate) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.tasks.iter().filter_map(|task| match task {
            Task::Order(order) => Some(order),
            Task::View(_) => None,
        })
    }

    /// How often each page is viewed.
    pub(crate) fn views(&self) -> BTreeMap<Page, u32> {
        let mut views = BTreeMap::new();
        for task in &self.tasks {
            if let Task::View(page) = task {
                *views.entry(page.clone()).or_default() += 1;
            }
        }
        views
    }
}

#[derive(Default)]
struct Reader {
    book: OrderBook,
    stocked_on: HashMap<PartNumber, u32>,
    bad: Vec<BadLine>,
}

impl Reader {
    fn line(&mut self, line: u32, bytes: &[u8]) -> Result<(), Fault> {
        let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotText)?;
        let mut words = text.split('#').next().unwrap_or_default().split_whitespace();
        match words.next() {
            None => Ok(()),
            Some("stock") => self.stock(line, words),
            Some("order") => {
                let order = order(line, words)?;
                self.book.tasks.push(Task::Order(order));
                Ok(())
            }
            Some("view") => {
                let page = page(words)?;
                self.book.tasks.push(Task::View(page));
                Ok(())
            }
            Some(verb) => Err(Fault::UnknownVerb(verb.into())),
        }
    }

    fn stock(&mut self, line: u32, mut words: SplitWhitespace<'_>) -> Result<(), Fault> {
        let part = part_number(&mut words)?;
        let quantity = number("quantity", MAX_QUANTITY, &mut words)?;
        let price = price(next("price", &mut words)?)?;
        let name = words.collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            return Err(Fault::Missing("name"));
        }
        if let Some(&line) = self.stocked_on.get(&part) {
            return Err(Fault::StockedBefore { part, line });
        }
        self.stocked_on.insert(part.clone(), line);
        self.book.deliveries.insert(part, Delivery { quantity, price, name: name.into() });
        Ok(())
    }

    /// Takes out the orders for parts that no good line stocks. This waits for the end of the file,
    /// because a part may be stocked below its first order.
    fn finish(mut self) -> (OrderBook, Vec<BadLine>) {
        let Self { book: OrderBook { deliveries, tasks }, bad, .. } = &mut self;
        tasks.retain(|task| match task {
            Task::Order(order) if !deliveries.contains_key(&order.part) => {
                let fault = Fault::NotStocked(order.part.clone());
                bad.push(BadLine { line: order.line, fault });
                false
            }
            _ => true,
        });
        bad.sort_by_key(|bad| bad.line);
        (self.book, self.bad)
    }
}

fn order(line: u32, mut words: SplitWhitespace<'_>) -> Result<Order, Fault> {
    let bay = number("bay", MAX_BAY, &mut words)?;
    let part = part_number(&mut words)?;
    let quantity = number("quantity", MAX_QUANTITY, &mut words)?;
    nothing_more(words)?;
    Ok(Order { line, bay, part, quantity })
}

fn page(mut words: SplitWhitespace<'_>) -> Result<Page, Fault> {
    let page = next("page", &mut words)?;
    if !page.starts_with('/') || page.len() > MAX_WORD {
        return Err(Fault::BadPage(page.into()));
    }
    nothing_more(words)?;
    Ok(page.into())
}

fn part_number(words: &mut SplitWhitespace<'_>) -> Result<PartNumber, Fault> {
    let part = next("part number", words)?;
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    if part.len() > MAX_WORD || !part.bytes().all(fits) {
        return Err(Fault::BadPartNumber(part.into()));
    }
    Ok(part.into())
}

/// A whole number from 1 to `max`.
fn number(field: &'static str, max: u32, words: &mut SplitWhitespace<'_>) -> Result<u32, Fault> {
    let found = next(field, words)?;
    let digits = found.strip_prefix('-').unwrap_or(found);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::NotANumber { field, found: found.into() });
    }
    match found.parse() {
        Ok(number) if (1..=max).contains(&number) => Ok(number),
        _ => Err(Fault::OutOfRange { field, found: found.into(), max }),
    }
}

/// A price such as `32.90`, in cents.
fn price(found: &str) -> Result<u32, Fault> {
    let cents = || {
        let (whole, cents) = found.split_once('.')?;
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || cents.len() != 2 || !all_digits(whole) || !all_digits(cents) {
            return None;
        }
        let whole = whole.parse::<u32>().ok()?.checked_mul(100)?;
        whole.checked_add(cents.parse().ok()?)
    };
    match cents() {
        Some(cents) if (1..=MAX_PRICE).contains(&cents) => Ok(cents),
        _ => Err(Fault::BadPrice(found.into())),
    }
}

fn next<'t>(field: &'static str, words: &mut SplitWhitespace<'t>) -> Result<&'t str, Fault> {
    words.next().ok_or(Fault::Missing(field))
}

fn nothing_more(mut words: SplitWhitespace<'_>) -> Result<(), Fault> {
    match words.next() {
        None => Ok(()),
        Some(word) => Err(Fault::Surplus(word.into())),
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("is not UTF-8 text"),
            Self::UnknownVerb(verb) => {
                write!(f, "begins with {verb:?}; expected \"stock\", \"order\" or \"view\"")
            }
            Self::Missing(field) => write!(f, "the {field} is missing"),
            Self::Surplus(word) => write!(f, "{word:?} is one field too many"),
            Self::NotANumber { field, found } => {
                write!(f, "the {field} {found:?} is not a whole number")
            }
            Self::OutOfRange { field, found, max } => {
                write!(f, "the {field} {found} is not between 1 and {max}")
            }
            Self::BadPrice(found) => {
                let (whole, cents) = (MAX_PRICE / 100, MAX_PRICE % 100);
                write!(f, "the price {found:?} is not between 0.01 and {whole}.{cents:02}")?;
                f.write_str(", written with two decimals")
            }
            Self::BadPartNumber(found) => {
                write!(f, "the part number {found:?} is not 1 to {MAX_WORD} of A-Z, 0-9 and \"-\"")
            }
            Self::BadPage(found) => {
                write!(
                    f,
                    "the page {found:?} does not begin with \"/\" or is over {MAX_WORD} bytes"
                )
            }
            Self::StockedBefore { part, line } => {
                write!(f, "part {part} is stocked on line {line} already")
            }
            Self::NotStocked(part) => {
                write!(f, "orders part {part}, which no valid stock line names")
            }
        }
    }
}
