//! The two logs as the tests start and restart them.

use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{EmbeddedConfig, EmbeddedLog, KafkaConfig, KafkaLog, Log};
use driftline_dev::kafka::Kafka;

/// A broker whose cleaner hardly waits.
pub(crate) async fn broker() -> Kafka {
    let settings = [
        ("log.roll.ms", "300"),
        ("log.cleaner.backoff.ms", "100"),
        ("log.cleaner.min.cleanable.ratio", "0.01"),
        ("log.initial.task.delay.ms", "100"),
    ];
    tokio::task::spawn_blocking(move || driftline_dev::kafka::start_with(&settings)).await.unwrap().unwrap()
}

pub(crate) fn one_broker(bootstrap: &str) -> KafkaConfig {
    KafkaConfig {
        replication: 1,
        min_insync: 1,
        delivery_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        ..KafkaConfig::new(bootstrap)
    }
}

pub(crate) fn kafka(bootstrap: &str) -> Arc<dyn Log> {
    Arc::new(KafkaLog::new(one_broker(bootstrap)).unwrap())
}

pub(crate) fn folder_config(folder: &std::path::Path) -> EmbeddedConfig {
    EmbeddedConfig { clean_every: Duration::from_millis(20), ..EmbeddedConfig::new(folder) }
}

pub(crate) async fn embedded(folder: &std::path::Path) -> Arc<dyn Log> {
    Arc::new(EmbeddedLog::open(folder_config(folder)).await.unwrap())
}

/// A log that can go down and come back with all that it acknowledged.
pub(crate) enum Host {
    Kafka(Kafka),
    Embedded(tempfile::TempDir),
}

impl Host {
    pub(crate) async fn open(&self) -> Arc<dyn Log> {
        match self {
            Self::Kafka(broker) => kafka(&broker.bootstrap()),
            Self::Embedded(folder) => embedded(folder.path()).await,
        }
    }

    /// As a crash does; every user of the embedded log must be gone.
    pub(crate) async fn restart(self) -> Self {
        match self {
            Self::Kafka(mut broker) => {
                let restarted = tokio::task::spawn_blocking(move || broker.restart().map(|()| broker));
                Self::Kafka(restarted.await.unwrap().unwrap())
            }
            Self::Embedded(folder) => Self::Embedded(folder),
        }
    }
}
