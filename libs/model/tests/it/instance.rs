use serde_json::{Value, json};

use crate::world::{agreed, answers, compared, drifting, seen, with};

const INSTANCE: &str = "aws_instance";

fn item() -> Value {
    json!({
        "InstanceId": "i-1", "ImageId": "ami-1", "InstanceType": "t3.micro", "KeyName": "ops", "SubnetId": "subnet-1", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.4",
        "Placement": { "AvailabilityZone": "eu-west-1a", "Tenancy": "default", "GroupName": "" }, "State": { "Name": "running" }, "Monitoring": { "State": "enabled" },
        "EbsOptimized": false, "SourceDestCheck": true, "RootDeviceName": "/dev/xvda", "IamInstanceProfile": { "Arn": "arn:aws:iam::111122223333:instance-profile/app/web" },
        "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": { "DeleteOnTermination": true, "VolumeId": "vol-r" } }, { "DeviceName": "/dev/sdf", "Ebs": { "DeleteOnTermination": false, "VolumeId": "vol-d" } }],
        "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-1", "Attachment": { "DeviceIndex": 0, "DeleteOnTermination": true }, "Association": { "PublicIp": "198.51.100.4" }, "Ipv6Addresses": [], "PrivateIpAddresses": [{ "Primary": true, "PrivateIpAddress": "10.0.0.4" }] }],
        "MetadataOptions": { "HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 1, "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled" },
        "SecurityGroups": [{ "GroupId": "sg-2", "GroupName": "b" }, { "GroupId": "sg-1", "GroupName": "a" }],
        "Tags": [{ "Key": "Name", "Value": "web" }, { "Key": "aws:ec2launchtemplate:id", "Value": "lt-1" }]
    })
}

fn live() -> Value {
    answers(&[
        ("user_data", json!({ "UserData": { "Value": "IyEvYmluL3NoCmVjaG8gaGkK" } })),
        ("termination", json!({ "DisableApiTermination": { "Value": true } })),
        ("shutdown", json!({ "InstanceInitiatedShutdownBehavior": { "Value": "stop" } })),
        (
            "volumes",
            json!([
                { "VolumeId": "vol-r", "Size": 8, "VolumeType": "gp3", "Encrypted": true, "Iops": 3000, "Throughput": 125, "KmsKeyId": "arn:aws:kms:eu-west-1:111122223333:key/k1", "Attachments": [{ "InstanceId": "i-1", "Device": "/dev/xvda", "DeleteOnTermination": true }] },
                { "VolumeId": "vol-d", "Size": 100, "VolumeType": "gp2", "Encrypted": true, "Iops": 300, "Attachments": [{ "InstanceId": "i-1", "Device": "/dev/sdf", "DeleteOnTermination": false }] }
            ]),
        ),
    ])
}

fn state() -> Value {
    json!({
        "id": "i-1", "arn": "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", "ami": "ami-1", "instance_type": "t3.micro", "key_name": "ops", "subnet_id": "subnet-1", "private_ip": "10.0.0.4",
        "availability_zone": "eu-west-1a", "tenancy": "default", "placement_group": "", "instance_state": "running", "monitoring": true, "ebs_optimized": false, "source_dest_check": true,
        "iam_instance_profile": "web", "associate_public_ip_address": true, "disable_api_termination": true, "instance_initiated_shutdown_behavior": "stop",
        "user_data": "#!/bin/sh\necho hi\n", "user_data_base64": null, "ipv6_address_count": 0, "ipv6_addresses": [], "secondary_private_ips": [], "security_groups": [], "network_interface": [],
        "metadata_options": [{ "http_tokens": "required", "http_endpoint": "enabled", "http_put_response_hop_limit": 1, "http_protocol_ipv6": "disabled", "instance_metadata_tags": "disabled" }],
        "credit_specification": [], "capacity_reservation_specification": [{ "capacity_reservation_preference": "open", "capacity_reservation_target": [] }],
        "root_block_device": [{ "delete_on_termination": true, "device_name": "/dev/xvda", "encrypted": true, "iops": 3000, "kms_key_id": "arn:aws:kms:eu-west-1:111122223333:key/k1", "tags": {}, "throughput": 125, "volume_id": "vol-r", "volume_size": 8, "volume_type": "gp3" }],
        "ebs_block_device": [{ "delete_on_termination": false, "device_name": "/dev/sdf", "encrypted": true, "iops": 300, "kms_key_id": "", "snapshot_id": "", "tags": {}, "throughput": 0, "volume_id": "vol-d", "volume_size": 100, "volume_type": "gp2" }],
        "vpc_security_group_ids": ["sg-1", "sg-2"], "tags": { "Name": "web" }, "tags_all": { "Name": "web" }, "volume_tags": null
    })
}

