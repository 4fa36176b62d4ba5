"""Disks, interfaces and addresses of an instance: changed, exchanged, attached and taken away."""

from ..ec2 import group, key, subnet
from ..lab import pairs, turn
from ._machine import DATA, ROOT, declare, disk, encrypted, found, interface, maker, simple, volumes

KIND = "aws_instance"
# field of a block device; ModifyVolume's parameters before and after, the field's own first
VOLUME = (
    ("volume_size", {"Size": 20}, {"Size": 40}),
    ("volume_type", {"VolumeType": "gp2"}, {"VolumeType": "gp3", "Iops": 3000, "Throughput": 125}),
    ("volume_type", {"VolumeType": "gp3", "Iops": 3000}, {"VolumeType": "io2", "Iops": 6000}),
    ("iops", {"Iops": 3000}, {"Iops": 6000}),
    ("throughput", {"Throughput": 125, "Iops": 3000}, {"Throughput": 500}),
)


def build(lab):
    for device, block in ((ROOT, "root_block_device"), (DATA, "ebs_block_device")):
        in_place(lab, device, block)
        exchanged(lab, device, block)
        tags(lab, device, block)
    attachments(lab)
    interfaces(lab)
    addresses(lab)


def machine(lab, device, hidden=(), **more):
    """A machine with that device besides its root, and the volume behind it."""
    site = lab.site(KIND)
    options = more.pop("options", lambda site: {})(site)
    disks = [disk(ROOT, 20)] if device != ROOT else []
    made = simple_with(site, disks + [disk(device, 20, **options)], more.pop("prepare", None), hidden, more)
    return site, site.client("ec2"), made, volumes(site, made)[device]["VolumeId"]


def simple_with(site, disks, prepare, hidden, written):
    made = maker(site, BlockDeviceMappings=disks)()
    if prepare:
        prepare(site.client("ec2"), made, volumes(site, made))
    return declare(site, made, hidden=hidden, **written)


def in_place(lab, device, block):
    for field, before, after in VOLUME:
        prepare = lambda ec2, _, disks, before=before: ec2.modify_volume(VolumeId=disks[device]["VolumeId"], **before)
        site, ec2, made, volume = machine(lab, device, prepare=prepare)
        run = lambda ec2=ec2, volume=volume, after=after: ec2.modify_volume(VolumeId=volume, **after)
        values = (next(iter(side.values())) for side in (before, after))
        site.change(made, f"{block}.{field}", turn(*values), run, reported=(block,))
    for before, after in ((True, False), (False, True)):
        site, ec2, made, _ = machine(lab, device, options=lambda site, b=before: {"DeleteOnTermination": b})
        mapping = [{"DeviceName": device, "Ebs": {"DeleteOnTermination": after}}]
        run = lambda ec2=ec2, made=made, mapping=mapping: ec2.modify_instance_attribute(InstanceId=made, BlockDeviceMappings=mapping)
        site.change(made, f"{block}.delete_on_termination", turn(before, after), run, reported=(block,))


def exchanged(lab, device, block):
    """The volume behind a device is exchanged for another one."""
    plain, locked = (lambda site: {}), encrypted
    again = lambda site: {"Encrypted": True, "KmsKeyId": key(site, "second")}
    for field, what, before, after in (
        ("encrypted", "on to off", locked, plain),
        ("encrypted", "off to on", plain, locked),
        ("kms_key_id", "another key", locked, again),
        ("snapshot_id", "from another snapshot", lambda site: {"SnapshotId": snapshot(site)}, lambda site: {"SnapshotId": snapshot(site)}),
    ):
        if f"{block}.{field}" == "root_block_device.snapshot_id":
            continue
        site, ec2, made, volume = machine(lab, device, options=before)
        options = after(site)

        def run(site=site, ec2=ec2, made=made, volume=volume, options=options):
            zone = f"{site.region}a"
            other = ec2.create_volume(AvailabilityZone=zone, Size=20, VolumeType="gp3", **options)["VolumeId"]
            ec2.detach_volume(VolumeId=volume, InstanceId=made)
            ec2.attach_volume(VolumeId=other, InstanceId=made, Device=device)
            ec2.modify_instance_attribute(InstanceId=made, BlockDeviceMappings=[{"DeviceName": device, "Ebs": {"DeleteOnTermination": True}}])

        site.change(made, f"{block}.{field}", what, run, reported=(block,))


def snapshot(site):
    ec2 = site.client("ec2")
    volume = ec2.create_volume(AvailabilityZone=f"{site.region}a", Size=20)["VolumeId"]
    return ec2.create_snapshot(VolumeId=volume)["SnapshotId"]


