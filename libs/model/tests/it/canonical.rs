use std::collections::BTreeMap;

use driftline_model::canonical::{Prepared, hash, text};
use driftline_model::{ResourceKey, Snapshot};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((".{0,6}", inner), 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn snapshot(attributes: BTreeMap<String, Value>) -> Snapshot {
    Snapshot {
        key: ResourceKey::new("111122223333", "global", "aws_s3_bucket", "b"),
        arn: Some("arn:aws:s3:::b".into()),
        revision: "1".into(),
        attributes,
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner: None,
    }
}

proptest! {
    #[test]
    fn canonical_text_is_the_same_value_and_its_own_canonical_text(value in value()) {
        let written = text(&value);
        let read: Value = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(text(&read), written);
        let numbers_apart = |v: &Value| v.to_string().replace(".0", "");
        prop_assert_eq!(numbers_apart(&read), numbers_apart(&value));
    }

    #[test]
    fn what_changed_is_what_differs(before in prop::collection::btree_map("[a-d]{1,2}", value(), 0..8), after in prop::collection::btree_map("[a-d]{1,2}", value(), 0..8)) {
        let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let spelled = |m: &BTreeMap<String, Value>, p: &String| m.get(p).map(text);
        let expect: Vec<&str> = paths.into_iter().filter(|p| spelled(&before, p) != spelled(&after, p)).map(String::as_str).collect();
        let (a, b) = (Prepared::new(&snapshot(before.clone())), Prepared::new(&snapshot(after.clone())));
        prop_assert_eq!(a.changed(&b), expect.clone());
        prop_assert_eq!(a.same(&b), expect.is_empty());
    }
}

#[test]
fn the_hash_is_of_the_content_alone() {
    let base = snapshot([("tags".to_owned(), json!({ "a": 1, "b": [2.0, "x"] }))].into());
    let same = |change: &dyn Fn(&mut Snapshot)| {
        let mut other = base.clone();
        change(&mut other);
        hash(&base) == hash(&other)
    };
    assert!(same(&|s| s.revision = "2".into()), "a new catalogue alone is no change");
    assert!(same(
        &|s| s.attributes = [("tags".to_owned(), serde_json::from_str("{\"b\":[2,\"x\"],\"a\":1}").unwrap())].into()
    ));
    assert!(!same(&|s| s.attributes = BTreeMap::new()));
    assert!(!same(&|s| s.owner = Some("aws".into())));
    assert!(!same(&|s| s.arn = None));
    assert!(!same(&|s| drop(s.relations.insert("scaler".into(), json!("x")))));
    let unread = |error: &'static str| move |s: &mut Snapshot| drop(s.unread.insert("policy".into(), error.into()));
    assert!(!same(&unread("AccessDenied")));
    let (mut a, mut b) = (base.clone(), base.clone());
    unread("request 1 denied")(&mut a);
    unread("request 2 denied")(&mut b);
    assert_eq!(hash(&a), hash(&b), "the error's text is no content");
}
