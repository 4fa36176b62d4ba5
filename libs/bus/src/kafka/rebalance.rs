//! What a group does to a member, kept until the member asks: partitions are taken over and given up by the consumer
//! between two of its polls, never behind its back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use super::{client, convert};

/// One change of the partitions of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Assigned(Vec<(String, u32)>),
    /// librdkafka waits with the rebalance until `incremental_unassign` is called.
    Revoked(Vec<(String, u32)>),
}

/// The context of a consumer.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: Mutex<VecDeque<Event>>,
    wake: Notify,
    closing: AtomicBool,
}

impl Events {
    pub(super) fn next(&self) -> Option<Event> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Pends until there may be an event.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// From now on revocations are answered at once; says whether one is still unanswered.
    pub(super) fn close(&self) -> bool {
        self.closing.store(true, Ordering::SeqCst);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.drain(..).any(|e| matches!(e, Event::Revoked(_)))
    }

    fn push(&self, event: Event) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        self.wake.notify_one();
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka consumer");
    }
}

impl ConsumerContext for Events {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = convert::pairs(list);
        let answered = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                if !partitions.is_empty() {
                    self.push(Event::Assigned(partitions));
                }
                // Reading begins partition by partition, with `start`.
                consumer.incremental_assign(&TopicPartitionList::new())
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if self.closing.load(Ordering::SeqCst) => {
                give_up_all(consumer)
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.push(Event::Revoked(partitions));
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = answered {
            tracing::error!(%error, "kafka rebalance");
        }
    }
}

/// Answers a revocation by giving up all that is being read.
pub(super) fn give_up_all<C: Consumer<Events>>(consumer: &C) -> Result<(), KafkaError> {
    consumer.incremental_unassign(&consumer.assignment()?)
}
