//! Comparing snapshots that are canonical and hashed already, beside what one would do without: comparing JSON values
//! and the json-patch crate; and what the canonical form costs beside parsing the same bytes.
//! `cargo bench -p driftline-model --bench compare` ends with the ratios of this run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use driftline_model::Snapshot;
use driftline_model::canonical::Prepared;
use serde_json::{Value, json};

/// About 2 KB of a bucket's configuration.
fn snapshot() -> Snapshot {
    let rules: Vec<Value> = (0..4).map(|i| json!({ "id": format!("rule-{i}"), "status": "Enabled", "filter": { "prefix": format!("logs/{i}/") }, "expiration": { "days": 30 + i }, "transition": [{ "days": 10, "storage_class": "GLACIER" }] })).collect();
    let attributes = json!({
        "acl": "private", "bucket": "audit-logs-production-eu-west-1", "lifecycle_configuration.rule": rules,
        "logging.target_bucket": "central-access-logs", "logging.target_prefix": "audit-logs-production-eu-west-1/",
        "ownership_controls.rule.object_ownership": "BucketOwnerEnforced",
        "policy": { "Version": "2012-10-17", "Statement": [
            { "Effect": "Deny", "Principal": { "AWS": "*" }, "Action": "s3:*", "Resource": ["arn:aws:s3:::audit-logs-production-eu-west-1", "arn:aws:s3:::audit-logs-production-eu-west-1/*"], "Condition": { "bool": { "aws:securetransport": "false" } } },
            { "Effect": "Allow", "Principal": { "Service": "delivery.logs.amazonaws.com" }, "Action": "s3:putobject", "Resource": "arn:aws:s3:::audit-logs-production-eu-west-1/*" } ] },
        "public_access_block.block_public_acls": true, "public_access_block.block_public_policy": true, "public_access_block.ignore_public_acls": true,
        "public_access_block.restrict_public_buckets": true, "region": "eu-west-1", "request_payer": "BucketOwner",
        "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.kms_master_key_id": "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c-0000-4000-8000-000000000000",
        "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.sse_algorithm": "aws:kms",
        "server_side_encryption_configuration.rule.bucket_key_enabled": true,
        "tags": { "Owner": "platform", "Environment": "production", "CostCentre": "4711", "DataClass": "confidential" },
        "versioning.enabled": true
    });
    let whole = json!({ "key": { "account": "111122223333", "region": "global", "type": "aws_s3_bucket", "id": "audit-logs-production-eu-west-1" }, "revision": "0", "attributes": attributes });
    serde_json::from_value(whole).unwrap_or_else(|e| panic!("{e}"))
}

/// Nanoseconds per run: the best of several rounds.
fn time<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let (began, mut runs) = (Instant::now(), 0_u32);
        while began.elapsed() < Duration::from_millis(40) {
            for _ in 0..64 {
                black_box(run());
            }
            runs += 64;
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
    best
}

#[allow(clippy::print_stdout)]
fn main() {
    let before = snapshot();
    let mut after = before.clone();
    after.attributes.insert("versioning.enabled".to_owned(), false.into());
    let same = before.clone();
    let value = |s: &Snapshot| serde_json::to_value(&s.attributes).unwrap_or_default();
    let (v_before, v_same, v_after) = (value(&before), value(&same), value(&after));
    let (p_before, p_same, p_after) = (Prepared::new(&before), Prepared::new(&same), Prepared::new(&after));
    let bytes = serde_json::to_vec(&before).unwrap_or_default();

    let mut criterion = Criterion::default().configure_from_args();
    for (name, value, prepared) in [("unchanged", &v_same, &p_same), ("changed", &v_after, &p_after)] {
        let mut group = criterion.benchmark_group(name);
        group.bench_function("hashed", |b| b.iter(|| black_box(&p_before).changed(black_box(prepared)).len()));
        group.bench_function("value", |b| b.iter(|| black_box(&v_before) == black_box(value)));
        group.bench_function("json-patch", |b| b.iter(|| json_patch::diff(black_box(&v_before), black_box(value))));
        group.finish();
    }
    let mut group = criterion.benchmark_group("form");
    group.bench_function("canonicalise and hash", |b| b.iter(|| Prepared::new(black_box(&before))));
    group.bench_function("parse into a value", |b| {
        b.iter(|| serde_json::from_slice::<Value>(black_box(&bytes)).is_ok())
    });
    group.finish();
    criterion.final_summary();

    println!("\nsnapshot: {} bytes of JSON; nanoseconds, best round", bytes.len());
    for (name, value, prepared) in [("unchanged", &v_same, &p_same), ("changed", &v_after, &p_after)] {
        let hashed = time(|| black_box(&p_before).changed(black_box(prepared)).len());
        let values = time(|| black_box(&v_before) == black_box(value));
        let patch = time(|| json_patch::diff(black_box(&v_before), black_box(value)));
        println!(
            "{name:9}: hashed {hashed:.1}, Value == {values:.1} ({:.1}x), json-patch {patch:.1} ({:.1}x)",
            values / hashed,
            patch / hashed
        );
    }
    let form = time(|| Prepared::new(black_box(&before)));
    let parse = time(|| serde_json::from_slice::<Value>(black_box(&bytes)).is_ok());
    println!("canonicalise and hash {form:.0}, parse into Value {parse:.0} ({:.2}x of parsing)", form / parse);
}
