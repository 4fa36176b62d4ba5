//! Judges one resource: its drifts from the baseline and its posture findings. The same call serves `scan` and the
//! analyzer, so both say the same of the same resource. Waivers, ignored paths and lifecycle are left to them.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::catalogue::Type;
use driftline_model::diff::{self, Difference, Leaf};
use driftline_model::drift::{drift_id, finding_id};
use driftline_model::{
    Baseline, Catalogue, Control, Drift, DriftKind, Finding, Origin, ResourceKey, Severity, Snapshot,
};
use serde_json::Value;

use crate::attributes::{Attributes, with, within};
use crate::controls::Controls;
use crate::rules::{Error, Rule, Rules};
use crate::secure::{Sight, Verdict, verdict};
use crate::severity::{Assessment, Change, assess};
use crate::text::{bare, list, printable};

/// The rule id of a finding that says that sources of the baseline disagree.
pub const CONFLICT: &str = "baseline.conflict";

/// The longest list of offenders in a sentence.
const SHOWN: usize = 3;

/// What is known beyond the resource.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// Accounts of the organization, where they are known.
    pub organization: Option<&'a BTreeSet<String>>,
}

/// What was found on one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Drifts, by path.
    pub drifts: Vec<Drift>,
    /// Posture findings, by rule.
    pub findings: Vec<Finding>,
    /// Paths of which nothing can be said, and why: these open and resolve nothing.
    pub unknown: BTreeMap<String, String>,
    /// Differences that somebody owns, and who: an autoscaler, minor upgrades, `ignore_changes`.
    pub muted: BTreeMap<String, String>,
}

/// Rules and controls, loaded once.
#[derive(Debug, Clone)]
pub struct Assessor {
    /// The rules.
    pub rules: Rules,
    /// The controls.
    pub controls: Controls,
}

impl Assessor {
    /// With the rules of a catalogue.
    pub fn new(catalogue: &Catalogue) -> Result<Self, Error> {
        Ok(Self { rules: Rules::new(catalogue)?, controls: Controls::shipped() })
    }

