//! Databases, keys and trails.

use serde_json::{Value, json};

use crate::world::{agreed, compared, drifting, seen, skipped, with};

const DB: &str = "aws_db_instance";
const KEY: &str = "aws_kms_key";
const TRAIL: &str = "aws_cloudtrail";
const KMS: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";

fn db() -> Value {
    json!({
        "DBInstanceIdentifier": "db1", "DBInstanceClass": "db.t3.small", "Engine": "postgres", "EngineVersion": "14.7", "DBInstanceStatus": "available", "MasterUsername": "app",
        "DBName": "orders", "Endpoint": { "Address": "db1.x.eu-west-1.rds.amazonaws.com", "Port": 5432, "HostedZoneId": "Z1" }, "DbInstancePort": 0, "AllocatedStorage": 20,
        "MaxAllocatedStorage": 100, "StorageType": "gp3", "Iops": 3000, "StorageThroughput": 125, "StorageEncrypted": true, "KmsKeyId": KMS,
        "PreferredBackupWindow": "03:00-04:00", "PreferredMaintenanceWindow": "mon:04:00-mon:05:00", "BackupRetentionPeriod": 7, "BackupTarget": "region",
        "LatestRestorableTime": "2026-01-01T00:05:00Z", "MultiAZ": false, "AvailabilityZone": "eu-west-1a", "AutoMinorVersionUpgrade": true, "LicenseModel": "postgresql-license",
        "VpcSecurityGroups": [{ "VpcSecurityGroupId": "sg-2", "Status": "active" }, { "VpcSecurityGroupId": "sg-1", "Status": "adding" }, { "VpcSecurityGroupId": "sg-0", "Status": "removing" }],
        "DBSubnetGroup": { "DBSubnetGroupName": "data", "VpcId": "vpc-1" }, "DBParameterGroups": [{ "DBParameterGroupName": "default.postgres14", "ParameterApplyStatus": "in-sync" }],
        "OptionGroupMemberships": [{ "OptionGroupName": "default:postgres-14", "Status": "in-sync" }], "CACertificateIdentifier": "rds-ca-rsa2048-g1", "DomainMemberships": [],
        "DbiResourceId": "db-ABC", "DBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:db1", "CopyTagsToSnapshot": true, "MonitoringInterval": 0, "DeletionProtection": true,
        "IAMDatabaseAuthenticationEnabled": true, "PubliclyAccessible": false, "PerformanceInsightsEnabled": true, "PerformanceInsightsKMSKeyId": KMS, "PerformanceInsightsRetentionPeriod": 7,
        "EnabledCloudwatchLogsExports": ["upgrade", "postgresql"], "AssociatedRoles": [], "NetworkType": "IPV4", "EngineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "DatabaseInsightsMode": "standard", "DedicatedLogVolume": false, "CustomerOwnedIpEnabled": false, "TagList": [{ "Key": "Owner", "Value": "data" }]
    })
}

