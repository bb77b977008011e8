//! `set`, `add`, `replace`, `append`, `prepend`, `cas`.

use crate::script::{BOTH, NEW, OLD, play, play_with};

const BAD: &str = "CLIENT_ERROR bad command line format";
const BAD_THEN_ERROR: &str = "CLIENT_ERROR bad command line format|ERROR";

#[test]
fn each_command_has_its_condition() {
    play(
        BOTH,
        &[
            ("replace k 0 0 1|1", "NOT_STORED"),
            ("append k 0 0 1|1", "NOT_STORED"),
            ("prepend k 0 0 1|1", "NOT_STORED"),
            ("add k 7 0 1|1", "STORED"),
            ("add k 0 0 1|2", "NOT_STORED"),
            ("append k 9 5 2|ap", "STORED"),
            ("prepend k 9 5 2|pr", "STORED"),
            ("get k", "VALUE k 7 5|pr1ap|END"),
            ("@6", ""), // neither flags nor the expiry time of a joining write count
            ("get k", "VALUE k 7 5|pr1ap|END"),
            ("replace k 8 0 1|r", "STORED"),
            ("get k", "VALUE k 8 1|r|END"),
            ("set k 0 0 0|", "STORED"),
            ("get k", "VALUE k 0 0||END"),
        ],
    );
}

#[test]
fn a_stamp_decides() {
    play(
        BOTH,
        &[
            ("cas k 0 0 1 5|x", "NOT_FOUND"),
            ("set k 0 0 1|1", "STORED"),
            ("gets k", "VALUE k 0 1 #|1|END"),
            ("cas k 0 0 1 0|x", "EXISTS"),
            ("cas k 0 0 1 5|x", "EXISTS"),
            ("cas k 3 0 1 $1|2", "STORED"),
            ("cas k 0 0 1 $1|3", "EXISTS"),
            ("gets k", "VALUE k 3 1 #|2|END"),
            ("touch k 100", "TOUCHED"),
            ("add k 0 0 1|x", "NOT_STORED"),
            ("gets k", "VALUE k 3 1 #|2|END"),
            ("cas k 0 0 1 $2 noreply|4", ""),
            ("get k", "VALUE k 0 1|4|END"),
            ("append k 0 0 1|+", "STORED"),
            ("gets k", "VALUE k 0 2 #|4+|END"),
            ("cas k 0 0 1 $3|x", "EXISTS"),
            ("cas k 0 0 1 $4|x", "STORED"),
        ],
    );
    play(OLD, &[("cas k 0 0 1|x", "ERROR|ERROR"), ("cas k 0 0 1 x|x", BAD_THEN_ERROR)]);
    play(OLD, &[("cas k 0 0 1 noreply|x", "ERROR"), ("cas k 0 0 1 5 x y|1", "ERROR|ERROR")]);
    play(NEW, &[("cas k 0 0 1|x", BAD), ("cas k 0 0 1 x|x", BAD), ("cas k 0 0 1 +5|x", BAD)]);
    play(NEW, &[("cas k 0 0 1 noreply|x", ""), ("cas k 0 0 1 5 x y|1", "NOT_FOUND")]);
}

#[test]
fn without_stamps_none_is_right() {
    play_with(
        BOTH,
        |mut config| {
            config.cas = false;
            config
        },
        |store| store,
        &[
            ("set k 0 0 1|1", "STORED"),
            ("gets k", "VALUE k 0 1 0|1|END"),
            ("cas k 0 0 1 0|x", "EXISTS"),
            ("cas k 0 0 1 1|x", "EXISTS"),
            ("cas none 0 0 1 1|x", "NOT_FOUND"),
            ("mg k c", "HD c0"),
            ("ms k 1 c|2", "HD c0"),
            ("ms k 1 C1|3", "EX"),
            ("md k C1", "EX"),
            ("ma k C1", "EX"),
            ("ma k C0 c v", "VA 1 c0|3"),
        ],
    );
}

