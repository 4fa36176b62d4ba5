//! One partition outside of any group, from its first record to the end that it has now.

use futures::stream::{self, BoxStream, StreamExt};
use rdkafka::Offset;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;

use super::convert::{self, Names};
use super::rebalance::Events;
use super::shape::{Shape, absent};
use super::{KafkaConfig, client};
use crate::{Error, Record};

struct Replay {
    native: Parked,
    names: Names,
    /// First offset that is not read any more.
    end: i64,
    done: bool,
}

/// Its end waits for a thread of librdkafka, which must not hold an async worker.
struct Parked(Option<StreamConsumer<Events>>);

impl Drop for Parked {
    fn drop(&mut self) {
        let native = self.0.take();
        std::thread::spawn(move || drop(native));
    }
}

pub(super) async fn read(
    config: &KafkaConfig,
    topic: &str,
    partition: u32,
) -> Result<BoxStream<'static, Result<Record, Error>>, Error> {
    let mut settings = client::base(config);
    settings
        // librdkafka wants one for `assign`; nothing joins and nothing is committed.
        .set("group.id", "driftline-replay")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.max.messages.kbytes", (config.read_ahead_bytes / 1024).max(1).to_string());
    let native = StreamConsumer::<Events>::from_config_and_context(&settings, Events::default());
    let native = native.map_err(convert::misconfigured)?;
    let (name, limit) = (topic.to_owned(), config.request_timeout);
    let begin = move || {
        Shape::wait(native.client(), &name, limit)?.ok_or_else(|| absent(&name))?;
        let found = native.fetch_watermarks(&name, convert::raw_partition(partition), limit);
        let (_, end) = found.map_err(|e| convert::error(&e, &format!("reading {name}/{partition}")))?;
        let whole = convert::list([(name.as_str(), partition, Offset::Beginning)])?;
        native.assign(&whole).map_err(convert::unavailable)?;
        Ok::<_, Error>((native, end))
    };
    let (native, end) = tokio::task::spawn_blocking(begin).await.map_err(convert::unavailable)??;
    let replay = Replay { native: Parked(Some(native)), names: Names::default(), end, done: end == 0 };
    Ok(stream::unfold(replay, |mut replay| async {
        let next = replay.next().await?;
        replay.done |= next.is_err();
        Some((next, replay))
    })
    .boxed())
}

impl Replay {
    async fn next(&mut self) -> Option<Result<Record, Error>> {
        loop {
            if self.done {
                return None;
            }
            let native = self.native.0.as_ref()?;
            match native.recv().await {
                Ok(message) => {
                    self.done = message.offset() + 1 >= self.end;
                    let record = convert::record(&message, &mut self.names);
                    return (record.offset < self.end).then_some(Ok(record));
                }
                // The last offsets may hold no records, after compaction.
                Err(KafkaError::PartitionEOF(_)) => self.done = true,
                Err(error) => match error.rdkafka_error_code() {
                    Some(Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut) => {}
                    // Nothing is asked of the group, so no right to it is needed.
                    Some(Code::GroupAuthorizationFailed) => {}
                    _ => return Some(Err(convert::error(&error, "reading"))),
                },
            }
        }
    }
}
