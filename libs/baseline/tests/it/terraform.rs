//! The forms that Terraform writes: addresses, lines, modes, versions, places.

use driftline_baseline::{Error, Import};

use crate::{import, resource, state};

/// `account/region/type/id` and addresses of each part.
fn parts(import: &Import) -> Vec<String> {
    let shown = |(key, part): &(driftline_model::record::InputKey, driftline_model::record::Part)| {
        let driftline_model::record::InputKey::Part(key, _) = key else { panic!("{key:?}") };
        let addresses: Vec<&str> = part.instances.iter().map(|i| i.address.as_str()).collect();
        format!("{key} {}", addresses.join(" "))
    };
    import.parts.iter().map(shown).collect()
}

fn skipped(import: &Import) -> Vec<String> {
    import.skipped.iter().map(|s| format!("{}: {}", s.address, s.reason)).collect()
}

#[test]
fn addresses_hold_modules_and_indices() {
    let text = state(
        r#"{"module": "module.net[0]", "mode": "managed", "type": "aws_security_group", "name": "a", "provider": "module.net.provider.aws", "instances": [
  {"index_key": 0, "attributes": {"id": "vpc-0", "arn": "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-0"}},
  {"index_key": "x\"y", "attributes": {"id": "vpc-1", "arn": "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"}},
  {"index_key": 2, "deposed": "00000001", "attributes": {"id": "vpc-2"}},
  {"index_key": 3, "status": "tainted", "attributes": {"id": "vpc-3", "owner_id": "123456789012"}}
]},
{"mode": "data", "type": "aws_security_group", "name": "d", "instances": [{"attributes": {"id": "vpc-9"}}]}"#,
    );
    let import = import(&text).unwrap();
    assert_eq!(import.instances, 3);
    assert_eq!(
        parts(&import),
        [
            "123456789012/eu-west-1/aws_security_group/vpc-0 module.net[0].aws_security_group.a[0]",
            r#"123456789012/eu-west-1/aws_security_group/vpc-1 module.net[0].aws_security_group.a["x\"y"]"#,
            "123456789012/eu-west-1/aws_security_group/vpc-3 module.net[0].aws_security_group.a[3]",
        ]
    );
    assert_eq!(
        skipped(&import),
        ["module.net[0].aws_security_group.a[2]: deposed object 00000001: what replaced it counts"]
    );
    let lines: Vec<u32> = import.parts.iter().map(|(_, p)| p.origin.line.unwrap()).collect();
    assert_eq!(lines, [3, 4, 6]);
}

