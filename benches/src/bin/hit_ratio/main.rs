//! How many requests each cache answers: traces replayed at several sizes, beside the best that is
//! possible.
//!
//!     cargo run --release -p caskade-bench --bin hit_ratio -- [FOLDER] [OPTION]...
//!
//!     FOLDER              holds the traces, NAME.u64.zst (see `caskade_bench::trace`); without
//!                         it a small made-up trace is replayed, benches/traces/mixed.u64.zst
//!     --sizes 0.5,2,8,20  capacities in percent of a trace's keys, but at least 128 entries
//!     --plots FOLDER      also draws a plot for each trace
//!     --threads 8         instead: caskade alone, each trace dealt out to 8 threads against one
//!     --no-zipf           leaves out the made-up Zipf traces
//!
//!     cargo run --release -p caskade-bench --bin hit_ratio -- generate FILE
//!
//! writes the made-up trace anew (`caskade_bench::made_up::mixed`).
//!
//! A miss is followed by an insert. The optimum may let a key pass by without keeping it. "moka,
//! tidy" is made to catch up before it holds more than its limit (`subjects::TidyMoka`); "moka" as it
//! comes holds more now and then, and has the hits of a larger cache. "Peak" is the most entries that
//! were seen: moka's are counted by walking through it at random moments, so that a short peak may
//! be missed; the others' after every insert.
//!
//! The gap is what lies between exact LRU and the optimum. Its mean leaves out cells where it is
//! smaller than half a point.
//!
//! Every cell is checked: no request is lost, every hit has the right value, nobody who keeps to the
//! limit has more hits than the optimum or more entries than the limit. Failures and files that are
//! no traces are told on standard error and make the exit code 1.

mod arguments;
mod cells;
mod plot;
mod report;
mod summary;

use std::path::Path;
use std::process::ExitCode;

use caskade_bench::made_up;
use caskade_bench::trace::{Trace, decode, encode, traces_in};

use arguments::{Command, Options};
use cells::{Cell, Job};
use report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MADE_UP: &[u8] = include_bytes!("../../../traces/mixed.u64.zst");
const MADE_UP_REQUESTS: usize = 36_000;

const LEAST_ENTRIES: usize = 128;

const ZIPF_KEYS: usize = 1_000_000;
const ZIPF_REQUESTS: usize = 3_000_000;
const ZIPF_SIZES: [usize; 2] = [ZIPF_KEYS / 100, ZIPF_KEYS / 10];

fn main() -> ExitCode {
    let done = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", arguments::USAGE);
            Ok(true)
        }
        Ok(Command::Generate(file)) => generate(&file),
        Ok(Command::Replay(options)) => run(&options),
        Err(message) => Err(format!("{message}\n{}", arguments::USAGE)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("hit_ratio: {message}");
            ExitCode::from(2)
        }
    }
}

fn generate(file: &Path) -> Result<bool, String> {
    let bytes = encode(&made_up::mixed(MADE_UP_REQUESTS));
    std::fs::write(file, &bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{} bytes in {}", bytes.len(), file.display());
    Ok(true)
}

/// Whether everything was right.
fn run(options: &Options) -> Result<bool, String> {
    if let Some(plots) = &options.plots {
        std::fs::create_dir_all(plots).map_err(|error| format!("{}: {error}", plots.display()))?;
    }
    let (traces, mut right) = match &options.folder {
        Some(folder) => read_all(folder)?,
        None => (vec![made_up_trace()], true),
    };
    if let Some(threads) = options.threads {
        return Ok(dealt_out(&traces, options, threads) && right);
    }
    let recorded = cells::replay_all(&jobs(&traces, options));
    let report = Report::default();
    for trace in &traces {
        let of_trace: Vec<&Cell> =
            recorded.iter().filter(|cell| cell.trace == trace.name).collect();
        report.trace(trace, &of_trace);
        if let Some(folder) = &options.plots {
            let path = folder.join(format!("{}.svg", trace.name));
            let plot = plot::svg(&trace.name, &of_trace);
            std::fs::write(&path, plot).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    report.means(&recorded);
    let mut zipf = Vec::new();
    if options.zipf {
        let traces = [0.8, 0.9, 1.0].map(zipf_trace);
        let jobs = traces.iter().flat_map(|trace| ZIPF_SIZES.map(|capacity| job(trace, capacity)));
        zipf = cells::replay_all(&jobs.collect::<Vec<_>>());
        report.zipf(&zipf);
    }
    report.goals(&recorded, &zipf);
    for fault in recorded.iter().chain(&zipf).flat_map(Cell::faults) {
        eprintln!("hit_ratio: {fault}");
        right = false;
    }
    Ok(right)
}

fn made_up_trace() -> Trace {
    let keys = decode(MADE_UP).expect("the file is part of this program");
    Trace::new("mixed", keys)
}

fn zipf_trace(exponent: f64) -> Trace {
    let keys = made_up::zipf(exponent, ZIPF_KEYS, ZIPF_REQUESTS);
    Trace::new(format!("Zipf {exponent:.1}"), keys)
}

/// All traces that can be read, and whether these are all there are.
fn read_all(folder: &Path) -> Result<(Vec<Trace>, bool), String> {
    let paths = traces_in(folder)?;
    let files = paths.len();
    let mut traces = Vec::new();
    for path in paths {
        match Trace::read(&path) {
            Ok(trace) => traces.push(trace),
            Err(error) => eprintln!("hit_ratio: left out: {} {error}", path.display()),
        }
    }
    if traces.is_empty() {
        return Err(format!("no trace in {} could be read", folder.display()));
    }
    let all = traces.len() == files;
    Ok((traces, all))
}

/// One for each trace and capacity. Sizes of a small trace that come to the same capacity count once.
fn jobs<'a>(traces: &'a [Trace], options: &Options) -> Vec<Job<'a>> {
    let of_trace = |trace: &'a Trace| {
        let sizes = options.sizes.iter();
        let mut sizes: Vec<usize> =
            sizes.map(|percent| trace.entries_at(*percent, LEAST_ENTRIES)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.into_iter().map(move |capacity| job(trace, capacity))
    };
    traces.iter().flat_map(of_trace).collect()
}

fn job(trace: &Trace, capacity: usize) -> Job<'_> {
    Job { trace, capacity }
}

fn dealt_out(traces: &[Trace], options: &Options, threads: usize) -> bool {
    let rows = cells::deal_out(&jobs(traces, options), threads);
    report::dealt_out(&rows, threads);
    rows.iter().flat_map(cells::DealtOut::faults).inspect(|f| eprintln!("hit_ratio: {f}")).count()
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_what_the_generator_makes() {
        assert_eq!(decode(MADE_UP), Ok(made_up::mixed(MADE_UP_REQUESTS)));
        assert!(MADE_UP.len() < 110_000);
    }

    #[test]
    fn sizes_that_come_to_the_same_count_once() {
        let trace = [Trace::new("small", (0..1_000).collect())];
        let options = Options { sizes: vec![0.5, 2.0, 20.0], ..Options::default() };
        let capacities: Vec<usize> = jobs(&trace, &options).iter().map(|j| j.capacity).collect();
        assert_eq!(capacities, [128, 200]);
    }
}
