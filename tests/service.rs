//! The service example over HTTP: clients that come many at a time, and clients that hang up in the
//! middle of a fetch. The backend answers when the test says so, and tells what it is asked.

#[path = "../examples/service/backend.rs"]
mod backend;
#[path = "../examples/service/service.rs"]
mod service;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use backend::{Backend, Unavailable};
use caskade::{Clock, ManualClock, SystemClock};
use service::{ABSENT_FOR, Articles, Service};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

/// Nothing here takes as long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Result<Option<String>, Unavailable>;

/// A question to the backend. Dropped without an answer, it is as if the backend were unavailable.
struct Question {
    name: String,
    answer: oneshot::Sender<Answer>,
}

impl Question {
    fn answer(self, text: &str) {
        self.answer.send(Ok(Some(text.into()))).expect("somebody waits for the answer");
    }

    /// Returns when nobody waits for the answer any more.
    fn wait_until_abandoned(mut self) {
        let runtime = runtime::Builder::new_current_thread().enable_time().build();
        let abandoned = async { tokio::time::timeout(PATIENCE, self.answer.closed()).await };
        runtime.expect("a runtime").block_on(abandoned).expect("the fetch is given up");
    }
}

/// Hands its questions to the test.
struct Gated(Sender<Question>);

impl Backend for Gated {
    async fn article(&self, name: &str) -> Answer {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Question { name: name.into(), answer });
        answered.await.unwrap_or(Err(Unavailable))
    }
}

/// The service on a port of its own.
struct Server {
    address: SocketAddr,
    articles: Articles,
    clock: ManualClock,
    questions: Receiver<Question>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let (sender, questions) = mpsc::channel();
        let clock = ManualClock::new();
        let articles = Articles::builder().clock(clock.clone()).build();
        let articles = articles.expect("the settings are sound");
        let service = Service::new(articles.clone(), Gated(sender));
        let (end, ended) = oneshot::channel::<()>();
        let (started, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                started.send(listener.local_addr().expect("it is bound")).expect("the test waits");
                let end = async { drop(ended.await) };
                service::serve(listener, service, end).await.expect("it serves");
            });
        });
        let address = address.recv_timeout(PATIENCE).expect("the server starts");
        Self { address, articles, clock, questions, end: Some(end), thread: Some(thread) }
    }

    fn send(&self, method: &str, name: &str) -> Client {
        Client::send(self.address, method, name)
    }

    fn get(&self, name: &str) -> Client {
        self.send("GET", name)
    }

    /// The next question that the backend is asked.
    fn question(&self) -> Question {
        self.questions.recv_timeout(PATIENCE).expect("the backend is asked")
    }

    /// Returns when so many requests have found nothing in the cache. The server has one thread: when
    /// it does something else, they have come to where they wait.
    fn wait_for_misses(&self, count: u64) {
        let deadline = SystemClock.now() + PATIENCE;
        while self.articles.stats().misses < count {
            assert!(SystemClock.now() < deadline, "the requests come");
            thread::yield_now();
        }
    }

    fn assert_nobody_asks(&self) {
        assert!(self.questions.try_recv().is_err(), "the backend is asked in vain");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        assert!(ended.is_ok() || thread::panicking(), "the server panics");
    }
}

/// A client that has sent its request.
struct Client(TcpStream);

impl Client {
    fn send(address: SocketAddr, method: &str, name: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let request = format!(
            "{method} /articles/{name} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        Self(stream)
    }

    /// The status and the text of the response.
    fn response(mut self) -> (u16, String) {
        let mut response = String::new();
        self.0.read_to_string(&mut response).expect("the server responds");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.into())
    }

    fn hang_up(self) {
        self.0.shutdown(Shutdown::Both).expect("it is connected");
    }
}

fn found(text: &str) -> (u16, String) {
    (200, text.into())
}

