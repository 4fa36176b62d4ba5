//! Buckets: settings as split resources, or inline as old configurations have them.

use anyhow::Context as _;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketLoggingStatus,
    BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, LoggingEnabled, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use serde_json::{Value, json};

use crate::Builder;
use crate::audit::Keys;
use crate::plan::{Tags, tags};
use crate::state::{Address, State};

#[derive(Debug)]
pub(crate) struct Buckets {
    pub(crate) logs: String,
    pub(crate) data: String,
    pub(crate) assets: String,
    pub(crate) exports: String,
}

/// What one bucket has.
struct Setup<'a> {
    block: &'a str,
    owner: &'a str,
    versioned: bool,
    /// The key; none means AES256.
    key: Option<&'a str>,
    logs: Option<&'a str>,
    policy: fn(&str) -> Value,
    /// Days after which objects go.
    expire: Option<i32>,
    /// Settings are blocks of the bucket, not resources.
    inline: bool,
}

pub(crate) async fn buckets(b: &Builder<'_>, keys: &Keys, state: &mut State) -> anyhow::Result<Buckets> {
    let base = Setup {
        block: "logs",
        owner: "security",
        versioned: true,
        key: None,
        logs: None,
        policy: log_policy,
        expire: Some(400),
        inline: false,
    };
    let logs = bucket(b, state, &base).await?;
    let shop = Setup { owner: "shop", logs: Some(&logs), policy: tls_policy, expire: None, ..base };
    let data = bucket(b, state, &Setup { block: "data", key: Some(&keys.data), ..shop }).await?;
    let assets = bucket(b, state, &Setup { block: "assets", policy: reader_policy, ..shop }).await?;
    // version 4 of the provider still took blocks
    let inline = b.plan.provider == 4;
    let exports =
        bucket(b, state, &Setup { block: "exports", owner: "finance", expire: Some(30), inline, ..shop }).await?;
    Ok(Buckets { logs, data, assets, exports })
}

