use driftline_model::normal::rules::canonical;
use proptest::prelude::*;
use serde_json::{Value, json};

/// (udp, port, length, peer, described)
type Rule = (bool, u16, u16, usize, bool);

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec((any::<bool>(), 0..40_u16, 0..10_u16, 0..4_usize, any::<bool>()), 1..12)
}

fn peer(i: usize) -> (&'static str, &'static str) {
    [
        ("cidr_blocks", "10.0.0.0/8"),
        ("ipv6_cidr_blocks", "::/0"),
        ("security_groups", "sg-2"),
        ("security_groups", "sg-own"),
    ][i]
}

fn inline((udp, from, length, to, described): &Rule) -> Value {
    let (name, id) = peer(*to);
    json!({ "protocol": if *udp { "udp" } else { "6" }, "from_port": from, "to_port": from + length, name: [id], "description": if *described { "d" } else { "" } })
}

fn api((udp, from, length, to, described): &Rule) -> Value {
    let description = if *described { json!("d") } else { Value::Null };
    let (list, entry) = match *to {
        0 => ("IpRanges", json!({ "CidrIp": "10.0.0.1/8", "Description": description })),
        1 => ("Ipv6Ranges", json!({ "CidrIpv6": "0::0/0", "Description": description })),
        2 => ("UserIdGroupPairs", json!({ "GroupId": "sg-2", "UserId": "1", "Description": description })),
        _ => ("UserIdGroupPairs", json!({ "GroupId": "sg-own", "UserId": "1", "Description": description })),
    };
    json!({ "IpProtocol": if *udp { "17" } else { "tcp" }, "FromPort": from, "ToPort": from + length, list: [entry] })
}

proptest! {
    #[test]
    fn rules_are_the_same_split_by_port_and_in_any_order_and_shape(list in rules()) {
        let whole = canonical(&list.iter().map(inline).collect::<Vec<_>>(), "sg-own");
        let mut single: Vec<Rule> = list.iter().flat_map(|(u, f, n, p, d)| (0..=*n).map(move |i| (*u, f + i, 0, *p, *d))).collect();
        single.reverse();
        prop_assert_eq!(&whole, &canonical(&single.iter().map(inline).collect::<Vec<_>>(), "sg-own"));
        prop_assert_eq!(&whole, &canonical(&list.iter().rev().map(api).collect::<Vec<_>>(), "sg-own"));
        let again = canonical(whole.as_array().unwrap(), "sg-own");
        prop_assert_eq!(&whole, &again);
    }

    #[test]
    fn a_port_more_is_seen(list in rules()) {
        let rules: Vec<Value> = list.iter().map(inline).collect();
        let mut more = rules.clone();
        more.push(json!({ "protocol": "tcp", "from_port": 9000, "to_port": 9000, "cidr_blocks": ["0.0.0.0/0"] }));
        prop_assert_ne!(canonical(&rules, "sg-own"), canonical(&more, "sg-own"));
    }
}
