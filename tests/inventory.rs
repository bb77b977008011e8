//! The inventory example: its parser, its command line, and above all its audit, which is worth
//! nothing unless it finds what is wrong. Whether the cache itself is right is tested elsewhere.
//!
//! The example's modules are compiled into this test. Locks that are left behind hold for a few
//! milliseconds here.

#[path = "../examples/inventory/arguments.rs"]
mod arguments;
#[path = "../examples/inventory/audit.rs"]
mod audit;
#[path = "../examples/inventory/crash.rs"]
mod crash;
#[path = "../examples/inventory/database.rs"]
mod database;
#[path = "../examples/inventory/orders.rs"]
mod orders;
#[path = "../examples/inventory/program.rs"]
mod program;
#[path = "../examples/inventory/report.rs"]
mod report;
#[path = "../examples/inventory/screen.rs"]
mod screen;
#[path = "../examples/inventory/station.rs"]
mod station;
#[path = "../examples/inventory/strategies.rs"]
mod strategies;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arguments::{Command, Options, UsageError};
use database::DatabaseFile;
use orders::{MAX_BAY, MAX_PRICE, MAX_QUANTITY, OrderBook, Task};
use screen::{Screen, Style};
use station::{Event, Service, Station};
use strategies::Strategy;

/// With one thread, what happens to it is known: line 6 is sold out, and line 7 meets the crash.
const BOOK: &str = "\
stock A-1 10 1.00 First part
stock B-2 3 2.50 Second part
order 1 A-1 2
order 2 B-2 2
order 3 A-1 1
order 4 B-2 2
order 5 A-1 4
view /a
view /b
view /a
";

const LOCK_TIME: Duration = Duration::from_millis(5);

fn parse(text: &str) -> (OrderBook, Vec<String>) {
    let (book, bad) = OrderBook::parse(text.as_bytes());
    (book, bad.iter().map(ToString::to_string).collect())
}

/// A file of a test, removed when the test is over.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str) -> Self {
        let name = format!("caskade-inventory-test-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn with(name: &str, text: &[u8]) -> Self {
        let file = Self::new(name);
        fs::write(&file.0, text).expect("the temporary directory can be written");
        file
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        // SQLite's companions stay where the last connection could only read.
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", self.0.display()));
        }
    }
}

/// The program's exit code and what it printed, on standard output and on standard error.
fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = arguments.iter().map(|argument| OsString::from(argument.as_ref()));
    let code = program::run(arguments, &mut out, &mut err, false);
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    (code, text(out), text(err))
}

#[test]
fn every_malformed_line_is_reported_with_its_fault() {
    let table: &[(&str, &str)] = &[
        ("ordre 1 A-1 1", "begins with \"ordre\"; expected \"stock\", \"order\" or \"view\""),
        ("ORDER 1 A-1 1", "begins with \"ORDER\"; expected \"stock\", \"order\" or \"view\""),
        ("order", "the bay is missing"),
        ("order 1", "the part number is missing"),
        ("order 1 A-1", "the quantity is missing"),
        ("order 1 A-1 # 2", "the quantity is missing"),
        ("order 1 A-1 2 3", "\"3\" is one field too many"),
        ("order one A-1 2", "the bay \"one\" is not a whole number"),
        ("order 0 A-1 2", "the bay 0 is not between 1 and 999"),
        ("order 1000 A-1 2", "the bay 1000 is not between 1 and 999"),
        ("order 1 A-1 0", "the quantity 0 is not between 1 and 1000000"),
        ("order 1 A-1 -2", "the quantity -2 is not between 1 and 1000000"),
        ("order 1 A-1 1000001", "the quantity 1000001 is not between 1 and 1000000"),
        (
            "order 1 A-1 99999999999999999999",
            "the quantity 99999999999999999999 is not between 1 and 1000000",
        ),
        ("order 1 A-1 -", "the quantity \"-\" is not a whole number"),
        ("order 1 A-1 +2", "the quantity \"+2\" is not a whole number"),
        ("order 1 A-1 2.0", "the quantity \"2.0\" is not a whole number"),
        ("order 1 A-1 ２", "the quantity \"２\" is not a whole number"),
        ("order 1 a-1 2", "the part number \"a-1\" is not 1 to 40 of A-Z, 0-9 and \"-\""),
        ("order 1 Z-9 2", "orders part Z-9, which no valid stock line names"),
        ("stock", "the part number is missing"),
        ("stock C-3", "the quantity is missing"),
        ("stock C-3 5", "the price is missing"),
        ("stock C-3 5 1.00", "the name is missing"),
        ("stock C-3 none 1.00 Part", "the quantity \"none\" is not a whole number"),
        ("stock A-1 5 1.00 Part", "part A-1 is stocked on line 1 already"),
        ("view", "the page is missing"),
        ("view /a /b", "\"/b\" is one field too many"),
        ("view a", "the page \"a\" does not begin with \"/\" or is over 40 bytes"),
    ];
    for (line, fault) in table {
        let (book, bad) = parse(&format!("stock A-1 5 1.00 First part\n{line}\nview /good\n"));
        assert_eq!(bad, [format!("line 2: {fault}")], "{line}");
        assert_eq!(book.tasks, [Task::View("/good".into())], "{line}");
    }
}

