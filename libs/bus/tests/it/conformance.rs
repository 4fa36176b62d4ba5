//! The promises of the trait, each checked on both logs.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline_bus::{Consumer, Error, Keep, Log, Outgoing, Polled, Start};
use tokio::task::JoinSet;

use crate::hosts::{self, Host};
use crate::rig::{
    DAY, assigned, fresh, limited, made, next, one, publish, read_count, record, table, text, topic, whole,
};

type Case = fn(Arc<dyn Log>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), |log| Box::pin($name(log)))),*] };
}

const CASES: &[(&str, Case)] = cases![
    order_per_partition_and_offsets,
    what_was_sent_is_what_comes,
    a_group_resumes_where_it_committed,
    reading_starts_where_it_is_told,
    two_members_share_and_hand_over_without_loss,
    what_can_never_be_taken_is_rejected,
    a_paused_partition_is_silent,
    compaction_keeps_the_last_of_each_key_and_the_young,
    read_ends_at_the_end,
    ensure_names_what_is_wrong,
    what_is_not_ours_is_fenced,
    unknown_topics_are_named,
    a_dropped_poll_loses_nothing,
    flush_waits_for_what_was_taken,
];

async fn all(log: Arc<dyn Log>) {
    let mut running = JoinSet::new();
    for (name, case) in CASES {
        let log = log.clone();
        running.spawn(async move { (*name, tokio::spawn(case(log)).await) });
    }
    let mut failed = Vec::new();
    while let Some(done) = running.join_next().await {
        let (name, outcome) = done.unwrap();
        if outcome.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_keeps_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    all(hosts::embedded(folder.path()).await).await;
    commits_survive_a_restart(Host::Embedded(folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_keeps_the_promises() {
    let broker = hosts::broker().await;
    all(hosts::kafka(&broker.bootstrap())).await;
    commits_survive_a_restart(Host::Kafka(broker)).await;
}

async fn order_per_partition_and_offsets(log: Arc<dyn Log>) {
    let name = made(&log, "order", 3, DAY).await;
    let sent: Vec<_> = (0..3000_u32).map(|n| record(&name, n % 3, "k", &n.to_string())).collect();
    let offsets = publish(&log, sent).await;
    assert!(offsets.iter().enumerate().all(|(n, offset)| *offset == n as i64 / 3));
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    let read = read_count(&mut *consumer, Start::Beginning, 3000).await;
    let mut expected = [0; 3];
    for record in &read {
        let at = record.partition as usize;
        assert_eq!(record.offset, expected[at]);
        assert_eq!(text(&record.value.clone().unwrap()), (record.offset * 3 + at as i64).to_string());
        expected[at] += 1;
    }
    assert_eq!(expected, [1000; 3]);
    assert_eq!(consumer.bounds(&name, 1).await.unwrap(), (0, 1000));
    consumer.close().await.unwrap();
}

async fn what_was_sent_is_what_comes(log: Arc<dyn Log>) {
    let name = made(&log, "content", 1, DAY).await;
    let headers = |list: &[(&str, &[u8])]| list.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())).collect();
    let out = |key: &[u8], value: Option<&[u8]>, list: &[(&str, &[u8])]| Outgoing {
        topic: name.clone(),
        partition: 0,
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
        headers: headers(list),
    };
    let large = vec![7; 1_000_000];
    let sent = vec![
        out(b"key", Some(b"value"), &[("epoch", b"12"), ("number", b"1"), ("epoch", b"again")]),
        out(b"gone", None, &[("epoch", b"13")]),
        out(b"empty", Some(b""), &[]),
        out(b"", Some(&[0, 255, 128]), &[("empty", b""), ("", b"unnamed")]),
        out(b"large", Some(&large), &[]),
    ];
    publish(&log, sent.clone()).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    let read = read_count(&mut *consumer, Start::Committed, sent.len()).await;
    for (sent, read) in sent.iter().zip(&read) {
        assert_eq!((&*read.topic, read.partition), (name.as_str(), 0));
        assert_eq!((&sent.key, &sent.value, &sent.headers), (&read.key, &read.value, &read.headers));
        assert!(read.timestamp_ms > 1_600_000_000_000, "{}", read.timestamp_ms);
    }
    assert_eq!(read[0].header("epoch"), Some(b"12".as_slice()));
    consumer.close().await.unwrap();
}

async fn a_group_resumes_where_it_committed(log: Arc<dyn Log>) {
    let (name, group) = (made(&log, "resume", 1, DAY).await, fresh("g"));
    publish(&log, (0..20).map(|n| record(&name, 0, "k", &n.to_string())).collect()).await;
    assert_eq!(log.committed(&group, &name).await.unwrap(), BTreeMap::new());
    let mut first = log.consumer(&group, &[&name]).await.unwrap();
    read_count(&mut *first, Start::Committed, 20).await;
    first.commit(&one(&name, 0, 7)).await.unwrap();
    first.close().await.unwrap();
    assert_eq!(log.committed(&group, &name).await.unwrap(), BTreeMap::from([(0, 7)]));
    let mut second = log.consumer(&group, &[&name]).await.unwrap();
    assert_eq!(read_count(&mut *second, Start::Committed, 13).await[0].offset, 7);
    second.close().await.unwrap();
}

async fn reading_starts_where_it_is_told(log: Arc<dyn Log>) {
    let name = made(&log, "start", 1, DAY).await;
    publish(&log, (0..10).map(|n| record(&name, 0, "k", &n.to_string())).collect()).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 1, Start::Offset(4)).await;
    assert_eq!(read_count(&mut *consumer, Start::Beginning, 6).await[0].offset, 4);
    // Moves while it is being read; beyond the end lies another log.
    for (start, first) in [
        (Start::Beginning, 0),
        (Start::Offset(8), 8),
        (Start::Committed, 0),
        (Start::Offset(1_000_000), 0),
        (Start::Offset(-5), 0),
    ] {
        consumer.start(&name, 0, start).await.unwrap();
        let read = read_count(&mut *consumer, Start::Beginning, usize::try_from(10 - first).unwrap()).await;
        assert_eq!(read[0].offset, first, "{start:?}");
    }
    consumer.start(&name, 0, Start::Offset(10)).await.unwrap();
    publish(&log, vec![record(&name, 0, "k", "new")]).await;
    assert_eq!(read_count(&mut *consumer, Start::Beginning, 1).await[0].offset, 10);
    consumer.close().await.unwrap();
}

/// What the members of the hand-over have seen together.
#[derive(Default)]
struct Seen {
    owner: BTreeMap<u32, usize>,
    values: BTreeMap<u32, Vec<i64>>,
}

impl Seen {
    fn count(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }
}

/// One poll of a member that commits all that it has read.
async fn turn(consumer: &mut dyn Consumer, me: usize, seen: &Mutex<Seen>, leaving: &mut Vec<u32>) {
    // Given up with this poll: from now on they may be another's.
    for partition in leaving.drain(..) {
        seen.lock().unwrap().owner.remove(&partition);
    }
    let polled = tokio::time::timeout(Duration::from_millis(50), next(consumer)).await;
    let Ok(polled) = polled else { return };
    match polled {
        Polled::Assigned(partitions) => {
            for (topic, partition) in partitions {
                let before = seen.lock().unwrap().owner.insert(partition, me);
                assert_eq!(before, None, "partition {partition} has two owners");
                consumer.start(&topic, partition, Start::Committed).await.unwrap();
            }
        }
        Polled::Revoked(partitions) => leaving.extend(partitions.iter().map(|(_, p)| *p)),
        Polled::Records(page) => {
            let mut positions = BTreeMap::new();
            for record in page {
                let mut seen = seen.lock().unwrap();
                assert_eq!(seen.owner.get(&record.partition), Some(&me));
                seen.values.entry(record.partition).or_default().push(record.offset);
                positions.insert((record.topic.to_string(), record.partition), record.offset + 1);
            }
            // A rebalance under way refuses commits for a moment.
            let end = tokio::time::Instant::now() + crate::rig::LIMIT;
            while let Err(error) = consumer.commit(&positions).await {
                assert!(matches!(error, Error::Unavailable(_)) && tokio::time::Instant::now() < end, "{error}");
            }
        }
    }
}

async fn two_members_share_and_hand_over_without_loss(log: Arc<dyn Log>) {
    let (name, group) = (made(&log, "share", 6, DAY).await, fresh("g"));
    let send = |from: u32, to: u32| {
        let records: Vec<_> = (from..to).map(|n| record(&name, n % 6, "k", &n.to_string())).collect();
        let log = log.clone();
        async move { publish(&log, records).await }
    };
    let seen = Arc::new(Mutex::new(Seen::default()));
    let owned = |who: usize| seen.lock().unwrap().owner.values().filter(|o| **o == who).count();
    let mut first = log.consumer(&group, &[&name]).await.unwrap();
    let mut gone = Vec::new();
    send(0, 600).await;
    limited(async {
        while seen.lock().unwrap().count() < 600 {
            turn(&mut *first, 1, &seen, &mut gone).await;
        }
    })
    .await;
    let mut second = log.consumer(&group, &[&name]).await.unwrap();
    let mut gone_too = Vec::new();
    limited(async {
        let mut sent = 600;
        while (owned(1), owned(2)) != (3, 3) || seen.lock().unwrap().count() < sent {
            if sent < 6000 {
                send(u32::try_from(sent).unwrap(), u32::try_from(sent).unwrap() + 60).await;
                sent += 60;
            }
            turn(&mut *first, 1, &seen, &mut gone).await;
            turn(&mut *second, 2, &seen, &mut gone_too).await;
        }
        first.close().await.unwrap();
        seen.lock().unwrap().owner.retain(|_, owner| *owner != 1);
        send(6000, 6600).await;
        while owned(2) != 6 || seen.lock().unwrap().count() < sent + 600 {
            turn(&mut *second, 2, &seen, &mut gone_too).await;
        }
    })
    .await;
    second.close().await.unwrap();
    for (partition, offsets) in &seen.lock().unwrap().values {
        let expected: Vec<_> = (0..i64::try_from(offsets.len()).unwrap()).collect();
        assert_eq!(*offsets, expected, "partition {partition}: each once, in order");
    }
}

async fn what_can_never_be_taken_is_rejected(log: Arc<dyn Log>) {
    let name = made(&log, "reject", 2, Keep::Compacted).await;
    let producer = log.producer().await.unwrap();
    let large = "x".repeat(1 << 20);
    let many = Outgoing { headers: vec![("h".to_owned(), vec![]); 65], ..record(&name, 0, "k", "v") };
    for (what, record) in [
        ("too large", record(&name, 0, "k", &large)),
        ("no such partition", record(&name, 2, "k", "v")),
        ("no key", record(&name, 0, "", "v")),
        ("long key", record(&name, 0, &large[..(17 << 10)], "v")),
        ("many headers", many),
    ] {
        let outcome = match producer.send(record).await {
            Ok(delivery) => limited(delivery).await.map(drop),
            Err(error) => Err(error),
        };
        assert!(matches!(outcome, Err(Error::Rejected(_))), "{what}: {outcome:?}");
    }
    // The others of the same producer are not touched.
    let delivery = producer.send(record(&name, 0, "k", "v")).await.unwrap();
    assert_eq!(limited(delivery).await.unwrap(), 0);
}

async fn a_paused_partition_is_silent(log: Arc<dyn Log>) {
    let name = made(&log, "pause", 2, DAY).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 2, Start::Beginning).await;
    let both = |n: usize| (0..n).flat_map(|_| [record(&name, 0, "k", "v"), record(&name, 1, "k", "v")]).collect();
    publish(&log, both(5)).await;
    let first = read_count(&mut *consumer, Start::Beginning, 10).await;
    assert_eq!(first.len(), 10);
    consumer.pause(&name, 0, true).await.unwrap();
    publish(&log, both(5)).await;
    let second = read_count(&mut *consumer, Start::Beginning, 5).await;
    assert!(second.iter().all(|r| r.partition == 1), "{second:?}");
    consumer.pause(&name, 0, false).await.unwrap();
    let third = read_count(&mut *consumer, Start::Beginning, 5).await;
    assert_eq!(third.iter().map(|r| (r.partition, r.offset)).collect::<Vec<_>>(), [5, 6, 7, 8, 9].map(|o| (0, o)));
    consumer.close().await.unwrap();
}

