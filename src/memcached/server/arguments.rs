//! The command line: memcached's switches, what becomes of them, and a clear word about those that
//! cannot be honoured.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

use super::lacking::{self, Verdict};
use crate::memcached::{Compat, Protocol};

const MEGABYTE: u64 = 1024 * 1024;
/// What memcached demands of `-I`.
const ITEM_LIMITS: std::ops::RangeInclusive<u64> = 1024..=1024 * MEGABYTE;

/// A memcached in one process: its text, meta and binary protocols, its switches.
///
/// Listens on the loopback interface unless told otherwise, and prints one line of JSON when it
/// accepts connections: {"tcp":11211,"unix":null,"pid":4711,"version":"1.6.18"}. Ends on SIGINT and
/// SIGTERM once it has answered what was asked.
#[derive(Debug, Parser)]
#[command(name = "caskade-server", disable_version_flag = true, after_help = lacking::HELP)]
struct Arguments {
    /// TCP port; 0 for none, -1 for any that is free (its number goes to the file named in
    /// MEMCACHED_PORT_FILENAME)
    #[arg(short = 'p', long = "port", value_name = "NUM", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-1..=65535))]
    port: Option<i32>,

    /// Addresses to listen on, separated by commas, each with or without a port [default: 127.0.0.1]
    #[arg(short = 'l', long = "listen", value_name = "ADDR", value_delimiter = ',')]
    listen: Vec<String>,

    /// UNIX socket to listen on; no TCP then, unless -p is given
    #[arg(short = 's', long = "unix-socket", value_name = "FILE")]
    unix_socket: Option<PathBuf>,

    /// Who may open the UNIX socket, in octal
    #[arg(short = 'a', long = "unix-mask", value_name = "MASK", default_value = "0700")]
    #[arg(value_parser = octal)]
    unix_mask: u32,

    /// Memory for items, in megabytes
    #[arg(short = 'm', long = "memory-limit", value_name = "NUM", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    memory: u64,

    /// Refuse to store when memory is full, instead of evicting
    #[arg(short = 'M', long = "disable-evictions")]
    disable_evictions: bool,

    /// Largest item: 1m, 512k or bytes
    #[arg(short = 'I', long = "max-item-size", value_name = "SIZE", default_value = "1m")]
    #[arg(value_parser = size)]
    item_size: u64,

    /// Most connections at a time
    #[arg(short = 'c', long = "conn-limit", value_name = "NUM", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 28))]
    connections: u32,

    /// Threads
    #[arg(short = 't', long = "threads", value_name = "NUM", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,

    /// Connections that wait to be accepted
    #[arg(short = 'b', long = "listen-backlog", value_name = "NUM", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    backlog: u32,

    /// Protocol: auto, ascii or binary
    #[arg(short = 'B', long = "protocol", value_name = "NAME", default_value = "auto")]
    #[arg(value_parser = protocol)]
    protocol: Spoken,

    /// Refuse flush_all
    #[arg(short = 'F', long = "disable-flush-all")]
    disable_flush_all: bool,

    /// Items have no stamps
    #[arg(short = 'C', long = "disable-cas")]
    disable_cas: bool,

    /// Options, separated by commas: idle_timeout=SECONDS closes connections on which nothing comes;
    /// ssl_chain_cert=FILE and ssl_key=FILE belong to -Z
    #[arg(short = 'o', long = "extended", value_name = "OPTION", value_delimiter = ',')]
    options: Vec<String>,

    /// TLS on the TCP ports (if built with the feature tls)
    #[arg(short = 'Z', long = "enable-ssl")]
    tls: bool,

    /// Write the process number to a file
    #[arg(short = 'P', long = "pidfile", value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// Tell on standard error what happens; -vv: to each connection
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count)]
    verbosity: u8,

    /// Show the version
    #[arg(short = 'V', long = "version")]
    version: bool,

    /// Which memcached to be: 1.6.18 or 1.6.45
    #[arg(long, value_name = "VERSION", default_value = "1.6.18", value_parser = compat)]
    compat: Compat,

    /// For tests: take the commands `debugtime` and `caskade`, which move time and more
    #[arg(long)]
    control: bool,

    /// Send every request to this server as well, and tell on standard error where its answers differ
    /// from ours, which the clients get
    #[arg(long, value_name = "HOST:PORT", value_parser = address, conflicts_with = "control")]
    compare_with: Option<SocketAddr>,

    /// For tests: end when standard input does
    #[arg(long)]
    exit_with_stdin: bool,

    /// Close connections that take nothing of their answers for so many seconds; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    write_timeout: u64,
}

