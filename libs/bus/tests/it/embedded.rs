//! What only the embedded log has: its folder, its own cleaning, members in one process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use driftline_bus::{EmbeddedConfig, EmbeddedLog, Error, Keep, Log, Outgoing, Start};

use crate::hosts::folder_config;
use crate::rig::{DAY, assigned, fresh, limited, made, one, publish, read_count, record, table, text, topic, whole};

/// A log whose clock the test moves.
async fn clocked(folder: &std::path::Path) -> (EmbeddedLog, Arc<dyn Log>, Arc<AtomicI64>) {
    let now = Arc::new(AtomicI64::new(1_000_000_000_000));
    let read = now.clone();
    let clock = Arc::new(move || read.load(Ordering::SeqCst));
    let log = EmbeddedLog::open(EmbeddedConfig { clock, ..folder_config(folder) }).await.unwrap();
    (log.clone(), Arc::new(log), now)
}

async fn until(log: &Arc<dyn Log>, name: &str, what: impl Fn(&[driftline_bus::Record]) -> bool) {
    limited(async {
        while !what(&whole(log, name, 0).await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Waits until the cleaner has certainly been there: a witness topic of the same log was cleaned twice.
async fn cleaned(log: &Arc<dyn Log>) {
    for _ in 0..2 {
        let witness = made(log, "witness", 1, Keep::Compacted).await;
        publish(log, (0..2).map(|n| record(&witness, 0, "k", &n.to_string())).collect()).await;
        until(log, &witness, |all| all.len() == 1).await;
    }
}

#[tokio::test]
async fn a_second_opener_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder_config(folder.path())).await.unwrap();
    let error = EmbeddedLog::open(folder_config(folder.path())).await.unwrap_err();
    assert!(matches!(&error, Error::Misconfigured(m) if m.contains("another process")), "{error}");
    drop(log);
    EmbeddedLog::open(folder_config(folder.path())).await.unwrap();
}

#[tokio::test]
async fn compaction_waits_for_the_slowest_group() {
    let folder = tempfile::tempdir().unwrap();
    let (own, log, _) = clocked(folder.path()).await;
    let name = made(&log, "slow", 1, Keep::Compacted).await;
    let mut consumers = Vec::new();
    for group in ["fast", "slow"] {
        let mut consumer = log.consumer(group, &[&name]).await.unwrap();
        assigned(&mut *consumer, 1, Start::Beginning).await;
        consumer.commit(&one(&name, 0, 0)).await.unwrap();
        consumers.push(consumer);
    }
    publish(&log, (0..100).map(|n| record(&name, 0, &(n % 10).to_string(), &n.to_string())).collect()).await;
    for (consumer, position) in consumers.iter_mut().zip([100, 50]) {
        read_count(&mut **consumer, Start::Beginning, position).await;
        consumer.commit(&one(&name, 0, i64::try_from(position).unwrap())).await.unwrap();
    }
    // The slow one reads on only from what it has committed.
    drop(consumers);
    until(&log, &name, |all| all.len() == 60).await;
    cleaned(&log).await;
    let mut slow = log.consumer("slow", &[&name]).await.unwrap();
    let rest = read_count(&mut *slow, Start::Committed, 50).await;
    assert!(rest.iter().map(|r| r.offset).eq(50..100), "each of the fifty, superseded or not");
    slow.close().await.unwrap();
    own.forget("slow").await.unwrap();
    until(&log, &name, |all| all.len() == 10).await;
    assert_eq!(table(&whole(&log, &name, 0).await).len(), 10);
}

#[tokio::test]
async fn tombstones_go_when_old_and_their_keys_do_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (own, log, now) = clocked(folder.path()).await;
    let name = made(&log, "tombs", 1, Keep::Compacted).await;
    let gone = |key: &str| Outgoing { value: None, ..record(&name, 0, key, "") };
    let sent =
        vec![record(&name, 0, "a", "1"), gone("a"), record(&name, 0, "b", "1"), gone("b"), record(&name, 0, "b", "2")];
    publish(&log, sent).await;
    until(&log, &name, |all| all.len() == 2).await;
    cleaned(&log).await;
    let all = whole(&log, &name, 0).await;
    assert_eq!(all.iter().map(|r| (text(&r.key), r.offset)).collect::<Vec<_>>(), [("a".into(), 1), ("b".into(), 4)]);
    now.fetch_add(25 * 60 * 60 * 1000, Ordering::SeqCst);
    until(&log, &name, |all| all.len() == 1).await;
    assert_eq!(table(&whole(&log, &name, 0).await), BTreeMap::from([("b".to_owned(), "2".to_owned())]));
    // The last record may be gone: offsets go on.
    publish(&log, vec![gone("b")]).await;
    now.fetch_add(25 * 60 * 60 * 1000, Ordering::SeqCst);
    until(&log, &name, <[_]>::is_empty).await;
    drop((own, log));
    let (_own, log, _) = clocked(folder.path()).await;
    assert_eq!(publish(&log, vec![record(&name, 0, "a", "2")]).await, [6]);
    assert_eq!(whole(&log, &name, 0).await.len(), 1);
}

#[tokio::test]
async fn old_records_go_by_age_and_limits_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let (_own, log, now) = clocked(folder.path()).await;
    let name = made(&log, "age", 1, DAY).await;
    publish(&log, (0..2500).map(|n| record(&name, 0, "k", &n.to_string())).collect()).await;
    now.fetch_add(23 * 60 * 60 * 1000, Ordering::SeqCst);
    publish(&log, vec![record(&name, 0, "k", "young")]).await;
    cleaned(&log).await;
    assert_eq!(whole(&log, &name, 0).await.len(), 2501);
    now.fetch_add(2 * 60 * 60 * 1000, Ordering::SeqCst);
    until(&log, &name, |all| all.len() == 1).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 1, Start::Offset(17)).await;
    assert_eq!(read_count(&mut *consumer, Start::Beginning, 1).await[0].offset, 2500);
    assert_eq!(consumer.bounds(&name, 0).await.unwrap(), (2500, 2501));
    log.ensure(&[topic(&name, 1, Keep::Milliseconds(1))]).await.unwrap();
    now.fetch_add(10, Ordering::SeqCst);
    until(&log, &name, <[_]>::is_empty).await;
    assert_eq!(consumer.bounds(&name, 0).await.unwrap(), (2501, 2501));
}

