//! Evaluates a rule over canonical values: each kind is a small pure function. What can't be decided is said, with the
//! reason, and never passes in silence.

mod network;
mod policy;
mod privilege;
mod scalar;
mod strangers;

use std::collections::BTreeSet;

use driftline_model::Snapshot;
use driftline_model::catalogue::{SecureTest, Type};
use serde_json::Value;

pub(crate) use network::{narrower as narrower_rules, same_but_words};
pub(crate) use policy::widened as widened_policy;
pub(crate) use scalar::number;

use crate::attributes::{Found, find, related};
use crate::rules::{Absent, Check, Rule, When, WhenTest};
use crate::text::{printable, show};

/// What a rule says of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Secure,
    /// It is broken, by these values (each a few printable words).
    Insecure(Vec<String>),
    /// It does not apply to this resource.
    NotApplicable,
    /// It can't be decided, and why.
    Unknown(String),
}

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// What is known of the type.
    pub of: Option<&'a Type>,
    /// The resource.
    pub snapshot: &'a Snapshot,
    /// The accounts of its organization, where they are known.
    pub organization: Option<&'a BTreeSet<String>>,
}

impl<'a> Sight<'a> {
    /// Everything at a path, defaults included.
    pub fn find(&self, path: &str) -> Found<'a> {
        find(self.of, &self.snapshot.attributes, path)
    }

    /// Whether the attribute that a path lies in is set at all, defaults aside.
    pub(crate) fn is_set(&self, path: &str) -> bool {
        let own = self.of.and_then(|t| t.attribute(path)).map_or(path, |(a, _)| a.path.as_str());
        !find(None, &self.snapshot.attributes, own).leaves().is_empty()
    }

    fn account(&self) -> &'a str {
        &self.snapshot.key.account
    }

    /// Whether the catalogue's conditions hold: the rule's own and those without which its attribute means nothing.
    fn applies(&self, rule: &Rule) -> Option<bool> {
        let Some(of) = self.of else { return rule.conditions.is_empty().then_some(true) };
        let meant = of.attribute(&rule.path).map_or(Some(true), |(a, _)| of.holds(&a.when, self.snapshot));
        if meant == Some(true) { of.holds(&rule.conditions, self.snapshot) } else { meant }
    }
}

impl Verdict {
    /// What breaks the rule; empty unless it is broken.
    pub fn offenders(&self) -> &[String] {
        match self {
            Self::Insecure(offenders) => offenders,
            _ => &[],
        }
    }

    /// Whether the rule is broken.
    pub fn insecure(&self) -> bool {
        matches!(self, Self::Insecure(_))
    }
}

/// Decides one rule.
pub fn verdict(rule: &Rule, sight: &Sight<'_>) -> Verdict {
    let (test, regex) = match &rule.check {
        Check::Test(test, regex) => (test, regex.as_ref()),
        Check::Unevaluated(kind, needs) => return Verdict::Unknown(format!("`{kind}` {needs}")),
    };
    let paths = [Some(rule.path.as_str()), rule.when.as_ref().map(|w| w.path.as_str())];
    let mut hidden = sight.snapshot.unread.iter().filter(|(p, _)| paths.iter().flatten().any(|path| related(p, path)));
    if let Some((path, error)) = hidden.next() {
        return Verdict::Unknown(format!("`{path}` was not read: {}", printable(error, 200)));
    }
    match sight.applies(rule) {
        Some(true) => {}
        Some(false) => return Verdict::NotApplicable,
        None => return Verdict::Unknown("what decides whether it applies was not read".to_owned()),
    }
    match rule.when.as_ref().map_or(Ok(true), |when| applies(when, sight)) {
        Ok(true) => {}
        Ok(false) => return Verdict::NotApplicable,
        Err(reason) => return Verdict::Unknown(reason),
    }
    let found = sight.find(&rule.path);
    let said = rule.absent.filter(|_| !sight.is_set(&rule.path));
    if said.is_some() || (found.leaves().is_empty() && !counts(test)) {
        return match said.unwrap_or_else(|| if_absent(test)) {
            Absent::Secure => Verdict::Secure,
            Absent::Insecure => Verdict::Insecure(missing(test)),
            Absent::Unknown => Verdict::Unknown(format!("`{}` is not set", rule.path)),
        };
    }
    match test_all(test, regex, &found, sight) {
        Ok(offenders) if offenders.is_empty() => Verdict::Secure,
        Ok(mut offenders) => {
            offenders.sort();
            offenders.dedup();
            Verdict::Insecure(offenders)
        }
        Err(reason) => Verdict::Unknown(reason),
    }
}

/// Kinds for which nothing is a value like any other.
fn counts(test: &SecureTest) -> bool {
    matches!(test, SecureTest::NonEmpty | SecureTest::Empty)
}

/// What is missing where nothing is there.
fn missing(test: &SecureTest) -> Vec<String> {
    match test {
        SecureTest::RequiredTags(tags) => tags.iter().map(|t| format!("no tag `{t}`")).collect(),
        _ => vec!["not set".to_owned()],
    }
}

