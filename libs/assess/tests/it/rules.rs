//! The shipped rules hold together, and each of them is either evaluated or named with a reason.

use std::collections::BTreeSet;

use driftline_assess::Assessor;
use driftline_assess::attributes::within;
use driftline_assess::controls::{Controls, FRAMEWORKS};
use driftline_assess::rules::Rules;
use driftline_model::{Catalogue, Severity};

use crate::shipped;

/// Rules that need more than the resource's own configuration.
const UNEVALUATED: [&str; 8] = [
    "db_instance.16",
    "db_instance.21",
    "ebs_volume.03",
    "instance.09",
    "iam_user.07",
    "kms_key.06",
    "vpc.01",
    "vpc.02",
];

#[test]
fn every_rule_is_evaluated_or_named() {
    let rules = &shipped().1.rules;
    let all = rules.types().flat_map(|(_, t)| &t.rules);
    let named: BTreeSet<&str> = all.filter(|r| r.needs().is_some()).map(|r| r.id.as_str()).collect();
    assert_eq!(named, BTreeSet::from(UNEVALUATED));
}

#[test]
fn rules_refer_only_to_rules_and_have_controls_with_titles() {
    let (rules, controls) = (&shipped().1.rules, Controls::shipped());
    let mut ids = BTreeSet::new();
    for (type_name, of_type) in rules.types() {
        for rule in &of_type.rules {
            assert!(ids.insert(rule.id.clone()), "{} stands twice", rule.id);
            assert!(rule.drift >= rule.severity, "{}: a change is never less than the state", rule.id);
            assert!(!rule.breach.ends_with('.') && !rule.title.is_empty(), "{}", rule.id);
            for other in &rule.unless {
                assert!(rules.rule(type_name, other).is_some() && *other != rule.id, "{} unless {other}", rule.id);
            }
            assert!(!controls.of(&rule.id).is_empty(), "{} has no control", rule.id);
        }
        let breaks = of_type.missing.iter().flat_map(|m| &m.breaks);
        breaks.for_each(|id| assert!(rules.rule(type_name, id).is_some(), "{type_name} misses {id}"));
        assert!(of_type.missing.as_ref().is_some_and(|m| m.severity > Severity::Low), "{type_name}");
    }
    for (control, title) in controls.all() {
        let framework = control.split_once(':').unwrap().0;
        assert!(FRAMEWORKS.contains(&framework), "{control}");
        assert!(!title.is_empty(), "{control}");
    }
}

#[test]
fn the_shipped_rules_are_those_of_the_reference() {
    let reference = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/rules.tsv");
    let Ok(table) = std::fs::read_to_string(reference) else {
        eprintln!("skipped: no reference table here");
        return;
    };
    let rules = &shipped().1.rules;
    let types: BTreeSet<&str> = rules.types().map(|(t, _)| t).collect();
    let mut wrong = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if !types.contains(cells[1]) {
            continue;
        }
        match rules.rule(cells[1], cells[0]) {
            None => wrong.push(format!("{} is not here", cells[0])),
            Some(rule) if rule.severity < cells[4].parse().unwrap() => {
                wrong.push(format!("{} is milder here", rule.id))
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_path_of_a_rule_is_one_that_the_catalogue_knows() {
    let (catalogue, Assessor { rules, .. }) = shipped();
    for (type_name, of_type) in rules.types() {
        let of = catalogue.get(type_name).unwrap();
        for rule in of_type.rules.iter().filter(|r| r.needs().is_none()) {
            let below = of.attributes.keys().any(|path| within(path, &rule.path));
            assert!(of.attribute(&rule.path).is_some() || below, "{}: no attribute at {}", rule.id, rule.path);
        }
    }
}

#[test]
fn a_judgement_that_cannot_be_is_refused_with_the_place() {
    let file = |secure: &str, judgement: &str| {
        format!(
            "type = \"t\"\nscope = \"global\"\nid = \"{{Id}}\"\n[read]\nlist = {{ call = \"s3:ListBuckets\", items = \"B[*]\" }}\n\
             [attributes.p]\nfrom = \"P\"\n{secure}\n[judgement]\n{judgement}"
        )
    };
    let line = "secure = { rule = \"t.1\", severity = \"LOW\", empty = true, title = \"t\" }";
    let whole = |more: &str| format!("[judgement.rules]\n\"t.2\" = {{ class = \"c\", breach = \"b\", {more} }}");
    let cases = [
        (file("", "colour = 1"), "colour"),
        (file(line, "[judgement.rules]\n\"t.1\" = { class = \"c\" }"), "breach"),
        (file(line, "[judgement.rules]\n\"t.1\" = { class = \"c\", breach = \"b\", title = \"x\" }"), "stand there"),
        (file("", &whole("path = \"p\"")), "secure"),
        (
            file("", &whole("path = \"p\", severity = \"LOW\", title = \"x\", secure = { no_such_kind = true }")),
            "no_such_kind",
        ),
        (file("", &whole("path = \"p\", severity = \"LOW\", title = \"x\", secure = { not_matches = \"(\" }")), "t.2"),
        (
            file("", &whole("path = \"p\", severity = \"LOW\", title = \"x\", secure = { equals = 1, empty = true }")),
            "exactly one",
        ),
        (file(line, "[judgement.rules]\n\"t.1\" = { class = \"c\", breach = \"b\", unless = [\"t.9\"] }"), "t.9"),
    ];
    for (text, expect) in cases {
        let catalogue = Catalogue::parse([("t.toml", text.as_str())]).unwrap_or_else(|p| panic!("{p}\n{text}"));
        let error = Rules::new(&catalogue).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains("`t`"), "{expect}: {error}");
    }
}

#[test]
fn every_line_about_changes_is_about_a_path_that_is_compared() {
    let (catalogue, Assessor { rules, .. }) = shipped();
    let mut idle = Vec::new();
    for (type_name, of_type) in rules.types() {
        let of = catalogue.get(type_name).unwrap();
        let compared = || of.attributes.values().filter(|a| a.uncompared.is_none());
        for line in &of_type.changes {
            if !compared().any(|a| line.covers(&a.path) || line.covers(&format!("{}.x", a.path))) {
                idle.push(format!("{type_name}: {}", line.path));
            }
        }
    }
    assert!(idle.is_empty(), "{idle:#?}");
}
