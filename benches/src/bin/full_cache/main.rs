//! Caches that are full: how fast they are, how long single calls take, and how many values they keep
//! alive.
//!
//!     cargo run --release -p caskade-bench --bin full_cache -- [--quick] [SECTION]...
//!
//! SECTION is `throughput`, `latency` or `alive`; without one, all three run. `--quick` runs fewer
//! rounds, and takes smaller caches for the latency.
//!
//! All caches take turns in one process. The allocator is mimalloc. Every cache is checked, before it is
//! timed and afterwards: what it holds is right, and is no more than its limit if it is bound to
//! that.

mod alive;
mod latency;
mod throughput;

use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECTIONS: [&str; 3] = ["throughput", "latency", "alive"];

fn main() -> ExitCode {
    let started = Instant::now();
    let (options, sections): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let quick = options.iter().any(|option| option == "--quick");
    if options.iter().any(|option| option != "--quick")
        || sections.iter().any(|section| !SECTIONS.contains(&section.as_str()))
    {
        eprintln!("usage: full_cache [--quick] [throughput] [latency] [alive]");
        return ExitCode::from(2);
    }
    let wants = |name: &str| sections.is_empty() || sections.iter().any(|section| section == name);
    let mut goals = Vec::new();
    if wants("throughput") {
        goals.extend(throughput::run(quick));
    }
    if wants("latency") {
        latency::run(quick);
    }
    if wants("alive") {
        goals.extend(alive::run());
    }
    if !goals.is_empty() {
        println!("| goal | bar | measured | verdict |\n|---|---|---:|---|");
        goals.iter().for_each(Goal::print);
    }
    println!("\n{:.0} s in all.", started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

/// Something that should be so.
#[derive(Debug)]
struct Goal {
    name: String,
    bar: String,
    /// Nothing if it could not be measured.
    measured: Option<f64>,
    met: bool,
}

impl Goal {
    fn at_least(name: String, bar: f64, measured: Option<f64>) -> Self {
        let met = measured.is_some_and(|value| value >= bar);
        Self { name, bar: format!("≥ {bar}"), measured, met }
    }

    fn at_most(name: String, bar: f64, measured: f64) -> Self {
        let (measured, met) = (Some(measured), measured <= bar);
        Self { name, bar: format!("≤ {bar}"), measured, met }
    }

    fn print(&self) {
        let measured = self.measured.map_or("–".into(), |value| format!("{value:.2}"));
        let verdict = match (self.measured, self.met) {
            (None, _) => "no valid round",
            (_, true) => "met",
            (_, false) => "missed",
        };
        println!("| {} | {} | {measured} | {verdict} |", self.name, self.bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_bar() {
        assert!(Goal::at_least("g".into(), 1.3, Some(1.3)).met);
        assert!(!Goal::at_least("g".into(), 1.3, Some(1.29)).met);
        assert!(!Goal::at_least("g".into(), 1.3, None).met);
        assert!(Goal::at_most("g".into(), 1.25, 1.25).met);
        assert!(!Goal::at_most("g".into(), 1.25, 1.26).met);
    }
}