#[tokio::test]
async fn pages_are_bounded_and_partitions_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedConfig { page_bytes: 10_000, ..folder_config(&folder.path().join("a/b")) };
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(config).await.unwrap());
    let name = made(&log, "pages", 4, DAY).await;
    let value = "x".repeat(1000);
    publish(&log, (0..400).map(|n| record(&name, n % 4, "k", &value)).collect()).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 4, Start::Beginning).await;
    let mut first = Vec::new();
    for _ in 0..4 {
        let driftline_bus::Polled::Records(page) = limited(consumer.poll()).await.unwrap() else {
            panic!("no records")
        };
        assert!(page.len() <= 11, "{} records", page.len());
        first.push(page[0].partition);
    }
    assert_eq!(first, [0, 1, 2, 3]);
}

#[tokio::test]
async fn waiting_consumers_wake_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder_config(folder.path())).await.unwrap());
    let name = made(&log, "wake", 1, DAY).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 1, Start::Beginning).await;
    let producer = log.producer().await.unwrap();
    let mut slowest = Duration::ZERO;
    for n in 0..50 {
        let delivery = producer.send(record(&name, 0, "k", &n.to_string())).await.unwrap();
        let sent = std::time::Instant::now();
        let (_, delivered) = tokio::join!(read_count(&mut *consumer, Start::Beginning, 1), delivery);
        assert_eq!(delivered.unwrap(), n);
        slowest = slowest.max(sent.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}
