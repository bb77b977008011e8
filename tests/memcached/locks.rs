//! Key locks over the wire: what every command does to an item in every state of its lock.
//!
//! The model is Couchbase's server since 7.2.4, where a lock leaves the item's stamp as it is.

use std::time::Duration;

use crate::packet::{Client, MASK, Packet, answer, ask};
use caskade::ManualClock;
use caskade::bytes::{Put, Store};
use caskade::memcached::Config;

/// The stamp of the item before it is locked.
const STAMP: u64 = 77;

/// A stamp that is neither the item's nor the lock's.
const OTHER: u64 = 78;

/// Command, states, the answer to a client that knows the statuses of locks, the answer to one that
/// does not, and the item afterwards.
///
/// The states: A absent, L there and not locked, K locked, T its lock has lapsed, E it has expired,
/// F it has expired while its lock still held; then what stamp the request names: 0 none, s that of
/// the item, t the lock's token, x another one.
///
/// Afterwards it is: absent, kept (as it was, and not locked), locked (as it was), touched (not
/// locked, with its stamp and a new expiry time), wrote (with a fresh stamp, and not locked).
///
/// Where an item is not locked, memcached's rules hold, also where Couchbase's differ:
///
/// - [read] A stamp that a read or a touch names is not looked at; Couchbase refuses it. A touch
///   keeps the item's stamp; in Couchbase it has a new one.
/// - [add] A stamp turns an add into a conditional store, so that the token opens the lock;
///   Couchbase refuses an add with a stamp.
/// - [count] A counter honours the stamp of an item, and makes an absent one whatever stamp is
///   named; Couchbase refuses both.
/// - [lapsed] The token of a lock that has lapsed is good for one store or delete, as if it were
///   the item's stamp, as long as nobody has written or locked; in Couchbase it is worth nothing.
const MATRIX: &str = "
get        A0 Ax          ENOENT     ENOENT     absent
get        L0 Ls Lx       OK         OK         kept       # [read]
get        K0 Kt Ks Kx    OK         OK         locked     # [read]
get        T0 Tt Ts Tx    OK         OK         kept       # [read]
get        E0 Es F0 Ft    ENOENT     ENOENT     absent

get_locked A0             ENOENT     ENOENT     absent
get_locked Ax             EINVAL     EINVAL     absent
get_locked L0             OK         OK         locked
get_locked Ls Lx          EINVAL     EINVAL     kept
get_locked K0             LOCKED     ETMPFAIL   locked
get_locked Kt Ks Kx       EINVAL     EINVAL     locked
get_locked T0             OK         OK         locked
get_locked Tt Ts Tx       EINVAL     EINVAL     kept
get_locked E0 F0          ENOENT     ENOENT     absent
get_locked Es Ft          EINVAL     EINVAL     absent

unlock     A0 E0 F0       EINVAL     EINVAL     absent
unlock     Ax Es Ft       ENOENT     ENOENT     absent
unlock     L0 T0          EINVAL     EINVAL     kept
unlock     Ls Lx Tt Ts Tx NOT_LOCKED ETMPFAIL   kept
unlock     K0             EINVAL     EINVAL     locked
unlock     Kt             OK         OK         kept
unlock     Ks Kx          LOCKED     ETMPFAIL   locked

set        A0 E0 F0       OK         OK         wrote
set        Ax Es Ft       ENOENT     ENOENT     absent
set        L0 Ls          OK         OK         wrote
set        Lx Tx          EEXISTS    EEXISTS    kept
set        Kt             OK         OK         wrote
set        K0 Ks Kx       LOCKED     EEXISTS    locked
set        T0 Ts Tt       OK         OK         wrote      # Tt [lapsed]

replace    A0 E0 F0       ENOENT     ENOENT     absent
replace    Ax Es Ft       ENOENT     ENOENT     absent
replace    L0 Ls          OK         OK         wrote
replace    Lx Tx          EEXISTS    EEXISTS    kept
replace    Kt             OK         OK         wrote
replace    K0 Ks Kx       LOCKED     EEXISTS    locked
replace    T0 Ts Tt       OK         OK         wrote      # Tt [lapsed]