#[test]
fn data_ends_where_it_should() {
    play(
        BOTH,
        &[
            ("set k 0 0 3|old", "STORED"),
            ("@rawset k 0 0 2\r\nabcdxyz\r\n", "CLIENT_ERROR bad data chunk|ERROR"),
            ("get k", "VALUE k 0 3|old|END"),
            ("@rawset k 0 0 1\n1\r\nmn\n", "STORED|MN"),
            ("@rawset k 0 0 1\r\n2\nX", "CLIENT_ERROR bad data chunk"),
            ("get k", "VALUE k 0 1|1|END"),
            ("set k 0 0 4|a|b", "STORED"),
            ("get k", "VALUE k 0 4|a|b|END"),
        ],
    );
    play(
        OLD,
        &[("@rawset k 0 0 3\r\nab\r\nget k\r\n\r\n", "CLIENT_ERROR bad data chunk|ERROR|ERROR")],
    );
    play(OLD, &[("@rawset k 0 0 3 noreply\r\nab\r\nget k\r\n\r\n", "ERROR|ERROR")]);
    let error = "CLIENT_ERROR bad data chunk|CLIENT_ERROR bad command line format|CLIENT_ERROR bad command line format";
    play(NEW, &[("@rawset k 0 0 3\r\nab\r\n\r\n\r\n", error)]);
}

#[test]
fn numbers_are_as_generous_as_the_version() {
    play(
        BOTH,
        &[
            ("set k 4294967297 0 1|1", "STORED"),
            ("get k", "VALUE k 1 1|1|END"),
            ("set k 4294967295 0 1|1", "STORED"),
            ("get k", "VALUE k 4294967295 1|1|END"),
            ("set k +5 +0 1|1", "STORED"),
            ("get k", "VALUE k 5 1|1|END"),
            ("set k 0 2147483648 1|1", "STORED"), // comes out negative
            ("get k", "END"),
            ("set k 0 0 -1", BAD),
            ("set k 0 0 x", BAD),
            ("set k 0 0 2147483646", BAD),
            ("set k 0 0 1 |1", "STORED"),
            ("set  k  0  0  1|1", "STORED"),
            ("set k 0 0 1 NOREPLY|1", "STORED"),
            ("set k 0 0 1 bogus|1", "STORED"),
        ],
    );
    play(OLD, &[("set k 0 0 4294967297|1", "STORED")]); // modulo 2^32
    play(NEW, &[("set k 0 0 4294967297", BAD)]);
    play(
        OLD,
        &[
            ("set k -1 0 1|1", BAD_THEN_ERROR),
            ("set k x 0 1|1", BAD_THEN_ERROR),
            ("set k 0 x 1|1", BAD_THEN_ERROR),
            ("set k 0 0 +1|1", "STORED"),
            ("set <251> 0 0 1|1", BAD_THEN_ERROR),
            ("set <251> 0 0 1 noreply|1", "ERROR"),
            ("set k", "ERROR"),
            ("set", "ERROR"),
            ("set k 0 0", "ERROR"),
            ("set k 0 0 1 noreply x", "ERROR"),
        ],
    );
    play(
        NEW,
        &[
            ("set k -1 0 1|1", BAD),
            ("set k x 0 1|1", BAD),
            ("set k 0 x 1|1", BAD),
            ("set k 0 0 +1|mn", "CLIENT_ERROR bad command line format|MN"),
            ("set <251> 0 0 1|1", BAD),
            ("set <251> 0 0 1 noreply|1", ""),
            ("set k", BAD),
            ("set", BAD),
            ("set k 0 0", BAD),
            ("set k 0 0 1 noreply x|1", "STORED"),
            ("set k 0 0 1 x y noreply|1", ""),
        ],
    );
    play(BOTH, &[("set <250> 0 0 1|1", "STORED"), ("get <250>", "VALUE <250> 0 1|1|END")]);
}

#[test]
fn keys_are_bytes() {
    play(
        BOTH,
        &[
            ("set a\tb 0 0 1|1", "STORED"),
            ("set \u{1}\u{7f}\u{e9} 0 0 1|2", "STORED"),
            ("get a\tb \u{1}\u{7f}\u{e9}", "VALUE a\tb 0 1|1|VALUE \u{1}\u{7f}\u{e9} 0 1|2|END"),
        ],
    );
    play(NEW, &[("set a\0b 0 0 1|1", "STORED"), ("get a\0b", "VALUE a\0b 0 1|1|END")]);
    play(OLD, &[("set a 0 0 1|1", "STORED"), ("set a\0b 0 0 1", "ERROR")]);
    play(OLD, &[("set a 0 0 1|1", "STORED"), ("get a\0b", "VALUE a 0 1|1|END")]);
}

