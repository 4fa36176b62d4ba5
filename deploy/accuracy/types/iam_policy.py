"""aws_iam_policy: managed policies of one's own."""

from ..lab import pairs, turn
from . import _iam
from ._iam import text

TYPES = ("aws_iam_policy",)


class Policy:
    """A policy on moto and its state; `written` is the document as declared."""

    def __init__(self, lab, declared=None, written=None, document=None, path="/"):
        self.site = lab.site("aws_iam_policy")
        self.iam, self.name = self.site.client("iam"), self.site.name("policy")
        self.document = document or _iam.document(self.site.account)
        own, self.tags = self.site.tags()
        made = self.iam.create_policy(
            PolicyName=self.name, Path=path, PolicyDocument=text(self.document), Description="orders", Tags=pairs(self.tags)
        )["Policy"]
        self.arn = made["Arn"]
        attributes = {
            "arn": self.arn,
            "id": self.arn,
            "policy_id": made["PolicyId"],
            "name": self.name,
            "name_prefix": "",
            "path": path,
            "description": "orders",
            "attachment_count": 0 if self.site.provider == 6 else None,
            "policy": text(written(self.document) if written else self.document),
            "tags": own,
            "tags_all": self.tags,
        }
        self.site.declare(attributes | (declared or {}), managed=self.arn)

    def version(self, document, default=True):
        self.iam.create_policy_version(PolicyArn=self.arn, PolicyDocument=text(document), SetAsDefault=default)

    def change(self, path, what, run, **more):
        self.site.change(self.arn, path, what, run, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.arn, path, what, run)


def changes(lab):
    for what, edit in _iam.CHANGES.items():
        for path in ("/", "/team/"):
            policy = Policy(lab, path=path)
            policy.change("policy", what, lambda p=policy, e=edit: p.version(e(p.document)))
    policy = Policy(lab, document=_iam.ADMIN)
    policy.change("policy", "no longer administrator", lambda p=policy: p.version(_iam.document()))
    policy = Policy(lab)
    policy.version(_iam.ADMIN, default=False)
    policy.change(
        "policy", "another version, administrator", lambda p=policy: p.iam.set_default_policy_version(PolicyArn=p.arn, VersionId="v2")
    )
    for name, value in (("Owner", "somebody"), ("Environment", None), ("Extra", "new")):
        policy = Policy(lab)
        if value is None:
            run = lambda p=policy, n=name: p.iam.untag_policy(PolicyArn=p.arn, TagKeys=[n])
        else:
            run = lambda p=policy, n=name, v=value: p.iam.tag_policy(PolicyArn=p.arn, Tags=[{"Key": n, "Value": v}])
        policy.change(f"tags.{name}", turn(policy.tags.get(name), value), run)
    for path in ("/", "/team/", "/"):
        policy = Policy(lab, path=path)
        policy.site.gone(policy.arn, lambda p=policy: p.iam.delete_policy(PolicyArn=p.arn))


def nothing(lab):
    """What means nothing."""
    for what, edit in _iam.WORDS.items():
        policy = Policy(lab)
        policy.silent("policy", what, lambda p=policy, e=edit: p.version(e(p.document)))
        Policy(lab, written=edit).silent("policy", f"declared with {what}")
    policy = Policy(lab)
    policy.silent("policy", "a version that is not the default", lambda p=policy: p.version(_iam.ADMIN, default=False))
    policy = Policy(lab)

    def attach(policy=policy):
        policy.iam.create_group(GroupName=policy.name)
        policy.iam.attach_group_policy(GroupName=policy.name, PolicyArn=policy.arn)

    policy.silent("", "attached to a group", attach)
    Policy(lab, declared={"path": None, "delay_after_policy_creation_in_ms": 5000}).silent("path", "the default not spelled out")


def build(lab, _wanted):
    changes(lab)
    nothing(lab)
