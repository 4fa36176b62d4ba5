//! The writer: what was told stands in the tables once, whatever hit it, whatever was away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftline_analyzer::{WriterConfig, writer};
use driftline_bus::{Outgoing, Record};
use driftline_model::TransitionKind;
use driftline_model::record::{DEAD_LETTERS, EVENTS, H_KIND, INPUTS, TRANSITION};
use driftline_store::{QueryLimits, Store, StoreConfig, testing};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, PARTITIONS};
use crate::runtime::{records, settle};
use crate::script::{ACCOUNT, parse};
use crate::world::{Dice, World};

const LIMIT: Duration = Duration::from_secs(60);

async fn store() -> Store {
    testing::start(&driftline_dev::chdb().unwrap()).await.unwrap()
}

struct Writing {
    task: JoinHandle<Result<(), writer::Error>>,
    shutdown: CancellationToken,
}

fn write(bench: &Bench, store: &Store) -> Writing {
    let config = WriterConfig { batch_records: 40, linger: Duration::from_millis(5), ..WriterConfig::default() };
    let shutdown = CancellationToken::new();
    let run = writer::run(config, Arc::clone(&bench.log), store.clone(), shutdown.clone());
    Writing { task: tokio::spawn(run), shutdown }
}

impl Writing {
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(LIMIT, self.task).await.unwrap().unwrap().unwrap();
    }

    async fn hit(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn column(store: &Store, sql: &str) -> Vec<String> {
    let answer = store.query(sql, &QueryLimits::default()).await.unwrap();
    answer.rows.into_iter().map(|r| r[0].as_str().map_or_else(|| r[0].to_string(), str::to_owned)).collect()
}

/// Waits until both topics are stored to their ends.
async fn caught_up(bench: &Bench, store: &Store) {
    let limit = tokio::time::Instant::now() + LIMIT;
    for topic in [INPUTS, EVENTS] {
        for partition in 0..PARTITIONS {
            let end = bench.read(topic, partition).await.last().map_or(0, |r| r.offset + 1);
            while !store.watermarks().await.unwrap().iter().any(|w| {
                (w.topic.as_str(), w.partition) == (topic, partition) && i64::try_from(w.offset).unwrap() >= end
            }) && end > 0
            {
                assert!(tokio::time::Instant::now() < limit, "{topic}/{partition} is not stored to {end}");
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn same(bench: &Bench, store: &Store) {
    let told = bench.told(Bench::home()).await;
    let expected: Vec<&str> = told.iter().map(|t| t.id.as_str()).collect();
    assert!(expected.len() > 20);
    let stored = column(store, "SELECT id FROM drift_events ORDER BY partition, input_offset, subject_id").await;
    // Within one record, transitions are told group by group.
    assert_eq!(stored.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected.iter().copied().collect());
    assert_eq!(stored.len(), expected.len());
    let mut open = BTreeSet::new();
    for t in &told {
        let id = t.subject.id().to_owned();
        let _ = if t.transition == TransitionKind::Resolved { open.remove(&id) } else { open.insert(id) };
    }
    let sql = "SELECT id FROM drifts WHERE status = 'open' UNION ALL SELECT id FROM findings WHERE status = 'open'";
    assert_eq!(column(store, sql).await.into_iter().collect::<BTreeSet<_>>(), open);
    assert_ne!(column(store, "SELECT count() FROM coverage").await, ["0"]);
    assert_ne!(column(store, "SELECT count() FROM snapshots").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_store_everything_once() {
    let (bench, store) = (Bench::embedded().await, store().await);
    bench.publish(records(&World::live(3, 200))).await;
    settle(&bench).await;
    let mut dice = Dice(5);
    for _ in 0..6 {
        let writing = write(&bench, &store);
        let before = column(&store, "SELECT count() FROM drift_events").await;
        let goal = dice.below(40);
        // Somewhere in the middle: after so many looks, or once something more is there.
        for _ in 0..goal {
            if column(&store, "SELECT count() FROM drift_events").await != before {
                break;
            }
        }
        writing.hit().await;
    }
    let writing = write(&bench, &store);
    caught_up(&bench, &store).await;
    writing.stop().await;
    same(&bench, &store).await;
}

/// Stands between the writer and the database, and lets nothing through while it is shut.
async fn gate(target: String, open: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (target, mut open) = (target.clone(), open.clone());
            tokio::spawn(async move {
                if !*open.borrow() {
                    return;
                }
                let Ok(mut server) = TcpStream::connect(target).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = open.wait_for(|open| !open) => {}
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_waited_for() {
    let bench = Bench::embedded().await;
    let library = driftline_dev::chdb().unwrap();
    let config = tokio::task::spawn_blocking(move || testing::config(&library)).await.unwrap().unwrap();
    let direct = Store::connect(config.clone()).await.unwrap();
    direct.migrate().await.unwrap();
    let (open, is_open) = watch::channel(true);
    let target = config.url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let gated = StoreConfig { url: format!("http://{}", gate(target, is_open).await), ..config };
    let store = Store::connect(gated).await.unwrap();
    bench.publish(records(&World::live(4, 200))).await;
    settle(&bench).await;
    open.send(false).unwrap();
    let writing = write(&bench, &store);
    let committed = bench.log.committed(&WriterConfig::default().group, EVENTS).await.unwrap();
    assert!(committed.values().all(|offset| *offset == 0), "{committed:?}");
    open.send(true).unwrap();
    caught_up(&bench, &direct).await;
    open.send(false).unwrap();
    bench.publish([Record { partition: Bench::home(), ..parse("a", 0) }]).await;
    // What cannot be stored is left for the next start, and does not hold up the end.
    writing.stop().await;
    open.send(true).unwrap();
    let writing = write(&bench, &store);
    caught_up(&bench, &direct).await;
    writing.stop().await;
    same(&bench, &direct).await;
    assert_eq!(column(&direct, "SELECT account FROM accounts").await, [ACCOUNT]);
}

/// A migrated store, and a client that may change its tables.
async fn store_and_client() -> (Store, clickhouse::Client) {
    let library = driftline_dev::chdb().unwrap();
    let config = tokio::task::spawn_blocking(move || testing::config(&library)).await.unwrap().unwrap();
    let client = clickhouse::Client::default().with_url(&config.url).with_password(&config.password);
    let client = client.with_database(&config.database);
    let store = Store::connect(config).await.unwrap();
    store.migrate().await.unwrap();
    (store, client)
}

/// Publishes something to `driftline.events` that is no transition.
async fn publish_event(bench: &Bench, headers: Vec<(String, Vec<u8>)>) {
    let producer = bench.log.producer().await.unwrap();
    let (topic, key, value) = (EVENTS.to_owned(), b"x".to_vec(), Some(b"no transition".to_vec()));
    let event = Outgoing { topic, partition: Bench::home(), key, value, headers };
    producer.send(event).await.unwrap().await.unwrap();
}

/// Origin and reason of each dead letter.
async fn letters(bench: &Bench) -> Vec<(String, String)> {
    let text = |l: &Record, name| String::from_utf8_lossy(l.header(name).unwrap()).into_owned();
    let letters = bench.read(DEAD_LETTERS, Bench::home()).await;
    letters.iter().map(|l| (text(l, "origin-topic"), text(l, "reason"))).collect()
}

fn at(line: &str) -> Record {
    Record { partition: Bench::home(), ..parse(line, 0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_a_dead_letter_and_the_rest_is_stored() {
    let (bench, store) = (Bench::embedded().await, store().await);
    bench
        .publish([at("e"), at("s eu/t/a @0.1 x=1"), Record { value: Some(b"{".to_vec()), ..at("s eu/t/b @0.1") }])
        .await;
    publish_event(&bench, Vec::new()).await;
    let writing = write(&bench, &store);
    caught_up(&bench, &store).await;
    writing.stop().await;
    assert_eq!(column(&store, "SELECT id FROM snapshots").await, ["a"]);
    let letters = letters(&bench).await;
    let origins: BTreeSet<&str> = letters.iter().map(|(origin, _)| origin.as_str()).collect();
    assert_eq!((letters.len(), origins), (2, BTreeSet::from([EVENTS, INPUTS])));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_another_kind_are_left_to_their_readers() {
    let (bench, store) = (Bench::embedded().await, store().await);
    publish_event(&bench, vec![(H_KIND.to_owned(), b"change".to_vec())]).await;
    publish_event(&bench, vec![(H_KIND.to_owned(), TRANSITION.as_bytes().to_vec())]).await;
    let writing = write(&bench, &store);
    caught_up(&bench, &store).await;
    writing.stop().await;
    assert_eq!(letters(&bench).await.len(), 1, "only what says that it is a transition and is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_database_refuses_is_a_dead_letter_though_it_comes_alone() {
    let (bench, (store, client)) = (Bench::embedded().await, store_and_client().await);
    let rule = "ALTER TABLE snapshot_rows ADD CONSTRAINT taste CHECK id != 'b'";
    client.query(rule).execute().await.unwrap();
    bench.publish([at("s eu/t/b @0.1 x=1")]).await;
    let writing = write(&bench, &store);
    caught_up(&bench, &store).await;
    bench.publish([at("s eu/t/a @0.2 x=1"), at("s eu/t/b @0.3 x=2"), at("s eu/t/c @0.4 x=1")]).await;
    caught_up(&bench, &store).await;
    writing.stop().await;
    assert_eq!(column(&store, "SELECT id FROM snapshots ORDER BY id").await, ["a", "c"]);
    let letters = letters(&bench).await;
    assert!(letters.len() == 2 && letters.iter().all(|(_, reason)| reason.contains("taste")), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_nothing_ends_the_writer_and_makes_no_dead_letters() {
    for trouble in ["RENAME TABLE snapshot_rows TO elsewhere", "RENAME TABLE resource_rows TO elsewhere"] {
        let (bench, (store, client)) = (Bench::embedded().await, store_and_client().await);
        let filled: Vec<Record> = ["s eu/t/a @0.1 x=1", "s eu/t/b @0.2 x=1"].map(at).into();
        bench.publish(filled.clone()).await;
        let writing = write(&bench, &store);
        caught_up(&bench, &store).await;
        writing.stop().await;
        client.query(trouble).execute().await.unwrap();
        bench.publish([at("s eu/t/c @0.3 x=1")]).await;
        let writing = write(&bench, &store);
        let ended = tokio::time::timeout(LIMIT, writing.task).await.unwrap().unwrap();
        assert!(matches!(ended, Err(writer::Error::Store(_))), "{trouble}: {ended:?}");
        assert_eq!(letters(&bench).await, Vec::new(), "{trouble}");
    }
}