#[test]
fn what_cannot_be_used_is_named() {
    let text = state(
        &[
            resource("google_compute_network", "n", r#"{"id": "x"}"#),
            resource("aws_no_such_thing", "n", r#"{"id": "x"}"#),
            resource("aws_security_group", "nowhere", r#"{"id": "vpc-1"}"#),
            resource("aws_security_group", "nameless", "{}"),
            resource("aws_security_group_rule", "neither", r#"{"security_group_id": "sg-1"}"#),
            r#"{"mode": "managed", "type": "aws_security_group", "name": "old", "instances": [{"attributes_flat": {"id": "vpc-2"}}]}"#.to_owned(),
        ]
        .join(","),
    );
    let import = import(&text).unwrap();
    assert_eq!((import.instances, import.baselines), (6, 0));
    let skipped = skipped(&import);
    assert_eq!(skipped.len(), 6, "{skipped:?}");
    for (address, word) in [
        ("google_compute_network.n", "provider"),
        ("aws_no_such_thing.n", "catalogue"),
        ("aws_security_group.nowhere", "@ACCOUNT"),
        ("aws_security_group.nameless", "no value for id"),
        ("aws_security_group_rule.neither", "no value for type"),
        ("aws_security_group.old", "flat"),
    ] {
        assert!(skipped.iter().any(|s| s.starts_with(address) && s.contains(word)), "{address} {word}: {skipped:?}");
    }
}

#[test]
fn forms_that_cannot_be_read_say_what_to_do() {
    for (text, word) in [
        (r#"{"version": 3, "serial": 1, "modules": []}"#, "refresh-only"),
        (r#"{"version": 1, "serial": 1}"#, "refresh-only"),
        (r#"{"version": 5, "serial": 1}"#, "version 5"),
        (r#"{"version": 4}"#, "no Terraform state"),
        (r#"{"format_version": "2.0", "values": {}}"#, "format version"),
        (r#"{"format_version": "1.2", "planned_values": {}, "errored": true}"#, "failed"),
        (r#"{"encrypted_data": "x", "encryption_version": "v0"}"#, "encrypted"),
        (r#"{"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}"#, "CloudFormation"),
        ("[]", "not an object"),
        ("{}", "neither"),
        ("PK\u{3}\u{4}xxx", "show -json"),
    ] {
        let error = import(text).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_) | Error::NotABaseline(_)), "{text}: {error:?}");
        assert!(error.to_string().contains(word), "{text}: {error}");
    }
}

#[test]
fn empty_is_no_error() {
    for text in [
        state(""),
        r#"{"version": 4, "serial": 1, "lineage": "x", "resources": null}"#.to_owned(),
        r#"{"format_version": "1.0"}"#.to_owned(),
        r#"{"format_version": "1.0", "terraform_version": "1.9.0", "planned_values": {"root_module": {}}}"#.to_owned(),
    ] {
        assert_eq!(import(&text).unwrap().instances, 0, "{text}");
    }
}

#[test]
fn text_may_be_written_by_a_windows_shell() {
    let text = state(&resource("aws_security_group", "a", r#"{"id": "vpc-1", "tags": {"é": "ß"}}"#));
    let utf16 = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect()
    };
    let bom = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for bytes in [utf16(u16::to_le_bytes), utf16(u16::to_be_bytes), bom] {
        let import = driftline_baseline::import(crate::catalogue(), &bytes, crate::options("w")).unwrap();
        assert_eq!(import.instances, 1);
    }
}

#[test]
fn the_account_comes_from_the_best_witness() {
    let firm = r#"{"id": "vpc-1", "arn": "arn:aws:ec2:eu-west-1:111111111111:vpc/vpc-1"}"#;
    let bucket = r#"{"id": "b", "bucket": "b", "arn": "arn:aws:s3:::b", "region": "eu-central-1"}"#;
    // Alone a bucket doesn't say whose it is; among others of its provider configuration it is theirs.
    assert_eq!(parts(&import(&state(&resource("aws_s3_bucket", "b", bucket))).unwrap()).len(), 0);
    let both = state(&[resource("aws_security_group", "v", firm), resource("aws_s3_bucket", "b", bucket)].join(","));
    let expect = [
        "111111111111/eu-west-1/aws_security_group/vpc-1 aws_security_group.v",
        "111111111111/global/aws_s3_bucket/b aws_s3_bucket.b",
    ];
    assert_eq!(parts(&import(&both).unwrap()), expect.map(str::to_owned));
    // What the user says fills gaps, and outranks nothing.
    let said = crate::import_at(&both, "222222222222", Some("us-east-1"));
    assert_eq!(parts(&said), expect.map(str::to_owned));
    let alone = crate::import_at(&state(&resource("aws_s3_bucket", "b", bucket)), "222222222222", None);
    assert_eq!(parts(&alone), ["222222222222/global/aws_s3_bucket/b aws_s3_bucket.b"]);
    // Two accounts under one provider configuration prove neither.
    let other = firm.replace("111111111111", "333333333333").replace("vpc-1", "vpc-2");
    let mixed = state(
        &[
            resource("aws_security_group", "v", firm),
            resource("aws_security_group", "w", &other),
            resource("aws_s3_bucket", "b", bucket),
        ]
        .join(","),
    );
    assert_eq!(parts(&import(&mixed).unwrap()).len(), 2);
    // A data source that asked outright is as good as a resource.
    let asked = r#"{"mode": "data", "type": "aws_caller_identity", "name": "me", "provider": "provider[\"example.test/hashicorp/aws\"]",
"instances": [{"attributes": {"account_id": "444444444444"}}]}"#;
    let told = state(&[asked.to_owned(), resource("aws_s3_bucket", "b", bucket)].join(","));
    assert_eq!(parts(&import(&told).unwrap()), ["444444444444/global/aws_s3_bucket/b aws_s3_bucket.b"]);
    // Resource identity is written for this.
    let stated = state(&format!(
        r#"{{"mode": "managed", "type": "aws_s3_bucket", "name": "b", "instances": [{{"attributes": {bucket},
"identity": {{"account_id": "555555555555", "bucket": "b", "region": "eu-central-1"}}}}]}}"#
    ));
    assert_eq!(parts(&import(&stated).unwrap()), ["555555555555/global/aws_s3_bucket/b aws_s3_bucket.b"]);
}

#[test]
fn a_region_that_nobody_knows_is_left_open() {
    let text = state(&resource("aws_security_group", "v", r#"{"id": "vpc-1", "owner_id": "111111111111"}"#));
    assert_eq!(parts(&import(&text).unwrap()), ["111111111111/-/aws_security_group/vpc-1 aws_security_group.v"]);
    let placed = crate::import_at(&text, "222222222222", Some("eu-west-3"));
    assert_eq!(parts(&placed), ["111111111111/eu-west-3/aws_security_group/vpc-1 aws_security_group.v"]);
}

const PLAN: &str = r#"{
"format_version": "1.2", "terraform_version": "1.9.0",
"variables": {"region": {"value": "eu-north-1"}},
"planned_values": {"root_module": {
  "resources": [
    {"address": "aws_s3_bucket.new", "mode": "managed", "type": "aws_s3_bucket", "name": "new",
     "provider_name": "example.test/hashicorp/aws", "values": {"bucket": "new", "tags": {"a": "b"}}},
    {"address": "aws_security_group.new", "mode": "managed", "type": "aws_security_group", "name": "new",
     "provider_name": "example.test/hashicorp/aws", "values": {"cidr_block": "10.0.0.0/16"}}],
  "child_modules": [{"address": "module.m[\"x\"]", "resources": [
    {"address": "aws_security_group.old", "mode": "managed", "type": "aws_security_group", "name": "old", "index": 1,
     "provider_name": "example.test/hashicorp/aws",
     "values": {"id": "vpc-1", "description": "x", "tags": {"Name": "a"}}, "sensitive_values": {"tags": {"Name": true}}}]}]}},
"resource_changes": [
  {"address": "module.m[\"x\"].aws_security_group.old[1]", "module_address": "module.m[\"x\"]", "mode": "managed", "type": "aws_security_group", "name": "old", "index": 1,
   "change": {"actions": ["update"], "after_unknown": {"description": true, "tags": {}}}},
  {"address": "aws_security_group.new", "mode": "managed", "type": "aws_security_group", "name": "new",
   "change": {"actions": ["create"], "after_unknown": {"id": true, "arn": true}}}],
"prior_state": {"values": {"root_module": {"resources": [
    {"address": "aws_security_group.prior", "mode": "managed", "type": "aws_security_group", "name": "prior",
     "provider_name": "example.test/hashicorp/aws", "values": {"id": "vpc-0", "arn": "arn:aws:ec2:eu-north-1:111111111111:vpc/vpc-0"}}]}}},
"configuration": {
  "provider_config": {"aws": {"name": "aws", "expressions": {"region": {"references": ["var.region"]},
    "assume_role": [{"role_arn": {"constant_value": "arn:aws:iam::111111111111:role/deploy"}}]}}},
  "root_module": {
    "resources": [{"address": "aws_s3_bucket.new", "mode": "managed", "type": "aws_s3_bucket", "name": "new", "provider_config_key": "aws"}],
    "module_calls": {"m": {"module": {"resources": [
      {"address": "aws_security_group.old", "mode": "managed", "type": "aws_security_group", "name": "old", "provider_config_key": "aws"}]}}},
    "variables": {"region": {"default": "eu-west-1"}}}}}"#;

#[test]
fn a_plans_outcome_is_what_was_agreed() {
    let import = import(PLAN).unwrap();
    assert_eq!(import.instances, 3);
    assert_eq!(
        parts(&import),
        [
            r#"111111111111/eu-north-1/aws_security_group/vpc-1 module.m["x"].aws_security_group.old[1]"#,
            "111111111111/global/aws_s3_bucket/new aws_s3_bucket.new",
        ]
    );
    let (_, part) = &import.parts[0];
    assert_eq!((part.origin.origin.as_str(), part.origin.line), ("plan", Some(11)));
    // What is known only after apply and what is sensitive is not compared.
    assert_eq!(part.instances[0].ignore_changes, ["description", "tags.Name"]);
    assert!(!part.instances[0].attributes.contains_key("description"));
    let skipped = skipped(&import);
    assert!(skipped.iter().any(|s| s.starts_with("aws_security_group.new: ") && s.contains("id")), "{skipped:?}");
    assert!(skipped.iter().any(|s| s.contains("`tags.Name` is marked as sensitive")), "{skipped:?}");
}
