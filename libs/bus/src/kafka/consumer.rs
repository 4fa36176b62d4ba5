//! A member of a group: cooperative rebalancing, positions committed by hand, reading ahead bounded in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use rdkafka::Offset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;

use super::convert::{self, Names, list};
use super::rebalance::{Event, Events, give_up_all};
use super::shape::{Shape, absent};
use super::{KafkaConfig, client};
use crate::{Consumer, Error, Polled, Record, Start};

type Native = StreamConsumer<Events>;

/// Of what `poll` gives at once.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_RECORDS: usize = 1000;
/// A partition that was only just started can't be moved yet.
const SEEK_PAUSE: Duration = Duration::from_millis(10);
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// A partition that is ours.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    started: bool,
    paused: bool,
}

pub(super) struct KafkaConsumer {
    /// `None` once closed.
    native: Option<Arc<Native>>,
    limit: Duration,
    held: BTreeMap<(String, u32), Held>,
    /// Told to the owner as revoked, given up with the next poll.
    leaving: Option<Vec<(String, u32)>>,
    names: Names,
}

impl KafkaConsumer {
    pub(super) async fn join(config: &KafkaConfig, group: &str, topics: &[&str]) -> Result<Self, Error> {
        let session = config.session_timeout.as_millis();
        let mut settings = client::base(config);
        settings
            .set("group.id", group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 4).max(1).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("allow.auto.create.topics", "false")
            .set("enable.partition.eof", "false")
            .set("fetch.queue.backoff.ms", "20")
            .set("queued.max.messages.kbytes", (config.read_ahead_bytes / 1024).max(1).to_string());
        if let Some(id) = &config.group_instance_id {
            settings.set("group.instance.id", id);
        }
        let native = Native::from_config_and_context(&settings, Events::default()).map_err(convert::misconfigured)?;
        let consumer = Self {
            native: Some(Arc::new(native)),
            limit: config.request_timeout,
            held: BTreeMap::new(),
            leaving: None,
            names: Names::default(),
        };
        let (names, limit) = (topics.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>(), config.request_timeout);
        let subscribe = move |native: &Native| {
            // librdkafka would wait for a topic that is not there, and say so once.
            for name in &names {
                Shape::wait(native.client(), name, limit)?.ok_or_else(|| absent(name))?;
            }
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            native.subscribe(&names).map_err(convert::misconfigured)
        };
        consumer.blocking(subscribe).await?;
        Ok(consumer)
    }

    fn native(&self) -> Result<Arc<Native>, Error> {
        self.native.clone().ok_or_else(|| Error::Unavailable("the consumer is closed".to_owned()))
    }

    fn held(&mut self, topic: &str, partition: u32) -> Result<&mut Held, Error> {
        self.held.get_mut(&(topic.to_owned(), partition)).ok_or(Error::Fenced(partition))
    }

    /// Gives up what the owner has been told of: it had its time until this poll.
    fn leave(&mut self, native: &Native) -> Result<(), Error> {
        let Some(leaving) = self.leaving.take() else { return Ok(()) };
        let started: Vec<_> = leaving.into_iter().filter(|k| self.held.remove(k).is_some_and(|h| h.started)).collect();
        let started = list(started.iter().map(|(t, p)| (t.as_str(), *p, Offset::Invalid)))?;
        native.incremental_unassign(&started).map_err(convert::unavailable)
    }

    fn told(&mut self, event: Event) -> Polled {
        match event {
            Event::Assigned(partitions) => {
                self.held.extend(partitions.iter().map(|p| (p.clone(), Held::default())));
                Polled::Assigned(partitions)
            }
            Event::Revoked(partitions) => {
                self.leaving = Some(partitions.clone());
                Polled::Revoked(partitions)
            }
        }
    }

    /// What has arrived already, after a first one, without waiting.
    fn page(&mut self, native: &Native, first: Record) -> Vec<Record> {
        let mut bytes = convert::size(&first);
        let mut page = vec![first];
        while bytes < PAGE_BYTES && page.len() < PAGE_RECORDS {
            // An error comes again with the next poll, or has mended by then.
            let Some(Ok(message)) = native.recv().now_or_never() else { break };
            let record = convert::record(&message, &mut self.names);
            bytes += convert::size(&record);
            page.push(record);
        }
        page
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Native) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let native = self.native()?;
        let call = tokio::task::spawn_blocking(move || call(&native));
        // librdkafka's own limits come first, where it keeps them.
        match tokio::time::timeout(self.limit * 2, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(convert::unavailable(error)),
            Err(_) => Err(Error::Unavailable(format!("kafka: no answer within {:?}", self.limit * 2))),
        }
    }

    /// Moves a partition that is being read already.
    async fn seek(&self, topic: &str, partition: u32, start: Start) -> Result<(), Error> {
        let offset = match start {
            Start::Committed => self.committed(topic, partition).await?,
            other => raw(other),
        };
        let end = tokio::time::Instant::now() + self.limit;
        loop {
            let (name, limit) = (topic.to_owned(), self.limit);
            let moved = self.blocking(move |native| {
                let answer = native.seek_partitions(list([(name.as_str(), partition, offset)])?, limit);
                let answer = answer.map_err(convert::unavailable)?;
                Ok(answer
                    .elements()
                    .first()
                    .map_or(Ok(()), rdkafka::topic_partition_list::TopicPartitionListElem::error))
            });
            match moved.await? {
                Ok(()) => return Ok(()),
                Err(error) if tokio::time::Instant::now() >= end => return Err(convert::error(&error, topic)),
                Err(_) => tokio::time::sleep(SEEK_PAUSE).await,
            }
        }
    }

    async fn committed(&self, topic: &str, partition: u32) -> Result<Offset, Error> {
        let (name, limit) = (topic.to_owned(), self.limit);
        self.blocking(move |native| {
            let asked = native.committed_offsets(list([(name.as_str(), partition, Offset::Invalid)])?, limit);
            let found = asked.map_err(|e| convert::error(&e, &name))?;
            Ok(match found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
                Some(Offset::Offset(offset)) => Offset::Offset(offset),
                _ => Offset::Beginning,
            })
        })
        .await
    }
}