#[test]
fn a_price_has_two_decimals_and_bounds() {
    for price in ["1", "1.", "1.5", "1.500", ".50", "-1.00", "1,00", "0.00", "x.yz", "100000.01"] {
        let (_, bad) = parse(&format!("stock A-1 5 {price} Part"));
        let fault = format!("the price {price:?} is not between 0.01 and 100000.00, ");
        assert_eq!(bad, [format!("line 1: {fault}written with two decimals")]);
    }
    for (price, cents) in [("0.01", 1), ("12.90", 1_290), ("100000.00", MAX_PRICE)] {
        let (book, bad) = parse(&format!("stock A-1 5 {price} Part"));
        assert_eq!((book.deliveries["A-1"].price, bad), (cents, vec![]));
    }
}

#[test]
fn the_greatest_numbers_are_accepted() {
    let (book, bad) =
        parse(&format!("stock A-1 {MAX_QUANTITY} 1.00 Part\norder {MAX_BAY} A-1 {MAX_QUANTITY}"));
    assert_eq!(bad, [""; 0]);
    assert_eq!(book.orders().map(|order| order.quantity).sum::<u32>(), MAX_QUANTITY);
}

#[test]
fn comments_blank_lines_and_line_ends_of_any_kind_do_not_matter() {
    let plain = parse("stock A-1 5 1.00 Brake pads, front\n\norder 1 A-1 2\nview /a");
    let dressed = parse(
        "\u{feff}stock  A-1\t5 1.00  Brake  pads, front # new\r\n# nothing\r\norder 1 A-1 2\r\n  view /a\r\n",
    );
    assert_eq!(plain.1, [""; 0]);
    assert_eq!(dressed.1, [""; 0]);
    assert_eq!(plain.0.deliveries, dressed.0.deliveries);
    assert_eq!(plain.0.tasks, dressed.0.tasks);
}

#[test]
fn a_part_may_be_stocked_below_its_first_order() {
    let (book, bad) = parse("order 1 A-1 2\nstock A-1 5 1.00 Part");
    assert_eq!((book.tasks.len(), bad), (1, vec![]));
}

#[test]
fn all_bad_lines_are_reported_in_the_order_of_the_file() {
    let text = b"order 1 A-1 2\nstock A-1 0 1.00 Part\nview \xff\nnonsense\norder 2 A-1 2\nview /a";
    let (book, bad) = OrderBook::parse(text);
    let bad: Vec<_> = bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "line 1: orders part A-1, which no valid stock line names",
            "line 2: the quantity 0 is not between 1 and 1000000",
            "line 3: is not UTF-8 text",
            "line 4: begins with \"nonsense\"; expected \"stock\", \"order\" or \"view\"",
            "line 5: orders part A-1, which no valid stock line names",
        ]
    );
    assert_eq!(book.tasks, [Task::View("/a".into())]);
}

