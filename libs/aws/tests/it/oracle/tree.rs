//! The official SDK's outputs as trees. They have no serde, but their `Debug` shows every member of every level by name,
//! which no hand-written list of accessors does.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// A value of the SDK.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// `None`
    Absent,
    /// `Some(..)`: the member was there.
    Present(Box<Node>),
    Bool(bool),
    Number(f64),
    Text(String),
    /// A variant of an enum, by its name in Rust.
    Variant(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
    /// Members by name; those that start with `_` are the SDK's own and left out.
    Struct(Vec<(String, Node)>),
    /// Seconds since 1970 UTC.
    Time(f64),
    Bytes(Vec<u8>),
}

/// Reads `format!("{value:?}")`.
pub(super) fn parse(text: &str) -> Node {
    let mut parser = Parser { rest: text };
    let node = parser.value();
    assert!(parser.rest.trim().is_empty(), "left over: {}", parser.near());
    node
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn near(&self) -> String {
        self.rest.chars().take(60).collect()
    }

    fn peek(&mut self) -> char {
        self.rest = self.rest.trim_start();
        self.rest.chars().next().unwrap_or('\0')
    }

    fn take(&mut self, expect: char) -> bool {
        let found = self.peek() == expect;
        if found {
            self.rest = &self.rest[expect.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, expect: char) {
        assert!(self.take(expect), "no {expect} at {}", self.near());
    }

    fn value(&mut self) -> Node {
        match self.peek() {
            '"' => Node::Text(self.text()),
            '[' => Node::List(self.list('[', ']')),
            '{' => self.map(),
            '-' | '0'..='9' => {
                let end = self.rest.find([',', ')', ']', '}', ' ', '\n']).unwrap_or(self.rest.len());
                let (token, rest) = self.rest.split_at(end);
                self.rest = rest;
                // times show as RFC 3339 does
                match DateTime::from_str(token, Format::DateTime) {
                    Ok(time) => Node::Time(time.as_secs_f64()),
                    Err(_) => Node::Number(token.parse().expect(token)),
                }
            }
            _ => self.named(),
        }
    }

    fn list(&mut self, open: char, close: char) -> Vec<Node> {
        self.expect(open);
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value());
            self.take(',');
        }
        items
    }

    fn map(&mut self) -> Node {
        self.expect('{');
        let mut map = BTreeMap::new();
        while !self.take('}') {
            let key = match self.value() {
                Node::Text(key) | Node::Variant(key) => key,
                key => panic!("a key that is {key:?}"),
            };
            self.expect(':');
            map.insert(key, self.value());
            self.take(',');
        }
        Node::Map(map)
    }

    fn name(&mut self) -> String {
        self.peek();
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_#".contains(c))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        assert!(!name.is_empty(), "no name at {}", self.near());
        self.rest = rest;
        name.trim_start_matches("r#").to_owned()
    }

    fn named(&mut self) -> Node {
        let name = self.name();
        match self.peek() {
            '(' => {
                let mut inner = self.list('(', ')');
                assert_eq!(inner.len(), 1, "{name} of several");
                let inner = inner.remove(0);
                // a variant this SDK does not know: its text as it came
                if name == "Some" { Node::Present(Box::new(inner)) } else { inner }
            }
            '{' => {
                self.expect('{');
                let mut members = Vec::new();
                while !self.take('}') {
                    let member = self.name();
                    self.expect(':');
                    members.push((member, self.value()));
                    self.take(',');
                }
                structure(&name, members)
            }
            _ => match name.as_str() {
                "None" => Node::Absent,
                "true" | "false" => Node::Bool(name == "true"),
                _ => Node::Variant(name),
            },
        }
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('0') => text.push('\0'),
                    Some('u') => {
                        let code: String = chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                        text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                    }
                    other => text.extend(other),
                },
                c => text.push(c),
            }
        }
        panic!("a text without end: {}", self.near());
    }
}

fn structure(name: &str, mut members: Vec<(String, Node)>) -> Node {
    match name {
        "Blob" => match members.pop() {
            Some((_, Node::List(bytes))) => Node::Bytes(
                bytes
                    .iter()
                    .map(|b| if let Node::Number(n) = b { *n as u8 } else { panic!("no byte: {b:?}") })
                    .collect(),
            ),
            other => panic!("a blob of {other:?}"),
        },
        _ => Node::Struct(members.into_iter().filter(|(name, _)| !name.starts_with('_')).collect()),
    }
}

#[test]
fn reads_what_debug_writes() {
    #[derive(Debug)]
    #[allow(dead_code, reason = "read through `Debug` alone")]
    enum State {
        Running,
        Unknown(&'static str),
    }
    #[derive(Debug)]
    #[allow(dead_code, reason = "read through `Debug` alone")]
    struct Output {
        r#type: Option<String>,
        states: Option<Vec<State>>,
        tags: BTreeMap<&'static str, i32>,
        none: Option<bool>,
        _request_id: &'static str,
    }
    let output = Output {
        r#type: Some("a\"b\n\u{7f}ü\\".to_owned()),
        states: Some(vec![State::Running, State::Unknown("new")]),
        tags: BTreeMap::from([("k", -1)]),
        none: None,
        _request_id: "x",
    };
    let present = |node| Node::Present(Box::new(node));
    let states = vec![Node::Variant("Running".into()), Node::Text("new".into())];
    let expect = Node::Struct(vec![
        ("type".into(), present(Node::Text("a\"b\n\u{7f}ü\\".into()))),
        ("states".into(), present(Node::List(states))),
        ("tags".into(), Node::Map(BTreeMap::from([("k".into(), Node::Number(-1.0))]))),
        ("none".into(), Node::Absent),
    ]);
    assert_eq!(parse(&format!("{output:?}")), expect);
    assert_eq!(parse(&format!("{output:#?}")), expect);
}
