//! A small web service in front of a slow backend, whose clients come many at a time and hang up.
//!
//! ```text
//! cargo run --release --example service
//! cargo run --release --example service -- 127.0.0.1:8080
//! ```
//!
//! Articles are fetched from the [`backend`] once, however many clients want them at the same time: the
//! first client's request fetches, the others wait for it. When a client hangs up, the server drops
//! its request, and with it the fetch; if others wait, one of them fetches in its place, and none of
//! them notices. All of that is one call of `try_get_or_load_async` in [`service`].

mod backend;
mod service;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use backend::{Backend, Unavailable};
use service::{Articles, Service};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let Ok(address) = address.parse() else {
        eprintln!("{address} is no address and port, such as 127.0.0.1:8080");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(address))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(address: SocketAddr) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("curl http://{address}/articles/caches            # takes a while the first time");
    println!("curl -X DELETE http://{address}/articles/caches  # and now it does again");
    println!("curl http://{address}/articles/unheard-of        # is remembered for a short time");
    let service = Service::new(Articles::new(), Slow);
    service::serve(listener, service, std::future::pending()).await
}

/// A backend that takes its time.
#[derive(Clone, Copy, Debug)]
struct Slow;

impl Backend for Slow {
    async fn article(&self, name: &str) -> Result<Option<String>, Unavailable> {
        println!("fetching {name}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        println!("fetched {name}");
        Ok((name != "unheard-of").then(|| format!("All there is to say about {name}.\n")))
    }
}
