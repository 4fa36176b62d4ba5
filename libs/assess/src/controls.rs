//! Which requirements of compliance frameworks a rule is evidence for, as `PCI-DSS:3.5.1`. Evidence, never proof: that
//! a rule is kept does not fulfil a requirement. The tables are made by `xtask/controls.py`.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::Control;

use crate::rules::Rules;

const BY_RULE: &str = include_str!("../data/controls.tsv");
const TITLES: &str = include_str!("../data/requirements.tsv");

/// The frameworks that are named.
pub const FRAMEWORKS: [&str; 9] =
    ["CIS 3.0", "CIS 5.0", "GDPR", "HIPAA", "ISO 27001", "NIST 800-53", "NIST CSF", "PCI-DSS", "SOC 2"];

/// Rules, their controls, and the controls' titles.
#[derive(Debug, Clone, Default)]
pub struct Controls {
    rules: BTreeMap<&'static str, Vec<&'static str>>,
    titles: BTreeMap<&'static str, &'static str>,
}

impl Controls {
    /// The tables that Driftline ships.
    pub fn shipped() -> Self {
        let lines =
            |table: &'static str| table.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once('\t'));
        Self {
            rules: lines(BY_RULE).map(|(rule, controls)| (rule, controls.split(';').collect())).collect(),
            titles: lines(TITLES).collect(),
        }
    }

    /// The controls of a rule, sorted.
    pub fn of(&self, rule: &str) -> &[&'static str] {
        self.rules.get(rule).map_or(&[], Vec::as_slice)
    }

    /// What a control requires, in a few words.
    pub fn title(&self, control: &str) -> Option<&'static str> {
        self.titles.get(control).copied()
    }

    /// All controls, with their titles.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.titles.iter().map(|(c, t)| (*c, *t))
    }

    /// The controls of several rules together.
    pub fn of_all<'a>(&self, rules: impl IntoIterator<Item = &'a str>) -> Vec<Control> {
        let all: BTreeSet<&'static str> = rules.into_iter().flat_map(|r| self.of(r)).copied().collect();
        all.into_iter().map(Control::Borrowed).collect()
    }

    /// The controls that every rule about a path is evidence for; where no rule is, those that every rule of its class is.
    pub fn around(&self, rules: &Rules, type_name: &str, path: &str) -> Vec<Control> {
        let about: Vec<&str> = rules
            .of(type_name)
            .iter()
            .filter(|r| crate::attributes::related(&r.path, path))
            .map(|r| r.id.as_str())
            .collect();
        if !about.is_empty() {
            return self.common(&about);
        }
        let class = rules.class(type_name, path);
        self.common(&rules.in_class(class).map(|r| r.id.as_str()).collect::<Vec<_>>())
    }

    fn common(&self, rules: &[&str]) -> Vec<Control> {
        let Some((first, rest)) = rules.split_first() else { return Vec::new() };
        let shared = self.of(first).iter().filter(|c| rest.iter().all(|r| self.of(r).contains(c)));
        shared.map(|c| Control::Borrowed(*c)).collect()
    }
}
