//! What holds for every type, on one made for it.

use std::collections::BTreeMap;

use driftline_model::catalogue::{Catalogue, Status};
use driftline_model::record::{Instance, Part};
use driftline_model::{Origin, ResourceKey, Snapshot, Unplaced, examine, fold, parents};
use serde_json::{Value, json};

const TYPE: &str = r#"
type = "aws_thing"
aliases = ["aws_default_thing"]
scope = "regional"
id = "{Name}"
terraform_id = ["{name}"]
[read]
list = { call = "things:ListThings", items = "Things[*]" }
[read.context]
scalers = { call = "things:ListScalers", items = "Scalers[*]", by = "Thing" }
[attributes]
engine_version = { from = "Version", kind = "version", muted = { when = "auto_upgrade", change = "newer", major = 2, why = "automatic minor upgrade" } }
auto_upgrade = { from = "Auto", kind = "bool" }
count = { from = "Count", kind = "number", muted = { when = "relations:scaler", why = "a scaler" } }
storage = { from = "Storage", kind = "number", muted = { when = "max_storage", change = "increase", why = "storage autoscaling" } }
max_storage = { from = "Max", kind = "number" }
key = { from = "Key", kind = "kms" }
enabled = { from = "Enabled", kind = "bool", default = true }
window = { from = "Window", kind = "window" }
zone = { from = "Zone", owner = "aws" }
status = { from = "Status", uncompared = "runtime" }
ports = { from = "Ports", kind = "set", of = "number" }
steps = { from = "Steps", kind = "list" }
document = { from = "Document", kind = "json" }
log_group = { from = "LogGroup", kind = "ref" }
variables = { from = "Variables", kind = "map", secret = "text" }
"options.a" = "Options.A"
"options.b" = "Options.B"
element = { from = "Elements", kind = "blocks", key = "name", fields = { name = "Name", size = { from = "Size", kind = "number", computed = true }, note = "Note" } }
[relations]
scaler = "scalers:[0].Name"
kms_aliases = "Aliases"
[[folds]]
type = "aws_thing_element"
key = "{thing}"
element = "element"
[[folds]]
type = "aws_thing_elements_exclusive"
key = "{thing}"
paths = { element = "names" }
whole = true
[[folds]]
type = "aws_things_option"
keys = "things[*]"
paths = { "options.a" = "a" }
[excluded]
force = "an option of the provider"
"#;

fn catalogue() -> Catalogue {
    Catalogue::parse([("thing.toml", TYPE)]).unwrap_or_else(|e| panic!("{e}"))
}

fn snapshot(attributes: &Value) -> Snapshot {
    let attributes: BTreeMap<String, Value> = serde_json::from_value(attributes.clone()).unwrap();
    Snapshot {
        key: ResourceKey::new("111122223333", "eu-west-1", "aws_thing", "t"),
        arn: None,
        revision: catalogue().get("aws_thing").unwrap().revision.clone(),
        attributes,
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner: None,
    }
}

fn part(source: &str, kind: &str, attributes: &Value) -> Part {
    let origin = if source == "approved" { "approved" } else { "terraform" };
    let instance = Instance {
        kind: kind.to_owned(),
        address: format!("{kind}.x"),
        line: Some(7),
        attributes: attributes.as_object().unwrap().clone(),
        ignore_changes: Vec::new(),
    };
    Part {
        origin: Origin { origin: origin.into(), source: source.into(), address: String::new(), line: None },
        lineage: String::new(),
        serial: 0,
        revision: String::new(),
        instances: vec![instance],
    }
}

fn drifts(snapshot: &Snapshot, parts: &[Part]) -> Vec<String> {
    let catalogue = catalogue();
    let ty = catalogue.get("aws_thing").unwrap();
    let found = examine(ty, snapshot, &fold(ty, parts));
    let lines = found.differences.iter().map(|d| format!("{}: {} -> {}", d.path, d.expected, d.actual));
    let muted = found.muted.iter().map(|(p, w)| format!("muted {p}: {w}"));
    lines.chain(muted).chain(found.unknown.iter().map(|(p, w)| format!("unknown {p}: {w}"))).collect()
}

fn check(declared: &Value, live: &Value, expect: &[&str]) {
    let found = drifts(&snapshot(live), &[part("a", "aws_thing", &with_name(declared))]);
    assert_eq!(found, expect, "{declared} against {live}");
}

fn with_name(declared: &Value) -> Value {
    let mut out = declared.clone();
    out["name"] = "t".into();
    out
}

