//! Security group rules as sets: however they are split over rules, ranges and resources, whoever declares them.
//!
//! A rule is a product of ports and sources; the canonical form is the union of all, per protocol, source and
//! description, with touching port ranges joined, written in the shape of Terraform's inline blocks. Understands the
//! inline blocks, both kinds of rule resources and EC2's `IpPermission`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::address;
use crate::expr::scalar_text;

/// Most rules of a group that are looked at (AWS allows 1,000).
const MAX_RULES: usize = 10_000;

/// The members that sources' rules are read by.
pub(crate) const MEMBERS: [&str; 17] = [
    "protocol",
    "ip_protocol",
    "from_port",
    "to_port",
    "description",
    "cidr_blocks",
    "cidr_ipv4",
    "ipv6_cidr_blocks",
    "cidr_ipv6",
    "prefix_list_ids",
    "prefix_list_id",
    "security_groups",
    "referenced_security_group_id",
    "source_security_group_id",
    "self",
    "type",
    "security_group_id",
];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    V4(String),
    V6(String),
    Prefix(String),
    Group(String),
    Own,
}

type Ports = (i64, i64);

/// The canonical form of rules; null if there is none.
pub fn canonical(rules: &[Value], own: &str) -> Value {
    let mut sets: BTreeMap<(String, Peer, String), Vec<Ports>> = BTreeMap::new();
    for rule in rules.iter().take(MAX_RULES) {
        let protocol = protocol(rule);
        let ports = ports(&protocol, rule);
        for (peer, description) in peers(rule, own) {
            sets.entry((protocol.clone(), peer, description)).or_default().push(ports);
        }
    }
    let mut blocks: BTreeMap<(String, Ports, String), BTreeSet<Peer>> = BTreeMap::new();
    for ((protocol, peer, description), ranges) in sets {
        for range in joined(&protocol, ranges) {
            blocks.entry((protocol.clone(), range, description.clone())).or_default().insert(peer.clone());
        }
    }
    let written: Vec<Value> = blocks.iter().map(|(key, peers)| write(key, peers)).collect();
    if written.is_empty() { Value::Null } else { Value::Array(written) }
}

/// Whether canonical rules are all among others.
pub(crate) fn within(some: &Value, all: &Value) -> bool {
    let lists = [some, all].into_iter().filter_map(Value::as_array);
    canonical(&lists.flatten().cloned().collect::<Vec<_>>(), "") == *all
}

fn member<'a>(rule: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|n| rule.get(n).filter(|v| !v.is_null()))
}

/// <https://www.iana.org/assignments/protocol-numbers>: EC2 names four of them.
fn protocol(rule: &Value) -> String {
    let text = member(rule, &["protocol", "ip_protocol", "IpProtocol"]).map(scalar_text).unwrap_or_default();
    match text.trim().to_ascii_lowercase().as_str() {
        "-1" | "all" | "" => "-1".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        other => other.to_owned(),
    }
}

/// Ports mean something for TCP and UDP, type and code for ICMP; elsewhere tools write 0, -1 or nothing.
fn ports(protocol: &str, rule: &Value) -> Ports {
    let number = |names| member(rule, names).map(crate::transform::number).and_then(|n| n.as_i64());
    let (from, to) = (number(&["from_port", "FromPort"]), number(&["to_port", "ToPort"]));
    match protocol {
        "tcp" | "udp" => match (from.unwrap_or(-1), to.unwrap_or(-1)) {
            (-1, _) => (0, 65535),
            (from, -1) => (from, from),
            range => range,
        },
        "icmp" | "icmpv6" => (from.unwrap_or(-1), to.unwrap_or(-1)),
        _ => (-1, -1),
    }
}

fn joined(protocol: &str, mut ranges: Vec<Ports>) -> Vec<Ports> {
    ranges.sort_unstable();
    ranges.dedup();
    if protocol != "tcp" && protocol != "udp" {
        return ranges;
    }
    let mut out: Vec<Ports> = Vec::new();
    for (from, to) in ranges {
        match out.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn peers(rule: &Value, own: &str) -> Vec<(Peer, String)> {
    let description = |v: &Value| member(v, &["description", "Description"]).map(scalar_text).unwrap_or_default();
    let outer = description(rule);
    let mut out = Vec::new();
    let mut add = |names: &[&str], inner: &[&str], make: &dyn Fn(&str) -> Peer| {
        let Some(found) = member(rule, names) else { return };
        let one = [found.clone()];
        for entry in found.as_array().map_or(one.as_slice(), Vec::as_slice) {
            let (text, words) = match entry {
                Value::Object(_) => (member(entry, inner).map(scalar_text).unwrap_or_default(), description(entry)),
                scalar => (scalar_text(scalar), outer.clone()),
            };
            if !text.is_empty() {
                out.push((make(&text), words));
            }
        }
    };
    let net = |text: &str| {
        let range = address::range(text);
        if range.contains(':') { Peer::V6(range) } else { Peer::V4(range) }
    };
    // a group of another account is written `account/sg-...` by Terraform; group ids are unique without it
    let group = |text: &str| {
        let id = text.rsplit('/').next().unwrap_or(text);
        if id == own && !own.is_empty() { Peer::Own } else { Peer::Group(id.to_owned()) }
    };
    add(&["cidr_blocks", "cidr_ipv4", "IpRanges", "CidrIpv4"], &["CidrIp"], &net);
    add(&["ipv6_cidr_blocks", "cidr_ipv6", "Ipv6Ranges", "CidrIpv6"], &["CidrIpv6"], &net);
    add(&["prefix_list_ids", "prefix_list_id", "PrefixListIds", "PrefixListId"], &["PrefixListId"], &|t| {
        Peer::Prefix(t.to_owned())
    });
    add(&["security_groups", "referenced_security_group_id", "UserIdGroupPairs"], &["GroupId", "GroupName"], &group);
    add(&["source_security_group_id"], &[], &group);
    if rule.get("self").and_then(Value::as_bool) == Some(true) {
        out.push((Peer::Own, outer));
    }
    out
}

fn write((protocol, (from, to), description): &(String, Ports, String), peers: &BTreeSet<Peer>) -> Value {
    let mut block = Map::new();
    block.insert("protocol".to_owned(), json!(protocol));
    // as Terraform writes "all": ports 0-0 with protocol -1
    let all = protocol == "-1";
    block.insert("from_port".to_owned(), json!(if all { 0 } else { *from }));
    block.insert("to_port".to_owned(), json!(if all { 0 } else { *to }));
    if !description.is_empty() {
        block.insert("description".to_owned(), json!(description));
    }
    for peer in peers {
        let (name, id) = match peer {
            Peer::V4(range) => ("cidr_blocks", range),
            Peer::V6(range) => ("ipv6_cidr_blocks", range),
            Peer::Prefix(id) => ("prefix_list_ids", id),
            Peer::Group(id) => ("security_groups", id),
            Peer::Own => {
                block.insert("self".to_owned(), json!(true));
                continue;
            }
        };
        if let Value::Array(list) = block.entry(name).or_insert_with(|| json!([])) {
            list.push(json!(id));
        }
    }
    Value::Object(block)
}
