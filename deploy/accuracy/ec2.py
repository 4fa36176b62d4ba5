"""What the families of EC2 share: the same id for something built otherwise, tags, networks to stand in."""

import itertools
import threading
import urllib.request

from .lab import DEFAULT_TAGS, pairs
from .world import CALLS

_numbers = itertools.count(1000)
_once = threading.RLock()


def _seed(client, number):
    """moto makes its ids from a generator that can be set."""
    request = urllib.request.Request(f"{client.meta.endpoint_url}/moto-api/seed?a={number}", method="POST")
    urllib.request.urlopen(request, timeout=10).close()


def _first_after(client, number, make):
    """Makes something with the first ids after the seed; nobody else draws in between, nor goes on with these."""
    with CALLS:
        _seed(client, number)
        made = make()
        _seed(client, next(_numbers))
    return made


def lasting(client, make, drop):
    """Builds something whose id can be had again: (its id, a function that replaces it by what another `make` builds).

    AWS chooses these ids, so that what can't be changed in place could never differ under one id. Here it can: as after
    an import of the wrong resource, or a state that was edited.
    """
    number = next(_numbers)
    made = _first_after(client, number, make)

    def replace(otherwise):
        drop(made)
        if (again := _first_after(client, number, otherwise)) != made:
            raise RuntimeError(f"{again} came in the place of {made}")

    return made, replace


def once(site, kind, name, make):
    """What is made once for an account and region, whoever asks first."""
    with _once:
        known = site.lab.world.__dict__.setdefault("made_once", {})
        place = site.account, site.region, kind, name
        if place not in known:
            known[place] = make()
        return known[place]


def specification(kind, tags):
    """Tags for a call that creates something."""
    return [{"ResourceType": kind, "Tags": pairs(tags)}] if tags else []


def read_tags(site, own, both):
    """The two maps of a state; version 4 leaves null where no tag was written."""
    return {"tags": own or (None if site.provider == 4 else {}), "tags_all": both}


def tag_cases(lab, type_, build):
    """Tags of one type: changed, added, taken away, by hand; and what of that means nothing.

    `build(site)` builds and declares a resource, and gives its id.
    """

    def case(run, kind="silent", path="tags", what=""):
        site = lab.site(type_)
        resource = build(site)
        client = site.client("ec2")
        put = lambda **new: client.create_tags(Resources=[resource], Tags=pairs(new))
        take = lambda *names: client.delete_tags(Resources=[resource], Tags=[{"Key": name} for name in names])
        getattr(site, kind)(resource, path, what, lambda: run(put, take))

    case(lambda put, _: put(Owner="elsewhere"), "change", "tags.Owner", "another value")
    case(lambda put, _: put(CostCentre="4711"), "change", "tags.CostCentre", "a tag added")
    case(lambda _, take: take("Environment"), "change", "tags.Environment", "a tag taken away")
    case(lambda put, _: put(Owner="platform", Environment="prod"), what="the same tags once more")
    case(lambda put, take: (put(Passing="1"), take("Passing")), what="a tag added and taken away again")
    case(lambda put, _: put(**{"aws:backup:source-resource": "x"}), what="a tag of AWS's own")


def default_tag_case(lab, type_, build):
    """A default tag of the provider is agreed as any other."""
    site = lab.site(type_)
    while not site.turn % 2:
        site = lab.site(type_)
    resource = build(site)
    name = next(iter(DEFAULT_TAGS))
    run = lambda: site.client("ec2").delete_tags(Resources=[resource], Tags=[{"Key": name}])
    site.change(resource, f"tags.{name}", "a default tag taken away", run)


def network(site, name="first"):
    """A network that no state speaks of."""
    return once(site, "network", name, lambda: site.client("ec2").create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"])


def subnet(site, zone="a"):
    """A subnet of that network."""
    cidr, where = f"10.40.{100 + ord(zone) - ord('a')}.0/24", f"{site.region}{zone}"
    make = lambda: site.client("ec2").create_subnet(VpcId=network(site), CidrBlock=cidr, AvailabilityZone=where)["Subnet"]["SubnetId"]
    return once(site, "subnet", zone, make)


def group(site, name="first"):
    """A security group of that network."""
    make = lambda: site.client("ec2").create_security_group(GroupName=f"other-{name}", Description=name, VpcId=network(site))["GroupId"]
    return once(site, "group", name, make)


def key(site, name="first"):
    """The ARN of a KMS key."""
    return once(site, "key", name, lambda: site.client("kms").create_key(Description=name)["KeyMetadata"]["Arn"])
