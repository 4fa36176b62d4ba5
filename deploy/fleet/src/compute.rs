//! Instances and volumes.

use anyhow::Context as _;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, HttpTokensState, Instance, InstanceAttributeName,
    InstanceMetadataOptionsRequest, InstanceType, ResourceType, RunInstancesMonitoringEnabled, ShutdownBehavior,
    Volume, VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::Digest as _;

use crate::Builder;
use crate::audit::Keys;
use crate::network::{Network, filter, tagged};
use crate::plan::{Tags, tags};
use crate::security_groups::Groups;
use crate::state::{Address, State};

#[derive(Debug)]
pub(crate) struct Instances {
    pub(crate) app: Vec<String>,
}

const USER_DATA: &str = "#!/bin/sh\nset -eu\nsystemctl enable --now shop\n";

pub(crate) async fn build(
    b: &Builder<'_>,
    network: &Network,
    groups: &Groups,
    keys: &Keys,
    state: &mut State,
) -> anyhow::Result<Instances> {
    let image = image(b).await?;
    let mut instances = Instances { app: Vec::new() };
    let (mut attributes, mut volumes) = (Vec::new(), Vec::new());
    for index in 0..b.plan.instances {
        let own = tags(&[("Name", &format!("shop-app-{index}")), ("Owner", "shop"), ("Service", "checkout")]);
        let subnet = &network.private[index % network.private.len()];
        let id = start(b, &image, subnet, &groups.app, &own).await?;
        attributes.push(describe(b, &id, &own).await?);
        let own = tags(&[("Name", &format!("shop-app-{index}-data")), ("Owner", "shop")]);
        let zone = if index % 2 == 0 { "a" } else { "b" };
        volumes.push(volume(b, zone, keys, &own).await?);
        instances.app.push(id);
    }
    state.add_counted(Address::root("aws_instance", "app"), attributes);
    state.add_counted(Address::root("aws_ebs_volume", "data"), volumes);
    Ok(instances)
}

/// One of the server's public images.
pub(crate) async fn image(b: &Builder<'_>) -> anyhow::Result<String> {
    let found = b.clients.ec2.describe_images().owners("amazon").send().await?;
    let linux = |image: &&aws_sdk_ec2::types::Image| image.name().is_some_and(|name| name.starts_with("amzn"));
    let mut ids: Vec<&str> = found.images().iter().filter(linux).filter_map(|image| image.image_id()).collect();
    ids.sort_unstable();
    Ok((*ids.first().context("no image of Amazon Linux")?).to_owned())
}

async fn start(b: &Builder<'_>, image: &str, subnet: &str, group: &str, own: &Tags) -> anyhow::Result<String> {
    let root = EbsBlockDevice::builder().volume_size(30).volume_type(VolumeType::Gp3).encrypted(true);
    let root = root.delete_on_termination(true).build();
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required);
    let made = b
        .clients
        .ec2
        .run_instances()
        .image_id(image)
        .instance_type(InstanceType::T3Medium)
        .min_count(1)
        .max_count(1)
        .subnet_id(subnet)
        .security_group_ids(group)
        .user_data(STANDARD.encode(USER_DATA))
        .monitoring(RunInstancesMonitoringEnabled::builder().enabled(true).build())
        .ebs_optimized(true)
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Stop)
        .metadata_options(metadata.http_put_response_hop_limit(1).build())
        .block_device_mappings(BlockDeviceMapping::builder().device_name("/dev/sda1").ebs(root).build())
        .tag_specifications(tagged(b, ResourceType::Instance, own))
        .send()
        .await?;
    let id = made.instances().first().and_then(|instance| instance.instance_id()).context("an instance without id")?;
    let on = AttributeBooleanValue::builder().value(true).build();
    b.clients.ec2.modify_instance_attribute().instance_id(id).disable_api_termination(on).send().await?;
    Ok(id.to_owned())
}

