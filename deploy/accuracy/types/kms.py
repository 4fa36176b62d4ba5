"""aws_kms_key, with its policy inline or as a resource of its own."""

import json

from ..lab import pairs, turn

TYPES = ("aws_kms_key",)


def policy(account, *more):
    own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [own, *more]}


def allow(principal, actions, sid="More"):
    return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}


def key(lab, shape="inline", document=None, provider=None, declared=None, **options):
    """A key and its state. `declared` replaces attributes of the state."""
    site = lab.site("aws_kms_key", provider)
    kms = site.client("kms")
    document = document or policy(site.account)
    own, both = site.tags()
    rotates = options.pop("rotates", None)
    made = kms.create_key(Description="orders", Policy=json.dumps(document), Tags=pairs(both, "TagKey", "TagValue"), **options)["KeyMetadata"]
    if rotates:
        kms.enable_key_rotation(KeyId=made["KeyId"], RotationPeriodInDays=rotates)
    attributes = {
        "arn": made["Arn"],
        "key_id": made["KeyId"],
        "id": made["KeyId"],
        "description": "orders",
        "customer_master_key_spec": made["KeySpec"],
        "key_usage": made.get("KeyUsage", "ENCRYPT_DECRYPT"),
        "is_enabled": True,
        "enable_key_rotation": bool(rotates),
        "rotation_period_in_days": rotates or (0 if site.provider == 4 else None),
        "multi_region": made.get("MultiRegion", False),
        "bypass_policy_lockout_safety_check": False,
        "deletion_window_in_days": 30 if site.turn % 2 else None,
        "policy": json.dumps(document),
        "tags": own,
        "tags_all": both,
    }
    site.declare(attributes | (declared or {}), managed=made["KeyId"])
    if shape == "split":
        split = {"id": made["KeyId"], "key_id": made["KeyId"], "policy": json.dumps(document), "bypass_policy_lockout_safety_check": False}
        site.declare(split, "aws_kms_key_policy")
    return site, kms, made["KeyId"]


def changes(lab):
    for before, after in (("orders", "invoices"), ("orders", "")):
        site, kms, id_ = key(lab)
        site.change(id_, "description", turn(before, after), lambda k=kms, i=id_, a=after: k.update_key_description(KeyId=i, Description=a))
    site, kms, id_ = key(lab)
    site.change(id_, "is_enabled", "on to off", lambda: kms.disable_key(KeyId=id_))


def build(lab, _wanted):
    changes(lab)
