//! JSON that remembers where it stood: lazily read nodes over one text, so that every error and every instance has its
//! line. Limits on size and counts are kept here; what the nodes mean is left to others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{Error, Position};

/// Newlines are counted up to each block's start once, then within one block per question.
const BLOCK: usize = 4096;

/// The bytes of a source as text: UTF-8, or UTF-16 with a byte order mark (what PowerShell's `>` writes).
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| {
        let good = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
        Error::Invalid { reason: "not UTF-8 text".to_owned(), at: end_of(&good) }
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, Error> {
    let units = bytes.chunks_exact(2).map(|c| unit([c[0], c[1]]));
    let mut text = String::with_capacity(bytes.len() / 2);
    for c in char::decode_utf16(units) {
        match c {
            Ok(c) => text.push(c),
            Err(_) => return Err(Error::Invalid { reason: "not UTF-16 text".to_owned(), at: end_of(&text) }),
        }
    }
    Ok(Cow::Owned(text))
}

fn end_of(text: &str) -> Position {
    let line = 1 + count_newlines(text.as_bytes());
    let column = 1 + text.rsplit('\n').next().map_or(0, |l| l.chars().count());
    Position { line: clamp(line), column: clamp(column) }
}

fn count_newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// One JSON text, checked for syntax, with its lines.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    root: &'a RawValue,
    newlines_before: Vec<u32>,
}

impl<'a> Document<'a> {
    /// Checks the syntax of the whole text; nothing is built yet.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Error> {
        let root: &RawValue = serde_json::from_str(text).map_err(|e| Error::Invalid {
            reason: reason(&e),
            at: Position { line: clamp(e.line()), column: clamp(e.column()) },
        })?;
        let mut total = 0;
        let newlines_before = text
            .as_bytes()
            .chunks(BLOCK)
            .map(|block| {
                let before = total;
                total += clamp(count_newlines(block));
                before
            })
            .collect();
        Ok(Self { text, root, newlines_before })
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { document: self, raw: self.root }
    }

    fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let block = offset / BLOCK;
        let before = self.newlines_before.get(block).copied().unwrap_or(0);
        let bytes = self.text.as_bytes();
        let line = before as usize + count_newlines(&bytes[block * BLOCK..offset]);
        let start = bytes[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
        Position { line: clamp(line + 1), column: clamp(offset - start + 1) }
    }

    fn line(&self, offset: usize) -> u32 {
        let block = offset / BLOCK;
        let before = self.newlines_before.get(block).copied().unwrap_or(0);
        before + clamp(count_newlines(&self.text.as_bytes()[block * BLOCK..offset])) + 1
    }
}

/// What serde_json says, without the position that it appends.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// One value of a [`Document`], not yet read.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    document: &'a Document<'a>,
    raw: &'a RawValue,
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({} bytes, line {})", self.raw.get().len(), self.line())
    }
}

impl<'a> Node<'a> {
    fn offset(&self) -> usize {
        // Raw values borrow from the document's text, so the distance of the pointers is the place in it.
        (self.raw.get().as_ptr() as usize).saturating_sub(self.document.text.as_ptr() as usize)
    }

    /// Line on which the value begins, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.document.line(self.offset())
    }

    /// An error about this value.
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Invalid { reason: reason.into(), at: self.document.position(self.offset()) }
    }

    fn located(&self, e: &serde_json::Error) -> Error {
        let own = self.document.position(self.offset());
        let at = match e.line() {
            0 => own,
            1 => Position { line: own.line, column: own.column.saturating_add(clamp(e.column()).saturating_sub(1)) },
            n => Position { line: own.line.saturating_add(clamp(n) - 1), column: clamp(e.column()) },
        };
        Error::Invalid { reason: reason(e), at }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.raw.get() == "null"
    }

    pub(crate) fn is_object(&self) -> bool {
        self.raw.get().starts_with('{')
    }

    pub(crate) fn is_array(&self) -> bool {
        self.raw.get().starts_with('[')
    }

    /// Reads the value whole.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.raw.get()).map_err(|e| self.located(&e))
    }

    /// The members of an object (`what` names it in the error); of a name given twice the last counts, as in Terraform.
    pub(crate) fn fields(&self, what: &str) -> Result<Fields<'a>, Error> {
        if !self.is_object() {
            return Err(self.error(format!("{what} must be an object")));
        }
        let members: Members<'a> = serde_json::from_str(self.raw.get()).map_err(|e| self.located(&e))?;
        Ok(Fields { node: *self, members: members.0 })
    }

    /// The elements of an array (`what` names it in the error).
    pub(crate) fn items(&self, what: &str) -> Result<Vec<Self>, Error> {
        if !self.is_array() {
            return Err(self.error(format!("{what} must be a list")));
        }
        let elements: Elements<'a> = serde_json::from_str(self.raw.get()).map_err(|e| self.located(&e))?;
        Ok(elements.0.into_iter().map(|raw| Self { document: self.document, raw }).collect())
    }
}

/// The members of an object, in order.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    node: Node<'a>,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// The member of that name, unless absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<Node<'a>> {
        let (_, raw) = self.members.iter().rev().find(|(n, _)| n == name)?;
        Some(Node { document: self.node.document, raw }).filter(|n| !n.is_null())
    }

    /// Whether a member of that name stands there, null or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(n, _)| n == name)
    }

    /// A member that is read whole; `None` where it is absent or null.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        self.get(name).map(|n| n.read()).transpose()
    }

    /// A member that must be there.
    pub(crate) fn need<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<T, Error> {
        self.read(name)?.ok_or_else(|| self.node.error(format!("{what} has no `{name}`")))
    }

    /// The elements of a list; empty where it is absent or null.
    pub(crate) fn items(&self, name: &str) -> Result<Vec<Node<'a>>, Error> {
        self.get(name).map_or(Ok(Vec::new()), |n| n.items(&format!("`{name}`")))
    }

    /// All members.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&str, Node<'a>)> {
        self.members.iter().map(|(n, raw)| (n.as_ref(), Node { document: self.node.document, raw }))
    }
}

/// Elements or members that one array or object may have; far above any state, far below what exhausts memory.
const MOST: usize = 1_000_000;

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), raw)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    if members.len() == MOST {
                        return Err(A::Error::custom(format_args!("an object of more than {MOST} members")));
                    }
                    members.push((name, raw));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// A member's name: borrowed where it holds no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(Each)
    }
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(raw) = seq.next_element::<&'de RawValue>()? {
                    if elements.len() == MOST {
                        return Err(A::Error::custom(format_args!("a list of more than {MOST} elements")));
                    }
                    elements.push(raw);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Each)
    }
}