add        A0 E0 F0       OK         OK         wrote
add        Ax Es Ft       ENOENT     ENOENT     absent     # [add]
add        L0 Lx T0 Tx    EEXISTS    EEXISTS    kept       # Lx Tx [add]
add        Ls Ts Tt       OK         OK         wrote      # [add] [lapsed]
add        K0 Ks Kx       EEXISTS    EEXISTS    locked     # Ks Kx [add]
add        Kt             OK         OK         wrote      # [add]

append     A0 E0 F0       NOT_STORED NOT_STORED absent
append     Ax Es Ft       NOT_STORED NOT_STORED absent
append     L0 Ls          OK         OK         wrote
append     Lx Tx          EEXISTS    EEXISTS    kept
append     Kt             OK         OK         wrote
append     K0 Ks Kx       LOCKED     EEXISTS    locked
append     T0 Ts Tt       OK         OK         wrote      # Tt [lapsed]

prepend    A0 E0 F0       NOT_STORED NOT_STORED absent
prepend    Ax Es Ft       NOT_STORED NOT_STORED absent
prepend    L0 Ls          OK         OK         wrote
prepend    Lx Tx          EEXISTS    EEXISTS    kept
prepend    Kt             OK         OK         wrote
prepend    K0 Ks Kx       LOCKED     EEXISTS    locked
prepend    T0 Ts Tt       OK         OK         wrote      # Tt [lapsed]

incr       A0 Ax          OK         OK         wrote      # Ax [count]
incr       E0 Es F0 Ft    OK         OK         wrote      # Es Ft [count]
incr       L0 Ls T0 Ts    OK         OK         wrote      # Ls Ts [count]
incr       Lx Tx Tt       EEXISTS    EEXISTS    kept       # [count]
incr       K0             LOCKED     EEXISTS    locked
incr       Kt Ks Kx       EINVAL     EINVAL     locked

decr       A0 Ax          OK         OK         wrote      # Ax [count]
decr       E0 Es F0 Ft    OK         OK         wrote      # Es Ft [count]
decr       L0 Ls T0 Ts    OK         OK         wrote      # Ls Ts [count]
decr       Lx Tx Tt       EEXISTS    EEXISTS    kept       # [count]
decr       K0             LOCKED     EEXISTS    locked
decr       Kt Ks Kx       EINVAL     EINVAL     locked

delete     A0 E0 F0       ENOENT     ENOENT     absent
delete     Ax Es Ft       ENOENT     ENOENT     absent
delete     L0 Ls          OK         OK         absent
delete     Lx Tx          EEXISTS    EEXISTS    kept
delete     K0             LOCKED     EEXISTS    locked
delete     Kt             OK         OK         absent
delete     Ks Kx          LOCKED     ETMPFAIL   locked
delete     T0 Ts Tt       OK         OK         absent     # Tt [lapsed]

touch      A0 Ax          ENOENT     ENOENT     absent
touch      E0 Es F0 Ft    ENOENT     ENOENT     absent
touch      L0 Ls Lx       OK         OK         touched    # [read]
touch      K0             LOCKED     EEXISTS    locked
touch      Kt Ks Kx       EINVAL     EINVAL     locked
touch      T0 Tt Ts Tx    OK         OK         touched    # [read]

gat        A0 Ax          ENOENT     ENOENT     absent
gat        E0 Es F0 Ft    ENOENT     ENOENT     absent
gat        L0 Ls Lx       OK         OK         touched    # [read]
gat        K0             LOCKED     EEXISTS    locked
gat        Kt Ks Kx       EINVAL     EINVAL     locked
gat        T0 Tt Ts Tx    OK         OK         touched    # [read]

flush      A0 L0 K0       OK         OK         absent
flush      T0 E0 F0       OK         OK         absent
";

struct Row {
    command: &'static str,
    state: &'static str,
    extended: u16,
    classic: u16,
    after: &'static str,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for line in MATRIX.lines().filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split('#').next().unwrap().split_whitespace().collect();
        let [command, states @ .., extended, classic, after] = &words[..] else { panic!("{line}") };
        let (extended, classic) = (status(extended), status(classic));
        rows.extend(states.iter().map(|state| Row { command, state, extended, classic, after }));
    }
    rows
}

