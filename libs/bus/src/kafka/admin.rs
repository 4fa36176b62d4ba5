//! Topics: created where they are missing, checked where they are there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::client::{self, Logged};
use super::shape::Shape;
use super::{KafkaConfig, convert, diagnosis};
use crate::{Error, Keep, Topic};

/// A tombstone outlives its last copy by this, in milliseconds: a reader that takes longer for a topic starts again.
const TOMBSTONE_MS: u64 = 24 * 60 * 60 * 1000;
const PROPAGATION_PAUSE: Duration = Duration::from_millis(50);

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
    let admin = AdminClient::from_config_and_context(&settings, Logged).map_err(convert::misconfigured)?;
    let admin = Arc::new(admin);
    match make_and_check(&admin, config, topics).await {
        Err(error @ Error::Unavailable(_)) => Err(diagnosis::explain(Arc::clone(config), error).await),
        other => other,
    }
}

async fn make_and_check(admin: &Arc<AdminClient<Logged>>, config: &KafkaConfig, topics: &[Topic]) -> Result<(), Error> {
    let options = AdminOptions::new()
        .request_timeout(Some(config.request_timeout))
        .operation_timeout(Some(config.request_timeout));
    let mut problems = Vec::new();
    for topic in topics {
        if shape(admin, config, topic, Shape::now).await?.is_none() {
            create(admin, config, topic, &options).await?;
        }
        match shape(admin, config, topic, Shape::wait).await? {
            Some(shape) => problems.extend(differences_of_shape(config, topic, &shape)),
            None => {
                return Err(Error::Unavailable(format!("kafka: topic {} was created and is not there", topic.name)));
            }
        }
    }
    for (topic, found) in topics.iter().zip(settings_of(admin, config, topics, &options).await?) {
        problems.extend(differences(config, topic, &found));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Misconfigured(problems.join("; "))) }
}

type Ask = fn(&Client<Logged>, &str, Duration) -> Result<Option<Shape>, Error>;

async fn shape(
    admin: &Arc<AdminClient<Logged>>,
    config: &KafkaConfig,
    topic: &Topic,
    ask: Ask,
) -> Result<Option<Shape>, Error> {
    let (admin, name, limit) = (admin.clone(), topic.name.clone(), config.request_timeout);
    let asked = tokio::task::spawn_blocking(move || ask(admin.inner(), &name, limit));
    asked.await.map_err(convert::unavailable)?
}

fn differences_of_shape(config: &KafkaConfig, topic: &Topic, found: &Shape) -> Vec<String> {
    let mut problems = Vec::new();
    if u32::try_from(found.partitions).ok() != Some(topic.partitions) {
        let (found, wanted) = (found.partitions, topic.partitions);
        problems.push(format!("topic {}: partitions is {found}, wanted {wanted}", topic.name));
    }
    if found.replicas < usize::from(config.replication) {
        let (found, wanted) = (found.replicas, config.replication);
        problems.push(format!("topic {}: replication factor is {found}, wanted at least {wanted}", topic.name));
    }
    problems
}

/// Settings in the order of the topics. A broker that has not heard of a new topic yet answers with none: asked again.
async fn settings_of(
    admin: &AdminClient<Logged>,
    config: &KafkaConfig,
    topics: &[Topic],
    options: &AdminOptions,
) -> Result<Vec<ConfigResource>, Error> {
    let names: Vec<_> = topics.iter().map(|t| ResourceSpecifier::Topic(&t.name)).collect();
    let end = Instant::now() + config.request_timeout;
    while !names.is_empty() {
        let mut found = Vec::new();
        for (topic, settings) in
            topics.iter().zip(admin.describe_configs(&names, options).await.map_err(convert::unavailable)?)
        {
            let about = format!("kafka: settings of topic {}", topic.name);
            found.push(settings.map_err(|c| convert::code(Some(c), &format!("{about}: {c}")))?);
        }
        if found.iter().all(|settings| !settings.entries.is_empty()) {
            let at = |t: &Topic| OwnedResourceSpecifier::Topic(t.name.clone());
            found.sort_by_key(|settings| topics.iter().position(|t| at(t) == settings.specifier));
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(Error::Unavailable("kafka: settings of a topic are not there yet".to_owned()));
        }
        tokio::time::sleep(PROPAGATION_PAUSE).await;
    }
    Ok(Vec::new())
}

/// Another process may create it at the same moment, which is as good.
async fn create(
    admin: &AdminClient<Logged>,
    config: &KafkaConfig,
    topic: &Topic,
    options: &AdminOptions,
) -> Result<(), Error> {
    let settings = wanted(config, topic);
    let partitions = convert::raw_partition(topic.partitions);
    let mut new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(i32::from(config.replication)));
    for (name, _, value) in &settings {
        new = new.set(name, value);
    }
    let created = admin.create_topics([&new], options).await.map_err(convert::unavailable)?;
    match created.into_iter().next() {
        Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((name, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed))) => {
            let text = format!(
                "kafka: topic {name} is not there, and this user may not make it: run `driftline kafka-topics` as one who may"
            );
            Err(Error::Misconfigured(text))
        }
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
