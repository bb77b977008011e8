//! The races in order, and the table that comes out.

use std::fmt::Write;

use crate::abandon::{self, Fate, Follower};
use crate::cell::{Cell, Findings};
use crate::fill;
use crate::late::{self, Arrival};
use crate::panics::{self, Culprit};
use crate::subject::{Invalidation, Kind, Load, Update};
use crate::update;

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Race {
    Fill(Load, Invalidation),
    Late(Load, Invalidation, Arrival),
    Update(Update),
    Panic(Culprit),
    Abandon(Fate, Follower),
}

impl Race {
    pub(crate) fn run(self, kind: &Kind) -> Findings {
        match self {
            Self::Fill(load, invalidation) => fill::run(kind, load, invalidation),
            Self::Late(load, invalidation, arrival) => late::run(kind, load, invalidation, arrival),
            Self::Update(way) => update::run(kind, way),
            Self::Panic(culprit) => panics::run(kind, culprit),
            Self::Abandon(fate, follower) => abandon::run(kind, fate, follower),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Fill(_, invalidation) | Self::Late(_, invalidation, Arrival::After) => {
                of_invalidation(invalidation)
            }
            Self::Late(_, _, Arrival::Before) => "one key, caller came before",
            Self::Update(Update::Once) => "closure runs once",
            Self::Update(Update::Optimistic) => "closure may run again",
            Self::Panic(Culprit::Loader) => "in a loader",
            Self::Panic(Culprit::AsyncLoader) => "in a loader that is a future",
            Self::Panic(Culprit::Update) => "in an update closure",
            Self::Abandon(Fate::Forgotten, Follower::Waits) => "polled once, others wait",
            Self::Abandon(Fate::Forgotten, Follower::Comes) => "polled once, others come",
            Self::Abandon(Fate::Dropped, Follower::Waits) => "dropped, others wait",
            Self::Abandon(Fate::Dropped, Follower::Comes) => "dropped, others come",
        }
    }
}

fn of_invalidation(invalidation: Invalidation) -> &'static str {
    match invalidation {
        Invalidation::One => "one key",
        Invalidation::Many => "many keys",
        Invalidation::All => "all",
        Invalidation::Predicate => "by predicate",
        Invalidation::Transaction => "transaction",
        Invalidation::Fence => "fence",
        Invalidation::Written => "new row inserted",
        Invalidation::WrittenAndRemoved => "inserted, removed",
        Invalidation::WrittenAndEvicted => "inserted, evicted",
    }
}

const INVALIDATIONS: [Invalidation; 9] = [
    Invalidation::One,
    Invalidation::Many,
    Invalidation::All,
    Invalidation::Predicate,
    Invalidation::Transaction,
    Invalidation::Fence,
    Invalidation::Written,
    Invalidation::WrittenAndRemoved,
    Invalidation::WrittenAndEvicted,
];

/// Races of a kind.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) races: Vec<Race>,
}

/// All of them.
pub(crate) fn sections() -> Vec<Section> {
    let mut sections = Vec::new();
    for (load, title) in [
        (Load::Loader, "Invalidated during a load: is the old row kept?"),
        (Load::Async, "The same, the load is a future"),
        (Load::Bulk, "The same, a load of several keys"),
        (Load::Guarded, "The same by hand: look up, read, store with a token or guard"),
        (Load::Plain, "Control, by hand: look up, read, insert whatever happened"),
    ] {
        let races = INVALIDATIONS.map(|invalidation| Race::Fill(load, invalidation));
        sections.push(Section { title, races: races.into() });
    }
    for (load, title) in [
        (
            Load::Loader,
            "A caller comes after the invalidation and meets the old load: is it given the old row?",
        ),
        (Load::Async, "The same, the load is a future"),
    ] {
        let mut races = vec![Race::Late(load, Invalidation::One, Arrival::Before)];
        let after = INVALIDATIONS[..6].iter();
        races.extend(after.map(|invalidation| Race::Late(load, *invalidation, Arrival::After)));
        sections.push(Section { title, races });
    }
    let races = vec![Race::Update(Update::Once), Race::Update(Update::Optimistic)];
    sections.push(Section { title: "A plain write during an update: is it lost?", races });
    let culprits = [Culprit::Loader, Culprit::AsyncLoader, Culprit::Update];
    let races = culprits.map(Race::Panic).into();
    sections.push(Section { title: "User code panics", races });
    let races = vec![
        Race::Abandon(Fate::Forgotten, Follower::Waits),
        Race::Abandon(Fate::Forgotten, Follower::Comes),
        Race::Abandon(Fate::Dropped, Follower::Waits),
        Race::Abandon(Fate::Dropped, Follower::Comes),
    ];
    sections.push(Section { title: "The future that leads a load is abandoned", races });
    sections
}