def tags(lab, device, block):
    """Tags of a device: written there, or for all of the machine's volumes."""
    put = lambda ec2, _, disks: ec2.create_tags(Resources=[disks[device]["VolumeId"]], Tags=pairs({"Disk": "own", "Owner": "platform"}))
    for what, change in (("another value", {"Disk": "other"}), ("a tag added", {"More": "1"})):
        site, ec2, made, volume = machine(lab, device, prepare=put)
        run = lambda ec2=ec2, volume=volume, change=change: ec2.create_tags(Resources=[volume], Tags=pairs(change))
        name = next(iter(change))
        covers = (f"{block}.tags", f"{block}.tags_all")
        site.change(made, f"{block}.tags.{name}", what, run, covers=covers, reported=(block,))
    if device == ROOT:
        site, ec2, made, volume = machine(lab, device, prepare=put, volume_tags={"Disk": "own", "Owner": "platform"})
        run = lambda: ec2.create_tags(Resources=[volume], Tags=pairs({"Disk": "other"}))
        site.change(made, "volume_tags.Disk", "another value", run, covers=("volume_tags",))


def attachments(lab):
    """A volume of its own, attached by a resource of its own."""
    def case(what, path, run):
        site = lab.site(KIND)
        ec2, made = site.client("ec2"), maker(site)()
        create = lambda: ec2.create_volume(AvailabilityZone=f"{site.region}a", Size=50, VolumeType="gp3")["VolumeId"]
        volume = create()
        ec2.attach_volume(VolumeId=volume, InstanceId=made, Device="/dev/sdh")
        # a refresh shows the volume among the machine's devices, or has not yet
        declare(site, made, hidden=() if site.turn % 2 else ("/dev/sdh",))
        attributes = {
            "device_name": "/dev/sdh", "id": f"vai-{site.number}", "instance_id": made, "volume_id": volume, "force_detach": None,
            "skip_destroy": None, "stop_instance_before_detaching": None,
        }
        site.declare(attributes, "aws_volume_attachment")
        attach = lambda volume, device: ec2.attach_volume(VolumeId=volume, InstanceId=made, Device=device)
        detach = lambda: ec2.detach_volume(VolumeId=volume, InstanceId=made)
        reported = ("ebs_attachment", "ebs_block_device")
        site.change(made, f"ebs_attachment.{path}", what, lambda: run(attach, detach, volume, create), reported=reported)

    case("on another device", "device_name", lambda attach, detach, volume, _: (detach(), attach(volume, "/dev/sdi")))
    case("another volume", "volume_id", lambda attach, detach, _, create: (detach(), attach(create(), "/dev/sdh")))
    case("detached", "volume_id", lambda _attach, detach, _volume, _create: detach())
    case("one more attached", "volume_id", lambda attach, _detach, _volume, create: attach(create(), "/dev/sdj"))
    site, ec2, made, volume = machine(lab, DATA)
    run = lambda: (ec2.detach_volume(VolumeId=volume, InstanceId=made), ec2.attach_volume(VolumeId=volume, InstanceId=made, Device="/dev/sdz"))
    site.change(made, "ebs_block_device.device_name", "on another device", run, reported=("ebs_block_device",))
    other, client, less, gone = machine(lab, DATA)
    other.change(less, "ebs_block_device", "detached", lambda: client.detach_volume(VolumeId=gone, InstanceId=less), covers=())
    bare = lab.site(KIND)
    caller, alone = bare.client("ec2"), simple(bare)

    def attach():
        extra = caller.create_volume(AvailabilityZone=f"{bare.region}a", Size=8)["VolumeId"]
        caller.attach_volume(VolumeId=extra, InstanceId=alone, Device="/dev/sdx")

    bare.change(alone, "ebs_block_device", "one attached that nobody declares", attach, covers=(), reported=("ebs_attachment",))


