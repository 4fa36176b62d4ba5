//! The log on Apache Kafka. Everything that rdkafka's defaults would lose is set here and can't be set back.

mod admin;
mod client;
mod committed;
mod consumer;
mod convert;
mod diagnosis;
mod producer;
mod rebalance;
mod replay;
mod security;
mod shape;

pub use security::{Mechanism, Sasl, Security, Tls};

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{Consumer, Error, Log, Producer, Record, Topic};

/// How to reach a cluster and what to ask of it.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port` of some brokers, separated by commas.
    pub bootstrap: String,
    /// Who this is to the brokers, and how it knows them.
    pub security: Security,
    /// Further settings of librdkafka. What Driftline's promises rest on is refused here, and what [`Security`] says.
    pub extra: BTreeMap<String, String>,
    /// Replicas of topics that are created, at least of those that are there.
    pub replication: u16,
    /// `min.insync.replicas`.
    pub min_insync: u16,
    /// Static membership: a restart within the session timeout moves no partition. Unique per process.
    pub group_instance_id: Option<String>,
    /// After this silence the group gives a member's partitions to others; at most 6 s are of use, brokers refuse less
    /// by default.
    pub session_timeout: Duration,
    /// A record that is not acknowledged after this time fails as unavailable.
    pub delivery_timeout: Duration,
    /// Every other request.
    pub request_timeout: Duration,
    /// Bytes that a producer takes before its `send` waits.
    pub window_bytes: u32,
    /// Bytes that a consumer reads ahead.
    pub read_ahead_bytes: u32,
}

impl KafkaConfig {
    /// A cluster of three replicas with the defaults that production wants.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            security: Security::default(),
            extra: BTreeMap::new(),
            replication: 3,
            min_insync: 2,
            group_instance_id: None,
            session_timeout: Duration::from_secs(6),
            delivery_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            window_bytes: 32 << 20,
            read_ahead_bytes: 16 << 20,
        }
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values of `extra` hold passwords.
        f.debug_struct("KafkaConfig")
            .field("bootstrap", &self.bootstrap)
            .field("security", &self.security)
            .field("extra", &self.extra.keys())
            .field("replication", &self.replication)
            .field("min_insync", &self.min_insync)
            .field("group_instance_id", &self.group_instance_id)
            .finish_non_exhaustive()
    }
}

/// Topics that `ensure` has seen: a producer checks records against them before it sends.
#[derive(Debug, Clone, Default)]
struct Known(Arc<Mutex<HashMap<String, Topic>>>);

impl Known {
    fn add(&self, topics: &[Topic]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(topics.iter().map(|t| (t.name.clone(), t.clone())));
    }

    fn get(&self, name: &str) -> Option<Topic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn smallest_limit(&self) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|t| t.max_message_bytes).min()
    }
}

/// A Kafka cluster. Nothing connects before the first use.
#[derive(Debug, Clone)]
pub struct KafkaLog {
    config: Arc<KafkaConfig>,
    known: Known,
}

impl KafkaLog {
    /// Checks the settings.
    pub fn new(config: KafkaConfig) -> Result<Self, Error> {
        client::check(&config)?;
        if config.security.plaintext {
            tracing::warn!(
                brokers = config.bootstrap,
                "kafka in plaintext: everybody on the way may read and change what is sent"
            );
        }
        Ok(Self { config: Arc::new(config), known: Known::default() })
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn ensure(&self, topics: &[Topic]) -> Result<(), Error> {
        admin::ensure(&self.config, topics).await?;
        self.known.add(topics);
        Ok(())
    }

    async fn producer(&self) -> Result<Arc<dyn Producer>, Error> {
        Ok(Arc::new(producer::KafkaProducer::new(self.config.clone(), self.known.clone())?))
    }

    async fn consumer(&self, group: &str, topics: &[&str]) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(consumer::KafkaConsumer::join(&self.config, group, topics).await?))
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<BTreeMap<u32, i64>, Error> {
        committed::committed(self.config.clone(), group.to_owned(), topic.to_owned()).await
    }

    async fn read(&self, topic: &str, partition: u32) -> Result<BoxStream<'static, Result<Record, Error>>, Error> {
        replay::read(&self.config, topic, partition).await
    }
}
