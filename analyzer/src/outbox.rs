//! What a batch has to say, and saying it: events first, then latest states, each acknowledged before the next, so that
//! `driftline.drifts` never knows of a transition that `driftline.events` does not.

use std::collections::VecDeque;
use std::sync::Arc;

use driftline_bus::{Error as BusError, Outgoing, Producer, Record};
use driftline_model::record::{DEAD_LETTERS, DRIFTS, EVENTS, H_KIND, INPUTS, TRANSITION};
use driftline_model::{Transition, TransitionKind};
use tokio_util::sync::CancellationToken;

use crate::patience::Pauses;
use crate::step::Effect;

/// Header of a record in `driftline.drifts`: offset of the input that caused it, on tombstones too.
pub const H_INPUT_OFFSET: &str = "input-offset";
/// Header of a dead letter: why it could not be taken.
pub const H_REASON: &str = "reason";
/// Headers of a dead letter: where it stood.
pub const H_ORIGIN: [&str; 3] = ["origin-topic", "origin-partition", "origin-offset"];
/// Header of a dead letter whose value was cut: its length in bytes.
pub const H_CUT: &str = "cut-from";
/// What is left of a value that the log does not take.
const CUT: usize = 64 << 10;

/// What is to be published before the state is written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    first: Vec<Outgoing>,
    second: Vec<Outgoing>,
    pub(crate) transitions: u64,
    pub(crate) republished: u64,
    pub(crate) dead_letters: u64,
}

impl Outbox {
    /// Adds what follows from a record; `record` is where dead letters come from.
    pub(crate) fn take(&mut self, partition: u32, effects: Vec<Effect>, record: Option<&Record>) {
        for effect in effects {
            match effect {
                Effect::Transition(transition) => self.tell(partition, &transition),
                Effect::Republish { key, value, headers } => {
                    self.republished += 1;
                    let topic = INPUTS.to_owned();
                    self.first.push(Outgoing { topic, partition, key: key.into_bytes(), value, headers });
                }
                Effect::DeadLetter { reason } => {
                    tracing::warn!(partition, offset = record.map(|r| r.offset), reason, "dead letter");
                    self.dead_letters += 1;
                    self.first.extend(record.map(|r| dead_letter(r, &reason)));
                }
            }
        }
    }

    fn tell(&mut self, partition: u32, transition: &Transition) {
        self.transitions += 1;
        let key = transition.subject.id().as_bytes().to_vec();
        let body = serde_json::to_vec(transition).unwrap_or_default();
        let latest = (transition.transition != TransitionKind::Resolved).then(|| body.clone());
        let headers = vec![
            (H_INPUT_OFFSET.to_owned(), transition.input_offset.to_string().into_bytes()),
            (H_KIND.to_owned(), TRANSITION.as_bytes().to_vec()),
        ];
        let event = (EVENTS.to_owned(), Some(body));
        let state = (DRIFTS.to_owned(), latest);
        for ((topic, value), box_) in [(event, &mut self.first), (state, &mut self.second)] {
            box_.push(Outgoing { topic, partition, key: key.clone(), value, headers: headers.clone() });
        }
    }

    /// Publishes all of it; returns once it is durable, or with the error that makes going on senseless. What the log
    /// refuses for good becomes a dead letter.
    pub(crate) async fn publish(
        &self,
        producer: &Arc<dyn Producer>,
        cancel: &CancellationToken,
    ) -> Result<(), BusError> {
        for part in [&self.first, &self.second] {
            deliver(producer, part, cancel).await?;
        }
        Ok(())
    }
}

/// A record as a dead letter: key and bytes as they were, its own headers, why and from where.
pub(crate) fn dead_letter(record: &Record, reason: &str) -> Outgoing {
    let origin = [record.topic.to_string(), record.partition.to_string(), record.offset.to_string()];
    let mut headers = record.headers.clone();
    headers.push((H_REASON.to_owned(), reason.as_bytes().to_vec()));
    headers.extend(H_ORIGIN.iter().zip(origin).map(|(n, v)| ((*n).to_owned(), v.into_bytes())));
    let (partition, key, value) = (record.partition, record.key.clone(), record.value.clone());
    Outgoing { topic: DEAD_LETTERS.to_owned(), partition, key, value, headers }
}

/// Sends in order and waits for all; repeats what failed while the log is away, until `cancel`.
pub(crate) async fn deliver(
    producer: &Arc<dyn Producer>,
    records: &[Outgoing],
    cancel: &CancellationToken,
) -> Result<(), BusError> {
    let mut queue: VecDeque<Outgoing> = records.iter().cloned().collect();
    let mut pauses = Pauses::default();
    while !queue.is_empty() {
        let (done, outcome) = attempt(producer, queue.make_contiguous()).await;
        queue.drain(..done);
        match outcome {
            Ok(()) => pauses = Pauses::default(),
            Err(BusError::Rejected(reason)) => {
                let Some(record) = queue.pop_front() else { continue };
                tracing::error!(topic = record.topic, partition = record.partition, reason, "the log refuses a record");
                if record.topic != DEAD_LETTERS || record.value.as_ref().is_some_and(|v| v.len() > CUT) {
                    queue.push_front(refused(&record, &reason));
                }
            }
            Err(BusError::Unavailable(reason)) => pauses.wait(reason, cancel).await?,
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// One round: how many of the first are durable, and what stopped it there. Those behind may be durable too, and are sent
/// again: a repeat is harmless, a gap is not.
async fn attempt(producer: &Arc<dyn Producer>, records: &[Outgoing]) -> (usize, Result<(), BusError>) {
    let mut deliveries = Vec::with_capacity(records.len());
    let mut stopped = Ok(());
    for record in records {
        match producer.send(record.clone()).await {
            Ok(delivery) => deliveries.push(delivery),
            Err(error) => {
                stopped = Err(error);
                break;
            }
        }
    }
    let sent = deliveries.len();
    for (done, outcome) in futures::future::join_all(deliveries).await.into_iter().enumerate() {
        if let Err(error) = outcome {
            return (done, Err(error));
        }
    }
    (sent, stopped)
}

/// What the log refuses for good goes to the dead letters, cut to what it will take.
fn refused(record: &Outgoing, reason: &str) -> Outgoing {
    let mut headers = record.headers.clone();
    headers.push((H_REASON.to_owned(), reason.as_bytes().to_vec()));
    headers.push((H_ORIGIN[0].to_owned(), record.topic.clone().into_bytes()));
    let length = record.value.as_ref().map_or(0, Vec::len);
    let value = record.value.as_ref().map(|v| v[..length.min(CUT)].to_vec());
    if length > CUT {
        headers.push((H_CUT.to_owned(), length.to_string().into_bytes()));
    }
    Outgoing { topic: DEAD_LETTERS.to_owned(), partition: record.partition, key: record.key.clone(), value, headers }
}