#[test]
fn the_orders_file_that_comes_with_the_example_is_good() {
    let (book, bad) = OrderBook::parse(include_bytes!("../examples/inventory/orders.txt"));
    assert_eq!(bad, []);
    assert!(book.orders().count() > 2_000);
    assert!(book.views().values().sum::<u32>() > 1_000);
    assert!(crash::place(&book).is_some());
}

#[test]
fn the_command_line_says_how_to_run() {
    let parse = |words: &[&str]| arguments::parse(words.iter().map(OsString::from));
    let options = Options::default;
    let table = [
        (vec![], options()),
        (vec!["--threads", "1"], Options { threads: 1, ..options() }),
        (vec!["--threads", "1", "--threads", "64"], Options { threads: 64, ..options() }),
        (vec!["--repeat", "100", "--quiet"], Options { repeat: 100, quiet: true, ..options() }),
        (vec!["--skip-bad-lines"], Options { skip_bad_lines: true, ..options() }),
        (
            vec!["--lock-time", "250", "my.txt"],
            Options { lock_time: Duration::from_millis(250), orders: "my.txt".into(), ..options() },
        ),
        (vec!["--database", "x.db"], Options { database: Some("x.db".into()), ..options() }),
    ];
    for (words, expected) in table {
        assert_eq!(parse(&words), Ok(Command::Run(expected)), "{words:?}");
    }
    assert_eq!(parse(&["--quiet", "--help", "--nonsense"]), Ok(Command::Help));
}

#[test]
fn a_wrong_command_line_is_explained_and_ends_with_two() {
    let table: &[(&[&str], &str)] = &[
        (&["--nonsense"], "there is no option --nonsense"),
        (&["-x"], "there is no option -x"),
        (&["--threads"], "--threads needs a value"),
        (&["--threads", "0"], "--threads needs a number from 1 to 64, not \"0\""),
        (&["--threads", "65"], "--threads needs a number from 1 to 64, not \"65\""),
        (&["--threads", "many"], "--threads needs a number from 1 to 64, not \"many\""),
        (&["--repeat", "0"], "--repeat needs a number from 1 to 1000000, not \"0\""),
        (&["--lock-time", "5001"], "--lock-time needs a number from 1 to 5000, not \"5001\""),
        (&["--database"], "--database needs a value"),
        (&["one", "two"], "one orders file is enough; what is two for?"),
    ];
    for (words, message) in table {
        let words: Vec<&dyn AsRef<std::ffi::OsStr>> = words.iter().map(|word| word as _).collect();
        let (code, out, err) = run(&words);
        assert_eq!((code, &*out, &*err), (2, "", &*format!("{message}\nTry --help.\n")));
    }
    let error = UsageError::MissingValue("--repeat");
    assert_eq!(error.to_string(), "--repeat needs a value");
}

#[test]
fn help_lists_every_option() {
    let (code, out, err) = run(&[&"--help"]);
    assert_eq!((code, &*err), (0, ""));
    for option in ["threads", "repeat", "database", "lock-time", "skip-bad-lines", "quiet", "help"]
    {
        assert!(out.contains(&format!("  --{option} ")), "{option}");
    }
}

#[test]
fn bad_lines_stop_the_run_before_it_begins() {
    let orders = TestFile::with("stop", format!("{BOOK}order 1 A-1\nnonsense\n").as_bytes());
    let database = TestFile::new("stop.sqlite");
    let (code, out, err) = run(&[&orders.0, &"--database", &database.0]);
    assert_eq!((code, &*out), (2, ""));
    assert!(err.contains("line 11: the quantity is missing\n"), "{err}");
    assert!(err.contains("line 12: begins with \"nonsense\""), "{err}");
    assert!(err.contains("2 bad lines; nothing was done."), "{err}");
    assert!(!database.0.exists());
}

