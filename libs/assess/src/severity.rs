//! How bad a change is, and why in a sentence. First the posture rules that the change breaks or mends, then what the
//! type's (and every type's) change lines say, then the catalogue's own word; a small change is LOW.

use std::collections::BTreeSet;

use driftline_model::Severity;
use driftline_model::catalogue::SecureTest;
use serde_json::Value;

use crate::rules::{Absent, Check, Rule, Rules, Turn};
use crate::secure::{self, Sight, Verdict, verdict};
use crate::text::{bare, list, show};

/// A change at one path of one resource.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Terraform's name of the type.
    pub type_name: &'a str,
    /// The path.
    pub path: &'a str,
    /// What was agreed there.
    pub expected: &'a Value,
    /// What is there.
    pub actual: &'a Value,
    /// The resource as agreed.
    pub before: Sight<'a>,
    /// The resource as it is.
    pub after: Sight<'a>,
    /// Severity in the catalogue where rules don't decide.
    pub otherwise: Option<Severity>,
}

/// What a change is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How bad.
    pub severity: Severity,
    /// Why, in a sentence.
    pub reason: String,
    /// Rules that it breaks or weakens, worst first.
    pub broken: Vec<String>,
    /// Whether it leads towards secure and nowhere else.
    pub towards_secure: bool,
}

/// What a change does to one rule.
enum Effect {
    /// Kept before, broken now; or broken by more. The new offenders.
    Breaks(Vec<String>),
    /// A number moved the wrong way, within what is allowed.
    Weakens,
    /// Broken before, kept now; or a number moved the right way.
    Mends,
    /// Neither.
    None,
}

/// Weighs a change.
pub fn assess(rules: &Rules, change: &Change<'_>) -> Assessment {
    let (mut broken, mut weakened, mut mended) = (Vec::new(), Vec::new(), Vec::new());
    for rule in rules.at(change.type_name, change.path) {
        match effect(rule, change) {
            Effect::Breaks(offenders) => broken.push((rule, offenders)),
            Effect::Weakens => weakened.push(rule),
            Effect::Mends if rule.mends => mended.push(rule),
            Effect::Mends | Effect::None => {}
        }
    }
    broken.sort_by(|(a, _), (b, _)| b.drift.cmp(&a.drift).then(a.id.cmp(&b.id)));
    let fields = fields(change);
    let line_of = |change: &Change<'_>| {
        rules
            .changes(change.type_name)
            .find(|c| c.covers(change.path) && turned(c.turned, change.expected, change.actual))
    };
    let lines = std::iter::once(line_of(change)).chain(
        fields.iter().map(|f| line_of(&Change { path: &f.path, expected: &f.expected, actual: &f.actual, ..*change })),
    );
    let line = lines.flatten().reduce(|worst, l| if l.severity > worst.severity { l } else { worst });
    let values = crate::text::change(change.path, change.expected, change.actual);
    let floor = line.map_or(Severity::Low, |l| l.severity);

    if let Some((worst, offenders)) = broken.first() {
        let told = offenders.iter().all(|o| bare(o) || *o == show(change.actual));
        let detail = if told { values } else { format!("{} ({values})", list(offenders, 3)) };
        return Assessment {
            severity: worst.drift.max(floor),
            reason: format!("{}: {detail}.", worst.breach),
            broken: broken.iter().map(|(r, _)| r.id.clone()).collect(),
            towards_secure: false,
        };
    }
    if let Some(worst) = weakened.iter().max_by_key(|r| r.drift) {
        let means = line.map_or("Less is required than before", |l| l.because.as_str());
        return Assessment {
            severity: worst.drift.max(floor),
            reason: format!("{means}: {values}."),
            broken: weakened.iter().map(|r| r.id.clone()).collect(),
            towards_secure: false,
        };
    }
    if let Some(first) = mended.first().filter(|_| !widens(change, &mended)) {
        return Assessment {
            severity: Severity::Low,
            reason: format!("A change towards secure ({}): {values}.", lower_first(&first.title)),
            broken: Vec::new(),
            towards_secure: true,
        };
    }
    let means = line.map_or("A small change", |l| l.because.as_str());
    Assessment {
        severity: line.map(|l| l.severity).or(change.otherwise).unwrap_or(Severity::Low),
        reason: format!("{means}: {values}."),
        broken: Vec::new(),
        towards_secure: false,
    }
}

fn effect(rule: &Rule, change: &Change<'_>) -> Effect {
    if let Some(effect) = by_number(rule, change) {
        return effect;
    }
    let (before, after) = (verdict(rule, &change.before), verdict(rule, &change.after));
    match (&before, &after) {
        // a choice, though not a good one, where there was none
        (Verdict::Insecure(_), Verdict::Insecure(_)) if chosen(rule) && !change.before.is_set(&rule.path) => {
            Effect::None
        }
        (Verdict::Insecure(old), Verdict::Insecure(new)) => {
            let more: Vec<String> = new.iter().filter(|o| !old.contains(o)).cloned().collect();
            match (more.is_empty(), counted(rule)) {
                (false, true) => Effect::Breaks(more),
                (true, true) if new.len() < old.len() => Effect::Mends,
                _ => Effect::None,
            }
        }
        (_, Verdict::Insecure(new)) => Effect::Breaks(new.clone()),
        (Verdict::Insecure(_), Verdict::Secure | Verdict::NotApplicable) => Effect::Mends,
        _ => Effect::None,
    }
}

/// Kinds of which a value can be more or less insecure: each offender is a thing of its own.
fn counted(rule: &Rule) -> bool {
    !matches!(
        rule.check,
        Check::Test(SecureTest::Equals(_) | SecureTest::NonEmpty | SecureTest::AtLeast(_) | SecureTest::AtMost(_), _)
    )
}

