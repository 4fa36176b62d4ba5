"""aws_kms_key, with its policy inline or as a resource of its own, and with grants."""

import json

from ..edit import put
from ..lab import pairs, turn

TYPES = ("aws_kms_key",)
STRANGER = "999999999999"


def policy(account):
    """The account's own administration, and use by one role."""
    own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}
    use = allow({"AWS": f"arn:aws:iam::{account}:role/app"}, ["kms:Decrypt", "kms:GenerateDataKey"])
    return {"Version": "2012-10-17", "Statement": [own, use]}


def allow(principal, actions, sid="Use"):
    return {"Sid": sid, "Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*"}


class Key:
    """A key on moto and its state. `declared` replaces attributes of the state, `written` is the policy as declared."""

    def __init__(self, lab, shape="inline", rotates=False, enabled=True, declared=None, written=None, description="orders", **options):
        self.site = lab.site("aws_kms_key")
        self.kms, self.shape = self.site.client("kms"), shape
        self.document = policy(self.site.account)
        own, self.tags = self.site.tags()
        tags = pairs(self.tags, "TagKey", "TagValue")
        made = self.kms.create_key(Description=description, Policy=json.dumps(self.document), Tags=tags, **options)["KeyMetadata"]
        self.id, self.arn = made["KeyId"], made["Arn"]
        if rotates:
            self.kms.enable_key_rotation(KeyId=self.id)
        if not enabled:
            self.kms.disable_key(KeyId=self.id)
        text = json.dumps(written(self.document) if written else self.document)
        attributes = {
            "arn": self.arn,
            "key_id": self.id,
            "id": self.id,
            "description": description,
            "customer_master_key_spec": made["KeySpec"],
            "key_usage": made.get("KeyUsage", "ENCRYPT_DECRYPT"),
            "is_enabled": enabled,
            "enable_key_rotation": rotates,
            "rotation_period_in_days": 365 if rotates else 0 if self.site.provider == 4 else None,
            "multi_region": made.get("MultiRegion", False),
            "bypass_policy_lockout_safety_check": False,
            "deletion_window_in_days": 30 if self.site.turn % 2 else None,
            "policy": text,
            "tags": own,
            "tags_all": self.tags,
        }
        self.site.declare(attributes | (declared or {}), managed=self.id)
        if shape == "split":
            split = {"id": self.id, "key_id": self.id, "policy": text, "bypass_policy_lockout_safety_check": False}
            self.site.declare(split, "aws_kms_key_policy")

    def put_policy(self, document):
        self.kms.put_key_policy(KeyId=self.id, PolicyName="default", Policy=document if isinstance(document, str) else json.dumps(document))

    def change(self, path, what, run, **more):
        self.site.change(self.id, path, what, run, shape=self.shape, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.id, path, what, run, shape=self.shape)


def plain(lab):
    for before, after in (("orders", "invoices"), ("orders", ""), ("", "orders")):
        key = Key(lab, description=before)
        key.change("description", turn(before, after), lambda k=key, a=after: k.kms.update_key_description(KeyId=k.id, Description=a))
    for shape in ("inline", "split", "inline"):
        key = Key(lab, shape)
        key.change("is_enabled", "on to off", lambda k=key: k.kms.disable_key(KeyId=k.id))
        key = Key(lab, shape, rotates=True)
        key.change("enable_key_rotation", "on to off", lambda k=key: k.kms.disable_key_rotation(KeyId=k.id))
    key = Key(lab, enabled=False)
    key.change("is_enabled", "off to on", lambda k=key: k.kms.enable_key(KeyId=k.id))
    key = Key(lab)
    key.change("enable_key_rotation", "off to on", lambda k=key: k.kms.enable_key_rotation(KeyId=k.id))
    key = Key(lab, rotates=True)
    key.change("is_enabled", "waits to be deleted", lambda k=key: k.kms.schedule_key_deletion(KeyId=k.id, PendingWindowInDays=7))
    for name, value in (("Owner", "somebody"), ("Environment", None), ("Extra", "new")):
        key = Key(lab)
        if value is None:
            run = lambda k=key, n=name: k.kms.untag_resource(KeyId=k.id, TagKeys=[n])
        else:
            run = lambda k=key, n=name, v=value: k.kms.tag_resource(KeyId=k.id, Tags=[{"TagKey": n, "TagValue": v}])
        key.change(f"tags.{name}", turn(key.tags.get(name), value), run)


def policies(lab):
    words = {
        "admits everybody": lambda d: put(d, "Statement.2", allow("*", "kms:Decrypt", "All")),
        "admits another account": lambda d: put(
            d, "Statement.2", allow({"AWS": f"arn:aws:iam::{STRANGER}:root"}, "kms:Decrypt", "Partner")
        ),
        "more actions": lambda d: put(d, "Statement.1.Action.2", "kms:ScheduleKeyDeletion"),
        "another role": lambda d: put(d, "Statement.1.Principal.AWS", d["Statement"][1]["Principal"]["AWS"] + "2"),
        "one statement less": lambda d: put(d, "Statement.1", None),
    }
    for shape in ("inline", "split"):
        for what, edit in words.items():
            key = Key(lab, shape)
            key.change("policy", what, lambda k=key, e=edit: k.put_policy(e(k.document)))


