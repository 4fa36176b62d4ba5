"""aws_iam_user: groups, policies, sign-in and SSH keys, all declared by resources of their own."""

import base64

from ..lab import pairs, turn
from . import _iam
from ._iam import ADMINISTRATOR, AUDITOR, BUCKETS, VIEWER, text

TYPES = ("aws_iam_user",)
SHAPES = ("split", "exclusive", "from the other side")


def ssh_key(number):
    """A public key that looks like one."""
    part = lambda data: len(data).to_bytes(4, "big") + data
    blob = part(b"ssh-rsa") + part(b"\x01\x00\x01") + part(number.to_bytes(4, "big") * 64)
    return f"ssh-rsa {base64.b64encode(blob).decode()} user@example.com"


class User:
    """A user on moto and its state. `groups`, `inline` and `managed` are declared in the given shape."""

    def __init__(self, lab, shape="split", groups=(), inline=(), managed=(), login=False, key=False, declared=None, tags=None, **options):
        self.lab, self.site = lab, lab.site("aws_iam_user")
        self.iam, self.shape, self.name = self.site.client("iam"), shape, self.site.name("user")
        own, self.tags = self.site.tags() if tags is None else ({}, {})
        made = self.iam.create_user(UserName=self.name, Tags=pairs(self.tags), **options)["User"]
        attributes = {
            "arn": made["Arn"],
            "id": self.name,
            "name": self.name,
            "path": made["Path"],
            "unique_id": made["UserId"],
            "force_destroy": False,
            "permissions_boundary": "",
            "tags": own,
            "tags_all": self.tags,
        }
        self.site.declare(attributes | (declared or {}), managed=self.name)
        if groups:
            self.join(groups)
        self.documents = {name: _iam.document(self.site.account) for name in inline}
        self.has_inline()
        self.has_managed(managed)
        if login:
            self.iam.create_login_profile(UserName=self.name, Password="Passw0rd!Passw0rd!", PasswordResetRequired=True)
            self.part("aws_iam_user_login_profile", user=self.name, password_length=20, password_reset_required=True)
        if key:
            self.has_key()

    def part(self, kind, **attributes):
        self.site.declare({"id": f"{self.name}-{kind}"} | attributes, kind, name=str(len(attributes)))

    def group(self, name):
        """A group of the account, made once."""
        try:
            self.iam.create_group(GroupName=name)
        except self.iam.exceptions.EntityAlreadyExistsException:
            pass
        return name

    def join(self, groups):
        for name in groups:
            self.iam.add_user_to_group(GroupName=self.group(name), UserName=self.name)
            if self.shape == SHAPES[2]:
                self.site.declare({"id": name, "name": name, "group": name, "users": [self.name]}, "aws_iam_group_membership", name=name)
        if self.shape != SHAPES[2]:
            self.part("aws_iam_user_group_membership", user=self.name, groups=list(groups))

    def has_inline(self):
        for name, document in self.documents.items():
            self.put(name, document)
            attributes = {"id": f"{self.name}:{name}", "name": name, "user": self.name, "policy": text(document)}
            self.site.declare(attributes, "aws_iam_user_policy", name=name)
        if self.shape == "exclusive":
            self.site.declare({"user_name": self.name, "policy_names": list(self.documents)}, "aws_iam_user_policies_exclusive")

    def has_managed(self, arns):
        for number, arn in enumerate(arns):
            self.iam.attach_user_policy(UserName=self.name, PolicyArn=arn)
            if self.shape == SHAPES[2]:
                attributes = {
                    "id": f"{self.name}-{number}",
                    "name": "some",
                    "policy_arn": arn,
                    "users": [self.name],
                    "roles": [],
                    "groups": [],
                }
                self.site.declare(attributes, "aws_iam_policy_attachment", name=f"some{number}")
            else:
                attributes = {"id": f"{self.name}-{number}", "user": self.name, "policy_arn": arn}
                self.site.declare(attributes, "aws_iam_user_policy_attachment", index=f"policy{number}")
        if self.shape == "exclusive":
            self.site.declare({"user_name": self.name, "policy_arns": list(arns)}, "aws_iam_user_policy_attachments_exclusive")

    def has_key(self):
        public = ssh_key(self.site.number)
        self.key = self.iam.upload_ssh_public_key(UserName=self.name, SSHPublicKeyBody=public)["SSHPublicKey"]["SSHPublicKeyId"]
        self.part(
            "aws_iam_user_ssh_key", username=self.name, encoding="SSH", public_key=public, ssh_public_key_id=self.key, status="Active"
        )

    def put(self, name, document):
        self.iam.put_user_policy(UserName=self.name, PolicyName=name, PolicyDocument=text(document))

    def change(self, path, what, run, **more):
        self.site.change(self.name, path, what, run, shape=self.shape, **more)

    def silent(self, path, what, run=None):
        self.site.silent(self.name, path, what, run, shape=self.shape)


