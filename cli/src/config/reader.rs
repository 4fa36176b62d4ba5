//! Reading one TOML document against what is asked of it: every error at once, with its line, and unknown keys with the
//! nearest known one. Pure.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// A secret by reference: the file itself never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretRef {
    /// Name of an environment variable.
    Env(String),
    /// Path of a file; a trailing newline is cut.
    File(PathBuf),
}

struct Shared<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

/// A table being read. What was not asked for when it is dropped by [`Section::finish`] is unknown.
pub(crate) struct Section<'t> {
    shared: Rc<Shared<'t>>,
    path: String,
    table: Option<DeTable<'t>>,
    asked: RefCell<BTreeSet<String>>,
}

/// Reads a document with `read`; the problems, if there are any.
pub(crate) fn read<T>(text: &str, read: impl FnOnce(&Section<'_>) -> T) -> Result<T, Vec<Problem>> {
    let shared = Rc::new(Shared { text, problems: RefCell::default() });
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let at = error.span().map_or(0, |s| s.start);
            return Err(vec![Problem { line: line(text, at), message: error.message().to_owned() }]);
        }
    };
    let root =
        Section { shared: Rc::clone(&shared), path: String::new(), table: Some(table), asked: RefCell::default() };
    let value = read(&root);
    root.finish();
    let mut problems = shared.problems.take();
    problems.sort_by_key(|p| p.line);
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

fn line(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}

impl<'t> Section<'t> {
    fn get(&self, key: &str) -> Option<&Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.table.as_ref()?.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn problem(&self, at: usize, message: String) {
        self.shared.problems.borrow_mut().push(Problem { line: line(self.shared.text, at), message });
    }

    /// Notes a problem of a key that parsed but makes no sense.
    pub(crate) fn wrong(&self, key: &str, message: &str) {
        let at = self.get(key).map_or(0, |v| v.span().start);
        self.problem(at, format!("`{}`: {message}", self.name(key)));
    }

    fn typed<T>(&self, key: &str, expected: &str, read: impl FnOnce(&DeValue<'t>) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let read = read(value.get_ref());
        if read.is_none() {
            let found = value.get_ref().type_str();
            self.problem(value.span().start, format!("`{}` must be {expected}; found {found}", self.name(key)));
        }
        read
    }

    /// Whether the key stands in the file.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.typed(key, "a text", |v| v.as_str().map(str::to_owned))
    }

    pub(crate) fn flag(&self, key: &str, default: bool) -> bool {
        self.typed(key, "true or false", DeValue::as_bool).unwrap_or(default)
    }

    pub(crate) fn path(&self, key: &str, default: &str) -> PathBuf {
        self.text(key).map_or_else(|| PathBuf::from(default), PathBuf::from)
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, key: &str, default: u64, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.typed(key, &expected, |v| {
            let number = v.as_integer()?.as_str().replace('_', "").parse().ok()?;
            bounds.contains(&number).then_some(number)
        })
        .unwrap_or(default)
    }

    /// `"30s"`, `"5m"`, `"6h"`, `"7d"`, `"250ms"`.
    pub(crate) fn duration(&self, key: &str, default: Duration) -> Duration {
        self.typed(key, "a duration such as \"30s\", \"5m\", \"6h\"", |v| duration(v.as_str()?)).unwrap_or(default)
    }

