//! `stats`.

use std::collections::BTreeMap;

use caskade::ManualClock;
use caskade::bytes::Store;
use caskade::memcached::{Config, Connection, Flow, Output, Service};

use crate::script::{BEGIN, BOTH, play};

struct Client {
    connection: Connection,
}

impl Client {
    fn new(service: &Service) -> Self {
        Self { connection: Connection::new(service) }
    }

    fn ask(&mut self, request: &str) -> String {
        let mut out = Output::new();
        assert_eq!(self.connection.feed(request.as_bytes(), &mut out), Flow::More);
        String::from_utf8(out.to_vec()).expect("text")
    }

    fn stats(&mut self, group: &str) -> BTreeMap<String, String> {
        let answer = self.ask(&format!("stats {group}\r\n"));
        let body = answer.strip_suffix("END\r\n").expect("the end");
        let lines = body.split_terminator("\r\n");
        lines
            .map(|line| {
                let mut words = line.splitn(3, ' ');
                assert_eq!(words.next(), Some("STAT"));
                (words.next().expect("a name").into(), words.next().expect("a value").into())
            })
            .collect()
    }

    fn count(&mut self, name: &str) -> u64 {
        self.stats("")[name].parse().expect("a number")
    }
}

/// Which numbers each request moves, and by how much.
#[test]
fn requests_are_counted() {
    let rows: &[(&str, &[(&str, u64)])] = &[
        ("get k\r\n", &[("cmd_get", 1), ("get_misses", 1)]),
        ("set k 0 0 1\r\n5\r\n", &[("cmd_set", 1), ("total_items", 1), ("curr_items", 1)]),
        ("get k k none\r\n", &[("cmd_get", 3), ("get_hits", 2), ("get_misses", 1)]),
        ("add k 0 0 1\r\n5\r\n", &[("cmd_set", 1)]),
        ("gat 0 k none\r\n", &[("cmd_touch", 2), ("touch_hits", 1), ("touch_misses", 1)]),
        ("touch k 0\r\n", &[("cmd_touch", 1), ("touch_hits", 1)]),
        ("touch none 0\r\n", &[("cmd_touch", 1), ("touch_misses", 1)]),
        ("incr k 1\r\n", &[("incr_hits", 1)]),
        ("incr none 1\r\n", &[("incr_misses", 1)]),
        ("decr k 1\r\n", &[("decr_hits", 1)]),
        ("decr none 1\r\n", &[("decr_misses", 1)]),
        ("cas k 0 0 1 0\r\n5\r\n", &[("cmd_set", 1), ("cas_badval", 1)]),
        ("cas none 0 0 1 0\r\n5\r\n", &[("cmd_set", 1), ("cas_misses", 1)]),
        ("delete none\r\n", &[("delete_misses", 1)]),
        ("delete k\r\n", &[("delete_hits", 1)]),
        ("flush_all\r\n", &[("cmd_flush", 1)]),
        (
            "ms k 1\r\n5\r\n",
            &[("cmd_meta", 1), ("cmd_set", 1), ("total_items", 1), ("curr_items", 1)],
        ),
        ("mg k v\r\n", &[("cmd_meta", 1), ("cmd_get", 1), ("get_hits", 1)]),
        ("mg none\r\n", &[("cmd_meta", 1), ("cmd_get", 1), ("get_misses", 1)]),
        ("mg k T0\r\n", &[("cmd_meta", 1), ("cmd_touch", 1), ("touch_hits", 1)]),
        ("ma k\r\n", &[("cmd_meta", 1), ("incr_hits", 1)]),
        ("ma none MD\r\n", &[("cmd_meta", 1), ("decr_misses", 1)]),
        ("md none\r\n", &[("cmd_meta", 1), ("delete_misses", 1)]),
        ("md k\r\n", &[("cmd_meta", 1), ("delete_hits", 1)]),
        ("set k 0 0 2000000 noreply\r\n", &[("store_too_large", 1)]),
    ];
    let names = [
        "cmd_get",
        "cmd_set",
        "cmd_flush",
        "cmd_touch",
        "cmd_meta",
        "get_hits",
        "get_misses",
        "delete_hits",
        "delete_misses",
        "incr_hits",
        "incr_misses",
        "decr_hits",
        "decr_misses",
        "cas_hits",
        "cas_misses",
        "cas_badval",
        "touch_hits",
        "touch_misses",
        "store_too_large",
        "store_no_memory",
        "total_items",
    ];
    let service = Service::new();
    let (mut client, mut reader) = (Client::new(&service), Client::new(&service));
    for (request, moved) in rows {
        let before = reader.stats("");
        client.ask(request);
        let after = reader.stats("");
        for name in names {
            let by = moved.iter().find(|(moved, _)| *moved == name).map_or(0, |(_, by)| *by);
            let number = |stats: &BTreeMap<String, String>| stats[name].parse::<u64>().unwrap();
            assert_eq!(number(&after) - number(&before), by, "{name} after {request}");
        }
    }
}