def plain(lab):
    user = User(lab, tags={})  # moto loses the tags with the path
    user.change("path", "/ to /team/", lambda u=user: u.iam.update_user(UserName=u.name, NewPath="/team/"))
    for name, value in (("Owner", "somebody"), ("Environment", None), ("Extra", "new")):
        user = User(lab)
        if value is None:
            run = lambda u=user, n=name: u.iam.untag_user(UserName=u.name, TagKeys=[n])
        else:
            run = lambda u=user, n=name, v=value: u.iam.tag_user(UserName=u.name, Tags=[{"Key": n, "Value": v}])
        user.change(f"tags.{name}", turn(user.tags.get(name), value), run)
    user = User(lab)
    user.site.gone(user.name, lambda u=user: u.iam.update_user(UserName=u.name, NewUserName=f"{u.name}-renamed"), covers=("name",))
    for _ in range(3):
        user = User(lab)
        user.site.gone(user.name, lambda u=user: u.iam.delete_user(UserName=u.name))


def signing_in(lab):
    user = User(lab, login=True)
    user.change("login_profile", "password gone", lambda u=user: u.iam.delete_login_profile(UserName=u.name), covers=())
    user = User(lab, key=True)
    user.change(
        "ssh_key.status",
        "Active to Inactive",
        lambda u=user: u.iam.update_ssh_public_key(UserName=u.name, SSHPublicKeyId=u.key, Status="Inactive"),
    )
    user = User(lab, key=True)

    def another(user=user):
        user.iam.upload_ssh_public_key(UserName=user.name, SSHPublicKeyBody=ssh_key(user.site.number + 5000))
        user.iam.delete_ssh_public_key(UserName=user.name, SSHPublicKeyId=user.key)

    user.change("ssh_key.public_key", "another key in its place", another)
    user = User(lab, key=True)
    user.change(
        "ssh_key",
        "one more",
        lambda u=user: u.iam.upload_ssh_public_key(UserName=u.name, SSHPublicKeyBody=ssh_key(u.site.number + 6000)),
        covers=(),
    )


def rights(lab):
    for shape in SHAPES:
        for given, what in ((("readers",), "one more"), ((), "one more")):
            user = User(lab, shape, groups=given)
            user.group("writers")
            user.change("group_membership.groups", what, lambda u=user: u.iam.add_user_to_group(GroupName="writers", UserName=u.name))
        user = User(lab, shape, groups=("readers", "writers"))
        user.change(
            "group_membership.groups", "one less", lambda u=user: u.iam.remove_user_from_group(GroupName="writers", UserName=u.name)
        )
        for given in ((), (AUDITOR,)):
            for what, arn in (("one more", BUCKETS), ("one more, administrator", ADMINISTRATOR)):
                user = User(lab, shape, managed=given)
                user.change(
                    "policy_attachment", what, lambda u=user, a=arn: u.iam.attach_user_policy(UserName=u.name, PolicyArn=a), covers=()
                )
        user = User(lab, shape, managed=(VIEWER, AUDITOR))

        def swap(user=user):
            user.iam.detach_user_policy(UserName=user.name, PolicyArn=AUDITOR)
            user.iam.attach_user_policy(UserName=user.name, PolicyArn=BUCKETS)

        user.change("policy_attachment.policy_arn", "another in its place", swap)
    for shape in SHAPES[:2]:
        for what, edit in _iam.CHANGES.items():
            user = User(lab, shape, inline=("app", "log"))
            user.change("inline_policy.policy", what, lambda u=user, e=edit: u.put("app", e(u.documents["app"])))
        user = User(lab, shape, inline=("app",))

        def rename(user=user):
            user.iam.delete_user_policy(UserName=user.name, PolicyName="app")
            user.put("other", user.documents["app"])

        user.change("inline_policy.name", "app to other", rename)
        for what, document in (("one more", _iam.document()), ("one more, administrator", _iam.ADMIN)):
            user = User(lab, shape)
            user.change("inline_policy", what, lambda u=user, d=document: u.put("extra", d), covers=())


def nothing(lab):
    """What means nothing."""
    for what, edit in _iam.WORDS.items():
        user = User(lab, inline=("app",))
        user.silent("inline_policy", what, lambda u=user, e=edit: u.put("app", e(u.documents["app"])))
    User(lab, declared={"path": None, "permissions_boundary": None}).silent("path", "the default not spelled out")
    user = User(lab, login=True)
    run = lambda u=user: u.iam.update_login_profile(UserName=u.name, Password="0ther!Passw0rd!Passw0rd", PasswordResetRequired=False)
    user.silent("login_profile.password_reset_required", "the user has signed in and set a password", run)
    user = User(lab, groups=("readers", "writers"))
    user.silent(
        "group_membership",
        "left and joined again, in another order",
        lambda u=user: [
            u.iam.remove_user_from_group(GroupName="readers", UserName=u.name),
            u.iam.add_user_to_group(GroupName="readers", UserName=u.name),
        ],
    )
    user = User(lab)
    user.silent("", "rotates an access key", lambda u=user: u.iam.create_access_key(UserName=u.name))


def build(lab, _wanted):
    plain(lab)
    signing_in(lab)
    rights(lab)
    nothing(lab)
