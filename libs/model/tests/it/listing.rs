//! What a listing's answer holds: the same whether it is borrowed from the answer or taken out of it.

use driftline_model::catalogue::List;
use driftline_model::expr::Expr;
use serde_json::{Value, json};

#[test]
fn elements_are_those_that_the_path_leads_to() {
    let nested = json!({ "R": [{ "I": [{ "n": 1 }, { "n": 2 }] }, { "I": [] }, { "J": 1 }, { "I": [{ "n": 3 }] }] });
    for (items, answer, expect) in [
        (
            "Buckets[*]",
            json!({ "Buckets": [{ "Name": "a" }, { "Name": "b" }] }),
            json!([{ "Name": "a" }, { "Name": "b" }]),
        ),
        ("Buckets[*]", json!({ "Buckets": { "Name": "a" } }), json!([])),
        ("Buckets[*]", json!({}), json!([])),
        ("Buckets[*]", Value::Null, json!([])),
        ("Buckets", json!({ "Buckets": [1, 2] }), json!([1, 2])),
        ("A.B", json!({ "A": { "B": { "x": 1 } } }), json!([{ "x": 1 }])),
        ("A.B", json!({ "A": [{ "B": 1 }] }), json!([])),
        ("R[*].I[*]", nested.clone(), json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }])),
        ("R[*].I[*].n", nested.clone(), json!([1, 2, 3])),
        ("R[*].I[?n=='3']", nested.clone(), json!([{ "n": 3 }])),
        ("R[0].I[1]", nested, json!([{ "n": 2 }])),
        ("Names|split(,)", json!({ "Names": "a,b" }), json!(["a", "b"])),
        ("Urls[*]", json!({ "Urls": ["a", "b"] }), json!(["a", "b"])),
    ] {
        let list = List { items: Expr::parse(items).unwrap(), ..List::default() };
        assert_eq!(serde_json::to_value(list.elements(&answer)).unwrap(), expect, "{items} of {answer}");
        assert_eq!(Value::from(list.taken(answer.clone())), expect, "{items} taken out of {answer}");
    }
    let whole = List::default();
    assert_eq!(
        whole.taken(json!({ "PasswordPolicy": 1 })),
        [json!({ "PasswordPolicy": 1 })],
        "no list is one resource"
    );
    assert!(whole.taken(Value::Null).is_empty());
}