/// Kinds that want one of several values.
fn chosen(rule: &Rule) -> bool {
    matches!(rule.check, Check::Test(SecureTest::OneOf(_), _))
}

/// Where more (or less) is always better, the direction counts on either side of the threshold.
fn by_number(rule: &Rule, change: &Change<'_>) -> Option<Effect> {
    let (bound, more_is_better) = match rule.check {
        Check::Test(SecureTest::AtLeast(n), _) => (n, true),
        Check::Test(SecureTest::AtMost(n), _) => (n, false),
        _ => return None,
    };
    let number = |sight: &Sight<'_>| {
        let found = sight.find(&rule.path);
        match found.values.as_slice() {
            [one] => secure::number(one),
            [] if more_is_better && rule.absent.is_none() || rule.absent == Some(Absent::Insecure) => {
                Some(if more_is_better { 0.0 } else { f64::INFINITY })
            }
            _ => None,
        }
    };
    let (before, after) = (number(&change.before)?, number(&change.after)?);
    let kept = |n: f64| if more_is_better { n >= bound } else { n <= bound };
    Some(if before.total_cmp(&after).is_eq() {
        Effect::None
    } else if (after > before) == more_is_better {
        Effect::Mends
    } else if kept(after) {
        Effect::Weakens
    } else {
        Effect::Breaks(vec![show(change.actual)])
    })
}

/// Whether a change that mends a rule also lets something through that was closed.
fn widens(change: &Change<'_>, mended: &[&Rule]) -> bool {
    let kind = |test: fn(&SecureTest) -> bool| mended.iter().any(|r| matches!(&r.check, Check::Test(t, _) if test(t)));
    let network = kind(|t| {
        matches!(t, SecureTest::NoPublicIngress(_) | SecureTest::NoPublicEgress(_) | SecureTest::NoWideCidr(_))
    });
    let policy = kind(|t| {
        use SecureTest as S;
        matches!(
            t,
            S::PolicyNotPublic
                | S::PolicyRequiresTls
                | S::PolicyWithinOrganization
                | S::NoWildcardAdmin
                | S::NoServiceWildcards
                | S::NoPrivilegeEscalation
                | S::NoActions { .. }
                | S::TrustNamesSourceAccount
                | S::ExternalIdForForeignAccount
        )
    });
    let policies = |sight: &Sight<'_>, path: &str| -> Value {
        Value::Array(sight.find(path).leaves().into_iter().cloned().collect())
    };
    (network && !secure::narrower_rules(change.expected, change.actual))
        || (policy
            && mended
                .iter()
                .any(|r| secure::widened_policy(&policies(&change.before, &r.path), &policies(&change.after, &r.path))))
}

/// A field of blocks of which as many are there as before.
struct Field {
    path: String,
    expected: Value,
    actual: Value,
}

/// The fields in which a list of blocks differs: what all of the blocks have there, without what both sides have.
fn fields(change: &Change<'_>) -> Vec<Field> {
    let (Some(old), Some(new)) = (change.expected.as_array(), change.actual.as_array()) else { return Vec::new() };
    if old.len() != new.len() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = old.iter().chain(new).filter_map(Value::as_object).flat_map(|b| b.keys()).collect();
    let differing = |name: &&String| {
        let values = |blocks: &[Value]| -> Vec<Value> { blocks.iter().filter_map(|b| b.get(*name)).cloned().collect() };
        let (mut expected, mut actual) = (values(old), values(new));
        expected.retain(|e| match actual.iter().position(|a| a == e) {
            Some(at) => {
                actual.swap_remove(at);
                false
            }
            None => true,
        });
        let one =
            |mut left: Vec<Value>| if left.len() > 1 { Value::Array(left) } else { left.pop().unwrap_or_default() };
        let path = format!("{}.{name}", change.path);
        let empty = expected.is_empty() && actual.is_empty();
        (!empty).then(|| Field { path, expected: one(expected), actual: one(actual) })
    };
    names.iter().filter_map(differing).collect()
}

/// Whether a change goes in the direction that a line is about.
fn turned(turn: Option<Turn>, old: &Value, new: &Value) -> bool {
    match turn {
        None => true,
        Some(Turn::Off) => !off(old) && off(new),
        Some(Turn::On) => off(old) && !off(new),
        Some(Turn::Less) => less(old, new),
        Some(Turn::More) => less(new, old),
        Some(Turn::Reworded) => secure::same_but_words(old, new),
    }
}

/// The values that mean "off" somewhere in AWS.
fn off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => {
            matches!(s.to_ascii_lowercase().as_str(), "" | "false" | "disabled" | "suspended" | "none" | "off" | "0")
        }
        Value::Array(items) => items.iter().all(off),
        Value::Object(map) => map.values().all(off),
    }
}

/// A smaller number, a list that only lost, a rule set that lets through less, or off.
fn less(old: &Value, new: &Value) -> bool {
    if let (Some(a), Some(b)) = (secure::number(old), secure::number(new)) {
        return b < a;
    }
    let items = |v: &Value| match v {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let (a, b) = (items(old), items(new));
    let narrower = || secure::narrower_rules(old, new) && !secure::narrower_rules(new, old);
    a != b && (b.iter().all(|v| a.contains(v)) || narrower()) || (!off(old) && off(new))
}

fn lower_first(text: &str) -> String {
    let mut words = text.splitn(2, ' ');
    let first = words.next().unwrap_or_default();
    let acronym = first.chars().skip(1).any(|c| c.is_uppercase());
    let first = if acronym { first.to_owned() } else { first.to_lowercase() };
    words.next().map_or_else(|| first.clone(), |rest| format!("{first} {rest}"))
}
