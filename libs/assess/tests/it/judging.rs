//! A resource against its baseline, whole: what differs, how bad it is, which controls it breaks, and what is not said.

use std::collections::BTreeMap;

use driftline_assess::{Context, Judgement};
use driftline_model::{Baseline, Declared, DriftKind, Origin, Severity, Snapshot};
use serde_json::{Value, json};

use crate::{assessor, snapshot};

/// A baseline that declares these attributes.
fn agreed(attributes: Value) -> Baseline {
    let attributes: BTreeMap<String, Value> = serde_json::from_value(attributes).unwrap();
    let origin = Origin { origin: "terraform".into(), source: "a.tfstate".into(), address: "a.b".into(), line: None };
    Baseline {
        attributes: attributes.into_iter().map(|(path, value)| (path, Declared { value, origin: 0 })).collect(),
        origins: vec![origin],
        ..Baseline::default()
    }
}

fn judge(snapshot: &mut Snapshot, baseline: Option<&Baseline>) -> Judgement {
    let (of, assessor) = assessor(&snapshot.key.kind);
    snapshot.revision.clone_from(&of.revision);
    assessor.judge(of, &snapshot.key, Some(snapshot), baseline, &Context::default())
}

fn summary(judgement: &Judgement) -> Vec<(&str, Severity)> {
    judgement.drifts.iter().map(|d| (d.path.as_str(), d.severity)).collect()
}

#[test]
fn each_change_is_one_drift_with_its_own_severity() {
    let baseline = agreed(json!({
        "acl": "private", "versioning.enabled": true, "tags": { "Owner": "a", "Team": "x" },
        "public_access_block.block_public_acls": true, "public_access_block.block_public_policy": true,
        "public_access_block.ignore_public_acls": true, "public_access_block.restrict_public_buckets": true,
    }));
    let block = |on: bool| {
        json!({
            "versioning.enabled": true, "tags": { "Owner": "a", "Team": "x" },
            "public_access_block.block_public_acls": on, "public_access_block.block_public_policy": true,
            "public_access_block.ignore_public_acls": on, "public_access_block.restrict_public_buckets": true,
        })
    };
    let with = |on: bool, path: &str, value: Value| {
        let mut attributes = block(on);
        attributes[path] = value;
        attributes
    };
    let cases = [
        (block(true), vec![]),
        (block(false), vec![("public_access_block", Severity::Critical)]),
        (with(true, "versioning.enabled", json!(false)), vec![("versioning.enabled", Severity::Medium)]),
        (
            with(true, "tags", json!({ "Owner": "a", "Team": "y", "New": "z" })),
            vec![("tags.New", Severity::Low), ("tags.Team", Severity::Low)],
        ),
        (
            with(true, "public_access_block.block_public_acls", json!(false)),
            vec![("public_access_block.block_public_acls", Severity::Critical)],
        ),
    ];
    for (attributes, expect) in cases {
        let judgement = judge(&mut snapshot("aws_s3_bucket", "b", attributes.clone()), Some(&baseline));
        assert_eq!(summary(&judgement), expect, "{attributes}");
        for drift in &judgement.drifts {
            assert_eq!(drift.kind, DriftKind::Modified);
            assert_eq!(drift.baseline, baseline.origins.first().cloned());
        }
    }
}

#[test]
fn what_comes_with_a_block_that_a_rule_wants_is_judged_with_it() {
    let baseline = agreed(json!({ "logging.target_bucket": null, "logging.target_prefix": null }));
    let of = |live: Value| judge(&mut snapshot("aws_s3_bucket", "b", live), Some(&baseline)).drifts.remove(0).severity;
    assert_eq!(of(json!({ "logging.target_bucket": "logs", "logging.target_prefix": "b/" })), Severity::Low);
    assert_eq!(of(json!({ "logging.target_prefix": "b/" })), Severity::Medium);
    let prefixed = agreed(json!({ "logging.target_bucket": null, "logging.target_prefix": "a/" }));
    let live = json!({ "logging.target_bucket": "logs", "logging.target_prefix": "b/" });
    let moved = judge(&mut snapshot("aws_s3_bucket", "b", live), Some(&prefixed));
    assert_eq!(summary(&moved), [("logging", Severity::Medium)]);
}

#[test]
fn a_drift_names_the_controls_that_it_breaks_and_towards_secure_none() {
    let open = json!({ "versioning.enabled": false });
    let (on, off) = (agreed(json!({ "versioning.enabled": true })), agreed(json!({ "versioning.enabled": false })));
    let away = judge(&mut snapshot("aws_s3_bucket", "b", open), Some(&on));
    assert!(away.drifts[0].controls.iter().any(|c| c.starts_with("PCI-DSS:")), "{:?}", away.drifts);
    let towards = judge(&mut snapshot("aws_s3_bucket", "b", json!({ "versioning.enabled": true })), Some(&off));
    assert_eq!((towards.drifts[0].severity, towards.drifts[0].controls.len()), (Severity::Low, 0));
}

#[test]
fn ids_say_what_a_drift_is_about_and_not_its_values() {
    let baseline = agreed(json!({ "versioning.enabled": true, "request_payer": "BucketOwner" }));
    let id = |id: &str, attributes: Value| {
        judge(&mut snapshot("aws_s3_bucket", id, attributes), Some(&baseline)).drifts.remove(0).id
    };
    let first = id("b", json!({ "versioning.enabled": false }));
    assert_eq!(first.len(), 32);
    assert_eq!(first, id("b", json!({ "versioning.enabled": false, "tags": { "x": "y" } })));
    assert_ne!(first, id("c", json!({ "versioning.enabled": false })));
    assert_ne!(first, id("b", json!({ "versioning.enabled": true, "request_payer": "Requester" })));
}

#[test]
fn what_is_unread_is_unknown_and_what_nobody_declared_is_unmanaged() {
    let baseline = agreed(json!({ "policy": null, "versioning.enabled": true }));
    let mut hidden = snapshot("aws_s3_bucket", "b", json!({ "versioning.enabled": true }));
    hidden.unread.insert("policy".to_owned(), "AccessDenied".to_owned());
    let judgement = judge(&mut hidden, Some(&baseline));
    assert_eq!(summary(&judgement), []);
    assert!(judgement.unknown.contains_key("policy"));

    let alone = judge(&mut snapshot("aws_s3_bucket", "b", json!({})), None);
    assert_eq!(alone.drifts.iter().map(|d| d.kind).collect::<Vec<_>>(), [DriftKind::Unmanaged]);
    let mut default = snapshot("aws_security_group", "sg-1", json!({}));
    default.owner = Some("default".to_owned());
    assert_eq!(judge(&mut default, None).drifts, []);
}

#[test]
fn sources_that_disagree_are_a_finding() {
    let mut baseline = agreed(json!({ "versioning.enabled": true }));
    baseline.conflicts.insert("versioning.enabled".to_owned(), "a.tfstate says true, b.tfstate false".to_owned());
    let judgement = judge(&mut snapshot("aws_s3_bucket", "b", json!({ "versioning.enabled": true })), Some(&baseline));
    let conflict = judgement.findings.iter().find(|f| f.rule == driftline_assess::judge::CONFLICT).unwrap();
    assert_eq!((conflict.path.as_str(), &conflict.actual), ("versioning.enabled", &json!(true)));
}
