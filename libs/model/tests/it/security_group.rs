use serde_json::{Value, json};

use crate::world::{agreed, compared, seen, with};

const SG: &str = "aws_security_group";

fn live(ingress: Value) -> Value {
    json!({
        "GroupId": "sg-1", "GroupName": "web", "Description": "web servers", "VpcId": "vpc-1", "OwnerId": "111122223333",
        "IpPermissions": ingress,
        "IpPermissionsEgress": [{ "IpProtocol": "-1", "IpRanges": [{ "CidrIp": "0.0.0.0/0" }], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": [] }],
        "Tags": [{ "Key": "Owner", "Value": "net" }]
    })
}

fn https() -> Value {
    json!({ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{ "CidrIp": "10.0.0.0/8", "Description": "inside" }] })
}

fn state() -> Value {
    json!({
        "id": "sg-1", "arn": "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1", "name": "web", "description": "web servers", "vpc_id": "vpc-1",
        "name_prefix": "", "owner_id": "111122223333", "revoke_rules_on_delete": false, "timeouts": null,
        "ingress": [{ "cidr_blocks": ["10.0.0.0/8"], "description": "inside", "from_port": 443, "to_port": 443, "protocol": "tcp", "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": false }],
        "egress": [{ "cidr_blocks": ["0.0.0.0/0"], "description": "", "from_port": 0, "to_port": 0, "protocol": "-1", "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": false }],
        "tags": { "Owner": "net" }, "tags_all": { "Owner": "net" }
    })
}

fn ssh() -> Value {
    json!({ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] })
}

#[test]
fn an_untouched_group_is_silent_in_every_shape() {
    let split = |ingress| with(&state(), &json!({ "ingress": ingress }));
    let refreshed = state()["ingress"].clone();
    let rule = json!({ "security_group_id": "sg-1", "type": "ingress", "cidr_blocks": ["10.0.0.0/8"], "description": "inside", "from_port": 443, "to_port": 443, "protocol": "TCP", "self": false, "ipv6_cidr_blocks": null, "prefix_list_ids": null, "source_security_group_id": null });
    let new_rule = json!({ "security_group_id": "sg-1", "cidr_ipv4": "10.0.0.0/8", "cidr_ipv6": null, "description": "inside", "from_port": 443, "to_port": 443, "ip_protocol": "6", "prefix_list_id": null, "referenced_security_group_id": null, "tags": null });
    let shapes: Vec<Vec<(&str, Value)>> = vec![
        vec![(SG, state())],
        vec![("aws_default_security_group", state())],
        vec![(SG, split(json!([]))), ("aws_security_group_rule", rule.clone())],
        vec![(SG, split(refreshed.clone())), ("aws_security_group_rule", rule)],
        vec![(SG, split(refreshed)), ("aws_vpc_security_group_ingress_rule", new_rule)],
    ];
    for shape in shapes {
        let baseline = agreed(SG, &shape);
        assert_eq!(
            compared(SG, &seen(SG, &live(json!([https()])), &json!({})), &baseline),
            Vec::<String>::new(),
            "{shape:?}"
        );
    }
}

#[test]
fn ssh_opened_by_hand_is_one_drift_even_where_refresh_has_copied_it() {
    let snapshot = seen(SG, &live(json!([https(), ssh()])), &json!({}));
    let inline = compared(SG, &snapshot, &agreed(SG, &[(SG, state())]));
    assert_eq!(inline.len(), 1, "{inline:?}");
    assert!(inline[0].starts_with("ingress: ") && inline[0].contains("0.0.0.0/0"), "{inline:?}");

    let both = json!([
        { "cidr_blocks": ["10.0.0.0/8"], "description": "inside", "from_port": 443, "to_port": 443, "protocol": "tcp" },
        { "cidr_blocks": ["0.0.0.0/0"], "description": "", "from_port": 22, "to_port": 22, "protocol": "tcp" }
    ]);
    let rule = json!({ "security_group_id": "sg-1", "cidr_ipv4": "10.0.0.0/8", "description": "inside", "from_port": 443, "to_port": 443, "ip_protocol": "tcp" });
    let baseline =
        agreed(SG, &[(SG, with(&state(), &json!({ "ingress": both }))), ("aws_vpc_security_group_ingress_rule", rule)]);
    assert_eq!(compared(SG, &snapshot, &baseline).len(), 1);
}

