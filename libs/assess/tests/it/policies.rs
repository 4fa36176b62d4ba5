//! Who a policy lets in, and what it allows too much of.

use serde_json::{Value, json};

fn statement(effect: &str, principal: Value, action: Value, resource: Value, condition: Value) -> Value {
    json!({ "Effect": effect, "Principal": principal, "Action": action, "Resource": resource, "Condition": condition })
}

#[test]
fn only_a_condition_on_the_caller_closes_a_public_statement() {
    let read = |condition: Value| {
        json!([statement("Allow", json!("*"), json!("s3:GetObject"), json!("arn:aws:s3:::b/*"), condition)])
    };
    let deny = |operator: &str, key: &str, value: &str| {
        let all = json!(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]);
        let mut list = read(json!({}));
        list.as_array_mut().unwrap().push(statement(
            "Deny",
            json!("*"),
            json!("s3:*"),
            all,
            json!({ operator: { key: value } }),
        ));
        list
    };
    let cases = [
        (read(json!({})), true),
        (read(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-abc" } })), false),
        (read(json!({ "StringEquals": { "AWS:SourceAccount": ["111111111111"] } })), false),
        (read(json!({ "StringLike": { "aws:PrincipalArn": "arn:aws:iam::*:role/x" } })), true),
        (read(json!({ "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::111111111111:role/*" } })), false),
        (read(json!({ "StringLike": { "aws:SourceVpce": "*" } })), true),
        (read(json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } })), true),
        (read(json!({ "IpAddress": { "aws:SourceIp": ["198.51.100.0/24", "203.0.113.5"] } })), false),
        (read(json!({ "StringEqualsIfExists": { "aws:PrincipalOrgID": "o-abc" } })), true),
        (read(json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-abc" } })), true),
        (read(json!({ "Bool": { "aws:SecureTransport": "true" } })), true),
        (deny("StringNotEquals", "aws:SourceVpce", "vpce-1"), false),
        (deny("StringEquals", "aws:SourceVpce", "vpce-1"), true),
        (deny("Bool", "aws:SecureTransport", "false"), true),
        (
            json!([{ "Effect": "Allow", "NotPrincipal": { "AWS": "111111111111" }, "Action": "s3:*", "Resource": "*" }]),
            true,
        ),
        (
            json!([{ "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::222222222222:root" }, "Action": "s3:*", "Resource": "*" }]),
            false,
        ),
        (
            json!([{ "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" }, "Action": "s3:PutObject", "Resource": "*" }]),
            false,
        ),
    ];
    for (statements, public) in cases {
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        for form in [policy.clone(), json!(policy.to_string())] {
            let got = crate::verdict("aws_s3_bucket", "s3_bucket.10", json!({ "policy": form }));
            assert_eq!(got.insecure(), public, "{statements}: {got:?}");
        }
    }
}

#[test]
fn trust_is_weighed_by_who_is_trusted() {
    let trust = |principal: Value, condition: Value| json!({ "assume_role_policy": { "Statement": [{ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition }] } });
    let foreign = json!({ "AWS": "arn:aws:iam::222222222222:root" });
    let github = json!({ "Federated": "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com" });
    let cases = [
        ("iam_role.01", trust(json!("*"), json!({})), true),
        ("iam_role.01", trust(foreign.clone(), json!({})), false),
        (
            "iam_role.01",
            trust(
                github.clone(),
                json!({ "StringEquals": { "token.actions.githubusercontent.com:aud": "sts.amazonaws.com" } }),
            ),
            true,
        ),
        (
            "iam_role.01",
            trust(github, json!({ "StringLike": { "token.actions.githubusercontent.com:sub": "repo:acme/app:*" } })),
            false,
        ),
        ("iam_role.02", trust(json!({ "Service": "sns.amazonaws.com" }), json!({})), true),
        (
            "iam_role.02",
            trust(
                json!({ "Service": "sns.amazonaws.com" }),
                json!({ "StringEquals": { "aws:SourceAccount": "111111111111" } }),
            ),
            false,
        ),
        ("iam_role.02", trust(json!({ "Service": "ec2.amazonaws.com" }), json!({})), false),
        ("iam_role.03", trust(foreign.clone(), json!({})), true),
        ("iam_role.03", trust(foreign.clone(), json!({ "StringEquals": { "sts:ExternalId": "x" } })), false),
        ("iam_role.03", trust(json!({ "AWS": ["111111111111"] }), json!({})), false),
    ];
    for (rule, attributes, broken) in cases {
        let got = crate::verdict("aws_iam_role", rule, attributes.clone());
        assert_eq!(got.insecure(), broken, "{rule} {attributes}: {got:?}");
    }
}