/// A protocol, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spoken(Option<Protocol>);

/// What the command line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) tcp: Vec<SocketAddr>,
    pub(super) unix: Option<UnixSocket>,
    pub(super) memory: u64,
    pub(super) evicts: bool,
    pub(super) item_limit: usize,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) backlog: u32,
    pub(super) protocol: Option<Protocol>,
    pub(super) compat: Compat,
    pub(super) flush: bool,
    pub(super) cas: bool,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) certificate: Option<Certificate>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) verbosity: u8,
    pub(super) has_control: bool,
    pub(super) other: Option<SocketAddr>,
    pub(super) ends_with_stdin: bool,
    /// What is accepted and has no effect.
    pub(super) warnings: Vec<String>,
}

/// Where a UNIX socket is, and who may open it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnixSocket {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
}

/// Where a server's certificates and their key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(super) enum Stop {
    /// Help or the version was asked for.
    Answer(String),
    /// The command line cannot be honoured.
    Refusal(String),
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        let text = error.to_string();
        if error.use_stderr() { Self::Refusal(text) } else { Self::Answer(text) }
    }
}

/// Understands a command line, whose first word is the program's name.
pub(super) fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Settings, Stop> {
    let command = lacking::SWITCHES
        .iter()
        .fold(Arguments::command(), |command, switch| command.arg(switch.argument()));
    let matches = command.try_get_matches_from(line)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    if arguments.version {
        return Err(Stop::Answer(format!(
            "caskade-server {} (memcached {})\n",
            env!("CARGO_PKG_VERSION"),
            arguments.compat.version()
        )));
    }
    let mut warnings = Vec::new();
    for switch in lacking::SWITCHES {
        if switch.is_given(&matches) {
            let text = format!("-{}: {}", switch.letter, switch.text);
            judge(switch.verdict, text, &mut warnings)?;
        }
    }
    settings(arguments, warnings).map_err(|text| Stop::Refusal(format!("error: {text}\n")))
}

fn judge(verdict: Verdict, text: String, warnings: &mut Vec<String>) -> Result<(), Stop> {
    match verdict {
        Verdict::Ignored => warnings.push(text),
        Verdict::Refused => return Err(Stop::Refusal(format!("error: {text}\n"))),
    }
    Ok(())
}

fn settings(arguments: Arguments, warnings: Vec<String>) -> Result<Settings, String> {
    let options = Options::new(&arguments.options, warnings)?;
    let memory = arguments.memory * MEGABYTE;
    if arguments.item_size > memory / 2 {
        return Err("-I may be at most half of -m".into());
    }
    let tcp = addresses(&arguments)?;
    if tcp.is_empty() && arguments.unix_socket.is_none() {
        return Err("-p 0 without -s leaves nothing to listen on".into());
    }
    Ok(Settings {
        tcp,
        memory,
        certificate: options.certificate(arguments.tls)?,
        unix: arguments.unix_socket.map(|path| UnixSocket { path, mode: arguments.unix_mask }),
        evicts: !arguments.disable_evictions,
        item_limit: usize::try_from(arguments.item_size).unwrap_or(usize::MAX),
        connections: arguments.connections,
        threads: arguments.threads,
        backlog: arguments.backlog,
        protocol: arguments.protocol.0,
        compat: arguments.compat,
        flush: !arguments.disable_flush_all,
        cas: !arguments.disable_cas,
        idle_timeout: options.idle_timeout,
        write_timeout: seconds(arguments.write_timeout),
        pid_file: arguments.pid_file,
        verbosity: arguments.verbosity,
        has_control: arguments.control,
        other: arguments.compare_with,
        ends_with_stdin: arguments.exit_with_stdin,
        warnings: options.warnings,
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or("no such host".into())
}

/// A time to wait; none for zero. One that nobody lives to see is cut, so that clocks can count to its end.
fn seconds(count: u64) -> Option<Duration> {
    const CENTURY: u64 = 60 * 60 * 24 * 36525;
    (count > 0).then(|| Duration::from_secs(count.min(CENTURY)))
}

/// The addresses of `-l`, with the port of `-p` where they have none of their own.
fn addresses(arguments: &Arguments) -> Result<Vec<SocketAddr>, String> {
    let port = match arguments.port {
        Some(0) => return Ok(Vec::new()),
        None if arguments.unix_socket.is_some() => return Ok(Vec::new()),
        Some(-1) => 0,
        None => 11211,
        Some(port) => u16::try_from(port).map_err(|_| format!("-p {port} is no port"))?,
    };
    if arguments.listen.is_empty() {
        return Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]);
    }
    let mut all = Vec::new();
    for text in &arguments.listen {
        for address in resolve(text, port)? {
            if !all.contains(&address) {
                all.push(address);
            }
        }
    }
    Ok(all)
}

