//! A log with the topics, an analyzer on it that can be hit, and what is in the topics afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftline_analyzer::state::Memory;
use driftline_analyzer::{AnalyzerConfig, Effect, Error, Judge, Pass, State, Status, run, step};
use driftline_bus::{EmbeddedConfig, EmbeddedLog, KafkaConfig, KafkaLog, Log, Outgoing, Record, topics};
use driftline_model::Transition;
use driftline_model::record::{DRIFTS, EVENTS, INPUTS, partition};
use futures::TryStreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::plain::Plain;
use crate::script::ACCOUNT;

pub(crate) const PARTITIONS: u32 = 3;
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) log: Arc<dyn Log>,
    folder: tempfile::TempDir,
    pub(crate) kafka: Option<driftline_dev::kafka::Kafka>,
}

/// An analyzer under way.
pub(crate) struct Running {
    task: JoinHandle<Result<(), Error>>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) shutdown: CancellationToken,
}

impl Bench {
    pub(crate) async fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(EmbeddedConfig::new(folder.path().join("log"))).await.unwrap();
        Self::with(Arc::new(log), folder, None).await
    }

    pub(crate) async fn kafka() -> Self {
        let kafka = tokio::task::spawn_blocking(driftline_dev::kafka::start).await.unwrap().unwrap();
        let config = KafkaConfig { replication: 1, min_insync: 1, ..KafkaConfig::new(kafka.bootstrap()) };
        let log = KafkaLog::new(config).unwrap();
        Self::with(Arc::new(log), tempfile::tempdir().unwrap(), Some(kafka)).await
    }

    async fn with(log: Arc<dyn Log>, folder: tempfile::TempDir, kafka: Option<driftline_dev::kafka::Kafka>) -> Self {
        log.ensure(&topics(PARTITIONS)).await.unwrap();
        Self { log, folder, kafka }
    }

    /// The partition of the scripts' account.
    pub(crate) fn home() -> u32 {
        partition(ACCOUNT, PARTITIONS)
    }

    /// Publishes to `driftline.inputs`, in order.
    pub(crate) async fn publish(&self, records: impl IntoIterator<Item = Record>) {
        let producer = self.log.producer().await.unwrap();
        let mut deliveries = Vec::new();
        for record in records {
            let Record { partition, key, value, headers, .. } = record;
            let out = Outgoing { topic: INPUTS.to_owned(), partition, key, value, headers };
            deliveries.push(producer.send(out).await.unwrap());
        }
        futures::future::try_join_all(deliveries).await.unwrap();
    }

    pub(crate) async fn read(&self, topic: &str, partition: u32) -> Vec<Record> {
        self.log.read(topic, partition).await.unwrap().try_collect().await.unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn config(&self) -> AnalyzerConfig {
        AnalyzerConfig {
            partitions: PARTITIONS,
            state: self.state(),
            batch_records: 7,
            commit_every: Duration::from_millis(50),
            ..AnalyzerConfig::default()
        }
    }

    pub(crate) fn start(&self, config: AnalyzerConfig, judge: Arc<dyn Judge>) -> Running {
        let status = config.status.subscribe();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(config, Arc::clone(&self.log), judge, shutdown.clone()));
        Running { task, status, shutdown }
    }

    pub(crate) fn analyzer(&self) -> Running {
        self.start(self.config(), Arc::new(Plain))
    }

    /// What the events say was told in a partition, each once.
    pub(crate) async fn told(&self, partition: u32) -> Vec<Transition> {
        let mut seen = BTreeSet::new();
        let events = self.read(EVENTS, partition).await;
        let told = events.iter().map(|r| serde_json::from_slice::<Transition>(r.value.as_ref().unwrap()).unwrap());
        told.filter(|t| seen.insert(t.id.clone())).collect()
    }

    /// What an undisturbed analyzer tells of the inputs as they are.
    pub(crate) async fn expected(&self, partition: u32) -> Vec<Transition> {
        let mut state = State::new(Arc::new(Memory::default()));
        let mut told = Vec::new();
        for record in self.read(INPUTS, partition).await {
            let effects = step::step(&mut state, &record, &Plain, Pass::Live).unwrap();
            told.extend(
                effects.into_iter().filter_map(|e| if let Effect::Transition(t) = e { Some(*t) } else { None }),
            );
        }
        told
    }

    /// The latest states that stand in `driftline.drifts`.
    pub(crate) async fn latest(&self, partition: u32) -> BTreeMap<String, Transition> {
        let mut latest = BTreeMap::new();
        for record in self.read(DRIFTS, partition).await {
            let id = String::from_utf8(record.key).unwrap();
            match record.value {
                Some(value) => latest.insert(id, serde_json::from_slice(&value).unwrap()),
                None => latest.remove(&id),
            };
        }
        latest
    }

    /// The offset after the last input of a partition.
    pub(crate) async fn end(&self, partition: u32) -> i64 {
        self.read(INPUTS, partition).await.last().map_or(0, |r| r.offset + 1)
    }
}

impl Running {
    /// Waits until a partition is judged up to `next`; `false` where the analyzer ended before.
    pub(crate) async fn reaches(&mut self, partition: u32, next: i64) -> bool {
        let there = |s: &Status| s.get(&partition).is_some_and(|s| s.next >= next && !s.rebuilding);
        tokio::time::timeout(LIMIT, self.status.wait_for(there)).await.expect("judged in time").is_ok()
    }

    /// As a crash: nothing is drained. Waits until its folder is free.
    pub(crate) async fn hit(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// The error it ended with.
    pub(crate) async fn failure(self) -> Error {
        tokio::time::timeout(LIMIT, self.task).await.unwrap().unwrap().unwrap_err()
    }
}