#[test]
fn bad_lines_can_be_skipped() {
    let orders = TestFile::with("skip", format!("{BOOK}order 1 A-1\nview /a\n").as_bytes());
    let (code, out, err) = run(&[&orders.0, &"--skip-bad-lines", &"--lock-time", &"5"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.ends_with("line 11: the quantity is missing; skipped\n"), "{err}");
    assert!(out.contains("4 views in the file; database 4, counters 4"), "{out}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let absent = TestFile::new("absent");
    let (code, _, err) = run(&[&absent.0]);
    assert_eq!(code, 2);
    assert!(err.starts_with("cannot read the orders file "), "{err}");

    let empty = TestFile::with("empty", b"# nothing\nstock A-1 5 1.00 Part\n");
    let (code, _, err) = run(&[&empty.0]);
    assert_eq!(code, 2);
    assert!(err.ends_with("no orders and no page views in it\n"), "{err}");
}

#[test]
fn a_file_that_exists_is_not_made_a_database() {
    let orders = TestFile::with("mine-orders", BOOK.as_bytes());
    let mine = TestFile::with("mine", b"precious");
    let (code, _, err) = run(&[&orders.0, &"--database", &mine.0]);
    assert_eq!(code, 2);
    assert!(err.starts_with("cannot create the database "), "{err}");
    assert_eq!(fs::read(&mine.0).unwrap(), b"precious");
}

#[test]
fn a_run_reports_strategies_the_crash_and_the_audit() {
    let orders = TestFile::with("report", BOOK.as_bytes());
    let (code, out, err) = run(&[&orders.0, &"--lock-time", &"5"]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    for expected in [
        "8 threads at work",
        "5 orders for 2 parts, 3 page views",
        "A thread of bay 5 crashed: \"the mechanic dropped the tablet\".",
        "Its lock on A-1 stays behind; it holds for 0.005 s.",
        "A-1 opened by itself",
        "compare-and-swap by hand ",
        "fetch_update, then lock ",
        "13 delivered - 9 ordered = 4; database 4, cache 4",
        "5 in the file; database 5: 4 filled + 1 sold out",
        "3 views in the file; database 3, counters 3",
        "Everything agrees",
    ] {
        assert!(out.contains(expected), "{expected:?} is not in\n{out}");
    }
}

#[test]
fn repeated_runs_print_one_line_each_and_quiet_ones_none() {
    let orders = TestFile::with("repeat", BOOK.as_bytes());
    let (code, out, err) = run(&[&orders.0, &"--repeat", &"3", &"--lock-time", &"5"]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out.lines().filter(|line| line.contains(" of 3  agrees  ")).count(), 3, "{out}");
    assert!(out.ends_with("3 runs, and the audit found no difference.\n"), "{out}");
    for repeat in ["1", "2"] {
        let quiet = run(&[&orders.0, &"--repeat", &repeat, &"--quiet", &"--lock-time", &"5"]);
        assert_eq!(quiet, (0, String::new(), String::new()));
    }
}

#[test]
fn a_named_database_stays_and_holds_the_last_run() {
    let orders = TestFile::with("named-orders", BOOK.as_bytes());
    let database = TestFile::new("named.sqlite");
    let (code, _, err) =
        run(&[&orders.0, &"--repeat", &"2", &"--lock-time", &"5", &"--database", &database.0]);
    assert_eq!((code, &*err), (0, ""));
    let rows = database::Reader::open(&database.0).unwrap().orders().unwrap();
    assert_eq!(rows.len(), 5);
}

#[test]
fn a_temporary_database_is_removed() {
    let file = DatabaseFile::temporary().unwrap();
    let path = file.path().to_owned();
    let (book, _) = parse(BOOK);
    let station = Station::open(&book, &file, LOCK_TIME).unwrap();
    assert!(path.exists());
    drop(station);
    drop(file);
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{}{suffix}", path.display());
        assert!(!Path::new(&name).exists(), "{name}");
    }
}

/// Carries out `BOOK` with one thread, spoils something, and returns what the audit has to say.
fn audit_after(
    spoil: impl FnOnce(&Station<'_>, &mut Service, &rusqlite::Connection),
) -> Vec<String> {
    let (book, _) = parse(BOOK);
    let file = DatabaseFile::temporary().expect("the temporary directory can be written");
    let station = Station::open(&book, &file, LOCK_TIME).expect("the station opens");
    let mut service = station.serve(1, |_| ()).expect("the run ends well");
    let connection = rusqlite::Connection::open(file.path()).expect("the database opens");
    spoil(&station, &mut service, &connection);
    let findings = audit::audit(&book, &station, &service, file.path());
    let findings = findings.expect("the database can be read");
    findings.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn the_audit_finds_nothing_where_nothing_is_wrong() {
    assert_eq!(audit_after(|_, _, _| ()), [""; 0]);
}

#[test]
fn the_audit_finds_what_is_wrong_in_the_database() {
    let table: &[(&str, &[&str])] = &[
        (
            "UPDATE parts SET stock = 4 WHERE part = 'A-1'",
            &["A-1: 4 in the database, but delivery less orders is 3"],
        ),
        (
            "UPDATE parts SET stock = 4 - stock",
            &[
                "A-1: 1 in the database, but delivery less orders is 3",
                "B-2: 3 in the database, but delivery less orders is 1",
            ],
        ),
        ("DELETE FROM parts WHERE part = 'B-2'", &["B-2: is not in the database"]),
        (
            "INSERT INTO parts VALUES ('C-3', 'Third part', 1, 0)",
            &["C-3: is in the database, but was never delivered"],
        ),
        (
            "DELETE FROM orders WHERE line = 5",
            &[
                "order of line 5: is not in the database",
                "order of line 7: has sequence number 3, not 2",
                "order of line 7: saw a rest of 3 instead of 4",
                "A-1: 3 in the database, but delivery less orders is 4",
                "A-1: 3 in the cache, but delivery less orders is 4",
                "A-1: 2 filled orders in the database, 3 in the cache",
                "fetch_update: 1 orders counted, 0 in the database",
            ],
        ),
        (
            "DELETE FROM orders WHERE line = 6",
            &[
                "order of line 6: is not in the database",
                "fetch_update, then lock: 1 orders counted, 0 in the database",
            ],
        ),
        (
            "INSERT INTO orders SELECT * FROM orders WHERE line = 6",
            &[
                "order of line 6: is in the database 2 times",
                "fetch_update, then lock: 1 orders counted, 2 in the database",
            ],
        ),
        (
            "UPDATE orders SET line = 50 WHERE line = 6",
            &[
                "order of line 6: is not in the database",
                "order of line 50: is in the database, but not in the file",
            ],
        ),
        (
            "UPDATE orders SET bay = 9 WHERE line = 4",
            &["order of line 4: the bay in the database is another one"],
        ),
        (
            "UPDATE orders SET amount = amount + 1 WHERE line = 4",
            &["order of line 4: the amount in the database is another one"],
        ),
        (
            "UPDATE orders SET strategy = 'key lock' WHERE line = 4",
            &[
                "order of line 4: the strategy in the database is another one",
                "compare-and-swap by hand: 1 orders counted, 0 in the database",
                "key lock: 2 orders counted, 3 in the database",
            ],
        ),
        // A lost update that the sums do not show: two orders have taken the same parts.
        (
            "UPDATE orders SET sequence = 1 WHERE line = 5",
            &["order of line 5: has sequence number 1, not 2"],
        ),
        (
            "UPDATE orders SET left = 9 WHERE line = 5",
            &["order of line 5: saw a rest of 9 instead of 7"],
        ),
        // An order refused by one that should have been.
        (
            "UPDATE orders SET left = 2 WHERE line = 6",
            &[
                "order of line 6: saw a rest of 2 instead of 1",
                "order of line 6: was refused although 2 were left",
            ],
        ),
        (
            "UPDATE orders SET sequence = 0, left = 3 WHERE line = 6",
            &["order of line 6: was refused although 3 were left"],
        ),
        (
            "UPDATE orders SET sequence = 2 WHERE line = 6",
            &["order of line 6: has sequence number 2, not 1"],
        ),
        (
            "UPDATE orders SET decided = 0 WHERE line = 7",
            &["order of line 7: was filled while its part was locked"],
        ),
        (
            "UPDATE pages SET views = 3 - views",
            &[
                "/a: 1 views in the database, 2 in the file",
                "/b: 2 views in the database, 1 in the file",
            ],
        ),
        ("DELETE FROM pages WHERE page = '/b'", &["/b: 0 views in the database, 1 in the file"]),
        ("INSERT INTO pages VALUES ('/c', 1)", &["/c: 1 views in the database, 0 in the file"]),
    ];
    for (statement, expected) in table {
        let found = audit_after(|_, _, database| {
            assert_ne!(database.execute(statement, []).unwrap(), 0, "{statement}");
        });
        assert_eq!(found, *expected, "{statement}");
    }
}

type Spoil = fn(&Station<'_>);

#[test]
fn the_audit_finds_what_is_wrong_in_the_cache() {
    let table: &[(Spoil, &[&str])] = &[
        (
            |station| {
                let mut part = station.parts.get("A-1").unwrap();
                part.stock += 1;
                station.parts.insert("A-1".into(), part).unwrap();
            },
            &["A-1: 4 in the cache, but delivery less orders is 3"],
        ),
        (
            |station| {
                let mut part = station.parts.get("A-1").unwrap();
                part.sequence += 1;
                station.parts.insert("A-1".into(), part).unwrap();
            },
            &["A-1: 3 filled orders in the database, 4 in the cache"],
        ),
        (|station| assert!(station.parts.discard("B-2").unwrap()), &["B-2: is not in the cache"]),
        (
            |station| {
                let part = station.parts.get("B-2").unwrap();
                station.parts.insert("C-3".into(), part).unwrap();
            },
            &[
                "C-3: is in the cache, but was never delivered",
                "C-3: 0 filled orders in the database, 1 in the cache",
            ],
        ),
        (
            |station| assert_eq!(*station.pages.increment("/a", 1).unwrap(), 3),
            &["/a: 3 views in the cache, 2 in the file"],
        ),
        (
            |station| assert!(station.pages.discard("/b").unwrap()),
            &["/b: 0 views in the cache, 1 in the file"],
        ),
    ];
    for (spoil, expected) in table {
        assert_eq!(audit_after(|station, _, _| spoil(station)), *expected);
    }
}

#[test]
fn the_audit_finds_what_is_wrong_in_the_threads_account() {
    let found = audit_after(|_, service, _| {
        service.tallies[Strategy::ByHand as usize].filled += 1;
    });
    assert_eq!(found, ["compare-and-swap by hand: 2 orders counted, 1 in the database"]);

    let found = audit_after(|_, service, _| {
        let crash = service.crash.as_mut().unwrap();
        crash.opens += Duration::from_secs(60);
    });
    assert_eq!(found, ["order of line 7: was filled while its part was locked"]);
}

#[test]
fn the_audit_insists_that_the_lock_opened_by_itself() {
    let (mut service, mut found) = (None, Vec::new());
    for text in [BOOK, "stock A-1 5 1.00 Part\norder 1 A-1 1\n"] {
        let (book, _) = parse(text);
        let file = DatabaseFile::temporary().unwrap();
        let station = Station::open(&book, &file, LOCK_TIME).unwrap();
        let mut own = station.serve(1, |_| ()).unwrap();
        // The second book has no order by key lock, and so no crash: it is given that of the first.
        let crash = own.crash.clone().or(service.map(|service: Service| service.crash.unwrap()));
        own.crash = crash;
        let findings = audit::audit(&book, &station, &own, file.path()).unwrap();
        found = findings.differences.iter().map(ToString::to_string).collect();
        service = Some(own);
    }
    assert_eq!(found, ["the crashed thread's lock never opened by itself"]);
}

#[test]
fn many_threads_on_one_part_lose_nothing() {
    let mut text = String::from("stock A-1 900 1.00 Part\n");
    for bay in 1..=400 {
        text += &format!("order {bay} A-1 3\nview /a\nview /b\n");
    }
    let (book, bad) = parse(&text);
    assert_eq!(bad, [""; 0]);
    let file = DatabaseFile::temporary().unwrap();
    let station = Station::open(&book, &file, LOCK_TIME).unwrap();
    let service = station.serve(8, |_| ()).unwrap();
    let findings = audit::audit(&book, &station, &service, file.path()).unwrap();
    assert_eq!(findings.differences, []);
    assert_eq!((findings.totals.filled, findings.totals.sold_out), (300, 100));
    assert_eq!((findings.totals.in_database, findings.totals.views_counted), (0, 800));
    // If the thread that crashes comes late, the shelf is empty and no order is filled after it.
    let crash = service.crash.unwrap();
    let reopened = findings.totals.reopened_after;
    assert_eq!(reopened.is_some(), crash.sequence < 300);
    assert!(reopened.is_none_or(|after| after >= LOCK_TIME));
}

#[test]
fn the_observer_hears_of_the_crash_and_of_the_end() {
    let (book, _) = parse(BOOK);
    let file = DatabaseFile::temporary().unwrap();
    let station = Station::open(&book, &file, LOCK_TIME).unwrap();
    let (mut crashes, mut reopened, mut last) = (0, 0, (0, 0));
    let observe = |event: Event<'_>| match event {
        Event::Crashed { crash, holds } => {
            crashes += 1;
            assert_eq!((&*crash.part, crash.bay, crash.sequence), ("A-1", 5, 2));
            assert_eq!(holds, LOCK_TIME);
        }
        Event::Reopened { after, .. } => {
            reopened += 1;
            assert!(after >= LOCK_TIME);
        }
        Event::Progress { done, of, .. } => last = (done, of),
    };
    station.serve(1, observe).unwrap();
    assert_eq!((crashes, reopened, last), (1, 1, (8, 8)));
}

/// What a screen of `style` makes of some progress.
fn shown(style: Style) -> String {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, style);
    for done in [0, 100, 900, 1_000, 2_000] {
        let locked = (done == 1_000).then_some(("A-1", Duration::from_millis(250)));
        screen.show(&Event::Progress { done, of: 2_000, locked });
    }
    screen.finish().expect("a Vec takes everything");
    String::from_utf8(out).expect("the screen prints UTF-8")
}

#[test]
fn progress_is_one_line_on_a_terminal_and_few_lines_elsewhere() {
    let on_terminal = shown(Style::Terminal);
    assert_eq!(on_terminal.matches('\n').count(), 0);
    assert!(
        on_terminal.contains("[############............] 1 000 of 2 000, A-1 locked for 0.250 s")
    );
    assert!(on_terminal.ends_with("\r\x1b[K"));
    assert_eq!(
        shown(Style::Lines),
        "   45 %  900 of 2 000\n   50 %  1 000 of 2 000\n  100 %  2 000 of 2 000\n"
    );
    assert_eq!(shown(Style::Silent), "");
}

#[test]
fn numbers_are_grouped_by_three() {
    let table = [
        (0, "0"),
        (999, "999"),
        (1_000, "1 000"),
        (1_234_567, "1 234 567"),
        (-123_456, "-123 456"),
    ];
    for (number, text) in table {
        assert_eq!(report::grouped(number), text);
    }
}
