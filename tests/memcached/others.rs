//! Commands that concern no single item.

use crate::script::{BOTH, NEW, OLD, play, play_with};

const BAD: &str = "CLIENT_ERROR bad command line format";
const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";

#[test]
fn flush_all_empties() {
    play(
        BOTH,
        &[
            ("flush_all", "OK"),
            ("set k 0 0 1|x", "STORED"),
            ("flush_all ", "OK"),
            ("get k", "END"),
            ("set k 0 0 1|x", "STORED"), // right after it
            ("get k", "VALUE k 0 1|x|END"),
            ("flush_all 0", "OK"),
            ("get k", "END"),
            ("set k 0 0 1|x", "STORED"),
            ("flush_all noreply", ""),
            ("get k", "END"),
            ("set k 0 0 1|x", "STORED"),
            ("flush_all -1", "OK"),
            ("get k", "END"),
            ("set k 0 0 1|x", "STORED"),
            ("flush_all x", BAD_EXPTIME),
            ("flush_all x noreply", ""),
            ("flush_all noreply x", BAD_EXPTIME),
            ("get k", "VALUE k 0 1|x|END"),
            ("flush_all 0 noreply", ""),
            ("get k", "END"),
            ("flush_all 0 1", "OK"),
        ],
    );
    play(OLD, &[("flush_all 1 2 3", "ERROR"), ("flush_all +0", "OK")]);
    play(NEW, &[("flush_all 0 2 3", "OK"), ("flush_all +0", BAD_EXPTIME)]);
}

#[test]
fn flush_all_can_wait() {
    play(
        BOTH,
        &[
            ("set a 0 0 1|a", "STORED"),
            ("flush_all 1", "OK"), // acts at once
            ("get a", "END"),
            ("set a 0 0 1|a", "STORED"),
            ("flush_all 10", "OK"),
            ("get a", "VALUE a 0 1|a|END"),
            ("@8", ""),
            ("set b 0 0 1|b", "STORED"),
            ("get a b", "VALUE a 0 1|a|VALUE b 0 1|b|END"),
            ("@1", ""),
            ("get a b", "END"),
            ("set c 0 0 1|c", "STORED"),
            ("@100", ""),
            ("get c", "VALUE c 0 1|c|END"),
            ("flush_all 10", "OK"),
            ("flush_all 100", "OK"), // takes the place of the first
            ("@50", ""),
            ("get c", "VALUE c 0 1|c|END"),
            ("@49", ""),
            ("get c", "END"),
        ],
    );
}

#[test]
fn flush_all_can_be_forbidden() {
    play_with(
        BOTH,
        |mut config| {
            config.flush = false;
            config
        },
        |store| store,
        &[
            ("set k 0 0 1|x", "STORED"),
            ("flush_all", "CLIENT_ERROR flush_all not allowed"),
            ("flush_all noreply", ""),
            ("get k", "VALUE k 0 1|x|END"),
        ],
    );
}

#[test]
fn versions_are_told() {
    play(OLD, &[("version", "VERSION 1.6.18"), ("version of what", "VERSION 1.6.18")]);
    play(NEW, &[("version", "VERSION 1.6.45"), ("version of what", "VERSION 1.6.45")]);
}

