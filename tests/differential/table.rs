//! What has been compared, for people to read: `src/memcached/compatibility.md`.
//!
//! Each test owns a section of it. With `CASKADE_WRITE_TABLE=1` it writes that anew, otherwise it
//! insists that it is up to date.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::case::Case;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/memcached/compatibility.md");

/// The tests that write sections write one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// How often each kind of request was answered alike.
#[derive(Debug, Default)]
pub(crate) struct Table {
    cases: u32,
    rows: BTreeMap<String, u32>,
}

impl Table {
    /// All of `case` was answered alike.
    pub(crate) fn count(&mut self, case: &Case) {
        self.cases += 1;
        for row in case.batches.iter().flat_map(|b| &b.requests).flat_map(|r| &r.rows) {
            *self.rows.entry(row.clone()).or_default() += 1;
        }
    }

    /// The section called `title`, of the rows that `belongs` takes.
    pub(crate) fn keep(&self, title: &str, belongs: fn(&str) -> bool) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let section = self.section(title, belongs);
        let text = fs::read_to_string(PATH).expect("it is in the repository");
        let begin = text.find(&format!("## {title}\n")).expect("the section is there");
        let end = text[begin + 1..].find("\n## ").map_or(text.len(), |len| begin + 1 + len + 1);
        if text[begin..end].trim_end() == section.trim_end() {
            return;
        }
        assert!(
            env::var_os("CASKADE_WRITE_TABLE").is_some(),
            "{PATH} is not what was compared: run this with CASKADE_WRITE_TABLE=1\n{section}"
        );
        let end_of_section = if end == text.len() { "" } else { "\n" };
        let text = [&text[..begin], &section, end_of_section, &text[end..]].concat();
        fs::write(PATH, text).expect("a repository to write to");
    }

    fn section(&self, title: &str, belongs: fn(&str) -> bool) -> String {
        let mut text = format!("## {title}\n\n{} cases.\n\n", self.cases);
        text.push_str("| request | compared |\n|---|---:|\n");
        for (row, count) in self.rows.iter().filter(|(row, _)| belongs(row)) {
            let _ = writeln!(text, "| {row} | {count} |");
        }
        text
    }
}