#[test]
fn a_right_stamp_is_counted() {
    let service = Service::new();
    let mut client = Client::new(&service);
    client.ask("set k 0 0 1\r\n5\r\n");
    let hit = service.store().get("k").unwrap().unwrap();
    client.ask(&format!("cas k 0 0 1 {}\r\n6\r\n", hit.cas));
    assert_eq!(client.count("cas_hits"), 1);
}

#[test]
fn time_and_contents_are_shown() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(clock.clone()).unix_start(BEGIN).memory_limit(8 << 20);
    let service = Service::with(store.build().unwrap(), Config::default());
    let mut client = Client::new(&service);
    clock.advance(std::time::Duration::from_secs(90));
    client.ask("set k 0 0 1\r\n5\r\nset kk 5 0 1\r\n5\r\n");
    let stats = client.stats("");
    let expected = [
        ("uptime", "90".to_owned()),
        ("time", (BEGIN + 90).to_string()),
        ("version", "1.6.18".into()),
        ("pid", std::process::id().to_string()),
        ("caskade_version", env!("CARGO_PKG_VERSION").into()),
        ("pointer_size", usize::BITS.to_string()),
        ("curr_items", "2".into()),
        ("total_items", "2".into()),
        ("bytes", "127".into()), // 61 and 66
        ("limit_maxbytes", (8 << 20).to_string()),
        ("curr_connections", "1".into()),
        ("total_connections", "1".into()),
        ("bytes_read", "33".into()),
        ("bytes_written", "16".into()),
        ("evictions", "0".into()),
        ("threads", "4".into()),
        ("max_connections", "1024".into()),
    ];
    for (name, value) in expected {
        assert_eq!(stats[name], value, "{name}");
    }
    assert!(stats.len() >= 84, "{}", stats.len()); // memcached's 83, and one of ours
    let second = Client::new(&service);
    assert_eq!(client.count("curr_connections"), 2);
    drop(second);
    assert_eq!(client.count("curr_connections"), 1);
    assert_eq!(client.count("total_connections"), 2);
}

#[test]
fn evictions_are_counted_until_they_are_forgotten() {
    let store = Store::builder().memory_limit(100_000).build().unwrap();
    let mut client = Client::new(&Service::with(store, Config::default()));
    for n in 0..200 {
        client.ask(&format!("set k{n} 0 0 1000 noreply\r\n{}\r\n", "x".repeat(1000)));
    }
    let (evicted, present) = (client.count("evictions"), client.count("curr_items"));
    assert_eq!(evicted + present, 200);
    assert_eq!(client.ask("stats reset\r\n"), "RESET\r\n");
    assert_eq!((client.count("evictions"), client.count("curr_items")), (0, present));
    assert_eq!((client.count("cmd_set"), client.count("total_items")), (0, 0));
}