fn raw(start: Start) -> Offset {
    match start {
        Start::Committed => Offset::Stored,
        Start::Beginning => Offset::Beginning,
        Start::Offset(offset) => Offset::Offset(offset.max(0)),
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self) -> Result<Polled, Error> {
        let native = self.native()?;
        self.leave(&native)?;
        loop {
            if let Some(event) = native.context().next() {
                return Ok(self.told(event));
            }
            let received = tokio::select! {
                biased;
                () = native.context().changed() => continue,
                received = native.recv() => received,
            };
            match taken(received)? {
                Some(message) => {
                    let first = convert::record(&message, &mut self.names);
                    drop(message);
                    return Ok(Polled::Records(self.page(&native, first)));
                }
                None => continue,
            }
        }
    }

    async fn start(&mut self, topic: &str, partition: u32, start: Start) -> Result<(), Error> {
        let held = *self.held(topic, partition)?;
        if held.started {
            return self.seek(topic, partition, start).await;
        }
        let native = self.native()?;
        native.incremental_assign(&list([(topic, partition, raw(start))])?).map_err(convert::unavailable)?;
        if held.paused {
            native.pause(&list([(topic, partition, Offset::Invalid)])?).map_err(convert::unavailable)?;
        }
        self.held(topic, partition)?.started = true;
        Ok(())
    }

    async fn pause(&mut self, topic: &str, partition: u32, paused: bool) -> Result<(), Error> {
        let held = self.held(topic, partition)?;
        held.paused = paused;
        if !held.started {
            return Ok(());
        }
        let (native, one) = (self.native()?, list([(topic, partition, Offset::Invalid)])?);
        let done = if paused { native.pause(&one) } else { native.resume(&one) };
        done.map_err(convert::unavailable)
    }

    async fn commit(&mut self, positions: &BTreeMap<(String, u32), i64>) -> Result<(), Error> {
        if let Some((_, partition)) = positions.keys().find(|k| !self.held.contains_key(*k)) {
            return Err(Error::Fenced(*partition));
        }
        if positions.is_empty() {
            return Ok(());
        }
        let offsets = list(positions.iter().map(|((t, p), o)| (t.as_str(), *p, Offset::Offset(*o))))?;
        // A refusal for the group's sake is none for ever: if partitions are lost, the next poll says which.
        let commit =
            move |native: &Native| native.commit(&offsets, CommitMode::Sync).map_err(|e| convert::error(&e, "commit"));
        self.blocking(commit).await
    }

    async fn bounds(&mut self, topic: &str, partition: u32) -> Result<(i64, i64), Error> {
        let (topic, limit) = (topic.to_owned(), self.limit);
        self.blocking(move |native| {
            let found = native.fetch_watermarks(&topic, convert::raw_partition(partition), limit);
            found.map_err(|e| convert::error(&e, &format!("bounds of {topic}/{partition}")))
        })
        .await
    }

    async fn close(mut self: Box<Self>) -> Result<(), Error> {
        let Some(native) = self.native.take() else { return Ok(()) };
        let unanswered = self.leaving.take().is_some();
        let ended = tokio::task::spawn_blocking(move || end(native, unanswered));
        match tokio::time::timeout(CLOSE_LIMIT, ended).await {
            Ok(ended) => ended.map_err(convert::unavailable),
            Err(_) => Err(Error::Unavailable(format!("kafka: leaving the group took more than {CLOSE_LIMIT:?}"))),
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        if let Some(native) = self.native.take() {
            let unanswered = self.leaving.take().is_some();
            // Leaving the group waits for the broker, which must not hold an async worker.
            std::thread::spawn(move || end(native, unanswered));
        }
    }
}

/// Leaves the group. librdkafka would wait for ever for a revocation that nobody answers.
fn end(native: Arc<Native>, unanswered: bool) {
    let queued = native.context().close();
    if (unanswered || queued)
        && let Err(error) = give_up_all(&*native)
    {
        tracing::warn!(%error, "kafka: giving up partitions on close");
    }
    drop(native);
}

/// What an owner has to know of; the rest librdkafka mends by itself.
fn taken(received: Result<BorrowedMessage<'_>, KafkaError>) -> Result<Option<BorrowedMessage<'_>>, Error> {
    match received {
        Ok(message) => Ok(Some(message)),
        Err(KafkaError::PartitionEOF(_)) => Ok(None),
        Err(KafkaError::MessageConsumptionFatal(code)) => {
            Err(Error::Misconfigured(format!("kafka: this member of the group is shut out: {code}")))
        }
        Err(error) => match error.rdkafka_error_code() {
            Some(Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut) => Ok(None),
            // It was there when the consumer began, so either the news is still spreading or somebody deleted it.
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Err(convert::unavailable(error)),
            _ => Err(convert::error(&error, "reading")),
        },
    }
}