async fn compaction_keeps_the_last_of_each_key_and_the_young(log: Arc<dyn Log>) {
    let short = made(&log, "compact", 1, Keep::Compacted).await;
    let long = made(&log, "lagged", 1, Keep::CompactedAfter(86_400_000)).await;
    let mut expected = BTreeMap::new();
    let mut sent = Vec::new();
    for n in 0..400 {
        let (key, value) = (format!("key{}", n % 20), n.to_string());
        sent.extend([record(&short, 0, &key, &value), record(&long, 0, &key, &value)]);
        expected.insert(key, value);
    }
    for name in [&short, &long] {
        sent.push(Outgoing { value: None, ..record(name, 0, "key3", "") });
    }
    expected.remove("key3");
    publish(&log, sent).await;
    limited(async {
        loop {
            // Kafka compacts only what a later record has closed.
            publish(&log, vec![record(&short, 0, "tick", "")]).await;
            let all = whole(&log, &short, 0).await;
            assert!(all.windows(2).all(|w| w[0].offset < w[1].offset));
            let mut found = table(&all);
            found.remove("tick");
            assert_eq!(found, expected);
            if all.iter().filter(|r| text(&r.key) == "key1").count() == 1 {
                let tombstones = all.iter().filter(|r| text(&r.key) == "key3" && r.value.is_none()).count();
                assert_eq!(tombstones, 1, "a tombstone outlives what it removed");
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let all = whole(&log, &long, 0).await;
    assert_eq!((all.len(), table(&all)), (401, expected), "a reader that is behind is not robbed");
}

async fn read_ends_at_the_end(log: Arc<dyn Log>) {
    let name = made(&log, "read", 2, DAY).await;
    publish(&log, (0..2500).map(|n| record(&name, 0, "k", &format!("{n:01000}"))).collect()).await;
    let all = whole(&log, &name, 0).await;
    assert!(all.iter().map(|r| r.offset).eq(0..2500));
    assert_eq!(whole(&log, &name, 1).await, []);
}

async fn ensure_names_what_is_wrong(log: Arc<dyn Log>) {
    let name = fresh("ensure");
    let (good, other) = (topic(&name, 2, Keep::Compacted), topic(&fresh("ensure"), 1, DAY));
    for _ in 0..2 {
        log.ensure(&[good.clone(), other.clone()]).await.unwrap();
    }
    for (wrong, words) in [
        (topic(&name, 3, Keep::Compacted), ["partitions", "is 2", "wanted 3"]),
        (topic(&name, 2, DAY), ["cleanup.policy", "is compact", "wanted delete"]),
    ] {
        let error = log.ensure(&[other.clone(), wrong]).await.unwrap_err();
        assert!(matches!(error, Error::Misconfigured(_)), "{error:?}");
        for word in words.iter().chain([&name.as_str()]) {
            assert!(error.to_string().contains(word), "{error}: no {word}");
        }
    }
}

async fn what_is_not_ours_is_fenced(log: Arc<dyn Log>) {
    let name = made(&log, "fenced", 1, DAY).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    let fenced = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Fenced(0))), "{outcome:?}");
    fenced(consumer.start(&name, 0, Start::Beginning).await);
    fenced(consumer.commit(&one(&name, 0, 0)).await);
    fenced(consumer.pause(&name, 0, true).await);
    assigned(&mut *consumer, 1, Start::Beginning).await;
    consumer.commit(&one(&name, 0, 0)).await.unwrap();
    consumer.commit(&BTreeMap::new()).await.unwrap();
    consumer.close().await.unwrap();
}

async fn unknown_topics_are_named(log: Arc<dyn Log>) {
    let name = fresh("nowhere");
    let about = |error: Error| assert!(matches!(&error, Error::Misconfigured(m) if m.contains(&name)), "{error:?}");
    about(log.committed("g", &name).await.unwrap_err());
    about(log.read(&name, 0).await.err().unwrap());
    about(log.consumer("g", &[&name]).await.err().unwrap());
}

async fn a_dropped_poll_loses_nothing(log: Arc<dyn Log>) {
    let name = made(&log, "cancel", 1, DAY).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 1, Start::Beginning).await;
    let sending = tokio::spawn({
        let (log, name) = (log.clone(), name.clone());
        async move {
            for n in 0..20 {
                publish(&log, (0..10).map(|m| record(&name, 0, "k", &(n * 10 + m).to_string())).collect()).await;
            }
        }
    });
    let mut offsets = Vec::new();
    limited(async {
        while offsets.len() < 200 {
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => {}
                polled = next(&mut *consumer) => if let Polled::Records(page) = polled {
                    offsets.extend(page.iter().map(|r| r.offset));
                },
            }
            if let Ok(Polled::Records(page)) =
                tokio::time::timeout(Duration::from_micros(300), next(&mut *consumer)).await
            {
                offsets.extend(page.iter().map(|r| r.offset));
            }
        }
    })
    .await;
    sending.await.unwrap();
    assert!(offsets.iter().copied().eq(0..200), "{offsets:?}");
    consumer.close().await.unwrap();
}

