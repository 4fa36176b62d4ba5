//! From instances to parts and on to baselines: folding, secrets, what is left out.

use driftline_baseline::{Import, Options};
use driftline_model::catalogue::Catalogue;
use driftline_model::record::{InputKey, Part};
use driftline_model::{Baseline, fold};
use serde_json::{Value, json};

use crate::{catalogue, import_at, options, resource, state};

const A: &str = "111111111111";

fn baseline(import: &Import, id: &str) -> Baseline {
    let of = |(key, part): &(InputKey, Part)| {
        let InputKey::Part(key, _) = key else { return None };
        (key.id == id).then(|| fold(catalogue().get(&key.kind).unwrap(), std::slice::from_ref(part)))
    };
    import.parts.iter().find_map(of).unwrap()
}

fn value<'a>(baseline: &'a Baseline, path: &str) -> Option<&'a Value> {
    baseline.attributes.get(path).map(|d| &d.value)
}

#[test]
fn split_resources_become_part_of_what_they_configure() {
    let text = state(
        &[
            resource("aws_s3_bucket", "b", r#"{"bucket": "logs", "tags": {"Owner": "me"}, "no_such_attribute": "x"}"#),
            resource(
                "aws_s3_bucket_versioning",
                "b",
                r#"{"bucket": "logs", "versioning_configuration": [{"status": "Enabled", "mfa_delete": ""}]}"#,
            ),
            resource(
                "aws_s3_bucket_public_access_block",
                "other",
                r#"{"bucket": "elsewhere", "block_public_acls": true, "block_public_policy": true}"#,
            ),
        ]
        .join(",\n"),
    );
    let import = import_at(&text, A, None);
    assert_eq!((import.instances, import.baselines), (3, 2), "{:?}", import.skipped);
    let (key, part) = import.parts.iter().find(|(k, _)| k.encode().ends_with("/logs")).unwrap();
    assert!(key.encode().starts_with("b/111111111111/global/aws_s3_bucket/"), "{key:?}");
    let kinds: Vec<&str> = part.instances.iter().map(|i| i.kind.as_str()).collect();
    assert_eq!(kinds, ["aws_s3_bucket", "aws_s3_bucket_versioning"]);
    assert_eq!((part.lineage.as_str(), part.serial, part.origin.line), ("a-lineage", 7, Some(3)));
    assert!(!part.instances[0].attributes.contains_key("no_such_attribute"));
    let logs = baseline(&import, "logs");
    assert_eq!(value(&logs, "versioning.enabled"), Some(&json!(true)));
    assert_eq!(value(&logs, "tags"), Some(&json!({"Owner": "me"})));
    assert_eq!(logs.origins[1].line, Some(5));
    // A part whose resource is in another source stands under that resource's key.
    let elsewhere = baseline(&import, "elsewhere");
    assert_eq!(value(&elsewhere, "public_access_block.block_public_acls"), Some(&json!(true)));
}

#[test]
fn parts_of_one_name_in_two_accounts_stay_apart() {
    let provider = |alias: &str, resource: String| resource.replace("/aws\\\"]\"", &format!("/aws\\\"].{alias}\""));
    let group = |account: &str, alias: &str| {
        let arn = format!("arn:aws:ec2:eu-west-1:{account}:security-group/sg-1");
        let owner = resource("aws_security_group", alias, &json!({"id": "sg-1", "arn": arn}).to_string());
        let rule = json!({"security_group_id": "sg-1", "type": "ingress", "from_port": 1, "to_port": 1, "protocol": "tcp",
            "cidr_blocks": ["10.0.0.0/8"]});
        [provider(alias, owner), provider(alias, resource("aws_security_group_rule", alias, &rule.to_string()))]
    };
    let resources = [group("111111111111", "a"), group("222222222222", "b")].concat();
    let import = crate::import(&state(&resources.join(","))).unwrap();
    let shown: Vec<String> = import
        .parts
        .iter()
        .map(|(k, p)| {
            format!("{} {}", k.account(), p.instances.iter().map(|i| i.address.as_str()).collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "111111111111 aws_security_group.a aws_security_group_rule.a",
            "222222222222 aws_security_group.b aws_security_group_rule.b"
        ]
    );
}

#[test]
fn a_part_larger_than_a_record_is_named() {
    let text =
        state(&resource("aws_s3_bucket", "b", &json!({"bucket": "b", "tags": {"a": "x".repeat(5_000)}}).to_string()));
    let options = Options { account: Some(A), max_part_bytes: 4_000, ..options("s") };
    let import = driftline_baseline::import(catalogue(), text.as_bytes(), options).unwrap();
    assert_eq!((import.instances, import.baselines), (1, 0));
    assert!(import.skipped[0].reason.contains("larger"), "{:?}", import.skipped);
}

#[test]
fn what_is_marked_as_sensitive_is_not_published() {
    let text = state(
        r#"{"mode": "managed", "type": "aws_s3_bucket", "name": "b", "instances": [{
"attributes": {"bucket": "b", "tags": {"Token": "very-secret", "Owner": "me"}},
"sensitive_attributes": [[{"type": "get_attr", "value": "tags"}, {"type": "index", "value": {"value": "Token", "type": "string"}}]]}]}"#,
    );
    let import = import_at(&text, A, None);
    let (_, part) = &import.parts[0];
    assert!(!serde_json::to_string(part).unwrap().contains("very-secret"));
    assert_eq!(part.instances[0].ignore_changes, ["tags.Token"]);
    let b = baseline(&import, "b");
    assert_eq!(value(&b, "tags"), Some(&json!({"Owner": "me"})));
    assert!(b.ignored.contains("tags.Token"));
}

