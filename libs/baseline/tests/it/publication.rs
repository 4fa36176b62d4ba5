//! What an import changes in the log, whatever was there before and wherever a crash came.

use std::collections::BTreeMap;

use driftline_baseline::{Import, Limits, Publish, Refused, publication, withdrawal};
use driftline_model::record::{InputKey, Instance, Keys, Part};
use driftline_model::{Origin, ResourceKey};

const SMALL: Limits = Limits { max_bytes: 1_000, replace: false };

/// An import of resources, `id=value`, in one account each.
fn imported(serial: u64, resources: &[(&str, &str, &str)]) -> Import {
    let part = |(account, id, value): &(&str, &str, &str)| {
        let key = ResourceKey::new(*account, "eu-west-1", "aws_vpc", *id);
        let attributes = serde_json::json!({"value": value}).as_object().unwrap().clone();
        let instance = Instance {
            kind: "aws_vpc".into(),
            address: "aws_vpc.a".into(),
            line: Some(1),
            attributes,
            ignore_changes: Vec::new(),
        };
        let origin =
            Origin { origin: "terraform".into(), source: "s".into(), address: "aws_vpc.a".into(), line: Some(1) };
        let part = Part { origin, lineage: "l".into(), serial, revision: "r".into(), instances: vec![instance] };
        (InputKey::Part(key, driftline_baseline::source_hash("s")), part)
    };
    Import {
        source: "s".into(),
        lineage: "l".into(),
        serial,
        parts: resources.iter().map(part).collect(),
        ..Import::empty()
    }
}

/// A compacted log.
#[derive(Default, Clone)]
struct Log(BTreeMap<String, Vec<u8>>);

impl Log {
    fn write(&mut self, records: &[Publish]) {
        for record in records {
            match &record.value {
                Some(value) => self.0.insert(record.key.encode(), value.clone()),
                None => self.0.remove(&record.key.encode()),
            };
        }
    }

    fn lists(&self) -> Vec<(InputKey, Keys)> {
        let lists = self.0.iter().filter(|(k, _)| k.starts_with("l/"));
        lists.map(|(k, v)| (InputKey::decode(k).unwrap(), serde_json::from_slice(v).unwrap())).collect()
    }

    fn values(&self) -> Vec<String> {
        let parts = self.0.iter().filter(|(k, _)| k.starts_with("b/"));
        let shown = |(key, body): (&String, &Vec<u8>)| {
            let part: Part = serde_json::from_slice(body).unwrap();
            format!("{}={}", key.rsplit('/').next().unwrap(), part.instances[0].attributes["value"].as_str().unwrap())
        };
        parts.map(shown).collect()
    }
}

const A: &str = "111111111111";
const B: &str = "222222222222";

#[test]
fn the_log_holds_what_the_source_says_and_no_more() {
    let mut log = Log::default();
    let mut check = |serial, resources: &[(&str, &str, &str)], expect: &[&str], written: usize| {
        let records = publication(&log.lists(), &imported(serial, resources), Limits::default()).unwrap();
        let parts = records.iter().filter(|r| matches!(r.key, InputKey::Part(..))).count();
        log.write(&records);
        assert_eq!(log.values(), expect);
        assert_eq!(parts, written, "parts and tombstones written");
        let listed: usize = log.lists().iter().map(|(_, l)| l.keys.len()).sum();
        assert_eq!(listed, expect.len());
    };
    check(1, &[(A, "x", "1"), (A, "y", "1"), (B, "z", "1")], &["x=1", "y=1", "z=1"], 3);
    check(2, &[(A, "x", "1"), (A, "y", "1"), (B, "z", "1")], &["x=1", "y=1", "z=1"], 0);
    check(3, &[(A, "x", "2"), (A, "y", "1"), (B, "z", "1")], &["x=2", "y=1", "z=1"], 1);
    check(4, &[(A, "x", "2"), (A, "w", "1")], &["w=1", "x=2"], 3);
    check(5, &[], &[], 2);
    assert!(log.0.is_empty(), "lists of nothing are gone as well");
}

#[test]
fn a_source_that_is_withdrawn_leaves_nothing_wherever_a_crash_comes() {
    let mut log = Log::default();
    let two = imported(1, &[(A, "x", "1"), (B, "y", "1")]);
    log.write(&publication(&[], &two, Limits::default()).unwrap());
    let records = withdrawal(&log.lists());
    for crash in 0..=records.len() {
        let mut log = log.clone();
        log.write(&records[..crash]);
        log.write(&withdrawal(&log.lists()));
        assert!(log.0.is_empty(), "after {crash} records: {:?}", log.0.keys());
    }
}

