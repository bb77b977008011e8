//! A loader or an update closure panics. What is left of the value, and does the key still work?
//!
//! Each of these runs in a process of its own, because one answer is that the process dies.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::cell::{Cell, Findings};
use crate::gate::{End, call};
use crate::row::{KEY, NEW, OLD, Row};
use crate::subject::{Kind, Load, LoadCall, Read, Subject, panic_quietly};

/// What panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    Loader,
    AsyncLoader,
    Update,
}

impl Culprit {
    const ALL: [Self; 3] = [Self::Loader, Self::AsyncLoader, Self::Update];

    fn name(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::AsyncLoader => "async-loader",
            Self::Update => "update",
        }
    }

    fn calls(self, kind: &Kind) -> Vec<&'static str> {
        let calls = (kind.build)().calls();
        match self {
            Self::Loader => calls.loads_by(Load::Loader).collect(),
            Self::AsyncLoader => calls.loads_by(Load::Async).collect(),
            Self::Update => calls.updates.iter().map(|call| call.1).collect(),
        }
    }
}

/// The race for every call that the subject has for this. Tests have no children; what would kill one
/// kills them.
pub(crate) fn run(kind: &Kind, culprit: Culprit) -> Findings {
    let race = if cfg!(test) { here } else { in_child };
    let calls = culprit.calls(kind).into_iter();
    Findings(calls.map(|name| (name.to_string(), race(kind, culprit, name))).collect())
}

/// The argument that makes this program a child.
pub(crate) const CHILD: &str = "--child";

fn in_child(kind: &Kind, culprit: Culprit, name: &'static str) -> Cell {
    let program = std::env::current_exe().expect("the program has a path");
    let output = Command::new(program)
        .args([CHILD, kind.name, culprit.name(), name])
        .stderr(Stdio::null())
        .output()
        .expect("the program can be started");
    match output.status.code() {
        None => Cell::Aborts,
        Some(_) => {
            let printed = String::from_utf8_lossy(&output.stdout);
            Cell::from_name(printed.trim())
                .unwrap_or_else(|| panic!("{} / {name}: the child says {printed:?}", kind.name))
        }
    }
}

/// What the child does: one race, and its cell on the standard output.
pub(crate) fn child(kinds: &[Kind], arguments: &[String]) {
    let [kind, culprit, name] = arguments else { panic!("three arguments") };
    let kind = kinds.iter().find(|known| known.name == kind).expect("a subject");
    let culprit = Culprit::ALL.into_iter().find(|known| known.name() == culprit);
    let culprit = culprit.expect("a culprit");
    let known = culprit.calls(kind).into_iter().find(|known| known == name).expect("a call");
    println!("{}", here(kind, culprit, known).name());
}

fn here(kind: &Kind, culprit: Culprit, name: &'static str) -> Cell {
    match culprit {
        Culprit::Loader => loader(kind, LoadCall { way: Load::Loader, name }),
        Culprit::AsyncLoader => loader(kind, LoadCall { way: Load::Async, name }),
        Culprit::Update => update(kind, name),
    }
}

/// The leader's loader panics while another caller waits for it. The other one may be told, but must not
/// wait for ever, and whoever comes later gets its row.
fn loader(kind: &Kind, load: LoadCall) -> Cell {
    let subject = (kind.build)();
    let read = Read::failing();
    let leading = load.start(&subject, &read);
    read.begun.pass();
    let mut following = load.start(&subject, &Read::quick(NEW));
    following.give_time();
    read.may_end.open();
    if leading.finish() == End::Hung || following.finish() == End::Hung {
        return Cell::Hangs;
    }
    match load.start(&subject, &Read::quick(NEW)).finish() {
        End::Hung => Cell::Hangs,
        End::Panicked => Cell::Poisoned,
        End::Returned(_) => still_works(&subject),
    }
}

/// The closure panics between the halves of its change.
fn update(kind: &Kind, name: &'static str) -> Cell {
    let subject = (kind.build)();
    subject.insert(KEY, OLD);
    let updating = call({
        let subject = Arc::clone(&subject);
        move || {
            subject.update(name, KEY, &|row| {
                row.left = 99;
                panic_quietly();
            });
        }
    });
    assert_eq!(updating.finish(), End::Panicked, "the panic reaches its caller");
    let reading = call({
        let subject = Arc::clone(&subject);
        move || subject.get(KEY)
    });
    match reading.finish() {
        End::Hung => Cell::Hangs,
        End::Panicked => Cell::Poisoned,
        End::Returned(row) => match row.expect("nobody removes the row") {
            row if row.is_torn() => Cell::Torn,
            OLD => still_works(&subject),
            _ => Cell::Lost,
        },
    }
}

/// Whether the key can be written, read, changed and removed.
fn still_works(subject: &Arc<dyn Subject>) -> Cell {
    let using = call({
        let subject = Arc::clone(subject);
        move || {
            subject.insert(KEY, NEW);
            for (_, name) in subject.calls().updates {
                subject.insert(KEY, NEW);
                subject.update(name, KEY, &|row| row.add(1));
                assert_eq!(subject.get(KEY), Some(Row::of(3)), "`{name}` updates");
            }
            subject.remove(KEY);
            assert_eq!(subject.get(KEY), None);
        }
    });
    match using.finish() {
        End::Returned(()) => Cell::Safe,
        End::Panicked => Cell::Poisoned,
        End::Hung => Cell::Hangs,
    }
}
