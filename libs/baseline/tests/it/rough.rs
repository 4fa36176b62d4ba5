//! Broken, cut, changed and hostile input: an error or right numbers, never a panic, never for long.

use std::time::{Duration, Instant};

use driftline_baseline::Error;
use proptest::prelude::*;

use crate::{catalogue, import, options, resource, state};

fn samples() -> Vec<Vec<u8>> {
    let mut samples = vec![
        state(
            &[
                resource("aws_security_group", "a", r#"{"id": "vpc-1", "tags": {"a": "b"}}"#),
                resource("aws_s3_bucket", "b", r#"{"bucket": "b"}"#),
            ]
            .join(","),
        )
        .into_bytes(),
    ];
    if let Some(folder) = driftline_dev::shared("states") {
        for file in [
            "cloudskiff-driftctl/pkg/iac/terraform/state/test/aws_nat_gateway/terraform.tfstate",
            "snyk-policy-engine/pkg/input/golden_test/tfplan/resource-changes/plan.json",
            "infracost-infracost/cmd/infracost/testdata/plan_with_target.json",
        ] {
            samples.push(std::fs::read(folder.join(file)).unwrap());
        }
    }
    samples
}

fn run(bytes: &[u8]) -> Result<driftline_baseline::Import, Error> {
    let started = Instant::now();
    let result = driftline_baseline::import(catalogue(), bytes, options("rough"));
    assert!(started.elapsed() < Duration::from_secs(20));
    result
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for sample in samples() {
        let end = sample.iter().rposition(|b| *b == b'}').unwrap();
        let step = (end / 400).max(1);
        for cut in (0..=end).step_by(step).chain([end]) {
            assert!(run(&sample[..cut]).is_err(), "cut at {cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(which in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let samples = samples();
        let mut bytes = samples[which % samples.len()].clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = run(&bytes);
    }

    #[test]
    fn changed_values_never_panic(which in 0usize..4, changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..9), 1..6)) {
        let samples = samples();
        let mut value: serde_json::Value = serde_json::from_slice(&samples[which % samples.len()]).unwrap();
        let total = count(&value);
        for (at, to) in changes {
            let mut left = at.index(total);
            replace(&mut value, &mut left, to);
        }
        let _ = run(value.to_string().as_bytes());
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,60}|[\\[\\]{}\":,0-9a-z \n]{0,60}") {
        let _ = run(text.as_bytes());
    }
}

fn count(value: &serde_json::Value) -> usize {
    1 + match value {
        serde_json::Value::Array(a) => a.iter().map(count).sum(),
        serde_json::Value::Object(o) => o.values().map(count).sum(),
        _ => 0,
    }
}

fn replace(value: &mut serde_json::Value, left: &mut usize, to: usize) -> bool {
    if *left == 0 {
        *value = [
            serde_json::json!(null),
            serde_json::json!(true),
            serde_json::json!(-1),
            serde_json::json!(1e300),
            serde_json::json!(""),
            serde_json::json!("arn:aws:s3:::"),
            serde_json::json!([]),
            serde_json::json!({}),
            serde_json::json!([{"a": [null]}, 7]),
        ][to % 9]
            .clone();
        return true;
    }
    *left -= 1;
    match value {
        serde_json::Value::Array(a) => a.iter_mut().any(|v| replace(v, left, to)),
        serde_json::Value::Object(o) => o.values_mut().any(|v| replace(v, left, to)),
        _ => false,
    }
}

#[test]
fn hostile_forms_are_errors_and_quick() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let modules = |n| {
        let open = r#"{"address": "module.a", "child_modules": ["#.repeat(n);
        format!(
            r#"{{"format_version": "1.0", "values": {{"root_module": {{"child_modules": [{open}{}]}}}}}}"#,
            "]}".repeat(n)
        )
    };
    let one = r#"{"schema_version": 0, "attributes": {"a": "#;
    for (what, text) in [
        ("deep lists", deep.clone()),
        ("a deep value", state(&resource("aws_security_group", "a", &format!(r#"{{"a": {deep}}}"#)))),
        ("deep modules", modules(5_000)),
        ("a number out of range", state(&resource("aws_security_group", "a", r#"{"a": 1e999}"#))),
        ("a lone surrogate", state(&resource("aws_security_group", "a", r#"{"a": "\ud800"}"#))),
        ("many elements", state(&vec!["0"; 1_000_001].join(","))),
        ("no end", one.repeat(1000)),
    ] {
        let started = Instant::now();
        assert!(import(&text).is_err(), "{what}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what} took {:?}", started.elapsed());
    }
}

#[test]
fn errors_tell_line_and_column() {
    for (text, line, column) in [
        ("{\n  \"version\": 4,,\n}", 2, 16),
        ("{\n  \"version\": \"4\", \"serial\": 1\n}", 2, 16),
        ("{\"version\": 4, \"serial\": 1, \"resources\": [\n  {\"mode\": \"managed\"}\n]}", 2, 3),
        ("{\"version\": 4, \"serial\": 1, \"resources\": [\n\n  7]}", 3, 3),
        ("{\"version\": 4, \"serial\": 1, \"resources\": {\n}}", 1, 42),
        ("", 1, 0),
    ] {
        match import(text) {
            Err(Error::Invalid { at, reason }) => assert_eq!((at.line, at.column), (line, column), "{text}: {reason}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let broken = [b"{\n\"a\": \"".as_slice(), &[0xff], b"\"}"].concat();
    assert!(matches!(run(&broken), Err(Error::Invalid { at, .. }) if (at.line, at.column) == (2, 7)));
}