fn db_state() -> Value {
    json!({
        "id": "db-ABC", "identifier": "DB1", "identifier_prefix": "", "arn": "arn:aws:rds:eu-west-1:111122223333:db:db1", "resource_id": "db-ABC", "address": "db1.x.eu-west-1.rds.amazonaws.com",
        "endpoint": "db1.x.eu-west-1.rds.amazonaws.com:5432", "port": 5432, "hosted_zone_id": "Z1", "status": "available", "engine": "postgres", "engine_version": "14", "engine_version_actual": "14.7",
        "engine_lifecycle_support": "open-source-rds-extended-support-disabled", "instance_class": "db.t3.small", "username": "app", "password": "secret", "db_name": "orders", "allocated_storage": 20,
        "max_allocated_storage": 100, "storage_type": "gp3", "iops": 3000, "storage_throughput": 125, "storage_encrypted": true, "kms_key_id": KMS, "backup_window": "03:00-04:00",
        "maintenance_window": "Mon:04:00-Mon:05:00", "backup_retention_period": 7, "backup_target": "region", "latest_restorable_time": "2026-01-01T00:00:00Z", "multi_az": false,
        "availability_zone": "eu-west-1a", "auto_minor_version_upgrade": true, "license_model": "postgresql-license", "vpc_security_group_ids": ["sg-1", "sg-2"], "db_subnet_group_name": "data",
        "parameter_group_name": "default.postgres14", "option_group_name": "default:postgres-14", "ca_cert_identifier": "rds-ca-rsa2048-g1", "domain": "", "domain_iam_role_name": "", "domain_dns_ips": [],
        "copy_tags_to_snapshot": true, "monitoring_interval": 0, "monitoring_role_arn": "", "deletion_protection": true, "iam_database_authentication_enabled": true, "publicly_accessible": false,
        "performance_insights_enabled": true, "performance_insights_kms_key_id": KMS, "performance_insights_retention_period": 7, "enabled_cloudwatch_logs_exports": ["postgresql", "upgrade"],
        "network_type": "IPV4", "database_insights_mode": "standard", "dedicated_log_volume": false, "customer_owned_ip_enabled": false, "manage_master_user_password": null, "master_user_secret": [],
        "master_user_secret_kms_key_id": null, "apply_immediately": false, "skip_final_snapshot": true, "delete_automated_backups": true, "replicas": [], "replicate_source_db": "", "replica_mode": "",
        "character_set_name": "", "nchar_character_set_name": "", "timezone": "", "snapshot_identifier": null, "restore_to_point_in_time": [], "s3_import": [], "blue_green_update": [],
        "timeouts": null, "tags": { "Owner": "data" }, "tags_all": { "Owner": "data" }
    })
}

