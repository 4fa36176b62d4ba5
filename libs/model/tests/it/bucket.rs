use serde_json::{Value, json};

use crate::world::{agreed, agreed_but, answers, compared, seen, with};

const BUCKET: &str = "aws_s3_bucket";

fn item() -> Value {
    json!({ "Name": "logs", "CreationDate": "2024-01-01T00:00:00+00:00" })
}

fn live() -> Value {
    answers(&[
        ("location", json!({ "LocationConstraint": "eu-west-1" })),
        ("versioning", json!({ "Status": "Enabled" })),
        (
            "encryption",
            json!({ "ServerSideEncryptionConfiguration": { "Rules": [{ "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:eu-west-1:111122223333:key/k1" }, "BucketKeyEnabled": true }] } }),
        ),
        (
            "public_access",
            json!({ "PublicAccessBlockConfiguration": { "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true } }),
        ),
        (
            "policy",
            json!({ "Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"1\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:iam::222222222222:root\"]},\"Action\":[\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::logs/*\"]}]}" }),
        ),
        (
            "acl",
            json!({ "Owner": { "ID": "o" }, "Grants": [{ "Grantee": { "Type": "CanonicalUser", "ID": "o" }, "Permission": "FULL_CONTROL" }] }),
        ),
        ("logging", json!({ "LoggingEnabled": { "TargetBucket": "audit", "TargetPrefix": "s3/" } })),
        (
            "lifecycle",
            json!({ "Rules": [{ "ID": "old", "Status": "Enabled", "Filter": { "Prefix": "" }, "Expiration": { "Days": 90 } }] }),
        ),
        ("tagging", json!({ "TagSet": [{ "Key": "Owner", "Value": "ops" }] })),
    ])
}

fn bucket() -> Value {
    json!({
        "id": "logs", "bucket": "logs", "arn": "arn:aws:s3:::logs", "acl": null, "policy": "", "force_destroy": false, "region": "eu-west-1",
        "versioning": [{ "enabled": false, "mfa_delete": false }], "logging": [], "lifecycle_rule": [], "cors_rule": [], "website": [],
        "server_side_encryption_configuration": [{ "rule": [{ "apply_server_side_encryption_by_default": [{ "kms_master_key_id": "", "sse_algorithm": "AES256" }], "bucket_key_enabled": false }] }],
        "grant": [{ "id": "o", "permissions": ["FULL_CONTROL"], "type": "CanonicalUser", "uri": "" }],
        "object_lock_configuration": [], "object_lock_enabled": false, "replication_configuration": [], "request_payer": "BucketOwner", "acceleration_status": "",
        "tags": { "Owner": "ops" }, "tags_all": { "Owner": "ops" }
    })
}

fn split() -> Vec<(&'static str, Value)> {
    vec![
        (BUCKET, bucket()),
        (
            "aws_s3_bucket_versioning",
            json!({ "bucket": "logs", "versioning_configuration": [{ "status": "Enabled", "mfa_delete": "" }] }),
        ),
        (
            "aws_s3_bucket_server_side_encryption_configuration",
            json!({ "bucket": "logs", "rule": [{ "apply_server_side_encryption_by_default": [{ "kms_master_key_id": "k1", "sse_algorithm": "aws:kms" }], "bucket_key_enabled": true }] }),
        ),
        (
            "aws_s3_bucket_public_access_block",
            json!({ "bucket": "logs", "block_public_acls": true, "block_public_policy": true, "ignore_public_acls": true, "restrict_public_buckets": true }),
        ),
        (
            "aws_s3_bucket_policy",
            json!({ "bucket": "logs", "policy": "{\"Statement\":{\"Action\":\"s3:getobject\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"222222222222\"},\"Resource\":\"arn:aws:s3:::logs/*\"},\"Version\":\"2012-10-17\"}" }),
        ),
        (
            "aws_s3_bucket_logging",
            json!({ "bucket": "logs", "target_bucket": "audit", "target_prefix": "s3/", "target_grant": [] }),
        ),
        (
            "aws_s3_bucket_lifecycle_configuration",
            json!({ "bucket": "logs", "rule": [{ "id": "old", "status": "Enabled", "prefix": "", "filter": [{ "prefix": "", "tag": [], "and": [], "object_size_greater_than": "", "object_size_less_than": "" }], "expiration": [{ "days": 90, "date": "", "expired_object_delete_marker": false }], "transition": [], "noncurrent_version_expiration": [], "noncurrent_version_transition": [], "abort_incomplete_multipart_upload": [] }] }),
        ),
    ]
}

fn inline() -> Vec<(&'static str, Value)> {
    let old = json!({
        "versioning": [{ "enabled": true, "mfa_delete": false }],
        "server_side_encryption_configuration": [{ "rule": [{ "apply_server_side_encryption_by_default": [{ "kms_master_key_id": "arn:aws:kms:eu-west-1:111122223333:key/k1", "sse_algorithm": "aws:kms" }], "bucket_key_enabled": true }] }],
        "acl": "private", "grant": [],
        "policy": split()[4].1["policy"],
        "logging": [{ "target_bucket": "audit", "target_prefix": "s3/" }],
        "lifecycle_rule": [{ "id": "old", "enabled": true, "prefix": "", "tags": {}, "expiration": [{ "days": 90, "date": "", "expired_object_delete_marker": false }], "abort_incomplete_multipart_upload_days": 0 }]
    });
    vec![(BUCKET, with(&bucket(), &old)), split()[3].clone()]
}

#[test]
fn an_untouched_bucket_is_silent_inline_and_split() {
    for shape in [split(), inline()] {
        assert_eq!(compared(BUCKET, &seen(BUCKET, &item(), &live()), &agreed(BUCKET, &shape)), Vec::<String>::new());
    }
}

#[test]
fn each_change_is_one_drift() {
    let cases: &[(&str, Value)] = &[
        ("versioning.enabled", json!({ "versioning": { "Status": "Suspended" } })),
        ("server_side_encryption_configuration.rule", json!({ "encryption": {} })),
        (
            "server_side_encryption_configuration.rule.bucket_key_enabled",
            json!({ "encryption": { "ServerSideEncryptionConfiguration": { "Rules": [{ "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k1" } }] } } }),
        ),
        ("public_access_block", json!({ "public_access": {} })),
        (
            "public_access_block.block_public_acls",
            json!({ "public_access": { "PublicAccessBlockConfiguration": { "BlockPublicAcls": false, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true } } }),
        ),
        ("policy", json!({ "policy": {} })),
        ("logging", json!({ "logging": {} })),
        (
            "logging.target_prefix",
            json!({ "logging": { "LoggingEnabled": { "TargetBucket": "audit", "TargetPrefix": "x/" } } }),
        ),
        ("lifecycle_configuration.rule", json!({ "lifecycle": { "Rules": [] } })),
        (
            "lifecycle_configuration.rule",
            json!({ "lifecycle": { "Rules": [{ "ID": "old", "Status": "Enabled", "Filter": { "Prefix": "" }, "Expiration": { "Days": 9 } }] } }),
        ),
        ("tags.Owner", json!({ "tagging": { "TagSet": [] } })),
        ("cors_rule", json!({ "cors": { "CORSRules": [{ "AllowedMethods": ["GET"], "AllowedOrigins": ["*"] }] } })),
        (
            "website_configuration.index_document.suffix",
            json!({ "website": { "IndexDocument": { "Suffix": "index.html" } } }),
        ),
        ("acceleration_status", json!({ "acceleration": { "Status": "Enabled" } })),
        ("request_payer", json!({ "payer": { "Payer": "Requester" } })),
    ];
    for shape in [split(), inline()] {
        let baseline = agreed(BUCKET, &shape);
        for (path, change) in cases {
            let found = compared(BUCKET, &seen(BUCKET, &item(), &with(&live(), change)), &baseline);
            assert!(found.len() == 1 && found[0].starts_with(&format!("{path}: ")), "{path}: {found:?}");
        }
    }
}

#[test]
fn what_could_not_be_read_is_unknown_and_no_drift() {
    let denied =
        with(&live(), &json!({ "policy": { "failed": "AccessDenied" }, "versioning": { "failed": "SlowDown" } }));
    let found = compared(BUCKET, &seen(BUCKET, &item(), &denied), &agreed(BUCKET, &split()));
    assert_eq!(
        found,
        [
            "unknown policy: AccessDenied",
            "unknown versioning.enabled: SlowDown",
            "unknown versioning.mfa_delete: SlowDown"
        ]
    );
}

#[test]
fn ignore_changes_is_honoured_per_path() {
    let changed = with(
        &live(),
        &json!({ "tagging": { "TagSet": [{ "Key": "Owner", "Value": "me" }, { "Key": "b", "Value": "c" }] } }),
    );
    let baseline = agreed_but(BUCKET, &split(), &["tags[\"Owner\"]"]);
    let found = compared(BUCKET, &seen(BUCKET, &item(), &changed), &baseline);
    assert_eq!(found, ["tags.b: null -> \"c\"", "muted tags.Owner: lifecycle.ignore_changes"]);
}

#[test]
fn a_public_acl_is_one_drift_whichever_way_it_was_declared() {
    let everybody = json!({ "Owner": { "ID": "o" }, "Grants": [{ "Grantee": { "Type": "CanonicalUser", "ID": "o" }, "Permission": "FULL_CONTROL" }, { "Grantee": { "Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers" }, "Permission": "READ" }] });
    let snapshot = seen(BUCKET, &item(), &with(&live(), &json!({ "acl": everybody })));
    assert_eq!(compared(BUCKET, &snapshot, &agreed(BUCKET, &inline())), ["acl: \"private\" -> \"public-read\""]);
    let refreshed = compared(BUCKET, &snapshot, &agreed(BUCKET, &split()));
    assert!(refreshed.len() == 1 && refreshed[0].starts_with("access_control_policy.grant: "), "{refreshed:?}");
    let acl = json!({ "bucket": "logs", "acl": "private", "access_control_policy": [{ "grant": [{ "grantee": [{ "id": "o", "type": "CanonicalUser", "uri": "", "email_address": "", "display_name": "" }], "permission": "FULL_CONTROL" }], "owner": [{ "id": "o" }] }] });
    let mut with_acl = split();
    with_acl.push(("aws_s3_bucket_acl", acl));
    assert_eq!(compared(BUCKET, &snapshot, &agreed(BUCKET, &with_acl)), ["acl: \"private\" -> \"public-read\""]);
    assert!(compared(BUCKET, &seen(BUCKET, &item(), &live()), &agreed(BUCKET, &with_acl)).is_empty());
}

#[test]
fn what_the_older_shape_cannot_hold_is_not_declared_by_it() {
    let rule = json!({ "ID": "old", "Status": "Enabled", "Filter": { "And": { "Prefix": "a/", "ObjectSizeGreaterThan": 500 } }, "NoncurrentVersionTransitions": [{ "NoncurrentDays": 30, "NewerNoncurrentVersions": 3, "StorageClass": "GLACIER" }] });
    let copy = json!([{ "id": "old", "enabled": true, "prefix": "a/", "noncurrent_version_transition": [{ "days": 30, "storage_class": "GLACIER" }] }]);
    let lifecycle = |rule: &Value| seen(BUCKET, &item(), &with(&live(), &json!({ "lifecycle": { "Rules": [rule] } })));
    let mut refreshed = split();
    refreshed.retain(|(kind, _)| *kind != "aws_s3_bucket_lifecycle_configuration");
    refreshed[0].1 = with(&refreshed[0].1, &json!({ "lifecycle_rule": copy }));
    assert_eq!(compared(BUCKET, &lifecycle(&rule), &agreed(BUCKET, &refreshed)), Vec::<String>::new());
    let mut shorter = rule.clone();
    shorter["NoncurrentVersionTransitions"][0]["NoncurrentDays"] = json!(1);
    assert_eq!(compared(BUCKET, &lifecycle(&shorter), &agreed(BUCKET, &refreshed)).len(), 1);
    let declared = json!({ "bucket": "logs", "rule": [{ "id": "old", "status": "Enabled", "filter": [{ "prefix": "a/" }], "noncurrent_version_transition": [{ "noncurrent_days": 30, "storage_class": "GLACIER" }] }] });
    refreshed.push(("aws_s3_bucket_lifecycle_configuration", declared));
    assert_eq!(compared(BUCKET, &lifecycle(&rule), &agreed(BUCKET, &refreshed)).len(), 1);
}

#[test]
fn an_empty_acl_beside_grants_says_nothing() {
    let grants = json!({ "Owner": { "ID": "o" }, "Grants": [{ "Grantee": { "Type": "CanonicalUser", "ID": "o" }, "Permission": "FULL_CONTROL" }, { "Grantee": { "Type": "CanonicalUser", "ID": "partner" }, "Permission": "READ" }] });
    let snapshot = seen(BUCKET, &item(), &with(&live(), &json!({ "acl": grants })));
    let grant = |id: &str, permission: &str| json!({ "grantee": [{ "id": id, "type": "CanonicalUser", "uri": "", "email_address": "" }], "permission": permission });
    let acl = json!({ "bucket": "logs", "acl": "", "access_control_policy": [{ "grant": [grant("o", "FULL_CONTROL"), grant("partner", "READ")], "owner": [{ "id": "o" }] }] });
    let mut with_acl = split();
    with_acl.push(("aws_s3_bucket_acl", acl));
    assert_eq!(compared(BUCKET, &snapshot, &agreed(BUCKET, &with_acl)), Vec::<String>::new());
}
