"""Security groups: every field of a rule in both directions and all shapes, what opens them to the internet, what means the same."""

from ..ec2 import default_tag_case, lasting, network, read_tags, specification, tag_cases
from ..ec2 import group as peer
from . import _group_silence
from ._rules import SHAPES, declare, inline, permission, rule

TYPES = ("aws_security_group",)
KIND = TYPES[0]
WEB = rule(ports=443, cidr_blocks=["0.0.0.0/0"], description="web")
APP = rule(ports=8443, cidr_blocks=["10.0.0.0/16", "10.1.0.0/16"], description="app")
OUT = rule("-1", cidr_blocks=["0.0.0.0/0"])
WORLD, WORLD6, OFFICE = ["0.0.0.0/0"], ["::/0"], ["198.51.100.0/24"]
# field; what it was; what it becomes. `groups` are other groups of the account
FIELDS = (
    ("cidr_blocks", APP, APP | {"cidr_blocks": ["10.0.0.0/16", "10.2.0.0/16"]}),
    ("ipv6_cidr_blocks", rule(ports=8443, ipv6_cidr_blocks=["fd00:1::/48"]), rule(ports=8443, ipv6_cidr_blocks=["fd00:2::/48"])),
    ("prefix_list_ids", rule(ports=443, prefix_list_ids=["pl-11111111"]), rule(ports=443, prefix_list_ids=["pl-22222222"])),
    ("security_groups", rule(ports=5432, security_groups=["first"]), rule(ports=5432, security_groups=["second"])),
    ("self", rule(ports=7000, self=True, security_groups=["first"]), rule(ports=7000, security_groups=["first", "second"])),
    ("protocol", rule("tcp", 8125, cidr_blocks=OFFICE), rule("udp", 8125, cidr_blocks=OFFICE)),
    ("from_port", rule(ports=(8010, 8020), cidr_blocks=OFFICE), rule(ports=(8000, 8020), cidr_blocks=OFFICE)),
    ("to_port", rule(ports=(8010, 8020), cidr_blocks=OFFICE), rule(ports=(8010, 8030), cidr_blocks=OFFICE)),
    ("description", APP, APP | {"description": "application"}),
)
ADDED = (
    ("SSH to the world", rule(ports=22, cidr_blocks=WORLD)),
    ("SSH to the world by IPv6", rule(ports=22, ipv6_cidr_blocks=WORLD6)),
    ("RDP to the world", rule(ports=3389, cidr_blocks=WORLD)),
    ("PostgreSQL to the world", rule(ports=5432, cidr_blocks=WORLD)),
    ("MySQL to the world", rule(ports=3306, cidr_blocks=WORLD)),
    ("SQL Server to the world", rule(ports=1433, ipv6_cidr_blocks=WORLD6)),
    ("Oracle to the world", rule(ports=1521, cidr_blocks=WORLD)),
    ("MongoDB to the world", rule(ports=27017, cidr_blocks=WORLD)),
    ("Redis to the world", rule(ports=6379, cidr_blocks=WORLD)),
    ("a range with SSH in it to the world", rule(ports=(20, 30), cidr_blocks=WORLD)),
    ("everything to the world", rule("-1", cidr_blocks=WORLD)),
    ("all TCP to the world", rule(ports=(0, 65535), cidr_blocks=WORLD)),
    ("SSH to half of the world", rule(ports=22, cidr_blocks=["0.0.0.0/1", "128.0.0.0/1"])),
    ("plain web to the world", rule(ports=80, cidr_blocks=WORLD)),
    ("another port to the world", rule(ports=9443, cidr_blocks=WORLD)),
    ("SSH to an office", rule(ports=22, cidr_blocks=OFFICE)),
    ("everything to another group", rule("-1", security_groups=["first"])),
    ("ping to the world", rule("icmp", (8, 0), cidr_blocks=WORLD)),
)


def build(lab, _wanted):
    for direction in ("ingress", "egress"):
        for field, before, after in FIELDS:
            for shape in SHAPES:
                changed(lab, direction, f"{direction}.{field}", "another value", before, after, shape)
    turn = 0
    for what, added in ADDED:
        changed(lab, "ingress", "ingress", f"added: {what}", None, added, SHAPES[turn % 3])
        turn += 1
    for direction in ("ingress", "egress"):
        for shape in SHAPES:
            changed(lab, direction, direction, "a rule taken away", APP, None, shape)
    for shape in SHAPES:
        ssh = rule(ports=22, cidr_blocks=WORLD)
        changed(lab, "ingress", "ingress", "SSH to the world closed", ssh, None, shape)
        changed(lab, "ingress", "ingress", "SSH from the world to an office", ssh, ssh | {"cidr_blocks": OFFICE}, shape)
        changed(lab, "egress", "egress", "everything may go out", None, OUT, shape, egress=[APP])
    changed(lab, "ingress", "ingress", "the first rule of all", None, rule(ports=22, cidr_blocks=OFFICE), "inline", ingress=[], egress=[])
    changed(lab, "ingress", "ingress", "the first rule of all, to the world", None, rule(ports=22, cidr_blocks=WORLD), "inline", ingress=[], egress=[])
    rebuilt(lab)
    tag_cases(lab, KIND, simple)
    default_tag_case(lab, KIND, simple)
    _group_silence.build(lab)
    default_group(lab)
    for shape in SHAPES:
        site = lab.site(KIND)
        group = simple(site, shape)
        site.gone(group, lambda ec2=site.client("ec2"), group=group: ec2.delete_security_group(GroupId=group), shape=shape)