    /// Judges a resource that was observed; one that was not is said to be missing by [`Self::missing`] alone, since
    /// its absence needs proof. Without a baseline it is unmanaged, unless AWS made it.
    pub fn judge(
        &self,
        of: &Type,
        key: &ResourceKey,
        snapshot: Option<&Snapshot>,
        baseline: Option<&Baseline>,
        context: &Context<'_>,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        if let Some(snapshot) = snapshot {
            judgement.findings = self.findings(of, snapshot, context);
            judgement.unknown.clone_from(&snapshot.unread);
            match baseline {
                Some(baseline) => {
                    let found = diff::examine(of, snapshot, baseline);
                    judgement.unknown.extend(found.unknown);
                    judgement.muted = found.muted;
                    judgement.drifts = self.modified(of, snapshot, baseline, found.differences, context);
                }
                None => judgement.drifts.extend(self.unmanaged(snapshot, &judgement.findings)),
            }
        }
        if let Some(baseline) = baseline {
            judgement.findings.extend(conflicts(key, snapshot, baseline));
        }
        judgement
    }

    /// One drift per difference; each of its leaves is weighed, the worst decides.
    fn modified(
        &self,
        of: &Type,
        snapshot: &Snapshot,
        baseline: &Baseline,
        differences: Vec<Difference>,
        context: &Context<'_>,
    ) -> Vec<Drift> {
        let mut agreed = snapshot.clone();
        for leaf in differences.iter().flat_map(|d| &d.leaves) {
            agreed.attributes = with(&agreed.attributes, &leaf.path, &leaf.expected);
        }
        let weigh = |leaf: &Leaf| {
            let found = Snapshot { attributes: with(&agreed.attributes, &leaf.path, &leaf.actual), ..agreed.clone() };
            let change = Change {
                type_name: &of.name,
                path: &leaf.path,
                expected: &leaf.expected,
                actual: &leaf.actual,
                before: sight(of, &agreed, context),
                after: sight(of, &found, context),
                otherwise: of.attribute(&leaf.path).and_then(|(a, _)| a.severity),
            };
            assess(&self.rules, &change)
        };
        let one = |d: Difference| {
            let fresh = d.leaves.iter().all(|leaf| leaf.expected.is_null());
            let assessment = together(d.leaves.iter().map(weigh).collect(), fresh);
            let controls = self.broken_controls(&snapshot.key, &d.path, &assessment);
            let made = drift(
                &snapshot.key,
                snapshot.arn.clone(),
                DriftKind::Modified,
                d.path,
                (assessment.severity, assessment.reason),
            );
            let origin = d.origin.or_else(|| baseline.origins.first().cloned());
            Drift { expected: d.expected, actual: d.actual, baseline: origin, controls, ..made }
        };
        differences.into_iter().map(one).collect()
    }

    /// What an observed resource breaks, whatever the baseline says. What AWS owns nobody can mend.
    pub fn findings(&self, of: &Type, snapshot: &Snapshot, context: &Context<'_>) -> Vec<Finding> {
        if snapshot.owner.as_deref() == Some("aws") {
            return Vec::new();
        }
        let key = &snapshot.key;
        let verdicts = self.verdicts(of, snapshot, context);
        let broken: BTreeMap<&str, (&Rule, &[String])> =
            verdicts.iter().filter(|(_, v)| v.insecure()).map(|(r, v)| (r.id.as_str(), (*r, v.offenders()))).collect();
        let folded = |rule: &Rule| said_better(rule, &broken);
        let finding = |(rule, offenders): &(&Rule, &[String])| {
            let said =
                broken.values().filter(|(r, _)| folded(r) && r.unless.contains(&rule.id)).map(|(r, _)| r.id.as_str());
            let path = rule.path.clone();
            Finding {
                id: finding_id(key, &rule.id, &path),
                account: key.account.clone(),
                region: key.region.clone(),
                type_name: key.kind.clone(),
                resource: key.id.clone(),
                arn: snapshot.arn.clone(),
                actual: observed(&snapshot.attributes, &path),
                severity: rule.severity,
                rule: rule.id.clone(),
                reason: reason(rule, offenders),
                controls: self.controls.of_all(said.chain([rule.id.as_str()])),
                path,
            }
        };
        broken.values().filter(|(rule, _)| !folded(rule)).map(finding).collect()
    }

    /// What every rule of the type says of an observed resource, undecided ones with their reason.
    pub fn verdicts<'a>(&'a self, of: &Type, snapshot: &Snapshot, context: &Context<'_>) -> Vec<(&'a Rule, Verdict)> {
        let sight = sight(of, snapshot, context);
        self.rules.of(&of.name).iter().map(|rule| (rule, verdict(rule, &sight))).collect()
    }

    /// A resource that is in the baseline and proven to be gone.
    pub fn missing(&self, key: &ResourceKey, baseline: &Baseline) -> Drift {
        let (severity, because, breaks) = match self.rules.missing(&key.kind) {
            Some(m) => (m.severity, m.because.as_str(), m.breaks.as_slice()),
            None => (Severity::High, "What was agreed is gone", &[][..]),
        };
        let agreed: serde_json::Map<String, Value> =
            baseline.attributes.iter().map(|(path, declared)| (path.clone(), declared.value.clone())).collect();
        let reason = format!("{because}: `{}` is in the baseline and not in the cloud.", printable(&key.id, 120));
        Drift {
            expected: Value::Object(agreed),
            controls: self.controls.of_all(breaks.iter().map(String::as_str)),
            baseline: baseline.origins.first().cloned(),
            ..drift(key, None, DriftKind::Missing, String::new(), (severity, reason))
        }
    }

    /// A resource that stands in another region than was agreed; `key` is the agreed one.
    pub fn moved(&self, key: &ResourceKey, baseline: &Baseline, found_in: &str) -> Drift {
        let reason = format!(
            "`{}` stands in {}, agreed was {}: what relies on its place and on the law that holds there is different.",
            printable(&key.id, 120),
            printable(found_in, 40),
            printable(&key.region, 40)
        );
        Drift {
            expected: Value::from(key.region.as_str()),
            actual: Value::from(found_in),
            baseline: baseline.origins.first().cloned(),
            ..drift(key, None, DriftKind::Moved, String::new(), (Severity::High, reason))
        }
    }

    /// A resource without a baseline; `None` where nobody has to declare it. It is as bad as what is critical about it.
    pub fn unmanaged(&self, snapshot: &Snapshot, findings: &[Finding]) -> Option<Drift> {
        if snapshot.owner.is_some() {
            return None;
        }
        let key = &snapshot.key;
        let worst = findings.iter().filter(|f| f.severity == Severity::Critical).min_by(|a, b| a.rule.cmp(&b.rule));
        let name = printable(&key.id, 120);
        let (severity, reason) = match worst {
            Some(f) => (Severity::Critical, format!("Nobody declared `{name}`, and it is dangerous. {}", f.reason)),
            None => (Severity::Low, format!("Nobody declared `{name}`: no baseline says what it should be.")),
        };
        let controls = worst.map(|f| f.controls.clone()).unwrap_or_default();
        let made = drift(key, snapshot.arn.clone(), DriftKind::Unmanaged, String::new(), (severity, reason));
        Some(Drift { controls, ..made })
    }

    fn broken_controls(&self, key: &ResourceKey, path: &str, assessment: &Assessment) -> Vec<Control> {
        if !assessment.broken.is_empty() {
            return self.controls.of_all(assessment.broken.iter().map(String::as_str));
        }
        if assessment.towards_secure { Vec::new() } else { self.controls.around(&self.rules, &key.kind, path) }
    }
}

