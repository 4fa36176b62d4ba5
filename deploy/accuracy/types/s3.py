"""aws_s3_bucket: every configuration as a split resource and, where the bucket has it inline, as the refresh left it there."""

from ..edit import get, put
from ..lab import pairs, turn
from ..world import REGION
from . import _s3_copies as copies
from . import _s3_parts as parts
from . import _s3_rules as rules
from . import _s3_silent as silent
from ._s3_bucket import Bucket

TYPES = ("aws_s3_bucket",)
KEY = "arn:aws:kms:eu-west-1:{account}:key/11111111-2222-3333-4444-{number:012}"
STRANGER = "999999999999"


def all_parts(account):
    """Every configuration with its changes, made for an account."""
    key, other = (KEY.format(account=account, number=number) for number in (1, 2))
    logs, others = f"logs-{account}", f"other-logs-{account}"
    return [
        parts.versioning(),
        parts.suspended(),
        parts.encryption(key, other),
        parts.plain_encryption(),
        parts.public_access(),
        parts.public_access(on=False),
        parts.ownership(),
        parts.ownership("BucketOwnerEnforced", "BucketOwnerPreferred"),
        parts.canned_acl("private", "public-read", "authenticated-read", "log-delivery-write"),
        parts.canned_acl("public-read", "private"),
        parts.grants(),
        parts.acceleration(),
        parts.logging(logs, others),
        parts.logging_to_group(logs),
        parts.lock(),
        parts.lock("years", 2),
        rules.lifecycle(),
        rules.cors(),
        rules.inline_cors(),
        rules.website(),
        rules.redirect(),
        copies.replication(account, logs, others, key),
        copies.notification(account),
        copies.inventory(account, logs, others),
    ]


def edited(part, change):
    """The part's API form after a change, and the change in words."""
    api, said = part.api, []
    for path, value in change.edits.items():
        said.append(turn(get(api, path), value))
        api = put(api, path, value)
    return api, ", ".join(said)


