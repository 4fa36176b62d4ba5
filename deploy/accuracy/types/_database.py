"""A database: making it, changing it, and what the provider reads of it."""

from ..ec2 import group, key, once, read_tags, subnet
from ..lab import pairs

KIND = "aws_db_instance"
PARAMETERS = {
    "allocated_storage": "AllocatedStorage",
    "auto_minor_version_upgrade": "AutoMinorVersionUpgrade",
    "availability_zone": "AvailabilityZone",
    "backup_retention_period": "BackupRetentionPeriod",
    "backup_window": "PreferredBackupWindow",
    "ca_cert_identifier": "CACertificateIdentifier",
    "character_set_name": "CharacterSetName",
    "copy_tags_to_snapshot": "CopyTagsToSnapshot",
    "database_insights_mode": "DatabaseInsightsMode",
    "db_name": "DBName",
    "db_subnet_group_name": "DBSubnetGroupName",
    "dedicated_log_volume": "DedicatedLogVolume",
    "deletion_protection": "DeletionProtection",
    "domain": "Domain",
    "domain_fqdn": "DomainFqdn",
    "domain_auth_secret_arn": "DomainAuthSecretArn",
    "domain_dns_ips": "DomainDnsIps",
    "domain_iam_role_name": "DomainIAMRoleName",
    "domain_ou": "DomainOu",
    "enabled_cloudwatch_logs_exports": "EnableCloudwatchLogsExports",
    "engine": "Engine",
    "engine_version": "EngineVersion",
    "iam_database_authentication_enabled": "EnableIAMDatabaseAuthentication",
    "identifier": "DBInstanceIdentifier",
    "instance_class": "DBInstanceClass",
    "iops": "Iops",
    "kms_key_id": "KmsKeyId",
    "license_model": "LicenseModel",
    "maintenance_window": "PreferredMaintenanceWindow",
    "manage_master_user_password": "ManageMasterUserPassword",
    "master_user_secret_kms_key_id": "MasterUserSecretKmsKeyId",
    "max_allocated_storage": "MaxAllocatedStorage",
    "monitoring_interval": "MonitoringInterval",
    "monitoring_role_arn": "MonitoringRoleArn",
    "multi_az": "MultiAZ",
    "network_type": "NetworkType",
    "option_group_name": "OptionGroupName",
    "parameter_group_name": "DBParameterGroupName",
    "port": "Port",
    "publicly_accessible": "PubliclyAccessible",
    "replica_mode": "ReplicaMode",
    "storage_encrypted": "StorageEncrypted",
    "storage_throughput": "StorageThroughput",
    "storage_type": "StorageType",
    "username": "MasterUsername",
    "vpc_security_group_ids": "VpcSecurityGroupIds",
}
BASE = {
    "allocated_storage": 20, "auto_minor_version_upgrade": True, "backup_retention_period": 14, "backup_window": "03:00-04:00",
    "ca_cert_identifier": "rds-ca-rsa2048-g1", "copy_tags_to_snapshot": True, "db_name": "orders", "deletion_protection": False, "engine": "postgres",
    "engine_version": "16.3", "iam_database_authentication_enabled": True, "instance_class": "db.t3.medium", "license_model": "postgresql-license",
    "maintenance_window": "mon:05:00-mon:06:00", "max_allocated_storage": 100, "multi_az": False, "port": 5432, "publicly_accessible": False,
    "storage_encrypted": False, "storage_type": "gp3", "username": "orders",
}
LOCKED = {"storage_encrypted": True, "kms_key_id": "first"}


def resolved(site, spec):
    """Names of ours (keys, groups, roles, zones) as what RDS knows; what they name is made."""
    rds, found = site.client("rds"), {}
    for name, value in spec.items():
        if value is None:
            continue
        if name in ("kms_key_id", "master_user_secret_kms_key_id"):
            value = key(site, value)
        elif name == "monitoring_role_arn":
            value = f"arn:aws:iam::{site.account}:role/{value}"
        elif name == "availability_zone":
            value = f"{site.region}{value}"
        elif name == "vpc_security_group_ids":
            value = [group(site, one) for one in value]
        elif name == "parameter_group_name":
            make = lambda value=value: rds.create_db_parameter_group(DBParameterGroupName=value, DBParameterGroupFamily="postgres16", Description="x")
            once(site, "parameter group", value, make)
        elif name == "option_group_name":
            make = lambda value=value: rds.create_option_group(OptionGroupName=value, EngineName="mysql", MajorEngineVersion="8.0", OptionGroupDescription="x")
            once(site, "option group", value, make)
        elif name == "db_subnet_group_name":
            make = lambda value=value: rds.create_db_subnet_group(DBSubnetGroupName=value, DBSubnetGroupDescription="x", SubnetIds=[subnet(site), subnet(site, "b")])
            once(site, "subnet group", value, make)
        found[PARAMETERS[name]] = value
    return found


def create(site, spec, **more):
    whole = resolved(site, {"vpc_security_group_ids": ["first"]} | BASE | spec) | {"DBInstanceIdentifier": site.name("orders")} | more
    if not whole.get("ManageMasterUserPassword"):
        whole["MasterUserPassword"] = "correct-horse-battery"
    site.client("rds").create_db_instance(**whole, Tags=pairs(site.tags()[1]))
    return whole["DBInstanceIdentifier"]


