//! What several sources say of one resource.

use driftline_baseline::{Import, Joined, join};
use driftline_model::record::{InputKey, Instance, Part};
use driftline_model::{Origin, ResourceKey};

const A: &str = "111111111111";

fn says(source: &str, origin: &str, region: &str, id: &str) -> Import {
    let address = format!("aws_security_group.{id}");
    let part = Part {
        origin: Origin { origin: origin.into(), source: source.into(), address: address.clone(), line: None },
        lineage: String::new(),
        serial: 0,
        revision: String::new(),
        instances: vec![Instance {
            kind: "aws_security_group".into(),
            address,
            line: None,
            attributes: serde_json::Map::new(),
            ignore_changes: Vec::new(),
        }],
    };
    let key =
        InputKey::Part(ResourceKey::new(A, region, "aws_security_group", id), driftline_baseline::source_hash(source));
    Import { parts: vec![(key, part)], ..Import::empty() }
}

fn seen(region: &str, id: &str) -> ResourceKey {
    ResourceKey::new(A, region, "aws_security_group", id)
}

fn shown(joined: &Joined) -> Vec<String> {
    let sources = |parts: &Vec<Part>| parts.iter().map(|p| p.origin.source.as_str()).collect::<Vec<_>>().join(" ");
    joined.parts.iter().map(|(key, parts)| format!("{}/{}: {}", key.region, key.id, sources(parts))).collect()
}

#[test]
fn the_order_of_sources_does_not_depend_on_who_was_read_first() {
    let mut imports = vec![
        says("b.tfstate", "terraform", "eu-west-1", "sg-1"),
        says("a.tfstate", "terraform", "eu-west-1", "sg-1"),
        says("z.json", "plan", "eu-west-1", "sg-1"),
        says("y", "approved", "eu-west-1", "sg-1"),
    ];
    let first = join(imports.clone(), []);
    assert_eq!(shown(&first), ["eu-west-1/sg-1: y a.tfstate b.tfstate z.json"]);
    imports.reverse();
    assert_eq!(join(imports, []), first);
}

#[test]
fn a_part_without_a_region_goes_where_it_fits_alone() {
    let open = || says("s", "terraform", "-", "sg-1");
    for (known, others, expect, word) in [
        (vec![seen("eu-west-1", "sg-1")], vec![], vec!["eu-west-1/sg-1: s"], ""),
        (vec![], vec![says("t", "terraform", "eu-west-2", "sg-1")], vec!["eu-west-2/sg-1: s t"], ""),
        (
            vec![seen("eu-west-2", "sg-1"), seen("eu-west-1", "sg-2")],
            vec![says("t", "terraform", "eu-west-2", "sg-1")],
            vec!["eu-west-2/sg-1: s t"],
            "",
        ),
        (vec![seen("eu-west-1", "sg-1"), seen("eu-west-2", "sg-1")], vec![], vec![], "several"),
        (vec![seen("eu-west-1", "sg-2")], vec![], vec![], "no resource"),
    ] {
        let joined = join(others.into_iter().chain([open()]), &known);
        assert_eq!(shown(&joined), expect);
        let reasons: Vec<&str> = joined.unplaced.iter().map(|s| s.reason.as_str()).collect();
        assert_eq!(reasons.len(), usize::from(!word.is_empty()));
        assert!(reasons.iter().all(|r| r.contains(word)), "{reasons:?}");
    }
}
