//! Settings of librdkafka's clients, and where their own messages go.

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::{KafkaConfig, security};
use crate::{Error, MAX_RECORD_BYTES};

/// What the promises of the log rest on: ours alone to set.
const OURS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "session.timeout.ms",
    "transactional.id",
];

/// Refuses settings that break promises, and those that librdkafka doesn't know.
pub(super) fn check(config: &KafkaConfig) -> Result<(), Error> {
    if let Some(key) = config.extra.keys().find(|k| OURS.contains(&k.as_str())) {
        return Err(Error::Misconfigured(format!("kafka setting {key} is Driftline's own and can't be set")));
    }
    if let Some(key) = config.extra.keys().find(|k| security::OURS.contains(&k.as_str())) {
        let text =
            format!("kafka setting {key} has a place of its own: `tls`, `sasl` or `plaintext` beside `bootstrap`");
        return Err(Error::Misconfigured(text));
    }
    if config.bootstrap.trim().is_empty() {
        return Err(Error::Misconfigured("kafka needs bootstrap servers".to_owned()));
    }
    if config.min_insync == 0 || config.min_insync > config.replication {
        let (min, all) = (config.min_insync, config.replication);
        return Err(Error::Misconfigured(format!("kafka min_insync {min} of {all} replicas: 1 to {all} is possible")));
    }
    config.security.check(&config.bootstrap)?;
    base(config).create_native_config().map_err(super::convert::misconfigured)?;
    Ok(())
}

/// What all clients have in common.
pub(super) fn base(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (key, value) in &config.extra {
        client.set(key, value);
    }
    for (key, value) in config.security.settings() {
        client.set(key, value);
    }
    client
        .set("bootstrap.servers", &config.bootstrap)
        .set("client.id", "driftline")
        // A topic's own limit decides; this one also bounds what a client reads at once.
        .set("message.max.bytes", (4 * u64::from(MAX_RECORD_BYTES)).to_string())
        .set("socket.keepalive.enable", "true")
        .set("reconnect.backoff.max.ms", "2000")
        .set("log.connection.close", "false");
    client
}

/// Sends a client's messages to `tracing`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka");
    }
}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(facility, "kafka: {message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(facility, "kafka: {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(facility, "kafka: {message}"),
        RDKafkaLogLevel::Debug => tracing::debug!(facility, "kafka: {message}"),
    }
}
