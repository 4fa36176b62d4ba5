//! VPCs and subnets, as their module declares them.

use anyhow::Context as _;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, Filter, ResourceType, Subnet, Tag, TagSpecification, Vpc, VpcAttributeName,
};
use serde_json::{Value, json};

use crate::Builder;
use crate::plan::{Tags, tags};
use crate::state::{Address, State};

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) vpc: String,
    pub(crate) public: Vec<String>,
    pub(crate) private: Vec<String>,
}

/// The account's network: one VPC, two public and two private subnets.
pub(crate) async fn build(b: &Builder<'_>, state: &mut State) -> anyhow::Result<Network> {
    let own = tags(&[("Name", "shop"), ("Owner", "network")]);
    let vpc = vpc(b, &format!("10.{}.0.0/16", b.plan.network), &own).await?;
    state.add(Address::within("module.network", "aws_vpc", "main"), vpc_attributes(b, &vpc, &own).await?);
    let vpc = vpc.vpc_id.context("a VPC without id")?;
    let mut network = Network { vpc, public: Vec::new(), private: Vec::new() };
    for (kind, first) in [("public", 0), ("private", 100)] {
        let mut attributes = Vec::new();
        for (index, zone) in ["a", "b"].iter().enumerate() {
            let own = tags(&[("Name", &format!("shop-{kind}-{zone}")), ("Owner", "network"), ("Tier", kind)]);
            let cidr = format!("10.{}.{}.0/24", b.plan.network, first + index);
            let subnet = subnet(b, &network.vpc, &cidr, zone, kind == "public", &own).await?;
            let id = subnet.subnet_id.clone().context("a subnet without id")?;
            if kind == "public" {
                network.public.push(id)
            } else {
                network.private.push(id)
            }
            attributes.push(subnet_attributes(b, &subnet, &own));
        }
        state.add_counted(Address::within("module.network", "aws_subnet", kind), attributes);
    }
    Ok(network)
}

/// A small network in a second region, of the same state: provider 6 tells the region per resource.
pub(crate) async fn build_remote(b: &Builder<'_>, state: &mut State) -> anyhow::Result<()> {
    let own = tags(&[("Name", "recovery"), ("Owner", "network")]);
    let vpc = vpc(b, &format!("10.{}.0.0/16", b.plan.network + 100), &own).await?;
    state.add(Address::within("module.recovery", "aws_vpc", "main"), vpc_attributes(b, &vpc, &own).await?);
    let vpc = vpc.vpc_id.context("a VPC without id")?;
    let own = tags(&[("Name", "recovery-a"), ("Owner", "network")]);
    let subnet = subnet(b, &vpc, &format!("10.{}.0.0/24", b.plan.network + 100), "a", false, &own).await?;
    state.add(Address::within("module.recovery", "aws_subnet", "main"), subnet_attributes(b, &subnet, &own));
    Ok(())
}

