//! VPCs and subnets.

use serde_json::{Value, json};

use crate::world::{drifting, seen, skipped, with};

const VPC: &str = "aws_vpc";
const SUBNET: &str = "aws_subnet";

fn vpc() -> Value {
    json!({
        "OwnerId": "111122223333", "VpcId": "vpc-1", "InstanceTenancy": "default", "IsDefault": false, "State": "available",
        "CidrBlock": "10.0.0.0/16", "DhcpOptionsId": "dopt-1", "Ipv6CidrBlockAssociationSet": [],
        "CidrBlockAssociationSet": [{ "AssociationId": "vpc-cidr-assoc-1", "CidrBlock": "10.0.0.0/16", "CidrBlockState": { "State": "associated" } }],
        "Tags": [{ "Key": "Owner", "Value": "net" }, { "Key": "aws:cloudformation:stack-name", "Value": "s" }]
    })
}

fn dns() -> Value {
    json!({
        "dns_support": { "EnableDnsSupport": { "Value": true }, "VpcId": "vpc-1" },
        "dns_hostnames": { "EnableDnsHostnames": { "Value": true }, "VpcId": "vpc-1" },
        "usage_metrics": { "EnableNetworkAddressUsageMetrics": { "Value": false }, "VpcId": "vpc-1" }
    })
}

fn vpc_state() -> Value {
    json!({
        "id": "vpc-1", "arn": "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", "owner_id": "111122223333", "cidr_block": "10.0.0.0/16",
        "assign_generated_ipv6_cidr_block": false, "default_network_acl_id": "acl-1", "default_route_table_id": "rtb-1", "default_security_group_id": "sg-1",
        "dhcp_options_id": "dopt-1", "enable_dns_hostnames": true, "enable_dns_support": true, "enable_network_address_usage_metrics": false,
        "instance_tenancy": "default", "ipv4_ipam_pool_id": null, "ipv4_netmask_length": null, "ipv6_association_id": "", "ipv6_cidr_block": "",
        "ipv6_cidr_block_network_border_group": "", "ipv6_ipam_pool_id": "", "ipv6_netmask_length": 0, "main_route_table_id": "rtb-1",
        "tags": { "Owner": "net" }, "tags_all": { "Owner": "net" }
    })
}

fn block(kind: &str, block: &str, state: &str) -> Value {
    let (name, state_name) = match kind {
        "v4" => ("CidrBlock", "CidrBlockState"),
        _ => ("Ipv6CidrBlock", "Ipv6CidrBlockState"),
    };
    json!({ "AssociationId": "a", name: block, state_name: { "State": state }, "Ipv6Pool": "Amazon", "NetworkBorderGroup": "eu-west-1" })
}