/// The addresses that `text` names: an address or a name, with or without a port.
fn resolve(text: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = match text.rsplit_once(':') {
        Some(_) => text.to_socket_addrs(),
        None => (text, port).to_socket_addrs(),
    };
    Ok(found.map_err(|error| format!("-l {text}: {error}"))?.collect())
}

/// What `-o` has said.
#[derive(Default)]
struct Options {
    idle_timeout: Option<Duration>,
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
    warnings: Vec<String>,
}

impl Options {
    fn new(texts: &[String], warnings: Vec<String>) -> Result<Self, String> {
        let mut options = Self { warnings, ..Self::default() };
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "idle_timeout" => {
                let count: u32 = value.parse().map_err(|_| "-o idle_timeout wants seconds")?;
                self.idle_timeout = seconds(count.into());
            }
            "ssl_chain_cert" => self.chain = Some(value.into()),
            "ssl_key" => self.key = Some(value.into()),
            _ => match lacking::option(name) {
                Some(Verdict::Ignored) => {
                    self.warnings.push(format!("-o {name}: accepted, and without effect"));
                }
                Some(Verdict::Refused) => return Err(format!("-o {name} is not to be had here")),
                None => return Err(format!("-o {name}: no such option")),
            },
        }
        Ok(())
    }

    fn certificate(&self, is_wanted: bool) -> Result<Option<Certificate>, String> {
        if !is_wanted {
            let is_named = self.chain.is_some() || self.key.is_some();
            return if is_named { Err("-o ssl_… without -Z".into()) } else { Ok(None) };
        }
        if !cfg!(feature = "tls") {
            return Err("-Z: this program was built without the feature tls".into());
        }
        match (&self.chain, &self.key) {
            (Some(chain), Some(key)) => {
                Ok(Some(Certificate { chain: chain.clone(), key: key.clone() }))
            }
            _ => Err("-Z needs -o ssl_chain_cert=FILE,ssl_key=FILE".into()),
        }
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        _ => Err("an octal number up to 0777 is wanted".into()),
    }
}

/// A number of bytes, or with a letter behind it of kilobytes or megabytes.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1024),
        Some((at, 'm' | 'M')) => (&text[..at], MEGABYTE),
        Some((at, 'g' | 'G')) => (&text[..at], 1024 * MEGABYTE),
        _ => (text, 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|bytes| ITEM_LIMITS.contains(bytes))
        .ok_or_else(|| "between 1024 bytes and 1 gigabyte are wanted".into())
}

fn protocol(text: &str) -> Result<Spoken, String> {
    match text {
        "auto" => Ok(Spoken(None)),
        "ascii" => Ok(Spoken(Some(Protocol::Text))),
        "binary" => Ok(Spoken(Some(Protocol::Binary))),
        _ => Err("auto, ascii or binary is wanted".into()),
    }
}