#[test]
fn settings_are_shown() {
    let mut config = Config::default();
    (config.cas, config.flush, config.port, config.threads) = (false, false, 4711, 7);
    let store = Store::builder().item_limit(5000).evicts(false).memory_limit(1 << 20);
    let mut client = Client::new(&Service::with(store.build().unwrap(), config));
    let settings = client.stats("settings");
    for (name, value) in [
        ("maxbytes", "1048576"),
        ("tcpport", "4711"),
        ("num_threads", "7"),
        ("evictions", "off"),
        ("cas_enabled", "no"),
        ("flush_enabled", "no"),
        ("item_size_max", "5000"),
        ("detail_enabled", "no"),
        ("binding_protocol", "auto-negotiate"),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    client.ask("stats detail on\r\n");
    assert_eq!(client.stats("settings")["detail_enabled"], "yes");
}

#[test]
fn groups_are_listed() {
    let mut client = Client::new(&Service::new());
    assert_eq!(client.ask("stats items\r\n"), "END\r\n");
    assert_eq!(client.stats("slabs")["active_slabs"], "0");
    client.ask("set k 0 0 1\r\n5\r\n");
    assert_eq!(client.stats("items")["items:1:number"], "1");
    assert_eq!(client.stats("items")["items:1:mem_requested"], "61");
    assert_eq!(client.stats("slabs")["active_slabs"], "1");
    assert_eq!(client.stats("slabs")["1:used_chunks"], "1");
    assert_eq!(client.stats("sizes")["sizes_status"], "disabled");
    assert_eq!(client.ask("stats conns\r\n"), "END\r\n");
    assert!(client.stats("").keys().eq(client.stats(" ").keys()));
}

#[test]
fn other_words_are_answered() {
    play(
        BOTH,
        &[
            ("stats foo", "ERROR"),
            ("stats reset", "RESET"),
            ("stats cachedump", "CLIENT_ERROR bad command line"),
            ("stats cachedump 1", "CLIENT_ERROR bad command line"),
            ("stats cachedump x y", "CLIENT_ERROR bad command line format"),
            ("stats cachedump 64 0", "CLIENT_ERROR Illegal slab id"),
            ("stats cachedump 1 100", "END"),
            ("set k 0 100 2|xx", "STORED"),
            ("stats cachedump 1 100", "ITEM k [2 b; 1700000100 s]|END"),
            ("stats cachedump 2 100", "END"),
            ("touch k 0", "TOUCHED"),
            ("set l 0 0 1|x", "STORED"),
            ("delete l", "DELETED"),
            ("stats cachedump 1 0", "ITEM k [2 b; 0 s]|END"),
        ],
    );
}

#[test]
fn details_are_counted_by_prefix_while_they_are_wanted() {
    let mut client = Client::new(&Service::new());
    for usage in ["stats detail\r\n", "stats detail x\r\n"] {
        assert_eq!(client.ask(usage), "CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    }
    client.ask("get p:a\r\n");
    assert_eq!(client.ask("stats detail dump\r\n"), "END\r\n");
    assert_eq!(client.ask("stats detail on\r\n"), "OK\r\n");
    client.ask("set p:a 0 0 1\r\n1\r\nget p:a p:b zz\r\ndelete p:a\r\nmg q: v\r\n");
    assert_eq!(client.ask("stats detail off\r\n"), "OK\r\n");
    client.ask("get p:a\r\n");
    let dump = "PREFIX p get 2 hit 1 set 1 del 1\r\nPREFIX q get 1 hit 0 set 0 del 0\r\nEND\r\n";
    assert_eq!(client.ask("stats detail dump\r\n"), dump);
    client.ask("stats reset\r\n");
    assert_eq!(client.ask("stats detail dump\r\n"), "END\r\n");
}

#[test]
fn a_dump_ends_when_there_is_enough() {
    let service = Service::new();
    for key in 0..100 {
        service.store().set(key.to_string(), "v", 0, 0).unwrap();
    }
    let mut client = Client::new(&service);
    for (limit, lines) in [(0, 101), (1, 2), (99, 100), (100, 101), (101, 101)] {
        let dump = client.ask(&format!("stats cachedump 1 {limit}\r\n"));
        assert_eq!(dump.lines().count(), lines, "{limit}");
    }
    let mut shown = 0;
    service.store().visit_while(|_| {
        shown += 1;
        shown < 3
    });
    assert_eq!(shown, 3);
}