#[test]
fn an_untouched_vpc_is_silent_in_every_shape() {
    let main = block("v4", "10.0.0.0/16", "associated");
    let second = with(
        &vpc(),
        &json!({ "CidrBlockAssociationSet": [main, block("v4", "10.1.0.0/16", "associated"), block("v4", "10.9.0.0/16", "disassociated")] }),
    );
    let v6 = with(
        &vpc(),
        &json!({ "Ipv6CidrBlockAssociationSet": [block("v6", "2001:db8:1234:1a00::/56", "associated"), block("v6", "2001:db8:1::/56", "disassociated")] }),
    );
    let own_v6 = json!({ "assign_generated_ipv6_cidr_block": true, "ipv6_association_id": "a", "ipv6_cidr_block": "2001:0db8:1234:1a00::/56", "ipv6_cidr_block_network_border_group": "eu-west-1" });
    let split_v4 = json!({ "id": "a", "vpc_id": "vpc-1", "cidr_block": "10.1.0.0/16", "ipv4_ipam_pool_id": null, "ipv4_netmask_length": null });
    let split_v6 = json!({ "id": "a", "vpc_id": "vpc-1", "ipv6_cidr_block": "2001:db8:1234:1a00::/56", "ipv6_ipam_pool_id": null, "ipv6_netmask_length": null });
    let split_dhcp = json!({ "id": "dopt-1-vpc-1", "vpc_id": "vpc-1", "dhcp_options_id": "dopt-1" });
    let old = json!({
        "id": "vpc-1", "arn": "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1", "assign_generated_ipv6_cidr_block": false, "cidr_block": "10.0.0.0/16", "enable_classiclink": false,
        "enable_classiclink_dns_support": false, "enable_dns_hostnames": true, "enable_dns_support": true, "instance_tenancy": "default", "ipv6_cidr_block": "", "tags": { "Owner": "net" }
    });
    let pooled = json!({ "ipv6_ipam_pool_id": "ipam-pool-1", "ipv6_netmask_length": 56 });
    let ipam = json!({ "Ipv6CidrBlockAssociationSet": [with(&block("v6", "2001:db8:1234:1a00::/56", "associated"), &json!({ "Ipv6Pool": "IPAM Managed" }))] });
    let shapes = [
        ("plain", vpc(), vec![(VPC, vpc_state())]),
        ("provider 4", vpc(), vec![(VPC, old)]),
        ("default", with(&vpc(), &json!({ "IsDefault": true })), vec![("aws_default_vpc", vpc_state())]),
        ("dhcp options", vpc(), vec![(VPC, vpc_state()), ("aws_vpc_dhcp_options_association", split_dhcp)]),
        ("second block", second.clone(), vec![(VPC, vpc_state()), ("aws_vpc_ipv4_cidr_block_association", split_v4)]),
        ("default with a second block", second, vec![("aws_default_vpc", vpc_state())]),
        ("IPv6 of its own", v6.clone(), vec![(VPC, with(&vpc_state(), &own_v6))]),
        (
            "IPv6 by a pool",
            with(&v6, &ipam),
            vec![(
                VPC,
                with(
                    &with(&with(&vpc_state(), &own_v6), &pooled),
                    &json!({ "assign_generated_ipv6_cidr_block": false }),
                ),
            )],
        ),
        (
            "IPv6 apart, not refreshed",
            v6.clone(),
            vec![(VPC, vpc_state()), ("aws_vpc_ipv6_cidr_block_association", split_v6.clone())],
        ),
        (
            "IPv6 apart, refreshed",
            v6,
            vec![(VPC, with(&vpc_state(), &own_v6)), ("aws_vpc_ipv6_cidr_block_association", split_v6)],
        ),
    ];
    for (name, item, instances) in shapes {
        assert_eq!(drifting(VPC, &item, &dns(), &instances), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_change_of_a_vpc_is_one_drift() {
    let main = block("v4", "10.0.0.0/16", "associated");
    let cases: &[(&str, Value, Value)] = &[
        ("enable_dns_support", json!({}), json!({ "dns_support": { "EnableDnsSupport": { "Value": false } } })),
        ("enable_dns_hostnames", json!({}), json!({ "dns_hostnames": { "EnableDnsHostnames": { "Value": false } } })),
        (
            "enable_network_address_usage_metrics",
            json!({}),
            json!({ "usage_metrics": { "EnableNetworkAddressUsageMetrics": { "Value": true } } }),
        ),
        (
            "ipv4_cidr_block_association",
            json!({ "CidrBlockAssociationSet": [main, block("v4", "10.1.0.0/16", "associated")] }),
            json!({}),
        ),
        (
            "ipv6_cidr_block",
            json!({ "Ipv6CidrBlockAssociationSet": [block("v6", "2001:db8::/56", "associated")] }),
            json!({}),
        ),
        ("instance_tenancy", json!({ "InstanceTenancy": "dedicated" }), json!({})),
        ("dhcp_options_id", json!({ "DhcpOptionsId": "dopt-2" }), json!({})),
        ("tags.Owner", json!({ "Tags": [] }), json!({})),
        ("unknown enable_dns_support", json!({}), json!({ "dns_support": { "failed": "AccessDenied" } })),
    ];
    let split = json!({ "vpc_id": "vpc-1", "dhcp_options_id": "dopt-1" });
    let instances = [(VPC, vpc_state()), ("aws_vpc_dhcp_options_association", split)];
    for (path, item, answers) in cases {
        let found = drifting(VPC, &with(&vpc(), item), &with(&dns(), answers), &instances);
        assert_eq!(found, [*path], "{item} {answers}");
    }
}

fn subnet() -> Value {
    json!({
        "SubnetId": "subnet-1", "SubnetArn": "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1", "OwnerId": "111122223333", "VpcId": "vpc-1", "State": "available",
        "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "eu-west-1a", "AvailabilityZoneId": "euw1-az1", "AvailableIpAddressCount": 251, "DefaultForAz": false,
        "MapPublicIpOnLaunch": false, "AssignIpv6AddressOnCreation": false, "Ipv6Native": false, "Ipv6CidrBlockAssociationSet": [],
        "PrivateDnsNameOptionsOnLaunch": { "HostnameType": "ip-name", "EnableResourceNameDnsARecord": false, "EnableResourceNameDnsAAAARecord": false },
        "Tags": [{ "Key": "Owner", "Value": "net" }]
    })
}

fn subnet_state() -> Value {
    json!({
        "id": "subnet-1", "arn": "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1", "owner_id": "111122223333", "vpc_id": "vpc-1", "cidr_block": "10.0.1.0/24",
        "availability_zone": "eu-west-1a", "availability_zone_id": "euw1-az1", "assign_ipv6_address_on_creation": false, "customer_owned_ipv4_pool": "", "enable_dns64": false,
        "enable_lni_at_device_index": 0, "enable_resource_name_dns_a_record_on_launch": false, "enable_resource_name_dns_aaaa_record_on_launch": false, "ipv6_cidr_block": "",
        "ipv6_cidr_block_association_id": "", "ipv6_native": false, "map_customer_owned_ip_on_launch": false, "map_public_ip_on_launch": false, "outpost_arn": "",
        "private_dns_hostname_type_on_launch": "ip-name", "tags": { "Owner": "net" }, "tags_all": { "Owner": "net" }, "timeouts": null
    })
}

#[test]
fn an_untouched_subnet_is_silent_in_every_shape() {
    let default = json!({ "DefaultForAz": true, "MapPublicIpOnLaunch": true });
    let default_state =
        json!({ "map_public_ip_on_launch": true, "existing_default_subnet": true, "force_destroy": false });
    // what is not known to be gone is there
    let v6 = |state: &str| json!({ "Ipv6CidrBlockAssociationSet": [block("v6", "2001:db8:0:1::/64", "failed"), block("v6", "2001:db8:0:2::/64", "disassociating"), block("v6", "2001:db8::/64", state)], "AssignIpv6AddressOnCreation": true });
    let v6_state = json!({ "ipv6_cidr_block": "2001:0db8::/64", "ipv6_cidr_block_association_id": "a", "assign_ipv6_address_on_creation": true });
    for (item, kind, state) in [
        (subnet(), SUBNET, subnet_state()),
        (with(&subnet(), &default), "aws_default_subnet", with(&subnet_state(), &default_state)),
        (with(&subnet(), &v6("associated")), SUBNET, with(&subnet_state(), &v6_state)),
        (with(&subnet(), &v6("associating")), SUBNET, with(&subnet_state(), &v6_state)),
        (with(&subnet(), &v6("Associated")), SUBNET, with(&subnet_state(), &v6_state)),
    ] {
        assert_eq!(
            drifting(SUBNET, &item, &json!({}), &[(kind, state.clone())]),
            Vec::<String>::new(),
            "{kind} {state}"
        );
    }
}

#[test]
fn of_what_an_answer_lacks_although_aws_always_tells_it_nothing_is_known() {
    let state = json!({ "enable_dns64": true, "private_dns_hostname_type_on_launch": "resource-name" });
    let declared = with(&subnet_state(), &state);
    let mut silent = subnet();
    for name in ["EnableDns64", "PrivateDnsNameOptionsOnLaunch"] {
        silent.as_object_mut().unwrap().remove(name);
    }
    let found = |item: &Value, state: &Value| drifting(SUBNET, item, &json!({}), &[(SUBNET, state.clone())]);
    assert_eq!(found(&silent, &declared), ["unknown enable_dns64", "unknown private_dns_hostname_type_on_launch"]);
    let told = with(&subnet(), &json!({ "EnableDns64": false }));
    assert_eq!(found(&told, &declared), ["enable_dns64", "private_dns_hostname_type_on_launch"]);
    assert_eq!(found(&silent, &subnet_state()), Vec::<String>::new());
}

#[test]
fn each_change_of_a_subnet_is_one_drift() {
    let options = |name: &str, value: Value| {
        let base = subnet()["PrivateDnsNameOptionsOnLaunch"].clone();
        json!({ "PrivateDnsNameOptionsOnLaunch": with(&base, &json!({ name: value })) })
    };
    let cases: &[(&str, Value)] = &[
        ("map_public_ip_on_launch", json!({ "MapPublicIpOnLaunch": true })),
        ("assign_ipv6_address_on_creation", json!({ "AssignIpv6AddressOnCreation": true })),
        ("enable_dns64", json!({ "EnableDns64": true })),
        ("enable_lni_at_device_index", json!({ "EnableLniAtDeviceIndex": 1 })),
        ("map_customer_owned_ip_on_launch", json!({ "MapCustomerOwnedIpOnLaunch": true })),
        ("private_dns_hostname_type_on_launch", options("HostnameType", json!("resource-name"))),
        ("enable_resource_name_dns_a_record_on_launch", options("EnableResourceNameDnsARecord", json!(true))),
        ("enable_resource_name_dns_aaaa_record_on_launch", options("EnableResourceNameDnsAAAARecord", json!(true))),
        ("ipv6_cidr_block", json!({ "Ipv6CidrBlockAssociationSet": [block("v6", "2001:db8::/64", "associated")] })),
        ("tags.new", json!({ "Tags": [{ "Key": "Owner", "Value": "net" }, { "Key": "new", "Value": "x" }] })),
    ];
    for (path, change) in cases {
        let found = drifting(SUBNET, &with(&subnet(), change), &json!({}), &[(SUBNET, subnet_state())]);
        assert_eq!(found, [*path], "{change}");
    }
}

#[test]
fn what_others_share_in_is_skipped_and_defaults_are_nobodys() {
    let foreign = json!({ "OwnerId": "999999999999" });
    assert_eq!(skipped(VPC, &with(&vpc(), &foreign)).as_deref(), Some("shared into the account by another"));
    assert_eq!(skipped(SUBNET, &with(&subnet(), &foreign)).as_deref(), Some("shared into the account by another"));
    assert_eq!(skipped(SUBNET, &subnet()), None);
    let owner = |kind: &str, item: &Value, change: Value| seen(kind, &with(item, &change), &json!({})).owner;
    assert_eq!(owner(VPC, &vpc(), json!({ "IsDefault": true })).as_deref(), Some("default"));
    assert_eq!(owner(SUBNET, &subnet(), json!({ "DefaultForAz": true })).as_deref(), Some("default"));
    assert_eq!((owner(VPC, &vpc(), json!({})), owner(SUBNET, &subnet(), json!({}))), (None, None));
}
