//! Records of one account, a line each, and what is expected to follow:
//!
//! ```text
//! e                            an agent takes the account; the line's offset is the epoch
//! s eu/t/a @1.2 x=1 ?y         a snapshot with order (1, 2), `x` is 1 and `y` unread; `gone` for a tombstone, `owned` for
//!                              what belongs to AWS, `winner` for what an analyzer published again
//! m eu/t @1.3 a b              a manifest; `m eu/t 0/2 @1.3 a` is one part of two
//! c @1.4 eu/t=complete:2>7!c   a cycle: two resources, began after offset 7 (else: the line before), `c` not found;
//!                              it covers the regions eu and us and the types t and u; `partial+`: all was listed
//! b eu/t/a src x=1 lin:3       a part of a baseline by source `src`, lineage `lin`, serial 3; `gone` for a tombstone
//! l src lin:3 eu/t/a           a list of keys
//! ... => +modified:eu/t/a:x    opened; `~` changed, `-` resolved, `^key` published again, `!` dead letter
//! ```
//!
//! The offset of a record is the number of its line, from 1.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_analyzer::state::Memory;
use driftline_analyzer::{Effect, Pass, State, step};
use driftline_bus::Record;
use driftline_model::record::{
    AccountFacts, Cycle, H_EPOCH, H_NUMBER, H_TIME, INPUTS, InputKey, Instance, Keys, Listing, Manifest, Part, Session,
};
use driftline_model::{
    Coverage, CoverageStatus, Origin, ResourceKey, Scope, Snapshot, Subject, Transition, TransitionKind, Value,
};

use crate::plain::Plain;

pub(crate) const ACCOUNT: &str = "111111111111";

/// Runs a script from nothing and compares what follows from every line.
pub(crate) fn check(script: &str) {
    let mut state = State::new(Arc::new(Memory::default()));
    let lines = script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    for (index, line) in lines.enumerate() {
        let (record, expected) = line.split_once("=>").unwrap_or((line, ""));
        let offset = i64::try_from(index).unwrap() + 1;
        let effects = step::step(&mut state, &parse(record.trim(), offset), &Plain, Pass::Live).unwrap();
        let mut told: Vec<String> = effects.iter().map(tell).collect();
        let mut expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "line {offset}: {line}\nof:\n{script}");
    }
}

/// An effect as a script writes it.
pub(crate) fn tell(effect: &Effect) -> String {
    match effect {
        Effect::Transition(t) => transition(t),
        Effect::DeadLetter { .. } => "!".to_owned(),
        Effect::Republish { key, value, headers } => {
            let header = |name| {
                let found =
                    headers.iter().find(|(n, _)| n == name).map(|(_, v)| String::from_utf8_lossy(v).into_owned());
                found.unwrap_or_default()
            };
            let order = [header(H_EPOCH), header(H_NUMBER)].join(".");
            let gone = if value.is_some() { "" } else { "-gone" };
            format!("^{}@{order}{gone}", key.replacen(&format!("{ACCOUNT}/"), "", 1))
        }
    }
}

pub(crate) fn transition(t: &Transition) -> String {
    let sign = match t.transition {
        TransitionKind::Opened => '+',
        TransitionKind::Changed => '~',
        TransitionKind::Resolved => '-',
    };
    let (kind, region, type_name, id, path) = match &t.subject {
        Subject::Drift(d) => (d.kind.as_str(), &d.region, &d.type_name, &d.resource, &d.path),
        Subject::Finding(f) => (f.rule.as_str(), &f.region, &f.type_name, &f.resource, &f.path),
    };
    let path = if path.is_empty() { String::new() } else { format!(":{path}") };
    format!("{sign}{kind}:{region}/{type_name}/{id}{path}")
}

/// One line as a record.
pub(crate) fn parse(line: &str, offset: i64) -> Record {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let what = words.remove(0);
    let order = words.iter().position(|w| w.starts_with('@')).map(|i| words.remove(i));
    let order = order.and_then(|w| w[1..].split_once('.')).map(|(e, n)| (e.parse().unwrap(), n.parse().unwrap()));
    let winner = words.last() == Some(&"winner");
    let gone = words.last() == Some(&"gone");
    let (key, body) = match what {
        "e" => {
            (InputKey::Session(ACCOUNT.to_owned()), json(&Session { agent: "a".to_owned(), session: line.to_owned() }))
        }
        "s" => {
            let key = resource(words[0]);
            (InputKey::Snapshot(key.clone()), json(&snapshot(key, &words[1..])))
        }
        "a" => (InputKey::Account(ACCOUNT.to_owned()), json(&AccountFacts::default())),
        "m" => manifest(&words),
        "c" => (InputKey::Cycle(ACCOUNT.to_owned()), json(&cycle(&words, offset))),
        "b" => {
            let (lineage, serial) = lineage(&words);
            let key = InputKey::Part(resource(words[0]), words[1].to_owned());
            (key, json(&part(words[1], &words[2..], lineage, serial)))
        }
        "l" => {
            let (lineage, serial) = lineage(&words);
            let parts = words[1..].iter().filter(|w| w.contains('/'));
            let encode = |w: &&str| InputKey::Part(resource(w), words[0].to_owned()).encode();
            let keys: Vec<String> = parts.map(encode).collect();
            let list = keys_list(words[0], lineage, serial, keys);
            (InputKey::Keys(ACCOUNT.to_owned(), words[0].to_owned(), 0), list)
        }
        other => panic!("`{other}` begins no line"),
    };
    let mut record = record(&key.encode(), if gone { None } else { Some(body) }, order, offset);
    if winner {
        record.headers.push(("winner".to_owned(), b"1".to_vec()));
    }
    record
}

