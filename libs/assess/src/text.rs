//! Values of the cloud in sentences for people: printable, on one line, cut to a sane length. Names, tags and policies
//! are written by whoever has an account, so nothing of them reaches a terminal or a page as it is.

use std::fmt::Write as _;

use serde_json::Value;

/// The longest value shown in a sentence, in characters.
pub const LONGEST: usize = 120;

/// Escapes what does not print or what reorders the line, and cuts after `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n >= limit {
            out.push('…');
            break;
        }
        if hidden(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A value in a sentence; what is absent is `not set`, text stands without quotes.
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(s) if s.is_empty() => "empty".to_owned(),
        Value::String(s) if s.starts_with("hmac:") => "a secret".to_owned(),
        Value::String(s) => printable(s, LONGEST),
        Value::Array(items) if items.is_empty() => "empty".to_owned(),
        Value::Object(map) if map.is_empty() => "empty".to_owned(),
        other => printable(&other.to_string(), LONGEST),
    }
}

/// Whether a shown value says nothing beside a sentence that says what is wrong.
pub fn bare(shown: &str) -> bool {
    matches!(shown, "not set" | "true" | "false")
}

/// What is there instead of what was agreed; of lists only what was added and what is gone.
pub fn change(path: &str, expected: &Value, actual: &Value) -> String {
    let path = printable(path, LONGEST);
    let items = |v: &Value| match v {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    let lists = [expected, actual].iter().all(|v| v.is_array() || v.is_null());
    if !lists || (expected.is_null() && actual.is_null()) {
        return format!("`{path}` is {}, agreed was {}", show(actual), show(expected));
    }
    let (old, new) = (items(expected), items(actual));
    let only = |a: &[Value], b: &[Value]| a.iter().filter(|v| !b.contains(v)).map(show).collect::<Vec<_>>();
    let (added, gone) = (only(&new, &old), only(&old, &new));
    let told = |word: &str, items: &[String]| (!items.is_empty()).then(|| format!("{word} {}", list(items, 2)));
    let parts: Vec<String> = [told("added", &added), told("gone", &gone)].into_iter().flatten().collect();
    if parts.is_empty() { format!("`{path}` is in another order") } else { format!("`{path}`: {}", parts.join(", ")) }
}

/// Some of many, with how many were left out.
pub fn list(items: &[String], most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    let more = items.len().saturating_sub(most);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join("; "))
}

/// Control characters, and those that are invisible or turn the direction of the text.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_stranger_wrote_prints_on_one_line() {
        let cases = [
            (json!("plain"), "plain"),
            (json!("a\u{1b}[2J\r\nb"), "a\\u{1b}[2J\\u{d}\\u{a}b"),
            (json!("\u{202e}evil\u{200b}"), "\\u{202e}evil\\u{200b}"),
            (json!(null), "not set"),
            (json!(""), "empty"),
            (json!([]), "empty"),
            (json!(true), "true"),
            (json!("hmac:k1:0a1b"), "a secret"),
            (json!(["a\n"]), "[\"a\\n\"]"),
        ];
        for (value, expect) in cases {
            assert_eq!(show(&value), expect);
        }
        let changes = [
            (json!(7), json!(1), "`p` is 1, agreed was 7"),
            (json!(["a", "b"]), json!(["b", "c"]), "`p`: added c, gone a"),
            (json!(null), json!(["a"]), "`p`: added a"),
            (json!(["a", "b"]), json!(["b", "a"]), "`p` is in another order"),
        ];
        for (expected, actual, expect) in changes {
            assert_eq!(change("p", &expected, &actual), expect);
        }
        let long = show(&json!("x".repeat(10_000)));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