def interfaces(lab):
    """Interfaces made before the machine, and a second one attached by a resource of its own."""
    def nic(site):
        return site.client("ec2").create_network_interface(SubnetId=subnet(site), Groups=[group(site)])["NetworkInterface"]["NetworkInterfaceId"]

    def attached(site, made, id_, index):
        site.client("ec2").attach_network_interface(NetworkInterfaceId=id_, InstanceId=made, DeviceIndex=index)

    def detach(site, made, index):
        site.client("ec2").detach_network_interface(AttachmentId=interface(found(site, made), index)["Attachment"]["AttachmentId"])

    for field, what, run in (
        ("network_interface_id", "another interface", lambda site, made, _: (detach(site, made, 1), attached(site, made, nic(site), 1))),
        ("device_index", "at another place", lambda site, made, id_: (detach(site, made, 1), attached(site, made, id_, 2))),
        ("network_interface_id", "taken away", lambda site, made, _: detach(site, made, 1)),
    ):
        for split in (True, False):
            site = lab.site(KIND)
            made, second = maker(site)(), nic(site)
            attached(site, made, second, 1)
            entry = {"network_interface_id": second, "device_index": 1, "network_card_index": 0, "delete_on_termination": False}
            declare(site, made, network_interface=[] if split else [entry])
            if split:
                own = {"attachment_id": "eni-attach-1", "id": "eni-attach-1", "instance_id": made, "status": "attached"}
                site.declare({**entry, **own}, "aws_network_interface_attachment")
            work = lambda site=site, made=made, second=second, run=run: run(site, made, second)
            site.change(made, f"network_interface.{field}", what, work, reported=("network_interface",), shape="split" if split else "inline")
    site = lab.site(KIND)
    made = maker(site)()
    first = interface(found(site, made))["NetworkInterfaceId"]
    declare(site, made, primary_network_interface={"delete_on_termination": True, "network_interface_id": first})
    exchange = lambda: (attached(site, made, nic(site), 1), detach(site, made, 0), attached(site, made, nic(site), 0))
    site.change(made, "primary_network_interface.network_interface_id", "another interface", exchange, reported=("private_ip",))
    six_and_more(lab)


def six_and_more(lab):
    """Further addresses of the first interface."""
    def case(path, what, run, prepare=None, reported=()):
        site = lab.site(KIND)
        ec2, made = site.client("ec2"), maker(site)()
        nic = interface(found(site, made))["NetworkInterfaceId"]
        if prepare:
            prepare(ec2, nic)
        declare(site, made)
        site.change(made, path, what, lambda: run(ec2, nic), reported=reported)

    six = ["2001:db8:40:64::a"]
    give = lambda ec2, nic: ec2.assign_ipv6_addresses(NetworkInterfaceId=nic, Ipv6Addresses=six)
    take = lambda ec2, nic: ec2.unassign_ipv6_addresses(NetworkInterfaceId=nic, Ipv6Addresses=six)
    other = lambda ec2, nic: (take(ec2, nic), ec2.assign_ipv6_addresses(NetworkInterfaceId=nic, Ipv6Addresses=["2001:db8:40:64::b"]))
    groups = ("ipv6_addresses", "ipv6_address_count")
    case("ipv6_address_count", "none to 1", give, reported=groups)
    case("ipv6_address_count", "1 to none", take, give, reported=groups)
    case("ipv6_addresses", "another address", other, give, reported=groups)
    second = ["10.40.100.250"]
    more = lambda ec2, nic: ec2.assign_private_ip_addresses(NetworkInterfaceId=nic, PrivateIpAddresses=second)
    less = lambda ec2, nic: ec2.unassign_private_ip_addresses(NetworkInterfaceId=nic, PrivateIpAddresses=second)
    case("secondary_private_ips", "one more", more)
    case("secondary_private_ips", "one less", less, more)


def addresses(lab):
    """Elastic addresses: one by hand opens a machine to the internet; one that is agreed is exchanged."""
    def allocate(site):
        return site.client("ec2").allocate_address(Domain="vpc")

    hidden = lab.site(KIND)
    ec2, made = hidden.client("ec2"), simple(hidden)
    show = lambda: ec2.associate_address(InstanceId=made, AllocationId=allocate(hidden)["AllocationId"])
    hidden.change(made, "associate_public_ip_address", "off to on", show)
    other = lab.site(KIND)
    client, shown = other.client("ec2"), maker(other)()
    held = client.associate_address(InstanceId=shown, AllocationId=allocate(other)["AllocationId"])["AssociationId"]
    declare(other, shown)
    other.change(shown, "associate_public_ip_address", "on to off", lambda: client.disassociate_address(AssociationId=held))
    for path in ("allocation_id", "public_ip"):
        agreed = lab.site(KIND)
        machine_, address = maker(agreed)(), allocate(agreed)
        association = agreed.client("ec2").associate_address(InstanceId=machine_, AllocationId=address["AllocationId"])["AssociationId"]
        declare(agreed, machine_)
        attributes = {
            "allocation_id": address["AllocationId"], "allow_reassociation": None, "id": association, "instance_id": machine_,
            "network_interface_id": interface(found(agreed, machine_))["NetworkInterfaceId"], "private_ip_address": "", "public_ip": address["PublicIp"],
        }
        agreed.declare(attributes | ({"allocation_id": None} if path == "public_ip" else {}), "aws_eip_association")

        def exchange(agreed=agreed, machine_=machine_, association=association):
            caller = agreed.client("ec2")
            caller.disassociate_address(AssociationId=association)
            caller.associate_address(InstanceId=machine_, AllocationId=allocate(agreed)["AllocationId"])

        agreed.change(machine_, f"eip_association.{path}", "another address", exchange, reported=("eip_association",))
