"""An instance: making it, what the provider reads of it, and the devices around it."""

import base64
import hashlib

from ..ec2 import group, key, lasting, once, read_tags, specification, subnet

ROOT = "/dev/sda1"  # what moto's images name the root device
DATA = "/dev/sdf"
SCRIPT = "#!/bin/sh\nset -eu\nsystemctl enable --now shop\n"
METADATA = {
    "http_endpoint": ("HttpEndpoint", "enabled"),
    "http_protocol_ipv6": ("HttpProtocolIpv6", "disabled"),
    "http_put_response_hop_limit": ("HttpPutResponseHopLimit", 1),
    "http_tokens": ("HttpTokens", "required"),
    "instance_metadata_tags": ("InstanceMetadataTags", "disabled"),
}


def image(site, name="first"):
    images = once(site, "images", "all", lambda: site.client("ec2").describe_images(Owners=["amazon"])["Images"])
    linux = sorted(found["ImageId"] for found in images if found.get("RootDeviceName") == ROOT and found.get("Platform") != "windows")
    return linux[0 if name == "first" else 1]


def profile(site, name):
    make = lambda: site.client("iam").create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    return once(site, "profiles", name, make)["Arn"]


def metadata(**other):
    return {parameter: other.get(name, value) for name, (parameter, value) in METADATA.items()}


def maker(site, **parameters):
    """A function that starts a machine as the parameters (RunInstances') say; of None nothing is said."""
    ec2 = site.client("ec2")
    whole = {
        "ImageId": image(site),
        "InstanceType": "t3.micro",
        "SubnetId": subnet(site),
        "SecurityGroupIds": [group(site)],
        "KeyName": "ops",
        "UserData": SCRIPT,
        "EbsOptimized": True,
        "InstanceInitiatedShutdownBehavior": "stop",
        "Monitoring": {"Enabled": True},
        "MetadataOptions": metadata(),
        "BlockDeviceMappings": [disk(ROOT, 20)],
        "TagSpecifications": specification("instance", site.tags()[1]),
    } | parameters
    given = {name: value for name, value in whole.items() if value is not None}

    def make():
        return ec2.run_instances(MinCount=1, MaxCount=1, **given)["Instances"][0]["InstanceId"]

    return make


def disk(device, size, kind="gp3", **more):
    return {"DeviceName": device, "Ebs": {"VolumeSize": size, "VolumeType": kind, "DeleteOnTermination": True, **more}}


def encrypted(site, name="first"):
    return {"Encrypted": True, "KmsKeyId": key(site, name)}


def standing(site, zone="a"):
    """Parameters for a machine on an interface of its own, so that its address outlives it."""
    made = site.client("ec2").create_network_interface(SubnetId=subnet(site, zone), Groups=[group(site)])["NetworkInterface"]
    return {"SubnetId": None, "NetworkInterfaces": [{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterfaceId"]}]}


def relaunched(site, before, after):
    """A machine and the function that replaces it by one launched otherwise, under its id: moto goes on listing the old one
    as terminated, as EC2 does for an hour."""
    ec2, before = site.client("ec2"), standing(site) | before
    made, replace = lasting(ec2, maker(site, **before), lambda id_: ec2.terminate_instances(InstanceIds=[id_]))
    otherwise = maker(site, **before | after)
    return made, lambda: replace(otherwise)


def found(site, machine):
    every = site.client("ec2").describe_instances(InstanceIds=[machine])["Reservations"]
    return next(i for r in every for i in r["Instances"] if i["State"]["Name"] != "terminated")


def volumes(site, machine):
    """Device -> volume, as DescribeVolumes tells them."""
    every = site.client("ec2").describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine]}])["Volumes"]
    return {volume["Attachments"][0]["Device"]: volume for volume in every}


def interface(instance, index=0):
    return next(nic for nic in instance["NetworkInterfaces"] if nic["Attachment"]["DeviceIndex"] == index)


def block(site, instance, volume, device):
    """A device as the provider keeps it."""
    mapping = next(m for m in instance["BlockDeviceMappings"] if m["DeviceName"] == device)
    tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}
    return {
        "delete_on_termination": mapping["Ebs"]["DeleteOnTermination"], "device_name": device, "encrypted": volume["Encrypted"],
        "iops": volume.get("Iops", 0), "kms_key_id": volume.get("KmsKeyId", ""), "snapshot_id": volume.get("SnapshotId", ""), "tags": tags, "tags_all": tags if site.provider > 4 else {},
        "throughput": volume.get("Throughput", 0), "volume_id": volume["VolumeId"], "volume_size": volume["Size"], "volume_type": volume["VolumeType"],
    }


