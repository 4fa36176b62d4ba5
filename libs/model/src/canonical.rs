//! The canonical bytes of values and the content hash of snapshots. Equal content gives equal hashes on every machine and
//! with every build of the JSON library: members are sorted here, whatever their map does.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

use crate::Snapshot;

/// JSON with sorted members and no white space.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    put(value, &mut out);
    out
}

fn put(value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                put(element, out);
            }
            out.push(']');
        }
        Value::Object(members) if members.keys().is_sorted() => object(members.iter(), out),
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(k, _)| *k);
            object(sorted.into_iter(), out);
        }
        Value::String(s) => string(s, out),
        // 1 and 1.0 are one number
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 9e15 => {
                let _ = write!(out, "{f:.0}");
            }
            _ => {
                let _ = write!(out, "{n}");
            }
        },
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Null => out.push_str("null"),
    }
}

fn object<'a>(members: impl Iterator<Item = (&'a String, &'a Value)>, out: &mut String) {
    out.push('{');
    for (i, (name, member)) in members.enumerate() {
        if i > 0 {
            out.push(',');
        }
        string(name, out);
        out.push(':');
        put(member, out);
    }
    out.push('}');
}

/// A JSON string; only what JSON must escape is escaped.
fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(i) = rest.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ') {
        out.push_str(&rest[..i]);
        let c = rest.as_bytes()[i];
        match c {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            _ => {
                let _ = write!(out, "\\u{c:04x}");
            }
        }
        rest = &rest[i + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// A snapshot's content, hashed per path: what is kept of a snapshot to see whether and where the next one differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    hash: [u8; 32],
    /// Sorted: hash of a path, hash of its value, where its name stands in `names`.
    marks: Vec<(u64, u128, usize)>,
    names: Vec<Box<str>>,
}

impl Prepared {
    /// Hashes a snapshot's content: attributes, which paths are unread, relations, owner, ARN. Not its key, not its
    /// revision (a new catalogue alone changes nothing), not the texts of errors.
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut all = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            all.update(&(bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        let (mut marks, mut names, mut content) = (Vec::new(), Vec::new(), String::new());
        let read = snapshot.attributes.iter().map(|(path, value)| (path, Some(value)));
        for (path, value) in read.chain(snapshot.unread.keys().map(|path| (path, None))) {
            content.clear();
            match value {
                Some(value) => put(value, &mut content),
                None => content.push_str("unread"),
            }
            let mark = short(content.as_bytes());
            add(path.as_bytes());
            add(&mark.to_le_bytes());
            marks.push((twox_hash::XxHash64::oneshot(0, path.as_bytes()), mark, names.len()));
            names.push(path.as_str().into());
        }
        marks.sort_unstable();
        for (name, value) in &snapshot.relations {
            add(b"relation");
            add(name.as_bytes());
            add(text(value).as_bytes());
        }
        add(snapshot.owner.as_deref().unwrap_or_default().as_bytes());
        add(snapshot.arn.as_deref().unwrap_or_default().as_bytes());
        Self { hash: *all.finalize().as_bytes(), marks, names }
    }

    /// The content hash, 64 hex digits.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.hash).to_hex().to_string()
    }

    /// Whether the content is the same.
    pub fn same(&self, other: &Self) -> bool {
        self.hash == other.hash
    }

    /// The paths whose values differ or that only one side has, sorted.
    pub fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let mut out = Vec::new();
        if self.same(other) {
            return out;
        }
        let (mut i, mut j) = (0, 0);
        while let (Some((p, x, a)), Some((q, y, b))) = (self.marks.get(i), other.marks.get(j)) {
            match p.cmp(q) {
                Ordering::Equal => {
                    if x != y {
                        out.push(&*self.names[*a]);
                    }
                    i += 1;
                    j += 1;
                }
                Ordering::Less => {
                    out.push(&*self.names[*a]);
                    i += 1;
                }
                Ordering::Greater => {
                    out.push(&*other.names[*b]);
                    j += 1;
                }
            }
        }
        out.extend(self.marks.iter().skip(i).map(|(_, _, a)| &*self.names[*a]));
        out.extend(other.marks.iter().skip(j).map(|(_, _, b)| &*other.names[*b]));
        out.sort_unstable();
        out
    }
}

fn short(bytes: &[u8]) -> u128 {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    u128::from_le_bytes(out)
}

/// The content hash of a snapshot, 64 hex digits; see [`Prepared::new`].
pub fn hash(snapshot: &Snapshot) -> String {
    Prepared::new(snapshot).hex()
}
