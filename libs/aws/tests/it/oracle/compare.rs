//! Field by field: the SDK's tree against our value.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::tree::Node;

/// What was compared, and what differed.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Leaves that were equal.
    pub(super) equal: usize,
    /// Path and what is wrong there.
    pub(super) differences: Vec<String>,
}

/// Letters and digits, in lower case: what both spellings of a name share (`DBInstanceArn`, `db_instance_arn`).
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What moto makes up anew with every answer.
const MOVING: [&str; 2] = ["latest_restorable_time", "sts:GetCallerIdentity.user_id"];
/// How `Debug` shows what must not be shown, also where it is absent.
const REDACTED: &str = "*** Sensitive Data Redacted ***";

impl Comparison {
    pub(super) fn compare(&mut self, path: &str, theirs: &Node, ours: Option<&Value>) {
        match (theirs, ours) {
            _ if MOVING.iter().any(|end| path.ends_with(end)) => {}
            (Node::Text(text), _) if text == REDACTED => {}
            (Node::Absent, None) => {}
            (Node::Present(inner), Some(_)) => self.compare(path, inner, ours),
            (Node::Present(_) | Node::Struct(_), None) => self.differ(path, theirs, ours),
            // the SDK fills a required member that did not come with its type's empty value
            (Node::List(list), None) if list.is_empty() => {}
            (Node::Text(text), None) if text.is_empty() => {}
            (Node::Bool(false), None) => {}
            (Node::Number(number), None) if *number == 0.0 => {}
            (Node::List(theirs), Some(Value::Array(ours))) => {
                if theirs.len() != ours.len() {
                    return self.differences.push(format!("{path}: {} elements, ours {}", theirs.len(), ours.len()));
                }
                for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                    self.compare(&format!("{path}[{index}]"), theirs, Some(ours));
                }
            }
            (Node::Map(theirs), Some(Value::Object(ours))) => {
                // keys may be variants of an enum
                let same = |a: &str, b: &str| a == b || plain(a) == plain(b);
                for (name, value) in theirs {
                    let found = ours.iter().find(|(key, _)| same(key, name)).map(|(_, value)| value);
                    self.compare(&format!("{path}.{name}"), value, found);
                }
                let more = ours.keys().filter(|key| !theirs.keys().any(|name| same(key, name)));
                self.differences.extend(more.map(|key| format!("{path}.{key}: only ours")));
            }
            (Node::Struct(members), Some(Value::Object(ours))) => {
                for (name, value) in members {
                    let found = ours.iter().find(|(key, _)| plain(key) == plain(name)).map(|(_, value)| value);
                    self.compare(&format!("{path}.{name}"), value, found);
                }
                let known = |key: &str| members.iter().any(|(name, _)| plain(name) == plain(key));
                let more = ours.keys().filter(|key| !known(key));
                self.differences.extend(more.map(|key| format!("{path}.{key}: only ours")));
            }
            (theirs, Some(ours)) if leaf(theirs, ours) => self.equal += 1,
            (theirs, ours) => self.differ(path, theirs, ours),
        }
    }

    fn differ(&mut self, path: &str, theirs: &Node, ours: Option<&Value>) {
        let (theirs, ours) = (format!("{theirs:?}"), format!("{ours:?}"));
        self.differences.push(format!("{path}: {theirs:.200}, ours {ours:.200}"));
    }
}

fn leaf(theirs: &Node, ours: &Value) -> bool {
    match (theirs, ours) {
        (Node::Text(text), Value::String(ours)) => text == ours,
        // policy documents of IAM come percent-encoded; ours are what they mean
        (Node::Text(text), Value::Object(_)) => {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
            serde_json::from_str::<Value>(&decoded).is_ok_and(|document| document == *ours)
        }
        (Node::Variant(name), Value::String(ours)) => plain(name) == plain(ours),
        (Node::Bool(theirs), Value::Bool(ours)) => theirs == ours,
        (Node::Number(theirs), Value::Number(ours)) => ours.as_f64() == Some(*theirs),
        (Node::Time(theirs), Value::String(ours)) => DateTime::from_str(ours, Format::DateTimeWithOffset)
            .is_ok_and(|ours| (ours.as_secs_f64() - theirs).abs() < 1e-6),
        (Node::Bytes(theirs), Value::String(ours)) => STANDARD.decode(ours).is_ok_and(|ours| ours == *theirs),
        _ => false,
    }
}

#[test]
fn sees_what_differs_on_either_side() {
    let theirs =
        super::tree::parse(r#"Output { db_name: Some("a"), size: Some(1), made: Some(1970-01-01T00:00:05Z) }"#);
    let same = serde_json::json!({ "DBName": "a", "Size": 1, "Made": "1970-01-01T00:00:05+00:00" });
    for (member, value) in [
        ("DBName", Some(serde_json::json!("b"))),
        ("Size", Some(serde_json::json!("1"))),
        ("Made", Some(serde_json::json!("1970-01-01T00:00:06+00:00"))),
        ("Made", None),
        ("More", Some(serde_json::json!([]))),
    ] {
        let mut ours = same.clone();
        match value {
            Some(value) => ours[member] = value,
            None => drop(ours.as_object_mut().and_then(|ours| ours.remove(member))),
        }
        let mut comparison = Comparison::default();
        comparison.compare("x", &theirs, Some(&ours));
        assert_eq!(comparison.differences.len(), 1, "{member}: {:?}", comparison.differences);
    }
    let mut comparison = Comparison::default();
    comparison.compare("x", &theirs, Some(&same));
    assert_eq!((comparison.equal, comparison.differences.len()), (3, 0));
}
