"""Rules of a security group in four forms: EC2's, inline blocks, and both kinds of rule resources.

A rule of ours is a dict with `protocol`, `from_port`, `to_port`, `description` and peers: `cidr_blocks`, `ipv6_cidr_blocks`,
`prefix_list_ids`, `security_groups` (lists), `self`.
"""

PEERS = {
    "cidr_blocks": ("IpRanges", "CidrIp", "cidr_ipv4"),
    "ipv6_cidr_blocks": ("Ipv6Ranges", "CidrIpv6", "cidr_ipv6"),
    "prefix_list_ids": ("PrefixListIds", "PrefixListId", "prefix_list_id"),
    "security_groups": ("UserIdGroupPairs", "GroupId", "referenced_security_group_id"),
}
SHAPES = ("inline", "rules", "vpc rules")


def rule(protocol="tcp", ports=None, **more):
    """Ports as one number, a pair, or none."""
    start, end = ports if isinstance(ports, tuple) else (ports, ports)
    return {"protocol": protocol, "from_port": start, "to_port": end, "description": "", **more}


def permission(group, of):
    """The rule as EC2's calls want it."""
    found = {"IpProtocol": of["protocol"]}
    if of["from_port"] is not None:
        found |= {"FromPort": of["from_port"], "ToPort": of["to_port"]}
    words = {"Description": of["description"]} if of["description"] else {}
    for name, (member, inner, _) in PEERS.items():
        peers = list(of.get(name, [])) + ([group] if name == "security_groups" and of.get("self") else [])
        if peers:
            found[member] = [{inner: peer, **words} for peer in peers]
    return found


def inline(of, zero=None):
    """The rule as a block of the group; a port that isn't there is 0, as the provider writes `-1`."""
    found = {name: of.get(name, [] if zero is None else zero) for name in PEERS}
    ports = {name: of[name] if of[name] is not None else 0 for name in ("from_port", "to_port")}
    return found | ports | {"protocol": of["protocol"], "description": of["description"], "self": of.get("self", False)}


def resources(of, direction, group, number):
    """The rule as `aws_security_group_rule`: groups and the group itself need one each, ranges come together."""
    empty = {name: None for name in ("cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids", "source_security_group_id")}
    ports = {name: of[name] if of[name] is not None else 0 for name in ("from_port", "to_port")}
    common = {
        **empty, **ports, "type": direction, "protocol": of["protocol"], "security_group_id": group, "self": False, "timeouts": None,
        "description": of["description"] or None, "security_group_rule_id": None,
    }
    ranges = {name: of[name] for name in ("cidr_blocks", "ipv6_cidr_blocks", "prefix_list_ids") if of.get(name)}
    each = [ranges] if ranges else []
    each += [{"source_security_group_id": other} for other in of.get("security_groups", [])]
    each += [{"self": True}] if of.get("self") else []
    return [{**common, **peers, "id": f"sgrule-{number}{place}"} for place, peers in enumerate(each)]


def vpc_resources(of, group, number, provider):
    """The rule as `aws_vpc_security_group_*_rule`: one for each peer."""
    every = of["protocol"] == "-1"
    peers = [(field, peer) for name, (_, _, field) in PEERS.items() for peer in of.get(name, [])]
    peers += [("referenced_security_group_id", group)] if of.get("self") else []
    common = {
        "description": of["description"] or None, "from_port": None if every else of["from_port"], "to_port": None if every else of["to_port"],
        "ip_protocol": of["protocol"], "security_group_id": group, "tags": None if provider < 6 else {}, "tags_all": {},
    }
    name = lambda place: f"sgr-{number:013x}{place:04x}"
    return [{**common, field: peer, "id": name(i), "security_group_rule_id": name(i)} for i, (field, peer) in enumerate(peers)]


def declare(site, group, direction, rules, shape):
    """Adds rule resources of that shape; of inline ones the group's own instance speaks."""
    for place, of in enumerate(rules):
        number = site.number * 100 + place * 2 + (direction == "egress")
        if shape == "rules":
            found, type_ = resources(of, direction, group, number), "aws_security_group_rule"
        elif shape == "vpc rules":
            found, type_ = vpc_resources(of, group, number, site.provider), f"aws_vpc_security_group_{direction}_rule"
        else:
            continue
        for attributes in found:
            site.declare(attributes, type_, index=attributes["id"], name=direction)