fn compat(text: &str) -> Result<Compat, String> {
    let all = [Compat::V1_6_18, Compat::V1_6_45];
    all.into_iter()
        .find(|compat| compat.version() == text)
        .ok_or_else(|| "1.6.18 or 1.6.45 is wanted".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Clock, SystemClock};

    fn parsed(line: &str) -> Result<Settings, Stop> {
        parse(["caskade-server"].into_iter().chain(line.split_whitespace()).map(OsString::from))
    }

    fn good(line: &str) -> Settings {
        parsed(line).expect(line)
    }

    fn refusal(line: &str) -> String {
        match parsed(line) {
            Err(Stop::Refusal(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn addresses(line: &str) -> Vec<String> {
        good(line).tcp.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn memcacheds_defaults_hold_but_for_the_address() {
        let settings = good("");
        assert_eq!(addresses(""), ["127.0.0.1:11211"]);
        assert_eq!((settings.memory, settings.item_limit), (64 << 20, 1 << 20));
        assert_eq!((settings.connections, settings.threads), (1024, 4));
        assert!(settings.evicts && settings.flush && settings.cas && !settings.has_control);
        assert_eq!((settings.protocol, settings.idle_timeout), (None, None));
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn switches_may_stick_to_their_values_and_to_each_other() {
        let settings = good("-p12345 -m128 -MFC -vv -I512k -c 100 -t2 -B binary");
        assert_eq!(settings.tcp[0].port(), 12345);
        assert_eq!((settings.memory, settings.item_limit), (128 << 20, 512 << 10));
        assert!(!settings.evicts && !settings.flush && !settings.cas);
        assert_eq!((settings.verbosity, settings.connections, settings.threads), (2, 100, 2));
        assert_eq!(settings.protocol, Some(Protocol::Binary));
    }

    #[test]
    fn long_names_are_memcacheds() {
        let settings = good("--port=1 --memory-limit=8 --conn-limit=7 --max-item-size=2m");
        assert_eq!((settings.tcp[0].port(), settings.memory), (1, 8 << 20));
        assert_eq!((settings.connections, settings.item_limit), (7, 2 << 20));
    }

    #[test]
    fn addresses_come_in_lists_with_and_without_ports() {
        assert_eq!(addresses("-p -1"), ["127.0.0.1:0"]);
        assert_eq!(addresses("-p 5 -l 127.0.0.1,::1"), ["127.0.0.1:5", "[::1]:5"]);
        assert_eq!(
            addresses("-l 0.0.0.0:6,[::1]:7 -l [::1]"),
            ["0.0.0.0:6", "[::1]:7", "[::1]:11211"]
        );
        assert_eq!(addresses("-l 127.0.0.1,127.0.0.1"), ["127.0.0.1:11211"]);
        assert!(refusal("-l not..a..name").contains("-l not..a..name"));
    }

    #[test]
    fn a_unix_socket_takes_the_place_of_tcp_unless_a_port_is_named() {
        let settings = good("-s some/path -a 770");
        assert!(settings.tcp.is_empty());
        assert_eq!(settings.unix, Some(UnixSocket { path: "some/path".into(), mode: 0o770 }));
        assert_eq!(addresses("-s some/path -p 5"), ["127.0.0.1:5"]);
        assert!(refusal("-p 0").contains("nothing to listen on"));
        assert!(refusal("-s x -a 8").contains("octal"));
    }

    #[test]
    fn what_is_harmless_is_accepted_with_a_warning() {
        let settings = good("-k -L -R 20 -u nobody -U 0 -r -f 1.25 -n 48 -o modern,hashpower=20");
        assert_eq!(settings.warnings.len(), 9, "{:?}", settings.warnings);
        assert!(settings.warnings.iter().any(|text| text.starts_with("-u: ")));
        assert!(settings.warnings.iter().any(|text| text.starts_with("-o hashpower: ")));
    }

    #[test]
    fn what_would_be_missed_is_refused_by_name() {
        for line in ["-d", "-S", "-U 11211", "-Y file", "-A", "-X"] {
            let text = refusal(line);
            assert!(text.starts_with(&format!("error: {}: ", &line[..2])), "{line}: {text}");
        }
        for name in ["ext_path=/x:1g", "proxy_config=x", "ssl_verify_mode=2"] {
            assert!(refusal(&format!("-o {name}")).contains("not to be had"), "{name}");
        }
        assert!(refusal("-o bogus").contains("no such option"));
        assert!(refusal("--bogus").contains("--bogus"));
        assert!(refusal("-I 2m -m 2").contains("half"));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for line in [
            "-p 65536",
            "-p -2",
            "-p x",
            "-m 0",
            "-c 0",
            "-t 0",
            "-I 1023",
            "-I 2g",
            "-I k",
            "-B udp",
            "--compat 1.4",
            "-o idle_timeout=x",
            "-a 1777",
        ] {
            refusal(line);
        }
    }

    #[test]
    fn help_and_version_are_answers() {
        for (line, part) in [("-h", "--exit-with-stdin"), ("-V", "memcached 1.6.18")] {
            match parsed(line) {
                Err(Stop::Answer(text)) => assert!(text.contains(part), "{text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn time_outs_of_zero_are_none() {
        assert_eq!(good("-o idle_timeout=0 --write-timeout 0").idle_timeout, None);
        assert_eq!(good("-o idle_timeout=0 --write-timeout 0").write_timeout, None);
        assert_eq!(good("-o idle_timeout=9").idle_timeout, Some(Duration::from_secs(9)));
        let endless = good("--write-timeout 18446744073709551615").write_timeout;
        assert!(endless.is_some_and(|time| SystemClock.now().checked_add(time).is_some()));
    }

    #[test]
    fn tls_wants_a_certificate_and_a_key() {
        assert!(refusal("-Z").starts_with("error: -Z"));
        assert!(refusal("-o ssl_key=x").contains("without -Z"));
        if cfg!(feature = "tls") {
            let certificate = good("-Z -o ssl_chain_cert=c,ssl_key=k").certificate;
            assert_eq!(certificate, Some(Certificate { chain: "c".into(), key: "k".into() }));
        }
    }
}
