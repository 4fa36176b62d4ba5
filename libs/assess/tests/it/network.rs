//! Which firewall rules open what to the internet.

use driftline_assess::Verdict;
use serde_json::{Value, json};

fn rule(protocol: &str, from: Value, to: Value, source: &str) -> Value {
    let key = if source.contains(':') { "ipv6_cidr_blocks" } else { "cidr_blocks" };
    json!({ "protocol": protocol, "from_port": from, "to_port": to, key: [source] })
}

#[test]
fn ports_protocols_and_ranges_decide() {
    let ssh = "security_group.01";
    let cases = [
        (ssh, rule("tcp", json!(22), json!(22), "0.0.0.0/0"), true),
        (ssh, rule("6", json!("22"), json!("22"), "0.0.0.0/0"), true),
        (ssh, rule("tcp", json!(0), json!(1024), "0.0.0.0/0"), true),
        (ssh, rule("-1", json!(0), json!(0), "::/0"), true),
        (ssh, rule("all", json!(null), json!(null), "0.0.0.0/0"), true),
        (ssh, rule("tcp", json!(22), json!(22), "128.0.0.0/1"), true),
        (ssh, rule("tcp", json!(22), json!(22), "2000::/3"), true),
        (ssh, rule("tcp", json!(22), json!(22), "10.0.0.0/8"), false),
        (ssh, rule("tcp", json!(22), json!(22), "203.0.113.7/32"), false),
        (ssh, rule("tcp", json!(22), json!(22), "fc00::/7"), false),
        (ssh, rule("udp", json!(22), json!(22), "0.0.0.0/0"), false),
        (ssh, rule("icmp", json!(22), json!(22), "0.0.0.0/0"), false),
        (ssh, rule("tcp", json!(443), json!(443), "0.0.0.0/0"), false),
        (ssh, json!({ "protocol": "tcp", "from_port": 22, "to_port": 22, "security_groups": ["sg-1"] }), false),
        (ssh, json!({ "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_ipv4": "0.0.0.0/0" }), true),
        ("security_group.15", rule("tcp", json!(138), json!(138), "0.0.0.0/0"), true),
        ("security_group.16", rule("tcp", json!(0), json!(65535), "0.0.0.0/0"), true),
        ("security_group.16", rule("tcp", json!(1), json!(65534), "0.0.0.0/0"), false),
        ("security_group.18", rule("tcp", json!(80), json!(80), "0.0.0.0/0"), false),
        ("security_group.18", rule("tcp", json!(80), json!(81), "0.0.0.0/0"), true),
        ("security_group.18", rule("udp", json!(53), json!(53), "0.0.0.0/0"), true),
        ("security_group.18", rule("icmp", json!(-1), json!(-1), "0.0.0.0/0"), false),
        ("security_group.19", rule("tcp", json!(443), json!(443), "40.0.0.0/7"), true),
        ("security_group.19", rule("tcp", json!(443), json!(443), "10.0.0.0/8"), false),
        ("security_group.19", rule("tcp", json!(443), json!(443), "0.0.0.0/0"), false),
    ];
    for (id, rule, open) in cases {
        let got = crate::verdict("aws_security_group", id, json!({ "ingress": [rule] }));
        assert_eq!(got.insecure(), open, "{id} {rule}: {got:?}");
    }
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_passes() {
    for ingress in [json!(["x"]), json!([{ "protocol": "tcp", "from_port": "ssh", "cidr_blocks": ["0.0.0.0/0"] }])] {
        let got = crate::verdict("aws_security_group", "security_group.01", json!({ "ingress": ingress }));
        assert!(matches!(got, Verdict::Unknown(_)), "{ingress}: {got:?}");
    }
}

#[test]
fn the_default_group_is_a_case_of_its_own() {
    let open = json!([rule("-1", json!(0), json!(0), "10.0.0.0/8")]);
    let default = json!({ "owner": "default", "ingress": open });
    let other = json!({ "ingress": open });
    assert!(crate::verdict("aws_security_group", "security_group.20", default).insecure());
    assert_eq!(crate::verdict("aws_security_group", "security_group.20", other), Verdict::NotApplicable);
}
