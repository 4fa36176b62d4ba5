"""EBS volumes: what they are made of, changed in place where AWS can, built otherwise under their id where it can't."""

from ..ec2 import default_tag_case, key, lasting, once, read_tags, specification, tag_cases
from ..lab import turn

TYPES = ("aws_ebs_volume",)
KIND = TYPES[0]
PARAMETERS = {
    "availability_zone": "AvailabilityZone",
    "encrypted": "Encrypted",
    "iops": "Iops",
    "kms_key_id": "KmsKeyId",
    "multi_attach_enabled": "MultiAttachEnabled",
    "size": "Size",
    "snapshot_id": "SnapshotId",
    "throughput": "Throughput",
    "type": "VolumeType",
}
IN_PLACE = {"size", "type", "iops", "throughput", "multi_attach_enabled"}
ENCRYPTED = {"encrypted": True, "kms_key_id": "first"}
GP3 = {"type": "gp3", "iops": 4000, "throughput": 250}
# attribute; the volume; what becomes of it (the first attribute is the one in question)
CHANGES = (
    ("size", {"size": 20}, {"size": 40}),
    ("size", {"size": 100, "type": "gp3"}, {"size": 150}),
    ("type", {"type": "gp2"}, {"type": "gp3", "iops": 3000, "throughput": 125}),
    ("type", {"type": "gp3"}, {"type": "io2", "iops": 6000}),
    ("type", {"type": "io1", "iops": 500}, {"type": "gp3", "iops": 3000, "throughput": 125}),
    ("type", {"type": "st1", "size": 500}, {"type": "sc1"}),
    ("iops", GP3, {"iops": 6000}),
    ("iops", {"type": "io2", "iops": 1000}, {"iops": 2000}),
    ("throughput", GP3, {"throughput": 500}),
    ("multi_attach_enabled", {"type": "io2", "iops": 1000}, {"multi_attach_enabled": True}),
    ("encrypted", ENCRYPTED, {"encrypted": False, "kms_key_id": None}),
    ("encrypted", {"encrypted": False}, {"encrypted": True, "kms_key_id": "first"}),
    ("kms_key_id", ENCRYPTED, {"kms_key_id": "second"}),
    ("availability_zone", {}, {"availability_zone": "b"}),
    ("snapshot_id", {}, {"snapshot_id": "first"}),
    ("snapshot_id", {"snapshot_id": "first"}, {"snapshot_id": "second"}),
)
REPORTED = {"size": ("type",), "iops": ("type",), "throughput": ("type",)}


def build(lab, _wanted):
    for path, spec, other in CHANGES:
        site = lab.site(KIND)
        volume, run = change(site, spec, other)
        declare(site, volume)
        what = turn(spec.get(path), other[path])
        site.change(volume, path, what, run, reported=REPORTED.get(path, ()))
    tag_cases(lab, KIND, simple)
    default_tag_case(lab, KIND, simple)
    quiet(lab)
    for spec in ({}, GP3, ENCRYPTED):
        site = lab.site(KIND)
        volume = maker(site, spec)()
        declare(site, volume)
        site.gone(volume, lambda ec2=site.client("ec2"), volume=volume: ec2.delete_volume(VolumeId=volume))


def parameters(site, spec):
    """`spec`, whose keys and snapshots have names of ours and whose zone is a letter, as CreateVolume wants it."""
    spec = {"availability_zone": "a", "size": 10} | spec
    found = {PARAMETERS[name]: value for name, value in spec.items() if value is not None}
    found["AvailabilityZone"] = site.region + found["AvailabilityZone"]
    if "KmsKeyId" in found:
        found["KmsKeyId"] = key(site, found["KmsKeyId"])
    if "SnapshotId" in found:
        found["SnapshotId"] = snapshot(site, found["SnapshotId"])
    return found