fn document(statements: &[Value]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn tls_policy(bucket: &str) -> Value {
    document(&[json!({
        "Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })])
}

fn log_policy(bucket: &str) -> Value {
    let trail = json!({
        "Sid": "Trail", "Effect": "Allow", "Principal": { "Service": "cloudtrail.amazonaws.com" },
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/trail/*")],
    });
    let access = json!({
        "Sid": "AccessLogs", "Effect": "Allow", "Principal": { "Service": "logging.s3.amazonaws.com" },
        "Action": "s3:PutObject", "Resource": format!("arn:aws:s3:::{bucket}/*"),
    });
    document(&[trail, access])
}

fn reader_policy(bucket: &str) -> Value {
    document(&[json!({
        "Sid": "Delivery", "Effect": "Allow", "Principal": { "Service": "cloudfront.amazonaws.com" },
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*"),
    })])
}

async fn bucket(b: &Builder<'_>, state: &mut State, setup: &Setup<'_>) -> anyhow::Result<String> {
    let name = format!("shop-{}-{}-{}", b.plan.name, setup.block, b.suffix);
    let own = tags(&[("Name", setup.block), ("Owner", setup.owner)]);
    create(b, &name, &own).await?;
    configure(b, &name, setup).await?;
    let attributes = parent(b, &name, setup, &own).await?;
    state.add(Address::root("aws_s3_bucket", setup.block), attributes);
    for (kind, mut attributes) in parts(&name, setup) {
        if b.plan.provider >= 6 {
            attributes["region"] = json!(b.clients.region);
        }
        state.add(Address::root(kind, setup.block), attributes);
    }
    Ok(name)
}

/// Makes a bucket in the account's region.
pub(crate) async fn create(b: &Builder<'_>, name: &str, own: &Tags) -> anyhow::Result<()> {
    let mut create = b.clients.s3.create_bucket().bucket(name);
    if b.clients.region != "us-east-1" {
        let place = BucketLocationConstraint::from(b.clients.region.as_str());
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        create = create.create_bucket_configuration(place);
    }
    create.send().await.with_context(|| format!("creating bucket {name}"))?;
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let tags = b.plan.all_tags(own).into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    let tagging = Tagging::builder().set_tag_set(Some(tags)).build()?;
    b.clients.s3.put_bucket_tagging().bucket(name).tagging(tagging).send().await?;
    Ok(())
}

async fn configure(b: &Builder<'_>, name: &str, setup: &Setup<'_>) -> anyhow::Result<()> {
    let s3 = &b.clients.s3;
    if setup.versioned {
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        s3.put_bucket_versioning().bucket(name).versioning_configuration(on).send().await?;
    }
    let by_default = match setup.key {
        Some(key) => {
            ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms).kms_master_key_id(key)
        }
        None => ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256),
    };
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default.build()?)
        .bucket_key_enabled(setup.key.is_some())
        .build();
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build()?;
    s3.put_bucket_encryption().bucket(name).server_side_encryption_configuration(encryption).send().await?;
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .block_public_policy(true)
        .ignore_public_acls(true)
        .restrict_public_buckets(true)
        .build();
    s3.put_public_access_block().bucket(name).public_access_block_configuration(block).send().await?;
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build()?;
    let owners = OwnershipControls::builder().rules(rule).build()?;
    s3.put_bucket_ownership_controls().bucket(name).ownership_controls(owners).send().await?;
    s3.put_bucket_policy().bucket(name).policy((setup.policy)(name).to_string()).send().await?;
    if let Some(target) = setup.logs {
        let target = LoggingEnabled::builder().target_bucket(target).target_prefix(format!("s3/{}/", setup.block));
        let status = BucketLoggingStatus::builder().logging_enabled(target.build()?).build();
        s3.put_bucket_logging().bucket(name).bucket_logging_status(status).send().await?;
    }
    if let Some(days) = setup.expire {
        let rule = LifecycleRule::builder()
            .id("expire")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .expiration(LifecycleExpiration::builder().days(days).build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build(),
            )
            .build()?;
        let lifecycle = BucketLifecycleConfiguration::builder().rules(rule).build()?;
        s3.put_bucket_lifecycle_configuration().bucket(name).lifecycle_configuration(lifecycle).send().await?;
    }
    Ok(())
}

/// The encryption rule as a state has it.
fn encryption_rule(setup: &Setup<'_>) -> Value {
    let algorithm = if setup.key.is_some() { "aws:kms" } else { "AES256" };
    let by_default = json!({ "kms_master_key_id": setup.key.unwrap_or_default(), "sse_algorithm": algorithm });
    json!({ "apply_server_side_encryption_by_default": [by_default], "bucket_key_enabled": setup.key.is_some() })
}

/// The bucket itself; refresh copies all settings into it, whoever declares them.
async fn parent(b: &Builder<'_>, name: &str, setup: &Setup<'_>, own: &Tags) -> anyhow::Result<Value> {
    let acl = b.clients.s3.get_bucket_acl().bucket(name).send().await?;
    let owner = acl.owner().and_then(|owner| owner.id()).unwrap_or_default();
    let region = &b.clients.region;
    let logging =
        setup.logs.map(|target| json!({ "target_bucket": target, "target_prefix": format!("s3/{}/", setup.block) }));
    let lifecycle = setup.expire.map(|days| {
        json!({
            "abort_incomplete_multipart_upload_days": 7, "enabled": true,
            "expiration": [{ "date": "", "days": days, "expired_object_delete_marker": false }],
            "id": "expire", "noncurrent_version_expiration": [], "noncurrent_version_transition": [], "prefix": "",
            "tags": {}, "transition": [],
        })
    });
    let one = |block: Option<Value>| block.into_iter().collect::<Vec<_>>();
    let mut attributes = json!({
        "acceleration_status": "",
        "acl": null,
        "arn": format!("arn:aws:s3:::{name}"),
        "bucket": name,
        "bucket_domain_name": format!("{name}.s3.amazonaws.com"),
        "bucket_prefix": "",
        "bucket_regional_domain_name": format!("{name}.s3.{region}.amazonaws.com"),
        "cors_rule": [],
        "force_destroy": false,
        "grant": [{ "id": owner, "permissions": ["FULL_CONTROL"], "type": "CanonicalUser", "uri": "" }],
        "hosted_zone_id": "Z21DNDUVLTQW6Q",
        "id": name,
        "lifecycle_rule": one(lifecycle),
        "logging": one(logging),
        "object_lock_configuration": [],
        "object_lock_enabled": false,
        "policy": (setup.policy)(name).to_string(),
        "replication_configuration": [],
        "request_payer": "BucketOwner",
        "server_side_encryption_configuration": [{ "rule": [encryption_rule(setup)] }],
        "timeouts": null,
        "versioning": [{ "enabled": setup.versioned, "mfa_delete": false }],
        "website": [],
        "website_domain": null,
        "website_endpoint": null,
    });
    if b.plan.provider >= 6 {
        attributes["bucket_region"] = json!(region);
    }
    let mut attributes = b.plan.finish(attributes, own, Some(region));
    attributes["region"] = json!(region);
    Ok(attributes)
}

/// The split resources that declare the bucket's settings.
fn parts(name: &str, setup: &Setup<'_>) -> Vec<(&'static str, Value)> {
    let mut parts = vec![
        (
            "aws_s3_bucket_public_access_block",
            json!({ "block_public_acls": true, "block_public_policy": true, "bucket": name, "id": name,
                    "ignore_public_acls": true, "restrict_public_buckets": true }),
        ),
        (
            "aws_s3_bucket_ownership_controls",
            json!({ "bucket": name, "id": name, "rule": [{ "object_ownership": "BucketOwnerEnforced" }] }),
        ),
    ];
    if setup.inline {
        return parts;
    }
    let policy = (setup.policy)(name).to_string();
    parts.push(("aws_s3_bucket_policy", json!({ "bucket": name, "id": name, "policy": policy })));
    let common = |more: Value| {
        let mut attributes = json!({ "bucket": name, "expected_bucket_owner": "", "id": name });
        if let (Some(all), Value::Object(more)) = (attributes.as_object_mut(), more) {
            all.extend(more);
        }
        attributes
    };
    if setup.versioned {
        let on = json!({ "mfa": null, "versioning_configuration": [{ "mfa_delete": "", "status": "Enabled" }] });
        parts.push(("aws_s3_bucket_versioning", common(on)));
    }
    let rule = json!({ "rule": [encryption_rule(setup)] });
    parts.push(("aws_s3_bucket_server_side_encryption_configuration", common(rule)));
    if let Some(target) = setup.logs {
        let prefix = format!("s3/{}/", setup.block);
        let logging = json!({ "target_bucket": target, "target_grant": [], "target_object_key_format": [],
                              "target_prefix": prefix });
        parts.push(("aws_s3_bucket_logging", common(logging)));
    }
    if let Some(days) = setup.expire {
        let filter = json!({ "and": [], "object_size_greater_than": "", "object_size_less_than": "", "prefix": "",
                             "tag": [] });
        let rule = json!({
            "abort_incomplete_multipart_upload": [{ "days_after_initiation": 7 }],
            "expiration": [{ "date": "", "days": days, "expired_object_delete_marker": false }],
            "filter": [filter], "id": "expire", "noncurrent_version_expiration": [], "noncurrent_version_transition": [],
            "prefix": "", "status": "Enabled", "transition": [],
        });
        parts.push(("aws_s3_bucket_lifecycle_configuration", common(json!({ "rule": [rule], "timeouts": null }))));
    }
    parts
}
