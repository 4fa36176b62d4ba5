//! Firewall rules: which of them open which ports to the internet, and whether one set lets through less than another.

use std::collections::BTreeSet;

use driftline_model::catalogue::Ports;
use driftline_model::normal::rules::canonical;
use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::text::printable;

/// All ports.
const WHOLE: (u16, u16) = (0, u16::MAX);

/// Keys of a rule whose values are not address ranges but name a source by its id.
const OTHER_SOURCES: [&str; 4] =
    ["security_groups", "prefix_list_ids", "source_security_group_id", "referenced_security_group_id"];

/// One rule of a firewall, whoever wrote it in which shape.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opening {
    /// `tcp`, `udp`, `icmp` ... ; `-1` is all.
    protocol: String,
    /// First and last port (of ICMP: unread, all).
    ports: (u16, u16),
    /// Address ranges.
    nets: Vec<IpNet>,
    /// Groups, prefix lists, `self`.
    others: BTreeSet<String>,
}

/// Openings of `ports` to the internet, in a few words each.
pub(super) fn open(leaves: &[&Value], ports: &Ports) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for leaf in leaves {
        let rule = read(leaf)?;
        if !rule.opens(ports) {
            continue;
        }
        out.extend(rule.nets.iter().filter(|n| internet(n)).map(|net| format!("{} from {net}", rule.label())));
    }
    Ok(out)
}

/// Public address ranges that hold more than a range of `bits` does, the internet as a whole aside.
pub(super) fn wide(leaves: &[&Value], bits: u8) -> Vec<String> {
    let nets = leaves.iter().flat_map(|v| nets_of(v));
    let wide = |n: &IpNet| match n {
        IpNet::V4(v4) => n.prefix_len() > 0 && n.prefix_len() <= bits && !private(&IpNet::V4(*v4)),
        IpNet::V6(_) => false,
    };
    nets.filter(wide).map(|n| n.to_string()).collect()
}

/// Whether rules differ in nothing but their descriptions.
pub(crate) fn same_but_words(before: &Value, after: &Value) -> bool {
    let bare = |rules: &Value| {
        let mut rules = rules.as_array().cloned().unwrap_or_default();
        rules.iter_mut().filter_map(Value::as_object_mut).for_each(|rule| drop(rule.remove("description")));
        canonical(&rules, "")
    };
    bare(before) == bare(after)
}

/// Whether everything that `after` lets through, `before` let through too; false where one can't be understood
/// or is no rule, as it names no source.
pub(crate) fn narrower(before: &Value, after: &Value) -> bool {
    let rule = |v: &Value| read(v).ok().filter(|o| o.pieces().next().is_some());
    let all = |v: &Value| -> Option<Vec<Opening>> {
        match v {
            Value::Null => Some(Vec::new()),
            Value::Array(items) => items.iter().map(rule).collect(),
            one => rule(one).map(|r| vec![r]),
        }
    };
    let (Some(old), Some(new)) = (all(before), all(after)) else { return false };
    new.iter().all(|n| n.pieces().all(|piece| old.iter().any(|o| o.covers(&piece))))
}

/// Whether a range is so wide that nobody owns it: the internet, or a large part of it cut to look harmless.
pub(super) fn internet(net: &IpNet) -> bool {
    match net {
        IpNet::V4(_) => net.prefix_len() < 8,
        IpNet::V6(_) => net.prefix_len() < 16 && !private(net),
    }
}

fn private(net: &IpNet) -> bool {
    let within = |range: &str| range.parse::<IpNet>().is_ok_and(|r| r.contains(net));
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "fe80::/10"]
        .iter()
        .any(|r| within(r))
}

