"""VPCs: attributes, address blocks inline and as split resources, DHCP options, default ones."""

from ..ec2 import default_tag_case, lasting, read_tags, specification, tag_cases
from ..lab import turn

TYPES = ("aws_vpc",)
KIND = TYPES[0]
ATTRIBUTES = {
    "enable_dns_hostnames": ("enableDnsHostnames", "EnableDnsHostnames"),
    "enable_dns_support": ("enableDnsSupport", "EnableDnsSupport"),
    "enable_network_address_usage_metrics": ("enableNetworkAddressUsageMetrics", "EnableNetworkAddressUsageMetrics"),
}
SECOND_BLOCK = "100.64.0.0/16"


def build(lab, _wanted):
    switches(lab)
    rebuilt(lab)
    address_blocks(lab)
    dhcp_options(lab)
    tag_cases(lab, KIND, simple)
    default_tag_case(lab, KIND, simple)
    default_network(lab)
    for _ in range(2):
        site = lab.site(KIND)
        vpc = simple(site)
        site.gone(vpc, lambda ec2=site.client("ec2"), vpc=vpc: ec2.delete_vpc(VpcId=vpc))


def create(site, **parameters):
    """A function that makes a network as the parameters say."""
    ec2, tags = site.client("ec2"), specification("vpc", site.tags()[1])
    return lambda: ec2.create_vpc(**({"CidrBlock": "10.50.0.0/16"} | parameters), TagSpecifications=tags)["Vpc"]["VpcId"]


def drop(site):
    """Takes away a network and what AWS made with it."""
    ec2 = site.client("ec2")
    return lambda vpc: ec2.delete_vpc(VpcId=vpc)


def set_attribute(site, vpc, path, value):
    site.client("ec2").modify_vpc_attribute(VpcId=vpc, **{ATTRIBUTES[path][1]: {"Value": value}})


def declare(site, vpc, type_=None, **written):
    ec2 = site.client("ec2")
    found = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
    own, both = site.tags() if type_ is None else ({}, {})
    six = next(iter(found.get("Ipv6CidrBlockAssociationSet", [])), None)
    attributes = {
        "arn": f"arn:aws:ec2:{site.region}:{site.account}:vpc/{vpc}",
        "assign_generated_ipv6_cidr_block": bool(six and six.get("Ipv6Pool") == "Amazon"),
        "cidr_block": found["CidrBlock"],
        "default_network_acl_id": "acl-0123456789abcdef0",
        "default_route_table_id": "rtb-0123456789abcdef0",
        "default_security_group_id": "sg-0123456789abcdef0",
        "dhcp_options_id": found["DhcpOptionsId"],
        "id": vpc,
        "instance_tenancy": found["InstanceTenancy"],
        "ipv4_ipam_pool_id": None,
        "ipv4_netmask_length": None,
        "ipv6_association_id": six["AssociationId"] if six else "",
        "ipv6_cidr_block": six["Ipv6CidrBlock"] if six else "",
        "ipv6_cidr_block_network_border_group": six.get("NetworkBorderGroup", "") if six else "",
        "ipv6_ipam_pool_id": "",
        "ipv6_netmask_length": 0,
        "main_route_table_id": "rtb-0123456789abcdef0",
        "owner_id": site.account,
        **read_tags(site, own, both),
    }
    if site.provider == 4:
        attributes |= {"enable_classiclink": False, "enable_classiclink_dns_support": False}
    for path, (asked, answered) in ATTRIBUTES.items():
        attributes[path] = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=asked)[answered]["Value"]
    site.declare(attributes | written, type_, managed=vpc)
    return vpc


def simple(site, **parameters):
    return declare(site, create(site, **parameters)())


def switches(lab):
    """What can be switched on and off, in both directions; that a network comes without is declared or not."""
    for path in ATTRIBUTES:
        for before in (True, False):
            site = lab.site(KIND)
            vpc = create(site)()
            set_attribute(site, vpc, path, before)
            declare(site, vpc)
            run = lambda site=site, vpc=vpc, path=path, after=not before: set_attribute(site, vpc, path, after)
            site.change(vpc, path, turn(before, not before), run)
        site = lab.site(KIND)
        vpc = simple(site)
        value = site.client("ec2").describe_vpc_attribute(VpcId=vpc, Attribute=ATTRIBUTES[path][0])[ATTRIBUTES[path][1]]["Value"]
        twice = lambda site=site, vpc=vpc, path=path, value=value: [set_attribute(site, vpc, path, v) for v in (not value, value)]
        site.silent(vpc, path, "switched and switched back", twice)


def rebuilt(lab):
    """What only a new network can have otherwise."""
    for path, before, after in (
        ("cidr_block", {}, {"CidrBlock": "10.51.0.0/16"}),
        ("instance_tenancy", {}, {"InstanceTenancy": "dedicated"}),
        ("instance_tenancy", {"InstanceTenancy": "dedicated"}, {"InstanceTenancy": "default"}),
        ("assign_generated_ipv6_cidr_block", {}, {"AmazonProvidedIpv6CidrBlock": True}),
        ("assign_generated_ipv6_cidr_block", {"AmazonProvidedIpv6CidrBlock": True}, {"AmazonProvidedIpv6CidrBlock": False}),
    ):
        site = lab.site(KIND)
        vpc, replace = lasting(site.client("ec2"), create(site, **before), drop(site))
        declare(site, vpc)
        (name, value), = after.items()
        other = create(site, **before | after)
        run = lambda replace=replace, other=other: replace(other)
        site.change(vpc, path, turn(before.get(name), value), run, reported=("ipv6_cidr_block",))