fn status(name: &str) -> u16 {
    match name {
        "OK" => 0x00,
        "ENOENT" => 0x01,
        "EEXISTS" => 0x02,
        "EINVAL" => 0x04,
        "NOT_STORED" => 0x05,
        "LOCKED" => 0x09,
        "NOT_LOCKED" => 0x0e,
        "ETMPFAIL" => 0x86,
        _ => panic!("{name}"),
    }
}

/// The loud and the quiet opcode of a command; the same if there is no quiet one.
fn opcodes(command: &str) -> [u8; 2] {
    match command {
        "get" => [0x00, 0x09],
        "get_locked" => [0x94, 0x94],
        "unlock" => [0x95, 0x95],
        "set" => [0x01, 0x11],
        "add" => [0x02, 0x12],
        "replace" => [0x03, 0x13],
        "append" => [0x0e, 0x19],
        "prepend" => [0x0f, 0x1a],
        "incr" => [0x05, 0x15],
        "decr" => [0x06, 0x16],
        "delete" => [0x04, 0x14],
        "touch" => [0x1c, 0x1c],
        "gat" => [0x1d, 0x1e],
        "flush" => [0x08, 0x18],
        _ => panic!("{command}"),
    }
}

fn request(opcode: u8) -> Packet {
    let request = ask(opcode).key("k");
    match opcode {
        0x01..=0x03 | 0x11..=0x13 => request.long(0).value("new"),
        0x0e | 0x0f | 0x19 | 0x1a => request.value("1"),
        0x05 | 0x06 | 0x15 | 0x16 => request.long(1).long(5).number(0),
        0x1c..=0x1e => request.number(1000),
        0x08 | 0x18 => ask(opcode),
        _ => request,
    }
}

/// A client before an item in `state`, and the stamp that its request names.
fn scene(state: &str) -> (Client, u64) {
    let mut client = Client::new();
    let (item, named) = state.split_at(1);
    let mut token = OTHER;
    if item != "A" {
        let exptime = if matches!(item, "E" | "F") { 5 } else { 0 };
        let put = Put { value: "10".into(), stamp: Some(STAMP), exptime, ..Put::default() };
        client.service.store().put("k", put).unwrap();
    }
    if matches!(item, "K" | "T" | "F") {
        let locked = client.ask(&ask(0x94).key("k"));
        assert_eq!(locked.status, 0);
        token = locked.cas;
    }
    let later = match item {
        "T" => 15,
        "E" | "F" => 5,
        _ => 0,
    };
    client.clock.advance(Duration::from_secs(later));
    let named = match named {
        "0" => 0,
        "s" => STAMP,
        "t" => token,
        _ => OTHER,
    };
    (client, named)
}

/// The item as it is now, in the words of the matrix.
fn state_after(client: &mut Client) -> &'static str {
    let found = client.ask(&ask(0x00).key("k"));
    if found.status != 0 {
        return "absent";
    }
    if found.cas == MASK {
        // A lock leaves the stamp, which shows again when it has lapsed.
        client.clock.advance(Duration::from_secs(15));
        let found = client.ask(&ask(0x00).key("k"));
        assert_eq!((found.cas, &found.value[..]), (STAMP, &b"10"[..]));
        return "locked";
    }
    if found.cas != STAMP {
        // To any other client the lock is gone, too.
        let open = client.ask(&ask(0x95).key("k").cas(OTHER)).status;
        assert!(open == status("NOT_LOCKED") || open == status("ETMPFAIL"));
        return "wrote";
    }
    assert_eq!(found.value, b"10");
    client.clock.advance(Duration::from_secs(1000));
    if client.ask(&ask(0x00).key("k")).status == 0 { "kept" } else { "touched" }
}

fn hello(client: &mut Client, features: &[u8]) -> Packet {
    client.ask(&ask(0x1f).key("agent").value(features))
}

