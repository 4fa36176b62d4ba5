//! `[attributes]` and their fields.

use std::collections::BTreeMap;

use crate::Severity;
use crate::catalogue::attribute::{Attribute, Change, Kind, Mute, Scalar, Secret};
use crate::catalogue::kind::Source;
use crate::catalogue::reader::{Node, Table};
use crate::catalogue::secure::{Secure, SecureTest};
use crate::expr::{Condition, Expr};

const SCALARS: [(&str, Scalar); 12] = [
    ("string", Scalar::String),
    ("caseless", Scalar::Caseless),
    ("number", Scalar::Number),
    ("bool", Scalar::Bool),
    ("version", Scalar::Version),
    ("kms", Scalar::Kms),
    ("ref", Scalar::Ref),
    ("cidr", Scalar::Cidr),
    ("time", Scalar::Time),
    ("window", Scalar::Window),
    ("policy", Scalar::Policy),
    ("json", Scalar::Json),
];

fn scalar(text: &str) -> Result<Scalar, String> {
    let found = SCALARS.iter().find(|(n, _)| *n == text);
    found.map(|(_, s)| *s).ok_or_else(|| format!("`{text}` is no kind of scalar"))
}

fn kind(table: &Table<'_>, top: bool) -> Kind {
    let of = table.read("of", scalar).unwrap_or(Scalar::String);
    let read = |text: &str| {
        Ok(match text {
            "set" => Kind::Set(of),
            "list" => Kind::List(of),
            "map" => Kind::Map(of),
            "blocks" => Kind::Blocks,
            "block_list" => Kind::BlockList,
            "policy" if top => Kind::Policy,
            "json" if top => Kind::Json,
            "rules" => Kind::Rules,
            other => Kind::Scalar(scalar(other).map_err(|_| format!("`{other}` is no kind"))?),
        })
    };
    table.read("kind", read).unwrap_or(Kind::Scalar(Scalar::String))
}

/// Reads one attribute, or (`top` false) a field of a block. Text alone is its `from`.
pub(super) fn attribute(path: &str, node: &Node<'_>, top: bool) -> Option<Attribute> {
    let group = path.split_once('.').filter(|_| top).map(|(first, _)| first.to_owned());
    let mut found = Attribute {
        path: path.to_owned(),
        kind: Kind::Scalar(Scalar::String),
        from: Vec::new(),
        values: BTreeMap::new(),
        terraform: Vec::new(),
        default: None,
        unset: Vec::new(),
        fields: BTreeMap::new(),
        key: None,
        explode: None,
        group,
        ignore_keys: Vec::new(),
        secret: None,
        uncompared: None,
        owned_by_aws: false,
        computed: false,
        empty_unsaid: false,
        absent_unknown: false,
        subset: false,
        joins: false,
        alone_none: false,
        when: Vec::new(),
        yields_to: Vec::new(),
        muted: Vec::new(),
        secure: Vec::new(),
        severity: None,
    };
    let own = Source { path: path.to_owned(), ..Source::default() };
    if node.is_text() {
        found.from.push(node.read(Expr::parse)?);
        found.terraform.push(own);
        return Some(found);
    }
    let table = node.table()?;
    found.kind = kind(&table, top);
    found.from = table.each("from", Expr::parse);
    found.values = table.members("values").into_iter().map(|(k, n)| (k, n.json())).collect();
    found.terraform = match table.get("terraform") {
        Some(node) => node.elements().iter().filter_map(|n| n.read(Source::parse)).collect(),
        None => vec![own],
    };
    found.default = table.get("default").map(|n| n.json());
    found.unset = table.list("unset").iter().map(Node::json).collect();
    for (name, node) in table.members("fields") {
        if let Some(field) = attribute(&name, &node, false) {
            found.fields.insert(name, field);
        }
    }
    found.key = table.text("key");
    found.explode = table.text("explode");
    found.ignore_keys = table.texts("ignore_keys");
    found.secret = table.read("secret", |text| match text {
        "text" => Ok(Secret::Text),
        "sha1" => Ok(Secret::Sha1OfBytes),
        _ => Err("`secret` is text or sha1".to_owned()),
    });
    found.absent_unknown = table
        .read("absent", |t| if t == "unknown" { Ok(true) } else { Err("`absent` can only be unknown".to_owned()) })
        .unwrap_or(false);
    found.computed = table.flag("computed");
    found.subset = table.flag("subset");
    if top {
        judged(&table, &mut found);
    }
    table.finish();
    Some(found)
}

/// What only a whole attribute has.
fn judged(table: &Table<'_>, found: &mut Attribute) {
    if let Some(group) = table.text("group") {
        found.group = Some(group).filter(|g| !g.is_empty());
    }
    found.uncompared = table.text("uncompared");
    found.owned_by_aws = table
        .read("owner", |t| if t == "aws" { Ok(true) } else { Err("`owner` can only be aws".to_owned()) })
        .unwrap_or(false);
    found.empty_unsaid = table
        .read("empty", |t| if t == "undeclared" { Ok(true) } else { Err("`empty` can only be undeclared".to_owned()) })
        .unwrap_or(false);
    found.joins = table.flag("joins");
    found.alone_none = table
        .read("alone", |t| if t == "none" { Ok(true) } else { Err("`alone` can only be none".to_owned()) })
        .unwrap_or(false);
    found.when = table.each("when", Condition::parse);
    found.yields_to = table.texts("yields_to");
    found.muted = table.list("muted").iter().filter_map(mute).collect();
    found.severity = table.read("severity", str::parse::<Severity>);
    found.secure = table.list("secure").iter().filter_map(|n| secure(n, &found.path)).collect();
}

fn mute(node: &Node<'_>) -> Option<Mute> {
    let table = node.table()?;
    let change = table.read("change", |text| match text {
        "any" => Ok(Change::Any),
        "increase" => Ok(Change::Increase),
        "newer" => Ok(Change::Newer),
        _ => Err("`change` is any, increase or newer".to_owned()),
    });
    let major = table.get("major").map_or(Some(1), |n| n.json().as_u64());
    let when = table.each("when", Condition::parse);
    let why = table.need("why").and_then(|n| n.text());
    if when.is_empty() {
        table.problem("a mute needs `when`: it holds only where the owner is there");
    }
    table.finish();
    let major = major.and_then(|m| usize::try_from(m).ok());
    if major.is_none() {
        table.problem("`major` is a number of parts");
    }
    Some(Mute { when, change: change.unwrap_or(Change::Any), major: major?, why: why? })
}

fn secure(node: &Node<'_>, path: &str) -> Option<Secure> {
    let table = node.table()?;
    let rule = table.need("rule").and_then(|n| n.text());
    let severity = table.need("severity").and_then(|n| n.read(str::parse::<Severity>));
    let when = table.each("when", Condition::parse);
    let title = table.text("title").unwrap_or_default();
    let path = table.text("path").unwrap_or_else(|| path.to_owned());
    let mut tests = Vec::new();
    for name in SecureTest::NAMES {
        if let Some(node) = table.get(name) {
            match SecureTest::parse(name, &node.json()) {
                Ok(test) => tests.push(test),
                Err(e) => node.problem(e),
            }
        }
    }
    if tests.len() != 1 {
        table.problem(format!("`secure` needs one test, has {}", tests.len()));
    }
    table.finish();
    Some(Secure { rule: rule?, severity: severity?, test: tests.pop()?, when, path, title })
}