fn applies(when: &When, sight: &Sight<'_>) -> Result<bool, String> {
    let found = sight.find(&when.path);
    match &when.test {
        WhenTest::Passes(test) => {
            test_all(test, None, &found, sight).map(|o| o.is_empty() && !found.leaves().is_empty())
        }
        WhenTest::AdmitsService(service) => {
            Ok(policy::read_all(&found)?.iter().any(|s| s.allow && s.admits_service(service)))
        }
        WhenTest::AdmitsForeignAccount => Ok(policy::read_all(&found)?
            .iter()
            .any(|s| s.allow && s.foreign_accounts(sight.account()).next().is_some())),
    }
}

/// The values that break the test, in a few words each; an error where the values can't be understood.
fn test_all(
    test: &SecureTest,
    regex: Option<&regex::Regex>,
    found: &Found<'_>,
    sight: &Sight<'_>,
) -> Result<Vec<String>, String> {
    let leaves = found.leaves();
    let statements = || policy::read_all(found);
    let each = |bad: &dyn Fn(&Value) -> bool| leaves.iter().filter(|v| bad(v)).map(|v| show(v)).collect();
    Ok(match test {
        SecureTest::Equals(want) => each(&|v| !scalar::same(v, want)),
        SecureTest::NotEquals(bad) => each(&|v| scalar::same(v, bad)),
        SecureTest::OneOf(good) => each(&|v| !good.iter().any(|g| scalar::same(v, g))),
        SecureTest::NotOneOf(bad) | SecureTest::NotContains(bad) => each(&|v| bad.iter().any(|b| scalar::same(v, b))),
        SecureTest::Contains(wanted) => {
            let lacks = wanted.iter().filter(|w| !leaves.iter().any(|v| scalar::same(v, w)));
            lacks.map(|w| format!("no {}", show(w))).collect()
        }
        SecureTest::AtLeast(least) => scalar::measured(found).filter(|n| n < least).map(|n| n.to_string()).collect(),
        SecureTest::AtMost(most) => scalar::measured(found).filter(|n| n > most).map(|n| n.to_string()).collect(),
        SecureTest::NonEmpty => {
            let empty = !leaves.iter().any(|v| scalar::filled(v));
            if empty { vec!["not set".to_owned()] } else { Vec::new() }
        }
        SecureTest::Empty => each(&scalar::filled),
        SecureTest::Matches(_) => each(&|v| !fits(regex, v)),
        SecureTest::NotMatches(_) => each(&|v| fits(regex, v)),
        SecureTest::TlsAtLeast(least) => each(&|v| !scalar::tls_at_least(v, least)),
        SecureTest::RequiredTags(tags) => scalar::lacking_tags(tags, &leaves),
        SecureTest::NoPublicIngress(ports) | SecureTest::NoPublicEgress(ports) => network::open(&leaves, ports)?,
        SecureTest::NoWideCidr(bits) => network::wide(&leaves, *bits),
        SecureTest::PolicyNotPublic => strangers::everybody(&statements()?),
        SecureTest::PolicyRequiresTls => strangers::plain_http(&statements()?),
        SecureTest::PolicyWithinOrganization => {
            let known = sight.organization.ok_or("the accounts of the organization are not known")?;
            strangers::outside(&statements()?, sight.account(), known)
        }
        SecureTest::TrustNamesSourceAccount => strangers::unbound_services(&statements()?),
        SecureTest::ExternalIdForForeignAccount => {
            strangers::without_external_id(&statements()?, sight.account(), sight.organization)
        }
        SecureTest::NoWildcardAdmin => privilege::administrator(&statements()?),
        SecureTest::NoServiceWildcards => privilege::whole_services(&statements()?),
        SecureTest::NoPrivilegeEscalation => privilege::escalations(&statements()?),
        SecureTest::NoActions { actions, on_all } => privilege::allowed(&statements()?, actions, *on_all),
        SecureTest::NoSecrets => return Err("a secret leaves the agent only as a keyed hash".to_owned()),
    })
}

fn fits(regex: Option<&regex::Regex>, value: &Value) -> bool {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    regex.is_some_and(|r| r.is_match(&text))
}

/// What absence means where the rule does not say: a requirement for something to be there is broken, one against
/// something is kept.
fn if_absent(test: &SecureTest) -> Absent {
    match test {
        SecureTest::Equals(Value::Bool(false))
        | SecureTest::NotEquals(_)
        | SecureTest::NotOneOf(_)
        | SecureTest::AtMost(_)
        | SecureTest::Empty
        | SecureTest::NotContains(_)
        | SecureTest::Matches(_)
        | SecureTest::NotMatches(_)
        | SecureTest::NoPublicIngress(_)
        | SecureTest::NoPublicEgress(_)
        | SecureTest::NoWideCidr(_)
        | SecureTest::PolicyNotPublic
        | SecureTest::PolicyWithinOrganization
        | SecureTest::NoWildcardAdmin
        | SecureTest::NoServiceWildcards
        | SecureTest::NoPrivilegeEscalation
        | SecureTest::NoActions { .. }
        | SecureTest::TrustNamesSourceAccount
        | SecureTest::ExternalIdForForeignAccount
        | SecureTest::NoSecrets => Absent::Secure,
        SecureTest::Equals(_)
        | SecureTest::OneOf(_)
        | SecureTest::AtLeast(_)
        | SecureTest::NonEmpty
        | SecureTest::Contains(_)
        | SecureTest::TlsAtLeast(_)
        | SecureTest::RequiredTags(_)
        | SecureTest::PolicyRequiresTls => Absent::Insecure,
    }
}
