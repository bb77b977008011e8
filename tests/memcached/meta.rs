//! The meta commands.

use crate::script::{BOTH, NEW, OLD, play, play_with};

const BAD: &str = "CLIENT_ERROR bad command line format";
const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";
const DUPLICATE: &str = "CLIENT_ERROR duplicate flag";
const INVALID: &str = "CLIENT_ERROR invalid flag";
const VAGUE: &str = "CLIENT_ERROR invalid or duplicate flag";
const LONG_OPAQUE: &str = "CLIENT_ERROR opaque token too long";
const MANY: &str = "CLIENT_ERROR options flags are too long";
const BAD_KEY: &str = "CLIENT_ERROR error decoding key";

#[test]
fn mg_shows_what_is_asked_for_in_order() {
    play(
        BOTH,
        &[
            ("mg k", "EN"),
            ("mg k v k O12", "EN kk O12"),
            ("mg k O12 k t", "EN O12 kk"),
            ("mg k v q", ""),
            ("set k 7 100 5|hello", "STORED"),
            ("mg k", "HD"),
            ("mg k q", "HD"),
            ("mg k v", "VA 5|hello"),
            ("mg k s v t f k O9 q", "VA 5 s5 t100 f7 kk O9|hello"),
            ("mg k O9 f k t s", "HD O9 f7 kk t100 s5"),
            ("gets k", "VALUE k 7 5 #|hello|END"),
            ("mg k c", "HD c#"),
            ("set zero 0 0 0|", "STORED"),
            ("mg zero v t f", "VA 0 t-1 f0|"),
            ("mg  k  v ", "VA 5|hello"),
        ],
    );
    play(BOTH, &[("set k 0 0 1|x", "STORED"), ("mg k I MA D5 F5 J1 Pone Ltwo v", "VA 1|x")]);
    play(BOTH, &[("mg k O<31>", "EN O<31>"), ("mg k O<32>", LONG_OPAQUE), ("mg k O", "EN O")]);
}

#[test]
fn a_line_can_be_wrong_in_many_ways() {
    play(
        BOTH,
        &[
            ("mg <251> v", BAD),
            ("mg k v v", DUPLICATE),
            ("mg k z", INVALID),
            ("mg k Tx", BAD_TOKEN),
            ("mg k T", BAD_TOKEN),
            ("mg k Nx", BAD_TOKEN),
            ("mg k Rx", BAD_TOKEN),
            ("mg k Cx", BAD_TOKEN),
            ("mg k Fx", BAD),
            ("mg k Jx", "CLIENT_ERROR invalid numeric initial value"),
            ("mg k Dx", "CLIENT_ERROR invalid numeric delta value"),
            ("mg k S5", INVALID),
            ("mg k Tx q", BAD_TOKEN),
            ("mg k Tx z", INVALID),
            ("mg k Jx Tx", BAD_TOKEN),
            ("mg k Tx Fx", BAD_TOKEN),
            ("mg k Fx Tx", BAD_TOKEN),
            ("ma k z", VAGUE),
            ("ma k Dx", VAGUE),
            ("ma k O<32>", LONG_OPAQUE),
            ("md k O<32>", LONG_OPAQUE),
            ("ms k 1 O<32>|x", LONG_OPAQUE),
            ("md <251>", BAD),
            ("ma <251>", BAD),
            ("me <251>", BAD),
            ("me", BAD),
            ("mn", "MN"),
            ("mn and more", "MN"),
        ],
    );
    play(
        OLD,
        &[
            ("mg", "ERROR"),
            ("md", "ERROR"),
            ("ma", "ERROR"),
            ("ms", "ERROR"),
            ("mg k !", INVALID),
            ("mg k \u{80}", DUPLICATE),
            ("mg k T+5", "EN"),
            ("mg k E1", INVALID),
            ("mg k x", INVALID),
            ("md k z", VAGUE),
            ("md k I I", VAGUE),
            ("mg k a b c d e f g h i j k l m n o p q r", MANY),
            ("mg k v t f k c s u I h l O1 F1 T1 C1 R1 q P1", ""),
            ("mg k v t f k c s u I h l O1 F1 T1 C1 R1 q P1 L1", MANY),
            ("ma k v t f k c s u I h l O1 F1 T1 C1 R1 q P1 L1", MANY),
            ("ms k 1 v t f k c s u I h l O1 F1 T1 R1 q P1|x", ""),
            (
                "ms k 1 v t f k c s u I h l O1 F1 T1 R1 q P1 L1|x",
                "CLIENT_ERROR options flags too long|ERROR",
            ),
        ],
    );
    play(
        NEW,
        &[
            ("mg", BAD),
            ("md", BAD),
            ("ma", BAD),
            ("ms", BAD),
            ("mg k !", BAD),
            ("mg k \u{80}", BAD),
            ("mg k T+5", BAD_TOKEN),
            ("mg k C+5", BAD_TOKEN),
            ("md k z", INVALID),
            ("md k I I", DUPLICATE),
            ("mg k v t f k c s u I h l O1 F1 T1 C1 R1 q P1 L1", ""),
            ("mg k v t f k c s u I h l O1 F1 T1 C1 R1 q P1 L1 E1", MANY),
            ("ms k 1 v t f k c s u I h l O1 F1 T1 R1 q P1 L1|x", ""),
            ("ms k 1 v t f k c s u I h l O1 F1 T1 R1 q P1 L1 E1|x", MANY),
        ],
    );
}

