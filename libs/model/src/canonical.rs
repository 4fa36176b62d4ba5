//! The canonical bytes of values and the content hash of snapshots. Equal content gives equal hashes on every machine and
//! with every build of the JSON library: members are sorted here, whatever their map does.

use serde_json::Value;

use crate::Snapshot;

/// JSON with sorted members and no white space.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(k, _)| *k);
            out.push('{');
            for (i, (name, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        Value::String(s) => string(s, out),
        // 1 and 1.0 are one number
        Value::Number(n) => match n.as_f64() {
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 9e15 => out.push_str(&format!("{f:.0}")),
            _ => out.push_str(&n.to_string()),
        },
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Null => out.push_str("null"),
    }
}

/// A JSON string; only what JSON must escape is escaped.
fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(i) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
        out.push_str(&rest[..i]);
        let c = rest.as_bytes()[i];
        match c {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            _ => out.push_str(&format!("\\u{c:04x}")),
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
    /// Sorted by path.
    paths: Vec<(Box<str>, [u8; 16])>,
}

impl Prepared {
    /// Hashes a snapshot's content: attributes, which paths are unread, relations, owner, ARN. Not its key, not its
    /// revision (a new catalogue alone changes nothing), not the texts of errors.
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut paths: Vec<(Box<str>, [u8; 16])> = snapshot
            .attributes
            .iter()
            .map(|(path, value)| (path.as_str().into(), short(text(value).as_bytes())))
            .collect();
        paths.extend(snapshot.unread.keys().map(|path| (path.as_str().into(), short(b"unread"))));
        paths.sort_unstable();
        let mut all = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            all.update(&(bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        for (path, hash) in &paths {
            add(path.as_bytes());
            add(hash);
        }
        for (name, value) in &snapshot.relations {
            add(b"relation");
            add(name.as_bytes());
            add(text(value).as_bytes());
        }
        add(snapshot.owner.as_deref().unwrap_or_default().as_bytes());
        add(snapshot.arn.as_deref().unwrap_or_default().as_bytes());
        Self { hash: *all.finalize().as_bytes(), paths }
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
        let (mut a, mut b) = (self.paths.iter().peekable(), other.paths.iter().peekable());
        loop {
            match (a.peek(), b.peek()) {
                (None, None) => return out,
                (Some((path, _)), None) => {
                    out.push(path);
                    a.next();
                }
                (None, Some((path, _))) => {
                    out.push(path);
                    b.next();
                }
                (Some((p, x)), Some((q, y))) => match p.cmp(q) {
                    std::cmp::Ordering::Less => {
                        out.push(p);
                        a.next();
                    }
                    std::cmp::Ordering::Greater => {
                        out.push(q);
                        b.next();
                    }
                    std::cmp::Ordering::Equal => {
                        if x != y {
                            out.push(p);
                        }
                        a.next();
                        b.next();
                    }
                },
            }
        }
    }
}

fn short(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    out
}

/// The content hash of a snapshot, 64 hex digits; see [`Prepared::new`].
pub fn hash(snapshot: &Snapshot) -> String {
    Prepared::new(snapshot).hex()
}
