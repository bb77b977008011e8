//! `incr`, `decr`, `touch`, `delete`.

use crate::script::{BOTH, NEW, OLD, play};

const BAD: &str = "CLIENT_ERROR bad command line format";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
const NOT_NUMERIC: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
const USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";

#[test]
fn counters_count() {
    play(
        BOTH,
        &[
            ("incr k 1", "NOT_FOUND"),
            ("decr k 1", "NOT_FOUND"),
            ("set k 5 0 2|98", "STORED"),
            ("gets k", "VALUE k 5 2 #|98|END"),
            ("incr k 1", "99"),
            ("incr k 1", "100"),
            ("get k", "VALUE k 5 3|100|END"),
            ("decr k 1", "99"),
            ("get k", "VALUE k 5 3|99 |END"), // in place
            ("decr k 1000", "0"),
            ("get k", "VALUE k 5 3|0  |END"),
            ("incr k 18446744073709551615", "18446744073709551615"),
            ("incr k 5", "4"),
            ("get k", "VALUE k 5 20|4                   |END"),
            ("cas k 0 0 1 $1|x", "EXISTS"),
            ("incr k 1 noreply", ""),
            ("incr k 0", "5"),
            ("set k 0 0 5|00012", "STORED"),
            ("incr k 1", "13"),
            ("get k", "VALUE k 0 5|13   |END"),
        ],
    );
}

#[test]
fn what_counts_as_a_number() {
    play(
        BOTH,
        &[
            ("set k 0 0 3| 12|incr k 1", "STORED|13"),
            ("set k 0 0 3|12 |incr k 1", "STORED|13"),
            ("set k 0 0 2|+5|incr k 1", "STORED|6"),
            (
                "set k 0 0 0||incr k 1",
                "STORED|CLIENT_ERROR cannot increment or decrement non-numeric value",
            ),
            ("set k 0 0 2|-1|incr k 1 noreply", "STORED"),
            ("incr k 1", NOT_NUMERIC),
            ("decr k 1", NOT_NUMERIC),
            ("set k 0 0 3|1.5", "STORED"),
            ("incr k 1", NOT_NUMERIC),
            ("set k 0 0 5|12abc", "STORED"),
            ("incr k 1", NOT_NUMERIC),
            ("set k 0 0 20|18446744073709551616", "STORED"),
            ("incr k 1", NOT_NUMERIC),
            ("incr k x", BAD_DELTA),
            ("incr none x", BAD_DELTA),
            ("incr k -1", BAD_DELTA),
            ("incr k 18446744073709551616", BAD_DELTA),
            ("incr k x noreply", ""),
            ("incr <251> 1", BAD),
        ],
    );
    play(
        OLD,
        &[
            ("incr k +1", "NOT_FOUND"),
            ("incr", "ERROR"),
            ("incr k", "ERROR"),
            ("incr k 1 2", "NOT_FOUND"),
            ("incr k 1 2 3", "ERROR"),
        ],
    );
    play(
        NEW,
        &[
            ("incr k +1", BAD_DELTA),
            ("incr", BAD),
            ("incr k", BAD),
            ("incr k 1 2", "NOT_FOUND"),
            ("incr k 1 2 3", "NOT_FOUND"),
        ],
    );
}

#[test]
fn a_counter_keeps_its_expiry_time() {
    play(
        BOTH,
        &[
            ("set k 0 10 1|9", "STORED"),
            ("incr k 1", "10"),
            ("mg k t", "HD t10"),
            ("@10", ""),
            ("incr k 1", "NOT_FOUND"),
        ],
    );
}

#[test]
fn touch_moves_the_end() {
    play(
        BOTH,
        &[
            ("touch k 1", "NOT_FOUND"),
            ("set k 0 5 1|x", "STORED"),
            ("gets k", "VALUE k 0 1 #|x|END"),
            ("touch k 100", "TOUCHED"),
            ("@99", ""),
            ("gets k", "VALUE k 0 1 #|x|END"),
            ("cas k 0 0 1 $1|y", "STORED"),
            ("touch k x", "CLIENT_ERROR invalid exptime argument"),
            ("touch k x noreply", ""),
            ("touch k 0 noreply", ""),
            ("touch k -1", "TOUCHED"),
            ("get k", "END"),
            ("touch <251> 1", BAD),
        ],
    );
    play(OLD, &[("touch k", "ERROR"), ("touch k 1 2 3", "ERROR"), ("touch k +1", "NOT_FOUND")]);
    play(NEW, &[("touch k", BAD), ("touch k 1 2 3", "NOT_FOUND")]);
    play(NEW, &[("touch k +1", "CLIENT_ERROR invalid exptime argument")]);
}

#[test]
fn delete_removes() {
    play(
        BOTH,
        &[
            ("delete k", "NOT_FOUND"),
            ("set k 0 0 1|x", "STORED"),
            ("delete k", "DELETED"),
            ("delete k 0", "NOT_FOUND"),
            ("set k 0 0 1|x", "STORED"),
            ("delete k noreply", ""),
            ("delete k 0 noreply", ""),
            ("get k", "END"),
            ("delete <251>", BAD),
        ],
    );
    play(
        OLD,
        &[
            ("delete", "ERROR"),
            ("delete k 1", USAGE),
            ("delete k a b", USAGE),
            ("delete k 1 noreply", ""),
            ("delete k 0 0 0", "ERROR"),
            ("delete a b c d e", "ERROR"),
            ("delete noreply", "NOT_FOUND"),
        ],
    );
    play(
        NEW,
        &[
            ("delete", BAD),
            ("delete k 1", "NOT_FOUND"),
            ("delete a b c d e", "NOT_FOUND"),
            ("set noreply 0 0 1|1", "STORED"),
            ("delete noreply", ""),
            ("get noreply", "END"),
        ],
    );
}
