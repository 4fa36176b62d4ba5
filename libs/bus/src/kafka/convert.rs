//! Between librdkafka's words and ours: partitions, records, errors.

use std::collections::HashMap;
use std::sync::Arc;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::{Error, Record};

/// Partition numbers are not negative on either side; a damaged one is nobody's.
pub(super) fn partition(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn raw_partition(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn list<'a>(
    partitions: impl IntoIterator<Item = (&'a str, u32, Offset)>,
) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::new();
    for (topic, number, offset) in partitions {
        list.add_partition_offset(topic, raw_partition(number), offset).map_err(unavailable)?;
    }
    Ok(list)
}

pub(super) fn pairs(list: &TopicPartitionList) -> Vec<(String, u32)> {
    list.elements().iter().map(|e| (e.topic().to_owned(), partition(e.partition()))).collect()
}

/// One string per topic, not per record.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.0.insert(name.to_owned(), new.clone());
        new
    }
}

pub(super) fn record(message: &BorrowedMessage<'_>, names: &mut Names) -> Record {
    let headers = message
        .headers()
        .map(|headers| headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect());
    Record {
        topic: names.get(message.topic()),
        partition: partition(message.partition()),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
    }
}

pub(super) fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(n, v)| n.len() + v.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + headers
}

pub(super) fn misconfigured(error: KafkaError) -> Error {
    Error::Misconfigured(format!("kafka: {error}"))
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(format!("kafka: {error}"))
}

/// Sorts an error by what can be done about it.
pub(super) fn error(error: &KafkaError, about: &str) -> Error {
    code(error.rdkafka_error_code(), &format!("kafka: {about}: {error}"))
}

pub(super) fn code(code: Option<Code>, text: &str) -> Error {
    if let Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed) =
        code
    {
        let what = "this user lacks a right: `driftline kafka-acls` prints what each role needs";
        return Error::Misconfigured(format!("{text} ({what})"));
    }
    match code {
        Some(
            Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTimestamp,
        ) => Error::Rejected(text.to_owned()),
        Some(
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
            | Code::InvalidConfig
            | Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::PolicyViolation
            | Code::InvalidSessionTimeout
            | Code::InconsistentGroupProtocol
            | Code::InvalidGroupId
            | Code::FencedInstanceId
            | Code::UnsupportedVersion,
        ) => Error::Misconfigured(text.to_owned()),
        _ => Error::Unavailable(text.to_owned()),
    }
}
