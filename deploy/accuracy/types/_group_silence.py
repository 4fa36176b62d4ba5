"""What is written otherwise of a security group and means the same."""

from . import groups
from ._rules import SHAPES, inline, permission, rule

OFFICE = ["198.51.100.0/24"]
PAIR = rule(ports=(8000, 8010), cidr_blocks=["10.0.0.0/16", "10.1.0.0/16"])


def build(lab):
    again(lab)
    written(lab)
    forms(lab)


def again(lab):
    """Rules taken away and made again, in other pieces, in another order: their ids change, what they let through doesn't."""
    split = [rule(ports=(8000, 8004), cidr_blocks=["10.1.0.0/16"]), rule(ports=(8005, 8010), cidr_blocks=["10.1.0.0/16"]), PAIR | {"cidr_blocks": ["10.0.0.0/16"]}]
    for shape in SHAPES:
        site = lab.site(groups.KIND)
        group = groups.state(site, groups.create(site, [PAIR], []), [PAIR], [], shape)

        def run(site=site, group=group):
            groups.revoke(site, group, "ingress", [PAIR])
            groups.allow(site, group, "ingress", split)

        site.silent(group, "ingress", "the same ports and ranges in other pieces", run, shape=shape)
        site = lab.site(groups.KIND)
        made = groups.state(site, groups.create(site, [groups.WEB, PAIR], []), [PAIR, groups.WEB], [], shape)

        def renew(site=site, made=made):
            groups.revoke(site, made, "ingress", [groups.WEB])
            groups.allow(site, made, "ingress", [groups.WEB])

        site.silent(made, "ingress", "a rule taken away and made again", renew, shape=shape)


def written(lab):
    """The state's spelling differs from EC2's."""
    tcp, every, six = rule(ports=22, cidr_blocks=OFFICE), rule("-1", cidr_blocks=OFFICE), rule(ports=443, ipv6_cidr_blocks=["2001:db8::/32"])
    for what, live, said in (
        ("the protocol by its number", tcp | {"protocol": "6"}, tcp),
        ("the protocol in capitals", tcp, tcp | {"protocol": "TCP"}),
        ("`all` for every protocol", every, every | {"protocol": "all"}),
        ("a long IPv6 range", six, six | {"ipv6_cidr_blocks": ["2001:0DB8:0000::/32"]}),
        ("ping with its type and code", rule("icmp", (-1, -1), cidr_blocks=OFFICE), rule("icmp", (-1, -1), cidr_blocks=OFFICE)),
    ):
        for shape in ("inline", "vpc rules"):
            site = lab.site(groups.KIND)
            group = groups.state(site, groups.create(site, [live], []), [said], [], shape)
            site.silent(group, "ingress", what, shape=shape)


def forms(lab):
    """Absent against empty, itself by its id, groups of other accounts, tags of rules."""
    site = lab.site(groups.KIND)
    own = rule(ports=7000, self=True)
    group = groups.create(site, [own], [])
    by_id = inline(own | {"self": False, "security_groups": [group]})
    groups.state(site, group, [], [], ingress=[by_id])
    site.silent(group, "ingress", "the group itself by its id")
    site = lab.site(groups.KIND)
    peer = groups.named(site, rule(ports=5432, security_groups=["first"]))
    made = groups.create(site, [peer], [])
    foreign = inline(peer | {"security_groups": [f"{site.account}/{peer['security_groups'][0]}"]})
    groups.state(site, made, [], [], ingress=[foreign])
    site.silent(made, "ingress", "a group with its account in front")
    site = lab.site(groups.KIND)
    bare = groups.create(site, [groups.WEB], [])
    nothing = {name: None for name in ("ipv6_cidr_blocks", "prefix_list_ids", "security_groups", "self")}
    groups.state(site, bare, [], [], ingress=[inline(groups.WEB) | nothing], egress=None)
    site.silent(bare, "ingress", "null for what a rule doesn't have")
    site = lab.site(groups.KIND)
    tagged = groups.simple(site, "vpc rules")
    ec2 = site.client("ec2")

    def tag():
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [tagged]}])["SecurityGroupRules"]
        ec2.create_tags(Resources=[rules[0]["SecurityGroupRuleId"]], Tags=[{"Key": "Ticket", "Value": "4711"}])

    site.silent(tagged, "ingress", "a rule is tagged", tag)
    site = lab.site(groups.KIND)
    used, client = groups.simple(site), site.client("ec2")

    def point():
        another = groups.maker(site, GroupName=f"pointing-{site.number}")()
        client.authorize_security_group_ingress(GroupId=another, IpPermissions=[permission(another, rule(ports=22, security_groups=[used]))])

    site.silent(used, "ingress", "another group lets it in", point)
