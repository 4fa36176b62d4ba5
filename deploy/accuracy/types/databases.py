"""Databases: settings changed by ModifyDBInstance, and what only another instance under the same name has otherwise."""

from ..lab import pairs, turn
from . import _database_silence
from ._database import BASE, KIND, LOCKED, create, declare, modify, replace, simple

TYPES = ("aws_db_instance",)
WATCHED = {"monitoring_interval": 60, "monitoring_role_arn": "monitor"}
# attribute; the database besides BASE; what becomes of it. What ModifyDBInstance (or moto's) can't, another instance is
IN_PLACE = (
    ("allocated_storage", {"max_allocated_storage": None}, {"allocated_storage": 40}),
    ("auto_minor_version_upgrade", {}, {"auto_minor_version_upgrade": False}),
    ("auto_minor_version_upgrade", {"auto_minor_version_upgrade": False}, {"auto_minor_version_upgrade": True}),
    ("backup_retention_period", {}, {"backup_retention_period": 7}),
    ("backup_retention_period", {}, {"backup_retention_period": 1}),
    ("backup_retention_period", {"backup_retention_period": 7}, {"backup_retention_period": 0}),
    ("backup_retention_period", {"backup_retention_period": 7}, {"backup_retention_period": 30}),
    ("backup_window", {}, {"backup_window": "12:00-13:00"}),
    ("ca_cert_identifier", {}, {"ca_cert_identifier": "rds-ca-2019"}),
    ("ca_cert_identifier", {"ca_cert_identifier": "rds-ca-2019"}, {"ca_cert_identifier": "rds-ca-rsa4096-g1"}),
    ("copy_tags_to_snapshot", {}, {"copy_tags_to_snapshot": False}),
    ("copy_tags_to_snapshot", {"copy_tags_to_snapshot": False}, {"copy_tags_to_snapshot": True}),
    ("database_insights_mode", {}, {"database_insights_mode": "advanced"}),
    ("dedicated_log_volume", {"dedicated_log_volume": False}, {"dedicated_log_volume": True}),
    ("deletion_protection", {"deletion_protection": True}, {"deletion_protection": False}),
    ("deletion_protection", {}, {"deletion_protection": True}),
    ("engine_version", {}, {"engine_version": "15.7"}),
    ("engine_version", {}, {"engine_version": "16.1"}),
    ("engine_version", {"auto_minor_version_upgrade": False}, {"engine_version": "16.4"}),
    ("iam_database_authentication_enabled", {}, {"iam_database_authentication_enabled": False}),
    ("iam_database_authentication_enabled", {"iam_database_authentication_enabled": False}, {"iam_database_authentication_enabled": True}),
    ("instance_class", {}, {"instance_class": "db.r6g.large"}),
    ("iops", {"storage_type": "io1", "iops": 3000, "allocated_storage": 100, "max_allocated_storage": 200}, {"iops": 6000}),
    ("license_model", {}, {"license_model": "bring-your-own-license"}),
    ("maintenance_window", {}, {"maintenance_window": "tue:05:00-tue:06:00"}),
    ("max_allocated_storage", {}, {"max_allocated_storage": 200}),
    ("monitoring_interval", WATCHED, {"monitoring_interval": 0}),
    ("monitoring_interval", WATCHED, {"monitoring_interval": 15}),
    ("monitoring_interval", {}, WATCHED),
    ("monitoring_role_arn", WATCHED, {"monitoring_role_arn": "other"}),
    ("multi_az", {"multi_az": True}, {"multi_az": False}),
    ("multi_az", {}, {"multi_az": True}),
    ("network_type", {"network_type": "IPV4"}, {"network_type": "DUAL"}),
    ("option_group_name", {"option_group_name": "first"}, {"option_group_name": "second"}),
    ("parameter_group_name", {"parameter_group_name": "first"}, {"parameter_group_name": "second"}),
    ("publicly_accessible", {}, {"publicly_accessible": True}),
    ("publicly_accessible", {"publicly_accessible": True}, {"publicly_accessible": False}),
    ("storage_throughput", {"storage_throughput": 500, "iops": 12000, "allocated_storage": 400, "max_allocated_storage": 500}, {"storage_throughput": 700}),
    ("storage_type", {"storage_type": "gp2"}, {"storage_type": "gp3"}),
    ("storage_type", {}, {"storage_type": "io1", "iops": 3000}),
    ("vpc_security_group_ids", {"vpc_security_group_ids": ["first"]}, {"vpc_security_group_ids": ["second"]}),
    ("vpc_security_group_ids", {"vpc_security_group_ids": ["first", "second"]}, {"vpc_security_group_ids": ["first"]}),
    ("manage_master_user_password", {"manage_master_user_password": True}, {"manage_master_user_password": False}),
    ("replica_mode", {}, {"replica_mode": "mounted"}),
)
REBUILT = (
    ("availability_zone", {"availability_zone": "a"}, {"availability_zone": "b"}),
    ("character_set_name", {"character_set_name": "UTF8"}, {"character_set_name": "WE8ISO8859P1"}),
    ("db_name", {}, {"db_name": "invoices"}),
    ("db_subnet_group_name", {"db_subnet_group_name": "first"}, {"db_subnet_group_name": "second"}),
    ("domain", {"domain": "d-1111111111"}, {"domain": "d-2222222222"}),
    ("domain_auth_secret_arn", {"domain": "d-1", "domain_auth_secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a"}, {"domain_auth_secret_arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:b"}),
    ("domain_dns_ips", {"domain": "d-1", "domain_dns_ips": ["192.0.2.1", "192.0.2.2"]}, {"domain_dns_ips": ["192.0.2.1", "192.0.2.3"]}),
    ("domain_fqdn", {"domain_fqdn": "one.example"}, {"domain_fqdn": "two.example"}),
    ("domain_iam_role_name", {"domain": "d-1", "domain_iam_role_name": "join"}, {"domain_iam_role_name": "admin"}),
    ("domain_ou", {"domain_fqdn": "one.example", "domain_ou": "OU=a,DC=one,DC=example"}, {"domain_ou": "OU=b,DC=one,DC=example"}),
    ("engine", {"option_group_name": "first", "parameter_group_name": "first"}, {"engine": "mysql"}),
    ("kms_key_id", LOCKED, {"kms_key_id": "second"}),
    ("master_user_secret_kms_key_id", {"manage_master_user_password": True, "master_user_secret_kms_key_id": "first"}, {"master_user_secret_kms_key_id": "second"}),
    ("port", {}, {"port": 6543}),
    ("storage_encrypted", LOCKED, {"storage_encrypted": False, "kms_key_id": None}),
    ("storage_encrypted", {}, LOCKED),
    ("username", {}, {"username": "admin"}),
    ("username", {"username": "admin"}, {"username": "orders"}),
)
# attributes that RDS moves together are one drift, at the first of them that differs
TOGETHER = (
    ("storage_type", "iops", "storage_throughput"),
    ("monitoring_interval", "monitoring_role_arn"),
    ("manage_master_user_password", "master_user_secret_kms_key_id"),
    ("domain", "domain_fqdn", "domain_ou", "domain_iam_role_name", "domain_auth_secret_arn", "domain_dns_ips"),
)


