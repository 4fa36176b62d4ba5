//! The security posture as one number, its risk level, and where it comes from. A first plain version, and it says so:
//! one formula, the same weights for every type and account; it knows nothing of the value of a resource.
//!
//! `value = round(ceiling x (1 - lost))`. `lost` is the mean over all resources of what the worst open problem of each
//! takes (CRITICAL 1, HIGH 1/2, MEDIUM 1/5, LOW 1/20). `ceiling` is 50 while anything CRITICAL is open, 75 while
//! anything HIGH is, 95 while anything MEDIUM is, else 100: ten thousand sound resources do not hide one open door.

use std::collections::{BTreeMap, HashMap};

use driftline_model::{Drift, DriftKind, Finding, Severity};
use serde::{Deserialize, Serialize};

use crate::rules::Rules;

/// Name of the formula.
pub const FORMULA: &str = "driftline.score/1";

/// What the value means in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RiskLevel {
    /// 90 and more.
    Low,
    /// 70 to 89.
    Medium,
    /// 45 to 69.
    High,
    /// Below 45.
    Critical,
}

/// Open problems by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct BySeverity {
    /// How many are CRITICAL.
    pub critical: u64,
    /// How many are HIGH.
    pub high: u64,
    /// How many are MEDIUM.
    pub medium: u64,
    /// How many are LOW.
    pub low: u64,
}

/// The score of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// 0 (worst) to 100.
    pub value: u8,
    /// The value in a word.
    pub risk_level: RiskLevel,
    /// Name of the formula, [`FORMULA`].
    pub formula: String,
    /// Open drifts (unmanaged resources aside) and findings by severity.
    pub by_severity: BySeverity,
    /// The same by class: `at-rest`, `public`, `network` ...
    pub by_class: BTreeMap<String, BySeverity>,
    /// Each account by itself.
    pub accounts: BTreeMap<String, AccountScore>,
}

/// The score of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountScore {
    /// 0 (worst) to 100.
    pub value: u8,
    /// The value in a word.
    pub risk_level: RiskLevel,
    /// Resources that were looked at or are missing.
    pub resources: u64,
    /// Open drifts (unmanaged resources aside) and findings by severity.
    pub by_severity: BySeverity,
}

impl BySeverity {
    /// Counts one more.
    pub fn add(&mut self, severity: Severity) {
        let count = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
        };
        *count += 1;
    }

    /// How many of this severity.
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
        }
    }

    /// The worst that is not zero.
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL.into_iter().rev().find(|s| self.of(*s) > 0)
    }
}

impl RiskLevel {
    /// The level of a value.
    pub fn of(value: u8) -> Self {
        match value {
            90.. => Self::Low,
            70..=89 => Self::Medium,
            45..=69 => Self::High,
            _ => Self::Critical,
        }
    }

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Whether a drift counts: an unmanaged resource is not by itself a problem of security, its findings are.
pub fn counts(drift: &Drift) -> bool {
    drift.kind != DriftKind::Unmanaged
}

/// Scores what is open. `resources`: per account, how many were observed.
pub fn score(rules: &Rules, resources: &BTreeMap<String, u64>, drifts: &[Drift], findings: &[Finding]) -> Score {
    let counted = drifts.iter().filter(|d| counts(d)).map(Problem::from);
    let open: Vec<Problem> = counted.chain(findings.iter().map(Problem::from)).collect();
    let mut gone: BTreeMap<&str, u64> = BTreeMap::new();
    for drift in drifts.iter().filter(|d| d.kind == DriftKind::Missing) {
        *gone.entry(&drift.account).or_default() += 1;
    }
    let mut by_class: BTreeMap<String, BySeverity> = BTreeMap::new();
    let drifted = drifts.iter().filter(|d| counts(d)).map(|d| (d.type_name.as_str(), d.path.as_str(), d.severity));
    let found = findings.iter().map(|f| (f.type_name.as_str(), f.path.as_str(), f.severity));
    for (type_name, path, severity) in drifted.chain(found) {
        let class = if path.is_empty() { "availability" } else { rules.class(type_name, path) };
        by_class.entry(class.to_owned()).or_default().add(severity);
    }
    let mut of_account: BTreeMap<&str, Vec<&Problem<'_>>> = BTreeMap::new();
    for account in resources.keys() {
        of_account.entry(account).or_default();
    }
    for problem in &open {
        of_account.entry(problem.account).or_default().push(problem);
    }
    let accounts: BTreeMap<String, AccountScore> = of_account
        .into_iter()
        .map(|(account, open)| {
            let known = resources.get(account).copied().unwrap_or(0) + gone.get(account).copied().unwrap_or(0);
            let (value, by_severity) = rate(open.into_iter(), known);
            (
                account.to_owned(),
                AccountScore { value, risk_level: RiskLevel::of(value), resources: known, by_severity },
            )
        })
        .collect();
    let known = accounts.values().map(|a| a.resources).sum();
    let (value, by_severity) = rate(open.iter(), known);
    Score { value, risk_level: RiskLevel::of(value), formula: FORMULA.to_owned(), by_severity, by_class, accounts }
}

/// An open drift or finding.
struct Problem<'a> {
    account: &'a str,
    resource: (&'a str, &'a str, &'a str),
    severity: Severity,
}

impl<'a> From<&'a Drift> for Problem<'a> {
    fn from(d: &'a Drift) -> Self {
        Self { account: &d.account, resource: (&d.region, &d.type_name, &d.resource), severity: d.severity }
    }
}

impl<'a> From<&'a Finding> for Problem<'a> {
    fn from(f: &'a Finding) -> Self {
        Self { account: &f.account, resource: (&f.region, &f.type_name, &f.resource), severity: f.severity }
    }
}

fn rate<'a>(open: impl Iterator<Item = &'a Problem<'a>>, resources: u64) -> (u8, BySeverity) {
    let mut by_severity = BySeverity::default();
    let mut worst: HashMap<(&str, (&str, &str, &str)), Severity> = HashMap::new();
    for problem in open {
        by_severity.add(problem.severity);
        let entry = worst.entry((problem.account, problem.resource)).or_insert(problem.severity);
        *entry = problem.severity.max(*entry);
    }
    // in hundredths: exact, so that the same input gives the same value on every machine
    let lost: u64 = worst
        .values()
        .map(|s| match s {
            Severity::Critical => 100,
            Severity::High => 50,
            Severity::Medium => 20,
            Severity::Low => 5,
        })
        .sum();
    let ceiling: u64 = match by_severity.worst() {
        Some(Severity::Critical) => 50,
        Some(Severity::High) => 75,
        Some(Severity::Medium) => 95,
        Some(Severity::Low) | None => 100,
    };
    let whole = resources.max(u64::try_from(worst.len()).unwrap_or(u64::MAX)).max(1) * 100;
    let value = (ceiling * (whole - lost.min(whole)) + whole / 2) / whole;
    (u8::try_from(value).unwrap_or(100), by_severity)
}