#[test]
fn uses_are_seen_from_before() {
    play(
        BOTH,
        &[
            ("set k 0 0 1|x", "STORED"),
            ("@3", ""),
            ("mg k h l u", "HD h0 l3"),
            ("mg k u", "HD"),
            ("add k 0 0 1|x", "NOT_STORED"), // puts off its end, and shows nobody anything
            ("mg k h l u", "HD h0 l0"),
            ("set k 0 0 1|x", "STORED"),
            ("@3", ""),
            ("mg k h l", "HD h0 l3"),
            ("@2", ""),
            ("mg k l h", "HD l2 h1"),
            ("set k 0 0 1|x", "STORED"),
            ("get k", "VALUE k 0 1|x|END"),
            ("mg k h", "HD h1"),
            ("set k 0 0 1|x", "STORED"),
            ("touch k 100", "TOUCHED"),
            ("mg k h", "HD h1"),
        ],
    );
}

#[test]
fn mg_touches() {
    play(
        BOTH,
        &[
            ("set k 0 100 1|x", "STORED"),
            ("mg k c", "HD c#"),
            ("mg k t T50", "HD t100"),
            ("mg k T70 t", "HD t70"),
            ("mg k T0 t", "HD t-1"),
            ("@1000", ""),
            ("mg k T-1 v t", "VA 1 t0|x"),
            ("mg k", "EN"),
            ("mg k T5", "EN"),
        ],
    );
    play(
        NEW,
        &[
            ("set k 0 0 1|x", "STORED"),
            ("mg k c", "HD c#"),
            ("mg k T50", "HD"),
            ("ms k 1 C$1|y", "HD"),
        ],
    );
}

#[test]
fn one_wins_the_right_to_fill() {
    play(
        BOTH,
        &[
            ("mg k N30 v t s k O1 f", "VA 0 t30 s0 kk O1 f0 W|"),
            ("mg k v", "VA 0 Z|"),
            ("mg k N30 t q", "HD t30 Z"),
            ("get k", "VALUE k 0 0||END"),
            ("add k 0 0 1|x", "NOT_STORED"),
            ("ms k 1|x", "HD"),
            ("mg k v N30", "VA 1|x"),
            ("mg new t N7", "HD t-1 W"),
            ("mg quiet q N7", "HD W"),
            ("mg quiet h", "HD h1 Z"),
            ("mg silent N7 u", "HD W"),
            ("mg silent h", "HD h0 Z"),
            ("mg first N50 T20 t", "HD t20 W"),
            ("mg second T20 N50 t", "HD t50 W"),
            ("ma third N50 T20 t", "HD t20"),
            ("ma fourth T20 N50 t", "HD t50"),
            ("@7", ""),
            ("mg new", "EN"),
        ],
    );
    play(
        BOTH,
        &[
            ("ms k 1 T30|x", "HD"),
            ("mg k R30 v", "VA 1|x"),
            ("mg k R31 v", "VA 1 W|x"),
            ("mg k R31 v", "VA 1 Z|x"),
            ("mg k v", "VA 1 Z|x"),
            ("ms k 1|x", "HD"),
            ("mg k R1000", "HD"), // never on items that do not expire
        ],
    );
}