#[test]
fn an_article_is_fetched_once() {
    let server = Server::start();
    let client = server.get("a");
    let question = server.question();
    assert_eq!(question.name, "a");
    question.answer("text");
    assert_eq!(client.response(), found("text"));
    assert_eq!(server.get("a").response(), found("text"));
    server.assert_nobody_asks();
}

#[test]
fn many_clients_at_once_cause_one_fetch() {
    let server = Server::start();
    let clients: Vec<_> = (0..20).map(|_| server.get("a")).collect();
    let question = server.question();
    server.wait_for_misses(20);
    question.answer("text");
    for client in clients {
        assert_eq!(client.response(), found("text"));
    }
    server.assert_nobody_asks();
    assert_eq!(server.articles.stats().loads, 1);
}

#[test]
fn names_do_not_wait_for_each_other() {
    let server = Server::start();
    let (a, b) = (server.get("a"), server.get("b"));
    let mut questions = [server.question(), server.question()];
    questions.sort_by(|one, other| one.name.cmp(&other.name));
    let [first, second] = questions;
    second.answer("text b");
    assert_eq!(b.response(), found("text b"));
    first.answer("text a");
    assert_eq!(a.response(), found("text a"));
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let server = Server::start();
    let client = server.get("a");
    let abandoned = server.question();
    client.hang_up();
    abandoned.wait_until_abandoned();

    let next = server.get("a");
    server.question().answer("text");
    assert_eq!(next.response(), found("text"));
}

#[test]
fn whoever_waits_takes_over_when_a_client_hangs_up() {
    let server = Server::start();
    let client = server.get("a");
    let abandoned = server.question();
    let waiting: Vec<_> = (0..5).map(|_| server.get("a")).collect();
    server.wait_for_misses(6);
    client.hang_up();
    abandoned.wait_until_abandoned();

    server.question().answer("text");
    for client in waiting {
        assert_eq!(client.response(), found("text"));
    }
    server.assert_nobody_asks();
}

#[test]
fn a_client_that_waits_and_hangs_up_disturbs_nobody() {
    let server = Server::start();
    let client = server.get("a");
    let question = server.question();
    let waiting = server.get("a");
    server.wait_for_misses(2);
    waiting.hang_up();
    question.answer("text");
    assert_eq!(client.response(), found("text"));
    assert_eq!(server.get("a").response(), found("text"));
    server.assert_nobody_asks();
}

#[test]
fn an_error_is_met_by_its_own_client_only() {
    let server = Server::start();
    let client = server.get("a");
    let question = server.question();
    let waiting = server.get("a");
    server.wait_for_misses(2);
    question.answer.send(Err(Unavailable)).expect("somebody waits for the answer");
    assert_eq!(client.response(), (502, String::new()));
    server.question().answer("text");
    assert_eq!(waiting.response(), found("text"));
}

#[test]
fn what_was_fetched_before_a_change_is_not_kept() {
    let server = Server::start();
    let before = server.get("a");
    let old = server.question();
    assert_eq!(server.send("DELETE", "a").response(), (204, String::new()));
    let after = server.get("a");
    let new = server.question(); // it does not wait for the fetch from before

    new.answer("new");
    assert_eq!(after.response(), found("new"));
    old.answer("old");
    assert_eq!(before.response(), found("old"));
    assert_eq!(server.get("a").response(), found("new"));
    server.assert_nobody_asks();
}

#[test]
fn that_there_is_no_article_is_remembered_for_a_short_time() {
    let server = Server::start();
    let client = server.get("a");
    server.question().answer.send(Ok(None)).expect("somebody waits for the answer");
    assert_eq!(client.response(), (404, String::new()));
    server.clock.advance(ABSENT_FOR - Duration::from_nanos(1));
    assert_eq!(server.get("a").response(), (404, String::new()));
    server.assert_nobody_asks();

    server.clock.advance(Duration::from_nanos(1));
    let client = server.get("a");
    server.question().answer("text");
    assert_eq!(client.response(), found("text"));
}