#[test]
fn an_untouched_instance_is_silent_in_every_shape() {
    let attached = vec![
        (INSTANCE, with(&state(), &json!({ "ebs_block_device": [] }))),
        ("aws_volume_attachment", json!({ "instance_id": "i-1", "device_name": "/dev/sdf", "volume_id": "vol-d" })),
    ];
    let refreshed = vec![(INSTANCE, state()), attached[1].clone()];
    let hashed = vec![(INSTANCE, with(&state(), &json!({ "user_data": "2b3ec1cbac2ea0dd67dcb7bd49a2fd4a12e4e8f5" })))];
    // of a volume attached by its own resource the copy in the instance says nothing
    let mut stale = refreshed.clone();
    stale[0].1["ebs_block_device"][0]["volume_size"] = json!(50);
    assert_eq!(compared(INSTANCE, &seen(INSTANCE, &item(), &live()), &agreed(INSTANCE, &stale)), Vec::<String>::new());
    for (name, shape) in [("inline", vec![(INSTANCE, state())]), ("attached", attached), ("refreshed", refreshed)] {
        assert_eq!(
            compared(INSTANCE, &seen(INSTANCE, &item(), &live()), &agreed(INSTANCE, &shape)),
            Vec::<String>::new(),
            "{name}"
        );
    }
    let other = compared(INSTANCE, &seen(INSTANCE, &item(), &live()), &agreed(INSTANCE, &hashed));
    assert!(other.len() == 1 && other[0].starts_with("user_data: \"hmac:k1:"), "{other:?}");
}

#[test]
fn user_data_never_shows_and_its_forms_are_one() {
    let snapshot = seen(INSTANCE, &item(), &live());
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(!text.contains("echo") && !text.contains("IyEvYmlu"), "{text}");
    let forms = [
        json!({ "user_data": "#!/bin/sh\necho hi\n" }),
        json!({ "user_data": null, "user_data_base64": "IyEvYmluL3NoCmVjaG8gaGkK" }),
        json!({ "user_data": "b2b62c101a156f5f12dd7197cf7ae9424164b115" }),
    ];
    for form in forms {
        let baseline = agreed(INSTANCE, &[(INSTANCE, with(&state(), &form))]);
        assert!(baseline.attributes["user_data"].value.as_str().unwrap().starts_with("hmac:k1:"));
        assert_eq!(compared(INSTANCE, &snapshot, &baseline), Vec::<String>::new(), "{form}");
    }
}

#[test]
fn each_change_is_one_drift() {
    let base = agreed(INSTANCE, &[(INSTANCE, state())]);
    let volumes = |i: usize, change: Value| {
        let mut list = live()["volumes"].clone();
        list[i] = with(&list[i], &change);
        json!({ "volumes": list })
    };
    let mut extra = item()["BlockDeviceMappings"].as_array().cloned().unwrap_or_default();
    extra.push(json!({ "DeviceName": "/dev/sdg", "Ebs": { "VolumeId": "vol-x", "DeleteOnTermination": false } }));
    let metadata = with(&item()["MetadataOptions"], &json!({ "HttpTokens": "optional" }));
    let none = json!({});
    let cases: Vec<(&str, Value, Value)> = vec![
        ("instance_type", json!({ "InstanceType": "t3.large" }), none.clone()),
        ("monitoring", json!({ "Monitoring": { "State": "disabled" } }), none.clone()),
        ("metadata_options.http_tokens", json!({ "MetadataOptions": metadata }), none.clone()),
        ("vpc_security_group_ids", json!({ "SecurityGroups": [{ "GroupId": "sg-2" }] }), none.clone()),
        ("iam_instance_profile", json!({ "IamInstanceProfile": null }), none.clone()),
        ("source_dest_check", json!({ "SourceDestCheck": false }), none.clone()),
        ("tags.Name", json!({ "Tags": [] }), none.clone()),
        ("user_data", none.clone(), json!({ "user_data": { "UserData": { "Value": "eA==" } } })),
        (
            "disable_api_termination",
            none.clone(),
            json!({ "termination": { "DisableApiTermination": { "Value": false } } }),
        ),
        ("root_block_device.volume_size", none.clone(), volumes(0, json!({ "Size": 9 }))),
        ("root_block_device", none.clone(), volumes(0, json!({ "Size": 9, "VolumeType": "io2", "Iops": 4000 }))),
        ("ebs_block_device", none.clone(), volumes(1, json!({ "Size": 101, "Iops": 303 }))),
        ("ebs_attachment", json!({ "BlockDeviceMappings": extra }), none.clone()),
        ("ebs_block_device", none, json!({ "volumes": [live()["volumes"][0]] })),
    ];
    for (path, item_change, answers_change) in cases {
        let found =
            compared(INSTANCE, &seen(INSTANCE, &with(&item(), &item_change), &with(&live(), &answers_change)), &base);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{path}: ")), "{path}: {found:?}");
    }
    // a stopped instance has no public address, and that is nobody's doing
    let stopped = with(
        &item(),
        &json!({ "State": { "Name": "stopped" }, "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-1", "Attachment": { "DeviceIndex": 0 }, "PrivateIpAddresses": [] }] }),
    );
    assert_eq!(compared(INSTANCE, &seen(INSTANCE, &stopped, &live()), &base), Vec::<String>::new());
}

