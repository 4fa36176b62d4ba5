//! Security groups with their rules in every shape that the provider's versions have: inline, `aws_security_group_rule`,
//! and a resource per rule.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::Context as _;
use aws_sdk_ec2::types::{IpPermission, IpRange, ResourceType, SecurityGroup, SecurityGroupRule, UserIdGroupPair};
use serde_json::{Value, json};

use crate::Builder;
use crate::network::{Network, filter, tagged};
use crate::plan::{Tags, tags};
use crate::state::{Address, State};

#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) web: String,
    pub(crate) app: String,
    pub(crate) database: String,
}

/// How a configuration declares a group's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Blocks in the group.
    Inline,
    /// `aws_security_group_rule`.
    Rule,
    /// `aws_vpc_security_group_ingress_rule` and `..._egress_rule`.
    RulePerResource,
}

/// An ingress rule: port, from where, what for.
type Ingress<'a> = (i32, &'a str, &'a str);

pub(crate) async fn build(b: &Builder<'_>, network: &Network, state: &mut State) -> anyhow::Result<Groups> {
    let [web, app, database, bastion] = match b.plan.provider {
        4 => [Style::Inline, Style::Rule, Style::Inline, Style::Rule],
        5 => [Style::Inline, Style::Rule, Style::RulePerResource, Style::Inline],
        _ => [Style::RulePerResource, Style::RulePerResource, Style::RulePerResource, Style::Inline],
    };
    let inside = format!("10.{}.0.0/16", b.plan.network);
    let vpc = &network.vpc;
    let rules: &[Ingress<'_>] = &[(443, "0.0.0.0/0", "HTTPS"), (80, "0.0.0.0/0", "HTTP, redirected")];
    let web = group(b, state, vpc, ("web", "Load balancers"), (web, rules, true)).await?;
    let app = group(b, state, vpc, ("app", "Application servers"), (app, &[(8080, &web, "From web")], true)).await?;
    let from_app = &[(5432, app.as_str(), "PostgreSQL from the application")];
    let database = group(b, state, vpc, ("database", "Databases"), (database, from_app, false)).await?;
    let rules = &[(22, inside.as_str(), "SSH from inside")];
    group(b, state, vpc, ("bastion", "Ways in for people"), (bastion, rules, true)).await?;
    Ok(Groups { web, app, database })
}

async fn group(
    b: &Builder<'_>,
    state: &mut State,
    vpc: &str,
    (name, description): (&str, &str),
    (style, ingress, open_egress): (Style, &[Ingress<'_>], bool),
) -> anyhow::Result<String> {
    let ec2 = &b.clients.ec2;
    let own = tags(&[("Name", &format!("shop-{name}")), ("Owner", "network")]);
    let made = ec2
        .create_security_group()
        .group_name(format!("shop-{name}"))
        .description(description)
        .vpc_id(vpc)
        .tag_specifications(tagged(b, ResourceType::SecurityGroup, &own))
        .send()
        .await?;
    let id = made.group_id.context("a security group without id")?;
    let permissions = ingress.iter().map(|rule| permission(b, *rule)).collect();
    ec2.authorize_security_group_ingress().group_id(&id).set_ip_permissions(Some(permissions)).send().await?;
    if !open_egress {
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        let all = IpPermission::builder().ip_protocol("-1").ip_ranges(range).build();
        ec2.revoke_security_group_egress().group_id(&id).ip_permissions(all).send().await?;
    }
    let found = ec2.describe_security_groups().group_ids(&id).send().await?;
    let group = found.security_groups.unwrap_or_default().pop().context("the security group is not listed")?;
    state.add(Address::root("aws_security_group", name), attributes(b, &group, &own));
    let rules = ec2.describe_security_group_rules().filters(filter("group-id", &id)).send().await?;
    declare_rules(b, state, (name, style), rules.security_group_rules(), ingress);
    Ok(id)
}

fn permission(b: &Builder<'_>, (port, from, description): Ingress<'_>) -> IpPermission {
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port);
    if from.starts_with("sg-") {
        let pair = UserIdGroupPair::builder().group_id(from).user_id(b.plan.account).description(description);
        rule.user_id_group_pairs(pair.build()).build()
    } else {
        rule.ip_ranges(IpRange::builder().cidr_ip(from).description(description).build()).build()
    }
}

fn attributes(b: &Builder<'_>, group: &SecurityGroup, own: &Tags) -> Value {
    let (id, region) = (group.group_id().unwrap_or_default(), &b.clients.region);
    let attributes = json!({
        "arn": format!("arn:aws:ec2:{region}:{}:security-group/{id}", b.plan.account),
        "description": group.description(),
        // refresh copies the rules here, also where they are declared as resources of their own
        "egress": inline(group.ip_permissions_egress(), id),
        "id": id,
        "ingress": inline(group.ip_permissions(), id),
        "name": group.group_name(),
        "name_prefix": "",
        "owner_id": b.plan.account,
        "revoke_rules_on_delete": false,
        "timeouts": null,
        "vpc_id": group.vpc_id(),
    });
    b.plan.finish(attributes, own, Some(region))
}

/// The API's permissions as the provider gathers them: one block per protocol, ports and description.
fn inline(permissions: &[IpPermission], own: &str) -> Vec<Value> {
    let mut blocks: BTreeMap<(String, i32, i32, String), Value> = BTreeMap::new();
    for permission in permissions {
        let protocol = permission.ip_protocol().unwrap_or("-1").to_owned();
        let ports = (permission.from_port().unwrap_or(0), permission.to_port().unwrap_or(0));
        let mut block = |description: Option<&str>, change: &mut dyn FnMut(&mut Value)| {
            let key = (protocol.clone(), ports.0, ports.1, description.unwrap_or_default().to_owned());
            change(blocks.entry(key).or_insert_with(|| {
                json!({ "cidr_blocks": [], "description": description.unwrap_or_default(), "from_port": ports.0,
                        "ipv6_cidr_blocks": [], "prefix_list_ids": [], "protocol": protocol, "security_groups": [],
                        "self": false, "to_port": ports.1 })
            }));
        };
        let push = |block: &mut Value, member: &str, value: Option<&str>| {
            if let (Some(list), Some(value)) = (block[member].as_array_mut(), value) {
                list.push(json!(value));
            }
        };
        for range in permission.ip_ranges() {
            block(range.description(), &mut |b| push(b, "cidr_blocks", range.cidr_ip()));
        }
        for range in permission.ipv6_ranges() {
            block(range.description(), &mut |b| push(b, "ipv6_cidr_blocks", range.cidr_ipv6()));
        }
        for list in permission.prefix_list_ids() {
            block(list.description(), &mut |b| push(b, "prefix_list_ids", list.prefix_list_id()));
        }
        for pair in permission.user_id_group_pairs() {
            block(pair.description(), &mut |b| match pair.group_id() {
                Some(id) if id == own => b["self"] = json!(true),
                id => push(b, "security_groups", id),
            });
        }
    }
    blocks.into_values().collect()
}

fn declare_rules(
    b: &Builder<'_>,
    state: &mut State,
    (name, style): (&str, Style),
    rules: &[SecurityGroupRule],
    declared: &[Ingress<'_>],
) {
    if style == Style::Inline {
        return;
    }
    for egress in [false, true] {
        let mut keyed: Vec<(String, Value)> = rules
            .iter()
            .filter(|rule| rule.is_egress().unwrap_or(false) == egress)
            .map(|rule| {
                let key = match rule.from_port() {
                    Some(port) if port > 0 => port.to_string(),
                    _ => "all".to_owned(),
                };
                let mut attributes =
                    if style == Style::Rule { rule_attributes(rule, egress) } else { own_rule(b, rule, egress) };
                // moto leaves descriptions out where a rule names a group
                let said = declared.iter().find(|(port, ..)| !egress && rule.from_port() == Some(*port));
                if let Some((.., description)) = said {
                    attributes["description"] = json!(description);
                }
                (key, attributes)
            })
            .collect();
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        let (kind, name) = match (style, egress) {
            (Style::Rule, false) => ("aws_security_group_rule", format!("{name}_in")),
            (Style::Rule, true) => ("aws_security_group_rule", format!("{name}_out")),
            (_, false) => ("aws_vpc_security_group_ingress_rule", name.to_owned()),
            (_, true) => ("aws_vpc_security_group_egress_rule", name.to_owned()),
        };
        if !keyed.is_empty() {
            state.add_keyed(Address::root(kind, &name), keyed);
        }
    }
}

/// Ports as the old rule resource has them: 0 where there are none.
fn port(port: Option<i32>) -> i32 {
    port.filter(|port| *port > 0).unwrap_or(0)
}

fn rule_attributes(rule: &SecurityGroupRule, egress: bool) -> Value {
    let list = |value: Option<&str>| value.map(|value| json!([value]));
    let referenced = rule.referenced_group_info().and_then(|info| info.group_id());
    let mut hash = DefaultHasher::new();
    rule.security_group_rule_id().hash(&mut hash);
    json!({
        "cidr_blocks": list(rule.cidr_ipv4()),
        "description": rule.description().unwrap_or_default(),
        "from_port": port(rule.from_port()),
        "id": format!("sgrule-{}", hash.finish() as u32),
        "ipv6_cidr_blocks": list(rule.cidr_ipv6()),
        "prefix_list_ids": list(rule.prefix_list_id()),
        "protocol": rule.ip_protocol(),
        "security_group_id": rule.group_id(),
        "security_group_rule_id": rule.security_group_rule_id(),
        "self": false,
        "source_security_group_id": referenced,
        "timeouts": null,
        "to_port": port(rule.to_port()),
        "type": if egress { "egress" } else { "ingress" },
    })
}

fn own_rule(b: &Builder<'_>, rule: &SecurityGroupRule, egress: bool) -> Value {
    let (id, region) = (rule.security_group_rule_id().unwrap_or_default(), &b.clients.region);
    let ports = |port: Option<i32>| if rule.ip_protocol() == Some("-1") { None } else { port };
    let mut attributes = json!({
        "arn": format!("arn:aws:ec2:{region}:{}:security-group-rule/{id}", b.plan.account),
        "cidr_ipv4": rule.cidr_ipv4(),
        "cidr_ipv6": rule.cidr_ipv6(),
        "description": rule.description().filter(|text| !text.is_empty() && !egress),
        "from_port": ports(rule.from_port()),
        "id": id,
        "ip_protocol": rule.ip_protocol(),
        "prefix_list_id": rule.prefix_list_id(),
        "referenced_security_group_id": rule.referenced_group_info().and_then(|info| info.group_id()),
        "security_group_id": rule.group_id(),
        "security_group_rule_id": id,
        "tags": null,
        "tags_all": {},
        "to_port": ports(rule.to_port()),
    });
    if b.plan.provider >= 6 {
        attributes["region"] = json!(region);
    }
    attributes
}
