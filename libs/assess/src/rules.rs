//! The posture rules and change severities of each type, as the catalogue has them: the attributes' `secure` lines and
//! the file's `judgement` section. Only form is checked here; `secure` evaluates, `severity` weighs.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::catalogue::{Secure, SecureTest, Type};
use driftline_model::expr::Condition;
use driftline_model::{Catalogue, Severity};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::attributes::related;

/// What holds for every type.
const COMMON: &str = include_str!("../data/common.toml");

/// The class of a path about which nothing is said.
const NO_CLASS: &str = "config";

/// Kinds that need more than the resource's own configuration at the time of the reading, and what.
const UNEVALUATED: &[(&str, &str)] = &[
    ("related", "needs the other resources that refer to this one"),
    ("used_within_days", "needs a clock and the time of the last use"),
    ("supported_version", "needs a list of supported versions, which ages"),
    ("provider_option", "stands in a declaration alone, the cloud does not tell it"),
    ("no_secrets", "needs the text, and a secret leaves the agent only as a keyed hash"),
];

/// Why a judgement section is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not of the form of such a section.
    #[error("judgement of `{type_name}`: {reason}")]
    Form {
        /// The type.
        type_name: String,
        /// What the parser says.
        reason: String,
    },
    /// A rule that can't be.
    #[error("judgement of `{type_name}`, rule `{rule}`: {reason}")]
    Rule {
        /// The type.
        type_name: String,
        /// Id of the rule.
        rule: String,
        /// What is wrong.
        reason: String,
    },
}

/// What an absent value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// As good as the required value.
    Secure,
    /// As bad as a wrong one.
    Insecure,
    /// The rule says nothing.
    Unknown,
}

/// How a rule is decided.
#[derive(Debug, Clone)]
pub enum Check {
    /// By the values alone.
    Test(SecureTest, Option<Regex>),
    /// Not here: the kind, and what it would need.
    Unevaluated(String, &'static str),
}

/// Where a rule applies.
#[derive(Debug, Clone)]
pub struct When {
    /// The path looked at.
    pub path: String,
    /// What must hold there.
    pub test: WhenTest,
}

/// What must hold for a rule to apply.
#[derive(Debug, Clone)]
pub enum WhenTest {
    /// The values pass.
    Passes(SecureTest),
    /// The policy lets this AWS service in.
    AdmitsService(String),
    /// The policy lets another account in.
    AdmitsForeignAccount,
}

/// One posture rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its id, by which controls are joined: `s3_bucket.04`.
    pub id: String,
    /// The path it looks at, which may be a field of blocks.
    pub path: String,
    /// How it is decided.
    pub check: Check,
    /// The catalogue's conditions on the resource; all must hold for it to apply.
    pub conditions: Vec<Condition>,
    /// A further one, which those can't say.
    pub when: Option<When>,
    /// What an absent value means; if not said, what the attribute's default means.
    pub absent: Option<Absent>,
    /// How bad a finding is.
    pub severity: Severity,
    /// How bad a change away from secure is.
    pub drift: Severity,
    /// Its class: `at-rest`, `public`, `network` ...
    pub class: String,
    /// What is required.
    pub title: String,
    /// What is wrong where it is broken.
    pub breach: String,
    /// Rules that say the same better: where one of them is broken, this one makes no finding of its own.
    pub unless: Vec<String>,
    /// Whether a change after which it is kept again leads towards secure. Not where keeping it may also give rights.
    pub mends: bool,
}

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It was on, it is off, empty or gone.
    Off,
    /// It was off, empty or not there.
    On,
    /// A smaller number, or a list that only lost.
    Less,
    /// A larger number, or a list that only won.
    More,
    /// Rules of a firewall that differ in nothing but their descriptions.
    Reworded,
}

/// What a change at some paths is worth where no rule decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeLine {
    /// Paths, with `*` for any run of characters.
    pub path: String,
    /// In which direction; any if absent.
    pub turned: Option<Turn>,
    /// How bad.
    pub severity: Severity,
    /// Class, for the controls.
    pub class: String,
    /// What it means, the start of a sentence.
    pub because: String,
}

/// What it is worth that the resource is gone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// How bad.
    pub severity: Severity,
    /// What it means, the start of a sentence.
    pub because: String,
    /// Rules that nothing fulfils any more, for the controls.
    #[serde(default)]
    pub breaks: Vec<String>,
}

/// All of one type.
#[derive(Debug, Clone, Default)]
pub struct TypeRules {
    /// Posture rules, by id.
    pub rules: Vec<Rule>,
    /// What changes mean, first fit first.
    pub changes: Vec<ChangeLine>,
    /// What its absence means.
    pub missing: Option<Missing>,
}