#[test]
fn every_command_in_every_state() {
    for row in rows() {
        for (is_extended, expected) in [(true, row.extended), (false, row.classic)] {
            for opcode in opcodes(row.command) {
                let (mut client, cas) = scene(row.state);
                if is_extended {
                    hello(&mut client, &[0, 7]);
                }
                let answers = client.ask_all(&request(opcode).cas(cas));
                let which = format!("{} {} {opcode:#x} {is_extended}", row.command, row.state);
                match answers.first() {
                    Some(answer) => assert_eq!(answer.status, expected, "{which}"),
                    None => {
                        // Quiet of a miss, or of success.
                        let quiet_of = if matches!(opcode, 0x09 | 0x1e) { 1 } else { 0 };
                        assert_ne!(opcode, opcodes(row.command)[0], "{which}");
                        assert_eq!(expected, quiet_of, "{which}");
                    }
                }
                assert_eq!(state_after(&mut client), row.after, "{which}");
            }
        }
    }
}

#[test]
fn the_matrix_has_each_cell_once() {
    let rows = rows();
    let states = "A0 Ax L0 Ls Lx K0 Kt Ks Kx T0 Tt Ts Tx E0 Es F0 Ft";
    let commands =
        "get get_locked unlock set replace add append prepend incr decr delete touch gat";
    for command in commands.split(' ') {
        for state in states.split(' ') {
            let cells = rows.iter().filter(|row| row.command == command && row.state == state);
            assert_eq!(cells.count(), 1, "{command} {state}");
        }
    }
}

#[test]
fn hello_grants_what_is_known() {
    let mut client = Client::new();
    let cases: [(&[u8], &[u8]); 6] = [
        (&[], &[]),
        (&[0, 7], &[0, 7]),
        (&[0, 1, 0, 7, 0, 0x0b], &[0, 7]),
        (&[0, 7, 0, 7], &[0, 7]),
        (&[7, 0], &[]),
        (&[0, 0, 7, 7], &[]), // not across two
    ];
    for (asked, granted) in cases {
        assert_eq!(hello(&mut client, asked), answer(0x1f, 0).value(granted));
        // The last one counts.
        let refused = client.ask(&ask(0x95).key("k").cas(OTHER));
        assert_eq!(refused.status, status("ENOENT"));
        client.ask(&ask(0x01).long(0).key("open"));
        let refused = client.ask(&ask(0x95).key("open").cas(OTHER)).status;
        let expected = if granted.is_empty() { "ETMPFAIL" } else { "NOT_LOCKED" };
        assert_eq!(refused, status(expected), "{asked:?}");
    }
    // Without a name, and of this connection alone.
    assert_eq!(client.ask(&ask(0x1f).value([0, 7])), answer(0x1f, 0).value([0, 7]));
    let Client { service, clock, .. } = client;
    let mut other = Client::over(service.store().clone(), clock, Config::default());
    assert_eq!(other.ask(&ask(0x95).key("open").cas(OTHER)).status, status("ETMPFAIL"));
}

#[test]
fn refusals_have_texts() {
    let texts: [(&[u8], [&str; 4]); 2] = [
        (&[0, 7], ["Locked", "Locked", "Locked", "Not locked"]),
        (
            &[],
            ["Data exists for key.", "Temporary failure", "Temporary failure", "Temporary failure"],
        ),
    ];
    for (features, expected) in texts {
        let (mut client, _) = scene("K0");
        hello(&mut client, features);
        client.ask(&ask(0x01).long(0).key("open"));
        let requests = [
            request(0x01),
            request(0x94),
            request(0x95).cas(OTHER),
            ask(0x95).key("open").cas(OTHER),
        ];
        let told = requests.map(|request| client.ask(&request));
        for (answer, text) in told.into_iter().zip(expected) {
            assert_eq!(String::from_utf8(answer.value.clone()).unwrap(), text);
            assert!(answer.extras.is_empty() && answer.key.is_empty() && answer.cas == 0);
        }
    }
}

