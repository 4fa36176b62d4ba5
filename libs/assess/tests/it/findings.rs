//! Findings of a whole resource, and the drifts that concern it as a whole.

use std::collections::BTreeMap;

use driftline_assess::{Context, Verdict};
use driftline_model::{Baseline, Declared, DriftKind, Origin, ResourceKey, Severity};
use serde_json::{Value, json};

use crate::{ACCOUNT, assessor, snapshot};

fn found(type_name: &str, attributes: Value) -> Vec<String> {
    let ((of, assessor), s) = (assessor(type_name), snapshot(type_name, "x", attributes));
    let findings = assessor.findings(of, &s, &Context::default());
    findings.into_iter().filter(|f| f.severity >= Severity::High).map(|f| f.rule).collect()
}

fn rule(port: u16, source: &str) -> Value {
    json!({ "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": [source] })
}

#[test]
fn what_one_rule_says_better_is_said_once() {
    let world = "0.0.0.0/0";
    let all = json!({ "protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": [world] });
    let cases = [
        ("aws_security_group", json!({ "ingress": [rule(22, world)] }), vec!["security_group.01"]),
        (
            "aws_security_group",
            json!({ "ingress": [rule(22, world), rule(12345, world)] }),
            vec!["security_group.01", "security_group.18"],
        ),
        ("aws_security_group", json!({ "ingress": [all] }), vec!["security_group.16"]),
        (
            "aws_security_group",
            json!({ "ingress": [all, rule(22, world)] }),
            vec!["security_group.01", "security_group.16"],
        ),
        ("aws_security_group", json!({ "owner": "default", "ingress": [all] }), vec!["security_group.20"]),
        ("aws_security_group", json!({ "ingress": [rule(443, world)] }), vec![]),
        (
            "aws_iam_policy",
            json!({ "policy": { "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] } }),
            vec!["iam_policy.01"],
        ),
    ];
    for (type_name, attributes, expect) in cases {
        assert_eq!(found(type_name, attributes.clone()), expect, "{attributes}");
    }
}

#[test]
fn a_finding_carries_the_controls_of_what_it_stands_for() {
    let (of, assessor) = assessor("aws_security_group");
    let s = snapshot(
        "aws_security_group",
        "sg-1",
        json!({ "ingress": [rule(22, "0.0.0.0/0")], "tags": { "Owner": "a", "Environment": "b" } }),
    );
    let findings = assessor.findings(of, &s, &Context::default());
    let ssh = findings.iter().find(|f| f.rule == "security_group.01").unwrap();
    assert_eq!(ssh.severity, Severity::Critical);
    assert_eq!(ssh.reason, "SSH is open to the internet: tcp 22 from 0.0.0.0/0.");
    assert_eq!(ssh.actual, json!([rule(22, "0.0.0.0/0")]));
    for framework in ["PCI-DSS:", "HIPAA:", "GDPR:", "SOC 2:", "ISO 27001:", "NIST 800-53:", "NIST CSF:", "CIS 5.0:"] {
        assert!(ssh.controls.iter().any(|c| c.starts_with(framework)), "{framework} {:?}", ssh.controls);
    }
    assert!(!findings.iter().any(|f| f.rule == "security_group.26"), "its tags are there");
}

#[test]
fn what_was_not_read_is_unknown() {
    let (of, assessor) = assessor("aws_s3_bucket");
    let mut s = snapshot("aws_s3_bucket", "b", json!({}));
    s.unread = [
        ("policy".to_owned(), "AccessDenied".to_owned()),
        ("public_access_block".to_owned(), "AccessDenied".to_owned()),
    ]
    .into();
    let findings = assessor.findings(of, &s, &Context::default());
    assert!(!findings.iter().any(|f| f.path.starts_with("policy") || f.path.starts_with("public_access_block")));
    let verdicts = assessor.verdicts(of, &s, &Context::default());
    let (_, block) = verdicts.iter().find(|(r, _)| r.id == "s3_bucket.04").unwrap();
    assert!(matches!(block, Verdict::Unknown(why) if why.contains("AccessDenied")), "{block:?}");
}

#[test]
fn what_aws_made_is_neither_judged_nor_unmanaged() {
    let (of, assessor) = assessor("aws_kms_key");
    let mut s = snapshot("aws_kms_key", "k", json!({ "is_enabled": false }));
    assert!(!assessor.findings(of, &s, &Context::default()).is_empty());
    s.owner = Some("aws".to_owned());
    assert!(assessor.findings(of, &s, &Context::default()).is_empty());
    assert_eq!(assessor.unmanaged(&s, &[]), None);
}

#[test]
fn an_unmanaged_resource_is_as_bad_as_what_is_critical_about_it() {
    let (of, assessor) = assessor("aws_iam_role");
    let admin =
        json!([{ "name": "x", "policy": { "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] } }]);
    let cases = [(json!([]), Severity::Low), (admin, Severity::Critical)];
    for (inline, expect) in cases {
        let s = snapshot("aws_iam_role", "by-hand", json!({ "inline_policy": inline }));
        let findings = assessor.findings(of, &s, &Context::default());
        let drift = assessor.unmanaged(&s, &findings).unwrap();
        assert_eq!((drift.kind, drift.severity), (DriftKind::Unmanaged, expect), "{}", drift.reason);
    }
}

#[test]
fn what_is_gone_or_moved_is_told_with_where_it_was_agreed() {
    let (_, assessor) = assessor("aws_db_instance");
    let origin =
        Origin { origin: "terraform".to_owned(), source: "s".to_owned(), address: "a.b".to_owned(), line: Some(3) };
    let baseline = Baseline {
        attributes: BTreeMap::from([("multi_az".to_owned(), Declared { value: json!(true), origin: 0 })]),
        origins: vec![origin.clone()],
        ..Baseline::default()
    };
    let key = ResourceKey::new(ACCOUNT, "eu-west-1", "aws_db_instance", "db\u{1b}");
    let gone = assessor.missing(&key, &baseline);
    assert_eq!((gone.kind, gone.severity), (DriftKind::Missing, Severity::Critical));
    assert_eq!(gone.expected, json!({ "multi_az": true }));
    assert_eq!(gone.baseline, Some(origin));
    assert!(!gone.controls.is_empty() && !gone.reason.contains('\u{1b}'), "{}", gone.reason);
    let moved = assessor.moved(&key, &baseline, "us-east-1");
    assert_eq!((moved.kind, moved.severity), (DriftKind::Moved, Severity::High));
    assert_ne!(moved.id, gone.id);
}

#[test]
fn a_disk_that_leaves_out_its_encryption_is_not_encrypted() {
    let disks = |encrypted: &[bool]| {
        let disk = |on: &bool| {
            if *on { json!({ "device_name": "b", "encrypted": true }) } else { json!({ "device_name": "a" }) }
        };
        json!({ "ebs_block_device": encrypted.iter().map(disk).collect::<Vec<_>>() })
    };
    let cases = [(json!({}), false), (disks(&[true]), false), (disks(&[true, false]), true), (disks(&[false]), true)];
    for (attributes, broken) in cases {
        let got = crate::verdict("aws_instance", "instance.08", attributes.clone());
        assert_eq!(got.insecure(), broken, "{attributes}: {got:?}");
    }
}

#[test]
fn who_signs_in_to_the_console_needs_a_second_factor() {
    let user = |devices: &[&str], console: bool| {
        let login = if console { json!([{ "user": "x" }]) } else { json!([]) };
        json!({ "login_profile": login, "mfa_devices": devices })
    };
    let (phone, token) = ("arn:aws:iam::111111111111:mfa/x", "GAHT12345678");
    let cases = [
        (user(&[], false), [false, false]),
        (user(&[], true), [true, true]),
        (user(&[phone], true), [false, true]),
        (user(&[token], true), [false, false]),
    ];
    for (attributes, expect) in cases {
        let broken =
            ["iam_user.05", "iam_user.06"].map(|r| crate::verdict("aws_iam_user", r, attributes.clone()).insecure());
        assert_eq!(broken, expect, "{attributes}");
    }
}