def targets(site, ready):
    """Two buckets that others log and copy to; nobody declares them."""
    if site.account in ready:
        return
    ready.add(site.account)
    s3 = site.client("s3")
    for name in (f"logs-{site.account}", f"other-logs-{site.account}"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_acl(Bucket=name, ACL="log-delivery-write")


def with_part(lab, ready, shape, number):
    """A bucket that has one more configuration, and that."""
    locked = "object_lock" in all_parts("")[number].kind
    bucket = Bucket(lab, shape, locked=locked)
    targets(bucket.site, ready)
    part = all_parts(bucket.site.account)[number]
    if part.kind == "aws_s3_bucket_acl":
        bucket.has(parts.ownership())
    return bucket.has(part).declare(), part


def changes(lab, ready):
    """One bucket per configuration, change and shape."""
    for shape in ("split", "inline"):
        for number, part in enumerate(all_parts("")):
            if part.only not in ("", shape) or shape == "inline" and not part.inline:
                continue
            for place, change in enumerate(part.changes):
                if shape == "inline" and not change.inline:
                    continue
                bucket, mine = with_part(lab, ready, shape, number)
                change = mine.changes[place]
                api, said = edited(mine, change)
                covers = change.covers if shape == "split" else (change.inline,)
                bucket.change(change.path, said, lambda b=bucket, p=mine, a=api: p.put(b.s3, b.name, a), covers=covers)


WHOLE = {
    "aws_s3_bucket_server_side_encryption_configuration": "server_side_encryption_configuration.rule",
    "aws_s3_bucket_public_access_block": "public_access_block",
    "aws_s3_bucket_lifecycle_configuration": "lifecycle_configuration.rule",
    "aws_s3_bucket_cors_configuration": "cors_rule",
    "aws_s3_bucket_website_configuration": "website_configuration",
    "aws_s3_bucket_replication_configuration": "replication_configuration",
    "aws_s3_bucket_logging": "logging",
    "aws_s3_bucket_notification": "notification",
}


def removals(lab, ready):
    """What was declared is taken away whole."""
    for shape in ("split", "inline"):
        for number, part in enumerate(all_parts("")):
            unfit = part.only not in ("", shape) or shape == "inline" and not part.inline
            if part.kind not in WHOLE or unfit or part.api.get("BlockPublicAcls") is False:
                continue
            bucket, mine = with_part(lab, ready, shape, number)
            path = WHOLE[part.kind]
            leaves = tuple(change.path for change in mine.changes) + (f"{path}.redirect_all_requests_to",)
            bucket.change(path, "whole to none", lambda b=bucket, p=mine: p.put(b.s3, b.name, {}), covers=(), reported=leaves)


def additions(lab, ready):
    """What a bare bucket gets by hand. The refresh has left in its state that there is none of it."""
    for number, part in enumerate(all_parts("")):
        path = WHOLE.get(part.kind)
        if not path or not part.inline:
            continue
        bucket = Bucket(lab, "inline", bare=path != "replication_configuration")
        targets(bucket.site, ready)
        mine = all_parts(bucket.site.account)[number]
        bucket.declare()
        leaves = tuple(change.path for change in mine.changes) + (f"{path}.redirect_all_requests_to",)
        bucket.change(path, "none to whole", lambda b=bucket, p=mine: b.has(p), covers=(), reported=leaves)
    for what, document in (("none to TLS alone", 1), ("none to a policy for one role", 2)):
        bucket = Bucket(lab, "inline", bare=True).declare()
        policy = parts.policy(bucket.name, bucket.site.account)
        policy["Statement"] = policy["Statement"][:document]
        bucket.change("policy", what, lambda b=bucket, p=policy: b.put_policy(p), covers=())


def rich(lab, ready):
    """Buckets that have everything at once: untouched, and with one change."""
    touched = (
        "versioning.enabled",
        "logging.target_prefix",
        "lifecycle_configuration.rule.status",
        "replication_configuration.role",
        "notification.queue.events",
    )
    for path in (*touched, *(None,) * 6):
        shape = "inline" if lab.counts["aws_s3_bucket"] % 2 else "split"
        bucket = Bucket(lab, shape)
        targets(bucket.site, ready)
        mine = [part for part in all_parts(bucket.site.account) if part.only in ("", shape)]
        found = {}
        for part in mine:
            if part.kind not in found and part.kind != "aws_s3_bucket_object_lock_configuration":
                found[part.kind] = bucket.has(part) and part
        bucket.policy(parts.policy(bucket.name, bucket.site.account)).declare()
        if not path:
            bucket.silent("", "everything at once")
            continue
        part, change = next((part, change) for part in found.values() for change in part.changes if change.path == path)
        api, said = edited(part, change)
        bucket.change(path, f"{said}, beside everything else", lambda b=bucket, p=part, a=api: p.put(b.s3, b.name, a))


def policies(lab):
    """The policy in both shapes, each change on a bucket of its own."""

    def admits(document, principal, sid):
        allow = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": principal,
            "Action": "s3:GetObject",
            "Resource": document["Statement"][1]["Resource"],
        }
        return document | {"Statement": [*document["Statement"], allow]}

    words = {
        "admits everybody": lambda d: admits(d, "*", "All"),
        "admits everybody signed in": lambda d: admits(d, {"AWS": "*"}, "All"),
        "admits another account": lambda d: admits(d, {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "Partner"),
        "plain HTTP allowed": lambda d: d | {"Statement": d["Statement"][1:]},
        "more actions": lambda d: put(d, "Statement.1.Action.2", "s3:DeleteObject"),
        "another resource": lambda d: put(d, "Statement.1.Resource", d["Statement"][1]["Resource"][:1]),
        "whole to none": lambda d: None,
    }
    for shape in ("split", "inline"):
        for what, edit in words.items():
            bucket = Bucket(lab, shape)
            document = parts.policy(bucket.name, bucket.site.account)
            bucket.policy(document).declare()
            new = edit(document)
            bucket.change("policy", what, lambda b=bucket, n=new: b.put_policy(n), covers=("policy",))


def plain(lab):
    """Tags, regions and deletions."""
    for key, value in (("Owner", "somebody"), ("Name", None), ("Extra", "new")):
        bucket = Bucket(lab).declare()
        tags = {k: v for k, v in (bucket.tags | {key: value}).items() if v is not None}
        run = lambda b=bucket, t=tags: b.s3.put_bucket_tagging(Bucket=b.name, Tagging={"TagSet": pairs(t)})
        bucket.change(f"tags.{key}", turn(bucket.tags.get(key), value), run)
    bucket = Bucket(lab, "inline").declare()
    on = {"ObjectLockEnabled": "Enabled"}
    names = ("object_lock_enabled", "object_lock_configuration.object_lock_enabled")
    bucket.change(names[1], "off to on", lambda b=bucket: parts.lock().put(b.s3, b.name, on), covers=names)
    for shape in ("split", "inline", "split"):
        bucket = Bucket(lab, shape).declare()
        bucket.site.gone(bucket.name, lambda b=bucket: b.s3.delete_bucket(Bucket=b.name))


def build(lab, _wanted):
    ready = set()
    changes(lab, ready)
    removals(lab, ready)
    additions(lab, ready)
    rich(lab, ready)
    policies(lab)
    plain(lab)
    silent.build(lab)