#[test]
fn the_same_again_writes_nothing() {
    let mut log = Log::default();
    let import = imported(1, &[(A, "x", "1")]);
    log.write(&publication(&[], &import, Limits::default()).unwrap());
    assert_eq!(publication(&log.lists(), &import, Limits::default()).unwrap(), []);
}

#[test]
fn an_old_copy_and_another_state_are_refused() {
    let mut log = Log::default();
    log.write(&publication(&[], &imported(5, &[(A, "x", "1")]), Limits::default()).unwrap());
    let lists = log.lists();
    let older = publication(&lists, &imported(4, &[]), Limits::default());
    assert!(matches!(older, Err(Refused::Older { given: 4, published: 5, .. })), "{older:?}");
    let other = Import { lineage: "m".into(), ..imported(9, &[]) };
    let refused = publication(&lists, &other, Limits::default());
    assert!(matches!(&refused, Err(Refused::OtherLineage { .. })), "{refused:?}");
    let replaced = publication(&lists, &other, Limits { replace: true, ..Limits::default() }).unwrap();
    log.write(&replaced);
    assert!(log.0.is_empty());
    // A plan has no lineage: its order is that of the log.
    let plan = Import { lineage: String::new(), serial: 0, ..imported(0, &[(A, "x", "1")]) };
    assert!(publication(&lists, &plan, Limits::default()).is_ok());
}

#[test]
fn what_is_no_baseline_any_more_is_not_forgotten() {
    let none = Import { is_baseline: false, lineage: String::new(), ..imported(0, &[]) };
    assert_eq!(publication(&[], &none, Limits::default()), Ok(Vec::new()));
    let mut log = Log::default();
    log.write(&publication(&[], &imported(5, &[(A, "x", "1")]), Limits::default()).unwrap());
    assert_eq!(publication(&log.lists(), &none, Limits::default()), Err(Refused::Emptied("s".into())));
}

#[test]
fn lists_are_cut_to_fit_and_shrink_again() {
    let ids: Vec<String> = (0..100).map(|n| format!("vpc-{n:03}\n\"\u{1}")).collect();
    let many: Vec<(&str, &str, &str)> = ids.iter().map(|id| (A, id.as_str(), "1")).collect();
    let mut log = Log::default();
    let limits = Limits { max_bytes: 2_000, replace: false };
    let records = publication(&[], &imported(1, &many), limits).unwrap();
    assert!(records.iter().filter_map(|r| r.value.as_ref()).all(|v| v.len() <= limits.max_bytes));
    log.write(&records);
    let lists = log.lists();
    assert!(lists.len() > 3);
    assert!(lists.iter().all(|(_, l)| l.parts as usize == lists.len() && l.keys.len() == l.hashes.len()));
    assert_eq!(lists.iter().map(|(_, l)| l.keys.len()).sum::<usize>(), 100);
    log.write(&publication(&log.lists(), &imported(2, &many[..3]), limits).unwrap());
    assert_eq!((log.lists().len(), log.values().len()), (1, 3));
}

#[test]
fn a_crash_anywhere_leaves_nothing_behind() {
    let before = imported(1, &[(A, "x", "1"), (A, "y", "1"), (B, "z", "1")]);
    let middle = imported(2, &[(A, "x", "2"), (A, "w", "1")]);
    let after = imported(3, &[(A, "x", "1"), (B, "v", "1")]);
    let mut first = Log::default();
    first.write(&publication(&[], &before, SMALL).unwrap());
    let records = publication(&first.lists(), &middle, SMALL).unwrap();
    for written in 0..=records.len() {
        let mut log = first.clone();
        log.write(&records[..written]);
        for (import, expect) in [(&middle, vec!["w=1", "x=2"]), (&after, vec!["x=1", "v=1"])] {
            let mut log = log.clone();
            log.write(&publication(&log.lists(), import, SMALL).unwrap());
            assert_eq!(log.values(), expect, "crash after {written} records");
            let listed: usize = log.lists().iter().map(|(_, l)| l.keys.len()).sum();
            assert_eq!(listed, 2, "crash after {written} records");
        }
    }
}
