//! The order of the modules, held as data: who may import whom, where `unsafe` may stand, and who
//! may name the primitives that a model checker replaces.
//!
//! Reads the sources as text. Deliberately no parser: comments are cut off, and paths that begin
//! with `crate::` are looked up in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Floor, module, and the modules of lower floors it imports. A module of floor 4 may also import
/// any other of floor 4: together they are the public face. Elsewhere nothing goes sideways, but
/// for the leaves of floor 0 that say so here. Floor 5 speaks to the world outside.
const TABLE: &[(u8, &str, &[&str])] = &[
    (6, "bin", &[]),
    (5, "memcached", &["bytes", "error", "stats", "sync", "time"]),
    (4, "builder", &["error", "expiry", "hash", "removal", "store", "time"]),
    (
        4,
        "bytes",
        &["epoch", "error", "expiry", "stamp", "stats", "store", "sync", "time", "update"],
    ),
    (
        4,
        "cache",
        &["counter", "epoch", "error", "expiry", "stamp", "stats", "store", "update", "versioned"],
    ),
    (4, "fence", &["store"]),
    (4, "fill", &["expiry", "store", "versioned"]),
    (4, "iter", &["versioned"]),
    (4, "key_lock", &["error", "expiry", "stamp", "store", "time"]),
    (4, "put", &["expiry", "stamp", "store"]),
    (4, "recording", &["stats"]),
    (4, "retry", &["epoch", "error", "expiry", "stamp", "store", "time", "update"]),
    (4, "session", &["epoch", "stamp", "store"]),
    (4, "snapshot", &["stamp"]),
    (4, "transaction", &["swallow"]),
    (
        3,
        "store",
        &[
            "counter", "epoch", "error", "expiry", "hash", "policy", "raw", "removal", "stamp",
            "stats", "swallow", "sync", "time", "update", "usage", "wheel",
        ],
    ),
    (2, "policy", &["usage"]),
    (2, "raw", &["epoch", "hash", "stamp", "swallow", "sync", "time", "usage"]),
    (2, "wheel", &["time"]),
    (1, "epoch", &["sync"]),
    (0, "counter", &[]),
    (0, "error", &["stamp"]),
    (0, "expiry", &[]),
    (0, "hash", &["sync"]),
    (0, "removal", &["stamp"]),
    (0, "stamp", &[]),
    (0, "stats", &["sync"]),
    (0, "swallow", &["sync"]),
    (0, "sync", &[]),
    (0, "time", &["swallow", "sync"]),
    (0, "update", &["expiry", "stamp"]),
    (0, "usage", &["sync"]),
    (0, "versioned", &["stamp"]),
];

/// Where unsafe code may stand.
const UNSAFE_ROOMS: &[&str] = &["raw", "epoch"];

/// Names that belong to `src/sync.rs`, and to the files listed with the reason.
const NAMES: &[(&str, &[(&str, &str)])] = &[
    ("std::sync::atomic", &[]),
    (
        "parking_lot",
        &[
            ("time.rs", "the wake-up timer and the manual clock wait in real time"),
            ("epoch/slots.rs", "a thread's number is claimed once in its life"),
            ("memcached/double/mod.rs", "requests come one at a time, and tests wait for them"),
            ("memcached/test_server/front.rs", "threads wait for a test to let them go on"),
        ],
    ),
    (
        "std::thread",
        &[
            ("time.rs", "the wake-up timer has a thread, and a retry pauses"),
            ("store/wait.rs", "a blocked caller parks its thread"),
            ("builder.rs", "counts the processors"),
            ("epoch/barrier.rs", "loom runs all threads of a model on one"),
            ("transaction.rs", "asks whether a panic is under way"),
            ("memcached/server/stopping.rs", "waits for the end of the standard input"),
            ("memcached/server/workers.rs", "a thread for each runtime"),
            ("memcached/test_server/front.rs", "a thread accepts, and each connection has one"),
            ("memcached/test_server/mod.rs", "asks whether a panic is under way"),
        ],
    ),
    (
        "loom::",
        &[
            ("epoch/asymmetric.rs", "the epoch is a static of each model"),
            ("epoch/crossbeam.rs", "likewise"),
            ("epoch/models.rs", "models of the epoch by itself"),
            ("epoch/strict.rs", "a static of each model"),
        ],
    ),
    ("shuttle::", &[("epoch/strict.rs", "a static of each model")]),
];