#[test]
fn what_is_too_large_is_skipped() {
    const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
    play_with(
        BOTH,
        |config| config,
        |store| store.item_limit(1024),
        &[
            // 48 + 8 + 2 + 2 + 964 = 1024, and 4 less with flags
            ("set k 0 0 964|<964>", "STORED"),
            ("set k 5 0 961|<961>", TOO_LARGE),
            ("get k", "END"),
            ("set k 5 0 960|<960>", "STORED"),
            ("add other 0 0 5000|<5000>", TOO_LARGE),
            ("add k 0 0 5000|<5000>", TOO_LARGE),
            ("replace k 0 0 5000|<5000>", TOO_LARGE),
            ("append k 0 0 5000|<5000>", TOO_LARGE),
            ("cas k 0 0 5000 1|<5000>", TOO_LARGE),
            ("append k 0 0 1|x", "NOT_STORED"),
            ("prepend k 0 0 1|x", "NOT_STORED"),
            ("ms k 1 MA|x", "NS"),
            ("get k", "VALUE k 5 960|<960>|END"),
            ("set k 0 0 5000 noreply|<5000>", ""),
            ("get k", "END"),
            ("set k 0 0 1|1", "STORED"),
            ("ms k 5000 q ME|<5000>", TOO_LARGE),
            ("mg k", "EN"),
        ],
    );
    // Nobody waits for data that will be thrown away.
    play(BOTH, &[("set k 0 0 2147483645", TOO_LARGE)]);
    play(BOTH, &[("set k 0 0 1048516|<1048516>", "STORED"), ("set k 0 0 1048517", TOO_LARGE)]);
}

#[test]
fn a_store_that_does_not_evict_is_full_some_day() {
    const FULL: &str = "SERVER_ERROR out of memory storing object";
    play_with(
        BOTH,
        |config| config,
        |store| store.memory_limit(2000).evicts(false),
        &[
            ("set a 0 0 900|<900>", "STORED"),
            ("set b 0 0 900|<900>", "STORED"),
            ("set c 0 0 900|<900>", FULL),
            ("set c 0 0 900 noreply|<900>", ""),
            ("add c 0 0 900|<900>", FULL),
            ("ms c 900 q|<900>", FULL),
            ("replace a 0 0 1000|<1000>", FULL),
            ("get a", "VALUE a 0 900|<900>|END"),
            ("set a 0 0 1000|<1000>", FULL), // its old value goes all the same
            ("get a", "END"),
            ("ms b 1960 MR|<1960>", FULL),
            ("get b", "END"),
        ],
    );
}

#[test]
fn a_locked_key_is_not_written() {
    play(
        BOTH,
        &[
            ("set k 0 0 1|5", "STORED"),
            ("@lock k", ""),
            ("set k 0 0 1|x", "EXISTS"),
            ("add k 0 0 1|x", "NOT_STORED"),
            ("replace k 0 0 1|x", "EXISTS"),
            ("append k 0 0 1|x", "EXISTS"),
            ("prepend k 0 0 1|x", "EXISTS"),
            ("cas k 0 0 1 7|x", "EXISTS"),
            ("ms k 1|x", "EX"),
            ("md k", "EX"),
            ("md k I", "EX"),
            ("ma k k O1", "EX kk O1"),
            ("mg k T5 k O1", "EX kk O1"),
            ("delete k", "SERVER_ERROR key is locked"),
            ("delete k noreply", ""),
            ("incr k 1", "SERVER_ERROR key is locked"),
            ("decr k 1", "SERVER_ERROR key is locked"),
            ("touch k 1", "SERVER_ERROR key is locked"),
            ("set free 0 0 1|1", "STORED"),
            ("gat 1 free k", "SERVER_ERROR key is locked"),
            ("gets k", "VALUE k 0 1 18446744073709551615|5|END"),
            ("mg k v c", "VA 1 c18446744073709551615|5"),
            ("mg k h t", "HD h1 t-1"),
            ("cas k 0 0 1 $1|6", "STORED"), // the token opens it
            ("set k 0 0 1|7", "STORED"),
            ("@lock k", ""),
            ("@15", ""),
            ("incr k 1", "8"),
        ],
    );
}
