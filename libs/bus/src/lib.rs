//! The log: one trait, two forms. [`Log`] promises order per partition, durability before acknowledgement and
//! compaction by key; `kafka` keeps it with Apache Kafka, `embedded` with a local store.

mod access;
pub mod embedded;
pub mod kafka;
mod limits;
mod topics;
mod window;

pub use access::{Groups, Operation, Resource, Right, Role};
pub use embedded::{EmbeddedConfig, EmbeddedLog};
pub use kafka::{KafkaConfig, KafkaLog, Mechanism, Sasl, Security, Tls};
pub use limits::{MAX_HEADERS, MAX_KEY_BYTES};
pub use topics::{MAX_RECORD_BYTES, topics};

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

/// A record as read from a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: i64,
    /// Key, empty where there is none.
    pub key: Vec<u8>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// When the log took it, milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
}

impl Record {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice())
    }
}

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Topic.
    pub topic: String,
    /// Partition, from `driftline_model::record::partition`.
    pub partition: u32,
    /// Key.
    pub key: Vec<u8>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// How long a topic keeps records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last record per key, for ever; a tombstone for a day at least.
    Compacted,
    /// The last record per key, for ever, and every record for at least that many milliseconds.
    CompactedAfter(u64),
    /// Every record, that many milliseconds.
    Milliseconds(u64),
}

/// What a topic must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name.
    pub name: String,
    /// Partitions: the same for all topics.
    pub partitions: u32,
    /// Retention.
    pub keep: Keep,
    /// Limit of one record in bytes.
    pub max_message_bytes: u32,
}

/// Errors of the log. `Rejected` concerns one record, the others the log as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This record can never be taken.
    #[error("record refused: {0}")]
    Rejected(String),
    /// The log is not there now; trying again may help.
    #[error("log unavailable: {0}")]
    Unavailable(String),
    /// A topic or setting is wrong; a person has to act.
    #[error("{0}")]
    Misconfigured(String),
    /// This consumer no longer owns the partition.
    #[error("partition {0} is no longer ours")]
    Fenced(u32),
}

/// What a consumer sees next.
#[derive(Debug)]
pub enum Polled {
    /// Partitions (topic, partition) that are now ours; the consumer must answer with `start` for each before records come.
    Assigned(Vec<(String, u32)>),
    /// Partitions that are ours no longer; their state must be let go before the next `poll`, until when positions may
    /// still be committed. Nobody else gets them before that `poll`.
    Revoked(Vec<(String, u32)>),
    /// Records of one or more partitions, in order within each. Never empty.
    Records(Vec<Record>),
}

/// Where to read a partition from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// What the group has committed, or the beginning.
    Committed,
    /// The oldest record.
    Beginning,
    /// That offset, or the next one above that exists. An offset that the log has never reached is one of another log:
    /// reading begins with the oldest record then.
    Offset(i64),
}

/// Publishes; cheap to clone behind `Arc`. Records of one partition are taken in the order of the calls to `send`.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Takes a record into the send queue, waiting while it is full, and returns its delivery: the offset once durable.
    async fn send(&self, record: Outgoing) -> Result<BoxFuture<'static, Result<i64, Error>>, Error>;
    /// Waits until all that was taken is delivered or failed, at most `limit`.
    async fn flush(&self, limit: std::time::Duration) -> Result<(), Error>;
}

/// Reads as a member of a group. One owner, one task.
#[async_trait]
pub trait Consumer: Send {
    /// The next event; pends while there is none. Cancel safe.
    async fn poll(&mut self) -> Result<Polled, Error>;
    /// Begins (or moves) reading of an assigned partition.
    async fn start(&mut self, topic: &str, partition: u32, start: Start) -> Result<(), Error>;
    /// Stops (`true`) or goes on delivering a partition: back pressure.
    async fn pause(&mut self, topic: &str, partition: u32, paused: bool) -> Result<(), Error>;
    /// Commits for the group: `offset` is the next one to read. Durable on return. `Unavailable` also while a group
    /// changes hands: poll and commit again.
    async fn commit(&mut self, positions: &BTreeMap<(String, u32), i64>) -> Result<(), Error>;
    /// First offset and the one after the last of a partition.
    async fn bounds(&mut self, topic: &str, partition: u32) -> Result<(i64, i64), Error>;
    /// Leaves the group.
    async fn close(self: Box<Self>) -> Result<(), Error>;
}

/// One log.
#[async_trait]
pub trait Log: Send + Sync {
    /// Creates the topics or checks them; the error names topic, setting, found and wanted.
    async fn ensure(&self, topics: &[Topic]) -> Result<(), Error>;
    /// A producer (idempotent).
    async fn producer(&self) -> Result<Arc<dyn Producer>, Error>;
    /// A member of a group on these topics.
    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error>;
    /// Positions that a group has committed: (topic, partition) to next offset. For lag.
    async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<u32, i64>, Error>;
    /// Reads one partition outside of any group: from its first record to the end that it has now, then ends. Bounded
    /// in memory however long the partition is.
    async fn read(&self, topic: &str, partition: u32) -> Result<BoxStream<'static, Result<Record, Error>>, Error>;
}