#[test]
fn knobs_turn() {
    play(
        BOTH,
        &[
            ("verbosity 1", "OK"),
            ("verbosity 1 2", "OK"),
            ("verbosity x", BAD),
            ("verbosity -1", BAD),
            ("verbosity 1 noreply", ""),
            ("verbosity noreply", ""),
            ("cache_memlimit 64", "OK"),
            ("cache_memlimit 64 noreply", ""),
            ("cache_memlimit 7", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
            ("cache_memlimit x", "ERROR"),
            ("cache_memlimit", "ERROR"),
            ("slabs", "ERROR"),
            ("slabs x", "ERROR"),
            ("slabs reassign 1 2", "NOSPARE source class has no spare pages"),
            ("slabs reassign x 2", BAD),
            ("slabs automove 1", "OK"),
            ("slabs automove 5", "ERROR"),
            ("slabs automove x", BAD),
            ("slabs automove", "ERROR"),
            ("lru", "ERROR"),
            ("lru x y", "ERROR"),
            ("lru mode flat", "OK"),
            ("lru mode segmented", "OK"),
            ("lru mode x", "ERROR"),
            ("lru tune 10 25 0.1 2.0", "OK"),
            ("lru temp_ttl -1", "OK"),
            ("watch fetchers", "CLIENT_ERROR watch commands not allowed"),
        ],
    );
    play(
        OLD,
        &[
            ("verbosity", "ERROR"),
            ("verbosity 1 2 3", "ERROR"),
            ("shutdown", "ERROR: shutdown not enabled"),
            ("shutdown graceful", "ERROR: shutdown not enabled"),
        ],
    );
    play(
        NEW,
        &[
            ("verbosity", BAD),
            ("verbosity 1 2 3", "OK"),
            ("shutdown", "SERVER_ERROR: shutdown not enabled"),
        ],
    );
}

#[test]
fn a_lower_limit_takes_effect() {
    play_with(
        BOTH,
        |config| config,
        |store| store.memory_limit(64 << 20).evicts(false).item_limit(4 << 20),
        &[
            ("set a 0 0 4000000|<4000000>", "STORED"),
            ("set b 0 0 4000000|<4000000>", "STORED"),
            ("cache_memlimit 8", "OK"),
            ("set c 0 0 4000000|<4000000>", "SERVER_ERROR out of memory storing object"),
        ],
    );
}

#[test]
fn the_crawler_dumps() {
    const CLASS: &str = "BADCLASS invalid class id";
    let rows = [
        ("lru_crawler", "ERROR"),
        ("lru_crawler foo", "ERROR"),
        ("lru_crawler enable", "OK"),
        ("lru_crawler disable", "OK"),
        ("lru_crawler sleep 100", "OK"),
        ("lru_crawler sleep x", BAD),
        ("lru_crawler sleep", "ERROR"),
        ("lru_crawler sleep 2000000", "CLIENT_ERROR sleep must be one second or less"),
        ("lru_crawler tocrawl 3", "OK"),
        ("lru_crawler tocrawl x", BAD),
        ("lru_crawler crawl all", "OK"),
        ("lru_crawler crawl 1,2", "OK"),
        ("lru_crawler crawl x", CLASS),
        ("lru_crawler metadump", "ERROR"),
        ("lru_crawler metadump x", CLASS),
        ("lru_crawler metadump 64", CLASS),
        ("set a:%\u{e9} 5 100 2|xx", "STORED"),
        ("@3", ""),
    ];
    let line = "key=a%3A%25%C3%A9 exp=1700000100 la=1700000000 cas=# fetch=no cls=1 size=70";
    let old = format!("{line}\nEND");
    let new = format!("OK|{line} flags=5 \nEND");
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let (old, new) = (leak(old), leak(new));
    let mut of_old = rows.to_vec();
    of_old.extend([
        ("lru_crawler metadump all", old),
        ("lru_crawler metadump hash", old),
        ("lru_crawler metadump 1", old),
        ("lru_crawler metadump 2,3", "END"),
        ("lru_crawler metadump all x", "ERROR"),
        ("lru_crawler mgdump all", "ERROR"),
        ("flush_all", "OK"),
        ("lru_crawler metadump all", "END"),
    ]);
    play(OLD, &of_old);
    let mut of_new = rows.to_vec();
    of_new.extend([
        ("lru_crawler metadump all", new),
        ("flush_all", "OK"),
        ("lru_crawler metadump all", "OK|END"),
        ("ms Zm9v 2 b|hi", "HD"),
        ("lru_crawler mgdump all", "mg Zm9v b|EN"),
        ("set foo 0 0 1|x", "STORED"),
        ("lru_crawler mgdump hash", "mg foo|EN"),
    ]);
    play(NEW, &of_new);
}
