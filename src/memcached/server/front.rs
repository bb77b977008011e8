//! The server as a whole: it binds, tells that it is ready, and ends when it is told to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::arguments::Settings;
use super::client::Patience;
use super::control::Control;
use super::door::{Door, House, Listener};
use super::listening::{self, Sockets};
use super::readiness::{self, PidFile};
use super::say;
use super::stopping::Stopping;
use super::workers::{self, Turns, Workers};
use crate::bytes::{Store, StoreBuilder};
use crate::memcached::double::Double;
use crate::memcached::{Config, Service};
use crate::sync::AtomicU64;

/// How long clients have, once the server is to end, to take their answers.
const GRACE: Duration = Duration::from_secs(5);
/// Descriptors beside those of connections.
const OTHER_DESCRIPTORS: u64 = 64;

/// Runs a server until it is told to end.
pub(super) fn run(settings: &Settings) -> Result<(), String> {
    let wanted = u64::from(settings.connections) + OTHER_DESCRIPTORS;
    if listening::reserve_descriptors(wanted) < wanted {
        say(format_args!("warning: -c: the system's limit of open files allows fewer connections"));
    }
    let sockets = Sockets::bind(settings)?;
    let runtime = workers::runtime().map_err(|error| error.to_string())?;
    runtime.block_on(serve(settings, sockets))
}

async fn serve(settings: &Settings, sockets: Sockets) -> Result<(), String> {
    let system = |error: io::Error| error.to_string();
    // Before anybody can know of the server, so that no signal finds it unprepared.
    let mut stopping = Stopping::new(settings.ends_with_stdin).map_err(system)?;
    let (_workers, turns) = Workers::start(&Handle::current(), settings.threads).map_err(system)?;
    let (stop, stopped) = watch::channel(false);
    let house = Arc::new(house(settings, &sockets, stopped)?);
    let pid_file = settings.pid_file.as_deref().map(PidFile::write).transpose();
    let _pid_file = pid_file.map_err(|error| format!("-P: {error}"))?;
    announce(settings, &sockets)?;

    let mut doors = open(sockets, &house, &turns).map_err(system)?;
    stopping.wait().await;
    doors.shutdown().await;
    stop.send_replace(true);
    let all_gone = house.slots.acquire_many(settings.connections);
    tokio::select! {
        _ = tokio::time::timeout(GRACE, all_gone) => {}
        // Who asks twice is in a hurry.
        () = stopping.wait() => {}
    }
    Ok(())
}

fn open(sockets: Sockets, house: &Arc<House>, turns: &Turns) -> io::Result<JoinSet<()>> {
    let mut doors = JoinSet::new();
    for listener in Listener::all(sockets)? {
        let door = Door::new(listener, Arc::clone(house), turns.clone());
        doors.spawn(door.admit_all());
    }
    Ok(doors)
}

fn announce(settings: &Settings, sockets: &Sockets) -> Result<(), String> {
    let addresses = sockets.addresses();
    if let Some(path) = readiness::port_file() {
        readiness::write_ports(&path, &addresses)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if settings.verbosity > 0 {
        for address in &addresses {
            say(format_args!("server listening on {address}"));
        }
    }
    let unix = sockets.unix.as_ref().map(|(_, file)| file.path());
    readiness::announce(&readiness::line(&addresses, unix, settings.compat.version()));
    Ok(())
}

fn house(
    settings: &Settings,
    sockets: &Sockets,
    stopped: watch::Receiver<bool>,
) -> Result<House, String> {
    let (service, double) = service(settings, sockets)?;
    Ok(House {
        service,
        double,
        clients: AtomicU64::new(0),
        slots: Arc::new(Semaphore::new(settings.connections as usize)),
        patience: Patience { idle: settings.idle_timeout, write: settings.write_timeout },
        stopped,
        other: settings.other,
        is_verbose: settings.verbosity > 1,
        #[cfg(feature = "tls")]
        tls: settings.certificate.as_ref().map(super::tls::acceptor).transpose()?,
    })
}

fn service(settings: &Settings, sockets: &Sockets) -> Result<(Service, Option<Double>), String> {
    let config = Config {
        compat: settings.compat,
        flush: settings.flush,
        cas: settings.cas,
        max_connections: settings.connections,
        threads: settings.threads,
        port: sockets.addresses().first().map_or(0, |address| address.port()),
        idle_timeout: settings.idle_timeout.map_or(0, |limit| limit.as_secs() as u32),
        protocol: settings.protocol,
    };
    let text = |error: crate::BuildError| error.to_string();
    if !settings.has_control {
        return Ok((Service::with(store(settings).build().map_err(text)?, config), None));
    }
    let (control, store) = Control::over(store(settings)).map_err(text)?;
    let double = control.double();
    Ok((Service::with_extension(store, config, Arc::new(control)), Some(double)))
}

fn store(settings: &Settings) -> StoreBuilder {
    Store::builder()
        .memory_limit(settings.memory)
        .item_limit(settings.item_limit)
        .evicts(settings.evicts)
}
