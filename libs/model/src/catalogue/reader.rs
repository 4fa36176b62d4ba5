//! Walks TOML with every error kept, each with file and line; keys that nobody asked for are refused with the nearest
//! one that somebody did.

use std::cell::RefCell;
use std::fmt;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong with a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Everything wrong with the files; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// A file being read, and what was found wrong with it.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) problems: RefCell<Vec<Problem>>,
}

impl<'a> File<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, problems: RefCell::default() }
    }

    pub(super) fn problem(&self, at: usize, message: impl Into<String>) {
        let line = self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        self.problems.borrow_mut().push(Problem { file: self.name.to_owned(), line, message: message.into() });
    }

    /// The root table; syntax errors are problems too.
    pub(super) fn parse(&self) -> Spanned<DeTable<'_>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.problem(error.span().map_or(0, |s| s.start), error.message());
        }
        root
    }
}

/// A table of which every key must be asked for.
pub(super) struct Table<'a> {
    file: &'a File<'a>,
    map: &'a DeTable<'a>,
    at: usize,
    asked: RefCell<Vec<String>>,
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    file: &'a File<'a>,
    value: &'a DeValue<'a>,
    at: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(file: &'a File<'a>, map: &'a DeTable<'a>, at: usize) -> Self {
        Self { file, map, at, asked: RefCell::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.asked.borrow_mut().push(key.to_owned());
        let (_, value) = self.map.iter().find(|(k, _)| k.get_ref().as_ref() == key)?;
        Some(Node { file: self.file, value: value.get_ref(), at: value.span().start })
    }

    pub(super) fn problem(&self, message: impl Into<String>) {
        self.file.problem(self.at, message);
    }

    pub(super) fn need(&self, key: &str) -> Option<Node<'a>> {
        let node = self.get(key);
        if node.is_none() {
            self.problem(format!("`{key}` is missing"));
        }
        node
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|n| n.text())
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|n| match n.value {
            DeValue::Boolean(b) => *b,
            _ => {
                n.problem("expected true or false");
                false
            }
        })
    }

    /// The elements of a list; a single value is a list of one.
    pub(super) fn list(&self, key: &str) -> Vec<Node<'a>> {
        self.get(key).map(|n| n.elements()).unwrap_or_default()
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key).into_iter().filter_map(|n| n.text()).collect()
    }

    /// Each element read by `read`; its error is a problem at the element.
    pub(super) fn each<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.list(key).into_iter().filter_map(|n| n.read(&read)).collect()
    }

    /// One text read by `read`.
    pub(super) fn read<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.get(key).and_then(|n| n.read(&read))
    }

    /// The members of a table, each name with its value.
    pub(super) fn members(&self, key: &str) -> Vec<(String, Node<'a>)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(table) = node.table() else { return Vec::new() };
        table.entries()
    }

    pub(super) fn entries(&self) -> Vec<(String, Node<'a>)> {
        let keys = self.map.iter();
        keys.map(|(k, v)| {
            let name = k.get_ref().to_string();
            self.asked.borrow_mut().push(name.clone());
            (name, Node { file: self.file, value: v.get_ref(), at: k.span().start })
        })
        .collect()
    }

    /// The keys that nobody asked for.
    pub(super) fn rest(&self) -> Vec<(String, Node<'a>)> {
        let asked = self.asked.borrow().clone();
        let all = self.map.iter().map(|(k, v)| (k, v, k.get_ref().to_string()));
        all.filter(|(_, _, name)| !asked.contains(name))
            .map(|(k, v, name)| (name, Node { file: self.file, value: v.get_ref(), at: k.span().start }))
            .collect()
    }

    /// Refuses the keys that nobody asked for.
    pub(super) fn finish(&self) {
        for (name, node) in self.rest() {
            let asked = self.asked.borrow();
            let known = asked.iter().map(String::as_str);
            let nearest = known.map(|k| (strsim::osa_distance(k, &name), k)).min();
            let hint = match nearest {
                Some((d, k)) if d <= 1 + k.len() / 3 => format!("; did you mean `{k}`?"),
                _ => String::new(),
            };
            node.problem(format!("unknown key `{name}`{hint}"));
        }
    }
}

impl<'a> Node<'a> {
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.file.problem(self.at, message);
    }

    pub(super) fn text(&self) -> Option<String> {
        match self.value {
            DeValue::String(s) => Some(s.to_string()),
            _ => {
                self.problem("expected text");
                None
            }
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    pub(super) fn read<T>(&self, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        read(&self.text()?).map_err(|e| self.problem(e)).ok()
    }

    pub(super) fn elements(&self) -> Vec<Node<'a>> {
        match self.value {
            DeValue::Array(a) => {
                a.iter().map(|v| Node { file: self.file, value: v.get_ref(), at: v.span().start }).collect()
            }
            _ => vec![*self],
        }
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(t) => Some(Table::new(self.file, t, self.at)),
            _ => {
                self.problem("expected a table");
                None
            }
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> Value {
        self.json_of(self.value)
    }

    fn json_of(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(s) => Value::String(s.to_string()),
            DeValue::Boolean(b) => Value::Bool(*b),
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).map_or_else(
                |_| {
                    self.problem("number is out of range");
                    Value::Null
                },
                Value::from,
            ),
            DeValue::Float(f) => f.as_str().parse::<f64>().map_or(Value::Null, Value::from),
            DeValue::Datetime(d) => Value::String(d.to_string()),
            DeValue::Array(a) => a.iter().map(|v| self.json_of(v.get_ref())).collect(),
            DeValue::Table(t) => {
                Value::Object(t.iter().map(|(k, v)| (k.get_ref().to_string(), self.json_of(v.get_ref()))).collect())
            }
        }
    }
}