/// The rules of all types.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    types: BTreeMap<String, TypeRules>,
    common: TypeRules,
}

/// The `judgement` section of a catalogue file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Section {
    missing: Option<Missing>,
    changes: Vec<ChangeLine>,
    rules: BTreeMap<String, RuleLine>,
}

/// What the section says of a rule: beside a `secure` line, or all of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleLine {
    class: String,
    breach: String,
    absent: Option<Absent>,
    drift: Option<Severity>,
    #[serde(default)]
    unless: Vec<String>,
    mends: Option<bool>,
    when: Option<BTreeMap<String, Value>>,
    path: Option<String>,
    severity: Option<Severity>,
    title: Option<String>,
    secure: Option<BTreeMap<String, Value>>,
}

impl Rules {
    /// The rules of the catalogue's types.
    pub fn new(catalogue: &Catalogue) -> Result<Self, Error> {
        let common = toml::from_str::<Section>(COMMON)
            .map_err(|e| Error::Form { type_name: "every type".to_owned(), reason: e.to_string() })?;
        let mut rules = Self { types: BTreeMap::new(), common: TypeRules::new(common) };
        for of in catalogue.types() {
            rules.types.insert(of.name.clone(), TypeRules::of(of)?);
        }
        Ok(rules)
    }

    /// The types.
    pub fn types(&self) -> impl Iterator<Item = (&str, &TypeRules)> {
        self.types.iter().map(|(t, r)| (t.as_str(), r))
    }

    /// The posture rules of a type.
    pub fn of(&self, type_name: &str) -> &[Rule] {
        self.types.get(type_name).map_or(&[], |t| &t.rules)
    }

    /// A rule by its id.
    pub fn rule(&self, type_name: &str, id: &str) -> Option<&Rule> {
        self.of(type_name).iter().find(|r| r.id == id)
    }

    /// The rules that a change at this path can touch.
    pub fn at<'a>(&'a self, type_name: &str, path: &'a str) -> impl Iterator<Item = &'a Rule> {
        let touches =
            move |r: &&Rule| related(&r.path, path) || r.when.as_ref().is_some_and(|w| related(&w.path, path));
        self.of(type_name).iter().filter(touches)
    }

    /// The lines that say what changes mean: the type's own, then those for every type.
    pub fn changes(&self, type_name: &str) -> impl Iterator<Item = &ChangeLine> {
        let own = self.types.get(type_name).map_or(&[][..], |t| &t.changes);
        own.iter().chain(&self.common.changes)
    }

    /// What it means that a resource of the type is gone.
    pub fn missing(&self, type_name: &str) -> Option<&Missing> {
        self.types.get(type_name).and_then(|t| t.missing.as_ref()).or(self.common.missing.as_ref())
    }

    /// The class that a path belongs to: of its first rule, else of the first line about it, else `config`.
    pub fn class(&self, type_name: &str, path: &str) -> &str {
        let rule = self.of(type_name).iter().find(|r| related(&r.path, path)).map(|r| r.class.as_str());
        let line = || self.changes(type_name).find(|c| c.covers(path)).map(|c| c.class.as_str());
        rule.or_else(line).unwrap_or(NO_CLASS)
    }

    /// Rules of any type in a class.
    pub fn in_class<'a>(&'a self, class: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.types.values().flat_map(|t| &t.rules).filter(move |r| r.class == class)
    }
}

impl ChangeLine {
    /// Whether it is about this path.
    pub fn covers(&self, path: &str) -> bool {
        driftline_model::glob::matches(&self.path, path)
    }
}

impl TypeRules {
    fn new(section: Section) -> Self {
        Self { rules: Vec::new(), changes: section.changes, missing: section.missing }
    }