/// Tags at creation.
pub(crate) fn tagged(b: &Builder<'_>, kind: ResourceType, own: &Tags) -> TagSpecification {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    let tags = b.plan.all_tags(own).into_iter().map(tag).collect();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

pub(crate) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

async fn vpc(b: &Builder<'_>, cidr: &str, own: &Tags) -> anyhow::Result<Vpc> {
    let ec2 = &b.clients.ec2;
    let made = ec2.create_vpc().cidr_block(cidr).tag_specifications(tagged(b, ResourceType::Vpc, own)).send().await?;
    let id = made.vpc.and_then(|vpc| vpc.vpc_id).context("a VPC without id")?;
    let on = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_vpc_attribute().vpc_id(&id).enable_dns_hostnames(on).send().await?;
    let found = ec2.describe_vpcs().vpc_ids(&id).send().await?;
    found.vpcs.unwrap_or_default().pop().context("the VPC is not listed")
}

async fn vpc_attributes(b: &Builder<'_>, vpc: &Vpc, own: &Tags) -> anyhow::Result<Value> {
    let (ec2, id) = (&b.clients.ec2, vpc.vpc_id().unwrap_or_default());
    let ask = |name| ec2.describe_vpc_attribute().vpc_id(id).attribute(name).send();
    let hostnames = ask(VpcAttributeName::EnableDnsHostnames).await?.enable_dns_hostnames.and_then(|v| v.value);
    let support = ask(VpcAttributeName::EnableDnsSupport).await?.enable_dns_support.and_then(|v| v.value);
    let mine = filter("vpc-id", id);
    let acls = ec2.describe_network_acls().filters(mine.clone()).filters(filter("default", "true")).send().await?;
    let main = filter("association.main", "true");
    let tables = ec2.describe_route_tables().filters(mine.clone()).filters(main).send().await?;
    let groups = ec2.describe_security_groups().filters(mine).filters(filter("group-name", "default")).send().await?;
    let table = tables.route_tables().first().and_then(|t| t.route_table_id());
    let region = &b.clients.region;
    let attributes = json!({
        "arn": format!("arn:aws:ec2:{region}:{}:vpc/{id}", b.plan.account),
        "assign_generated_ipv6_cidr_block": false,
        "cidr_block": vpc.cidr_block(),
        "default_network_acl_id": acls.network_acls().first().and_then(|a| a.network_acl_id()),
        "default_route_table_id": table,
        "default_security_group_id": groups.security_groups().first().and_then(|g| g.group_id()),
        "dhcp_options_id": vpc.dhcp_options_id(),
        "enable_dns_hostnames": hostnames,
        "enable_dns_support": support,
        "enable_network_address_usage_metrics": false,
        "id": id,
        "instance_tenancy": vpc.instance_tenancy().map(|t| t.as_str()),
        "ipv4_ipam_pool_id": null,
        "ipv4_netmask_length": null,
        "ipv6_association_id": "",
        "ipv6_cidr_block": "",
        "ipv6_cidr_block_network_border_group": "",
        "ipv6_ipam_pool_id": "",
        "ipv6_netmask_length": 0,
        "main_route_table_id": table,
        "owner_id": b.plan.account,
    });
    Ok(b.plan.finish(attributes, own, Some(region)))
}

async fn subnet(
    b: &Builder<'_>,
    vpc: &str,
    cidr: &str,
    zone: &str,
    public: bool,
    own: &Tags,
) -> anyhow::Result<Subnet> {
    let ec2 = &b.clients.ec2;
    let made = ec2
        .create_subnet()
        .vpc_id(vpc)
        .cidr_block(cidr)
        .availability_zone(format!("{}{zone}", b.clients.region))
        .tag_specifications(tagged(b, ResourceType::Subnet, own))
        .send()
        .await?;
    let id = made.subnet.and_then(|subnet| subnet.subnet_id).context("a subnet without id")?;
    if public {
        let on = AttributeBooleanValue::builder().value(true).build();
        ec2.modify_subnet_attribute().subnet_id(&id).map_public_ip_on_launch(on).send().await?;
    }
    let found = ec2.describe_subnets().subnet_ids(&id).send().await?;
    found.subnets.unwrap_or_default().pop().context("the subnet is not listed")
}

fn subnet_attributes(b: &Builder<'_>, subnet: &Subnet, own: &Tags) -> Value {
    let (id, region) = (subnet.subnet_id().unwrap_or_default(), &b.clients.region);
    let names = subnet.private_dns_name_options_on_launch();
    let attributes = json!({
        "arn": format!("arn:aws:ec2:{region}:{}:subnet/{id}", b.plan.account),
        "assign_ipv6_address_on_creation": subnet.assign_ipv6_address_on_creation().unwrap_or(false),
        "availability_zone": subnet.availability_zone(),
        "availability_zone_id": subnet.availability_zone_id(),
        "cidr_block": subnet.cidr_block(),
        "customer_owned_ipv4_pool": "",
        "enable_dns64": subnet.enable_dns64().unwrap_or(false),
        "enable_lni_at_device_index": 0,
        "enable_resource_name_dns_a_record_on_launch":
            names.and_then(|n| n.enable_resource_name_dns_a_record()).unwrap_or(false),
        "enable_resource_name_dns_aaaa_record_on_launch":
            names.and_then(|n| n.enable_resource_name_dns_aaaa_record()).unwrap_or(false),
        "id": id,
        "ipv6_cidr_block": "",
        "ipv6_cidr_block_association_id": "",
        "ipv6_native": subnet.ipv6_native().unwrap_or(false),
        "map_customer_owned_ip_on_launch": false,
        "map_public_ip_on_launch": subnet.map_public_ip_on_launch().unwrap_or(false),
        "outpost_arn": "",
        "owner_id": b.plan.account,
        "private_dns_hostname_type_on_launch": names.and_then(|n| n.hostname_type()).map(|t| t.as_str()),
        "timeouts": null,
        "vpc_id": subnet.vpc_id(),
    });
    b.plan.finish(attributes, own, Some(region))
}
