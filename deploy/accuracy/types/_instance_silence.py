"""What happens around a machine, and how a state may tell of it otherwise, without anything being different."""

import base64

from ._machine import ROOT, SCRIPT, declare, found, interface, maker, simple, volumes

KIND = "aws_instance"


def build(lab):
    site = lab.site(KIND)
    ec2, made = site.client("ec2"), simple(site)
    site.silent(made, "instance_state", "stopped and started again", lambda: (ec2.stop_instances(InstanceIds=[made]), ec2.start_instances(InstanceIds=[made])))
    site = lab.site(KIND)
    client, rebooted = site.client("ec2"), simple(site)
    site.silent(rebooted, "instance_state", "rebooted", lambda: client.reboot_instances(InstanceIds=[rebooted]))
    site = lab.site(KIND)
    caller, imaged = site.client("ec2"), simple(site)
    site.silent(imaged, "ami", "an image is made of it", lambda: caller.create_image(InstanceId=imaged, Name=site.name("image")))
    written(lab)
    undeclared(lab)
    later(lab)


def written(lab):
    """The same, written otherwise."""
    def case(path, what, attributes, provider=None):
        site = lab.site(KIND, provider)
        made = maker(site)()
        declare(site, made, **attributes(site, made))
        site.silent(made, path, what)

    encoded = base64.b64encode(SCRIPT.encode()).decode()
    case("user_data", "plain text where older providers keep a hash", lambda *_: {"user_data": SCRIPT}, provider=4)
    case("user_data_base64", "the script in base64", lambda *_: {"user_data": None, "user_data_base64": encoded})
    case("vpc_security_group_ids", "an interface's groups in another order", lambda site, made: {"vpc_security_group_ids": [g["GroupId"] for g in reversed(found(site, made)["SecurityGroups"])]})
    case("credit_specification.cpu_credits", "the family's own credits", lambda *_: {"credit_specification": {"cpu_credits": "standard"}})
    case("primary_network_interface", "the interface that came with it", lambda site, made: {"primary_network_interface": {"delete_on_termination": True, "network_interface_id": interface(found(site, made))["NetworkInterfaceId"]}}, provider=6)
    case("tenancy", "none is written", lambda *_: {"tenancy": None, "monitoring": True, "source_dest_check": None})


def undeclared(lab):
    """What nobody wrote down is not agreed: a state made from a bare resource."""
    site = lab.site(KIND)
    made = maker(site)()
    nothing = ("associate_public_ip_address", "availability_zone", "capacity_reservation_specification", "cpu_options", "disable_api_stop", "disable_api_termination", "ebs_optimized")
    nothing += ("iam_instance_profile", "instance_initiated_shutdown_behavior", "key_name", "maintenance_options", "metadata_options", "monitoring", "private_dns_name_options", "private_ip")
    nothing += ("root_block_device", "ebs_block_device", "source_dest_check", "subnet_id", "tenancy", "user_data", "vpc_security_group_ids", "secondary_private_ips", "ipv6_address_count")
    ec2 = site.client("ec2")
    site_only = {name: None for name in nothing}
    declare(site, made, **site_only)
    site.silent(made, "monitoring", "of a machine that only says image and type, another setting changes", lambda: ec2.modify_instance_attribute(InstanceId=made, Attribute="monitoringState", Value="disabled"))


def later(lab):
    """An address and a disk that the configuration gives after the launch: the machine's part of the state was not refreshed since."""
    for split in (True, False):
        site = lab.site(KIND)
        ec2, made = site.client("ec2"), maker(site)()
        address = ec2.allocate_address(Domain="vpc")
        given = {"allocation_id": address["AllocationId"], "public_ip": address["PublicIp"]}
        declare(site, made)
        association = ec2.associate_address(InstanceId=made, AllocationId=address["AllocationId"])["AssociationId"]
        if split:
            site.declare({**given, "id": association, "instance_id": made}, "aws_eip_association")
        else:
            site.declare({**given, "id": address["AllocationId"], "instance": made, "domain": "vpc"}, "aws_eip")
        site.silent(made, "associate_public_ip_address", "an agreed address, given after the launch", shape="split" if split else "of the address")
    site = lab.site(KIND)
    images = site.client("ec2").describe_images(Owners=["amazon"])["Images"]
    other = next(i["ImageId"] for i in images if i.get("RootDeviceName") not in (None, ROOT) and i.get("Platform") != "windows")
    machine = maker(site, ImageId=other, BlockDeviceMappings=None)()
    root = next(iter(volumes(site, machine).values()))
    written_root = {"delete_on_termination": True, "device_name": ROOT, "encrypted": False, "volume_id": root["VolumeId"], "volume_size": root["Size"], "volume_type": root["VolumeType"]}
    declare(site, machine, root_block_device=written_root, ebs_block_device=[])
    site.silent(machine, "root_block_device", "an image that names another root than there is")
