//! The account's database.

use anyhow::Context as _;
use aws_sdk_rds::types::{DbInstance, Tag};
use serde_json::{Value, json};

use crate::Builder;
use crate::audit::Keys;
use crate::network::Network;
use crate::plan::{Tags, tags};
use crate::security_groups::Groups;
use crate::state::{Address, State};

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) id: String,
}

pub(crate) async fn build(
    b: &Builder<'_>,
    network: &Network,
    groups: &Groups,
    keys: &Keys,
    state: &mut State,
) -> anyhow::Result<Database> {
    let rds = &b.clients.rds;
    rds.create_db_subnet_group()
        .db_subnet_group_name("shop")
        .db_subnet_group_description("Private subnets")
        .set_subnet_ids(Some(network.private.clone()))
        .send()
        .await?;
    let own = tags(&[("Name", "shop-orders"), ("Owner", "shop")]);
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    rds.create_db_instance()
        .db_instance_identifier("shop-orders")
        .db_name("orders")
        .engine("postgres")
        .engine_version("16.3")
        .db_instance_class("db.m6g.large")
        .allocated_storage(200)
        .storage_type("gp3")
        .storage_encrypted(true)
        .kms_key_id(&keys.data)
        .master_username("orders")
        .master_user_password(format!("not-a-secret-{}", b.suffix))
        .multi_az(true)
        .backup_retention_period(14)
        .preferred_backup_window("02:00-03:00")
        .preferred_maintenance_window("sun:04:00-sun:05:00")
        .deletion_protection(true)
        .copy_tags_to_snapshot(true)
        .auto_minor_version_upgrade(true)
        .publicly_accessible(false)
        .enable_iam_database_authentication(true)
        .db_subnet_group_name("shop")
        .vpc_security_group_ids(&groups.database)
        .set_enable_cloudwatch_logs_exports(Some(vec!["postgresql".to_owned(), "upgrade".to_owned()]))
        .set_tags(Some(b.plan.all_tags(&own).into_iter().map(tag).collect()))
        .send()
        .await?;
    let found = rds.describe_db_instances().db_instance_identifier("shop-orders").send().await?;
    let database = found.db_instances().first().context("the database is not listed")?;
    state.add(Address::root("aws_db_instance", "orders"), attributes(b, database, &own));
    Ok(Database { id: "shop-orders".to_owned() })
}

fn attributes(b: &Builder<'_>, d: &DbInstance, own: &Tags) -> Value {
    let endpoint = d.endpoint();
    let (address, port) = (endpoint.and_then(|e| e.address()), endpoint.and_then(|e| e.port()));
    let mut exports = d.enabled_cloudwatch_logs_exports().to_vec();
    exports.sort();
    let groups: Vec<&str> = d.vpc_security_groups().iter().filter_map(|g| g.vpc_security_group_id()).collect();
    let identifier = d.db_instance_identifier();
    let mut attributes = json!({
        "address": address,
        "allocated_storage": d.allocated_storage(),
        "allow_major_version_upgrade": null,
        "apply_immediately": false,
        "arn": d.db_instance_arn(),
        "auto_minor_version_upgrade": d.auto_minor_version_upgrade(),
        "availability_zone": d.availability_zone(),
        "backup_retention_period": d.backup_retention_period(),
        "backup_window": d.preferred_backup_window(),
        "blue_green_update": [],
        "ca_cert_identifier": d.ca_certificate_identifier(),
        "character_set_name": "",
        "copy_tags_to_snapshot": d.copy_tags_to_snapshot(),
        "custom_iam_instance_profile": "",
        "customer_owned_ip_enabled": false,
        "db_name": d.db_name(),
        "db_subnet_group_name": d.db_subnet_group().and_then(|g| g.db_subnet_group_name()),
        "delete_automated_backups": true,
        "deletion_protection": d.deletion_protection(),
        "domain": "",
        "domain_iam_role_name": "",
        "enabled_cloudwatch_logs_exports": exports,
        "endpoint": address.zip(port).map(|(address, port)| format!("{address}:{port}")),
        "engine": d.engine(),
        "engine_version": d.engine_version(),
        "engine_version_actual": d.engine_version(),
        "final_snapshot_identifier": null,
        "hosted_zone_id": endpoint.and_then(|e| e.hosted_zone_id()),
        "iam_database_authentication_enabled": d.iam_database_authentication_enabled(),
        "identifier": identifier,
        "identifier_prefix": "",
        "instance_class": d.db_instance_class(),
        "iops": d.iops().unwrap_or(0),
        "kms_key_id": d.kms_key_id(),
        "latest_restorable_time": "",
        "license_model": d.license_model(),
        "listener_endpoint": [],
        "maintenance_window": d.preferred_maintenance_window(),
        "max_allocated_storage": d.max_allocated_storage().unwrap_or(0),
        "monitoring_interval": d.monitoring_interval().unwrap_or(0),
        "monitoring_role_arn": d.monitoring_role_arn().unwrap_or_default(),
        "multi_az": d.multi_az(),
        "nchar_character_set_name": "",
        "network_type": d.network_type(),
        "option_group_name": d.option_group_memberships().first().and_then(|g| g.option_group_name()),
        "parameter_group_name": d.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name()),
        "password": format!("not-a-secret-{}", b.suffix),
        "performance_insights_enabled": d.performance_insights_enabled().unwrap_or(false),
        "performance_insights_kms_key_id": d.performance_insights_kms_key_id().unwrap_or_default(),
        "performance_insights_retention_period": d.performance_insights_retention_period().unwrap_or(0),
        "port": port,
        "publicly_accessible": d.publicly_accessible(),
        "replica_mode": "",
        "replicas": [],
        "replicate_source_db": "",
        "resource_id": d.dbi_resource_id(),
        "restore_to_point_in_time": [],
        "s3_import": [],
        "skip_final_snapshot": false,
        "snapshot_identifier": null,
        "status": d.db_instance_status(),
        "storage_encrypted": d.storage_encrypted(),
        "storage_throughput": d.storage_throughput().unwrap_or(0),
        "storage_type": d.storage_type(),
        "timeouts": null,
        "timezone": "",
        "username": d.master_username(),
        "vpc_security_group_ids": groups,
    });
    // the id changed its meaning with version 5
    attributes["id"] = json!(if b.plan.provider >= 5 { d.dbi_resource_id() } else { identifier });
    if b.plan.provider == 4 {
        attributes["name"] = json!(d.db_name());
        attributes["security_group_names"] = json!([]);
    } else {
        attributes["manage_master_user_password"] = Value::Null;
        attributes["master_user_secret"] = json!([]);
        attributes["dedicated_log_volume"] = json!(false);
        attributes["engine_lifecycle_support"] = json!("open-source-rds-extended-support");
    }
    b.plan.finish(attributes, own, Some(&b.clients.region))
}
