//! Positions that a group has committed, asked from outside of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::rebalance::Events;
use super::shape::Shape;
use super::{KafkaConfig, client, convert};
use crate::Error;

const COORDINATOR_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn committed(
    config: Arc<KafkaConfig>,
    group: String,
    topic: String,
) -> Result<BTreeMap<u32, i64>, Error> {
    let ask = move || {
        let mut settings = client::base(&config);
        settings.set("group.id", &group).set("allow.auto.create.topics", "false").set("enable.auto.commit", "false");
        let consumer = BaseConsumer::<Events>::from_config_and_context(&settings, Events::default())
            .map_err(convert::misconfigured)?;
        let about = format!("positions of {group} on {topic}");
        let shape = Shape::wait(consumer.client(), &topic, config.request_timeout)?;
        let shape = shape.ok_or_else(|| super::shape::absent(&topic))?;
        let mut list = TopicPartitionList::new();
        for partition in 0..shape.partitions {
            list.add_partition(&topic, i32::try_from(partition).unwrap_or(i32::MAX));
        }
        positions(&consumer, &list, config.request_timeout).map_err(|e| convert::error(&e, &about))
    };
    tokio::task::spawn_blocking(ask).await.map_err(convert::unavailable)?
}

/// A coordinator that was only just found or started says so: the question is asked again within the limit.
fn positions(
    consumer: &BaseConsumer<Events>,
    list: &TopicPartitionList,
    limit: Duration,
) -> Result<BTreeMap<u32, i64>, KafkaError> {
    let end = Instant::now() + limit;
    loop {
        let answer = consumer.committed_offsets(list.clone(), limit).and_then(|found| {
            let of = |e: TopicPartitionListElem<'_>| match (e.error(), e.offset()) {
                (Ok(()), Offset::Offset(offset)) => Some(Ok((convert::partition(e.partition()), offset))),
                (Ok(()), _) => None,
                (Err(error), _) => Some(Err(error)),
            };
            found.elements().into_iter().filter_map(of).collect()
        });
        match answer {
            Err(error) if again(&error) && Instant::now() < end => std::thread::park_timeout(COORDINATOR_PAUSE),
            answer => return answer,
        }
    }
}

fn again(error: &KafkaError) -> bool {
    use Code::{CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator, WaitingForCoordinator};
    let code = error.rdkafka_error_code();
    matches!(code, Some(CoordinatorLoadInProgress | CoordinatorNotAvailable | NotCoordinator | WaitingForCoordinator))
}