#[test]
fn values_that_mean_the_same_are_silent_and_others_are_not() {
    let silent = [
        (json!({ "engine_version": "8.0" }), json!({ "engine_version": "8.0.35" })),
        (json!({ "enabled": null }), json!({ "enabled": false })),
        (json!({ "enabled": true }), json!({})),
        (json!({ "enabled": "true" }), json!({ "enabled": true })),
        (json!({ "window": "Sun:03:00-Sun:04:00" }), json!({ "window": "sun:03:00-sun:04:00" })),
        (json!({ "zone": "a" }), json!({ "zone": "b" })),
        (json!({ "status": "a" }), json!({ "status": "b" })),
        (json!({ "ports": ["80", 443, 80] }), json!({ "ports": [443, 80] })),
        (json!({ "ports": [] }), json!({})),
        (json!({ "document": "{\"b\": 1, \"a\": [ ]}" }), json!({ "document": { "a": [], "b": 1 } })),
        (json!({ "document": "{\"a\": 1.0}" }), json!({ "document": { "a": 1 } })),
        (json!({ "log_group": "/x" }), json!({ "log_group": "arn:aws:logs:eu-west-1:111122223333:log-group:/x" })),
        (
            json!({ "log_group": "arn:aws:logs:eu-west-1:111122223333:log-group:x:*" }),
            json!({ "log_group": "arn:aws:logs:eu-west-1:111122223333:log-group:x" }),
        ),
        (json!({ "key": "k" }), json!({ "key": "arn:aws:kms:eu-west-1:111122223333:key/k" })),
        (json!({ "max_storage": 0 }), json!({})),
        (json!({ "options": [{ "a": "", "b": null }] }), json!({ "options.b": "x" })),
        (
            json!({ "element": [{ "name": "n", "size": null, "note": "" }] }),
            json!({ "element": [{ "name": "n", "size": 4 }] }),
        ),
    ];
    for (declared, live) in silent {
        check(&declared, &live, &[]);
    }
    check(&json!({ "enabled": true }), &json!({ "enabled": false }), &["enabled: true -> false"]);
    check(
        &json!({ "engine_version": "8.0" }),
        &json!({ "engine_version": "8.1.0" }),
        &["engine_version: \"8.0\" -> \"8.1.0\""],
    );
    check(&json!({ "steps": ["a", "b"] }), &json!({ "steps": ["b", "a"] }), &["steps: [\"a\",\"b\"] -> [\"b\",\"a\"]"]);
    check(&json!({ "options": [] }), &json!({ "options.a": "x" }), &["options.a: null -> \"x\""]);
    check(
        &json!({ "options": [{ "a": "1", "b": "2" }] }),
        &json!({}),
        &["options: {\"a\":\"1\",\"b\":\"2\"} -> {\"a\":null,\"b\":null}"],
    );
    check(
        &json!({ "element": [{ "name": "n", "size": 3 }] }),
        &json!({ "element": [{ "name": "n", "size": 4 }] }),
        &["element: [{\"name\":\"n\",\"size\":3}] -> [{\"name\":\"n\",\"size\":4}]"],
    );
}

#[test]
fn a_value_is_muted_only_where_its_owner_is_and_only_for_what_it_does() {
    let upgrade = json!({ "engine_version": "8.0.35", "auto_upgrade": true });
    check(
        &upgrade,
        &json!({ "engine_version": "8.0.36", "auto_upgrade": true }),
        &["muted engine_version: automatic minor upgrade"],
    );
    check(
        &upgrade,
        &json!({ "engine_version": "8.0.34", "auto_upgrade": true }),
        &["engine_version: \"8.0.35\" -> \"8.0.34\""],
    );
    check(
        &upgrade,
        &json!({ "engine_version": "9.0.1", "auto_upgrade": true }),
        &["engine_version: \"8.0.35\" -> \"9.0.1\""],
    );
    check(
        &upgrade,
        &json!({ "engine_version": "8.0.36" }),
        &["auto_upgrade: true -> null", "engine_version: \"8.0.35\" -> \"8.0.36\""],
    );
    check(
        &json!({ "storage": 20 }),
        &json!({ "storage": 30, "max_storage": 100 }),
        &["muted storage: storage autoscaling"],
    );
    check(&json!({ "storage": 20 }), &json!({ "storage": 10, "max_storage": 100 }), &["storage: 20 -> 10"]);
    let parts = [part("a", "aws_thing", &json!({ "name": "t", "count": 1 }))];
    let mut scaled = snapshot(&json!({ "count": 5 }));
    assert_eq!(drifts(&scaled, &parts), ["count: 1 -> 5"]);
    scaled.relations.insert("scaler".into(), json!("s"));
    assert_eq!(drifts(&scaled, &parts), ["muted count: a scaler"]);
    scaled.relations.clear();
    scaled.unread.insert("relations:scaler".into(), "AccessDenied".into());
    assert_eq!(drifts(&scaled, &parts), ["unknown count: whether this is true is unread: a scaler"]);
}

