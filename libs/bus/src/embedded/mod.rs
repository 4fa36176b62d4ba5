//! The log in a local folder, on fjall: one writer thread, one sync to disk per batch before anything is acknowledged.
//! Consumers of one process share the partitions of a group; a second process is refused.

mod clean;
mod codec;
mod consumer;
mod group;
mod members;
mod producer;
mod queue;
mod replay;
mod store;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::sync::{oneshot, watch};

use crate::{Consumer, Error, Log, Producer, Record, Topic};

/// Milliseconds since 1970 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How the log uses its folder, memory and time.
#[derive(Clone)]
pub struct EmbeddedConfig {
    /// Where it lives; created where it is missing.
    pub folder: PathBuf,
    /// Bytes that producers may have under way, together per producer.
    pub window_bytes: u32,
    /// Bytes that a consumer gets at once.
    pub page_bytes: usize,
    /// Cache of the store in bytes.
    pub cache_bytes: u64,
    /// How long a tombstone outlives its last copy.
    pub tombstones: Duration,
    /// How often what nobody needs is removed.
    pub clean_every: Duration,
    /// The time that records get.
    pub clock: Clock,
}

impl EmbeddedConfig {
    /// The defaults, on the system's clock.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            window_bytes: 16 << 20,
            page_bytes: 1 << 20,
            cache_bytes: 32 << 20,
            tombstones: Duration::from_secs(24 * 60 * 60),
            clean_every: Duration::from_secs(5),
            clock: Arc::new(system_time),
        }
    }
}

impl fmt::Debug for EmbeddedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedConfig").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[allow(clippy::disallowed_methods)] // the one clock of the log, for who passes none
fn system_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What the log, its producers and its consumers share.
struct Shared {
    config: EmbeddedConfig,
    store: store::Store,
    members: Mutex<members::Members>,
    queue: queue::Queue,
    /// Counts batches and changes of groups: who waits for either looks again.
    changes: watch::Sender<u64>,
}

impl Shared {
    fn wake(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn members(&self) -> std::sync::MutexGuard<'_, members::Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the writer do something and waits until it is durable.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> queue::Job) -> Result<T, Error> {
        let (done, answer) = oneshot::channel();
        self.queue.push(job(done))?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> Error {
    Error::Unavailable("the embedded log is closed".to_owned())
}

/// Ends the writer thread with the last user of the log.
struct Running {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // What was taken is written first; a writer that panicked has failed every waiting record.
            let _ = writer.join();
        }
    }
}

/// A log in a folder; clones share it.
#[derive(Clone)]
pub struct EmbeddedLog {
    running: Arc<Running>,
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedLog").field("config", &self.running.shared.config).finish()
    }
}

impl EmbeddedLog {
    /// Opens or creates the log; refused where another process has it open.
    pub async fn open(config: EmbeddedConfig) -> Result<Self, Error> {
        let open = move || {
            let store = store::Store::open(&config)?;
            let members = Mutex::new(members::Members::new(store.positions()?));
            let shared = Arc::new(Shared {
                store,
                members,
                queue: queue::Queue::default(),
                changes: watch::Sender::new(0),
                config,
            });
            let writer = writer::spawn(shared.clone())?;
            Ok(Self { running: Arc::new(Running { shared, writer: Mutex::new(Some(writer)) }) })
        };
        tokio::task::spawn_blocking(open).await.map_err(|e| Error::Unavailable(e.to_string()))?
    }

    /// Forgets what a group has committed, so that it no longer holds back compaction: for groups that are gone for ever.
    pub async fn forget(&self, group: &str) -> Result<(), Error> {
        let group = group.to_owned();
        self.running.shared.ask(|done| queue::Job::Forget { group, done }).await
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn ensure(&self, topics: &[Topic]) -> Result<(), Error> {
        let topics = topics.to_vec();
        self.running.shared.ask(|done| queue::Job::Ensure { topics, done }).await
    }

    async fn producer(&self) -> Result<Arc<dyn Producer>, Error> {
        Ok(Arc::new(producer::EmbeddedProducer::new(self.running.clone())))
    }

    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(consumer::EmbeddedConsumer::join(self.running.clone(), group, topics)?))
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<u32, i64>, Error> {
        let topic = self.running.shared.store.topic(topic)?;
        Ok(self.running.shared.members().committed(group, topic.id))
    }

    async fn read(&self, topic: &str, partition: u32) -> Result<BoxStream<'static, Result<Record, Error>>, Error> {
        replay::read(self.running.clone(), topic, partition)
    }
}
