"""aws_iam_account_password_policy: one for each account, so that no two cases share one."""

from ..lab import turn

TYPES = ("aws_iam_account_password_policy",)
ID = "iam-account-password-policy"
# attribute: the API's word, the agreed value, values that it is changed to
WORDS = {
    "allow_users_to_change_password": ("AllowUsersToChangePassword", True, (False,)),
    "hard_expiry": ("HardExpiry", False, (True,)),
    "max_password_age": ("MaxPasswordAge", 90, (0, 60)),
    "minimum_password_length": ("MinimumPasswordLength", 14, (8,)),
    "password_reuse_prevention": ("PasswordReusePrevention", 24, (5,)),
    "require_lowercase_characters": ("RequireLowercaseCharacters", True, (False,)),
    "require_numbers": ("RequireNumbers", True, (False,)),
    "require_symbols": ("RequireSymbols", True, (False,)),
    "require_uppercase_characters": ("RequireUppercaseCharacters", True, (False,)),
}


class Policy:
    """The policy of an account on moto and its state; `agreed` replaces values, `declared` those of the state alone."""

    def __init__(self, lab, agreed=None, declared=None):
        self.site = lab.site(TYPES[0], account=lab.free_account(TYPES[0]))
        self.iam = self.site.client("iam")
        self.values = {name: value for name, (_, value, _) in WORDS.items()} | (agreed or {})
        self.update()
        attributes = self.values | {"id": ID, "expire_passwords": bool(self.values["max_password_age"])}
        self.site.declare(attributes | (declared or {}), managed=ID)

    def update(self, **changes):
        """Sets the whole policy, as the API does; 0 is left out."""
        values = {WORDS[name][0]: value for name, value in (self.values | changes).items()}
        least = {"MaxPasswordAge", "PasswordReusePrevention"}
        self.iam.update_account_password_policy(**{word: value for word, value in values.items() if value or word not in least})

    def change(self, path, what, run):
        self.site.change(ID, path, what, run)


def build(lab, _wanted):
    for name, (_, value, others) in WORDS.items():
        for other in others:
            policy = Policy(lab)
            policy.change(name, turn(value, other), lambda p=policy, n=name, o=other: p.update(**{n: o}))
        if name == "require_symbols":
            policy = Policy(lab, agreed={name: False})
            policy.change(name, "off to on", lambda p=policy, n=name: p.update(**{n: True}))
    for name, before, after in (("minimum_password_length", 8, 14),):
        policy = Policy(lab, agreed={name: before})
        policy.change(name, turn(before, after), lambda p=policy, n=name, a=after: p.update(**{n: a}))
    for _ in range(1):
        policy = Policy(lab)
        policy.site.gone(ID, lambda p=policy: p.iam.delete_account_password_policy())
    Policy(lab, agreed={"max_password_age": 0}, declared={"max_password_age": None}).site.silent(ID, "max_password_age", "null for never")
    Policy(lab, agreed={"password_reuse_prevention": 0}, declared={"password_reuse_prevention": 0}).site.silent(
        ID, "password_reuse_prevention", "0 for none"
    )
    Policy(lab, declared={"hard_expiry": None}).site.silent(ID, "hard_expiry", "null for off")
    policy = Policy(lab)
    policy.site.silent(ID, "", "the same policy set again", lambda p=policy: p.update())
