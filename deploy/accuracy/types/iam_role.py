"""aws_iam_role: policies as blocks of the role, as resources of their own, and as lists that say they are whole."""

from ..edit import put
from ..lab import pairs, turn
from . import _iam
from ._iam import ADMINISTRATOR, AUDITOR, BUCKETS, STRANGER, VIEWER, text

TYPES = ("aws_iam_role",)
SHAPES = ("inline", "split", "exclusive")


class Role:
    """A role on moto and its state; `inline` are its documents by name, `managed` ARNs. `options` go to CreateRole."""

    def __init__(self, lab, shape="inline", inline=(), managed=(), declared=None, written=None, **options):
        self.site = lab.site("aws_iam_role")
        self.iam, self.shape, self.name = self.site.client("iam"), shape, self.site.name("role")
        self.trust = _iam.trust(self.site.account)
        own, self.tags = self.site.tags()
        self.boundary = f"arn:aws:iam::{self.site.account}:policy/edge"
        options = {name: self.boundary if value == "edge" else value for name, value in options.items()}
        arguments = {"RoleName": self.name, "AssumeRolePolicyDocument": text(self.trust), "Description": "orders"} | options
        made = self.iam.create_role(**{n: v for n, v in arguments.items() if v is not None}, Tags=pairs(self.tags))["Role"]
        self.documents = {name: _iam.document(self.site.account) for name in inline}
        for name, document in self.documents.items():
            self.put(name, document)
        for arn in managed:
            self.iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)
        attributes = {
            "arn": made["Arn"],
            "id": self.name,
            "name": self.name,
            "unique_id": made["RoleId"],
            "name_prefix": "",
            "path": made["Path"],
            "description": options.get("Description", "orders") or "",
            "max_session_duration": options.get("MaxSessionDuration", 3600),
            "permissions_boundary": options.get("PermissionsBoundary", ""),
            "assume_role_policy": text(written(self.trust) if written else self.trust),
            "force_detach_policies": False,
            "inline_policy": [{"name": name, "policy": text(document)} for name, document in self.documents.items()],
            "managed_policy_arns": list(managed),
            "tags": own,
            "tags_all": self.tags,
        }
        self.site.declare(attributes | (declared or {}), managed=self.name)
        if shape != "inline":
            self.split(inline, managed)

    def split(self, inline, managed):
        """The same as resources of their own."""
        for name in inline:
            attributes = {"id": f"{self.name}:{name}", "name": name, "role": self.name, "policy": text(self.documents[name])}
            self.site.declare(attributes, "aws_iam_role_policy", name=name)
        for number, arn in enumerate(managed):
            attributes = {"id": f"{self.name}-{number}", "role": self.name, "policy_arn": arn}
            self.site.declare(attributes, "aws_iam_role_policy_attachment", index=number)
        if self.shape == "exclusive":
            self.site.declare({"role_name": self.name, "policy_names": list(inline)}, "aws_iam_role_policies_exclusive")
            self.site.declare({"role_name": self.name, "policy_arns": list(managed)}, "aws_iam_role_policy_attachments_exclusive")

    def put(self, name, document):
        self.iam.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=text(document))

    def change(self, path, what, run, **more):
        self.site.change(self.name, path, what, run, shape=self.shape, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.name, path, what, run, shape=self.shape)