#[test]
fn a_mark_that_is_not_understood_hides_more_never_less() {
    for mark in [r#"[{"type": "new_kind", "value": "tags"}]"#, "[]"] {
        let text = state(&format!(
            r#"{{"mode": "managed", "type": "aws_s3_bucket", "name": "b", "instances": [{{
"attributes": {{"bucket": "b", "tags": {{"Token": "very-secret"}}}}, "sensitive_attributes": [{mark}]}}]}}"#
        ));
        let import = import_at(&text, A, None);
        assert_eq!((import.instances, import.baselines), (1, 0), "{mark}");
    }
}

#[test]
fn an_account_that_is_none_is_refused() {
    for (account, region) in [(Some("1"), None), (Some("a/b"), None), (Some(A), Some("here")), (None, Some("a/b-1"))] {
        let options = Options { account, region, ..options("s") };
        let read = driftline_baseline::import(catalogue(), state("").as_bytes(), options);
        assert!(matches!(read, Err(driftline_baseline::Error::Location(..))), "{account:?} {region:?}");
    }
}

const SECRETIVE: &str = r#"
type = "aws_secretive"
scope = "regional"
id = "{VpcId}"
terraform_id = ["{id}"]
[read]
list = { call = "ec2:DescribeVpcs", items = "Vpcs[*]" }
[attributes.password]
from = "Password"
secret = "text"
[attributes.environment]
from = "Environment"
kind = "map"
secret = "text"
"#;

#[test]
fn secrets_are_hashed_whether_marked_or_not() {
    let catalogue = Catalogue::parse([("aws_secretive.toml", SECRETIVE)]).unwrap();
    let marked = r#", "sensitive_attributes": [[{"type": "get_attr", "value": "password"}], [{"type": "get_attr", "value": "environment"}]]"#;
    let sealed: Vec<Value> = [marked, ""]
        .iter()
        .map(|marks| {
            let text = state(&format!(
                r#"{{"mode": "managed", "type": "aws_secretive", "name": "i", "instances": [{{"attributes":
{{"id": "i-1", "owner_id": "{A}", "password": "very-secret", "environment": {{"KEY": "very-secret"}}, "unknown": "very-secret"}}{marks}}}]}}"#
            ));
            let import = driftline_baseline::import(&catalogue, text.as_bytes(), options("s")).unwrap();
            assert!(import.skipped.is_empty(), "{:?}", import.skipped);
            let (_, part) = &import.parts[0];
            let published = serde_json::to_value(part).unwrap();
            assert!(!published.to_string().contains("very-secret"), "{published}");
            let folded = fold(catalogue.get("aws_secretive").unwrap(), std::slice::from_ref(part));
            let hash = value(&folded, "password").and_then(Value::as_str).unwrap();
            assert!(hash.starts_with("hmac:test:"), "{hash}");
            json!(part.instances[0].attributes)
        })
        .collect();
    assert_eq!(sealed[0], sealed[1]);
    assert_ne!(sealed[0]["password"], sealed[0]["environment"]["KEY"], "a hash tells where the secret stands");
}

#[test]
fn the_numbers_of_an_import_are_its_json() {
    let text =
        state(&[resource("aws_s3_bucket", "b", r#"{"bucket": "b"}"#), resource("other_thing", "o", "{}")].join(","));
    let json = serde_json::to_value(import_at(&text, A, None)).unwrap();
    assert_eq!(
        json,
        json!({"instances": 2, "by_type": {"aws_s3_bucket": 1, "other_thing": 1}, "baselines": 1,
            "skipped": [{"address": "other_thing.o", "reason": "the provider `aws` is not read"}]})
    );
}

/// Every leaf of a value as text.
fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(a) => a.iter().for_each(|v| leaves(v, out)),
        Value::Object(o) => o.values().for_each(|v| leaves(v, out)),
        Value::String(s) => out.push(s.clone()),
        _ => {}
    }
}

#[test]
fn nothing_is_invented_on_states_that_others_made() {
    let Some(folder) = driftline_dev::shared("states") else { return };
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let (mut baselines, mut declared) = (0, 0);
    for file in table.lines().skip(1).map(|l| l.split('\t').next().unwrap()) {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let options = Options { account: Some(A), region: Some("eu-west-1"), ..options(file) };
        let Ok(import) = driftline_baseline::import(catalogue(), &bytes, options) else { continue };
        let again = driftline_baseline::import(catalogue(), &bytes, options).unwrap();
        assert_eq!(import, again, "{file}: reading depends on the bytes alone");
        let mut said = Vec::new();
        leaves(&serde_json::from_slice(&bytes).unwrap(), &mut said);
        let said = said.join("\n").to_lowercase();
        for (key, part) in &import.parts {
            let InputKey::Part(key, _) = key else { panic!("{key:?}") };
            let ty = catalogue().get(&key.kind).unwrap();
            let folded = fold(ty, std::slice::from_ref(part));
            baselines += 1;
            declared += folded.attributes.len();
            for (path, declared) in &folded.attributes {
                assert!(ty.attributes.contains_key(path), "{file}: {path}");
                assert!(declared.origin < folded.origins.len(), "{file}: {path}");
                let attribute = &ty.attributes[path];
                if !matches!(
                    attribute.kind,
                    driftline_model::catalogue::Kind::Scalar(driftline_model::catalogue::Scalar::String)
                ) || attribute.secret.is_some()
                    || !attribute.values.is_empty()
                {
                    continue;
                }
                let mut found = Vec::new();
                leaves(&declared.value, &mut found);
                for text in found {
                    assert!(said.contains(&text.to_lowercase()), "{file}: {} {path}: `{text}` stands nowhere", key.id);
                }
            }
        }
    }
    assert!(baselines >= 40 && declared > baselines, "{declared} values in {baselines} baselines");
}
