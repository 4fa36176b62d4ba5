//! The judge of production, on the shipped catalogue.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_analyzer::{CatalogueJudge, Judge, Judged, Sight};
use driftline_model::driftignore::DriftIgnore;
use driftline_model::record::{Instance, Part};
use driftline_model::{Catalogue, DriftKind, Origin, ResourceKey, Snapshot, Value};
use serde_json::json;

const KIND: &str = "aws_ebs_volume";

fn judge(ignore: &str) -> CatalogueJudge {
    let catalogue = Arc::new(Catalogue::embedded().unwrap());
    CatalogueJudge::new(catalogue, Some((ignore, DriftIgnore::parse(ignore).unwrap()))).unwrap()
}

fn key(region: &str, kind: &str) -> ResourceKey {
    ResourceKey::new("111111111111", region, kind, "vol-1")
}

fn snapshot(region: &str, kind: &str, revision: &str, attributes: Value) -> Snapshot {
    Snapshot {
        key: key(region, kind),
        arn: None,
        revision: revision.to_owned(),
        attributes: serde_json::from_value(attributes).unwrap(),
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner: None,
    }
}

fn part(attributes: &Value) -> Part {
    let origin =
        Origin { origin: "terraform".to_owned(), source: "s".to_owned(), address: "x".to_owned(), line: Some(1) };
    let instance = Instance {
        kind: KIND.to_owned(),
        address: "x".to_owned(),
        line: None,
        attributes: attributes.as_object().unwrap().clone(),
        ignore_changes: Vec::new(),
    };
    Part { origin, lineage: "l".to_owned(), serial: 1, revision: String::new(), instances: vec![instance] }
}

fn revision() -> String {
    Catalogue::embedded().unwrap().get(KIND).unwrap().revision.clone()
}

fn drifts(judged: &Judged) -> Vec<(DriftKind, &str)> {
    judged.drifts.iter().map(|d| (d.kind, d.path.as_str())).collect()
}

fn agreed() -> Value {
    json!({ "id": "vol-1", "availability_zone": "eu-west-1a", "encrypted": true, "size": 8, "type": "gp3" })
}

#[test]
fn values_are_compared_and_insecure_ones_found() {
    let found = json!({ "availability_zone": "eu-west-1a", "encrypted": false, "size": 8, "type": "gp3" });
    let seen = snapshot("eu-west-1", KIND, &revision(), found);
    let judged = judge("").judge(&key("eu-west-1", KIND), Sight::Seen(&seen), &[part(&agreed())]);
    assert_eq!(drifts(&judged), [(DriftKind::Modified, "encrypted")]);
    assert!(judged.findings.iter().any(|f| f.path == "encrypted"), "{:?}", judged.findings);
    assert!(judged.declared.iter().any(|p| p == "encrypted"), "{:?}", judged.declared);
    assert_eq!(judged.unknown, Vec::<String>::new());
}

#[test]
fn what_another_revision_may_not_have_known_is_unknown() {
    let seen = snapshot("eu-west-1", KIND, "older", json!({ "availability_zone": "eu-west-1a", "size": 9 }));
    let judged = judge("").judge(&key("eu-west-1", KIND), Sight::Seen(&seen), &[part(&agreed())]);
    assert_eq!(drifts(&judged), [(DriftKind::Modified, "size")]);
    assert_eq!(judged.findings, []);
    assert!(judged.unknown.iter().any(|p| p == "encrypted"), "{:?}", judged.unknown);
}

#[test]
fn a_type_of_a_newer_catalogue_says_nothing_and_resolves_nothing() {
    let seen = snapshot("eu-west-1", "aws_of_tomorrow", "newer", json!({}));
    for sight in [Sight::Seen(&seen), Sight::Gone, Sight::Moved(&seen)] {
        let judged = judge("").judge(&key("eu-west-1", "aws_of_tomorrow"), sight, &[part(&agreed())]);
        let all = vec![String::new()];
        assert_eq!(judged, Judged { unknown: all.clone(), declared: all, ..Judged::default() });
    }
}

#[test]
fn gone_and_moved_are_one_drift_each() {
    let seen = snapshot("us-east-1", KIND, &revision(), json!({ "encrypted": false }));
    let gone = judge("").judge(&key("eu-west-1", KIND), Sight::Gone, &[part(&agreed())]);
    assert_eq!(drifts(&gone), [(DriftKind::Missing, "")]);
    assert_eq!(gone.findings, []);
    let moved = judge("").judge(&key("eu-west-1", KIND), Sight::Moved(&seen), &[part(&agreed())]);
    assert_eq!(drifts(&moved), [(DriftKind::Moved, "")]);
    assert_eq!((&moved.drifts[0].expected, &moved.drifts[0].actual), (&json!("eu-west-1"), &json!("us-east-1")));
    assert_eq!(moved.findings, []);
}

#[test]
fn what_is_ignored_is_not_said_and_makes_another_revision() {
    let ignore = "**/aws_ebs_volume/vol-1/encrypted\n";
    let found = json!({ "availability_zone": "eu-west-1a", "encrypted": false, "size": 9, "type": "gp3" });
    let seen = snapshot("eu-west-1", KIND, &revision(), found);
    let (plain, ignoring) = (judge(""), judge(ignore));
    let judged = ignoring.judge(&key("eu-west-1", KIND), Sight::Seen(&seen), &[part(&agreed())]);
    assert_eq!(drifts(&judged), [(DriftKind::Modified, "size")]);
    assert_ne!(plain.revision(), ignoring.revision());
}
