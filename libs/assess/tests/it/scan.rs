//! The scan's JSON fits its schema, and its numbers are those that the documentation gives.

use std::collections::BTreeMap;

use driftline_assess::Context;
use driftline_assess::posture::{RiskLevel, score};
use driftline_assess::scan::{JSON_SCHEMA, SCHEMA, ScanReport, Summary};
use driftline_model::{Baseline, Coverage, CoverageStatus, Drift, DriftKind, Origin, ResourceKey, Severity};
use serde_json::{Value, json};

use crate::{ACCOUNT, assessor, snapshot};

fn drift(resource: &str, kind: DriftKind, severity: Severity) -> Drift {
    let (_, assessor) = assessor("aws_s3_bucket");
    let key = ResourceKey::new(ACCOUNT, "eu-west-1", "aws_s3_bucket", resource);
    Drift { kind, severity, ..assessor.missing(&key, &Baseline::default()) }
}

#[test]
fn a_report_fits_the_schema() {
    let (of, assessor) = assessor("aws_s3_bucket");
    let s = snapshot("aws_s3_bucket", "b", json!({ "public_access_block.block_public_acls": false }));
    let findings = assessor.findings(of, &s, &Context::default());
    let mut drifts = vec![drift("gone", DriftKind::Missing, Severity::High)];
    drifts.extend(assessor.unmanaged(&s, &findings));
    let origin = Origin {
        origin: "terraform".into(),
        source: "a.tfstate".into(),
        address: "aws_s3_bucket.b".into(),
        line: Some(7),
    };
    drifts.push(Drift {
        path: "versioning.enabled".into(),
        baseline: Some(origin),
        ..drift("b", DriftKind::Modified, Severity::Medium)
    });
    let report = ScanReport {
        schema: SCHEMA.to_owned(),
        started_at: "2026-01-01T00:00:00Z".to_owned(),
        finished_at: "2026-01-01T00:00:05Z".to_owned(),
        summary: Summary::count(1, 0, &drifts, &findings),
        score: score(&assessor.rules, &BTreeMap::from([(ACCOUNT.to_owned(), 1)]), &drifts, &findings),
        coverage: vec![Coverage {
            account: ACCOUNT.to_owned(),
            region: "global".to_owned(),
            kind: "aws_s3_bucket".to_owned(),
            status: CoverageStatus::Partial,
            resources: 1,
            error: Some("AccessDenied".to_owned()),
        }],
        drifts,
        findings,
    };
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(faults(&schema, &schema, &value, "$"), Vec::<String>::new());
    assert_eq!(serde_json::from_value::<ScanReport>(value.clone()).unwrap(), report);

    type Spoil = fn(&mut Value);
    let broken: [(&str, Spoil); 4] = [
        ("$.schema", |v| v["schema"] = json!("other")),
        ("$.drifts[0].kind", |v| v["drifts"][0]["kind"] = json!("odd")),
        ("$.summary", |v| drop(v["summary"].as_object_mut().unwrap().remove("missing"))),
        ("$.score.value", |v| v["score"]["value"] = json!(101)),
    ];
    for (place, spoil) in broken {
        let mut value = value.clone();
        spoil(&mut value);
        let faults = faults(&schema, &schema, &value, "$");
        assert!(faults.len() == 1 && faults[0].starts_with(place), "{place}: {faults:?}");
    }
}

#[test]
fn every_field_of_a_report_stands_in_the_schema() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let drift = serde_json::to_value(drift("x", DriftKind::Missing, Severity::Low)).unwrap();
    let summary = serde_json::to_value(Summary::default()).unwrap();
    for (name, value) in [("drift", drift), ("summary", summary)] {
        for key in keys(&value) {
            assert!(schema["$defs"][name]["properties"].get(&key).is_some(), "{name}.{key}");
        }
    }
}

#[test]
fn counts_are_by_resource_and_by_drift() {
    let drifts = [
        drift("a", DriftKind::Modified, Severity::Critical),
        drift("a", DriftKind::Modified, Severity::Low),
        drift("b", DriftKind::Missing, Severity::High),
        drift("c", DriftKind::Unmanaged, Severity::Low),
    ];
    let summary = Summary::count(3, 2, &drifts, &[]);
    let counts = (summary.drifted, summary.drifts, summary.missing, summary.unmanaged, summary.iac_coverage);
    assert_eq!(counts, (1, 3, 1, 1, 66.7));
    assert_eq!((summary.by_severity.critical, summary.by_severity.high, summary.by_severity.low), (1, 1, 1));
    assert!((Summary::count(0, 0, &[], &[]).iac_coverage - 100.0).abs() < f64::EPSILON);
}