#[test]
fn an_untouched_database_is_silent_in_every_shape() {
    let role = json!({ "AssociatedRoles": [{ "RoleArn": "arn:aws:iam::111122223333:role/s3", "FeatureName": "s3Import", "Status": "ACTIVE" }] });
    let split_role = (
        "aws_db_instance_role_association",
        json!({ "id": "x", "db_instance_identifier": "db1", "feature_name": "s3Import", "role_arn": "arn:aws:iam::111122223333:role/s3" }),
    );
    let copy = json!({ "DBInstanceAutomatedBackupsReplications": [{ "DBInstanceAutomatedBackupsArn": "arn:aws:rds:eu-central-1:111122223333:auto-backup:ab-1" }] });
    let split_copy = (
        "aws_db_instance_automated_backups_replication",
        json!({ "id": "arn:aws:rds:eu-central-1:111122223333:auto-backup:ab-1", "source_db_instance_arn": "arn:aws:rds:eu-west-1:111122223333:db:db1", "retention_period": 14 }),
    );
    let managed = json!({ "MasterUserSecret": { "SecretArn": "s", "SecretStatus": "active", "KmsKeyId": KMS } });
    let mut old = db_state();
    old["id"] = json!("db1");
    old["name"] = old.as_object_mut().unwrap().remove("db_name").unwrap();
    let aliases = |name: &str| json!([{ "AliasName": name, "TargetKeyId": "k1" }]);
    let alias = |name: &str| json!({ "kms_key_id": name, "performance_insights_kms_key_id": name });
    let named = json!({ "aliases": aliases("alias/data"), "insight_aliases": aliases("alias/data") });
    let own = json!({ "aliases": aliases("alias/aws/rds"), "insight_aliases": aliases("alias/aws/rds") });
    let shapes = [
        ("plain", json!({}), json!({}), vec![(DB, db_state())]),
        ("provider 4", json!({}), json!({}), vec![(DB, old)]),
        ("a role", role, json!({}), vec![(DB, db_state()), split_role]),
        ("a copy of the backups", copy.clone(), json!({}), vec![(DB, db_state()), split_copy]),
        ("a copy that nobody declares", copy, json!({}), vec![(DB, db_state())]),
        (
            "managed password",
            managed,
            json!({}),
            vec![(
                DB,
                with(
                    &db_state(),
                    &json!({ "manage_master_user_password": true, "master_user_secret_kms_key_id": "k1" }),
                ),
            )],
        ),
        ("keys by alias", json!({}), named, vec![(DB, with(&db_state(), &alias("alias/data")))]),
        ("AWS's keys", json!({}), own, vec![(DB, with(&db_state(), &alias("")))]),
        (
            "a standby moves",
            json!({ "MultiAZ": true, "AvailabilityZone": "eu-west-1b" }),
            json!({}),
            vec![(DB, with(&db_state(), &json!({ "multi_az": true })))],
        ),
        (
            "stopped on purpose",
            json!({ "DBInstanceStatus": "stopped" }),
            json!({}),
            vec![(DB, db_state()), ("aws_rds_instance_state", json!({ "identifier": "db1", "state": "stopped" }))],
        ),
        (
            "an upgrade under way",
            json!({ "DBInstanceStatus": "upgrading" }),
            json!({}),
            vec![(DB, db_state()), ("aws_rds_instance_state", json!({ "identifier": "db1", "state": "available" }))],
        ),
        (
            "a replica",
            json!({ "ReadReplicaSourceDBInstanceIdentifier": "main" }),
            json!({}),
            vec![(
                DB,
                with(&db_state(), &json!({ "replicate_source_db": "arn:aws:rds:eu-west-1:111122223333:db:main" })),
            )],
        ),
    ];
    for (name, item, answers, instances) in shapes {
        assert_eq!(drifting(DB, &with(&db(), &item), &answers, &instances), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_aws_does_by_itself_is_muted_and_the_opposite_is_not() {
    let exact = with(&db_state(), &json!({ "engine_version": "14.7" }));
    let held = with(&exact, &json!({ "auto_minor_version_upgrade": false, "max_allocated_storage": 0 }));
    let hold = json!({ "AutoMinorVersionUpgrade": false, "MaxAllocatedStorage": null });
    let cases = [
        ("muted engine_version", json!({ "EngineVersion": "14.9" }), &exact),
        ("engine_version", json!({ "EngineVersion": "14.5" }), &exact),
        ("engine_version", json!({ "EngineVersion": "15.2" }), &exact),
        ("engine_version", with(&hold, &json!({ "EngineVersion": "14.9" })), &held),
        ("muted allocated_storage", json!({ "AllocatedStorage": 30 }), &exact),
        ("allocated_storage", json!({ "AllocatedStorage": 10 }), &exact),
        ("allocated_storage", with(&hold, &json!({ "AllocatedStorage": 30 })), &held),
    ];
    for (path, change, state) in cases {
        assert_eq!(drifting(DB, &with(&db(), &change), &json!({}), &[(DB, state.clone())]), [path], "{change}");
    }
}

#[test]
fn each_change_of_a_database_is_one_drift() {
    let cases: &[(&str, Value)] = &[
        ("publicly_accessible", json!({ "PubliclyAccessible": true })),
        ("backup_retention_period", json!({ "BackupRetentionPeriod": 0 })),
        ("backup_window", json!({ "PreferredBackupWindow": "05:00-06:00" })),
        ("maintenance_window", json!({ "PreferredMaintenanceWindow": "tue:04:00-tue:05:00" })),
        ("deletion_protection", json!({ "DeletionProtection": false })),
        ("auto_minor_version_upgrade", json!({ "AutoMinorVersionUpgrade": false })),
        ("multi_az", json!({ "MultiAZ": true, "AvailabilityZone": "eu-west-1c" })),
        ("instance_class", json!({ "DBInstanceClass": "db.r5.large" })),
        ("storage_type", json!({ "StorageType": "io1", "Iops": 5000, "StorageThroughput": 0 })),
        ("iops", json!({ "Iops": 12000 })),
        ("kms_key_id", json!({ "KmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/k2" })),
        (
            "engine_version",
            json!({ "EngineVersion": "15.7", "DBParameterGroups": [{ "DBParameterGroupName": "default.postgres15" }], "OptionGroupMemberships": [{ "OptionGroupName": "default:postgres-15" }] }),
        ),
        ("storage_encrypted", json!({ "StorageEncrypted": false, "KmsKeyId": null })),
        (
            "vpc_security_group_ids",
            json!({ "VpcSecurityGroups": [{ "VpcSecurityGroupId": "sg-9", "Status": "active" }] }),
        ),
        ("enabled_cloudwatch_logs_exports", json!({ "EnabledCloudwatchLogsExports": [] })),
        ("iam_database_authentication_enabled", json!({ "IAMDatabaseAuthenticationEnabled": false })),
        (
            "monitoring_interval",
            json!({ "MonitoringInterval": 60, "MonitoringRoleArn": "arn:aws:iam::111122223333:role/m" }),
        ),
        (
            "performance_insights_enabled",
            json!({ "PerformanceInsightsEnabled": false, "PerformanceInsightsKMSKeyId": null, "PerformanceInsightsRetentionPeriod": null }),
        ),
        ("parameter_group_name", json!({ "DBParameterGroups": [{ "DBParameterGroupName": "loose" }] })),
        ("option_group_name", json!({ "OptionGroupMemberships": [{ "OptionGroupName": "other" }] })),
        ("ca_cert_identifier", json!({ "CACertificateIdentifier": "rds-ca-2019" })),
        ("copy_tags_to_snapshot", json!({ "CopyTagsToSnapshot": false })),
        ("max_allocated_storage", json!({ "MaxAllocatedStorage": 1000 })),
        ("port", json!({ "Endpoint": { "Port": 5433 } })),
        (
            "role_association",
            json!({ "AssociatedRoles": [{ "RoleArn": "arn:aws:iam::111122223333:role/s3", "FeatureName": "s3Export", "Status": "ACTIVE" }] }),
        ),
        ("tags.Owner", json!({ "TagList": [] })),
    ];
    for (path, change) in cases {
        assert_eq!(drifting(DB, &with(&db(), change), &json!({}), &[(DB, db_state())]), [*path], "{change}");
    }
}

#[test]
fn other_services_databases_are_skipped() {
    let cases = [
        (json!({ "Engine": "neptune" }), "Neptune"),
        (json!({ "Engine": "docdb" }), "DocumentDB"),
        (json!({ "Engine": "aurora-mysql", "DBClusterIdentifier": "c" }), "a cluster's member"),
        (json!({ "DBInstanceStatus": "deleting" }), "being deleted"),
    ];
    for (change, reason) in cases {
        let found = skipped(DB, &with(&db(), &change)).unwrap_or_default();
        assert!(found.starts_with(reason), "{change}: {found}");
    }
    let snapshot = seen(DB, &with(&db(), &json!({ "DBInstanceIdentifier": "Mixed" })), &json!({}));
    assert_eq!(snapshot.key.id, "mixed");
    let text = serde_json::to_string(&agreed(DB, &[(DB, db_state())]).attributes.keys().collect::<Vec<_>>()).unwrap();
    assert!(!text.contains("password\""), "{text}");
}

fn key() -> Value {
    json!({ "KeyId": "k1", "KeyArn": KMS })
}

fn key_policy() -> Value {
    json!({ "Version": "2012-10-17", "Id": "key-default-1", "Statement": [{ "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111122223333:root" }, "Action": "kms:*", "Resource": "*" }] })
}

fn key_answers() -> Value {
    json!({
        "key": { "KeyId": "k1", "Arn": KMS, "Description": "d", "Enabled": true, "KeyState": "Enabled", "Origin": "AWS_KMS", "KeyManager": "CUSTOMER", "KeyUsage": "ENCRYPT_DECRYPT",
            "KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "MultiRegion": false },
        "policy": { "Policy": key_policy().to_string() }, "rotation": { "KeyRotationEnabled": true, "RotationPeriodInDays": 365 },
        "tagging": { "Tags": [{ "TagKey": "Owner", "TagValue": "sec" }] }, "aliases": [{ "AliasName": "alias/data", "TargetKeyId": "k1" }]
    })
}

fn key_but(name: &str, change: &Value) -> Value {
    with(&key_answers(), &json!({ name: with(&key_answers()[name], change) }))
}

fn key_state() -> Value {
    json!({
        "id": "k1", "key_id": "k1", "arn": KMS, "description": "d", "bypass_policy_lockout_safety_check": false, "custom_key_store_id": "", "customer_master_key_spec": "SYMMETRIC_DEFAULT",
        "deletion_window_in_days": 30, "enable_key_rotation": true, "rotation_period_in_days": 365, "is_enabled": true, "key_usage": "ENCRYPT_DECRYPT", "multi_region": false, "xks_key_id": "",
        "policy": json!({ "Id": "key-default-1", "Statement": { "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": ["kms:*"], "Resource": ["*"] }, "Version": "2012-10-17" }).to_string(),
        "tags": { "Owner": "sec" }, "tags_all": { "Owner": "sec" }, "timeouts": null
    })
}

#[test]
fn an_untouched_key_is_silent_in_every_shape() {
    let moto = json!({
        "key": { "KeyId": "k1", "Description": "d", "Enabled": true, "KeyState": "Enabled", "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT" },
        "policy": key_answers()["policy"], "rotation": { "KeyRotationEnabled": true }, "tagging": key_answers()["tagging"]
    });
    let off = json!({ "enable_key_rotation": false, "rotation_period_in_days": 0 });
    let replica = json!({ "MultiRegion": true, "MultiRegionConfiguration": { "MultiRegionKeyType": "REPLICA", "PrimaryKey": { "Arn": "arn:aws:kms:us-east-1:111122223333:key/k1" } } });
    let replica_state = json!({
        "id": "k1", "key_id": "k1", "arn": KMS, "description": "d", "enabled": true, "key_rotation_enabled": true, "key_spec": "SYMMETRIC_DEFAULT", "key_usage": "ENCRYPT_DECRYPT",
        "primary_key_arn": "arn:aws:kms:us-east-1:111122223333:key/k1", "policy": key_policy().to_string(), "tags": { "Owner": "sec" }
    });
    let external = json!({ "Origin": "EXTERNAL", "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": "2030-01-01T00:00:00.000000Z" });
    let external_state = json!({
        "id": "k1", "arn": KMS, "description": "d", "enabled": true, "expiration_model": "KEY_MATERIAL_EXPIRES", "key_material_base64": "c2VjcmV0", "key_state": "Enabled", "key_usage": "ENCRYPT_DECRYPT",
        "multi_region": false, "policy": key_policy().to_string(), "valid_to": "2030-01-01T00:00:00Z", "tags": { "Owner": "sec" }
    });
    let waiting = json!({ "Origin": "EXTERNAL", "Enabled": false, "KeyState": "PendingImport" });
    let waiting_state = json!({ "id": "k1", "arn": KMS, "description": "d", "enabled": true, "key_state": "PendingImport", "policy": key_policy().to_string(), "valid_to": "" });
    let split = ("aws_kms_key_policy", json!({ "id": "k1", "key_id": KMS, "policy": key_policy().to_string() }));
    let stale = with(&key_state(), &json!({ "policy": "{}" }));
    let shapes = [
        ("plain", key_answers(), vec![(KEY, key_state())]),
        ("less told", moto, vec![(KEY, key_state())]),
        ("policy apart", key_answers(), vec![(KEY, stale), split]),
        (
            "no rotation",
            key_but("rotation", &json!({ "KeyRotationEnabled": false, "RotationPeriodInDays": null })),
            vec![(KEY, with(&key_state(), &off))],
        ),
        ("replica", key_but("key", &replica), vec![("aws_kms_replica_key", replica_state)]),
        ("external", key_but("key", &external), vec![("aws_kms_external_key", external_state)]),
        ("waits for its material", key_but("key", &waiting), vec![("aws_kms_external_key", waiting_state)]),
    ];
    for (name, answers, instances) in shapes {
        assert_eq!(drifting(KEY, &key(), &answers, &instances), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_change_of_a_key_is_one_drift() {
    let everybody = key_policy().to_string().replace("arn:aws:iam::111122223333:root", "*");
    let deleted = with(
        &key_but("key", &json!({ "Enabled": false, "KeyState": "PendingDeletion" })),
        &json!({ "rotation": { "KeyRotationEnabled": false } }),
    );
    let cases: &[(&str, Value)] = &[
        ("enable_key_rotation", key_but("rotation", &json!({ "KeyRotationEnabled": false }))),
        ("rotation_period_in_days", key_but("rotation", &json!({ "RotationPeriodInDays": 90 }))),
        ("is_enabled", key_but("key", &json!({ "Enabled": false, "KeyState": "Disabled" }))),
        ("is_enabled", deleted.clone()),
        ("policy", key_but("policy", &json!({ "Policy": everybody }))),
        ("description", key_but("key", &json!({ "Description": "other" }))),
        ("tags.Owner", key_but("tagging", &json!({ "Tags": [] }))),
    ];
    for (path, answers) in cases {
        assert_eq!(drifting(KEY, &key(), answers, &[(KEY, key_state())]), [*path], "{answers}");
    }
    assert_eq!(seen(KEY, &key(), &deleted).owner.as_deref(), Some("deletion"));
    assert_eq!(seen(KEY, &key(), &key_but("key", &json!({ "KeyManager": "AWS" }))).owner.as_deref(), Some("aws"));
    assert_eq!(seen(KEY, &key(), &key_answers()).relations["aliases"], json!(["alias/data"]));
}

fn trail() -> Value {
    json!({
        "Name": "audit", "S3BucketName": "trail-logs", "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true, "HomeRegion": "eu-west-1",
        "TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", "LogFileValidationEnabled": true, "KmsKeyId": KMS, "IsOrganizationTrail": false,
        "CloudWatchLogsLogGroupArn": "arn:aws:logs:eu-west-1:111122223333:log-group:trail:*", "CloudWatchLogsRoleArn": "arn:aws:iam::111122223333:role/trail",
        "HasCustomEventSelectors": false, "HasInsightSelectors": false
    })
}

fn management() -> Value {
    json!({ "ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": [], "ExcludeManagementEventSources": [] })
}

fn trail_answers() -> Value {
    json!({
        "status": { "IsLogging": true, "LatestDeliveryTime": "2026-01-01T00:00:00Z" }, "selectors": { "EventSelectors": [management()] },
        "tagging": [{ "ResourceId": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", "TagsList": [{ "Key": "Owner", "Value": "sec" }] }]
    })
}

fn trail_state() -> Value {
    json!({
        "id": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", "arn": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", "name": "audit", "home_region": "eu-west-1",
        "s3_bucket_name": "trail-logs", "s3_key_prefix": "", "sns_topic_name": "", "sns_topic_arn": "", "include_global_service_events": true, "is_multi_region_trail": true,
        "is_organization_trail": false, "enable_logging": true, "enable_log_file_validation": true, "kms_key_id": KMS,
        "cloud_watch_logs_group_arn": "arn:aws:logs:eu-west-1:111122223333:log-group:trail", "cloud_watch_logs_role_arn": "arn:aws:iam::111122223333:role/trail",
        "event_selector": [], "advanced_event_selector": [], "insight_selector": [], "tags": { "Owner": "sec" }, "tags_all": { "Owner": "sec" }
    })
}

#[test]
fn an_untouched_trail_is_silent_in_every_shape() {
    let objects = json!({ "ReadWriteType": "WriteOnly", "IncludeManagementEvents": true, "DataResources": [{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::b/", "arn:aws:s3:::a/"] }], "ExcludeManagementEventSources": ["kms.amazonaws.com"] });
    let objects_state = json!([{ "read_write_type": "WriteOnly", "include_management_events": true, "exclude_management_event_sources": ["kms.amazonaws.com"], "data_resource": [{ "type": "AWS::S3::Object", "values": ["arn:aws:s3:::a/", "arn:aws:s3:::b/"] }] }]);
    let default_state = json!([{ "read_write_type": "All", "include_management_events": true, "exclude_management_event_sources": [], "data_resource": [] }]);
    let advanced = json!([{ "Name": "log", "FieldSelectors": [{ "Field": "resources.type", "Equals": ["AWS::S3::Object"] }, { "Field": "eventCategory", "Equals": ["Data"] }] }]);
    let advanced_state = json!([{ "name": "log", "field_selector": [
        { "field": "eventCategory", "equals": ["Data"], "not_equals": [], "starts_with": [], "not_starts_with": [], "ends_with": [], "not_ends_with": [] },
        { "field": "resources.type", "equals": ["AWS::S3::Object"], "not_equals": null, "starts_with": null, "not_starts_with": null, "ends_with": null, "not_ends_with": null }
    ] }]);
    let selectors = |value: Value| with(&trail_answers(), &json!({ "selectors": { "EventSelectors": value } }));
    let insights = with(
        &trail_answers(),
        &json!({ "insights": { "InsightSelectors": [{ "InsightType": "ApiErrorRateInsight" }, { "InsightType": "ApiCallRateInsight" }] } }),
    );
    let mut old = trail_state();
    old["id"] = json!("audit");
    let shapes = [
        ("plain", json!({}), trail_answers(), trail_state()),
        ("provider 4", json!({}), trail_answers(), old),
        (
            "the default selector written down",
            json!({}),
            trail_answers(),
            with(&trail_state(), &json!({ "event_selector": default_state })),
        ),
        (
            "no selector told",
            json!({}),
            selectors(json!([])),
            with(&trail_state(), &json!({ "event_selector": default_state })),
        ),
        (
            "data events",
            json!({}),
            selectors(json!([objects])),
            with(&trail_state(), &json!({ "event_selector": objects_state })),
        ),
        (
            "advanced selectors",
            json!({}),
            with(&trail_answers(), &json!({ "selectors": { "AdvancedEventSelectors": advanced } })),
            with(&trail_state(), &json!({ "advanced_event_selector": advanced_state })),
        ),
        (
            "insights",
            json!({}),
            insights,
            with(
                &trail_state(),
                &json!({ "insight_selector": [{ "insight_type": "ApiCallRateInsight" }, { "insight_type": "ApiErrorRateInsight" }] }),
            ),
        ),
        (
            "topic by ARN, key by alias",
            json!({ "SnsTopicName": "news", "SnsTopicARN": "arn:aws:sns:eu-west-1:111122223333:news" }),
            with(&trail_answers(), &json!({ "aliases": [{ "AliasName": "alias/trail", "TargetKeyId": "k1" }] })),
            with(
                &trail_state(),
                &json!({ "sns_topic_name": "arn:aws:sns:eu-west-1:111122223333:news", "kms_key_id": "alias/trail" }),
            ),
        ),
    ];
    for (name, item, answers, state) in shapes {
        assert_eq!(
            drifting(TRAIL, &with(&trail(), &item), &answers, &[(TRAIL, state)]),
            Vec::<String>::new(),
            "{name}"
        );
    }
}

#[test]
fn each_change_of_a_trail_is_one_drift() {
    let selector = |change: Value| json!({ "selectors": { "EventSelectors": [with(&management(), &change)] } });
    let cases: &[(&str, Value, Value)] = &[
        ("enable_logging", json!({}), json!({ "status": { "IsLogging": false } })),
        ("enable_log_file_validation", json!({ "LogFileValidationEnabled": false }), json!({})),
        ("is_multi_region_trail", json!({ "IsMultiRegionTrail": false }), json!({})),
        ("include_global_service_events", json!({ "IncludeGlobalServiceEvents": false }), json!({})),
        ("s3_bucket_name", json!({ "S3BucketName": "elsewhere" }), json!({})),
        ("s3_key_prefix", json!({ "S3KeyPrefix": "x" }), json!({})),
        ("kms_key_id", json!({ "KmsKeyId": null }), json!({})),
        (
            "cloud_watch_logs_group_arn",
            json!({ "CloudWatchLogsLogGroupArn": null, "CloudWatchLogsRoleArn": null }),
            json!({}),
        ),
        ("event_selector", json!({}), selector(json!({ "IncludeManagementEvents": false }))),
        ("event_selector", json!({}), selector(json!({ "ReadWriteType": "ReadOnly" }))),
        ("event_selector", json!({}), selector(json!({ "ExcludeManagementEventSources": ["kms.amazonaws.com"] }))),
        (
            "insight_selector",
            json!({}),
            json!({ "insights": { "InsightSelectors": [{ "InsightType": "ApiCallRateInsight" }] } }),
        ),
        ("tags.Owner", json!({}), json!({ "tagging": [] })),
    ];
    for (path, item, answers) in cases {
        let found = drifting(TRAIL, &with(&trail(), item), &with(&trail_answers(), answers), &[(TRAIL, trail_state())]);
        assert_eq!(found, [*path], "{item} {answers}");
    }
}

#[test]
fn the_organizations_trail_is_not_the_members() {
    let foreign = json!({ "TrailARN": "arn:aws:cloudtrail:eu-west-1:999999999999:trail/organization", "IsOrganizationTrail": true });
    let reason = skipped(TRAIL, &with(&trail(), &foreign));
    assert_eq!(reason.as_deref(), Some("the organization's, made in another account"));
    let own = with(&trail(), &json!({ "IsOrganizationTrail": true }));
    assert_eq!(skipped(TRAIL, &own), None);
    let found = compared(TRAIL, &seen(TRAIL, &own, &trail_answers()), &agreed(TRAIL, &[(TRAIL, trail_state())]));
    assert_eq!(found, ["is_organization_trail: false -> true"]);
}