/// How tables look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Markdown,
}

/// Runs a section and shows it; nothing if nobody has calls for it.
pub(crate) fn show(section: &Section, kinds: &[Kind], format: Format) -> Option<String> {
    let mut lines = vec![kinds.iter().map(|kind| kind.name.to_string()).collect::<Vec<_>>()];
    let mut labels = vec![String::new()];
    let mut notes = String::new();
    for race in &section.races {
        let found: Vec<Findings> = kinds.iter().map(|kind| race.run(kind)).collect();
        if found.iter().all(|findings| findings.worst().is_none()) {
            continue;
        }
        for (kind, findings) in kinds.iter().zip(&found).filter(|(_, found)| found.differ()) {
            notes += &note(kind, *race, findings);
        }
        labels.push(race.label().to_string());
        lines.push(found.iter().map(Findings::to_string).collect());
    }
    if lines.len() == 1 {
        return None;
    }
    let heading = match format {
        Format::Plain => "",
        Format::Markdown => "### ",
    };
    let lines = aligned(&labels, &lines, format);
    let separator = if notes.is_empty() { "" } else { "\n" };
    Some(format!("{heading}{}\n\n{lines}{separator}{notes}", section.title))
}

fn note(kind: &Kind, race: Race, findings: &Findings) -> String {
    let cells = findings.0.iter().map(|(call, cell)| format!("`{call}` {}", cell.name()));
    let cells = cells.collect::<Vec<_>>().join(", ");
    format!("- {}, {}: {cells}\n", kind.name, race.label())
}

/// A table with its first column to the left.
pub(crate) fn aligned(labels: &[String], lines: &[Vec<String>], format: Format) -> String {
    let (left, between, right) = match format {
        Format::Plain => ("", "  ", ""),
        Format::Markdown => ("| ", " | ", " |"),
    };
    let label_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut shown = String::new();
    for (at, (label, line)) in labels.iter().zip(lines).enumerate() {
        let mut text = format!("{left}{label:label_width$}");
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{between}{cell:width$}");
        }
        shown += &format!("{}\n", format!("{text}{right}").trim_end());
        if at == 0 && format == Format::Markdown {
            let rules = widths.iter().map(|width| "-".repeat(width + 2));
            let rules = rules.collect::<Vec<_>>().join("|");
            shown += &format!("|{}|{rules}|\n", "-".repeat(label_width + 2));
        }
    }
    shown
}

/// What the cells mean.
pub(crate) fn key() -> String {
    let lines = Cell::ALL.map(|cell| format!("- {}: {}\n", cell.name(), cell.meaning()));
    format!("{}- n/a: there is no such call\n", lines.concat())
}

/// Which calls stand behind the lines.
pub(crate) fn legend(kinds: &[Kind]) -> String {
    kinds.iter().map(legend_of).collect()
}

fn legend_of(kind: &Kind) -> String {
    let calls = (kind.build)().calls();
    let listed = |verb: &str, names: Vec<&str>| match names[..] {
        [] => format!("; {verb} nothing"),
        _ => format!("; {verb} `{}`", names.join("`, `")),
    };
    let loads = listed("loads with", calls.loads.iter().map(|call| call.1).collect());
    let invalidations =
        listed("invalidates with", calls.invalidations.iter().map(|call| call.1).collect());
    let updates = listed("updates with", calls.updates.iter().map(|call| call.1).collect());
    format!("- {}{loads}{invalidations}{updates}\n", kind.name)
}
