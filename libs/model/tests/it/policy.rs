use driftline_model::normal::policy::canonical;
use proptest::prelude::*;
use serde_json::{Value, json};

fn same(a: &Value, b: &Value) -> bool {
    canonical(a) == canonical(b)
}

fn policy(statements: &Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[test]
fn policies_that_mean_the_same_are_the_same() {
    let base = json!([{ "Sid": "Read", "Effect": "Allow", "Principal": { "AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::222233334444:role/ci"] }, "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], "Condition": { "StringEquals": { "aws:PrincipalOrgID": ["o-1"] }, "Bool": { "aws:SecureTransport": "true" } } }]);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut copy = base.clone();
        change(&mut copy[0]);
        copy
    };
    let cases: Vec<(&str, Value)> = vec![
        (
            "order of actions and resources",
            with(&|s| {
                s["Action"] = json!(["s3:ListBucket", "s3:GetObject"]);
                s["Resource"] = json!(["arn:aws:s3:::b/*", "arn:aws:s3:::b"]);
            }),
        ),
        (
            "order of principals",
            with(&|s| {
                s["Principal"] =
                    json!({ "AWS": ["arn:aws:iam::222233334444:role/ci", "arn:aws:iam::111122223333:root"] })
            }),
        ),
        (
            "account id for its root",
            with(&|s| s["Principal"] = json!({ "AWS": ["111122223333", "arn:aws:iam::222233334444:role/ci"] })),
        ),
        ("case of actions", with(&|s| s["Action"] = json!(["S3:getobject", "s3:LISTBUCKET"]))),
        (
            "an action that another covers",
            with(&|s| s["Action"] = json!(["s3:GetObject", "s3:ListBucket", "s3:ListBucket"])),
        ),
        (
            "no Sid",
            with(&|s| {
                s.as_object_mut().unwrap().remove("Sid");
            }),
        ),
        ("a Sid that AWS wrote", with(&|s| s["Sid"] = json!("1694871234000"))),
        (
            "a condition's value alone",
            with(&|s| {
                s["Condition"] =
                    json!({ "Bool": { "aws:SecureTransport": true }, "StringEquals": { "AWS:principalorgid": "o-1" } })
            }),
        ),
        ("split by action", {
            let (mut a, mut b) = (base[0].clone(), base[0].clone());
            a["Action"] = json!("s3:GetObject");
            b["Action"] = json!("s3:ListBucket");
            json!([b, a])
        }),
        ("split by resource", {
            let (mut a, mut b) = (base[0].clone(), base[0].clone());
            a["Resource"] = json!("arn:aws:s3:::b");
            b["Resource"] = json!("arn:aws:s3:::b/*");
            json!([a, b])
        }),
        ("split by principal", {
            let (mut a, mut b) = (base[0].clone(), base[0].clone());
            a["Principal"] = json!({ "AWS": "111122223333" });
            b["Principal"] = json!({ "AWS": "arn:aws:iam::222233334444:role/ci" });
            json!([a, b])
        }),
    ];
    for (name, statements) in cases {
        assert!(
            same(&policy(&base), &policy(&statements)),
            "{name}\n{}\n{}",
            canonical(&policy(&base)),
            canonical(&policy(&statements))
        );
    }
    let text = Value::String(policy(&base).to_string());
    assert!(same(&policy(&base), &text), "as text");
    let encoded: String = policy(&base).to_string().bytes().map(|b| format!("%{b:02X}")).collect();
    assert!(same(&policy(&base), &Value::String(encoded)), "percent-encoded");
    assert!(same(&policy(&json!(base[0])), &text), "a statement alone");
    assert!(same(&json!({ "Id": "__default", "Version": "2012-10-17", "Statement": base }), &text), "with an Id");
}

#[test]
fn more_forms_of_the_same() {
    let cases = [
        (
            json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*" }),
            json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": ["sqs:*", "sqs:SendMessage"], "Resource": ["*", "arn:aws:sqs:eu-west-1:1:q"] }),
        ),
        (
            json!({ "Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*" }),
            json!({ "Effect": "Deny", "NotAction": ["STS:*", "iam:*"], "Resource": ["*"] }),
        ),
        (
            json!({ "Effect": "Deny", "NotPrincipal": { "AWS": ["111122223333", "arn:aws:iam::1:user/b"] }, "Action": "*", "Resource": "*" }),
            json!({ "Effect": "Deny", "NotPrincipal": { "AWS": ["arn:aws:iam::1:user/b", "arn:aws:iam::111122223333:root"] }, "Action": "*:*", "Resource": "*" }),
        ),
        (
            json!({ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }),
            json!({ "Action": ["sts:AssumeRole"], "Principal": { "Service": ["ec2.amazonaws.com"] }, "Effect": "Allow" }),
        ),
        (
            json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "IpAddress": { "aws:SourceIp": "203.0.113.7" } } }),
            json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "ipAddress": { "aws:sourceip": ["203.0.113.7/32"] } } }),
        ),
        (
            json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "ArnEquals": { "aws:SourceArn": "arn:aws:sns:*:1:t" }, "NumericLessThan": { "s3:max-keys": 10 } } }),
            json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "NumericLessThan": { "s3:max-keys": "10" }, "ArnLike": { "aws:SourceArn": ["arn:aws:sns:*:1:t"] } } }),
        ),
    ];
    for (a, b) in cases {
        assert!(same(&policy(&a), &policy(&b)), "{}\n{}", canonical(&policy(&a)), canonical(&policy(&b)));
    }
}