#[test]
fn of_a_block_that_aws_fills_in_a_state_without_it_says_nothing() {
    let bare =
        json!({ "metadata_options": [], "root_block_device": [], "cpu_options": [], "primary_network_interface": [] });
    let found = |state: Value| drifting(INSTANCE, &item(), &live(), &[(INSTANCE, state)]);
    assert_eq!(found(with(&state(), &bare)), Vec::<String>::new());
    let unencrypted = json!({ "root_block_device": [{ "encrypted": true, "kms_key_id": "" }] });
    assert_eq!(found(with(&state(), &unencrypted)), ["root_block_device.kms_key_id"]);
}

#[test]
fn an_address_that_is_given_after_the_launch_is_agreed_by_its_own_resource() {
    let unrefreshed = with(&state(), &json!({ "associate_public_ip_address": false }));
    let eip =
        json!({ "id": "eipalloc-1", "allocation_id": "eipalloc-1", "instance": "i-1", "public_ip": "198.51.100.4" });
    let association =
        json!({ "id": "eipassoc-1", "allocation_id": "eipalloc-1", "instance_id": "i-1", "public_ip": "198.51.100.4" });
    let live = |allocation: &str| {
        let address = json!([{ "AllocationId": allocation, "PublicIp": "198.51.100.4", "InstanceId": "i-1" }]);
        with(&live(), &json!({ "addresses": address }))
    };
    let found = |allocation: &str, others: &[(&str, &Value)]| {
        let mut instances = vec![(INSTANCE, unrefreshed.clone())];
        instances.extend(others.iter().map(|(kind, value)| (*kind, (*value).clone())));
        drifting(INSTANCE, &item(), &live(allocation), &instances)
    };
    let none = Vec::<String>::new();
    assert_eq!(found("eipalloc-1", &[("aws_eip", &eip)]), none);
    assert_eq!(found("eipalloc-1", &[("aws_eip_association", &association)]), none);
    assert_eq!(found("eipalloc-1", &[("aws_eip", &eip), ("aws_eip_association", &association)]), none);
    assert_eq!(found("eipalloc-9", &[("aws_eip_association", &association)]), ["eip_association"]);
    assert_eq!(found("eipalloc-9", &[]), ["associate_public_ip_address"]);
}

#[test]
fn the_first_device_is_the_root_where_the_image_names_none_that_is_there() {
    let renamed = with(&item(), &json!({ "RootDeviceName": "/dev/sda1" }));
    let found = |state: Value| drifting(INSTANCE, &renamed, &live(), &[(INSTANCE, state)]);
    let sized =
        |size: u32| json!({ "root_block_device": [{ "volume_size": size, "volume_type": "gp3", "encrypted": true }] });
    assert_eq!(found(with(&state(), &sized(8))), Vec::<String>::new());
    assert_eq!(found(with(&state(), &sized(9))), ["root_block_device.volume_size"]);
}

#[test]
fn a_device_that_ends_with_the_machine_is_agreed_inline_alone() {
    let mut devices = item()["BlockDeviceMappings"].clone();
    devices[1]["Ebs"]["DeleteOnTermination"] = json!(true);
    let live_item = with(&item(), &json!({ "BlockDeviceMappings": devices }));
    let block = |on: bool| json!({ "ebs_block_device": [{ "device_name": "/dev/sdf", "volume_id": "vol-d", "delete_on_termination": on, "encrypted": true, "volume_size": 100 }] });
    let found = |item: &Value, on: bool| drifting(INSTANCE, item, &live(), &[(INSTANCE, with(&state(), &block(on)))]);
    assert_eq!(found(&live_item, true), Vec::<String>::new());
    assert_eq!(found(&item(), false), Vec::<String>::new());
    assert_eq!(found(&item(), true), ["ebs_block_device"]);
    assert_eq!(found(&live_item, false), ["ebs_block_device"]);
}

#[test]
fn a_volume_without_encryption_has_no_key_either() {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/k1";
    let volume = |encrypted: bool, key: Value| json!({ "VolumeId": "vol-1", "AvailabilityZone": "eu-west-1a", "Size": 8, "VolumeType": "gp3", "Iops": 3000, "Encrypted": encrypted, "KmsKeyId": key, "Attachments": [] });
    let state = |encrypted: bool, key: &str| json!({ "id": "vol-1", "availability_zone": "eu-west-1a", "size": 8, "type": "gp3", "iops": 3000, "encrypted": encrypted, "kms_key_id": key });
    let found = |item: Value, state: Value| drifting("aws_ebs_volume", &item, &json!({}), &[("aws_ebs_volume", state)]);
    assert_eq!(found(volume(false, Value::Null), state(true, key)), ["encrypted"]);
    assert_eq!(found(volume(true, json!(key)), state(false, "")), ["encrypted"]);
    assert_eq!(
        found(volume(true, json!(key)), state(true, "arn:aws:kms:eu-west-1:111122223333:key/k2")),
        ["kms_key_id"]
    );
    assert_eq!(found(volume(true, json!(key)), state(true, key)), Vec::<String>::new());
}