    fn of(of: &Type) -> Result<Self, Error> {
        let mut section: Section = match &of.judgement {
            Value::Null => Section::default(),
            value => Section::deserialize(value)
                .map_err(|e| Error::Form { type_name: of.name.clone(), reason: e.to_string() })?,
        };
        let wrong = |id: &str| {
            let (type_name, rule) = (of.name.clone(), id.to_owned());
            |reason: String| Error::Rule { type_name, rule, reason }
        };
        let (mut rules, mut seen) = (Vec::new(), BTreeSet::new());
        for line in of.attributes.values().flat_map(|a| &a.secure) {
            if !seen.insert(line.rule.as_str()) {
                return Err(wrong(&line.rule)("stands twice".to_owned()));
            }
            rules.push(Rule::beside(line, section.rules.remove(&line.rule)).map_err(wrong(&line.rule))?);
        }
        for (id, line) in std::mem::take(&mut section.rules) {
            let fail = wrong(&id);
            rules.push(Rule::whole(id, line).map_err(fail)?);
        }
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let known: BTreeSet<&str> = rules.iter().map(|r| r.id.as_str()).collect();
        let named = rules.iter().flat_map(|r| r.unless.iter().map(move |u| (r.id.as_str(), u)));
        let gone = section.missing.iter().flat_map(|m| m.breaks.iter().map(|b| ("missing", b)));
        if let Some((id, other)) = named.chain(gone).find(|(_, other)| !known.contains(other.as_str())) {
            return Err(wrong(id)(format!("names `{other}`, which is no rule of the type")));
        }
        Ok(Self { rules, ..Self::new(section) })
    }
}

impl Rule {
    /// A `secure` line and what the section adds to it.
    fn beside(line: &Secure, note: Option<RuleLine>) -> Result<Self, String> {
        if note
            .as_ref()
            .is_some_and(|n| n.secure.is_some() || n.path.is_some() || n.title.is_some() || n.severity.is_some())
        {
            return Err("has a `secure` line; `severity`, `path` and `title` stand there".to_owned());
        }
        let regex = regex(&line.test)?;
        let rule = Self {
            id: line.rule.clone(),
            path: line.path.clone(),
            check: Check::Test(line.test.clone(), regex),
            conditions: line.when.clone(),
            when: None,
            absent: None,
            severity: line.severity,
            drift: line.severity,
            class: NO_CLASS.to_owned(),
            breach: format!("Not met: {}", line.title),
            title: line.title.clone(),
            unless: Vec::new(),
            mends: true,
        };
        note.map_or(Ok(rule.clone()), |note| rule.with(note))
    }

    /// A rule that stands in the section alone.
    fn whole(id: String, line: RuleLine) -> Result<Self, String> {
        let secure = line.secure.as_ref().ok_or("has no `secure` line, here or at an attribute")?;
        let (kind, value) = single(secure)?;
        let check = match UNEVALUATED.iter().find(|(name, _)| *name == kind) {
            Some((name, needs)) => Check::Unevaluated((*name).to_owned(), needs),
            None => {
                let test = SecureTest::parse(kind, value)?;
                let regex = regex(&test)?;
                Check::Test(test, regex)
            }
        };
        let severity = line.severity.ok_or("needs a severity")?;
        let rule = Self {
            id,
            path: line.path.clone().ok_or("needs a path")?,
            check,
            conditions: Vec::new(),
            when: None,
            absent: None,
            severity,
            drift: severity,
            class: String::new(),
            title: line.title.clone().ok_or("needs a title")?,
            breach: String::new(),
            unless: Vec::new(),
            mends: true,
        };
        rule.with(line)
    }

    fn with(self, note: RuleLine) -> Result<Self, String> {
        Ok(Self {
            when: note.when.map(When::build).transpose()?,
            absent: note.absent,
            drift: note.drift.unwrap_or(self.severity),
            class: note.class,
            breach: note.breach,
            unless: note.unless,
            mends: note.mends.unwrap_or(true),
            ..self
        })
    }

    /// What the rule would need, if it can't be evaluated.
    pub fn needs(&self) -> Option<&'static str> {
        match self.check {
            Check::Unevaluated(_, needs) => Some(needs),
            Check::Test(..) => None,
        }
    }
}

impl When {
    fn build(mut line: BTreeMap<String, Value>) -> Result<Self, String> {
        let path = match line.remove("path") {
            Some(Value::String(path)) => path,
            _ => return Err("`when` needs a path".to_owned()),
        };
        let (kind, value) = single(&line)?;
        let test = match (kind, value) {
            ("admits_service", Value::String(service)) => WhenTest::AdmitsService(service.clone()),
            ("admits_foreign_account", Value::Bool(true)) => WhenTest::AdmitsForeignAccount,
            _ => WhenTest::Passes(SecureTest::parse(kind, value)?),
        };
        Ok(Self { path, test })
    }
}

fn single(table: &BTreeMap<String, Value>) -> Result<(&str, &Value), String> {
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((kind, value)), None) => Ok((kind, value)),
        _ => Err("exactly one kind is needed".to_owned()),
    }
}

fn regex(test: &SecureTest) -> Result<Option<Regex>, String> {
    match test {
        SecureTest::Matches(r) | SecureTest::NotMatches(r) => Regex::new(r).map(Some).map_err(|e| e.to_string()),
        _ => Ok(None),
    }
}
