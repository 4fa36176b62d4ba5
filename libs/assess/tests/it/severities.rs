//! A table of situations and what each is worth.

use driftline_assess::attributes::with;
use driftline_assess::secure::Sight;
use driftline_assess::severity::{Assessment, Change, assess};
use driftline_model::{Severity, Snapshot};
use serde_json::{Value, json};

use crate::{shipped, snapshot};

fn change(type_name: &str, path: &str, expected: &Value, actual: &Value) -> Assessment {
    change_among(type_name, path, (expected, actual), json!({}))
}

fn change_among(type_name: &str, path: &str, (expected, actual): (&Value, &Value), others: Value) -> Assessment {
    let (catalogue, assessor) = shipped();
    let of = catalogue.get(type_name).map(|t| &**t);
    let holding = |value| {
        let empty = snapshot(type_name, "x", others.clone());
        Snapshot { attributes: with(&empty.attributes, path, value), ..empty }
    };
    let (before, after) = (holding(expected), holding(actual));
    let sight = |snapshot| Sight { of, snapshot, organization: None };
    assess(
        &assessor.rules,
        &Change { type_name, path, expected, actual, before: sight(&before), after: sight(&after), otherwise: None },
    )
}

#[test]
fn every_situation_of_the_table_has_its_severity() {
    let table = include_str!("../severities.tsv");
    let mut names: Vec<(&str, &str)> =
        table.lines().filter(|l| l.starts_with('@')).map(|l| l.split_once('\t').unwrap()).collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let value = |text: &str| -> Value {
        if text == "-" {
            return Value::Null;
        }
        let whole = names.iter().fold(text.to_owned(), |t, (name, doc)| t.replace(name, doc));
        serde_json::from_str(&whole).unwrap_or_else(|e| panic!("{whole}: {e}"))
    };
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for line in table.lines().filter(|l| !l.starts_with(['#', '@'])) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [severity, type_name, path, expected, actual] = cells[..5] else { panic!("{line}") };
        let others = cells.get(5).map_or_else(|| json!({}), |text| value(text));
        let got = change_among(type_name, path, (&value(expected), &value(actual)), others);
        seen += 1;
        if got.severity != severity.parse::<Severity>().unwrap() {
            wrong.push(format!("{line}\n    is {}: {}", got.severity, got.reason));
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen >= 60, "only {seen} situations");
}

#[test]
fn a_reason_is_one_printable_sentence_of_a_sane_length() {
    let nasty = format!("\u{1b}[31m\n\u{202e}{}", "x".repeat(100_000));
    let cases = [
        ("aws_s3_bucket", "acl", json!("private"), json!(nasty)),
        ("aws_s3_bucket", "policy", json!(null), json!(nasty)),
        ("aws_s3_bucket", "tags.\u{7}evil", json!(nasty), json!(null)),
        (
            "aws_security_group",
            "ingress",
            json!([]),
            json!([{ "protocol": nasty, "cidr_blocks": [nasty, "0.0.0.0/0"] }]),
        ),
        (
            "aws_iam_policy",
            "policy",
            json!({}),
            json!({ "Statement": [{ "Effect": "Allow", "Action": ["*", nasty], "Resource": "*" }] }),
        ),
    ];
    for (type_name, path, expected, actual) in cases {
        let reason = change(type_name, path, &expected, &actual).reason;
        assert!(reason.chars().count() < 1200, "{} long: {type_name}.{path}", reason.chars().count());
        assert!(!reason.chars().any(|c| c.is_control() || c == '\u{202e}'), "{reason:?}");
        assert!(reason.ends_with('.'), "{reason}");
    }
}

#[test]
fn reasons_say_what_happened() {
    let open = json!([{ "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"] }]);
    let cases = [
        ("aws_security_group", "ingress", json!([]), open, "SSH is open to the internet: tcp 22 from 0.0.0.0/0 ("),
        (
            "aws_s3_bucket",
            "versioning.enabled",
            json!(true),
            json!(false),
            "The bucket keeps no old versions: `versioning.enabled` is false, agreed was true.",
        ),
        ("aws_db_instance", "multi_az", json!(false), json!(true), "A change towards secure (database has a standby"),
        (
            "aws_db_instance",
            "backup_window",
            json!("a"),
            json!("b"),
            "Backups are made in another way: `backup_window` is b, agreed was a.",
        ),
    ];
    for (type_name, path, expected, actual, start) in cases {
        let reason = change(type_name, path, &expected, &actual).reason;
        assert!(reason.starts_with(start), "{reason}");
    }
}
