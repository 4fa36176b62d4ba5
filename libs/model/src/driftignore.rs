//! `.driftignore`: gitignore's own rules over `account/region/type/id/path`. Says which rule hides a drift; reading the
//! file and dropping the drift are left to the caller.

use std::collections::BTreeMap;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

use crate::ResourceKey;

/// Lines that a file may have.
const MAX_LINES: usize = 10_000;

/// A line that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// The rules of one file.
///
/// In each part of a name `%` is written `%25`, `/` as `%2F` and control characters likewise, so that an id with slashes is
/// still one part, and nobody can name a resource so that a rule for another one hides it. A dotted path lies within its
/// prefixes: the rule `tags` hides `tags.Owner` too. As in git, what is below something ignored can't be brought back.
#[derive(Debug, Clone)]
pub struct DriftIgnore {
    rules: Gitignore,
}

/// The rule that hid something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule<'a> {
    /// Line in the file, from 1.
    pub line: usize,
    /// As it is written there.
    pub text: &'a str,
}

impl DriftIgnore {
    /// Reads the file's text, with all of its errors.
    pub fn parse(text: &str) -> Result<Self, Vec<Error>> {
        let mut builder = GitignoreBuilder::new("");
        let mut errors = Vec::new();
        for (line, rule) in (1..).zip(text.lines()) {
            if line > MAX_LINES {
                errors.push(Error { line, reason: format!("more than {MAX_LINES} lines") });
                break;
            }
            // The builder keeps where a rule came from; the line is all that there is to know here.
            if let Err(e) = builder.add_line(Some(line.to_string().into()), rule) {
                errors.push(Error { line, reason: reason(&e) });
            }
        }
        match builder.build() {
            Ok(rules) if errors.is_empty() => Ok(Self { rules }),
            Ok(_) => Err(errors),
            Err(e) => {
                errors.push(Error { line: 0, reason: reason(&e) });
                Err(errors)
            }
        }
    }

    /// The rule that hides a drift of this resource at this path (empty: the whole resource), if any.
    pub fn rule(&self, key: &ResourceKey, path: &str) -> Option<Rule<'_>> {
        if self.rules.is_empty() {
            return None;
        }
        let mut name = String::new();
        for part in [&key.account, &key.region, &key.kind, &key.id] {
            if !name.is_empty() {
                name.push('/');
            }
            push_escaped(&mut name, part);
            if let Some(rule) = self.hit(&name, true) {
                return Some(rule);
            }
        }
        if path.is_empty() {
            return None;
        }
        name.push('/');
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            push_escaped(&mut name, part);
            let last = parts.peek().is_none();
            if let Some(rule) = self.hit(&name, !last) {
                return Some(rule);
            }
            name.push('.');
        }
        None
    }

    fn hit(&self, name: &str, has_more: bool) -> Option<Rule<'_>> {
        let line = |glob: &Glob| glob.from().and_then(Path::to_str).and_then(|l| l.parse().ok()).unwrap_or(0);
        match self.rules.matched(name, has_more) {
            Match::Ignore(glob) => Some(Rule { line: line(glob), text: glob.original() }),
            Match::Whitelist(_) | Match::None => None,
        }
    }
}

fn push_escaped(name: &mut String, part: &str) {
    for c in part.chars() {
        match c {
            '%' | '/' => name.push_str(if c == '%' { "%25" } else { "%2F" }),
            c if c.is_ascii_control() => {
                let digit = |n: u32| char::from_digit(n, 16).unwrap_or('0').to_ascii_uppercase();
                name.extend(['%', digit(u32::from(c) >> 4), digit(u32::from(c) & 15)]);
            }
            c => name.push(c),
        }
    }
}

fn reason(error: &ignore::Error) -> String {
    match error {
        ignore::Error::WithPath { err, .. } | ignore::Error::WithLineNumber { err, .. } => reason(err),
        other => other.to_string(),
    }
}

/// How much each rule hid, for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    by_line: BTreeMap<usize, u64>,
}

impl Tally {
    /// Counts one drift as hidden by this rule.
    pub fn add(&mut self, rule: Rule<'_>) {
        *self.by_line.entry(rule.line).or_default() += 1;
    }