pub(crate) fn record(key: &str, value: Option<Vec<u8>>, order: Option<(i64, u64)>, offset: i64) -> Record {
    let mut headers = BTreeMap::from([(H_TIME, offset.to_string())]);
    if let Some((epoch, number)) = order {
        headers.extend([(H_EPOCH, epoch.to_string()), (H_NUMBER, number.to_string())]);
    }
    Record {
        topic: INPUTS.into(),
        partition: 0,
        offset,
        key: key.as_bytes().to_vec(),
        value,
        headers: headers.into_iter().map(|(n, v)| (n.to_owned(), v.into_bytes())).collect(),
        timestamp_ms: offset,
    }
}

fn json<T: serde::Serialize>(body: &T) -> Vec<u8> {
    serde_json::to_vec(body).unwrap()
}

fn resource(text: &str) -> ResourceKey {
    ResourceKey::parse(&format!("{ACCOUNT}/{text}")).unwrap()
}

fn lineage(words: &[&str]) -> (String, u64) {
    let found = words.iter().find_map(|w| w.split_once(':'));
    found.map(|(l, s)| (l.to_owned(), s.parse().unwrap())).unwrap_or_default()
}

fn values<'a>(words: &'a [&str]) -> impl Iterator<Item = (String, Value)> + 'a {
    words.iter().filter_map(|w| w.split_once('=')).map(|(n, v)| (n.to_owned(), v.into()))
}

fn snapshot(key: ResourceKey, words: &[&str]) -> Snapshot {
    let unread = words.iter().filter_map(|w| w.strip_prefix('?')).map(|p| (p.to_owned(), "denied".to_owned()));
    Snapshot {
        key,
        arn: None,
        revision: "1".to_owned(),
        attributes: values(words).collect(),
        unread: unread.collect(),
        relations: BTreeMap::new(),
        owner: words.contains(&"owned").then(|| "aws".to_owned()),
    }
}

fn manifest(words: &[&str]) -> (InputKey, Vec<u8>) {
    let (region, kind) = words[0].split_once('/').unwrap();
    let scope = Scope { account: ACCOUNT.to_owned(), region: region.to_owned(), kind: kind.to_owned() };
    let part = words.get(1).and_then(|w| w.split_once('/'));
    let ids: Vec<String> = words[if part.is_some() { 2 } else { 1 }..].iter().map(|w| (*w).to_owned()).collect();
    let (part, parts) = part.map_or((0, 1), |(p, n)| (p.parse().unwrap(), n.parse().unwrap()));
    let digest = if parts == 1 { ids.join(",") } else { "several".to_owned() };
    (InputKey::Manifest(scope, part), json(&Manifest { revision: "1".to_owned(), parts, digest, ids }))
}

fn cycle(words: &[&str], offset: i64) -> Cycle {
    let listing = |word: &&str| {
        let (scope, rest) = word.split_once('=').unwrap();
        let (region, kind) = scope.split_once('/').unwrap();
        let (rest, not_found) = rest.split_once('!').unwrap_or((rest, ""));
        let (rest, after) = rest.split_once('>').map_or((rest, offset - 1), |(r, a)| (r, a.parse().unwrap()));
        let (status, resources) = rest.split_once(':').unwrap_or((rest, "0"));
        let (status, whole) = status.strip_suffix('+').map_or((status, false), |s| (s, true));
        let status: CoverageStatus = serde_json::from_value(status.into()).unwrap();
        let coverage = Coverage {
            account: ACCOUNT.to_owned(),
            region: region.to_owned(),
            kind: kind.to_owned(),
            status,
            resources: resources.parse().unwrap(),
            error: None,
        };
        let not_found = not_found.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect();
        Listing { coverage, began_ms: 0, after_offset: after, whole, not_found, digest: String::new() }
    };
    Cycle {
        catalogue: "1".to_owned(),
        regions: ["eu", "us"].map(str::to_owned).to_vec(),
        types: ["t", "u"].map(str::to_owned).to_vec(),
        after_offset: offset - 1,
        listings: words.iter().map(listing).collect(),
        began_ms: 0,
        ended_ms: 0,
    }
}

fn part(source: &str, words: &[&str], lineage: String, serial: u64) -> Part {
    let origin =
        Origin { origin: "terraform".to_owned(), source: source.to_owned(), address: String::new(), line: None };
    let instance = Instance {
        kind: "t".to_owned(),
        address: String::new(),
        line: None,
        attributes: values(words).collect(),
        ignore_changes: Vec::new(),
    };
    Part { origin, lineage, serial, revision: "1".to_owned(), instances: vec![instance] }
}

fn keys_list(source: &str, lineage: String, serial: u64, keys: Vec<String>) -> Vec<u8> {
    json(&Keys { source: source.to_owned(), lineage, serial, parts: 1, keys, hashes: Vec::new() })
}