/// Reads a rule: address ranges in any key, ports as `from_port` and `to_port`, protocol as name or number.
fn read(value: &Value) -> Result<Opening, String> {
    let Value::Object(map) = value else { return Err("a rule is no object".to_owned()) };
    let protocol = ["protocol", "ip_protocol"].iter().find_map(|k| map.get(*k)).map(text).unwrap_or_default();
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" | "all" | "any" => "-1".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        other => other.to_owned(),
    };
    let ports = if matches!(protocol.as_str(), "tcp" | "udp") { ports_of(map)? } else { WHOLE };
    let mut others: BTreeSet<String> = OTHER_SOURCES.iter().filter_map(|k| map.get(*k)).flat_map(texts).collect();
    if map.get("self") == Some(&Value::Bool(true)) {
        others.insert("self".to_owned());
    }
    let mut nets = nets_of(value);
    for source in ["source", "sources"].iter().filter_map(|k| map.get(*k)).flat_map(texts) {
        if source.parse::<IpNet>().is_err() {
            others.insert(source);
        }
    }
    nets.sort();
    nets.dedup();
    Ok(Opening { protocol, ports, nets, others })
}

fn ports_of(map: &Map<String, Value>) -> Result<(u16, u16), String> {
    let port = |key: &str| map.get(key).filter(|v| !v.is_null()).map(text);
    match (port("from_port"), port("to_port")) {
        (None, None) => Ok(WHOLE),
        (from, to) => {
            let (from, to) = (from.clone().or(to.clone()).unwrap_or_default(), to.or(from).unwrap_or_default());
            let number = |t: &str| t.parse::<i64>().ok().filter(|n| (-1..=65535).contains(n));
            match (number(&from), number(&to)) {
                (Some(-1), _) | (_, Some(-1)) => Ok(WHOLE),
                (Some(a), Some(b)) => Ok((u16::try_from(a).unwrap_or(0), u16::try_from(b).unwrap_or(u16::MAX))),
                _ => Err("a rule has ports that are no numbers".to_owned()),
            }
        }
    }
}

/// Every address range in the value, at any depth that rules have.
fn nets_of(value: &Value) -> Vec<IpNet> {
    match value {
        Value::String(s) => s.parse().ok().into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(nets_of).collect(),
        Value::Object(map) => map.iter().filter(|(k, _)| *k != "description").flat_map(|(_, v)| nets_of(v)).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter(|v| !v.is_null()).map(text).collect(),
        Value::Null => Vec::new(),
        one => vec![text(one)],
    }
}

impl Opening {
    fn all_protocols(&self) -> bool {
        self.protocol == "-1"
    }

    /// Whether one of the ports is open (of `Whole`: all at once). ICMP has no ports.
    fn opens(&self, ports: &Ports) -> bool {
        let carried = self.all_protocols() || self.protocol == "tcp";
        match ports {
            Ports::Any(ranges) => carried && ranges.iter().any(|r| self.ports.0 <= r.1 && r.0 <= self.ports.1),
            Ports::AllBut(fine) => {
                let harmless = |n: &u16| fine.iter().any(|r| (r.0..=r.1).contains(n));
                (carried || self.protocol == "udp") && !(self.ports.0..=self.ports.1).all(|n| harmless(&n))
            }
            Ports::Whole => {
                self.all_protocols()
                    || (matches!(self.protocol.as_str(), "tcp" | "udp")
                        && self.ports.0 <= 1
                        && self.ports.1 == u16::MAX)
            }
        }
    }

    /// The rule with one source each.
    fn pieces(&self) -> impl Iterator<Item = Self> {
        let nets = self.nets.iter().map(|n| Self { nets: vec![*n], others: BTreeSet::new(), ..self.clone() });
        let others = self.others.iter().map(|o| Self { nets: Vec::new(), others: [o.clone()].into(), ..self.clone() });
        nets.chain(others)
    }

    fn covers(&self, other: &Self) -> bool {
        (self.all_protocols() || self.protocol == other.protocol)
            && (self.all_protocols() || (self.ports.0 <= other.ports.0 && other.ports.1 <= self.ports.1))
            && other.nets.iter().all(|n| self.nets.iter().any(|s| s.contains(n)))
            && other.others.is_subset(&self.others)
    }

    fn label(&self) -> String {
        let protocol = printable(&self.protocol, 20);
        match (self.all_protocols(), self.ports) {
            (true, _) => "all traffic".to_owned(),
            (_, WHOLE) => format!("{protocol}, all ports,"),
            (_, (a, b)) if a == b => format!("{protocol} {a}"),
            (_, (a, b)) => format!("{protocol} {a}-{b}"),
        }
    }
}
