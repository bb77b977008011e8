//! How a run shows that it is alive: one line that changes on a terminal, a line now and then
//! elsewhere.

use std::io::{self, Write};
use std::time::Duration;

use crate::report::{grouped, seconds};
use crate::station::Event;

/// Where and how progress is shown.
pub(crate) struct Screen<'o> {
    out: &'o mut dyn Write,
    style: Style,
    /// The last percentage that got a line of its own.
    reported: usize,
    /// The first error of `out`; nothing is shown after it.
    result: io::Result<()>,
}

/// What the output can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Terminal,
    Lines,
    Silent,
}

const BAR: usize = 24;
const PERCENT_PER_LINE: usize = 25;
/// Back to the left margin, and wipe the line.
const WIPE: &str = "\r\x1b[K";

impl<'o> Screen<'o> {
    pub(crate) fn new(out: &'o mut dyn Write, style: Style) -> Self {
        Self { out, style, reported: 0, result: Ok(()) }
    }

    /// Shows `event`.
    pub(crate) fn show(&mut self, event: &Event<'_>) {
        if self.style != Style::Silent && self.result.is_ok() {
            self.result = self.try_show(event).and_then(|()| self.out.flush());
        }
    }

    /// Wipes what is left of the progress, and says whether all of it could be shown.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.result?;
        match self.style {
            Style::Terminal => write!(self.out, "{WIPE}"),
            Style::Lines | Style::Silent => Ok(()),
        }
    }

    fn try_show(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Progress { done, of, locked } => match self.style {
                Style::Terminal => self.bar(*done, *of, locked.as_ref()),
                Style::Lines => self.line(*done, *of),
                Style::Silent => Ok(()),
            },
            Event::Crashed { crash, holds } => {
                let (part, words) = (&crash.part, &crash.last_words);
                self.note(&format!("A thread of bay {} crashed: \"{words}\".", crash.bay))?;
                let time = seconds(*holds);
                self.note(&format!("Its lock on {part} stays behind; it holds for {time}."))
            }
            Event::Reopened { crash, after } => {
                let (part, time) = (&crash.part, seconds(*after));
                self.note(&format!(
                    "{part} opened by itself: the waiting order got it after {time}."
                ))
            }
        }
    }

    /// A line that stays.
    fn note(&mut self, text: &str) -> io::Result<()> {
        let wipe = if self.style == Style::Terminal { WIPE } else { "" };
        writeln!(self.out, "{wipe}  {text}")
    }

    fn bar(&mut self, done: usize, of: usize, locked: Option<&(&str, Duration)>) -> io::Result<()> {
        let full = "#".repeat(done * BAR / of);
        let (done, of) = (grouped(done), grouped(of));
        write!(self.out, "{WIPE}  [{full:.<BAR$}] {done} of {of}")?;
        match locked {
            Some((part, time)) => write!(self.out, ", {part} locked for {}", seconds(*time)),
            None => Ok(()),
        }
    }

    fn line(&mut self, done: usize, of: usize) -> io::Result<()> {
        let percent = done * 100 / of;
        if percent / PERCENT_PER_LINE == self.reported / PERCENT_PER_LINE {
            return Ok(());
        }
        self.reported = percent;
        writeln!(self.out, "  {percent:>3} %  {} of {}", grouped(done), grouped(of))
    }
}
