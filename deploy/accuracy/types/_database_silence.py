"""What RDS does to a database by itself, and what a state writes otherwise."""

from ..ec2 import group, key
from . import _database as databases


def build(lab):
    happens(lab)
    written(lab)


def happens(lab):
    """Upgrades, growth, snapshots, restarts, replicas: nobody's change, or none at all."""
    def case(path, what, run, **spec):
        site = lab.site(databases.KIND)
        name = databases.simple(site, **spec)
        rds = site.client("rds")
        site.silent(name, path, what, lambda: run(rds, name))

    set_ = lambda **values: lambda rds, name: rds.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True, **values)
    case("engine_version", "a minor upgrade, which it takes by itself", set_(EngineVersion="16.4"), parameter_group_name="first", option_group_name="first")
    case("allocated_storage", "the storage grows below its limit", set_(AllocatedStorage=60))
    case("latest_restorable_time", "a snapshot is made of it", lambda rds, name: rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier=f"{name}-s"))
    case("status", "rebooted", lambda rds, name: rds.reboot_db_instance(DBInstanceIdentifier=name))
    case("status", "stopped, and nobody agreed that it runs", lambda rds, name: rds.stop_db_instance(DBInstanceIdentifier=name))
    case("replicas", "a replica is made of it", lambda rds, name: rds.create_db_instance_read_replica(DBInstanceIdentifier=f"{name}-r", SourceDBInstanceIdentifier=name))
    case("password", "another password", set_(MasterUserPassword="another-horse-battery"))

    def there_and_back(rds, name):
        for period in (1, 14):
            rds.modify_db_instance(DBInstanceIdentifier=name, BackupRetentionPeriod=period)

    case("backup_retention_period", "changed and changed back", there_and_back)


def written(lab):
    def case(path, what, spec, provider=None, **attributes):
        site = lab.site(databases.KIND, provider)
        name = databases.create(site, spec)
        values = {k: v(site) if callable(v) else v for k, v in attributes.items()}
        databases.declare(site, name, **values)
        site.silent(name, path, what)

    case("engine_version", "the major version alone", {}, engine_version="16")
    case("identifier", "in capitals", {}, identifier=lambda site: site.name("orders").upper())
    case("maintenance_window", "days in capitals", {}, maintenance_window="Mon:05:00-Mon:06:00")
    case("vpc_security_group_ids", "in another order", {"vpc_security_group_ids": ["first", "second"]}, vpc_security_group_ids=lambda site: [group(site, n) for n in ("second", "first")])
    case("enabled_cloudwatch_logs_exports", "in another order", {"enabled_cloudwatch_logs_exports": ["postgresql", "upgrade"]}, enabled_cloudwatch_logs_exports=["upgrade", "postgresql"])
    case("enabled_cloudwatch_logs_exports", "null for none", {}, enabled_cloudwatch_logs_exports=None)
    case("kms_key_id", "the key by its id", databases.LOCKED, kms_key_id=lambda site: key(site, "first").rsplit("/")[-1])
    case("parameter_group_name", "in capitals", {"parameter_group_name": "first"}, parameter_group_name="First")
    case("iops", "nobody wrote down what gp3 has", {}, iops=None, storage_throughput=None, max_allocated_storage=100)
    case("backup_window", "what RDS chose was never written", {}, backup_window=None, maintenance_window=None, availability_zone=None, ca_cert_identifier=None, port=None)
    case("domain_dns_ips", "in another order", {"domain": "d-1", "domain_dns_ips": ["192.0.2.1", "192.0.2.2"]}, domain_dns_ips=["192.0.2.2", "192.0.2.1"])
    case("multi_az", "a standby moved to another zone", {"multi_az": True}, availability_zone=lambda site: f"{site.region}c")