#[test]
fn an_alias_is_followed_where_it_leads_and_unknown_where_it_cannot_be() {
    let parts = [part("a", "aws_thing", &json!({ "name": "t", "key": "alias/app" }))];
    let mut live = snapshot(&json!({ "key": "arn:aws:kms:eu-west-1:111122223333:key/k1" }));
    assert_eq!(drifts(&live, &parts), ["unknown key: what an alias leads to, or a part of it, is not known here"]);
    live.relations.insert("kms_aliases".into(), json!({ "alias/app": "k1" }));
    assert_eq!(drifts(&live, &parts), Vec::<String>::new());
    live.relations.insert("kms_aliases".into(), json!({ "alias/other": "k1" }));
    assert_eq!(drifts(&live, &parts).len(), 1);
    let unset = [part("a", "aws_thing", &json!({ "name": "t", "key": "" }))];
    assert_eq!(drifts(&live, &unset).len(), 1, "a customer's key is not the service's own");
    live.relations.insert("kms_aliases".into(), json!({ "alias/aws/things": "k1" }));
    assert_eq!(drifts(&live, &unset), Vec::<String>::new());
}

#[test]
fn split_elements_are_united_and_the_inline_copy_is_ignored() {
    let live = snapshot(&json!({ "element": [{ "name": "a" }, { "name": "b" }] }));
    let own = part("s", "aws_thing", &json!({ "name": "t", "element": [{ "name": "a" }, { "name": "b" }] }));
    let a = part("s", "aws_thing_element", &json!({ "thing": "t", "name": "a" }));
    let b = part("other", "aws_thing_element", &json!({ "thing": "t", "name": "b" }));
    assert_eq!(drifts(&live, &[own.clone(), a.clone(), b]), Vec::<String>::new());
    assert_eq!(drifts(&live, &[own.clone(), a.clone()]).len(), 1, "refresh had copied what was made by hand");
    let exclusive = |names: Value| part("s", "aws_thing_elements_exclusive", &json!({ "thing": "t", "names": names }));
    assert_eq!(drifts(&live, &[a, exclusive(json!(["a"]))]).len(), 1);
    assert_eq!(drifts(&live, &[own, exclusive(json!([]))]).len(), 1);
    assert_eq!(drifts(&snapshot(&json!({})), &[exclusive(json!([]))]), Vec::<String>::new());
}

#[test]
fn sources_that_disagree_are_a_conflict_and_an_approval_wins() {
    let catalogue = catalogue();
    let ty = catalogue.get("aws_thing").unwrap();
    let say =
        |source: &str, version: &str| part(source, "aws_thing", &json!({ "name": "t", "engine_version": version }));
    let folded = fold(ty, &[say("b.tfstate", "2"), say("a.tfstate", "1")]);
    assert_eq!(folded.attributes["engine_version"].value, json!("1"));
    assert_eq!(folded.conflicts["engine_version"], "`a.tfstate` and `b.tfstate` disagree; the first counts");
    let folded = fold(ty, &[say("b.tfstate", "2"), say("approved", "3")]);
    assert_eq!((&folded.attributes["engine_version"].value, folded.conflicts.len()), (&json!("3"), 0));
    assert_eq!(folded.origins[0].line, Some(7));
    // what an approved snapshot does not have was agreed to be absent
    let live = snapshot(&json!({ "engine_version": "3", "steps": ["x"] }));
    assert_eq!(drifts(&live, &[say("approved", "3")]), ["steps: null -> [\"x\"]"]);
}

#[test]
fn what_one_version_of_the_catalogue_does_not_know_is_unknown() {
    let parts = [part("a", "aws_thing", &json!({ "name": "t", "steps": ["x"], "window": "a" }))];
    let mut other = snapshot(&json!({ "window": "b" }));
    other.revision = "other".into();
    assert_eq!(
        drifts(&other, &parts),
        ["window: \"a\" -> \"b\"", "unknown steps: observed with another version of the catalogue"]
    );
}