def granted(lab, edit=None):
    """A key with a declared grant; and what takes its place when `edit` changes it, as grants can't be changed."""
    key = Key(lab)
    spec = {
        "Name": "app",
        "GranteePrincipal": f"arn:aws:iam::{key.site.account}:role/app",
        "RetiringPrincipal": f"arn:aws:iam::{key.site.account}:role/ops",
        "Operations": ["Decrypt", "Encrypt"],
        "Constraints": {"EncryptionContextSubset": {"app": "orders"}},
    }
    constraint = {"encryption_context_subset": {"app": "orders"}}
    if edit == "EncryptionContextEquals":
        spec["Constraints"] = {edit: {"app": "orders"}}
        constraint = {"encryption_context_equals": {"app": "orders"}}
    made = key.kms.create_grant(KeyId=key.id, **spec)
    attributes = {
        "id": f"{key.id}:{made['GrantId']}",
        "key_id": key.arn if key.site.turn % 2 else key.id,
        "grant_id": made["GrantId"],
        "name": "app",
        "grantee_principal": spec["GranteePrincipal"],
        "retiring_principal": spec["RetiringPrincipal"],
        "operations": spec["Operations"][::-1],
        "constraints": constraint,
        "retire_on_delete": False,
    }
    key.site.declare(attributes, "aws_kms_grant")
    return key, spec, made["GrantId"]


def grants(lab):
    words = {
        "name": ("Name", "other"),
        "grantee_principal": ("GranteePrincipal", "arn:aws:iam::999999999999:root"),
        "retiring_principal": ("RetiringPrincipal", "arn:aws:iam::999999999999:root"),
        "operations": ("Operations", ["Decrypt", "Encrypt", "GenerateDataKey"]),
        "constraints.encryption_context_subset": ("Constraints.EncryptionContextSubset", {"app": "invoices"}),
        "constraints.encryption_context_equals": ("Constraints.EncryptionContextEquals", {"app": "invoices"}),
    }
    for path, (place, value) in words.items():
        key, spec, id_ = granted(lab, place.split(".")[-1])

        def run(key=key, spec=spec, id_=id_, place=place, value=value):
            key.kms.revoke_grant(KeyId=key.id, GrantId=id_)
            key.kms.create_grant(KeyId=key.id, **put(spec, place, value))

        key.change(f"grant.{path}", "another grant in its place", run)
    key, spec, id_ = granted(lab)
    key.change("grant", "revoked", lambda k=key, i=id_: k.kms.revoke_grant(KeyId=k.id, GrantId=i), covers=())
    key, spec, _ = granted(lab)
    key.silent("grant", "a service makes one more", lambda k=key, s=spec: k.kms.create_grant(KeyId=k.id, **put(s, "Name", "service")))


def nothing(lab):
    """What means nothing."""
    words = {
        "statements in another order": lambda d: d | {"Statement": d["Statement"][::-1]},
        "actions in another order and case": lambda d: put(d, "Statement.1.Action", ["kms:generatedatakey", "KMS:Decrypt"]),
        "one action as a list": lambda d: put(d, "Statement.0.Action", ["kms:*"]),
        "principal in a list": lambda d: put(d, "Statement.1.Principal.AWS", [d["Statement"][1]["Principal"]["AWS"]]),
        "wide JSON, keys in another order": lambda d: json.dumps(d, indent=2, sort_keys=True),
    }
    for number, (what, edit) in enumerate(words.items()):
        key = Key(lab, ("inline", "split")[number % 2])
        key.silent("policy", what, lambda k=key, e=edit: k.put_policy(e(k.document)))
    key = Key(lab, written=lambda d: put(d, "Statement.0.Principal.AWS", d["Statement"][0]["Principal"]["AWS"].split(":")[4]))
    key.silent("policy", "declared with the account id for its root")
    key = Key(lab, declared={"description": None}, description="")
    key.silent("description", "empty for absent")
    key = Key(lab, rotates=True, declared={"rotation_period_in_days": None})
    key.silent("rotation_period_in_days", "the default not spelled out")
    key = Key(lab)
    key.silent("", "gets an alias", lambda k=key: k.kms.create_alias(AliasName=f"alias/{k.site.name('key')}", TargetKeyId=k.id))
    key = Key(lab)
    key.silent("", "is used", lambda k=key: k.kms.encrypt(KeyId=k.id, Plaintext=b"a"))
    key = Key(lab, rotates=True)
    key.silent("", "is rotated on demand", lambda k=key: k.kms.rotate_key_on_demand(KeyId=k.id))
    for what, options in (
        ("a key that signs", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}),
        ("an HMAC key", {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}),
        ("a key of several regions", {"MultiRegion": True}),
    ):
        Key(lab, **options).silent("", f"untouched: {what}")


def build(lab, _wanted):
    plain(lab)
    policies(lab)
    grants(lab)
    nothing(lab)
