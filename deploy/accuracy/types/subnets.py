"""Subnets: attributes changed in place, and what only a new subnet can have otherwise."""

from ..ec2 import default_tag_case, lasting, network, read_tags, specification, subnet, tag_cases
from ..lab import turn

TYPES = ("aws_subnet",)
KIND = TYPES[0]
SWITCHES = {
    "map_public_ip_on_launch": ("MapPublicIpOnLaunch", ("MapPublicIpOnLaunch",)),
    "assign_ipv6_address_on_creation": ("AssignIpv6AddressOnCreation", ("AssignIpv6AddressOnCreation",)),
    "enable_resource_name_dns_a_record_on_launch": (
        "EnableResourceNameDnsARecordOnLaunch",
        ("PrivateDnsNameOptionsOnLaunch", "EnableResourceNameDnsARecord"),
    ),
}


def build(lab, _wanted):
    switches(lab)
    rebuilt(lab)
    six_cases(lab)
    tag_cases(lab, KIND, simple)
    default_tag_case(lab, KIND, simple)
    others(lab)
    for _ in range(3):
        site = lab.site(KIND)
        made = simple(site)
        site.gone(made, lambda ec2=site.client("ec2"), made=made: ec2.delete_subnet(SubnetId=made))


def block(number):
    """An address block of the network, one for each number."""
    return f"10.40.{number // 16 % 100}.{number % 16 * 16}/28"


def create(site, **parameters):
    """A function that makes a subnet of the account's network as the parameters say; of None nothing is said."""
    ec2, tags = site.client("ec2"), specification("subnet", site.tags()[1])
    whole = {"VpcId": network(site), "CidrBlock": block(site.number), "AvailabilityZone": f"{site.region}a"} | parameters
    given = {name: value for name, value in whole.items() if value is not None}
    return lambda: ec2.create_subnet(**given, TagSpecifications=tags)["Subnet"]["SubnetId"]


def drop(site):
    ec2 = site.client("ec2")
    return lambda made: ec2.delete_subnet(SubnetId=made)


def declare(site, made, type_=None, **written):
    found = site.client("ec2").describe_subnets(SubnetIds=[made])["Subnets"][0]
    own, both = site.tags() if type_ is None else ({}, {})
    names = found.get("PrivateDnsNameOptionsOnLaunch", {})
    six = next(iter(found.get("Ipv6CidrBlockAssociationSet", [])), None)
    attributes = {
        "arn": found["SubnetArn"],
        "assign_ipv6_address_on_creation": found["AssignIpv6AddressOnCreation"],
        "availability_zone": found["AvailabilityZone"],
        "availability_zone_id": found["AvailabilityZoneId"],
        "cidr_block": found.get("CidrBlock", ""),
        "customer_owned_ipv4_pool": "",
        "enable_dns64": found.get("EnableDns64", False),
        "enable_lni_at_device_index": found.get("EnableLniAtDeviceIndex", 0),
        "enable_resource_name_dns_a_record_on_launch": names.get("EnableResourceNameDnsARecord", False),
        "enable_resource_name_dns_aaaa_record_on_launch": names.get("EnableResourceNameDnsAAAARecord", False),
        "id": made,
        "ipv6_cidr_block": six["Ipv6CidrBlock"] if six else "",
        "ipv6_cidr_block_association_id": six["AssociationId"] if six else "",
        "ipv6_native": found.get("Ipv6Native", False),
        "map_customer_owned_ip_on_launch": found.get("MapCustomerOwnedIpOnLaunch", False),
        "map_public_ip_on_launch": found["MapPublicIpOnLaunch"],
        "outpost_arn": "",
        "owner_id": found["OwnerId"],
        "private_dns_hostname_type_on_launch": names.get("HostnameType", "ip-name"),
        "timeouts": None,
        "vpc_id": found["VpcId"],
        **read_tags(site, own, both),
    }
    site.declare(attributes | written, type_, managed=made)
    return made


def simple(site, **parameters):
    return declare(site, create(site, **parameters)())


def switch(site, made, path, value):
    site.client("ec2").modify_subnet_attribute(SubnetId=made, **{SWITCHES[path][0]: {"Value": value}})


