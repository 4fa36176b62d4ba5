//! Whether a topic is there. News of a topic spreads from broker to broker: who asks too early is told that there is none.

use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;

use super::convert;
use crate::Error;

/// How long the news may take.
const PROPAGATION: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Partitions, the least number of replicas of one, and whether each has a leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) partitions: usize,
    pub(super) replicas: usize,
    led: bool,
}

pub(super) fn absent(name: &str) -> Error {
    Error::Misconfigured(format!("kafka: topic {name} is not there"))
}

impl Shape {
    fn of(topic: &MetadataTopic) -> Self {
        let partitions = topic.partitions();
        Self {
            partitions: partitions.len(),
            replicas: partitions.iter().map(|p| p.replicas().len()).min().unwrap_or(0),
            led: partitions.iter().all(|p| p.leader() >= 0),
        }
    }

    /// What a broker says now; blocks at most `limit`.
    pub(super) fn now<C: ClientContext>(
        client: &Client<C>,
        name: &str,
        limit: Duration,
    ) -> Result<Option<Self>, Error> {
        let metadata = client.fetch_metadata(Some(name), limit);
        let metadata = metadata.map_err(|e| convert::error(&e, &format!("topic {name}")))?;
        let Some(topic) = metadata.topics().iter().find(|t| t.name() == name) else { return Ok(None) };
        match topic.error().map(Code::from) {
            None => Ok(Some(Self::of(topic))),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => Err(convert::code(Some(code), &format!("kafka: topic {name}: {code}"))),
        }
    }

    /// As [`Shape::now`], once the topic and its leaders are known, or it has become clear that there is none.
    pub(super) fn wait<C: ClientContext>(
        client: &Client<C>,
        name: &str,
        limit: Duration,
    ) -> Result<Option<Self>, Error> {
        let end = Instant::now() + limit.min(PROPAGATION);
        loop {
            let found = Self::now(client, name, limit)?;
            if found.is_some_and(|shape| shape.led) || Instant::now() >= end {
                return Ok(found);
            }
            std::thread::park_timeout(PAUSE);
        }
    }
}
