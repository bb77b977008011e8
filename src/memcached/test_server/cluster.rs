//! [`Cluster`]: several servers with one clock and one log.

use std::io;
use std::net::SocketAddr;
use std::ops::Index;

use super::{Keep, TestServer, TestServerBuilder, verify_at_end};
use crate::memcached::double::{
    Double, Expectation, Faults, Log, Matcher, Record, TimedOut, Unmet,
};
use crate::time::ManualClock;

/// Several test servers with one clock, one log, and the same faults and expectations.
///
/// A node is a [`TestServer`], and can be stopped, paused and restarted by itself. Matchers name it
/// with [`Matcher::node`].
///
/// # Examples
///
/// ```
/// use caskade::memcached::test_server::{Cluster, Keep};
/// use std::net::TcpStream;
///
/// let mut cluster = Cluster::start(3)?;
/// cluster.stop(1);
/// assert!(TcpStream::connect(cluster.addrs()[1]).is_err());
/// cluster.restart(1, Keep::Nothing)?;
/// assert!(TcpStream::connect(cluster.addrs()[1]).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<TestServer>,
    clock: ManualClock,
    double: Double,
}

impl Cluster {
    /// Starts `count` nodes with default settings.
    ///
    /// # Errors
    ///
    /// If there are not enough ports or threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    ///
    /// assert_eq!(Cluster::start(3)?.nodes().len(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(count: usize) -> io::Result<Self> {
        TestServer::builder().start_cluster(count)
    }

    pub(super) fn build(builder: &TestServerBuilder, count: usize) -> io::Result<Self> {
        let double = builder.double();
        let nodes = (0..count).map(|node| builder.start_node(&double, node));
        let nodes = nodes.collect::<io::Result<_>>()?;
        Ok(Self { nodes, clock: builder.present_clock(), double })
    }

    /// The nodes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    ///
    /// let cluster = Cluster::start(3)?;
    /// cluster.nodes().iter().for_each(|node| node.kill_connections());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn nodes(&self) -> &[TestServer] {
        &self.nodes
    }

    /// The nodes' addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    ///
    /// let cluster = Cluster::start(3)?;
    /// let list: Vec<String> = cluster.addrs().iter().map(|addr| addr.to_string()).collect();
    /// println!("{}", list.join(",")); // for the program under test
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(TestServer::addr).collect()
    }

    /// The clock of all nodes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    /// use std::time::Duration;
    ///
    /// let cluster = Cluster::start(2)?;
    /// cluster.clock().advance(Duration::from_secs(60)); // on both
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The faults of all nodes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::{Cluster, any};
    ///
    /// let cluster = Cluster::start(2)?;
    /// cluster.faults().on(any().node(1)).error("this one is ill");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.double.faults()
    }

    /// The log of all nodes.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::{Cluster, writes};
    ///
    /// let cluster = Cluster::start(2)?;
    /// // … the program under test …
    /// let (here, there) = (writes().node(0), writes().node(1));
    /// println!("{} and {}", cluster.log().count(&here), cluster.log().count(&there));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn log(&self) -> Log {
        self.double.log()
    }

    /// Expects requests, at whatever node; as [`TestServer::expect`].
    pub fn expect(&self, expectation: impl Into<Expectation>) {
        self.double.expect(expectation);
    }

    /// Waits for requests, at whatever node; as [`TestServer::wait_for`].
    ///
    /// # Errors
    ///
    /// [`TimedOut`], with what came instead.
    pub fn wait_for(&self, matcher: Matcher, n: usize) -> Result<Vec<Record>, TimedOut> {
        self.double.log().wait_for(matcher, n)
    }

    /// Verifies all expectations; as [`TestServer::verify`].
    ///
    /// # Errors
    ///
    /// [`Unmet`], with a sentence for each.
    pub fn verify(&self) -> Result<(), Unmet> {
        self.double.verify()
    }

    /// The numbers of the nodes that have `key`: where a client's hashing has put it.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    ///
    /// let cluster = Cluster::start(2)?;
    /// cluster[1].store().set("k", "value", 0, 0)?;
    /// assert_eq!(cluster.nodes_with("k"), [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn nodes_with(&self, key: impl AsRef<[u8]>) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        let having = nodes.filter(|(_, node)| node.store().examine(key.as_ref()).is_some());
        having.map(|(number, _)| number).collect()
    }

    /// Stops a node; whoever comes is refused. Its items stay for a restart.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::Cluster;
    /// use std::net::TcpStream;
    ///
    /// let mut cluster = Cluster::start(2)?;
    /// cluster.stop(0);
    /// assert!(TcpStream::connect(cluster.addrs()[0]).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].stop();
    }

    /// Starts a node again on the port that it had.
    ///
    /// # Errors
    ///
    /// If somebody else has taken the port.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::memcached::test_server::{Cluster, Keep};
    ///
    /// let mut cluster = Cluster::start(2)?;
    /// cluster[0].store().set("k", "value", 0, 0)?;
    /// cluster.stop(0);
    /// cluster.restart(0, Keep::Data)?;
    /// assert_eq!(cluster.nodes_with("k"), [0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart(&mut self, node: usize, keep: Keep) -> io::Result<()> {
        self.nodes[node].restart(keep)
    }
}

impl Index<usize> for Cluster {
    type Output = TestServer;

    fn index(&self, node: usize) -> &TestServer {
        &self.nodes[node]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(TestServer::stop);
        verify_at_end(&self.double);
    }
}
