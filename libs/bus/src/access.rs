//! What each role may do at a Kafka cluster, and nothing more: the one table that `driftline kafka-acls` prints, that roles
//! check their topics by, and that the tests run the pipeline with.

use driftline_model::record::{DEAD_LETTERS, DRIFTS, EVENTS, INPUTS};

use crate::Topic;

/// Whoever has a connection of its own to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Publishes what agents send.
    Aggregator,
    /// Judges: inputs to events and latest states.
    Analyzer,
    /// Stores inputs and events.
    Writer,
    /// Publishes and withdraws baselines.
    Import,
    /// Makes the topics, once.
    Topics,
}

/// What is done, in Kafka's words (`AclOperation`). Read and Write imply Describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Make a topic.
    Create,
    /// See that it is there.
    Describe,
    /// See its settings: each role checks that its topics keep what it relies on.
    DescribeConfigs,
    /// Read records, or join a group and commit for it.
    Read,
    /// Publish records.
    Write,
}

impl Operation {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }
}

/// What it is done to, by its exact name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// A consumer group.
    Group(String),
}

/// Names of the consumer groups of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Of the analyzers.
    pub analyzer: String,
    /// Of the writers.
    pub writer: String,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// To what.
    pub resource: Resource,
    /// To do this.
    pub operations: Vec<Operation>,
}

impl Role {
    /// All of them, as `up` is in one process; in production each may be a user of its own.
    pub const EACH: [Self; 5] = [Self::Aggregator, Self::Analyzer, Self::Writer, Self::Import, Self::Topics];

    /// Its name on the command line and in the user `driftline-NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aggregator => "aggregator",
            Self::Analyzer => "analyzer",
            Self::Writer => "writer",
            Self::Import => "import",
            Self::Topics => "topics",
        }
    }

    /// What it needs.
    pub fn rights(self, groups: &Groups) -> Vec<Right> {
        use Operation::{Create, Describe, DescribeConfigs, Read, Write};
        let topic = |name: &str, does: &[Operation]| {
            // what a role uses it also looks at, before it begins
            let operations = does.iter().copied().chain([DescribeConfigs]).collect();
            Right { resource: Resource::Topic(name.to_owned()), operations }
        };
        let group = |name: &String| Right { resource: Resource::Group(name.clone()), operations: vec![Read] };
        match self {
            Self::Aggregator => vec![topic(INPUTS, &[Write])],
            // inputs: publishes a winner again over a lower record that compaction would keep
            Self::Analyzer => vec![
                topic(INPUTS, &[Read, Write]),
                topic(EVENTS, &[Write]),
                topic(DRIFTS, &[Read, Write]),
                topic(DEAD_LETTERS, &[Write]),
                group(&groups.analyzer),
            ],
            Self::Writer => vec![
                topic(INPUTS, &[Read]),
                topic(EVENTS, &[Read]),
                topic(DEAD_LETTERS, &[Write]),
                group(&groups.writer),
            ],
            Self::Import => vec![topic(INPUTS, &[Read, Write])],
            Self::Topics => [INPUTS, EVENTS, DRIFTS, DEAD_LETTERS].map(|t| topic(t, &[Create, Describe])).to_vec(),
        }
    }

    /// The lines of Kafka's own `kafka-acls.sh` that give a principal (`User:NAME`) these rights; to each is to be added
    /// how the cluster is reached (`--bootstrap-server`).
    pub fn commands(self, principal: &str, groups: &Groups) -> Vec<String> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let mut rights = self.rights(groups);
        rights.sort_by(|a, b| a.operations.cmp(&b.operations));
        let alike = |a: &Right, b: &Right| {
            let kind = |r: &Right| matches!(r.resource, Resource::Topic(_));
            a.operations == b.operations && kind(a) == kind(b)
        };
        let line = |rights: &[Right]| {
            let mut line = format!("kafka-acls.sh --add --allow-principal {}", quoted(principal));
            for operation in rights.first().map(|r| r.operations.as_slice()).unwrap_or_default() {
                line.push_str(&format!(" --operation {}", operation.name()));
            }
            for right in rights {
                match &right.resource {
                    Resource::Topic(name) => line.push_str(&format!(" --topic {}", quoted(name))),
                    Resource::Group(name) => line.push_str(&format!(" --group {}", quoted(name))),
                }
            }
            line
        };
        rights.chunk_by(alike).map(line).collect()
    }

    /// Of all topics those that this role uses.
    pub fn topics(self, partitions: u32) -> Vec<Topic> {
        let rights = self.rights(&Groups { analyzer: String::new(), writer: String::new() });
        let used = |topic: &Topic| rights.iter().any(|r| matches!(&r.resource, Resource::Topic(n) if *n == topic.name));
        crate::topics(partitions).into_iter().filter(used).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_analyzer_writes_events_and_only_the_one_for_topics_creates() {
        let groups = Groups { analyzer: "a".into(), writer: "w".into() };
        let may = |role: Role, name: &str, does: Operation| {
            let at = |r: &Right| matches!(&r.resource, Resource::Topic(n) | Resource::Group(n) if n == name);
            role.rights(&groups).iter().any(|r| at(r) && r.operations.contains(&does))
        };
        let who = |name: &str, does| Role::EACH.into_iter().filter(|r| may(*r, name, does)).collect::<Vec<_>>();
        assert_eq!(who(EVENTS, Operation::Write), [Role::Analyzer]);
        assert_eq!(who(INPUTS, Operation::Create), [Role::Topics]);
        assert_eq!(who(DEAD_LETTERS, Operation::Read), []);
        assert_eq!(who("w", Operation::Read), [Role::Writer]);
        assert_eq!(Role::Aggregator.topics(3), [crate::topics(3)[0].clone()]);
        assert_eq!(Role::Topics.topics(3), crate::topics(3));
    }
}