#[test]
fn a_stale_item_is_filled_by_one() {
    play(
        BOTH,
        &[
            ("ms k 1 c|x", "HD c#"),
            ("md k I T30", "HD"),
            ("get k", "VALUE k 0 1|x|END"), // shows it plainly and wins nothing
            ("gat 30 k", "VALUE k 0 1|x|END"),
            ("mg k c t v", "VA 1 c# t30 X W|x"),
            ("mg k v", "VA 1 Z X|x"),
            ("touch k 20", "TOUCHED"),
            ("mg k", "HD Z X"),
            ("ms k 1 C$1|y", "EX"),
            ("ms k 1 C$2|y", "HD"),
            ("mg k v", "VA 1|y"),
            ("md k I", "HD"),
            ("mg k", "HD X W"),
            ("md k I", "HD"), // gives the right to fill anew
            ("mg k", "HD X W"),
            ("append k 0 0 1|z", "STORED"),
            ("mg k v", "VA 2|yz"),
        ],
    );
    // What is older than the item is stored all the same, as a stale value.
    play(
        BOTH,
        &[
            ("ms k 1 T100|x", "HD"),
            ("ms k 1 I C18446744073709551615 k|n", "EX kk"),
            ("ms k 1 I C1 T50 F3|z", "HD"),
            ("mg k v t f", "VA 1 t100 f3 X W|z"),
            ("ms k 1 I|w", "HD"),
            ("mg k v", "VA 1|w"),
        ],
    );
    // A counter that changes in place keeps its marks.
    play(
        BOTH,
        &[
            ("ms k 2|98", "HD"),
            ("md k I", "HD"),
            ("incr k 1", "99"),
            ("mg k v", "VA 2 X W|99"),
            ("incr k 1", "100"),
            ("mg k v", "VA 3|100"),
        ],
    );
}

#[test]
fn mg_may_spare_the_value() {
    let rows = [
        ("ms k 1 c|x", "HD c#"),
        ("mg k v C$1", "HD"),
        ("mg k v s C$1", "HD s1"),
        ("mg k v C1", "VA 1|x"),
    ];
    play(NEW, &rows);
    play(OLD, &[rows[0], ("mg k v C$1", "VA 1|x")]);
}

#[test]
fn keys_may_come_in_base64() {
    play(
        BOTH,
        &[
            ("ms Zm9v 2 b k|hi", "HD kZm9v b"),
            ("mg Zm9v b v k", "VA 2 kZm9v b|hi"),
            ("mg foo v k", "VA 2 kZm9v b|hi"),
            ("get foo", "VALUE foo 0 2|hi|END"),
            ("mg Zm9v", "EN"),
            ("mg zzzz b k", "EN kzzzz b"),
            ("mg zzzz k b", "EN kzzzz b"),
            ("md Zm9v b k O1", "HD kZm9v b O1"),
            ("set foo 0 0 1|1", "STORED"),
            ("mg Zm9v b k v", "VA 1 kfoo|1"), // the item has been made with a plain key
            ("ma Zm9v b k v", "VA 1 kZm9v b|2"),
            ("ma YQ== b N0 J5", "HD"),
            ("mg YQ== b k", "HD ka"),
            ("mg ! b", BAD_KEY),
            ("mg YQ b", BAD_KEY),
            ("mg YQ= b", BAD_KEY),
            ("ms !!! 2 b|hi", BAD_KEY),
            ("ma !!! b", VAGUE),
            ("mg bmV3 b N5 k", "HD knew W"), // mg does not remember it
            ("mg new k", "HD knew Z"),
            ("ms Zm9v 1 b MA|3", "HD"), // nor does what comes of an append
            ("mg foo k", "HD kfoo"),
            ("ms Zm9v 1 b|9", "HD"),
            ("mg foo k", "HD kZm9v b"),
            ("incr foo 1", "10"), // or of a counter that grows
            ("mg foo k", "HD kfoo"),
            ("me !!! b", BAD),
        ],
    );
    play(OLD, &[("md !!! b", VAGUE)]);
    play(NEW, &[("md !!! b", BAD_KEY)]);
}

