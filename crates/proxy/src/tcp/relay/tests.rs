//! Both directions, their ends, and their limits in time, over pipes in memory.

use std::cell::Cell;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::clock::LINGER;
use super::*;

const ROOM: usize = 64;

#[derive(Default)]
struct Counts(Cell<u64>, Cell<u64>);

impl Tally for Counts {
    fn received(&self, bytes: u64) {
        self.0.set(self.0.get() + bytes);
    }
    fn sent(&self, bytes: u64) {
        self.1.set(self.1.get() + bytes);
    }
}

/// Relays between the two ends that `both` plays; says how it ended and how long it took.
async fn relayed<F: Future>(
    timeouts: Timeouts,
    both: impl FnOnce(DuplexStream, DuplexStream) -> F,
) -> (End, Duration, Counts) {
    let ((mut client, near), (mut upstream, far)) = (duplex(ROOM), duplex(ROOM));
    let (counts, began) = (Counts::default(), Instant::now());
    let first = b"first".to_vec();
    let (scratch, playing) = (scratch(), both(near, far));
    let relaying = relay(&mut client, &mut upstream, first, &timeouts, &scratch, &counts);
    let (end, _played) = tokio::join!(
        async {
            let end = relaying.await;
            (end, began.elapsed())
        },
        async {
            // An end that is kept open must not end the test.
            tokio::time::timeout(Duration::from_secs(100_000), playing).await.ok()
        }
    );
    (end.0, end.1, counts)
}

fn timeouts(idle: Option<u64>, client: Option<u64>) -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(1),
        first_byte: None,
        idle: idle.map(Duration::from_secs),
        client: client.map(Duration::from_secs),
    }
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_in_order_and_is_counted() {
    let (end, _, counts) = relayed(timeouts(None, None), async |mut client, mut upstream| {
        let mut seen = String::new();
        let mut heard = String::new();
        let long = "x".repeat(10 * ROOM);
        let asking = async {
            client.write_all(long.as_bytes()).await.expect("sent");
            client.shutdown().await.expect("ended");
            client.read_to_string(&mut heard).await.expect("heard");
        };
        let answering = async {
            upstream.read_to_string(&mut seen).await.expect("seen");
            upstream.write_all(b"answer").await.expect("answered");
            upstream.shutdown().await.expect("ended");
        };
        tokio::join!(asking, answering);
        assert_eq!((seen, heard), (format!("first{long}"), "answer".to_owned()));
    })
    .await;
    assert_eq!((end, counts.0.get(), counts.1.get()), (End::Done, 640, 6));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_only_where_it_is_limited() {
    let quiet = |mut client: DuplexStream, upstream: DuplexStream| async move {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            if client.write_all(b".").await.is_err() {
                break;
            }
        }
        tokio::time::sleep(Duration::from_secs(9_000)).await;
        drop((client, upstream));
    };
    let (end, took, _) = relayed(timeouts(Some(10), None), quiet).await;
    assert_eq!((end, took), (End::Idle, Duration::from_secs(55)));
    let (end, took, _) = relayed(timeouts(None, None), quiet).await;
    assert_eq!((end, took), (End::Done, Duration::from_secs(9_045)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_ended_and_a_slow_one_is_not() {
    let talk = async |upstream: &mut DuplexStream| {
        while upstream.write_all(&[b'x'; ROOM]).await.is_ok() {}
    };
    let (end, took, _) = relayed(timeouts(None, Some(30)), async |_client, mut upstream| {
        talk(&mut upstream).await;
    })
    .await;
    assert_eq!((end, took), (End::ClientStalled, Duration::from_secs(30)));
    let (end, took, _) = relayed(timeouts(None, Some(30)), async |mut client, mut upstream| {
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                client.read_exact(&mut [0; 8]).await.expect("bytes");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = slow => {}
            () = talk(&mut upstream) => {}
        }
    })
    .await;
    assert_eq!((end, took), (End::ClientStalled, Duration::from_secs(230)));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_wait_for_ever_but_not_outlive_its_upstream_for_ever() {
    let (end, took, _) = relayed(timeouts(None, None), async |mut client, mut upstream| {
        client.shutdown().await.expect("ended");
        tokio::time::sleep(Duration::from_secs(5_000)).await;
        upstream.write_all(b"late").await.expect("said");
        upstream.shutdown().await.expect("ended");
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("heard");
        assert_eq!(heard, "late");
    })
    .await;
    assert_eq!((end, took), (End::Done, Duration::from_secs(5_000)));
    let (end, took, _) = relayed(timeouts(None, None), async |client, mut upstream| {
        upstream.shutdown().await.expect("ended");
        tokio::time::sleep(Duration::from_secs(5_000)).await;
        drop((client, upstream));
    })
    .await;
    assert_eq!((end, took), (End::Lingered, LINGER));
}

#[tokio::test(start_paused = true)]
async fn the_last_words_of_an_upstream_that_listens_no_more_are_delivered() {
    let (end, _, _) = relayed(timeouts(None, None), async |mut client, mut upstream| {
        upstream.write_all(b"no").await.expect("said");
        drop(upstream);
        // Into the void.
        client.write_all(&[b'x'; ROOM]).await.ok();
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("heard");
        assert_eq!(heard, "no");
    })
    .await;
    assert_eq!(end, End::Done);
}