def named(site, of):
    """A rule whose groups are names of ours, with ids."""
    return of and of | ({"security_groups": [peer(site, name) for name in of["security_groups"]]} if "security_groups" in of else {})


def maker(site, **parameters):
    """A function that makes a group of the account's network, without the rule that AWS gives it, as Terraform does."""
    ec2 = site.client("ec2")
    whole = {"GroupName": site.name("group"), "Description": "for the app", "VpcId": network(site)} | parameters
    tags = specification("security-group", site.tags()[1])

    def make():
        group = ec2.create_security_group(**whole, TagSpecifications=tags)["GroupId"]
        given = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=given)
        return group

    return make


def allow(site, group, direction, rules):
    if rules:
        call = getattr(site.client("ec2"), f"authorize_security_group_{direction}")
        call(GroupId=group, IpPermissions=[permission(group, of) for of in rules])


def revoke(site, group, direction, rules):
    if rules:
        call = getattr(site.client("ec2"), f"revoke_security_group_{direction}")
        call(GroupId=group, IpPermissions=[permission(group, of) for of in rules])


def state(site, group, inbound, outbound, shape="inline", copied=True, type_=None, **written):
    """The group's instance and its rules'. Of split rules a refresh has left a copy in the group (`copied`), or not yet."""
    found = site.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    own, both = site.tags() if type_ is None else ({}, {})
    inside = shape == "inline" or copied
    attributes = {
        "arn": f"arn:aws:ec2:{site.region}:{site.account}:security-group/{group}",
        "description": found["Description"],
        "egress": [inline(of) for of in outbound] if inside else [],
        "id": group,
        "ingress": [inline(of) for of in inbound] if inside else [],
        "name": found["GroupName"],
        "name_prefix": "",
        "owner_id": site.account,
        "revoke_rules_on_delete": False,
        "timeouts": None,
        "vpc_id": found["VpcId"],
        **read_tags(site, own, both),
    }
    site.declare(attributes | written, type_, managed=group)
    for direction, rules in (("ingress", inbound), ("egress", outbound)):
        declare(site, group, direction, rules, shape)
    return group


def create(site, inbound, outbound):
    group = maker(site)()
    allow(site, group, "ingress", inbound)
    allow(site, group, "egress", outbound)
    return group


def simple(site, shape="inline"):
    return state(site, create(site, [WEB], [OUT]), [WEB], [OUT], shape)


def changed(lab, direction, path, what, before, after, shape, ingress=(WEB,), egress=(OUT,)):
    """A group with a rule that becomes another; none before: it is added, none after: it is taken away."""
    site = lab.site(KIND)
    before, after = named(site, before), named(site, after)
    rules = {"ingress": list(ingress), "egress": list(egress)}
    rules[direction] += [before] if before else []
    group = state(site, create(site, *rules.values()), *rules.values(), shape, copied=site.turn % 2 == 0)

    def run():
        if before and after and path.endswith(".description"):
            call = getattr(site.client("ec2"), f"update_security_group_rule_descriptions_{direction}")
            call(GroupId=group, IpPermissions=[permission(group, after)])
            return
        revoke(site, group, direction, [before] if before else [])
        allow(site, group, direction, [after] if after else [])

    covers = (path,) if "." in path else ()
    site.change(group, path, what, run, covers=covers, shape=shape, reported=(direction,))


def rebuilt(lab):
    """What only a new group can have otherwise."""
    for path, what, parameters in (
        ("name", "another name", {"GroupName": "renamed"}),
        ("description", "another description", {"Description": "for something else"}),
        ("vpc_id", "another network", {"VpcId": None}),
    ):
        site = lab.site(KIND)
        group, replace = lasting(site.client("ec2"), maker(site), lambda group, ec2=site.client("ec2"): ec2.delete_security_group(GroupId=group))
        state(site, group, [], [])
        if "VpcId" in parameters:
            parameters = {"VpcId": site.client("ec2").create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]}
        otherwise = maker(site, **parameters)
        site.change(group, path, what, lambda replace=replace, otherwise=otherwise: replace(otherwise))


def default_group(lab):
    """The default group of a network, adopted and emptied; opened again."""
    for what, added in (("a rule of its own", rule(ports=22, cidr_blocks=OFFICE)), ("SSH to the world", rule(ports=22, cidr_blocks=WORLD))):
        site = lab.site(KIND)
        ec2 = site.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
        of = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
        found = ec2.describe_security_groups(Filters=of)["SecurityGroups"][0]
        group = found["GroupId"]
        for direction, name in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
            if found[name]:
                getattr(ec2, f"revoke_security_group_{direction}")(GroupId=group, IpPermissions=found[name])
        state(site, group, [], [], type_="aws_default_security_group")
        run = lambda site=site, group=group, added=added: allow(site, group, "ingress", [added])
        site.change(group, "ingress", f"added to the default group: {what}", run, covers=(), shape="the default group")