def user_data(site, machine):
    """Before version 6 the provider kept a hash alone."""
    told = site.client("ec2").describe_instance_attribute(InstanceId=machine, Attribute="userData")["UserData"].get("Value", "")
    text = base64.b64decode(told)
    if not text:
        return None
    return text.decode() if site.provider == 6 else hashlib.sha1(text).hexdigest()


def declare(site, machine, type_=None, hidden=(), **written):
    """The machine's instance of the state. Devices that are `hidden` belong to other resources and are not yet in it."""
    ec2, instance, disks = site.client("ec2"), found(site, machine), volumes(site, machine)
    own, both = site.tags()
    asked = lambda name, member: ec2.describe_instance_attribute(InstanceId=machine, Attribute=name)[member].get("Value")
    nic, root = interface(instance), instance["RootDeviceName"]
    options = instance["MetadataOptions"]
    blocks = {device: block(site, instance, volume, device) for device, volume in disks.items()}
    data = [one for device, one in blocks.items() if device != root and device not in hidden]
    attributes = {
        "ami": instance["ImageId"],
        "arn": f"arn:aws:ec2:{site.region}:{site.account}:instance/{machine}",
        "associate_public_ip_address": "PublicIp" in nic.get("Association", {}),
        "availability_zone": instance["Placement"]["AvailabilityZone"],
        "capacity_reservation_specification": {"capacity_reservation_preference": "open"},
        "cpu_options": {"amd_sev_snp": "", "core_count": 1, "threads_per_core": 2},
        "credit_specification": {"cpu_credits": "standard"} if site.turn % 2 else [],
        "disable_api_stop": asked("disableApiStop", "DisableApiStop"),
        "disable_api_termination": asked("disableApiTermination", "DisableApiTermination"),
        "ebs_block_device": data,
        "ebs_optimized": instance["EbsOptimized"],
        "enclave_options": {"enabled": False},
        "get_password_data": False,
        "hibernation": instance.get("HibernationOptions", {}).get("Configured", False),
        "host_id": instance["Placement"].get("HostId", ""),
        "iam_instance_profile": instance.get("IamInstanceProfile", {}).get("Arn", "").rsplit("/")[-1],
        "id": machine,
        "instance_initiated_shutdown_behavior": asked("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
        "instance_lifecycle": instance.get("InstanceLifecycle", ""),
        "instance_market_options": {"market_type": "spot"} if instance.get("InstanceLifecycle") and site.provider > 4 else [],
        "instance_state": instance["State"]["Name"],
        "instance_type": instance["InstanceType"],
        "ipv6_address_count": len(nic["Ipv6Addresses"]),
        "ipv6_addresses": [address["Ipv6Address"] for address in nic["Ipv6Addresses"]],
        "key_name": instance.get("KeyName", ""),
        "maintenance_options": {"auto_recovery": "default"},
        "metadata_options": {name: options[parameter] for name, (parameter, _) in METADATA.items()},
        "monitoring": instance["Monitoring"]["State"] == "enabled",
        "outpost_arn": "",
        "password_data": "",
        "placement_group": "",
        "placement_partition_number": 0,
        "primary_network_interface_id": nic["NetworkInterfaceId"],
        "private_dns": instance["PrivateDnsName"],
        "private_dns_name_options": {"enable_resource_name_dns_a_record": False, "enable_resource_name_dns_aaaa_record": False, "hostname_type": "ip-name"},
        "private_ip": instance["PrivateIpAddress"],
        "public_dns": instance.get("PublicDnsName", ""),
        "public_ip": instance.get("PublicIpAddress", ""),
        "root_block_device": blocks.get(root, []),
        "secondary_private_ips": [a["PrivateIpAddress"] for a in nic["PrivateIpAddresses"] if not a.get("Primary")],
        "security_groups": [],
        "source_dest_check": instance["SourceDestCheck"],
        "subnet_id": instance["SubnetId"],
        "tenancy": instance["Placement"]["Tenancy"],
        "timeouts": None,
        "user_data": user_data(site, machine),
        "user_data_replace_on_change": False,
        "vpc_security_group_ids": [g["GroupId"] for g in instance["SecurityGroups"]],
        **read_tags(site, own, both),
    }
    if site.provider == 4:
        attributes |= {"cpu_core_count": 1, "cpu_threads_per_core": 2}
    site.declare(attributes | written, type_, managed=machine)
    return machine


def simple(site, **parameters):
    return declare(site, maker(site, **parameters)())