#[test]
fn rights_are_weighed_by_what_they_reach() {
    let allow = |action: Value, resource: Value| json!([{ "Effect": "Allow", "Action": action, "Resource": resource }]);
    let but = |not: Value| json!([{ "Effect": "Allow", "NotAction": not, "Resource": "*" }]);
    let mut held = allow(json!("iam:*"), json!("*"));
    held.as_array_mut().unwrap().push(json!({ "Effect": "Deny", "Action": "iam:*", "Resource": "*" }));
    let cases = [
        ("iam_policy.01", allow(json!("*"), json!("*")), true),
        ("iam_policy.01", allow(json!(["s3:Get*", "*:*"]), json!(["*"])), true),
        ("iam_policy.01", allow(json!("*"), json!("arn:aws:s3:::b")), false),
        ("iam_policy.01", allow(json!("s3:*"), json!("*")), false),
        ("iam_policy.01", json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }]), false),
        ("iam_policy.02", allow(json!("ec2:*"), json!("*")), true),
        ("iam_policy.02", allow(json!("ec2:Describe*"), json!("*")), false),
        ("iam_policy.03", allow(json!("iam:CreatePolicyVersion"), json!("*")), true),
        ("iam_policy.03", allow(json!("IAM:Create*"), json!("arn:aws:iam::111111111111:policy/*")), true),
        (
            "iam_policy.03",
            allow(json!("iam:CreateAccessKey"), json!("arn:aws:iam::111111111111:user/${aws:username}")),
            false,
        ),
        ("iam_policy.03", allow(json!(["iam:PassRole", "lambda:*"]), json!("*")), true),
        ("iam_policy.03", allow(json!("iam:PassRole"), json!("*")), false),
        ("iam_policy.03", but(json!(["organizations:*"])), true),
        ("iam_policy.03", but(json!(["iam:*", "lambda:*", "glue:*", "sso:*", "sts:*"])), false),
        ("iam_policy.03", held, false),
        ("iam_policy.04", allow(json!("kms:*"), json!("arn:aws:kms:*:*:key/*")), true),
        ("iam_policy.04", allow(json!("kms:Decrypt"), json!("arn:aws:kms:eu-west-1:111111111111:key/1")), false),
        ("iam_policy.05", allow(json!("cloudtrail:*"), json!("*")), true),
        ("iam_policy.05", allow(json!("cloudtrail:StopLogging"), json!("*")), false),
        ("iam_policy.06", allow(json!("sts:AssumeRole"), json!("*")), true),
        ("iam_policy.08", allow(json!("s3:*"), json!("arn:aws:s3:::*")), true),
        ("iam_policy.08", allow(json!("s3:*"), json!("arn:aws:s3:::b/*")), false),
    ];
    for (rule, statements, broken) in cases {
        let got = crate::verdict("aws_iam_policy", rule, json!({ "policy": { "Statement": statements } }));
        assert_eq!(got.insecure(), broken, "{rule} {statements}: {got:?}");
    }
}

#[test]
fn a_policy_of_any_form_is_read_or_unknown_and_never_panics() {
    let odd = [
        json!(""),
        json!("{"),
        json!("[]"),
        json!(7),
        json!({}),
        json!({ "Statement": 7 }),
        json!({ "Statement": [{}] }),
        json!({ "Statement": [{ "Effect": "allow" }] }),
        json!({ "Statement": { "Effect": "Allow", "Principal": [1, null] } }),
        json!({ "Statement": { "Effect": "Allow", "Condition": [1], "Action": { "a": 1 } } }),
    ];
    for policy in odd {
        for rule in ["s3_bucket.10", "s3_bucket.11", "s3_bucket.18"] {
            crate::verdict("aws_s3_bucket", rule, json!({ "policy": policy }));
        }
    }
}