struct Source {
    /// Relative to `src`, with slashes.
    file: String,
    /// Without comments and unit tests.
    code: String,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        let text = text.split("\nmod tests {").next().unwrap_or_default();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        Self { file: file.into(), code: code.collect::<Vec<_>>().join("\n") }
    }

    /// The module on the first level that the file belongs to.
    fn module(&self) -> &str {
        let first = self.file.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).expect("the sources are there");
        let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
        for path in paths {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let parts = path.strip_prefix(&root).expect("below the root").components();
                let parts = parts.map(|part| part.as_os_str().to_string_lossy().into_owned());
                let text = fs::read_to_string(&path).expect("readable");
                found.push(Source::new(&parts.collect::<Vec<_>>().join("/"), &text));
            }
        }
    }
    found
}

/// The names after each `crate::`: one, or those of a group in braces.
fn imported_names(code: &str) -> Vec<&str> {
    code.match_indices("crate::")
        .flat_map(|(at, prefix)| names(&code[at + prefix.len()..]))
        .collect()
}

fn names(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else { return vec![first_name(path)] };
    let mut depth = 0;
    let mut names = vec![first_name(group.trim_start())];
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(first_name(group[at + 1..].trim_start())),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(path: &str) -> &str {
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &path[..end.unwrap_or(path.len())]
}

/// Which module each name that `lib.rs` offers at the root comes from.
fn origins(root: &Source) -> BTreeMap<&str, &str> {
    // Some have an attribute before them.
    let exports = root.code.split(';').filter_map(|item| item.split_once("pub use "));
    let split = exports.filter_map(|(_, export)| export.split_once("::"));
    split
        .flat_map(|(module, list)| names(list).into_iter().map(move |name| (name, module)))
        .collect()
}

fn floor(module: &str) -> Option<(u8, &'static [&'static str])> {
    let row = TABLE.iter().find(|(_, name, _)| *name == module)?;
    Some((row.0, row.2))
}

/// Whether the table lets `from` import `to`.
fn may_import(from: &str, to: &str) -> bool {
    let (Some((above, allowed)), Some((below, _))) = (floor(from), floor(to)) else { return false };
    from == to || allowed.contains(&to) || (above == 4 && below == 4)
}

/// The imports in `sources`, as pairs of modules, with the file each is made in.
fn imports(sources: &[Source]) -> Vec<(String, String, String)> {
    let root = sources.iter().find(|source| source.file == "lib.rs").expect("there is a root");
    let origins = origins(root);
    let others = sources.iter().filter(|source| source.file != "lib.rs");
    others
        .flat_map(|source| {
            let names = imported_names(&source.code).into_iter();
            names.map(|name| {
                let to = origins.get(name).copied().unwrap_or(name);
                (source.file.clone(), source.module().into(), to.into())
            })
        })
        .collect()
}

fn forbidden_imports(sources: &[Source]) -> Vec<String> {
    let forbidden = imports(sources).into_iter().filter(|(_, from, to)| !may_import(from, to));
    forbidden.map(|(file, from, to)| format!("{file}: {from} imports {to}")).collect()
}

