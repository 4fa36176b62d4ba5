"""What means nothing to a bucket."""

import json

from ..lab import pairs
from . import _s3_parts as parts
from . import _s3_rules as rules
from ._s3_bucket import Bucket


def other_words(document, account):
    """The same policy written in other ways."""
    tls, read = document["Statement"]
    yield "statements in another order", document | {"Statement": [read, tls]}
    yield "resources in another order", document | {"Statement": [tls, read | {"Resource": read["Resource"][::-1]}]}
    yield "one action as a list", document | {"Statement": [tls | {"Action": ["s3:*"]}, read]}
    yield "actions in another order and case", document | {"Statement": [tls, read | {"Action": ["S3:listbucket", "s3:GetObject"]}]}
    yield "condition value as a list", document | {"Statement": [tls | {"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}}, read]}
    yield "principal in a list", document | {"Statement": [tls | {"Principal": {"AWS": ["*"]}}, read]}
    yield "keys in another order, wide JSON", json.dumps(document, indent=4, sort_keys=True)


def policies(lab):
    count = len(list(other_words(parts.policy("b", "0"), "0")))
    for number in range(count):
        bucket = Bucket(lab, "split" if number % 2 else "inline")
        document = parts.policy(bucket.name, bucket.site.account)
        bucket.policy(document).declare()
        what, other = list(other_words(document, bucket.site.account))[number]
        bucket.silent("policy", what, lambda b=bucket, o=other: b.put_policy(o))
    bucket = Bucket(lab)
    document = parts.policy(bucket.name, bucket.site.account)
    root = document["Statement"][1]
    live, declared = (
        document | {"Statement": [document["Statement"][0], root | {"Principal": {"AWS": p}}]}
        for p in (f"arn:aws:iam::{bucket.site.account}:root", bucket.site.account)
    )
    bucket.policy(live, declared).declare()
    bucket.silent("policy", "account id for its root")


def orders(lab):
    """The same lists in another order."""

    def case(part, path, what, edit, shape="split"):
        bucket = Bucket(lab, shape).has(part).declare()
        api = edit(json.loads(json.dumps(part.api, default=str)) if "Rules" not in part.api else part.api)
        bucket.silent(path, what, lambda b=bucket, p=part, a=api: p.put(b.s3, b.name, a))

    turned = lambda api: api | {"Rules": api["Rules"][::-1]}
    case(rules.lifecycle(), "lifecycle_configuration.rule", "rules in another order", turned)
    two = lambda api: api | {"Rules": [api["Rules"][0] | {"Transitions": api["Rules"][0]["Transitions"][::-1]}, *api["Rules"][1:]]}
    case(rules.lifecycle(), "lifecycle_configuration.rule.transition", "transitions in another order", two)
    methods = lambda api: {"CORSRules": [api["CORSRules"][0] | {"AllowedMethods": ["PUT", "GET"]}]}
    case(rules.cors(), "cors_rule.allowed_methods", "methods in another order", methods)
    case(
        rules.inline_cors(),
        "cors_rule.id",
        "a rule gets a name that the block can't hold",
        lambda api: {"CORSRules": [api["CORSRules"][0] | {"ID": "made"}]},
        "inline",
    )
    bucket = Bucket(lab)
    bucket.silent(
        "tags",
        "the same tags in another order",
        lambda: bucket.s3.put_bucket_tagging(Bucket=bucket.name, Tagging={"TagSet": pairs(bucket.tags)[::-1]}),
    )
    bucket.declare()


def defaults(lab):
    """Defaults spelled out, empty against absent, and what is stored in the bucket."""
    bucket = Bucket(lab).declare()
    bucket.silent(
        "acceleration_status",
        "suspended where it never was on",
        lambda b=bucket: b.s3.put_bucket_accelerate_configuration(Bucket=b.name, AccelerateConfiguration={"Status": "Suspended"}),
    )
    bucket = Bucket(lab).declare()
    bucket.silent("", "an object is stored", lambda b=bucket: b.s3.put_object(Bucket=b.name, Key="a", Body=b"a"))
    bucket = Bucket(lab).declare()
    bucket.silent(
        "acl",
        "the owner's grant written out",
        lambda b=bucket: parts.grants().put(
            b.s3,
            b.name,
            {
                "Owner": {"ID": parts.OWNER},
                "Grants": [{"Grantee": {"ID": parts.OWNER, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}],
            },
        ),
    )
    empty = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 10}}]}
    for what, filter_ in (
        ("an empty filter for an empty prefix", {"filter": [{}]}),
        ("no filter for an empty prefix", {}),
        ("an empty prefix outside the filter", {"prefix": ""}),
    ):
        part = rules.lifecycle()
        part.api, part.split, part.inline = empty, {"rule": {"id": "all", "status": "Enabled", "expiration": {"days": 10}} | filter_}, {}
        bucket = Bucket(lab).has(part).declare()
        bucket.silent("lifecycle_configuration.rule.filter.prefix", what)


def keys(lab):
    """One key under three names."""
    for what in ("alias", "alias ARN", "key id"):
        bucket = Bucket(lab)
        site = bucket.site
        kms = site.client("kms")
        key = kms.create_key(Description="buckets")["KeyMetadata"]
        alias = f"alias/{site.name('bucket-key')}"
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
        named = {"alias": alias, "alias ARN": key["Arn"].replace(f"key/{key['KeyId']}", alias), "key id": key["KeyId"]}[what]
        part = parts.encryption(key["Arn"], "")
        bucket.has(part)
        default = {"sse_algorithm": "aws:kms", "kms_master_key_id": named}
        bucket.declare({part.kind: {"rule": {"apply_server_side_encryption_by_default": default, "bucket_key_enabled": True}}})
        bucket.silent("server_side_encryption_configuration", f"{what} for the key's ARN")


def sources(lab):
    """One bucket declared by two states."""
    bucket = Bucket(lab).has(rules.cors()).has(rules.lifecycle())
    bucket.declare(elsewhere=4 if bucket.site.provider != 4 else 6)
    bucket.silent("", "its configurations stand in the state of another provider version")
    Bucket(lab, bare=True).declare().silent("", "a bare bucket")
    Bucket(lab, "inline", bare=True).declare().silent("", "a bare bucket")


def ignored(lab):
    """What the user asked not to hear of."""
    bucket = Bucket(lab).declare()
    lab.ignore.append(f"{bucket.site.account}/global/aws_s3_bucket/{bucket.name}/tags.*")
    bucket.silent(
        "tags.Owner",
        "ignored by .driftignore",
        lambda b=bucket: b.s3.put_bucket_tagging(Bucket=b.name, Tagging={"TagSet": pairs(b.tags | {"Owner": "x"})}),
    )
    bucket = Bucket(lab).declare()
    lab.ignore.append(f"*/*/aws_s3_bucket/{bucket.name}/**")
    bucket.silent(
        "versioning.enabled",
        "its bucket is ignored",
        lambda b=bucket: b.s3.put_bucket_versioning(Bucket=b.name, VersioningConfiguration={"Status": "Suspended"}),
    )


def build(lab):
    policies(lab)
    orders(lab)
    defaults(lab)
    keys(lab)
    sources(lab)
    ignored(lab)