def snapshot(site, name):
    def make():
        ec2 = site.client("ec2")
        volume = ec2.create_volume(AvailabilityZone=f"{site.region}a", Size=5)["VolumeId"]
        return ec2.create_snapshot(VolumeId=volume)["SnapshotId"]

    return once(site, "snapshot", name, make)


def maker(site, spec):
    ec2, whole = site.client("ec2"), parameters(site, spec)
    tags = specification("volume", site.tags()[1])
    return lambda: ec2.create_volume(**whole, TagSpecifications=tags)["VolumeId"]


def change(site, spec, other):
    """A volume and the function that makes another of it: in place, or where AWS can't, built otherwise under its id."""
    ec2, make = site.client("ec2"), maker(site, spec)
    if set(other) <= IN_PLACE:
        volume, given = make(), {PARAMETERS[name]: value for name, value in other.items()}
        return volume, lambda: ec2.modify_volume(VolumeId=volume, **given)
    volume, replace = lasting(ec2, make, lambda volume: ec2.delete_volume(VolumeId=volume))
    otherwise = maker(site, spec | other)
    return volume, lambda: replace(otherwise)


def declare(site, volume, **written):
    """What the provider reads, and where `written` says otherwise what only the configuration has."""
    found = site.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"][0]
    own, both = site.tags()
    attributes = {
        "arn": f"arn:aws:ec2:{site.region}:{site.account}:volume/{volume}",
        "availability_zone": found["AvailabilityZone"],
        "create_time": found["CreateTime"].isoformat(),
        "encrypted": found["Encrypted"],
        "final_snapshot": False,
        "id": volume,
        "iops": found.get("Iops", 0),
        "kms_key_id": found.get("KmsKeyId", ""),
        "multi_attach_enabled": found.get("MultiAttachEnabled", False),
        "outpost_arn": "",
        "size": found["Size"],
        "snapshot_id": found.get("SnapshotId", ""),
        "throughput": found.get("Throughput", 0),
        "timeouts": None,
        "type": found["VolumeType"],
        **read_tags(site, own, both),
    }
    site.declare(attributes | written, managed=volume)
    return volume


def simple(site):
    return declare(site, maker(site, {"type": "gp3"})())


def quiet(lab):
    """What changes of a volume and means nothing."""
    site = lab.site(KIND)
    volume = maker(site, GP3)()
    declare(site, volume, iops=None, throughput=None)
    site.silent(volume, "iops", "nobody wrote down what a gp3 volume has")
    site = lab.site(KIND)
    volume = maker(site, {"type": "gp2", "size": 100})()
    declare(site, volume, iops=300)
    site.silent(volume, "iops", "of a gp2 volume it follows from the size")
    site = lab.site(KIND)
    volume = maker(site, ENCRYPTED)()
    alias = f"alias/volumes-{site.number}"
    site.client("kms").create_alias(AliasName=alias, TargetKeyId=key(site))
    declare(site, volume, kms_key_id=f"arn:aws:kms:{site.region}:{site.account}:{alias}")
    site.silent(volume, "kms_key_id", "the key is written by its alias")
    site = lab.site(KIND)
    volume = maker(site, ENCRYPTED)()
    declare(site, volume, kms_key_id=key(site).rsplit("/")[-1])
    site.silent(volume, "kms_key_id", "the key is written by its id")
    site = lab.site(KIND)
    volume = maker(site, {"encrypted": True, "type": "gp3"})()
    declare(site, volume, encrypted=None, kms_key_id=None)
    site.silent(volume, "encrypted", "encrypted by the account's default, written by nobody")
    site = lab.site(KIND)
    volume = simple(site)
    ec2 = site.client("ec2")
    site.silent(volume, "snapshots", "a snapshot is made of it", lambda: ec2.create_snapshot(VolumeId=volume))
    site = lab.site(KIND)
    grown = simple(site)
    other = site.client("ec2")
    there_and_back = lambda: [other.modify_volume(VolumeId=grown, Iops=value) for value in (4000, 3000)]
    site.silent(grown, "iops", "changed and changed back", there_and_back)