#[test]
fn rules_mean_the_same_however_they_are_written() {
    let cases: &[(&str, Value, Value)] = &[
        (
            "split over rules",
            json!([{ "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.1.0.0/16", "10.2.0.0/16"] }]),
            json!([{ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{ "CidrIp": "10.2.0.0/16" }, { "CidrIp": "10.1.0.0/16" }] }]),
        ),
        (
            "touching ranges",
            json!([{ "protocol": "tcp", "from_port": 80, "to_port": 90, "cidr_blocks": ["10.1.0.0/16"] }, { "protocol": "6", "from_port": 91, "to_port": 99, "cidr_blocks": ["10.1.0.0/16"] }]),
            json!([{ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 99, "IpRanges": [{ "CidrIp": "10.1.0.0/16" }] }]),
        ),
        (
            "host bits and v6 spelling",
            json!([{ "protocol": "udp", "from_port": 53, "to_port": 53, "cidr_blocks": ["10.1.2.3/16"], "ipv6_cidr_blocks": ["2001:0DB8::/32"] }]),
            json!([{ "IpProtocol": "17", "FromPort": 53, "ToPort": 53, "IpRanges": [{ "CidrIp": "10.1.0.0/16" }], "Ipv6Ranges": [{ "CidrIpv6": "2001:db8::/32" }] }]),
        ),
        (
            "self",
            json!([{ "protocol": "-1", "from_port": 0, "to_port": 0, "self": true }]),
            json!([{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": "sg-1", "UserId": "111122223333" }] }]),
        ),
        (
            "own group named",
            json!([{ "protocol": "-1", "from_port": 0, "to_port": 0, "security_groups": ["sg-1"] }]),
            json!([{ "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": "sg-1", "UserId": "111122223333" }] }]),
        ),
        (
            "peer's group",
            json!([{ "protocol": "tcp", "from_port": 1, "to_port": 2, "security_groups": ["999999999999/sg-9"] }]),
            json!([{ "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{ "GroupId": "sg-9", "UserId": "999999999999" }] }]),
        ),
        (
            "icmp",
            json!([{ "protocol": "icmp", "from_port": 8, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] }]),
            json!([{ "IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] }]),
        ),
        (
            "prefix list",
            json!([{ "protocol": "tcp", "from_port": 443, "to_port": 443, "prefix_list_ids": ["pl-1"] }]),
            json!([{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{ "PrefixListId": "pl-1" }] }]),
        ),
        (
            "protocol without ports",
            json!([{ "protocol": "50", "from_port": 0, "to_port": 0, "cidr_blocks": ["10.0.0.0/8"] }]),
            json!([{ "IpProtocol": "50", "IpRanges": [{ "CidrIp": "10.0.0.0/8" }] }]),
        ),
    ];
    for (name, declared, live_rules) in cases {
        let baseline = agreed(SG, &[(SG, with(&state(), &json!({ "ingress": declared })))]);
        assert_eq!(
            compared(SG, &seen(SG, &live(live_rules.clone()), &json!({})), &baseline),
            Vec::<String>::new(),
            "{name}"
        );
    }
}

#[test]
fn each_change_is_one_drift() {
    let base = live(json!([https()]));
    let cases: &[(&str, Value)] = &[
        ("ingress", json!({ "IpPermissions": [] })),
        (
            "ingress",
            json!({ "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 444, "IpRanges": [{ "CidrIp": "10.0.0.0/8", "Description": "inside" }] }] }),
        ),
        (
            "ingress",
            json!({ "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{ "CidrIp": "10.0.0.0/8", "Description": "changed" }] }] }),
        ),
        ("egress", json!({ "IpPermissionsEgress": [] })),
        ("description", json!({ "Description": "x" })),
        ("tags.Owner", json!({ "Tags": [{ "Key": "Owner", "Value": "me" }] })),
        ("tags.Owner", json!({ "Tags": [] })),
        ("tags.new", json!({ "Tags": [{ "Key": "Owner", "Value": "net" }, { "Key": "new", "Value": "" }] })),
    ];
    for (path, change) in cases {
        let found = compared(SG, &seen(SG, &with(&base, change), &json!({})), &agreed(SG, &[(SG, state())]));
        assert!(found.len() == 1 && found[0].starts_with(&format!("{path}: ")), "{path}: {found:?}");
    }
    let aws = json!({ "Tags": [{ "Key": "Owner", "Value": "net" }, { "Key": "aws:backup:source", "Value": "x" }] });
    assert!(compared(SG, &seen(SG, &with(&base, &aws), &json!({})), &agreed(SG, &[(SG, state())])).is_empty());
}

#[test]
fn of_a_group_that_others_declare_only_the_own_rules_must_be_there() {
    let rule = json!({ "security_group_id": "sg-1", "cidr_ipv4": "10.0.0.0/8", "description": "inside", "from_port": 443, "to_port": 443, "ip_protocol": "tcp" });
    let baseline = agreed(SG, &[("aws_vpc_security_group_ingress_rule", rule)]);
    let found = |ingress: Value| compared(SG, &seen(SG, &live(ingress), &json!({})), &baseline);
    assert_eq!(found(json!([https()])), Vec::<String>::new());
    assert_eq!(found(json!([https(), ssh()])), Vec::<String>::new());
    let wider = json!({ "IpProtocol": "tcp", "FromPort": 400, "ToPort": 500, "IpRanges": [{ "CidrIp": "10.0.0.0/8", "Description": "inside" }] });
    for without in [json!([ssh()]), json!([])] {
        let drifts = found(without);
        assert!(drifts.len() == 1 && drifts[0].starts_with("ingress: "), "{drifts:?}");
    }
    assert_eq!(found(json!([wider])), Vec::<String>::new(), "rules are joined: whose the wider one is can't be told");
}