#[test]
fn ignore_changes_is_read_as_terraform_writes_it() {
    let catalogue = catalogue();
    let ty = catalogue.get("aws_thing").unwrap();
    let ignored = |kind: &str, paths: &[&str]| {
        let mut part = part("a", kind, &json!({ "name": "t", "thing": "t" }));
        part.instances[0].ignore_changes = paths.iter().map(|p| (*p).to_owned()).collect();
        fold(ty, &[part]).ignored.into_iter().collect::<Vec<_>>()
    };
    for (kind, written, expect) in [
        ("aws_thing", vec!["count"], vec!["count"]),
        ("aws_thing", vec!["options"], vec!["options.a", "options.b"]),
        ("aws_thing", vec!["options[0].a"], vec!["options.a"]),
        ("aws_thing", vec!["variables[\"a.b\"]", "variables['1']"], vec!["variables.1", "variables.a.b"]),
        ("aws_thing", vec!["element[0].size"], vec!["element.size"]),
        ("aws_thing", vec!["all"], vec!["*"]),
        ("aws_thing", vec!["unheard_of"], vec![]),
        ("aws_things_option", vec!["a"], vec!["options.a"]),
        ("aws_thing_element", vec!["size"], vec![]),
        ("aws_thing_element", vec!["all"], vec![]),
    ] {
        assert_eq!(ignored(kind, &written), expect, "{kind} {written:?}");
    }
    let mut parts =
        [part("a", "aws_thing", &json!({ "name": "t", "element": [{ "name": "n", "size": 1, "note": "x" }] }))];
    parts[0].instances[0].ignore_changes = vec!["element[0].size".into()];
    assert_eq!(
        drifts(&snapshot(&json!({ "element": [{ "name": "n", "size": 2, "note": "x" }] })), &parts),
        Vec::<String>::new()
    );
    assert_eq!(drifts(&snapshot(&json!({ "element": [{ "name": "n", "size": 2, "note": "y" }] })), &parts).len(), 1);
}

#[test]
fn instances_find_their_resources() {
    let catalogue = catalogue();
    let place = |kind: &str, attributes: Value| {
        let found = parents(&catalogue, &part("a", kind, &attributes).instances[0])?;
        Ok::<_, Unplaced>(
            found.iter().map(|p| format!("{} {} {:?} {:?}", p.ty.name, p.id, p.account, p.region)).collect::<Vec<_>>(),
        )
    };
    let arn = "arn:aws:things:eu-west-1:111122223333:thing/t";
    assert_eq!(
        place("aws_default_thing", json!({ "name": "t", "arn": arn })).unwrap(),
        ["aws_thing t Some(\"111122223333\") Some(\"eu-west-1\")"]
    );
    assert_eq!(
        place("aws_thing", json!({ "name": "t", "availability_zone": "eu-west-1b" })).unwrap(),
        ["aws_thing t None Some(\"eu-west-1\")"]
    );
    assert_eq!(
        place("aws_things_option", json!({ "things": ["t", "u"] })).unwrap(),
        ["aws_thing t None None", "aws_thing u None None"]
    );
    assert_eq!(
        place("aws_thing_element", json!({ "thing": null })),
        Err(Unplaced::NoId { kind: "aws_thing_element".into(), rule: "thing".into() })
    );
    assert_eq!(place("aws_other", json!({})), Err(Unplaced::UnknownType("aws_other".into())));
}

#[test]
fn settable_paths_have_a_status() {
    let catalogue = catalogue();
    let ty = catalogue.get("aws_thing").unwrap();
    for (path, expect) in [
        ("options.a", Status::Compared("options.a")),
        ("options", Status::Compared("options.a")),
        ("element.name", Status::Compared("element")),
        ("element.unheard_of", Status::Unknown),
        ("variables.X", Status::Compared("variables")),
        ("status", Status::Excluded("runtime")),
        ("force", Status::Excluded("an option of the provider")),
        ("force.below", Status::Excluded("an option of the provider")),
        ("other", Status::Unknown),
    ] {
        assert_eq!(ty.status(path), expect, "{path}");
    }
}

#[test]
fn every_mistake_is_named_at_once_with_its_line() {
    let text = r#"type = "aws_x"
scope = "planetary"
id = "{Name"
[read]
list = { call = "things", itms = "X[*]" }
[attributes]
a = { from = "A[", kind = "strange" }
b = { form = "B" }
c = { from = "none:C" }
d = { from = "D|shuffle", muted = { why = "x" } }
"#;
    let Err(problems) = Catalogue::parse([("x.toml", text)]) else { panic!("taken") };
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn users_extend_and_replace_types() {
    let more = "type = \"aws_thing\"\nextends = true\n[attributes]\ncolour = \"Colour\"\n";
    let extended = Catalogue::parse([("thing.toml", TYPE), ("mine.toml", more)]).unwrap();
    let ty = extended.get("aws_thing").unwrap();
    assert!(ty.attributes.contains_key("colour") && ty.attributes.contains_key("count"));
    assert_ne!(ty.revision, catalogue().get("aws_thing").unwrap().revision);
    assert_ne!(extended.revision(), catalogue().revision());
    let stray = Catalogue::parse([("mine.toml", more)]).unwrap_err();
    assert_eq!(stray.to_string(), "mine.toml:1: `aws_thing` extends a type that is not there");
}