#[test]
fn ms_stores_by_mode() {
    play(
        BOTH,
        &[
            ("ms k 1 MR|x", "NS"),
            ("ms k 1 MA|x", "NS"),
            ("ms k 1 MP c|x", "NS c0"),
            ("ms k 1 ME F5 T100|x", "HD"),
            ("ms k 1 ME q|x", "NS"),
            ("ms k 1 k c ME Oabc|x", "NS kk c0 Oabc"),
            ("mg k v f t", "VA 1 f5 t100|x"),
            ("ms k 1 MA F9 T1|y", "HD"),
            ("ms k 1 MP q|w", ""),
            ("mg k v f t", "VA 3 f5 t100|wxy"),
            ("ms k 1 MR|z", "HD"),
            ("ms k 1 MS|z", "HD"),
            ("mg k f t", "HD f0 t-1"),
            ("ms k 1 Mx|z", "CLIENT_ERROR invalid mode for ms M token"),
            ("ms k 1 Me q|z", "CLIENT_ERROR invalid mode for ms M token"),
            ("ms k 0|", "HD"),
            ("ms k 1 v t f h l u|x", "HD"),
            ("ms k 1 Tx|x", BAD_TOKEN),
            ("ms k 1 Fx|x", BAD),
            ("ms k 1 F-1|x", BAD),
            ("ms k 1 v v|x", DUPLICATE),
            ("ms k 1 z|x", INVALID),
            ("ms k", BAD),
            ("ms k x", BAD),
            ("ms k -1", BAD),
            ("ms k S1|mn", "CLIENT_ERROR bad command line format|MN"),
            ("@rawms k 2 q\r\nabcdef\n", "CLIENT_ERROR bad data chunk|ERROR"),
            ("ms k 1 k O1 b|x", BAD_KEY),
        ],
    );
    play(OLD, &[("@rawms k 2 q\r\nabcd\r\n", "CLIENT_ERROR bad data chunk|ERROR")]);
    play(
        OLD,
        &[
            ("ms k 1 MSS|x", "CLIENT_ERROR incorrect length for M token"),
            ("ms k 1 M|x", "CLIENT_ERROR incorrect length for M token"),
            ("ms k 1 MA N0|x", "NS"),
            ("ms k 1 s|x", "HD"),
            ("ms k +1|x", "HD"),
            ("ms k 1 !|x", INVALID),
            ("ms <251> 1|x", "CLIENT_ERROR bad command line format|ERROR"),
        ],
    );
    play(
        NEW,
        &[
            ("ms k 1 MSS|x", "HD"),
            ("ms k 1 M|x", "CLIENT_ERROR invalid mode for ms M token"),
            ("md k", "HD"),
            ("ms k 1 MA N10 F3 s|x", "HD s1"),
            ("ms k 1 MP N50 s|y", "HD s2"),
            ("mg k v t f", "VA 2 t10 f3|yx"),
            ("ms k 1 ME s|y", "NS s1"),
            ("ms k +1|mn", "CLIENT_ERROR bad command line format|MN"),
            ("ms k 1 !|mn", "CLIENT_ERROR bad command line format|MN"),
            ("ms <251> 1|x", BAD),
        ],
    );
}

#[test]
fn ms_compares() {
    play(
        BOTH,
        &[
            ("ms gone 1 C1 k c|x", "NF kgone c0"),
            ("ms gone 1 C0|x", "NF"),
            ("ms gone 1 MR C1|x", "NF"),
            ("ms gone 1 MA C1|x", "NS"),
            ("ms k 1 c|x", "HD c#"),
            ("ms k 1 C0|y", "EX"),
            ("ms k 1 C1 c|y", "EX c0"),
            ("ms k 1 MA C1|y", "EX"),
            ("ms k 1 MA C$1 c|y", "HD c#"),
            ("ms k 1 ME C1|y", "NS"),
            ("ms k 1 MR C$1|y", "EX"),
            ("ms k 1 MR C$2|y", "HD"),
            ("ms e 1 ME C5|y", "HD"),
        ],
    );
}

#[test]
fn stamps_may_be_chosen() {
    play(
        NEW,
        &[
            ("ms k 1 E99 c|x", "HD c99"),
            ("gets k", "VALUE k 0 1 99|x|END"),
            ("cas k 0 0 1 98|y", "EXISTS"),
            ("ms k 2 C99 E18446744073709551615 c|10", "HD c18446744073709551615"),
            ("ma k E7 c", "HD c7"),
            ("mg k c", "HD c7"),
            ("md k I E8", "HD"),
            ("mg k c", "HD c8 X W"),
            ("mg new N5 E12 c", "HD c12 W"),
            ("mg new E13 c", "HD c12 Z"),
            ("ma n N0 J1 E3 c v", "VA 1 c3|1"),
            ("incr n 1", "2"),
            ("mg n c", "HD c#"),
            ("ms k 1 E0|x", "HD"),
            ("mg k c", "HD c#"),
            ("cas k 0 0 1 $2|x", "STORED"),
        ],
    );
    play(OLD, &[("ms k 1 E1|x", INVALID), ("md k E1", VAGUE), ("ma k E1", VAGUE)]);
}

