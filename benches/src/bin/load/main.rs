//! Load for servers that speak memcached: processor time per operation, each value checked.
//!
//! ```sh
//! cargo build --release --features server --bin caskade-server
//! cargo run --release -p caskade-bench --bin load -- \
//!     "memcached -t 1 -u nobody" "target/release/caskade-server -t 1"
//! ```
//!
//! Each argument is a server to start; port, address and memory are added. The servers are loaded in
//! turn, round after round, by four connections that send nine reads to one write (Zipf 0.99 over
//! 100 000 keys, values of 100 bytes). The answer to every batch is known beforehand, to the byte, and
//! compared. What counts is the time that the server's threads have spent on a processor, as the
//! kernel tells it, per operation, a key of a multi-get being one. Throughput is a note: the load takes
//! part of the same machine. `--rounds N` and `--seconds N` (of a round; 0.5) make it longer, `--only
//! "depth 1"` leaves out loads of other names.

mod batch;
mod server;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use batch::{Batch, Kind};
use caskade_bench::keys::Zipf;
use server::Server;

const CONNECTIONS: usize = 4;

/// Different batches of a connection, sent again and again.
const BATCHES: usize = 64;

/// What is measured.
const LOADS: [(&str, Kind, usize); 9] = [
    ("text, depth 1", Kind::Text, 1),
    ("text, depth 50", Kind::Text, 50),
    ("text, multi-get 50", Kind::MultiGet, 50),
    ("meta, depth 1", Kind::Meta, 1),
    ("meta, depth 50", Kind::Meta, 50),
    ("meta quiet, depth 50", Kind::MetaQuiet, 50),
    ("binary, depth 1", Kind::Binary, 1),
    ("binary, depth 50", Kind::Binary, 50),
    ("binary quiet, multi-get 50", Kind::BinaryQuiet, 50),
];

struct Arguments {
    servers: Vec<String>,
    rounds: usize,
    time: Duration,
    /// What the names of loads must contain.
    only: String,
}

fn arguments() -> Result<Arguments, String> {
    let (mut servers, mut rounds, mut seconds) = (Vec::new(), 7, 0.5);
    let mut only = String::new();
    let mut all = std::env::args().skip(1);
    while let Some(argument) = all.next() {
        if argument == "--only" {
            only = all.next().ok_or("--only needs a part of a name")?;
            continue;
        }
        let mut number = |name: &str| -> Result<f64, String> {
            let text = all.next().ok_or(format!("{name} needs a number"))?;
            text.parse().map_err(|_| format!("{name} needs a number, not {text}"))
        };
        match argument.as_str() {
            "--rounds" => rounds = number("--rounds")? as usize,
            "--seconds" => seconds = number("--seconds")?,
            _ => servers.push(argument),
        }
    }
    if servers.is_empty() || rounds == 0 || !(0.0..=3600.0).contains(&seconds) {
        return Err("give the servers to start, and sensible numbers".into());
    }
    Ok(Arguments { servers, rounds, time: Duration::from_secs_f64(seconds), only })
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments).map_err(|error| error.to_string())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What one server took in one round.
#[derive(Clone, Copy)]
struct Sample {
    /// Processor time of the server, in microseconds per operation.
    cost: f64,
    /// Operations per second.
    rate: f64,
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    let servers = arguments.servers.iter().map(|line| Server::start(line));
    let servers = servers.collect::<Result<Vec<_>, _>>()?;
    for server in &servers {
        fill(server)?;
    }
    println!(
        "| load | server | µs of processor per operation, median (least) | to the first | kop/s |"
    );
    println!("|---|---|---|---|---|");
    let zipf = Zipf::new(batch::KEYS, 0.99);
    let wanted = LOADS.iter().filter(|(name, ..)| name.contains(&arguments.only));
    for &(name, kind, depth) in wanted {
        let plans: Vec<Vec<Batch>> = (0..CONNECTIONS)
            .map(|seed| {
                (0..BATCHES).map(|n| Batch::new(kind, depth, &zipf, seed * BATCHES + n)).collect()
            })
            .collect();
        let mut samples = vec![Vec::new(); servers.len()];
        for round in 0..=arguments.rounds {
            for (server, samples) in servers.iter().zip(&mut samples) {
                let sample = load(server, &plans, arguments.time)?;
                if round > 0 {
                    samples.push(sample); // the first one warms up
                }
            }
        }
        report(name, &arguments.servers, &samples);
    }
    Ok(())
}

/// Stores what all batches will ask for.
fn fill(server: &Server) -> std::io::Result<()> {
    let mut stream = server.connect()?;
    for batch in batch::all_sets() {
        exchange(&mut stream, &batch, &mut Vec::new())?;
    }
    Ok(())
}

fn load(server: &Server, plans: &[Vec<Batch>], time: Duration) -> std::io::Result<Sample> {
    let over = AtomicBool::new(false);
    let mut streams = plans.iter().map(|_| server.connect()).collect::<Result<Vec<_>, _>>()?;
    let (before, start) = (server.processor_time()?, Instant::now());
    let operations = thread::scope(|scope| {
        let loops: Vec<_> = plans
            .iter()
            .zip(&mut streams)
            .map(|(plan, stream)| scope.spawn(|| send(stream, plan, &over)))
            .collect();
        while start.elapsed() < time {
            thread::park_timeout(time.saturating_sub(start.elapsed()));
        }
        over.store(true, Ordering::Relaxed);
        loops.into_iter().map(|done| done.join().expect("no panic")).sum::<std::io::Result<u64>>()
    })?;
    let (spent, wall) = (server.processor_time()? - before, start.elapsed());
    let operations = operations as f64;
    Ok(Sample {
        cost: spent.as_secs_f64() * 1e6 / operations,
        rate: operations / wall.as_secs_f64(),
    })
}

/// Sends batches until it is over. Returns how many operations that were.
fn send(stream: &mut TcpStream, plan: &[Batch], over: &AtomicBool) -> std::io::Result<u64> {
    let mut answer = Vec::new();
    let mut operations = 0;
    for batch in plan.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        exchange(stream, batch, &mut answer)?;
        operations += batch.operations;
    }
    Ok(operations)
}

/// Sends a batch and checks its answer.
fn exchange(stream: &mut TcpStream, batch: &Batch, answer: &mut Vec<u8>) -> std::io::Result<()> {
    stream.write_all(&batch.request)?;
    answer.resize(batch.answer.len(), 0);
    stream.read_exact(answer)?;
    batch.forget_stamps(answer);
    if *answer != batch.answer {
        let found = String::from_utf8_lossy(answer);
        return Err(std::io::Error::other(format!("a wrong answer: {found}")));
    }
    Ok(())
}

fn report(name: &str, servers: &[String], samples: &[Vec<Sample>]) {
    let costs: Vec<f64> = samples.iter().map(|all| median(all, |sample| sample.cost)).collect();
    for ((server, samples), cost) in servers.iter().zip(samples).zip(&costs) {
        let least = samples.iter().map(|sample| sample.cost).fold(f64::INFINITY, f64::min);
        let rate = median(samples, |sample| sample.rate) / 1000.0;
        let server = server.split_whitespace().next().unwrap_or_default();
        let server = server.rsplit('/').next().unwrap_or_default();
        let ratio = cost / costs[0];
        println!("| {name} | {server} | {cost:.2} ({least:.2}) | {ratio:.2} | {rate:.0} |");
    }
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let mut all: Vec<f64> = samples.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