def modify(site, other):
    given = resolved(site, other)
    logs_ = given.pop("EnableCloudwatchLogsExports", None)
    if logs_ is not None:
        given["CloudwatchLogsExportConfiguration"] = logs_
    site.client("rds").modify_db_instance(DBInstanceIdentifier=site.name("orders"), ApplyImmediately=True, **given)


def replace(site, spec):
    """Another database under the same name."""
    site.client("rds").delete_db_instance(DBInstanceIdentifier=site.name("orders"), SkipFinalSnapshot=True)
    create(site, spec)


def declare(site, name, **written):
    """What the provider reads; what moto doesn't tell is as nobody wrote it."""
    found = site.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    own, both = site.tags()
    text = lambda member: found.get(member, "")
    domain = next(iter(found.get("DomainMemberships", [])), {})
    secret = found.get("MasterUserSecret")
    attributes = {
        "address": found["Endpoint"]["Address"],
        "allocated_storage": found["AllocatedStorage"],
        "allow_major_version_upgrade": None,
        "apply_immediately": False,
        "arn": found["DBInstanceArn"],
        "auto_minor_version_upgrade": found["AutoMinorVersionUpgrade"],
        "availability_zone": found["AvailabilityZone"],
        "backup_retention_period": found["BackupRetentionPeriod"],
        "backup_target": "region",
        "backup_window": found["PreferredBackupWindow"],
        "ca_cert_identifier": found["CACertificateIdentifier"],
        "character_set_name": text("CharacterSetName"),
        "copy_tags_to_snapshot": found["CopyTagsToSnapshot"],
        "database_insights_mode": found.get("DatabaseInsightsMode", "standard"),
        "db_name": text("DBName"),
        "db_subnet_group_name": found.get("DBSubnetGroup", {}).get("DBSubnetGroupName", ""),
        "dedicated_log_volume": found.get("DedicatedLogVolume", False),
        "delete_automated_backups": True,
        "deletion_protection": found["DeletionProtection"],
        "domain": domain.get("Domain", ""),
        "domain_auth_secret_arn": domain.get("AuthSecretArn", ""),
        "domain_dns_ips": domain.get("DnsIps", []),
        "domain_fqdn": domain.get("FQDN", ""),
        "domain_iam_role_name": domain.get("IAMRoleName", ""),
        "domain_ou": domain.get("OU", ""),
        "enabled_cloudwatch_logs_exports": found.get("EnabledCloudwatchLogsExports", []),
        "endpoint": f"{found['Endpoint']['Address']}:{found['Endpoint']['Port']}",
        "engine": found["Engine"],
        "engine_lifecycle_support": found.get("EngineLifecycleSupport", "open-source-rds-extended-support"),
        "engine_version": found["EngineVersion"],
        "engine_version_actual": found["EngineVersion"],
        "hosted_zone_id": "Z1",
        "iam_database_authentication_enabled": found["IAMDatabaseAuthenticationEnabled"],
        # since version 5 the id is the resource's, before it was the name
        "id": name if site.provider == 4 else found["DbiResourceId"],
        "identifier": name,
        "identifier_prefix": "",
        "instance_class": found["DBInstanceClass"],
        "iops": found.get("Iops", 0),
        "kms_key_id": text("KmsKeyId"),
        "latest_restorable_time": "2026-01-01T00:00:00Z",
        "license_model": text("LicenseModel"),
        "maintenance_window": found["PreferredMaintenanceWindow"],
        "manage_master_user_password": True if secret else None,
        "master_user_secret": {"kms_key_id": secret["KmsKeyId"], "secret_arn": secret["SecretArn"], "secret_status": "active"} if secret else [],
        "master_user_secret_kms_key_id": secret["KmsKeyId"] if secret else None,
        "master_username": found["MasterUsername"],
        "max_allocated_storage": found.get("MaxAllocatedStorage", 0),
        "monitoring_interval": found.get("MonitoringInterval", 0),
        "monitoring_role_arn": text("MonitoringRoleArn"),
        "multi_az": found["MultiAZ"],
        "nchar_character_set_name": "",
        "network_type": found.get("NetworkType", "IPV4"),
        "option_group_name": found["OptionGroupMemberships"][0]["OptionGroupName"],
        "parameter_group_name": found["DBParameterGroups"][0]["DBParameterGroupName"],
        "password": None if secret else "correct-horse-battery",
        "performance_insights_enabled": False,
        "performance_insights_kms_key_id": "",
        "performance_insights_retention_period": 0,
        "port": found["Endpoint"]["Port"],
        "publicly_accessible": found.get("PubliclyAccessible", False),
        "replica_mode": "",
        "replicas": [],
        "replicate_source_db": found.get("ReadReplicaSourceDBInstanceIdentifier", ""),
        "resource_id": found["DbiResourceId"],
        "skip_final_snapshot": True,
        "status": found["DBInstanceStatus"],
        "storage_encrypted": found["StorageEncrypted"],
        "storage_throughput": found.get("StorageThroughput", 0),
        "storage_type": found["StorageType"],
        "timeouts": None,
        "timezone": "",
        "username": found["MasterUsername"],
        "vpc_security_group_ids": [member["VpcSecurityGroupId"] for member in found["VpcSecurityGroups"]],
        **read_tags(site, own, both),
    }
    attributes.pop("master_username")
    if site.provider == 4:
        attributes["name"] = attributes["db_name"]
    site.declare(attributes | written, managed=name)
    return name


def simple(site, **spec):
    return declare(site, create(site, spec))