#[test]
fn md_removes_or_marks() {
    play(
        BOTH,
        &[
            ("md k", "NF"),
            ("md k q", "NF"),
            ("md k k Oa", "NF kk Oa"),
            ("ms k 1 c|x", "HD c#"),
            ("md k C0", "EX"),
            ("md k C1 k Oz", "EX kk Oz"),
            ("md k C1 q", "EX"),
            ("md k C$1 q", ""),
            ("ms k 1 T100|x", "HD"),
            ("md k I T10 k", "HD kk"),
            ("mg k t", "HD t10 X W"),
            ("md k I", "HD"),
            ("mg k t", "HD t10 X W"),
            ("md k T5 v t f", "HD"), // without I it deletes
            ("mg k", "EN"),
        ],
    );
    play(
        NEW,
        &[
            ("ms k 1 F5 T100 c|x", "HD c#"),
            ("md k x", "HD"),
            ("mg k v f t", "VA 0 f0 t-1|"),
            ("ms k 1 C$1|x", "HD"), // the stamp has stayed
            ("md k x I F3 T30 E9", "HD"),
            ("mg k v f t c", "VA 0 f3 t30 c9 X W|"),
        ],
    );
    play(OLD, &[("md k x", VAGUE)]);
}

#[test]
fn ma_counts() {
    play(
        BOTH,
        &[
            ("ma k", "NF"),
            ("ma k q", "NF"),
            ("ma k k O1", "NF kk O1"),
            ("ma k J5", "NF"),
            ("ma k N0 J13 v t D5", "VA 2 t-1|13"),
            ("ma k v", "VA 2|14"),
            ("ma k D5 v t k O1 s f", "VA 2 t-1 kk O1|19"),
            ("ma k MD D10 v", "VA 1|9"),
            ("mg k v", "VA 2|9 "),
            ("ma k M- v", "VA 1|8"),
            ("ma k M+ v", "VA 1|9"),
            ("ma k MI", "HD"),
            ("ma k MD D100 v", "VA 1|0"),
            ("ma k q", ""),
            ("ma k q v", ""),
            ("ma k v c", "VA 1 c#|3"),
            ("ma k C1 k", "EX kk"),
            ("ma k C0 v", "VA 1|4"),
            ("ma k Mx", "CLIENT_ERROR invalid mode for ma M token"),
            ("ma k T100 t", "HD t100"),
            ("ma k t T50", "HD t100"),
            ("ma k N7 t", "HD t50"),
            ("ma quiet N0 q", "HD"),
            ("ma a t N7", "HD t-1"),
            ("ma b N7 t", "HD t7"),
            ("ms w 20|18446744073709551615", "HD"),
            ("ma w D5 v", "VA 1|4"),
            ("ms text 3|abc", "HD"),
            ("ma text q", "CLIENT_ERROR cannot increment or decrement non-numeric value"),
            ("ma text C1", "EX"),
            ("ms none 0|", "HD"),
            ("ma none C1", "CLIENT_ERROR cannot increment or decrement non-numeric value"),
        ],
    );
    play(OLD, &[("ma k M", VAGUE), ("ma k Minc", VAGUE)]);
    let mode = "CLIENT_ERROR invalid mode for ma M token";
    play(NEW, &[("ma k M", mode), ("ma k MInc", "NF")]);
}

#[test]
fn me_shows_an_item() {
    let common = [("me k", "EN"), ("set k 5 100 2|xx", "STORED"), ("@3", "")];
    let no_flags = ("set k 0 0 2|xx", "STORED");
    let endless = ("me k", "ME k exp=-1 la=0 cas=# fetch=no cls=1 size=62");
    let get = ("get k", "VALUE k 0 2|xx|END");
    let fetched = ("me k v", "ME k exp=-1 la=0 cas=# fetch=yes cls=1 size=62");
    let binary = [
        ("ms Zm9v 2 b|hi", "HD"),
        ("me Zm9v b", "ME Zm9v exp=-1 la=0 cas=# fetch=no cls=1 size=64"),
        ("me foo", "ME Zm9v exp=-1 la=0 cas=# fetch=no cls=1 size=64"),
    ];
    for (compats, line) in [
        (OLD, "ME k exp=-97 la=3 cas=# fetch=no cls=1 size=66"),
        (NEW, "ME k exp=97 la=3 cas=# fetch=no cls=1 size=66"),
    ] {
        let mut rows = common.to_vec();
        // To look is no use, and wins nothing.
        rows.extend([("me k", line), ("me k", line), no_flags, endless, get, fetched]);
        rows.extend([("md k I", "HD"), ("mg k", "HD X W")]);
        rows.extend(binary);
        play(compats, &rows);
    }
    play_with(
        BOTH,
        |config| config,
        |store| store,
        &[
            ("ms k 1|x", "HD"),
            ("md k I", "HD"),
            ("me k", "ME k exp=-1 la=0 cas=# fetch=no cls=1 size=61"),
            ("mg k", "HD X W"),
        ],
    );
}