#[test]
fn the_score_follows_its_formula() {
    let (_, assessor) = assessor("aws_s3_bucket");
    let modified = |severity| drift("a", DriftKind::Modified, severity);
    let cases = [
        (10, vec![], 100, RiskLevel::Low),
        (10, vec![modified(Severity::Low)], 100, RiskLevel::Low),
        (1, vec![modified(Severity::Low)], 95, RiskLevel::Low),
        (10, vec![modified(Severity::Medium)], 93, RiskLevel::Low),
        (10, vec![modified(Severity::High)], 71, RiskLevel::Medium),
        (10, vec![modified(Severity::Critical), modified(Severity::Low)], 45, RiskLevel::High),
        (10_000, vec![modified(Severity::Critical)], 50, RiskLevel::High),
        (1, vec![modified(Severity::Critical)], 0, RiskLevel::Critical),
        (0, vec![drift("a", DriftKind::Missing, Severity::Critical)], 0, RiskLevel::Critical),
        (10, vec![drift("a", DriftKind::Unmanaged, Severity::Critical)], 100, RiskLevel::Low),
    ];
    for (resources, drifts, value, level) in cases {
        let got = score(&assessor.rules, &BTreeMap::from([(ACCOUNT.to_owned(), resources)]), &drifts, &[]);
        assert_eq!((got.value, got.risk_level), (value, level), "{resources} {:?}", got.by_severity);
        assert_eq!(got.accounts[ACCOUNT].value, value);
    }
}

/// With work for each pair of problems this would not end in an hour.
#[test]
fn a_hundred_thousand_problems_are_scored_account_by_account() {
    let (_, assessor) = assessor("aws_s3_bucket");
    let one = drift("a", DriftKind::Modified, Severity::High);
    let drifts: Vec<Drift> = (0..100_000)
        .map(|n| Drift { account: format!("{:012}", n % 2), resource: format!("b{}", n / 4), ..one.clone() })
        .collect();
    let resources = BTreeMap::from([("000000000000".to_owned(), 25_000), ("000000000002".to_owned(), 1)]);
    let got = score(&assessor.rules, &resources, &drifts, &[]);
    assert_eq!(got.by_severity.high, 100_000);
    let of = |n: &str| (got.accounts[n].value, got.accounts[n].resources, got.accounts[n].by_severity.high);
    assert_eq!(of("000000000000"), (38, 25_000, 50_000), "half is lost everywhere");
    assert_eq!(of("000000000001"), (38, 0, 50_000), "an account that nobody counted");
    assert_eq!(of("000000000002"), (100, 1, 0), "an account without problems");
}

/// What of a JSON Schema the published one uses; names every place that does not fit.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let inner = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("no {name}"));
        return faults(root, inner, value, at);
    }
    let mut out = Vec::new();
    let mut fault = |what: &str| out.push(format!("{at}: {what}"));
    if schema.get("const").is_some_and(|c| c != value)
        || schema.get("enum").is_some_and(|e| !e.as_array().unwrap().contains(value))
    {
        fault("another value");
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
        None => Vec::new(),
    };
    let is = |t: &&str| match *t {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    if !types.is_empty() && !types.iter().any(is) {
        fault("another type");
    }
    let pattern = schema.get("pattern").and_then(Value::as_str).map(|p| regex::Regex::new(p).unwrap());
    if pattern.zip(value.as_str()).is_some_and(|(pattern, text)| !pattern.is_match(text)) {
        fault("does not fit the pattern");
    }
    let (low, high) = (schema.get("minimum").and_then(Value::as_f64), schema.get("maximum").and_then(Value::as_f64));
    if value.as_f64().is_some_and(|n| low.is_some_and(|l| n < l) || high.is_some_and(|h| n > h)) {
        fault("out of range");
    }
    let fits = |c: &&Value| faults(root, c, value, at).is_empty();
    if schema.get("oneOf").and_then(Value::as_array).is_some_and(|choices| choices.iter().filter(fits).count() != 1) {
        fault("fits not exactly one");
    }
    if let Value::Object(map) = value {
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                out.push(format!("{at}: no `{name}`"));
            }
        }
        for (key, inner) in map {
            let known =
                schema.get("properties").and_then(|p| p.get(key)).or_else(|| schema.get("additionalProperties"));
            out.extend(known.into_iter().flat_map(|s| faults(root, s, inner, &format!("{at}.{key}"))));
        }
    }
    if let (Value::Array(items), Some(each)) = (value, schema.get("items")) {
        out.extend(items.iter().enumerate().flat_map(|(i, v)| faults(root, each, v, &format!("{at}[{i}]"))));
    }
    out
}
