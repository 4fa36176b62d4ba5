//! Topics: created where they are missing, checked where they are there. Committed positions of a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Logged};
use super::rebalance::Events;
use super::{KafkaConfig, convert};
use crate::{Error, Keep, Topic};

/// A tombstone outlives its last copy by this, in milliseconds: a reader that takes longer for a topic starts again.
const TOMBSTONE_MS: u64 = 24 * 60 * 60 * 1000;
const COORDINATOR_PAUSE: Duration = Duration::from_millis(50);

/// How a setting's value is compared with what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Is,
    /// At least that number; `-1` is without end.
    AtLeast,
}

/// What a topic's settings must be.
fn wanted(config: &KafkaConfig, topic: &Topic) -> Vec<(&'static str, Rule, String)> {
    let mut all = vec![
        ("min.insync.replicas", Rule::AtLeast, config.min_insync.to_string()),
        ("max.message.bytes", Rule::AtLeast, topic.max_message_bytes.to_string()),
        // Age is counted from when the log took a record, not from a producer's clock.
        ("message.timestamp.type", Rule::Is, "LogAppendTime".to_owned()),
        ("unclean.leader.election.enable", Rule::Is, "false".to_owned()),
    ];
    match topic.keep {
        Keep::Compacted => all.push(("cleanup.policy", Rule::Is, "compact".to_owned())),
        Keep::CompactedAfter(ms) => {
            all.push(("cleanup.policy", Rule::Is, "compact".to_owned()));
            all.push(("min.compaction.lag.ms", Rule::AtLeast, ms.to_string()));
        }
        Keep::Milliseconds(ms) => {
            all.push(("cleanup.policy", Rule::Is, "delete".to_owned()));
            all.push(("retention.ms", Rule::AtLeast, ms.to_string()));
            all.push(("retention.bytes", Rule::Is, "-1".to_owned()));
        }
    }
    if !matches!(topic.keep, Keep::Milliseconds(_)) {
        all.push(("delete.retention.ms", Rule::AtLeast, TOMBSTONE_MS.to_string()));
    }
    all
}

fn holds(rule: Rule, found: &str, wanted: &str) -> bool {
    match rule {
        Rule::Is => found == wanted,
        Rule::AtLeast => match (found.parse::<i64>(), wanted.parse::<i64>()) {
            (Ok(found), Ok(wanted)) => found == -1 || found >= wanted,
            _ => false,
        },
    }
}

pub(super) async fn ensure(config: &Arc<KafkaConfig>, topics: &[Topic]) -> Result<(), Error> {
    let mut settings = client::base(config);
    settings.set("allow.auto.create.topics", "false");
    let admin = Arc::new(AdminClient::from_config_and_context(&settings, Logged).map_err(convert::misconfigured)?);
    let options = AdminOptions::new()
        .request_timeout(Some(config.request_timeout))
        .operation_timeout(Some(config.request_timeout));
    let mut problems = Vec::new();
    let (mut missing, mut present) = (Vec::new(), Vec::new());
    for topic in topics {
        match describe(&admin, config, &topic.name).await? {
            None => missing.push(topic),
            Some(shape) => {
                problems.extend(shape.problems(config, topic));
                present.push(topic);
            }
        }
    }
    for topic in missing {
        // Another process may create it at the same moment: then it is checked like any other.
        if !create(&admin, config, topic, &options).await? {
            present.push(topic);
        }
    }
    let names: Vec<_> = present.iter().map(|t| ResourceSpecifier::Topic(&t.name)).collect();
    if !names.is_empty() {
        let found = admin.describe_configs(&names, &options).await.map_err(convert::unavailable)?;
        for (topic, found) in present.into_iter().zip(found) {
            let found = found.map_err(|c| convert::code(Some(c), &format!("settings of topic {}: {c}", topic.name)))?;
            problems.extend(differences(config, topic, &found));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Misconfigured(problems.join("; "))) }
}

/// Partitions and the least number of replicas of one.
struct Shape {
    partitions: usize,
    replicas: usize,
}

impl Shape {
    fn of(topic: &MetadataTopic) -> Self {
        let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min().unwrap_or(0);
        Self { partitions: topic.partitions().len(), replicas }
    }

    fn problems(&self, config: &KafkaConfig, topic: &Topic) -> Vec<String> {
        let mut problems = Vec::new();
        if u32::try_from(self.partitions).ok() != Some(topic.partitions) {
            let (found, wanted) = (self.partitions, topic.partitions);
            problems.push(format!("topic {}: partitions is {found}, wanted {wanted}", topic.name));
        }
        if self.replicas < usize::from(config.replication) {
            let (found, wanted) = (self.replicas, config.replication);
            problems.push(format!("topic {}: replication factor is {found}, wanted at least {wanted}", topic.name));
        }
        problems
    }
}

async fn describe(admin: &Arc<AdminClient<Logged>>, config: &KafkaConfig, name: &str) -> Result<Option<Shape>, Error> {
    let (admin, name, limit) = (admin.clone(), name.to_owned(), config.request_timeout);
    let ask = move || {
        let metadata = admin.inner().fetch_metadata(Some(&name), limit);
        let metadata = metadata.map_err(|e| convert::error(&e, &format!("topic {name}")))?;
        let Some(topic) = metadata.topics().iter().find(|t| t.name() == name) else { return Ok(None) };
        match topic.error().map(Code::from) {
            None => Ok(Some(Shape::of(topic))),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(code) => Err(convert::code(Some(code), &format!("kafka: topic {name}: {code}"))),
        }
    };
    tokio::task::spawn_blocking(ask).await.map_err(convert::unavailable)?
}

/// Whether it was created here.
async fn create(
    admin: &AdminClient<Logged>,
    config: &KafkaConfig,
    topic: &Topic,
    options: &AdminOptions,
) -> Result<bool, Error> {
    let settings = wanted(config, topic);
    let partitions = convert::raw_partition(topic.partitions);
    let mut new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(i32::from(config.replication)));
    for (name, _, value) in &settings {
        new = new.set(name, value);
    }
    let created = admin.create_topics([&new], options).await.map_err(convert::unavailable)?;
    match created.into_iter().next() {
        Some(Ok(_)) => Ok(true),
        Some(Err((_, Code::TopicAlreadyExists))) => Ok(false),
        Some(Err((name, code))) => Err(convert::code(Some(code), &format!("kafka: creating topic {name}: {code}"))),
        None => Err(Error::Unavailable(format!("kafka: no answer on creating topic {}", topic.name))),
    }
}

fn differences(config: &KafkaConfig, topic: &Topic, found: &ConfigResource) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, rule, wanted) in wanted(config, topic) {
        let value = found.get(name).and_then(|e| e.value.as_deref()).unwrap_or("not set");
        if !holds(rule, value, &wanted) {
            let least = if rule == Rule::AtLeast { "at least " } else { "" };
            problems.push(format!("topic {}: {name} is {value}, wanted {least}{wanted}", topic.name));
        }
    }
    problems
}

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
        let metadata = consumer.fetch_metadata(Some(&topic), config.request_timeout);
        let metadata = metadata.map_err(|e| convert::error(&e, &about))?;
        let mut list = TopicPartitionList::new();
        for found in metadata.topics().iter().filter(|t| t.name() == topic) {
            if let Some(code) = found.error().map(Code::from) {
                return Err(convert::code(Some(code), &format!("kafka: {about}: {code}")));
            }
            for partition in found.partitions() {
                list.add_partition(&topic, partition.id());
            }
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
