//! What the cases have in common: topics of their own, publishing, reading with a limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use driftline_bus::{Consumer, Error, Keep, Log, Outgoing, Polled, Record, Start, Topic};
use futures::StreamExt;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A name that no other case uses.
pub(crate) fn fresh(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn topic(name: &str, partitions: u32, keep: Keep) -> Topic {
    Topic { name: name.to_owned(), partitions, keep, max_message_bytes: 1 << 20 }
}

pub(crate) const DAY: Keep = Keep::Milliseconds(86_400_000);

/// A topic that is there.
pub(crate) async fn made(log: &Arc<dyn Log>, what: &str, partitions: u32, keep: Keep) -> String {
    let name = fresh(what);
    log.ensure(&[topic(&name, partitions, keep)]).await.unwrap();
    name
}

pub(crate) fn record(topic: &str, partition: u32, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition,
        key: key.into(),
        value: Some(value.into()),
        headers: vec![("n".to_owned(), key.into())],
    }
}

/// Publishes in order and returns the offsets once all are durable.
pub(crate) async fn publish(log: &Arc<dyn Log>, records: Vec<Outgoing>) -> Vec<i64> {
    let producer = log.producer().await.unwrap();
    let mut deliveries = Vec::new();
    for record in records {
        deliveries.push(producer.send(record).await.unwrap());
    }
    limited(futures::future::try_join_all(deliveries)).await.unwrap()
}

pub(crate) async fn limited<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("took too long")
}

/// What a consumer sees next; that the log is away for a moment is no news.
pub(crate) async fn next(consumer: &mut dyn Consumer) -> Polled {
    loop {
        match consumer.poll().await {
            Ok(polled) => return polled,
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Polls until `enough`, starting what is assigned.
pub(crate) async fn read_until(
    consumer: &mut dyn Consumer,
    start: Start,
    mut enough: impl FnMut(&[Record]) -> bool,
) -> Vec<Record> {
    let mut all = Vec::new();
    limited(async {
        while !enough(&all) {
            match next(consumer).await {
                Polled::Assigned(partitions) => {
                    for (topic, partition) in partitions {
                        consumer.start(&topic, partition, start).await.unwrap();
                    }
                }
                Polled::Revoked(_) => {}
                Polled::Records(page) => {
                    assert!(!page.is_empty());
                    all.extend(page);
                }
            }
        }
    })
    .await;
    all
}

pub(crate) async fn read_count(consumer: &mut dyn Consumer, start: Start, count: usize) -> Vec<Record> {
    read_until(consumer, start, |all| all.len() >= count).await
}

/// Waits for the partitions of a consumer that is alone and starts them.
pub(crate) async fn assigned(consumer: &mut dyn Consumer, partitions: usize, start: Start) {
    let mut count = 0;
    while count < partitions {
        if let Polled::Assigned(new) = limited(next(consumer)).await {
            count += new.len();
            for (topic, partition) in new {
                consumer.start(&topic, partition, start).await.unwrap();
            }
        }
    }
}

/// All that a partition holds now.
pub(crate) async fn whole(log: &Arc<dyn Log>, topic: &str, partition: u32) -> Vec<Record> {
    let stream = limited(log.read(topic, partition)).await.unwrap();
    let all: Vec<_> = limited(stream.collect()).await;
    all.into_iter().map(Result::unwrap).collect()
}

/// Values by key, in the order of offsets: what a table built from the records shows.
pub(crate) fn table(records: &[Record]) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for record in records {
        let key = text(&record.key);
        match &record.value {
            Some(value) => table.insert(key, text(value)),
            None => table.remove(&key),
        };
    }
    table
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn one(topic: &str, partition: u32, offset: i64) -> BTreeMap<(String, u32), i64> {
    BTreeMap::from([((topic.to_owned(), partition), offset)])
}