    /// `"64MB"`, `"1GB"`, `"512KB"` (powers of 1024).
    pub(crate) fn bytes(&self, key: &str, default: u64) -> u64 {
        self.typed(key, "a size such as \"512KB\", \"64MB\"", |v| bytes(v.as_str()?)).unwrap_or(default)
    }

    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        let read = |v: &DeValue<'t>| v.as_array()?.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect();
        self.typed(key, "a list of texts", read).unwrap_or_default()
    }

    /// One of a closed set; the first is the default.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let names = choices.iter().map(|(n, _)| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let find = |v: &DeValue<'t>| choices.iter().find(|(n, _)| v.as_str() == Some(n)).map(|(_, t)| *t);
        self.typed(key, &format!("one of {names}"), find).or_else(|| choices.first().map(|(_, t)| *t))
    }

    /// `{ env = "NAME" }` or `{ file = "PATH" }`.
    pub(crate) fn secret(&self, key: &str) -> Option<SecretRef> {
        let wanted = "a reference, { env = \"NAME\" } or { file = \"PATH\" }: secrets never stand in this file";
        self.typed(key, wanted, |v| {
            let table = v.as_table()?;
            let (name, value) = table.iter().next().filter(|_| table.len() == 1)?;
            let value = value.get_ref().as_str().filter(|v| !v.is_empty())?;
            match name.get_ref().as_ref() {
                "env" => Some(SecretRef::Env(value.to_owned())),
                "file" => Some(SecretRef::File(PathBuf::from(value))),
                _ => None,
            }
        })
    }

    /// A table of free keys to texts.
    pub(crate) fn map(&self, key: &str) -> std::collections::BTreeMap<String, String> {
        let read = |v: &DeValue<'t>| {
            let item = |(k, v): (&Spanned<_>, &Spanned<DeValue<'t>>)| {
                let k: &std::borrow::Cow<'_, str> = k.get_ref();
                Some((k.clone().into_owned(), v.get_ref().as_str()?.to_owned()))
            };
            v.as_table()?.iter().map(item).collect()
        };
        self.typed(key, "a table of texts", read).unwrap_or_default()
    }

    /// A table within this one; an absent one reads as empty.
    pub(crate) fn section<T>(&self, key: &str, read: impl FnOnce(&Section<'t>) -> T) -> T {
        let table = self.typed(key, "a table", |v| v.as_table().cloned());
        self.child(self.name(key), table, read)
    }

    /// A list of tables, `[[key]]`.
    pub(crate) fn sections<T>(&self, key: &str, read: impl Fn(&Section<'t>) -> T) -> Vec<T> {
        let tables = self.typed(key, "a list of tables, [[...]]", |v| {
            v.as_array()?.iter().map(|i| i.get_ref().as_table().cloned()).collect::<Option<Vec<_>>>()
        });
        let tables = tables.unwrap_or_default().into_iter();
        tables.map(|table| self.child(self.name(key), Some(table), &read)).collect()
    }

    fn child<T>(&self, path: String, table: Option<DeTable<'t>>, read: impl FnOnce(&Section<'t>) -> T) -> T {
        let child = Section { shared: Rc::clone(&self.shared), path, table, asked: RefCell::default() };
        let value = read(&child);
        child.finish();
        value
    }

    fn finish(self) {
        let asked = self.asked.take();
        for key in self.table.iter().flat_map(|t| t.keys()) {
            let name = key.get_ref().as_ref();
            if asked.contains(name) {
                continue;
            }
            let near = asked.iter().map(|a| (strsim::damerau_levenshtein(a, name), a)).min();
            let hint = match near {
                Some((distance, near)) if distance <= 1 + name.len() / 3 => format!("; did you mean `{near}`?"),
                _ => format!("; known here: {}", asked.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            self.problem(key.span().start, format!("unknown setting `{}`{hint}", self.name(name)));
        }
    }
}

/// Reads a duration with one unit.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let result = read(text, |s| {
            s.section("agent", |a| {
                a.duration("interval", Duration::from_secs(1));
                a.number("parallel", 1, 1..=10);
                a.secret("token");
            });
            s.sections("baselines", |b| b.text("source"));
        });
        result.err().unwrap_or_default().into_iter().map(|p| format!("{}: {}", p.line, p.message)).collect()
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        assert_eq!(problems("[agent]\ninterval = \"5m\"\nparallel = 3\ntoken = { env = \"T\" }\n"), [""; 0]);
        let text = "[agnet]\n[agent]\nintervall = \"5m\"\nparallel = 11\ntoken = \"abc\"\n[[baselines]]\nsource = 1\n";
        insta::assert_snapshot!(problems(text).join("\n"), @r#"
        1: unknown setting `agnet`; did you mean `agent`?
        3: unknown setting `agent.intervall`; did you mean `interval`?
        4: `agent.parallel` must be a whole number from 1 to 10; found integer
        5: `agent.token` must be a reference, { env = "NAME" } or { file = "PATH" }: secrets never stand in this file; found string
        7: `baselines.source` must be a text; found integer
        "#);
        assert_eq!(problems("[agent\n").len(), 1);
    }

    #[test]
    fn durations_and_sizes_have_one_unit() {
        let cases =
            [("250ms", Some(250)), ("2h", Some(7_200_000)), ("5", None), ("5 m", None), ("m", None), ("1w", None)];
        for (text, wanted) in cases {
            assert_eq!(duration(text).map(|d| d.as_millis()), wanted, "{text}");
        }
        assert_eq!((bytes("64MB"), bytes("1.5GB"), bytes("99999999999999GB")), (Some(64 << 20), None, None));
    }
}
