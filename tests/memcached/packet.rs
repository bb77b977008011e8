//! Packets of the binary protocol: made for requests and expected answers, and taken apart.

use caskade::ManualClock;
use caskade::bytes::Store;
use caskade::memcached::{Config, Connection, Flow, Output, Service};

/// What requests carry as opaque, so that answers must.
const OPAQUE: [u8; 4] = [0xca, 0x5c, 0xad, 0xe0];

/// Stands in expected answers for a stamp that the store has drawn.
pub(crate) const FRESH: u64 = 0x4652_4553_485f_5f5f;

/// The stamp shown of an item that somebody has locked.
pub(crate) const MASK: u64 = u64::MAX;

/// Stamps below this are chosen by tests, all others drawn.
const CHOSEN: u64 = 1000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) magic: u8,
    pub(crate) opcode: u8,
    pub(crate) status: u16,
    pub(crate) extras: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) cas: u64,
}

/// A request without body.
pub(crate) fn ask(opcode: u8) -> Packet {
    Packet { magic: 0x80, opcode, ..Packet::default() }
}

/// An answer without body.
pub(crate) fn answer(opcode: u8, status: u16) -> Packet {
    Packet { magic: 0x81, opcode, status, ..Packet::default() }
}

impl Packet {
    pub(crate) fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = key.as_ref().into();
        self
    }

    pub(crate) fn value(mut self, value: impl AsRef<[u8]>) -> Self {
        self.value = value.as_ref().into();
        self
    }

    pub(crate) fn cas(mut self, cas: u64) -> Self {
        self.cas = cas;
        self
    }

    /// Four bytes of extras more.
    pub(crate) fn number(mut self, number: u32) -> Self {
        self.extras.extend(number.to_be_bytes());
        self
    }

    /// Eight bytes of extras more.
    pub(crate) fn long(mut self, number: u64) -> Self {
        self.extras.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.magic, self.opcode];
        bytes.extend(u16::try_from(self.key.len()).unwrap().to_be_bytes());
        bytes.extend([u8::try_from(self.extras.len()).unwrap(), 0]);
        bytes.extend(self.status.to_be_bytes());
        let body = self.extras.len() + self.key.len() + self.value.len();
        bytes.extend(u32::try_from(body).unwrap().to_be_bytes());
        bytes.extend(OPAQUE);
        bytes.extend(self.cas.to_be_bytes());
        for part in [&self.extras, &self.key, &self.value] {
            bytes.extend(part);
        }
        bytes
    }

    /// The packet at the front of `bytes`, and what follows it.
    fn read(bytes: &[u8]) -> (Self, &[u8]) {
        let (head, body) = bytes.split_at(24);
        let key = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let extras = usize::from(head[4]);
        let len = u32::from_be_bytes(head[8..12].try_into().unwrap()) as usize;
        let (body, rest) = body.split_at(len);
        let packet = Self {
            magic: head[0],
            opcode: head[1],
            status: u16::from_be_bytes([head[6], head[7]]),
            extras: body[..extras].into(),
            key: body[extras..extras + key].into(),
            value: body[extras + key..].into(),
            cas: u64::from_be_bytes(head[16..24].try_into().unwrap()),
        };
        assert_eq!(packet.bytes()[..], bytes[..24 + len], "a field that no test looks at");
        (packet, rest)
    }

    /// All packets in `bytes`.
    pub(crate) fn read_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut packets = Vec::new();
        while !bytes.is_empty() {
            let (packet, rest) = Self::read(bytes);
            packets.push(packet);
            bytes = rest;
        }
        packets
    }

    /// With [`FRESH`] in the place of a stamp that the store has drawn.
    pub(crate) fn without_drawn_stamp(mut self) -> Self {
        if (CHOSEN..MASK).contains(&self.cas) {
            self.cas = FRESH;
        }
        self
    }
}

/// A connection to a service of its own, whose time a test moves.
pub(crate) struct Client {
    pub(crate) service: Service,
    pub(crate) clock: ManualClock,
    pub(crate) connection: Connection,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let clock = ManualClock::new();
        let store = Store::builder().clock(clock.clone()).stripes(1).build().unwrap();
        Self::over(store, clock, config)
    }

    pub(crate) fn over(store: Store, clock: ManualClock, config: Config) -> Self {
        let service = Service::with(store, config);
        let connection = Connection::new(&service);
        Self { service, clock, connection }
    }

    /// Sends bytes, and returns what comes back and whether the connection goes on.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> (Vec<u8>, Flow) {
        let mut out = Output::new();
        let flow = self.connection.feed(bytes, &mut out);
        (out.to_vec(), flow)
    }

    /// Sends a request, and returns the answers.
    pub(crate) fn ask_all(&mut self, request: &Packet) -> Vec<Packet> {
        Packet::read_all(&self.send(&request.bytes()).0)
    }

    /// Sends a request, and returns the only answer.
    pub(crate) fn ask(&mut self, request: &Packet) -> Packet {
        let mut answers = self.ask_all(request);
        assert_eq!(answers.len(), 1, "{request:?}: {answers:?}");
        answers.remove(0)
    }
}