def plain(lab):
    for before, after in (("orders", "invoices"), ("orders", ""), (None, "orders")):
        role = Role(lab, Description=before)
        role.change("description", turn(before, after), lambda r=role, a=after: r.iam.update_role(RoleName=r.name, Description=a))
    for before, after in ((3600, 43200), (7200, 3600)):
        role = Role(lab, MaxSessionDuration=before)
        role.change(
            "max_session_duration",
            turn(before, after),
            lambda r=role, a=after: r.iam.update_role(RoleName=r.name, Description="orders", MaxSessionDuration=a),
        )
    role = Role(lab, PermissionsBoundary="edge")
    role.change("permissions_boundary", "given to none", lambda r=role: r.iam.delete_role_permissions_boundary(RoleName=r.name))
    for before, what in (("edge", "given to another"), (None, "none to given")):
        role = Role(lab, **({"PermissionsBoundary": before} if before else {}))
        run = lambda r=role: r.iam.put_role_permissions_boundary(RoleName=r.name, PermissionsBoundary=f"{r.boundary}-2")
        role.change("permissions_boundary", what, run)
    for name, value in (("Owner", "somebody"), ("Environment", None), ("Extra", "new")):
        role = Role(lab)
        if value is None:
            run = lambda r=role, n=name: r.iam.untag_role(RoleName=r.name, TagKeys=[n])
        else:
            run = lambda r=role, n=name, v=value: r.iam.tag_role(RoleName=r.name, Tags=[{"Key": n, "Value": v}])
        role.change(f"tags.{name}", turn(role.tags.get(name), value), run)
    for number in range(3):
        role = Role(lab, SHAPES[number])
        role.site.gone(role.name, lambda r=role: r.iam.delete_role(RoleName=r.name))


