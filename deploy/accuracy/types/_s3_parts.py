"""The configurations of a bucket: as the API takes them, as a split resource declares them, as the bucket itself does, and
what can be changed in each."""

import dataclasses
import datetime
from collections.abc import Callable

OWNER = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"  # moto's canonical user of every account
STRANGER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
SIGNED_IN = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


@dataclasses.dataclass
class Change:
    """Another value at places of the API's form. `path` is that of the folded form, `inline` that of the bucket's own."""

    path: str
    inline: str
    edits: dict  # API path -> new value
    covers: tuple = ()  # of the folded form, if not `path`


@dataclasses.dataclass
class Part:
    """One configuration of a bucket."""

    put: Callable  # (client, bucket, api)
    api: dict
    kind: str  # the split resource's type
    split: dict
    inline: dict  # attributes of aws_s3_bucket; empty where it has none
    changes: list
    only: str = ""  # the one shape that can hold it


def when(year):
    return datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)


def change(path, inline, edits, *covers):
    return Change(path, inline, edits, covers or (path,))


def versioning():
    return Part(
        lambda s3, b, api: s3.put_bucket_versioning(Bucket=b, VersioningConfiguration=api),
        {"Status": "Enabled"},
        "aws_s3_bucket_versioning",
        {"versioning_configuration": {"status": "Enabled"}},
        {"versioning": {"enabled": True, "mfa_delete": False}},
        [change("versioning.enabled", "versioning.enabled", {"Status": "Suspended"})],
    )


def suspended():
    return Part(
        versioning().put,
        {"Status": "Suspended"},
        "aws_s3_bucket_versioning",
        {"versioning_configuration": {"status": "Suspended", "mfa_delete": ""}},
        {"versioning": {"enabled": False, "mfa_delete": False}},
        [change("versioning.enabled", "versioning.enabled", {"Status": "Enabled"})],
    )


def encryption(key, other):
    """With one KMS key; `other` is a second one."""
    rule = "server_side_encryption_configuration.rule"
    default = f"{rule}.apply_server_side_encryption_by_default"
    api = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}, "BucketKeyEnabled": True}
    block = {"apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key}, "bucket_key_enabled": True}
    place = "Rules.0.ApplyServerSideEncryptionByDefault"
    return Part(
        lambda s3, b, api: (
            s3.put_bucket_encryption(Bucket=b, ServerSideEncryptionConfiguration=api) if api else s3.delete_bucket_encryption(Bucket=b)
        ),
        {"Rules": [api]},
        "aws_s3_bucket_server_side_encryption_configuration",
        {"rule": block},
        {"server_side_encryption_configuration": {"rule": block}},
        [
            change(f"{default}.sse_algorithm", f"{default}.sse_algorithm", {place: {"SSEAlgorithm": "AES256"}}),
            change(f"{default}.kms_master_key_id", f"{default}.kms_master_key_id", {f"{place}.KMSMasterKeyID": other}),
            change(f"{rule}.bucket_key_enabled", f"{rule}.bucket_key_enabled", {"Rules.0.BucketKeyEnabled": False}),
        ],
    )


def plain_encryption():
    block = {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256", "kms_master_key_id": ""}, "bucket_key_enabled": False}
    path = "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.sse_algorithm"
    return Part(
        encryption("", "").put,
        {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]},
        "aws_s3_bucket_server_side_encryption_configuration",
        {"rule": block},
        {"server_side_encryption_configuration": {"rule": block}},
        [change(path, path, {"Rules.0.ApplyServerSideEncryptionByDefault.SSEAlgorithm": "aws:kms"})],
    )


def public_access(on=True):
    words = {
        "block_public_acls": "BlockPublicAcls",
        "block_public_policy": "BlockPublicPolicy",
        "ignore_public_acls": "IgnorePublicAcls",
        "restrict_public_buckets": "RestrictPublicBuckets",
    }
    return Part(
        lambda s3, b, api: (
            s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=api) if api else s3.delete_public_access_block(Bucket=b)
        ),
        {word: on for word in words.values()},
        "aws_s3_bucket_public_access_block",
        {name: on for name in words},
        {},
        [change(f"public_access_block.{name}", "", {word: not on}) for name, word in words.items()],
    )


def ownership(kind="ObjectWriter", other="BucketOwnerEnforced"):
    return Part(
        lambda s3, b, api: s3.put_bucket_ownership_controls(Bucket=b, OwnershipControls=api),
        {"Rules": [{"ObjectOwnership": kind}]},
        "aws_s3_bucket_ownership_controls",
        {"rule": {"object_ownership": kind}},
        {},
        [change("ownership_controls.rule.object_ownership", "", {"Rules.0.ObjectOwnership": other})],
    )


def canned_acl(name, *others):
    return Part(
        lambda s3, b, api: s3.put_bucket_acl(Bucket=b, ACL=api["ACL"]),
        {"ACL": name},
        "aws_s3_bucket_acl",
        {"acl": name},
        {"acl": name},
        [change("acl", "acl", {"ACL": other}) for other in others],
    )


