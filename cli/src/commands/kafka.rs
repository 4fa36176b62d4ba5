//! `kafka-acls` and `kafka-topics`: what whoever runs a Kafka cluster needs to know, and to do once.

use anyhow::{Context, Result};
use driftline_analyzer::WriterConfig;
use driftline_bus::{Groups, Log, Resource, Role};
use serde_json::{Value, json};

use crate::args::{Format, Global, KafkaAcls};
use crate::config::{BusKind, Config};
use crate::output;
use crate::setup;

/// Prints the least rights of each role, as lines of `kafka-acls.sh` or as data.
pub(crate) fn acls(global: &Global, args: &KafkaAcls) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let groups = Groups { analyzer: config.analyzer.group.clone(), writer: WriterConfig::default().group };
    let named = |role: &Role| args.roles.is_empty() || args.roles.iter().any(|name| name == role.name());
    let mut told = Vec::new();
    for role in Role::EACH.into_iter().filter(named) {
        let principal = args.principal.clone().unwrap_or_else(|| format!("User:driftline-{}", role.name()));
        if global.format == Format::Json {
            told.push(as_data(role, &principal, &groups));
            continue;
        }
        output::print(&format!("# {}", role.name()));
        role.commands(&principal, &groups).iter().for_each(|line| output::print(line));
    }
    if global.format == Format::Json {
        output::json(&told)?;
    }
    Ok(0)
}

fn as_data(role: Role, principal: &str, groups: &Groups) -> Value {
    let right = |right: driftline_bus::Right| {
        let (kind, name) = match &right.resource {
            Resource::Topic(name) => ("topic", name),
            Resource::Group(name) => ("group", name),
        };
        let operations: Vec<_> = right.operations.iter().map(|o| o.name()).collect();
        json!({ "resource": kind, "name": name, "operations": operations })
    };
    let rights: Vec<_> = role.rights(groups).into_iter().map(right).collect();
    json!({ "role": role.name(), "principal": principal, "rights": rights })
}

/// Makes the topics, or checks them.
pub(crate) async fn topics(global: &Global) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    anyhow::ensure!(config.bus.kind == BusKind::Kafka, "the settings name no Kafka: `bus.kind` is \"embedded\"");
    let topics = Role::Topics.topics(config.bus.partitions);
    setup::kafka(&config)?.ensure(&topics).await.context("topics")?;
    let names: Vec<_> = topics.into_iter().map(|topic| topic.name).collect();
    if global.format == Format::Json {
        output::json(&names)?;
        return Ok(0);
    }
    names.iter().for_each(|name| output::print(name));
    output::note(&format!("are there, with {} partitions each", config.bus.partitions));
    Ok(0)
}