async fn describe(b: &Builder<'_>, id: &str, own: &Tags) -> anyhow::Result<Value> {
    let ec2 = &b.clients.ec2;
    let found = ec2.describe_instances().instance_ids(id).send().await?;
    let instance = found.reservations().first().and_then(|r| r.instances().first()).context("not listed")?;
    let ask = |name| ec2.describe_instance_attribute().instance_id(id).attribute(name).send();
    let termination = ask(InstanceAttributeName::DisableApiTermination).await?.disable_api_termination;
    let shutdown = ask(InstanceAttributeName::InstanceInitiatedShutdownBehavior).await?;
    let data = ask(InstanceAttributeName::UserData).await?.user_data.and_then(|data| data.value).unwrap_or_default();
    let data = STANDARD.decode(data).context("user data is no base64")?;
    let attached = filter("attachment.instance-id", id);
    let volumes = ec2.describe_volumes().filters(attached).send().await?;
    let mut attributes = instance_attributes(b, instance, volumes.volumes());
    attributes["disable_api_termination"] = json!(termination.and_then(|value| value.value));
    attributes["instance_initiated_shutdown_behavior"] =
        json!(shutdown.instance_initiated_shutdown_behavior.and_then(|value| value.value));
    // before version 6 the provider kept only a hash
    attributes["user_data"] = match b.plan.provider {
        6.. => json!(String::from_utf8(data)?),
        _ => json!(hex(&sha1::Sha1::digest(&data))),
    };
    Ok(b.plan.finish(attributes, own, Some(&b.clients.region)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn instance_attributes(b: &Builder<'_>, i: &Instance, volumes: &[Volume]) -> Value {
    let (id, region) = (i.instance_id().unwrap_or_default(), &b.clients.region);
    let placement = i.placement();
    let groups: Vec<&str> = i.security_groups().iter().filter_map(|group| group.group_id()).collect();
    let metadata = i.metadata_options().map(|options| {
        json!({
            "http_endpoint": options.http_endpoint().map(|v| v.as_str()),
            "http_protocol_ipv6": options.http_protocol_ipv6().map_or("disabled", |v| v.as_str()),
            "http_put_response_hop_limit": options.http_put_response_hop_limit(),
            "http_tokens": options.http_tokens().map(|v| v.as_str()),
            "instance_metadata_tags": options.instance_metadata_tags().map_or("disabled", |v| v.as_str()),
        })
    });
    let mut attributes = json!({
        "ami": i.image_id(),
        "arn": format!("arn:aws:ec2:{region}:{}:instance/{id}", b.plan.account),
        "associate_public_ip_address": i.public_ip_address().is_some(),
        "availability_zone": placement.and_then(|p| p.availability_zone()),
        "capacity_reservation_specification": [],
        "cpu_options": [],
        "credit_specification": [],
        "disable_api_stop": false,
        "ebs_block_device": [],
        "ebs_optimized": i.ebs_optimized(),
        "enclave_options": [],
        "ephemeral_block_device": [],
        "get_password_data": false,
        "hibernation": false,
        "host_id": "",
        "iam_instance_profile": "",
        "id": id,
        "instance_state": i.state().and_then(|state| state.name()).map(|name| name.as_str()),
        "instance_type": i.instance_type().map(|kind| kind.as_str()),
        "ipv6_address_count": 0,
        "ipv6_addresses": [],
        "key_name": i.key_name().unwrap_or_default(),
        "launch_template": [],
        "maintenance_options": [],
        "metadata_options": metadata.into_iter().collect::<Vec<_>>(),
        "monitoring": i.monitoring().and_then(|m| m.state()).is_some_and(|state| state.as_str() == "enabled"),
        "network_interface": [],
        "outpost_arn": "",
        "password_data": "",
        "placement_group": "",
        "placement_partition_number": 0,
        "primary_network_interface_id": i.network_interfaces().first().and_then(|n| n.network_interface_id()),
        "private_dns": i.private_dns_name(),
        "private_dns_name_options": [],
        "private_ip": i.private_ip_address(),
        "public_dns": i.public_dns_name().unwrap_or_default(),
        "public_ip": i.public_ip_address().unwrap_or_default(),
        "root_block_device": root_device(i, volumes),
        "secondary_private_ips": [],
        "security_groups": [],
        "source_dest_check": i.source_dest_check(),
        "subnet_id": i.subnet_id(),
        "tenancy": placement.and_then(|p| p.tenancy()).map_or("default", |tenancy| tenancy.as_str()),
        "timeouts": null,
        "user_data_base64": null,
        "user_data_replace_on_change": false,
        "volume_tags": null,
        "vpc_security_group_ids": groups,
    });
    if b.plan.provider == 4 {
        attributes["cpu_core_count"] = json!(i.cpu_options().and_then(|o| o.core_count()));
        attributes["cpu_threads_per_core"] = json!(i.cpu_options().and_then(|o| o.threads_per_core()));
    }
    attributes
}

fn root_device(i: &Instance, volumes: &[Volume]) -> Vec<Value> {
    let root = i.block_device_mappings().iter().find(|mapping| mapping.device_name() == i.root_device_name());
    let Some((mapping, ebs)) = root.and_then(|mapping| mapping.ebs().map(|ebs| (mapping, ebs))) else {
        return Vec::new();
    };
    let Some(volume) = volumes.iter().find(|volume| volume.volume_id() == ebs.volume_id()) else { return Vec::new() };
    vec![json!({
        "delete_on_termination": ebs.delete_on_termination(),
        "device_name": mapping.device_name(),
        "encrypted": volume.encrypted(),
        "iops": volume.iops().unwrap_or(0),
        "kms_key_id": volume.kms_key_id().unwrap_or_default(),
        "tags": {},
        "tags_all": {},
        "throughput": volume.throughput().unwrap_or(0),
        "volume_id": volume.volume_id(),
        "volume_size": volume.size(),
        "volume_type": volume.volume_type().map(|kind| kind.as_str()),
    })]
}

async fn volume(b: &Builder<'_>, zone: &str, keys: &Keys, own: &Tags) -> anyhow::Result<Value> {
    let (ec2, region) = (&b.clients.ec2, &b.clients.region);
    let made = ec2
        .create_volume()
        .availability_zone(format!("{region}{zone}"))
        .size(100)
        .volume_type(VolumeType::Gp3)
        .iops(3000)
        .throughput(125)
        .encrypted(true)
        .kms_key_id(&keys.data)
        .tag_specifications(tagged(b, ResourceType::Volume, own))
        .send()
        .await?;
    let id = made.volume_id.context("a volume without id")?;
    let found = ec2.describe_volumes().volume_ids(&id).send().await?;
    let volume = found.volumes().first().context("the volume is not listed")?;
    let attributes = json!({
        "arn": format!("arn:aws:ec2:{region}:{}:volume/{id}", b.plan.account),
        "availability_zone": volume.availability_zone(),
        "encrypted": volume.encrypted(),
        "final_snapshot": false,
        "id": id,
        "iops": volume.iops().unwrap_or(0),
        "kms_key_id": volume.kms_key_id().unwrap_or_default(),
        "multi_attach_enabled": volume.multi_attach_enabled().unwrap_or(false),
        "outpost_arn": "",
        "size": volume.size(),
        "snapshot_id": volume.snapshot_id().unwrap_or_default(),
        "throughput": volume.throughput().unwrap_or(0),
        "timeouts": null,
        "type": volume.volume_type().map(|kind| kind.as_str()),
    });
    Ok(b.plan.finish(attributes, own, Some(region)))
}