def trusts(lab):
    one_more = lambda d, principal: put(d, "Statement.2", {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    words = {
        "admits everybody": lambda d: one_more(d, {"AWS": "*"}),
        "admits another account": lambda d: one_more(d, {"AWS": f"arn:aws:iam::{STRANGER}:root"}),
        "admits another service": lambda d: put(d, "Statement.0.Principal.Service.2", "glue.amazonaws.com"),
        "one condition less": lambda d: put(d, "Statement.0.Condition", None),
        "one statement less": lambda d: put(d, "Statement.1", None),
    }
    for what, edit in words.items():
        role = Role(lab)
        run = lambda r=role, e=edit: r.iam.update_assume_role_policy(RoleName=r.name, PolicyDocument=text(e(r.trust)))
        role.change("assume_role_policy", what, run)


def inline(lab):
    for shape in SHAPES:
        for what, edit in _iam.CHANGES.items():
            role = Role(lab, shape, inline=["app", "log"])
            role.change(
                "inline_policy.policy", what, lambda r=role, e=edit: r.put("app", e(r.documents["app"])), reported=("inline_policy",)
            )
        role = Role(lab, shape, inline=["app"])

        def rename(role=role):
            role.iam.delete_role_policy(RoleName=role.name, PolicyName="app")
            role.put("other", role.documents["app"])

        role.change("inline_policy.name", "app to other", rename)
        role = Role(lab, shape, inline=["app"])
        role.change("inline_policy", "one less", lambda r=role: r.iam.delete_role_policy(RoleName=r.name, PolicyName="app"), covers=())
        for what, document in (("one more", _iam.document()), ("one more, administrator", _iam.ADMIN)):
            for given in ((), ("app",)):
                role = Role(lab, shape, inline=given)
                role.change("inline_policy", what, lambda r=role, d=document: r.put("extra", d), covers=())


def managed(lab):
    for shape in SHAPES:
        for what, arn in (("one more", BUCKETS), ("one more, administrator", ADMINISTRATOR)):
            for given in ((), (AUDITOR,)):
                role = Role(lab, shape, managed=given)
                role.change("managed_policy_arns", what, lambda r=role, a=arn: r.iam.attach_role_policy(RoleName=r.name, PolicyArn=a))
        for given, what in ((AUDITOR, "one less"), (ADMINISTRATOR, "no longer administrator")):
            role = Role(lab, shape, managed=[VIEWER, given])
            role.change("managed_policy_arns", what, lambda r=role, g=given: r.iam.detach_role_policy(RoleName=r.name, PolicyArn=g))
    role = Role(lab, managed=[AUDITOR])
    attributes = {"id": "everywhere", "name": "everywhere", "policy_arn": AUDITOR, "roles": [role.name], "users": [], "groups": []}
    role.site.declare(attributes, "aws_iam_policy_attachment")
    role.change("managed_policy_arns", "one less", lambda r=role: r.iam.detach_role_policy(RoleName=r.name, PolicyArn=AUDITOR))


def nothing(lab):
    """What means nothing."""
    trusted = {
        "statements in another order": lambda d: d | {"Statement": d["Statement"][::-1]},
        "services in another order": lambda d: put(d, "Statement.0.Principal.Service", d["Statement"][0]["Principal"]["Service"][::-1]),
        "one action as a list": lambda d: put(d, "Statement.0.Action", ["sts:AssumeRole"]),
        "principal in a list": lambda d: put(d, "Statement.1.Principal.AWS", [d["Statement"][1]["Principal"]["AWS"]]),
        "condition value as a list": lambda d: put(
            d, "Statement.0.Condition.StringEquals.aws:SourceAccount", [d["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"]]
        ),
    }
    for what, edit in trusted.items():
        role = Role(lab)
        role.silent(
            "assume_role_policy",
            what,
            lambda r=role, e=edit: r.iam.update_assume_role_policy(RoleName=r.name, PolicyDocument=text(e(r.trust))),
        )
    bare = lambda d: put(d, "Statement.1.Principal.AWS", d["Statement"][1]["Principal"]["AWS"].split(":")[4])
    Role(lab, written=bare).silent("assume_role_policy", "declared with the account id for its root")
    for number, (what, edit) in enumerate(_iam.WORDS.items()):
        role = Role(lab, SHAPES[number % len(SHAPES)], inline=["app"])
        role.silent("inline_policy", what, lambda r=role, e=edit: r.put("app", e(r.documents["app"])))
    Role(lab, Description=None, declared={"description": None}).silent("description", "null for absent")
    Role(lab, Description=None, declared={"description": ""}).silent("description", "empty for absent")
    Role(lab, declared={"inline_policy": [{"name": "", "policy": ""}]}).silent("inline_policy", "an empty block for none")
    Role(lab, declared={"max_session_duration": None, "path": None, "permissions_boundary": None}).silent("", "defaults not spelled out")
    role = Role(lab, managed=[VIEWER, AUDITOR], declared={"managed_policy_arns": [AUDITOR, VIEWER]})
    role.silent("managed_policy_arns", "declared in another order")
    role = Role(lab)

    def profile(role=role):
        role.iam.create_instance_profile(InstanceProfileName=role.name)
        role.iam.add_role_to_instance_profile(InstanceProfileName=role.name, RoleName=role.name)

    role.silent("", "put into an instance profile", profile)
    role = Role(lab)
    role.silent(
        "",
        "a role beside it that nobody declared",
        lambda r=role: r.iam.create_role(RoleName=f"{r.name}-x", AssumeRolePolicyDocument=text(r.trust)),
    )
    role = Role(lab)
    role.silent(
        "",
        "AWS makes a role for a service",
        lambda r=role: r.iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix=r.name),
    )


def others(lab):
    """Roles that others declare elsewhere, with one policy of ours."""
    for given in ((AUDITOR, VIEWER), (AUDITOR,)):
        site = lab.site("aws_iam_role")
        iam, name = site.client("iam"), site.name("others-role")
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=text(_iam.trust(site.account)))
        for arn in given:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        attributes = {"id": f"{name}-0", "role": name, "policy_arn": AUDITOR}
        site.declare(attributes, "aws_iam_role_policy_attachment", managed=name)
        if len(given) > 1:
            site.silent(
                name,
                "managed_policy_arns",
                "its owners attach another",
                lambda i=iam, n=name: i.attach_role_policy(RoleName=n, PolicyArn=BUCKETS),
            )
        else:
            run = lambda i=iam, n=name: i.detach_role_policy(RoleName=n, PolicyArn=AUDITOR)
            site.change(name, "managed_policy_arns", "one less", run, shape="of a role of others")


def build(lab, _wanted):
    plain(lab)
    trusts(lab)
    inline(lab)
    managed(lab)
    nothing(lab)
    others(lab)