def switches(lab):
    for path in SWITCHES:
        for before in (False, True):
            site = lab.site(KIND)
            made = create(site)()
            switch(site, made, path, before)
            declare(site, made)
            run = lambda site=site, made=made, path=path, after=not before: switch(site, made, path, after)
            site.change(made, path, turn(before, not before), run)
        site = lab.site(KIND)
        made = simple(site)
        twice = lambda site=site, made=made, path=path: [switch(site, made, path, value) for value in (True, False)]
        site.silent(made, path, "switched and switched back", twice)


def rebuilt(lab):
    """What only a new subnet can have otherwise."""
    def case(path, what, other, covers=None, prepare=None, reported=(), **written):
        site = lab.site(KIND)
        made, replace = lasting(site.client("ec2"), create(site), drop(site))
        if prepare:
            prepare(site, made)
        declare(site, made, **written)
        otherwise = create(site, **other(site))
        site.change(made, path, what, lambda: replace(otherwise), covers=covers, reported=reported)

    case("cidr_block", "another block", lambda site: {"CidrBlock": block(site.number + 700)})
    zones = ("availability_zone", "availability_zone_id")
    other_zone = lambda site: {"AvailabilityZone": f"{site.region}b"}
    case("availability_zone", "a to b", other_zone, covers=zones, reported=zones)
    case("availability_zone_id", "only the zone's id is written", other_zone, availability_zone=None)
    case("vpc_id", "another network", lambda site: {"VpcId": network(site, "second")})
    six = {"CidrBlock": None, "Ipv6CidrBlock": "2001:db8:40:1::/64", "Ipv6Native": True}
    # such a subnet hands out IPv6 addresses, as this one does already
    assigning = lambda site, made: switch(site, made, "assign_ipv6_address_on_creation", True)
    case("ipv6_native", "off to on", lambda site: six, reported=("cidr_block",), prepare=assigning)


def six_cases(lab):
    """Blocks of IPv6 addresses: added, taken away, another; the same written otherwise."""
    def case(what, run, block, kind="change", written=None):
        site = lab.site(KIND)
        made, ec2 = create(site, Ipv6CidrBlock=block)(), site.client("ec2")
        declare(site, made, **written or {})
        found = ec2.describe_subnets(SubnetIds=[made])["Subnets"][0]["Ipv6CidrBlockAssociationSet"]
        add = lambda other: ec2.associate_subnet_cidr_block(SubnetId=made, Ipv6CidrBlock=other)
        remove = lambda: ec2.disassociate_subnet_cidr_block(AssociationId=found[0]["AssociationId"])
        getattr(site, kind)(made, "ipv6_cidr_block", what, run and (lambda: run(add, remove)))

    case("a block added", lambda add, _: add("2001:db8:40:2::/64"), None)
    case("a block taken away", lambda _, remove: remove(), "2001:db8:40:3::/64")
    case("another block", lambda add, remove: (remove(), add("2001:db8:40:5::/64")), "2001:db8:40:4::/64")
    long = {"ipv6_cidr_block": "2001:0db8:0040:0006:0000:0000:0000:0000/64"}
    case("written in full", None, "2001:db8:40:6::/64", "silent", long)


def others(lab):
    """What lives in a subnet is not the subnet; default subnets are adopted."""
    site = lab.site(KIND)
    made, ec2 = simple(site), site.client("ec2")
    site.silent(made, "available_ip_address_count", "addresses are taken", lambda: ec2.create_network_interface(SubnetId=made))
    site = lab.site(KIND)
    routed, client = simple(site), site.client("ec2")

    def route():
        table = client.create_route_table(VpcId=network(site))["RouteTable"]["RouteTableId"]
        client.associate_route_table(RouteTableId=table, SubnetId=routed)

    site.silent(routed, "route_table", "another route table", route)
    site = lab.site(KIND)
    subnet(site)
    default = site.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"]
    declare(site, default, "aws_default_subnet", force_destroy=False, existing_default_subnet=True)
    run = lambda site=site: switch(site, default, "map_public_ip_on_launch", False)
    site.change(default, "map_public_ip_on_launch", "on to off", run, covers=(), shape="the default subnet")
