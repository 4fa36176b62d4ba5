//! What watches an account: its key, its trail, its password policy.

use anyhow::Context as _;
use aws_sdk_kms::types::KeyUsageType;
use serde_json::{Value, json};

use crate::Builder;
use crate::plan::tags;
use crate::state::{Address, State};
use crate::storage::Buckets;

#[derive(Debug)]
pub(crate) struct Keys {
    /// ARN of the key that data is encrypted with.
    pub(crate) data: String,
}

/// The account's keys: one for data, one for the trail.
pub(crate) async fn keys(b: &Builder<'_>, state: &mut State) -> anyhow::Result<Keys> {
    let data = key(b, state, "data", "Databases, volumes and buckets").await?;
    key(b, state, "backup", "Copies kept elsewhere").await?;
    Ok(Keys { data })
}

async fn key(b: &Builder<'_>, state: &mut State, name: &str, description: &str) -> anyhow::Result<String> {
    let kms = &b.clients.kms;
    let own = tags(&[("Name", &format!("shop-{name}")), ("Owner", "security")]);
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Administration",
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{}:root", b.plan.account) },
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string();
    let tag = |(key, value)| aws_sdk_kms::types::Tag::builder().tag_key(key).tag_value(value).build();
    let all = b.plan.all_tags(&own).into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    let made = kms.create_key().description(description).key_usage(KeyUsageType::EncryptDecrypt).policy(&policy);
    let made = made.set_tags(Some(all)).send().await?;
    let id = made.key_metadata.context("a key without metadata")?.key_id;
    kms.enable_key_rotation().key_id(&id).send().await?;
    kms.create_alias().alias_name(format!("alias/shop-{name}")).target_key_id(&id).send().await?;

    let key = kms.describe_key().key_id(&id).send().await?.key_metadata.context("the key is not there")?;
    let rotation = kms.get_key_rotation_status().key_id(&id).send().await?;
    let policy = kms.get_key_policy().key_id(&id).policy_name("default").send().await?.policy.context("no policy")?;
    let mut attributes = json!({
        "arn": key.arn(),
        "bypass_policy_lockout_safety_check": false,
        "custom_key_store_id": "",
        "customer_master_key_spec": key.key_spec().map(|s| s.as_str()),
        "deletion_window_in_days": 30,
        "description": key.description(),
        "enable_key_rotation": rotation.key_rotation_enabled(),
        "id": id,
        "is_enabled": key.enabled(),
        "key_id": id,
        "key_usage": key.key_usage().map(|u| u.as_str()),
        "multi_region": key.multi_region().unwrap_or(false),
        "policy": policy,
        "timeouts": null,
        "xks_key_id": "",
    });
    if b.plan.provider >= 5 {
        attributes["rotation_period_in_days"] = json!(rotation.rotation_period_in_days());
    }
    state.add(Address::root("aws_kms_key", name), b.plan.finish(attributes, &own, Some(&b.clients.region)));
    key.arn.context("a key without ARN")
}

/// The account's trail and its password policy.
pub(crate) async fn trail(b: &Builder<'_>, keys: &Keys, buckets: &Buckets, state: &mut State) -> anyhow::Result<()> {
    let cloudtrail = &b.clients.cloudtrail;
    let own = tags(&[("Name", "account"), ("Owner", "security")]);
    let tag = |(key, value)| aws_sdk_cloudtrail::types::Tag::builder().key(key).value(value).build();
    let all = b.plan.all_tags(&own).into_iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    let made = cloudtrail
        .create_trail()
        .name("account")
        .s3_bucket_name(&buckets.logs)
        .s3_key_prefix("trail")
        .is_multi_region_trail(true)
        .include_global_service_events(true)
        .enable_log_file_validation(true)
        .kms_key_id(&keys.data)
        .set_tags_list(Some(all))
        .send()
        .await?;
    let arn = made.trail_arn.context("a trail without ARN")?;
    cloudtrail.start_logging().name(&arn).send().await?;
    let trail = cloudtrail.get_trail().name("account").send().await?.trail.context("the trail is not there")?;
    let status = cloudtrail.get_trail_status().name(&arn).send().await?;
    let attributes = json!({
        "advanced_event_selector": [],
        "arn": arn,
        "cloud_watch_logs_group_arn": trail.cloud_watch_logs_log_group_arn().unwrap_or_default(),
        "cloud_watch_logs_role_arn": trail.cloud_watch_logs_role_arn().unwrap_or_default(),
        "enable_log_file_validation": trail.log_file_validation_enabled(),
        "enable_logging": status.is_logging(),
        "event_selector": [],
        "home_region": b.clients.region,
        "id": if b.plan.provider >= 5 { &arn } else { "account" },
        "include_global_service_events": trail.include_global_service_events(),
        "insight_selector": [],
        "is_multi_region_trail": trail.is_multi_region_trail(),
        "is_organization_trail": trail.is_organization_trail(),
        "kms_key_id": trail.kms_key_id().unwrap_or_default(),
        "name": "account",
        "s3_bucket_name": trail.s3_bucket_name(),
        "s3_key_prefix": trail.s3_key_prefix(),
        "sns_topic_name": "",
    });
    state.add(Address::root("aws_cloudtrail", "account"), b.plan.finish(attributes, &own, Some(&b.clients.region)));
    password_policy(b, state).await
}

async fn password_policy(b: &Builder<'_>, state: &mut State) -> anyhow::Result<()> {
    let iam = &b.clients.iam;
    iam.update_account_password_policy()
        .minimum_password_length(14)
        .require_lowercase_characters(true)
        .require_uppercase_characters(true)
        .require_numbers(true)
        .require_symbols(true)
        .allow_users_to_change_password(true)
        .max_password_age(90)
        .password_reuse_prevention(24)
        .send()
        .await?;
    let found = iam.get_account_password_policy().send().await?;
    let policy = found.password_policy.context("no password policy")?;
    let attributes: Value = json!({
        "allow_users_to_change_password": policy.allow_users_to_change_password(),
        "expire_passwords": policy.expire_passwords(),
        "hard_expiry": policy.hard_expiry().unwrap_or(false),
        "id": "iam-account-password-policy",
        "max_password_age": policy.max_password_age(),
        "minimum_password_length": policy.minimum_password_length(),
        "password_reuse_prevention": policy.password_reuse_prevention(),
        "require_lowercase_characters": policy.require_lowercase_characters(),
        "require_numbers": policy.require_numbers(),
        "require_symbols": policy.require_symbols(),
        "require_uppercase_characters": policy.require_uppercase_characters(),
    });
    state.add(Address::root("aws_iam_account_password_policy", "strict"), attributes);
    Ok(())
}