def grants():
    """Grants in full: the owner's and one of a group."""
    path = "access_control_policy.grant"
    person = {"ID": OWNER, "Type": "CanonicalUser"}
    return Part(
        lambda s3, b, api: s3.put_bucket_acl(Bucket=b, AccessControlPolicy=api),
        {
            "Owner": {"ID": OWNER},
            "Grants": [
                {"Grantee": person, "Permission": "FULL_CONTROL"},
                {"Grantee": {"URI": LOG_DELIVERY, "Type": "Group"}, "Permission": "WRITE"},
            ],
        },
        "aws_s3_bucket_acl",
        {
            "access_control_policy": {
                "owner": {"id": OWNER},
                "grant": [
                    {"grantee": {"id": OWNER, "type": "CanonicalUser"}, "permission": "FULL_CONTROL"},
                    {"grantee": {"uri": LOG_DELIVERY, "type": "Group"}, "permission": "WRITE"},
                ],
            }
        },
        {
            "grant": [
                {"id": OWNER, "permissions": ["FULL_CONTROL"], "type": "CanonicalUser"},
                {"uri": LOG_DELIVERY, "permissions": ["WRITE"], "type": "Group"},
            ]
        },
        [
            change(f"{path}.permission", "grant.permissions", {"Grants.1.Permission": "READ_ACP"}),
            change(f"{path}.grantee.id", "grant.id", {"Grants.0.Grantee.ID": STRANGER}),
            change(f"{path}.grantee.uri", "grant.uri", {"Grants.1.Grantee.URI": EVERYBODY}),
            change(f"{path}.grantee.type", "grant.type", {"Grants.1.Grantee": {"ID": STRANGER, "Type": "CanonicalUser"}}),
        ],
    )


def acceleration():
    return Part(
        lambda s3, b, api: s3.put_bucket_accelerate_configuration(Bucket=b, AccelerateConfiguration=api),
        {"Status": "Enabled"},
        "aws_s3_bucket_accelerate_configuration",
        {"status": "Enabled"},
        {"acceleration_status": "Enabled"},
        [change("acceleration_status", "acceleration_status", {"Status": "Suspended"})],
    )


def logging(target, other):
    """To a bucket; the grant is one of those that moto keeps."""
    grantee = {"ID": OWNER, "Type": "CanonicalUser"}
    return Part(
        lambda s3, b, api: s3.put_bucket_logging(Bucket=b, BucketLoggingStatus=api),
        {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "logs/", "TargetGrants": [{"Grantee": grantee, "Permission": "READ"}]}},
        "aws_s3_bucket_logging",
        {
            "target_bucket": target,
            "target_prefix": "logs/",
            "target_grant": {"grantee": {"id": OWNER, "type": "CanonicalUser"}, "permission": "READ"},
        },
        {"logging": {"target_bucket": target, "target_prefix": "logs/"}},
        [
            change("logging.target_bucket", "logging.target_bucket", {"LoggingEnabled.TargetBucket": other}),
            change("logging.target_prefix", "logging.target_prefix", {"LoggingEnabled.TargetPrefix": "elsewhere/"}),
            change("logging.target_grant.permission", "", {"LoggingEnabled.TargetGrants.0.Permission": "FULL_CONTROL"}),
            change("logging.target_grant.grantee.id", "", {"LoggingEnabled.TargetGrants.0.Grantee.ID": STRANGER}),
        ],
    )


def logging_to_group(target):
    """The same with a group that may read the records."""
    part, at, place = logging(target, ""), "logging.target_grant.grantee", "LoggingEnabled.TargetGrants.0.Grantee"
    part.api["LoggingEnabled"]["TargetGrants"][0]["Grantee"] = {"URI": SIGNED_IN, "Type": "Group"}
    part.split["target_grant"]["grantee"] = {"uri": SIGNED_IN, "type": "Group"}
    part.only = "split"
    part.changes = [
        change(f"{at}.uri", "", {f"{place}.URI": EVERYBODY}),
        change(f"{at}.type", "", {place: {"ID": OWNER, "Type": "CanonicalUser"}}),
    ]
    return part


def lock(unit="days", period=30):
    path, word = "object_lock_configuration.rule.default_retention", unit.capitalize()
    block = {"object_lock_enabled": "Enabled", "rule": {"default_retention": {"mode": "COMPLIANCE", unit: period}}}
    return Part(
        lambda s3, b, api: s3.put_object_lock_configuration(Bucket=b, ObjectLockConfiguration=api),
        {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", word: period}}},
        "aws_s3_bucket_object_lock_configuration",
        block,
        {"object_lock_enabled": True, "object_lock_configuration": block},
        [
            change(f"{path}.mode", f"{path}.mode", {"Rule.DefaultRetention.Mode": "GOVERNANCE"}),
            change(f"{path}.{unit}", f"{path}.{unit}", {f"Rule.DefaultRetention.{word}": 1}),
        ],
    )


def policy(bucket, stranger):
    """TLS alone, and reading for one role."""
    arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    tls = {
        "Sid": "Tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": arns,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    read = {
        "Sid": "Read",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{stranger}:role/reader"},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": arns,
    }
    return {"Version": "2012-10-17", "Statement": [tls, read]}
