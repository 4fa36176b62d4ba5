"""A bucket on moto, and what its state holds."""

import dataclasses
import json

from ..lab import pairs
from ..world import REGION
from . import _s3_parts as parts


class Bucket:
    """Built call by call; `declare` writes down what was built."""

    def __init__(self, lab, shape="split", locked=False, bare=False):
        self.site = lab.site("aws_s3_bucket")
        self.s3, self.name, self.shape = self.site.client("s3"), self.site.name("bucket"), shape
        more = {"ObjectLockEnabledForBucket": True} if locked else {}
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION}, **more)
        own, self.tags = self.site.tags()
        self.s3.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": pairs(self.tags)})
        self.attributes = {
            "arn": f"arn:aws:s3:::{self.name}",
            "bucket": self.name,
            "id": self.name,
            "region": REGION,
            "bucket_domain_name": f"{self.name}.s3.amazonaws.com",
            "hosted_zone_id": "Z1BKCTXD74EZPE",
            "force_destroy": False,
            "object_lock_enabled": locked,
            "request_payer": "BucketOwner",
            "acceleration_status": "",
            "policy": "",
            "grant": [{"id": parts.OWNER, "permissions": ["FULL_CONTROL"], "type": "CanonicalUser", "uri": ""}],
            "versioning": [{"enabled": False, "mfa_delete": False}],
            "tags": own,
            "tags_all": self.tags,
        }
        self.parts = {}
        for part in () if bare else (parts.versioning(), parts.plain_encryption(), parts.public_access()):
            self.has(part)

    def has(self, part):
        """Sets a configuration and keeps it for the state; the last of a kind counts."""
        part.put(self.s3, self.name, part.api)
        self.parts[part.kind] = part
        return self

    def put_policy(self, document):
        if document is None:
            self.s3.delete_bucket_policy(Bucket=self.name)
        else:
            self.s3.put_bucket_policy(Bucket=self.name, Policy=document if isinstance(document, str) else json.dumps(document))

    def policy(self, document, declared=None):
        """Sets a policy; `declared` is another way to write it."""
        text = json.dumps(declared or document)
        put = lambda _s3, _bucket, api: self.put_policy(api)
        return self.has(parts.Part(put, document, "aws_s3_bucket_policy", {"policy": text}, {"policy": text}, []))

    def declare(self, split=None, elsewhere=None):
        """Writes the state; in the split shape the refresh has filled the bucket's own blocks as well. `split` replaces
        attributes of the split resources; `elsewhere` is a provider version in whose state they stand."""
        for part in self.parts.values():
            self.attributes |= part.inline
        self.site.declare(self.attributes, managed=self.name)
        site = dataclasses.replace(self.site, provider=elsewhere or self.site.provider)
        for part in self.parts.values():
            if self.shape == "split" or not part.inline:
                own = {"bucket": self.name, "id": self.name}
                site.declare(part.split | own | (split or {}).get(part.kind, {}), part.kind)
        return self

    def change(self, path, what, run, **more):
        self.site.change(self.name, path, what, run, shape=self.shape, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.name, path, what, run, shape=self.shape)
