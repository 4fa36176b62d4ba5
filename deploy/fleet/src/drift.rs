//! The ten changes by hand.

use anyhow::Context as _;
use aws_sdk_ec2::types::{IpPermission, IpRange, Tag};
use aws_sdk_rds::types::CloudwatchLogsExportConfiguration;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use driftline_model::Severity;
use driftline_model::resource::GLOBAL;
use serde_json::json;

use crate::compute::Instances;
use crate::database::Database;
use crate::identity::Roles;
use crate::security_groups::Groups;
use crate::storage::Buckets;
use crate::{Account, Expected};

/// What the changes are made to.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) groups: Groups,
    pub(crate) instances: Instances,
    pub(crate) database: Database,
    pub(crate) buckets: Buckets,
    pub(crate) roles: Roles,
}

/// Path of a bucket's encryption.
const ENCRYPTION: &str =
    "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.sse_algorithm";

pub(crate) async fn make(accounts: &[Account]) -> anyhow::Result<Vec<Expected>> {
    let [first, second, third] = accounts else { anyhow::bail!("the fleet has {} accounts, not 3", accounts.len()) };
    Ok(vec![
        open_ssh(first).await.context("opening SSH")?,
        remove_encryption(first).await.context("removing encryption")?,
        remove_tag(first).await.context("removing a tag")?,
        single_zone(first).await.context("turning multi-AZ off")?,
        keep_fewer_backups(second).await.context("reducing backups")?,
        unprotect(second).await.context("turning deletion protection off")?,
        suspend_versions(second).await.context("suspending versioning")?,
        open_bucket(third).await.context("opening a bucket")?,
        stop_logs(third).await.context("stopping log exports")?,
        grant_all(third).await.context("granting everything")?,
    ])
}

fn expected(
    account: &Account,
    change: &str,
    (kind, resource): (&str, &str),
    path: &str,
    severity: Severity,
) -> Expected {
    let global = kind.starts_with("aws_iam_");
    Expected {
        change: change.to_owned(),
        account: account.id.clone(),
        region: if global { GLOBAL.to_owned() } else { account.clients.region.clone() },
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        path: path.to_owned(),
        severity,
    }
}

async fn open_ssh(a: &Account) -> anyhow::Result<Expected> {
    let id = &a.targets.groups.web;
    let anywhere = IpRange::builder().cidr_ip("0.0.0.0/0").description("quick fix").build();
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22).ip_ranges(anywhere).build();
    a.clients.ec2.authorize_security_group_ingress().group_id(id).ip_permissions(ssh).send().await?;
    Ok(expected(a, "SSH opened to the internet", ("aws_security_group", id), "ingress", Severity::Critical))
}

async fn remove_encryption(a: &Account) -> anyhow::Result<Expected> {
    let bucket = &a.targets.buckets.exports;
    a.clients.s3.delete_bucket_encryption().bucket(bucket).send().await?;
    Ok(expected(a, "bucket encryption removed", ("aws_s3_bucket", bucket), ENCRYPTION, Severity::Critical))
}

async fn remove_tag(a: &Account) -> anyhow::Result<Expected> {
    let id = a.targets.instances.app.first().context("no instance")?;
    a.clients.ec2.delete_tags().resources(id).tags(Tag::builder().key("Owner").build()).send().await?;
    Ok(expected(a, "tag removed", ("aws_instance", id), "tags.Owner", Severity::Low))
}

async fn single_zone(a: &Account) -> anyhow::Result<Expected> {
    let id = &a.targets.database.id;
    let modify = a.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    modify.multi_az(false).send().await?;
    Ok(expected(a, "multi-AZ turned off", ("aws_db_instance", id), "multi_az", Severity::High))
}

async fn keep_fewer_backups(a: &Account) -> anyhow::Result<Expected> {
    let id = &a.targets.database.id;
    let modify = a.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    modify.backup_retention_period(1).send().await?;
    Ok(expected(a, "backup retention reduced", ("aws_db_instance", id), "backup_retention_period", Severity::High))
}

async fn unprotect(a: &Account) -> anyhow::Result<Expected> {
    let id = &a.targets.database.id;
    let modify = a.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    modify.deletion_protection(false).send().await?;
    Ok(expected(a, "deletion protection turned off", ("aws_db_instance", id), "deletion_protection", Severity::High))
}

async fn suspend_versions(a: &Account) -> anyhow::Result<Expected> {
    let bucket = &a.targets.buckets.data;
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    a.clients.s3.put_bucket_versioning().bucket(bucket).versioning_configuration(off).send().await?;
    Ok(expected(a, "versioning suspended", ("aws_s3_bucket", bucket), "versioning.enabled", Severity::Medium))
}

async fn open_bucket(a: &Account) -> anyhow::Result<Expected> {
    let bucket = &a.targets.buckets.assets;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": "*",
                         "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*") }] });
    a.clients.s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await?;
    Ok(expected(a, "bucket opened to everyone", ("aws_s3_bucket", bucket), "policy", Severity::Critical))
}

async fn stop_logs(a: &Account) -> anyhow::Result<Expected> {
    let id = &a.targets.database.id;
    let exports = CloudwatchLogsExportConfiguration::builder()
        .disable_log_types("postgresql")
        .disable_log_types("upgrade")
        .build();
    let modify = a.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    modify.cloudwatch_logs_export_configuration(exports).send().await?;
    let path = "enabled_cloudwatch_logs_exports";
    Ok(expected(a, "the database's log exports stopped", ("aws_db_instance", id), path, Severity::Medium))
}

async fn grant_all(a: &Account) -> anyhow::Result<Expected> {
    let role = &a.targets.roles.deploy;
    let all = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let put = a.clients.iam.put_role_policy().role_name(role).policy_name("emergency").policy_document(all.to_string());
    put.send().await?;
    let change = "everything granted to a role by hand";
    Ok(expected(a, change, ("aws_iam_role", role), "inline_policy", Severity::Critical))
}