#[test]
fn a_change_of_meaning_is_seen() {
    let base = json!({ "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": { "StringEquals": { "aws:PrincipalOrgID": "o-1" } } });
    let changes = [
        ("Effect", json!("Deny")),
        ("Principal", json!("*")),
        ("Principal", json!({ "AWS": "AROAEXAMPLEID12345678" })),
        ("Principal", json!({ "AWS": "arn:aws:iam::111122223333:role/x" })),
        ("Principal", json!({ "Service": "111122223333" })),
        ("Action", json!("s3:*")),
        ("Action", json!(["s3:GetObject", "s3:PutObject"])),
        ("Resource", json!("arn:aws:s3:::B/*")),
        ("Resource", json!("*")),
        ("Condition", json!({})),
        ("Condition", json!({ "StringLike": { "aws:PrincipalOrgID": "o-1" } })),
        ("Condition", json!({ "StringEquals": { "aws:PrincipalOrgID": ["o-1", "o-2"] } })),
        ("Condition", json!({ "StringEquals": { "aws:PrincipalOrgID": "O-1" } })),
        ("Condition", json!({ "ForAnyValue:StringEquals": { "aws:PrincipalOrgID": "o-1" } })),
    ];
    for (member, value) in changes {
        let mut changed = base.clone();
        changed[member] = value;
        assert!(!same(&policy(&base), &policy(&changed)), "{member}: {changed}");
    }
    let old = json!({ "Version": "2008-10-17", "Statement": base });
    assert!(!same(&policy(&base), &old), "the version decides about policy variables");
    assert!(same(&json!({ "Statement": base }), &old), "no version is the old one");
    // what is covered under one condition is not covered under another
    let narrow = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
    let wide = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": { "Bool": { "aws:MultiFactorAuthPresent": "true" } } });
    assert!(!same(&policy(&json!([wide.clone(), narrow])), &policy(&wide)));
}

#[test]
fn what_is_no_policy_stays_as_it_is() {
    for text in ["not json", "[1]", "%zz", "\"x\""] {
        assert_eq!(canonical(&json!(text)), json!(text));
    }
    assert_eq!(canonical(&json!("")), Value::Null);
    assert_eq!(canonical(&json!({ "Version": "2012-10-17", "Statement": [] })), Value::Null);
}

/// Allow, indexes of principals, actions and resources, a condition's index.
type Statement = (bool, Vec<usize>, Vec<usize>, Vec<usize>, usize);

/// Statements over few names, so that they meet.
fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let some = |n: usize| prop::collection::vec(0..n, 1..4);
    prop::collection::vec((any::<bool>(), some(4), some(4), some(4), 0..3_usize), 1..6)
}

fn write(list: &[Statement]) -> Value {
    let principals = ["111122223333", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", "*"];
    let actions = ["s3:GetObject", "s3:Get*", "s3:PutObject", "sqs:*"];
    let resources = ["arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::*", "*"];
    let conditions = [
        json!({}),
        json!({ "Bool": { "aws:SecureTransport": "false" } }),
        json!({ "StringEquals": { "a:b": ["x", "y"] } }),
    ];
    let pick = |names: &[&str], at: &[usize]| at.iter().map(|i| names[*i].to_owned()).collect::<Vec<_>>();
    let one = |(allow, p, a, r, c): &Statement| json!({ "Effect": if *allow { "Allow" } else { "Deny" }, "Principal": { "AWS": pick(&principals, p) }, "Action": pick(&actions, a), "Resource": pick(&resources, r), "Condition": conditions[*c] });
    policy(&list.iter().map(one).collect())
}

proptest! {
    #[test]
    fn order_and_splitting_never_matter(list in statements(), turn in 0..6_usize) {
        let written = write(&list);
        let mut turned = list.clone();
        let n = turned.len();
        turned.rotate_left(turn % n);
        turned.iter_mut().for_each(|s| { s.1.reverse(); s.2.reverse(); s.3.reverse(); });
        prop_assert_eq!(canonical(&written), canonical(&write(&turned)));
        let split: Vec<_> = list.iter().flat_map(|(e, p, a, r, c)| a.iter().map(move |one| (*e, p.clone(), vec![*one], r.clone(), *c))).collect();
        prop_assert_eq!(canonical(&written), canonical(&write(&split)));
        let by_resource: Vec<_> = list.iter().flat_map(|(e, p, a, r, c)| r.iter().map(move |one| (*e, p.clone(), a.clone(), vec![*one], *c))).collect();
        prop_assert_eq!(canonical(&written), canonical(&write(&by_resource)));
    }

    #[test]
    fn the_canonical_form_is_a_policy_and_its_own_canonical_form(list in statements()) {
        let once = canonical(&write(&list));
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn nothing_panics(text in ".{0,200}", deep in prop::collection::vec(".{0,8}", 0..5)) {
        canonical(&json!(text));
        canonical(&json!({ "Statement": [{ "Action": deep, "Principal": text, "Resource": { "x": deep }, "Condition": { "a": deep, "b": { "c": { "d": deep } } } }] }));
    }
}