def split_block(site, vpc, block):
    """A second block of addresses and the split resource that declares it."""
    made = site.client("ec2").associate_vpc_cidr_block(VpcId=vpc, CidrBlock=block)["CidrBlockAssociation"]
    attributes = {"cidr_block": block, "id": made["AssociationId"], "vpc_id": vpc}
    site.declare(attributes, "aws_vpc_ipv4_cidr_block_association", index=block)
    return made["AssociationId"]


def address_blocks(lab):
    path = "ipv4_cidr_block_association.cidr_block"
    site = lab.site(KIND)
    vpc, ec2 = simple(site), site.client("ec2")
    site.change(vpc, path, "a block added", lambda: ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=SECOND_BLOCK))
    site = lab.site(KIND)
    taken, client = simple(site), site.client("ec2")
    association = split_block(site, taken, SECOND_BLOCK)
    split_block(site, taken, "100.65.0.0/16")
    site.change(taken, path, "a block taken away", lambda: client.disassociate_vpc_cidr_block(AssociationId=association))
    site = lab.site(KIND)
    more, other = simple(site), site.client("ec2")
    split_block(site, more, SECOND_BLOCK)
    site.change(more, path, "another block added", lambda: other.associate_vpc_cidr_block(VpcId=more, CidrBlock="100.66.0.0/16"))
    six_cases(lab)


def six_cases(lab):
    """IPv6 blocks: one that nobody declares, and those of the split resource."""
    def case(what, run, split=True, covers=("ipv6_cidr_block",), **made):
        site = lab.site(KIND)
        vpc, ec2 = simple(site, **made), site.client("ec2")
        made = next(iter(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0].get("Ipv6CidrBlockAssociationSet", [])), {})
        add = lambda: ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]
        if split:
            made = add()
            attributes = {
                "assign_generated_ipv6_cidr_block": True, "id": made["AssociationId"], "ipv6_cidr_block": made["Ipv6CidrBlock"],
                "ipv6_pool": "Amazon", "vpc_id": vpc,
            }
            site.declare(attributes, "aws_vpc_ipv6_cidr_block_association")
        remove = lambda: ec2.disassociate_vpc_cidr_block(AssociationId=made["AssociationId"])
        site.change(vpc, "ipv6_cidr_block", what, lambda: run(add, remove), covers=covers)

    block, assigned = (f"ipv6_cidr_block_association.{name}" for name in ("ipv6_cidr_block", "assign_generated_ipv6_cidr_block"))
    case("a block added", lambda add, _: add(), split=False)
    case("another block", lambda add, remove: (remove(), add()), split=False, AmazonProvidedIpv6CidrBlock=True)
    case("the split block taken away", lambda _, remove: remove(), covers=(block, assigned))
    case("another split block", lambda add, remove: (remove(), add()), covers=(block,))


def dhcp_options(lab):
    """A split resource alone says which options hold; without it whatever there is holds."""
    def options(site, name):
        made = site.client("ec2").create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": [name]}])
        return made["DhcpOptions"]["DhcpOptionsId"]

    for declared in (True, False):
        site = lab.site(KIND)
        vpc, ec2 = create(site)(), site.client("ec2")
        first, second = options(site, "first.example"), options(site, "second.example")
        ec2.associate_dhcp_options(VpcId=vpc, DhcpOptionsId=first)
        declare(site, vpc)
        run = lambda ec2=ec2, vpc=vpc, second=second: ec2.associate_dhcp_options(VpcId=vpc, DhcpOptionsId=second)
        if declared:
            site.declare({"dhcp_options_id": first, "id": f"{first}-{vpc}", "vpc_id": vpc}, "aws_vpc_dhcp_options_association")
            site.change(vpc, "dhcp_options_id", "other options", run, covers=())
        else:
            site.silent(vpc, "dhcp_options_id", "other options of a network that says nothing of them", run)


def default_network(lab):
    """The default VPC, adopted; what stands in a network is not the network's."""
    site = lab.site(KIND)
    ec2 = site.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    declare(site, vpc, "aws_default_vpc", force_destroy=False, existing_default_vpc=True)
    run = lambda: ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    site.change(vpc, "enable_dns_hostnames", "on to off", run, shape="the default network", covers=())
    site = lab.site(KIND)
    other, client = simple(site), site.client("ec2")

    def used():
        client.create_subnet(VpcId=other, CidrBlock="10.50.7.0/24")
        table = client.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
        client.create_security_group(GroupName="later", Description="later", VpcId=other)
        gateway = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        client.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
        client.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)

    site.silent(other, "main_route_table_id", "subnets, routes, groups and a gateway come into it", used)
