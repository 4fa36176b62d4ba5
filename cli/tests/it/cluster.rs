//! What a pipeline of processes runs on: Apache Kafka, the ClickHouse engine, settings for every role; and what is in both.

use std::collections::BTreeMap;
use std::path::PathBuf;

use driftline_bus::{KafkaConfig, KafkaLog, Log, Record};
use driftline_dev::kafka::Kafka;
use driftline_model::record::{EVENTS, INPUTS};
use driftline_store::{QueryLimits, Store, StoreConfig};
use futures::TryStreamExt;
use serde_json::Value;

use crate::rig::{Rig, eventually};

pub(crate) const PARTITIONS: u32 = 3;
/// The consumer groups.
pub(crate) const ANALYZER: &str = "driftline-analyzer";
pub(crate) const WRITER: &str = "driftline-writer";

pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) log: KafkaLog,
    kafka: Kafka,
    settings: StoreConfig,
    listen: std::net::SocketAddr,
}

impl Cluster {
    /// Starts all of it, and beside it a fleet.
    pub(crate) async fn start() -> (Self, Rig) {
        let kafka = tokio::task::spawn_blocking(|| driftline_dev::kafka::start().unwrap());
        let (rig, kafka, (store, settings)) = tokio::join!(Rig::start(), kafka, store());
        let kafka = kafka.unwrap();
        let config = KafkaConfig { replication: 1, min_insync: 1, ..KafkaConfig::new(kafka.bootstrap()) };
        let log = KafkaLog::new(config).unwrap();
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        (Self { store, log, kafka, settings, listen }, rig)
    }

    /// The settings of a role that works in `folder`.
    pub(crate) fn config(&self, rig: &Rig, folder: &str) -> PathBuf {
        let bus = format!(
            "[bus]\nkind = \"kafka\"\nbootstrap = \"{}\"\npartitions = {PARTITIONS}\nreplication = 1\nmin_insync = 1\n",
            self.kafka.bootstrap()
        );
        let text = format!(
            "{}[agent]\ninterval = \"1s\"\n[aws]\ntimeout = \"5s\"\ndeadline = \"2s\"\n[aggregator]\nlisten = \"{}\"\n{bus}",
            rig.accounts(),
            self.listen
        );
        settings(rig, folder, &text, &self.settings)
    }
}

/// A migrated store in a database of its own.
pub(crate) async fn store() -> (Store, StoreConfig) {
    let library = driftline_dev::chdb().unwrap();
    let config = tokio::task::spawn_blocking(move || driftline_store::testing::config(&library).unwrap());
    let config = config.await.unwrap();
    let store = Store::connect(config.clone()).await.unwrap();
    store.migrate().await.unwrap();
    (store, config)
}

/// Settings with folder, store and the key for secrets.
pub(crate) fn settings(rig: &Rig, folder: &str, more: &str, store: &StoreConfig) -> PathBuf {
    let token = rig.write("token", &store.password).display().to_string();
    let key = rig.write("key", "an organization's key for its tests").display().to_string();
    let text = format!(
        "folder = \"{folder}\"\n{more}[secrets]\nkey = {{ file = \"{key}\" }}\n[store]\nkind = \"clickhouse\"\nurl = \"{}\"\n\
         database = \"{}\"\nuser = \"{}\"\npassword = {{ file = \"{token}\" }}\n",
        store.url, store.database, store.user,
    );
    rig.write(&format!("{folder}.toml"), &text)
}

pub(crate) async fn rows(store: &Store, sql: &str) -> Vec<Vec<Value>> {
    store.query(sql, &QueryLimits::default()).await.unwrap().rows
}

pub(crate) async fn number(store: &Store, sql: &str) -> u64 {
    let value = rows(store, sql).await[0][0].clone();
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

/// Open drifts but for unmanaged resources.
pub(crate) async fn open(store: &Store) -> Vec<Value> {
    let page = store.drifts(&driftline_store::Filter::default()).await.unwrap();
    let drifts = page.rows.iter().map(|row| serde_json::to_value(row).unwrap());
    drifts.filter(|d| d["kind"] != "unmanaged" && d["status"] == "open").collect()
}

/// Every transition of drifts and findings, in order: what it is, and the ids that follow from what it is about.
pub(crate) async fn told(store: &Store) -> Vec<Vec<Value>> {
    let sql = "SELECT partition, input_offset, subject_id, transition, id, cause, account, region, type, resource, kind, path, \
               rule, expected, actual, severity FROM drift_events ORDER BY partition, input_offset, subject_id, transition";
    rows(store, sql).await
}

/// All records of a topic, by partition.
pub(crate) async fn records(log: &dyn Log, topic: &str) -> BTreeMap<u32, Vec<Record>> {
    let mut all = BTreeMap::new();
    for partition in 0..PARTITIONS {
        all.insert(partition, log.read(topic, partition).await.unwrap().try_collect().await.unwrap());
    }
    all
}

/// The offsets after the last records of a topic.
pub(crate) async fn ends(log: &dyn Log, topic: &str) -> BTreeMap<u32, i64> {
    let records = records(log, topic).await.into_iter();
    records.map(|(partition, records)| (partition, records.last().map_or(0, |r| r.offset + 1))).collect()
}

/// Whether a group has taken a topic up to `ends`.
pub(crate) async fn reached(log: &dyn Log, group: &str, topic: &str, ends: &BTreeMap<u32, i64>) -> bool {
    let committed = log.committed(group, topic).await.unwrap();
    ends.iter().all(|(partition, end)| committed.get(partition).copied().unwrap_or(0) >= *end)
}

impl Cluster {
    /// Waits until what has been read up to now is judged, and what was told of it stored.
    pub(crate) async fn caught_up(&self) {
        for (group, topic) in [(ANALYZER, INPUTS), (WRITER, INPUTS), (WRITER, EVENTS)] {
            let ends = ends(&self.log, topic).await;
            eventually("the end of what there is", || reached(&self.log, group, topic, &ends)).await;
        }
    }

    /// Waits until something new is told, or nothing of what there is can be.
    pub(crate) async fn progress(&self) {
        let (inputs, events) = (ends(&self.log, INPUTS).await, ends(&self.log, EVENTS).await);
        eventually("an event", || async {
            ends(&self.log, EVENTS).await != events || reached(&self.log, ANALYZER, INPUTS, &inputs).await
        })
        .await;
    }
}