async fn flush_waits_for_what_was_taken(log: Arc<dyn Log>) {
    let name = made(&log, "flush", 1, DAY).await;
    let producer = log.producer().await.unwrap();
    for n in 0..100 {
        drop(producer.send(record(&name, 0, "k", &n.to_string())).await.unwrap());
    }
    producer.flush(crate::rig::LIMIT).await.unwrap();
    let keys: BTreeSet<_> = whole(&log, &name, 0).await.iter().map(|r| r.offset).collect();
    assert_eq!(keys.len(), 100);
}

async fn commits_survive_a_restart(host: Host) {
    let log = host.open().await;
    let (name, group) = (made(&log, "durable", 1, Keep::Compacted).await, fresh("g"));
    publish(&log, (0..10).map(|n| record(&name, 0, &n.to_string(), "v")).collect()).await;
    let mut consumer = log.consumer(&group, &[&name]).await.unwrap();
    read_count(&mut *consumer, Start::Committed, 10).await;
    consumer.commit(&one(&name, 0, 6)).await.unwrap();
    drop((consumer, log));
    let host = host.restart().await;
    let log = host.open().await;
    assert_eq!(log.committed(&group, &name).await.unwrap(), BTreeMap::from([(0, 6)]));
    let mut consumer = log.consumer(&group, &[&name]).await.unwrap();
    assert_eq!(read_count(&mut *consumer, Start::Committed, 4).await[0].offset, 6);
    assert_eq!(publish(&log, vec![record(&name, 0, "k", "v")]).await, [10]);
    consumer.close().await.unwrap();
}