#[test]
fn modules_import_as_the_table_says() {
    let sources = sources();
    assert!(sources.len() > TABLE.len());
    let forbidden = forbidden_imports(&sources);
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn the_table_allows_nothing_upward_or_needless() {
    for (floor_above, module, allowed) in TABLE {
        for lower in *allowed {
            let (floor_below, _) = floor(lower).expect("every module has a row");
            assert!(floor_below < *floor_above || *floor_above == 0, "{module} on {lower}");
        }
    }
    let made: BTreeSet<_> =
        imports(&sources()).into_iter().map(|(_, from, to)| (from, to)).collect();
    for (_, module, allowed) in TABLE {
        for lower in *allowed {
            let pair = ((*module).into(), (*lower).into());
            assert!(made.contains(&pair), "{module} no longer imports {lower}: strike it off");
        }
    }
}

#[test]
fn every_module_has_a_row() {
    let modules: BTreeSet<_> = sources().iter().map(|source| source.module().to_owned()).collect();
    let rows: BTreeSet<_> = TABLE.iter().map(|(_, module, _)| (*module).to_owned()).collect();
    let without: Vec<_> = modules.difference(&rows).filter(|module| *module != "lib").collect();
    assert!(without.is_empty(), "{without:?}");
    assert!(rows.is_subset(&modules), "a row without a module");
}

#[test]
fn nobody_takes_the_back_stairs() {
    for source in sources() {
        assert!(!source.code.contains("super::super"), "{}", source.file);
        let top = !source.file.contains('/');
        assert!(!(top && source.code.contains("super::")), "{}: that is the root", source.file);
    }
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let outside = |source: &&Source| !UNSAFE_ROOMS.contains(&source.module());
    for source in sources().iter().filter(outside) {
        let mut words =
            source.code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        assert!(!words.any(|word| word == "unsafe"), "{} is not for unsafe code", source.file);
        assert!(!source.code.contains("(unsafe_code"), "{} lifts the lint", source.file);
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("readable");
    assert!(manifest.contains("unsafe_code = \"deny\""));
}

#[test]
fn primitives_are_named_in_one_file_and_the_documented_exceptions() {
    let sources = sources();
    for (name, exceptions) in NAMES {
        let users = sources.iter().filter(|source| source.code.contains(name));
        let users: BTreeSet<_> = users.map(|source| source.file.as_str()).collect();
        let excepted = exceptions.iter().map(|(file, _)| *file);
        let expected: BTreeSet<_> = excepted.chain(["sync.rs"]).collect();
        assert_eq!(users, expected, "files that name {name}");
    }
}

#[test]
fn the_collector_and_the_clock_are_each_named_in_one_place() {
    let naming = |name: &str| -> BTreeSet<String> {
        let users = sources().into_iter().filter(|source| source.code.contains(name));
        users.map(|source| source.module().into()).collect()
    };
    assert_eq!(naming("crossbeam_epoch"), BTreeSet::from(["epoch".into()]));
    assert_eq!(naming("Instant::now"), BTreeSet::from(["time".into()]));
}

#[test]
fn a_breach_is_noticed() {
    let root = Source::new("lib.rs", "pub use cache::Cache;\npub use stamp::{Cas, InvalidCas};\n");
    let breach = |file: &str, text: &str| {
        let sources = [Source::new("lib.rs", &root.code), Source::new(file, text)];
        forbidden_imports(&sources)
    };
    assert_eq!(
        breach("raw/node.rs", "use crate::store::Store;"),
        ["raw/node.rs: raw imports store"]
    );
    assert_eq!(
        breach("time.rs", "use crate::{sync::Tally, Cas};"),
        ["time.rs: time imports stamp"]
    );
    let grouped = "use crate::{\n    epoch::{self, Guard}, // pins\n    Cache,\n};";
    assert_eq!(breach("store/read.rs", grouped), ["store/read.rs: store imports cache"]);
    assert_eq!(breach("hash.rs", "fn f() { crate::swallow::swallow(); }").len(), 1);
    assert_eq!(breach("raw/node.rs", "use crate::Cas;").len(), 0);
    assert_eq!(breach("hash.rs", "// see crate::store\n").len(), 0);
    assert_eq!(breach("novel.rs", "use crate::hash;").len(), 1);
}