def build(lab, _wanted):
    for rows, replaced in ((IN_PLACE, False), (REBUILT, True)):
        for path, spec, other in rows:
            site = lab.site(KIND)
            name = create(site, spec)
            declare(site, name)
            reported = next((group for group in TOGETHER if path in group), ())
            run = (lambda site=site, spec=spec, other=other: replace(site, spec | other)) if replaced else (lambda site=site, other=other: modify(site, other))
            site.change(name, path, turn((BASE | spec).get(path), other[path]), run, reported=reported)
    logs(lab)
    others(lab)
    tags(lab)
    _database_silence.build(lab)
    for _ in range(4):
        site = lab.site(KIND)
        name = simple(site)
        site.gone(name, lambda rds=site.client("rds"), name=name: rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True))


def logs(lab):
    """Logs that leave the machine: the call says what to add and what to stop."""
    path = "enabled_cloudwatch_logs_exports"
    for what, before, change in (
        ("one less", ["postgresql", "upgrade"], {"DisableLogTypes": ["upgrade"]}),
        ("none any more", ["postgresql"], {"DisableLogTypes": ["postgresql"]}),
        ("one more", ["postgresql"], {"EnableLogTypes": ["upgrade"]}),
        ("the first", [], {"EnableLogTypes": ["postgresql"]}),
    ):
        site = lab.site(KIND)
        name = simple(site, enabled_cloudwatch_logs_exports=before)
        run = lambda rds=site.client("rds"), name=name, change=change: rds.modify_db_instance(DBInstanceIdentifier=name, CloudwatchLogsExportConfiguration=change)
        site.change(name, path, what, run)