#[test]
fn a_lock_gives_the_item_and_its_token() {
    let (mut client, _) = scene("L0");
    client.ask(&ask(0x01).number(7).number(0).key("k").value("10"));
    let stamp = client.ask(&ask(0x00).key("k")).cas;
    let locked = client.ask(&ask(0x94).key("k"));
    assert_eq!(locked, answer(0x94, 0).number(7).value("10").cas(locked.cas));
    assert!(![0, stamp, MASK].contains(&locked.cas));
    // Nobody learns the token or the stamp from a read, by whatever command.
    for opcode in [0x00, 0x09, 0x0c, 0x0d] {
        let found = client.ask(&ask(opcode).key("k"));
        assert_eq!((found.cas, &found.value[..]), (MASK, &b"10"[..]));
    }
    assert_eq!(client.ask(&ask(0x95).key("k").cas(locked.cas)), answer(0x95, 0));
    let found = client.ask(&ask(0x00).key("k"));
    assert_eq!(found.cas, stamp);
    // A second lock has another token, and the first is worth nothing.
    let again = client.ask(&ask(0x94).key("k"));
    assert_ne!(again.cas, locked.cas);
    assert_eq!(client.ask(&ask(0x95).key("k").cas(locked.cas)).status, status("ETMPFAIL"));
    assert_eq!(client.ask(&ask(0x95).key("k").cas(again.cas)).status, 0);
}

#[test]
fn a_token_is_good_for_one_write() {
    for opcode in [0x01, 0x03, 0x0e, 0x0f] {
        let (mut client, token) = scene("Kt");
        assert_eq!(client.ask(&request(opcode).cas(token)).status, 0);
        assert_eq!(client.ask(&request(opcode).cas(token)).status, status("EEXISTS"));
    }
    // Of a lock that has lapsed as well, and of none once somebody has written or locked.
    let (mut client, token) = scene("Tt");
    assert_eq!(client.ask(&request(0x01).cas(token)).status, 0);
    assert_eq!(client.ask(&request(0x01).cas(token)).status, status("EEXISTS"));
    let (mut client, token) = scene("Tt");
    assert_eq!(client.ask(&request(0x05)).status, 0);
    assert_eq!(client.ask(&request(0x01).cas(token)).status, status("EEXISTS"));
    let (mut client, token) = scene("Tt");
    assert_eq!(client.ask(&request(0x94)).status, 0);
    assert_eq!(client.ask(&request(0x01).cas(token)).status, status("EEXISTS"));
}

#[test]
fn a_set_that_is_too_large_leaves_a_locked_item() {
    let (mut client, _) = scene("K0");
    let big = vec![b'x'; 1_048_600];
    let refused = client.ask(&ask(0x01).long(0).key("k").value(big));
    assert_eq!(refused.status, 3);
    assert_eq!(client.ask(&ask(0x00).key("k")).cas, MASK);
}

/// For how many seconds an item is locked by a request with these extras.
fn seconds_locked(extras: Option<u32>, most: u64) -> u64 {
    let clock = ManualClock::new();
    let times = (Duration::from_secs(15), Duration::from_secs(most));
    let builder = Store::builder().clock(clock.clone()).lock_times(times.0, times.1);
    let mut client = Client::over(builder.build().unwrap(), clock, Config::default());
    client.ask(&ask(0x01).long(0).key("k").value("v"));
    let lock = ask(0x94).key("k");
    let lock = extras.map_or(lock.clone(), |seconds| lock.number(seconds));
    assert_eq!(client.ask(&lock).status, 0);
    let mut seconds = 0;
    while client.ask(&ask(0x00).key("k")).cas == MASK {
        client.clock.advance(Duration::from_secs(1));
        seconds += 1;
    }
    seconds
}

#[test]
fn a_lock_holds_as_long_as_asked_or_by_default() {
    let cases = [
        (None, 15, 15),
        (Some(0), 15, 15),
        (Some(1), 15, 1),
        (Some(15), 15, 15),
        (Some(16), 15, 15),
        (Some(30), 30, 30),
        (Some(31), 30, 15), // more than the most is the default
        (Some(u32::MAX), 30, 15),
    ];
    for (extras, most, seconds) in cases {
        assert_eq!(seconds_locked(extras, most), seconds, "{extras:?} of {most}");
    }
}