/// Whether another broken rule says the same better: of the same path it must name all that this one names.
fn said_better(rule: &Rule, broken: &BTreeMap<&str, (&Rule, &[String])>) -> bool {
    let others: Vec<&(&Rule, &[String])> = rule.unless.iter().filter_map(|id| broken.get(id.as_str())).collect();
    let own = broken.get(rule.id.as_str()).map_or(&[][..], |(_, o)| o);
    let named = |offender: &String| {
        others.iter().any(|(other, o)| other.path != rule.path || o.contains(offender) || !alike(rule, other))
    };
    !others.is_empty() && own.iter().all(named)
}

/// Whether two rules name what breaks them in the same words.
fn alike(a: &Rule, b: &Rule) -> bool {
    let kind = |r: &Rule| match &r.check {
        crate::rules::Check::Test(test, _) => Some(std::mem::discriminant(test)),
        crate::rules::Check::Unevaluated(..) => None,
    };
    kind(a) == kind(b)
}

fn reason(rule: &Rule, offenders: &[String]) -> String {
    let plain = offenders.iter().all(|o| bare(o));
    if plain { format!("{}.", rule.breach) } else { format!("{}: {}.", rule.breach, list(offenders, SHOWN)) }
}

/// The value that a finding is about: the attribute itself, or all that stands below the path.
fn observed(attributes: &Attributes, path: &str) -> Value {
    if let Some((_, value)) = attributes.iter().filter(|(k, _)| within(path, k)).max_by_key(|(k, _)| k.len()) {
        return value.clone();
    }
    let below: serde_json::Map<String, Value> =
        attributes.iter().filter(|(k, _)| within(k, path)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if below.is_empty() { Value::Null } else { Value::Object(below) }
}

/// Paths on which sources of the baseline disagree.
fn conflicts<'a>(
    key: &'a ResourceKey,
    snapshot: Option<&'a Snapshot>,
    baseline: &'a Baseline,
) -> impl Iterator<Item = Finding> + 'a {
    baseline.conflicts.iter().map(move |(path, sentence)| Finding {
        id: finding_id(key, CONFLICT, path),
        account: key.account.clone(),
        region: key.region.clone(),
        type_name: key.kind.clone(),
        resource: key.id.clone(),
        arn: snapshot.and_then(|s| s.arn.clone()),
        path: path.clone(),
        actual: snapshot.map_or(Value::Null, |s| observed(&s.attributes, path)),
        severity: Severity::Low,
        rule: CONFLICT.to_owned(),
        reason: printable(sentence, 400),
        controls: Vec::new(),
    })
}

fn sight<'a>(of: &'a Type, snapshot: &'a Snapshot, context: &Context<'a>) -> Sight<'a> {
    Sight { of: Some(of), snapshot, organization: context.organization }
}

/// The worst of several, with what the others break. Of a block that was not there before (`fresh`) a value that a rule
/// wants speaks for the others, unless one of them breaks a rule: they only say how.
fn together(mut all: Vec<Assessment>, fresh: bool) -> Assessment {
    let wanted = fresh && all.iter().any(|a| a.towards_secure) && all.iter().all(|a| a.broken.is_empty());
    all.sort_by_key(|a| (wanted && !a.towards_secure, std::cmp::Reverse(a.severity)));
    let more = all.len().saturating_sub(1);
    let broken: BTreeSet<String> = all.iter().flat_map(|a| a.broken.iter().cloned()).collect();
    let towards_secure = wanted || all.iter().all(|a| a.towards_secure);
    let Some(worst) = all.into_iter().next() else {
        let reason = "A small change.".to_owned();
        return Assessment { severity: Severity::Low, reason, broken: Vec::new(), towards_secure: false };
    };
    let rest = if more > 0 { format!(" {more} more differ with it.") } else { String::new() };
    Assessment { reason: worst.reason + &rest, broken: broken.into_iter().collect(), towards_secure, ..worst }
}

fn drift(
    key: &ResourceKey,
    arn: Option<String>,
    kind: DriftKind,
    path: String,
    (severity, reason): (Severity, String),
) -> Drift {
    Drift {
        id: drift_id(key, kind, &path),
        account: key.account.clone(),
        region: key.region.clone(),
        type_name: key.kind.clone(),
        resource: key.id.clone(),
        arn,
        kind,
        path,
        expected: Value::Null,
        actual: Value::Null,
        severity,
        reason,
        controls: Vec::new(),
        baseline: None::<Origin>,
        remediation: None,
        waiver: None,
    }
}
