//! Suites for the crates `memcache` (text and binary) and `async-memcached` (text and meta), run
//! against the server at the address that is given: they panic if an answer is another than
//! memcached's.

use std::collections::HashMap;
use std::env;
use std::panic::Location;

use async_memcached::{AsciiProtocol, MetaProtocol};
use memcache::{CommandError, MemcacheError};

fn main() {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:11211".to_owned());
    for protocol in ["ascii", "binary"] {
        blocking(&format!("memcache://{address}?timeout=10&protocol={protocol}"), protocol);
        println!("memcache (Rust, {protocol}): content");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(asynchronous(&address)).expect("no error");
    println!("async-memcached (Rust): content");
}

type Versioned = (Vec<u8>, u32, Option<u64>);

fn blocking(url: &str, protocol: &str) {
    let client = memcache::connect(url).expect("a connection");
    client.flush().expect("flushed");
    assert_eq!(client.get::<String>("k").expect("read"), None);
    client.set("k", "one", 0).expect("stored");
    assert_eq!(client.get("k").expect("read"), Some("one".to_owned()));
    client.add("new", "two", 0).expect("stored");
    client.replace("k", "three", 0).expect("stored");
    client.append("k", ">").expect("stored");
    client.prepend("k", "<").expect("stored");
    assert_eq!(client.get("k").expect("read"), Some("<three>".to_owned()));
    if protocol == "binary" {
        let exists = client.add("k", "x", 0).expect_err("there is one");
        assert!(matches!(exists, MemcacheError::CommandError(CommandError::KeyExists)));
        let absent = client.replace("absent", "x", 0).expect_err("there is none");
        assert!(matches!(absent, MemcacheError::CommandError(CommandError::KeyNotFound)));
    }

    let found: HashMap<String, Versioned> = client.gets(&["k", "absent"]).expect("read");
    assert_eq!(found.len(), 1);
    let cas = found["k"].2.expect("has a stamp");
    assert!(client.cas("k", "four", 0, cas).expect("answered"));
    assert!(!client.cas("k", "five", 0, cas).expect("answered"));
    assert!(!client.cas("absent", "x", 0, cas).expect("answered"));
    assert_eq!(client.get("k").expect("read"), Some("four".to_owned()));

    client.set("n", 10, 0).expect("stored");
    assert_eq!(client.increment("n", 5).expect("counted"), 15);
    assert_eq!(client.decrement("n", 6).expect("counted"), 9);
    assert_eq!(client.decrement("n", 100).expect("counted"), 0);
    if protocol == "ascii" {
        client.increment("absent", 1).expect_err("there is none");
    } else {
        assert_eq!(client.increment("made", 1).expect("made"), 0);
    }
    client.increment("k", 1).expect_err("it is no number");

    client.set("t", "v", 2_592_001).expect("stored"); // a moment that is past
    assert_eq!(client.get::<String>("t").expect("read"), None);
    client.set("t", "v", 100).expect("stored");
    assert!(client.touch("t", 200).expect("touched"));
    assert!(!client.touch("absent", 200).expect("answered"));
    assert_eq!(client.get("t").expect("read"), Some("v".to_owned()));

    let names: Vec<String> = (0..100).map(|at| format!("many:{at}")).collect();
    for (at, name) in names.iter().enumerate() {
        client.set(name, at as u64, 0).expect("stored");
    }
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let found: HashMap<String, u64> = client.gets(&keys).expect("read");
    assert_eq!(found.len(), 100);
    assert_eq!(found["many:42"], 42);

    client.set("big", "small", 0).expect("stored");
    client.set("big", &vec![b'x'; 1024 * 1024][..], 0).expect_err("too large");
    assert_eq!(client.get::<Vec<u8>>("big").expect("read"), None);
    client.set("big", &vec![b'x'; 1_000_000][..], 0).expect("stored");
    assert_eq!(client.get::<Vec<u8>>("big").expect("read").map(|v| v.len()), Some(1_000_000));

    assert!(client.delete("k").expect("deleted"));
    assert!(!client.delete("k").expect("answered"));
    assert_eq!(client.version().expect("answered").len(), 1);
    client.flush().expect("flushed");
    assert_eq!(client.get::<String>("n").expect("read"), None);
}

/// An error, and where.
#[derive(Debug)]
struct Failed(#[expect(dead_code, reason = "shown")] String);

impl From<async_memcached::Error> for Failed {
    #[track_caller]
    fn from(error: async_memcached::Error) -> Self {
        Self(format!("{error:?} at {}", Location::caller()))
    }
}

async fn asynchronous(address: &str) -> Result<(), Failed> {
    let mut client = async_memcached::Client::new(format!("tcp://{address}")).await?;
    client.flush_all().await?;
    assert!(!client.version().await?.is_empty());

    // Text.
    assert!(client.get("k").await?.is_none());
    client.set("k", "one", None, Some(7)).await?;
    let found = client.get("k").await?.expect("stored");
    assert_eq!((found.data.as_deref(), found.flags), (Some(&b"one"[..]), Some(7)));
    client.add("k", "two", None, None).await.expect_err("there is one");
    client.add("new", "two", Some(100), None).await?;
    client.set("n", 10u64, None, None).await?;
    assert_eq!(client.increment("n", 5).await?, 15);
    assert_eq!(client.decrement("n", 6).await?, 9);
    client.increment_no_reply("n", 1).await?;
    client.decrement_no_reply("n", 4).await?;
    assert_eq!(client.increment("n", 0).await?, 6);
    client.increment("absent", 1).await.expect_err("there is none");
    client.set("t", "v", Some(-1), None).await?;
    assert!(client.get("t").await?.is_none());

    let items: Vec<(String, u64)> = (0..100).map(|at| (format!("many:{at}"), at)).collect();
    let names: Vec<&String> = items.iter().map(|(name, _)| name).collect();
    assert!(client.set_multi(&items, None, None).await?.values().all(Result::is_ok));
    assert!(client.add_multi(&items, None, None).await?.values().all(Result::is_err));
    assert_eq!(client.get_multi(&names).await?.len(), 100);
    client.delete_multi_no_reply(&names).await?;
    client.get_multi(&names).await.expect_err("there are none");

    client.set("big", "small", None, None).await?;
    client.set("big", &vec![b'x'; 1024 * 1024][..], None, None).await.expect_err("too large");
    assert!(client.get("big").await?.is_none());
    client.delete("k").await?;
    client.delete("k").await.expect_err("there is none");
    client.delete_no_reply("new").await?;
    assert!(client.get("new").await?.is_none());

    // Meta.
    let set = client.meta_set("k", "one", false, Some(b"9"), Some(&["c", "T100"])).await?;
    let set = set.expect("answered");
    assert_eq!(set.opaque_token.as_deref(), Some(&b"9"[..]));
    let cas = format!("C{}", set.cas.expect("asked for"));
    client.meta_set("k", "two", false, None, Some(&[&cas])).await?;
    client.meta_set("k", "three", false, None, Some(&[&cas])).await.expect_err("another stamp");
    let flags = ["v", "k", "f", "s", "t", "h"];
    let got = client.meta_get("k", false, None, Some(&flags)).await?.expect("stored");
    assert_eq!(got.data.as_deref(), Some(&b"two"[..]));
    assert_eq!(got.key.as_deref(), Some(&b"k"[..]));
    assert_eq!((got.size, got.ttl_remaining, got.hit_before), (Some(3), Some(-1), Some(false)));
    assert!(client.meta_get("absent", false, None, Some(&["v"])).await?.is_none());
    assert!(client.meta_get("absent", true, None, Some(&["v"])).await?.is_none());
    client.meta_set("n", 10u64, true, None, None).await?;
    let flags = ["v"];
    let counted = client.meta_increment("n", false, None, Some(5), Some(&flags)).await?;
    assert_eq!(counted.and_then(|counted| counted.data).as_deref(), Some(&b"15"[..]));
    let counted = client.meta_decrement("n", false, None, Some(6), Some(&flags)).await?;
    assert_eq!(counted.and_then(|counted| counted.data).as_deref(), Some(&b"9"[..]));
    client.meta_set_multi(&items, None).await?;
    assert_eq!(client.meta_get_multi(&names, Some(&["v", "k"])).await?.len(), 100);
    client.meta_delete("k", false, None, None).await?;
    assert!(client.get("k").await?.is_none());

    assert!(client.stats().await?.contains_key("curr_items"));
    let mut count = 0;
    let mut keys = client.dump_keys().await?;
    while let Some(key) = keys.next().await {
        key?;
        count += 1;
    }
    drop(keys);
    assert!(count >= 100, "{count} keys");
    client.flush_all().await?;
    assert!(client.get("n").await?.is_none());
    Ok(())
}