    /// All that was hidden.
    pub fn total(&self) -> u64 {
        self.by_line.values().sum()
    }

    /// Line and count, by line.
    pub fn by_line(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.by_line.iter().map(|(line, count)| (*line, *count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden_by(rules: &str, id: &str, path: &str) -> Option<usize> {
        let key = ResourceKey::new("123456789012", "eu-west-1", "aws_s3_bucket", id);
        DriftIgnore::parse(rules).unwrap().rule(&key, path).map(|r| r.line)
    }

    #[test]
    fn gitignores_rules_hold_over_account_region_type_id_and_path() {
        for (rules, id, path, line) in [
            ("", "b", "tags.Owner", None),
            ("# all of it\n\n*", "b", "", Some(3)),
            ("aws_s3_bucket", "b", "acl", Some(1)),
            ("aws_s3", "b", "acl", None),
            ("tags.Owner", "b", "tags.Owner", Some(1)),
            ("tags", "b", "tags.Owner", Some(1)),
            ("tag", "b", "tags.Owner", None),
            ("tags.Owner", "b", "tags", None),
            ("123456789012/eu-west-1/aws_s3_bucket/b/acl", "b", "acl", Some(1)),
            ("/123456789012/*/aws_s3_bucket/log-*", "log-1", "", Some(1)),
            ("eu-west-1/aws_s3_bucket", "b", "", None),
            ("**/aws_s3_bucket/b", "b", "acl", Some(1)),
            ("**/aws_s3_bucket/*\n!**/aws_s3_bucket/keep", "keep", "acl", None),
            ("**/aws_s3_bucket/*\n!**/aws_s3_bucket/keep", "other", "acl", Some(1)),
            ("aws_s3_bucket\n!**/aws_s3_bucket/keep", "keep", "acl", Some(1)),
            ("b/", "b", "", Some(1)),
            ("acl/", "b", "acl", None),
            ("with space\\ ", "with space ", "", Some(1)),
            ("\\!important", "!important", "", Some(1)),
            ("\\#1", "#1", "", Some(1)),
            ("%2Faws%2Flambda%2F*", "/aws/lambda/f", "", Some(1)),
            ("a%0Ab", "a\nb", "", Some(1)),
            ("100%25", "100%", "", Some(1)),
        ] {
            assert_eq!(hidden_by(rules, id, path), line, "{rules:?} on {id:?} {path:?}");
        }
    }

    #[test]
    fn an_id_cannot_pretend_to_be_something_else() {
        for id in ["x/tags", "x/../other", "../other", "/other", "other/", "x\nother", "other\0", "x/other"] {
            assert_eq!(hidden_by("other\ntags\n**/aws_s3_bucket/other", id, "acl"), None, "{id:?}");
            assert_eq!(hidden_by("other\n**/tags/**", id, "tags.a/b/../acl"), None, "{id:?}");
        }
    }

    #[test]
    fn every_wrong_line_is_named() {
        let errors = DriftIgnore::parse("good\n{b\nalso good\n{a").unwrap_err();
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [2, 4]);
        let many = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(DriftIgnore::parse(&many).unwrap_err()[0].line, MAX_LINES + 1);
    }

    #[test]
    fn what_is_hidden_is_counted() {
        let rules = DriftIgnore::parse("a\nb").unwrap();
        let mut tally = Tally::default();
        for id in ["a", "b", "b", "c"] {
            let key = ResourceKey::new("123456789012", "eu-west-1", "aws_vpc", id);
            if let Some(rule) = rules.rule(&key, "") {
                tally.add(rule);
            }
        }
        assert_eq!(tally.total(), 3);
        assert_eq!(tally.by_line().collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    }

    proptest! {
        #[test]
        fn no_rule_and_no_name_panics(rules in ".{0,40}", id in "\\PC{1,12}|[./!#% \n\\\\]{1,6}", path in ".{0,20}") {
            if let Ok(rules) = DriftIgnore::parse(&rules) {
                let key = ResourceKey::new("123456789012", "eu-west-1", "aws_vpc", id);
                let _ = rules.rule(&key, &path);
            }
        }
    }
}
