//! What stands between a request and its execution.

use super::{Flow, Output};

/// The protocol a request came in.
///
/// # Examples
///
/// ```
/// use caskade::bytes::Store;
/// use caskade::memcached::{Config, Connection, Flow, Output, Protocol, Service};
///
/// let mut config = Config::default();
/// config.protocol = Some(Protocol::Binary); // nothing else
/// let service = Service::with(Store::new(), config);
/// let text = b"get one two three four five\r\n";
/// assert_eq!(Connection::new(&service).feed(text, &mut Output::new()), Flow::Close);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Protocol {
    /// The classic text commands.
    Text,
    /// The text commands of two letters with flags.
    Meta,
    /// The binary protocol.
    Binary,
}

/// A complete request, as an [`Intercept`] sees it.
///
/// # Examples
///
/// ```
/// use caskade::memcached::{Connection, Flow, Intercept, Output, Protocol, Request, Service};
///
/// struct Expected;
///
/// impl Intercept for Expected {
///     fn request(
///         &mut self,
///         request: &Request<'_>,
///         execute: &mut dyn FnMut(&mut Output) -> Flow,
///         out: &mut Output,
///     ) -> Flow {
///         assert_eq!((request.protocol, request.name), (Protocol::Text, "set"));
///         assert_eq!((&request.keys[..], request.exptime), (&[&b"k"[..]][..], Some(60)));
///         assert_eq!(request.raw, b"set k 0 60 1\r\nx\r\n");
///         execute(out)
///     }
/// }
///
/// let mut connection = Connection::new(&Service::new());
/// let _ = connection.feed_through(b"set k 0 60 1\r\nx\r\n", &mut Output::new(), &mut Expected);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The command's name in lower case: its text name, or for a binary opcode the name that
    /// protocol has for it, such as `getkq`. Of what is no command it is `?`.
    pub name: &'a str,
    /// The keys it names, in order.
    pub keys: Vec<&'a [u8]>,
    /// The stamp it depends on, if it does.
    pub cas: Option<u64>,
    /// The expiry time it sets, if it sets one.
    pub exptime: Option<i64>,
    /// Whether the client wants no answer, or not to everything.
    pub is_quiet: bool,
    /// Everything that came, headers and values, as far as it was kept.
    pub raw: &'a [u8],
    /// How many more bytes belong to it, which are thrown away as they come.
    pub unread: u64,
}

/// Stands between requests and their execution: sees each, may answer in its place, and may change
/// the answer.
///
/// `()` lets everything through, at no cost.
///
/// # Concurrency
///
/// Called by whoever feeds the connection, with no lock held.
///
/// # Examples
///
/// ```
/// use caskade::memcached::{Connection, Event, Flow, Intercept, Output, Request, Service};
///
/// /// Carries writes out and loses their acknowledgements.
/// struct Unsure;
///
/// impl Intercept for Unsure {
///     fn request(
///         &mut self,
///         request: &Request<'_>,
///         execute: &mut dyn FnMut(&mut Output) -> Flow,
///         out: &mut Output,
///     ) -> Flow {
///         if request.name != "set" {
///             return execute(out);
///         }
///         let _ = execute(&mut Output::new());
///         out.push_event(Event::Close);
///         Flow::Close
///     }
/// }
///
/// let service = Service::new();
/// let mut out = Output::new();
/// let mut connection = Connection::new(&service);
/// let flow = connection.feed_through(b"set k 0 0 1\r\nx\r\n", &mut out, &mut Unsure);
/// assert_eq!((flow, out.len(), out.take_event()), (Flow::Close, 0, Some(Event::Close)));
/// assert_eq!(service.store().len(), 1);
/// ```
pub trait Intercept {
    /// Whether [`request`](Self::request) wants to be called at all.
    const IS_ACTIVE: bool = true;

    /// A request has come in. `execute` carries it out and appends the answer. On [`Flow::Write`]
    /// the requests behind it wait until the output is written, events included.
    fn request(
        &mut self,
        request: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow;
}

impl Intercept for () {
    const IS_ACTIVE: bool = false;

    fn request(
        &mut self,
        _: &Request<'_>,
        execute: &mut dyn FnMut(&mut Output) -> Flow,
        out: &mut Output,
    ) -> Flow {
        execute(out)
    }
}