def others(lab):
    """Replicas, roles, whether it runs."""
    site = lab.site(KIND)
    rds, replica = site.client("rds"), site.name("replica")
    sources = [create(site, {}, DBInstanceIdentifier=site.name(name)) for name in ("first", "second")]
    copy = lambda source: rds.create_db_instance_read_replica(DBInstanceIdentifier=replica, SourceDBInstanceIdentifier=source)
    copy(sources[0])
    declare(site, replica)
    exchange = lambda: (rds.delete_db_instance(DBInstanceIdentifier=replica, SkipFinalSnapshot=True), copy(sources[1]))
    site.change(replica, "replicate_source_db", "of another database", exchange)
    for declared in ("available", "stopped"):
        running = lab.site(KIND)
        caller, name = running.client("rds"), simple(running)
        stop = lambda caller=caller, name=name: caller.stop_db_instance(DBInstanceIdentifier=name)
        start = lambda caller=caller, name=name: caller.start_db_instance(DBInstanceIdentifier=name)
        if declared == "stopped":
            stop()
        running.declare({"identifier": name, "state": declared, "timeouts": None}, "aws_rds_instance_state")
        what = turn(declared, "stopped" if declared == "available" else "available")
        running.change(name, "instance_state_control.state", what, stop if declared == "available" else start)
    path = "role_association"
    for field, what, before, after in (
        ("feature_name", "another feature", ("s3Import", "import"), ("s3Export", "import")),
        ("role_arn", "another role", ("s3Import", "import"), ("s3Import", "admin")),
        ("role_arn", "the first role", None, ("s3Import", "admin")),
        ("role_arn", "no role any more", ("s3Import", "import"), None),
    ):
        at = lab.site(KIND)
        client, holder = at.client("rds"), simple(at)
        arn = lambda role, at=at: f"arn:aws:iam::{at.account}:role/{role}"
        add = lambda pair, client=client, holder=holder, arn=arn: pair and client.add_role_to_db_instance(DBInstanceIdentifier=holder, FeatureName=pair[0], RoleArn=arn(pair[1]))
        add(before)
        if before:
            attributes = {"db_instance_identifier": holder, "feature_name": before[0], "id": f"{holder},{arn(before[1])}", "role_arn": arn(before[1]), "timeouts": None}
            at.declare(attributes, "aws_db_instance_role_association")
        # moto can't take a role away: another database under the name has none
        run = lambda add=add, at=at, after=after: (replace(at, {}), add(after))
        at.change(holder, f"{path}.{field}", what, run, reported=(path,))


def tags(lab):
    def case(kind, path, what, add=None, take=None):
        site = lab.site(KIND)
        rds, name = site.client("rds"), simple(site)
        arn = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceArn"]

        def run():
            if add:
                rds.add_tags_to_resource(ResourceName=arn, Tags=pairs(add))
            if take:
                rds.remove_tags_from_resource(ResourceName=arn, TagKeys=take)

        getattr(site, kind)(name, path, what, run)

    case("change", "tags.Owner", "another value", add={"Owner": "elsewhere"})
    case("change", "tags.CostCentre", "a tag added", add={"CostCentre": "4711"})
    case("change", "tags.Environment", "a tag taken away", take=["Environment"])
    case("silent", "tags", "the same tags once more", add={"Owner": "platform"})
    case("silent", "tags", "a tag added and taken away again", add={"Passing": "1"}, take=["Passing"])
    case("silent", "tags", "a tag of AWS's own", add={"aws:backup:source-resource": "x"})
