//! What is found: drifts, findings and their transitions. These are the scan's JSON and the topics' bodies alike.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ResourceKey;

/// Hex of the first 16 bytes of a hash over the parts, each with its length before it so that no two lists read alike.
fn hash_of(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Id of a drift: what it is about, and nothing else, so that whoever finds it gives it the same.
pub fn drift_id(key: &ResourceKey, kind: DriftKind, path: &str) -> String {
    hash_of(&["drift", &key.account, &key.region, &key.kind, &key.id, kind.as_str(), path])
}

/// Id of a posture finding.
pub fn finding_id(key: &ResourceKey, rule: &str, path: &str) -> String {
    hash_of(&["finding", &key.account, &key.region, &key.kind, &key.id, rule, path])
}

/// Id of a transition of a drift or finding, see [`Transition::cause`].
pub fn transition_id(subject: &str, transition: TransitionKind, cause: &str) -> String {
    hash_of(&["transition", subject, transition.as_str(), cause])
}

/// How bad. Ordered: `Low < Medium < High < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Tags, small changes, changes towards secure.
    Low,
    /// Monitoring, versioning, logging.
    Medium,
    /// Availability, backups, network rules.
    High,
    /// Encryption, public access, SSH from the internet.
    Critical,
}

impl Severity {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// `LOW`, `MEDIUM`, `HIGH`, `CRITICAL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("`{text}` is no severity: LOW, MEDIUM, HIGH or CRITICAL"))
    }
}

/// Where an agreed value stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// `terraform`, `plan`, `cloudformation`, `pulumi` or `approved`.
    pub origin: String,
    /// File, URL or stack.
    pub source: String,
    /// Address in the source: `module.net.aws_vpc.main[0]`.
    pub address: String,
    /// Line in the source, where it is known.
    pub line: Option<u32>,
}

/// The kinds of difference between snapshot and baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftKind {
    /// A value differs.
    Modified,
    /// In the baseline, gone from the cloud.
    Missing,
    /// There, in another region.
    Moved,
    /// No baseline.
    Unmanaged,
}

impl DriftKind {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Missing => "missing",
            Self::Moved => "moved",
            Self::Unmanaged => "unmanaged",
        }
    }
}

/// A control of a standard, as `PCI-DSS:3.5.1`. Those that Driftline ships are not copied for every finding.
pub type Control = std::borrow::Cow<'static, str>;

/// A difference between snapshot and baseline at one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Hash of account, region, type, id, kind and path.
    pub id: String,
    /// AWS account id.
    pub account: String,
    /// Region name or `global`.
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The id that Terraform uses for that type.
    pub resource: String,
    /// ARN, where the type has one.
    pub arn: Option<String>,
    /// What kind of difference.
    pub kind: DriftKind,
    /// Terraform's attribute path in folded form; empty where the whole resource is meant.
    pub path: String,
    /// The agreed value.
    pub expected: Value,
    /// The observed value.
    pub actual: Value,
    /// How bad.
    pub severity: Severity,
    /// Why that severity, in a sentence.
    pub reason: String,
    /// Controls that it breaks, as `PCI-DSS:3.5.1`.
    pub controls: Vec<Control>,
    /// Where the agreed value stands.
    pub baseline: Option<Origin>,
    /// Id of its remediation.
    pub remediation: Option<String>,
    /// Id of the waiver that accepts it.
    pub waiver: Option<String>,
}

/// A value that is insecure or against policy, whatever the baseline says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Hash of account, region, type, id, rule and path.
    pub id: String,
    /// AWS account id.
    pub account: String,
    /// Region name or `global`.
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The id that Terraform uses for that type.
    pub resource: String,
    /// ARN, where the type has one.
    pub arn: Option<String>,
    /// Attribute path.
    pub path: String,
    /// The observed value.
    pub actual: Value,
    /// How bad.
    pub severity: Severity,
    /// Id of the rule, `s3_bucket.04`.
    pub rule: String,
    /// What is wrong, in a sentence.
    pub reason: String,
    /// Controls that it breaks.
    pub controls: Vec<Control>,
}

/// What a transition is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "subject", content = "about", rename_all = "lowercase")]
pub enum Subject {
    /// A drift.
    Drift(Drift),
    /// A posture finding.
    Finding(Finding),
}

impl Subject {
    /// The drift's or finding's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Drift(d) => &d.id,
            Self::Finding(f) => &f.id,
        }
    }

    /// The account concerned.
    pub fn account(&self) -> &str {
        match self {
            Self::Drift(d) => &d.account,
            Self::Finding(f) => &f.account,
        }
    }
}

/// What happened to a drift or finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransitionKind {
    /// It was not there before.
    Opened,
    /// Its values or severity changed.
    Changed,
    /// It is gone.
    Resolved,
}

impl TransitionKind {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Resolved => "resolved",
        }
    }
}

/// One step in the life of a drift or finding: the body of `driftline.events`, and (the last one) of `driftline.drifts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// Hash of the subject's id, the transition and its cause.
    pub id: String,
    /// What happened.
    pub transition: TransitionKind,
    /// `(epoch, number)` of the observation that caused it, as `e<epoch>.<number>`, else `o<offset>` of the record.
    pub cause: String,
    /// Offset of the causing record in the account's partition of `driftline.inputs`: orders the transitions of one
    /// subject, and on a replay too, where offsets in `driftline.events` say only when something was repeated.
    #[serde(default)]
    pub input_offset: i64,
    /// Time of the causing record, milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// When the drift was first opened, milliseconds since 1970, UTC.
    pub opened_ms: i64,
    /// The drift or finding after the transition (before it, if resolved).
    #[serde(flatten)]
    pub subject: Subject,
}

#[cfg(test)]
mod transition_tests {
    use super::*;

    #[test]
    fn a_transition_reads_back_as_it_was_written() {
        let drift = Drift {
            id: "d".into(),
            account: "111111111111".into(),
            region: "global".into(),
            type_name: "aws_s3_bucket".into(),
            resource: "b".into(),
            arn: None,
            kind: DriftKind::Modified,
            path: "tags.Owner".into(),
            expected: Value::from("a"),
            actual: Value::Null,
            severity: Severity::Low,
            reason: String::new(),
            controls: Vec::new(),
            baseline: None,
            remediation: None,
            waiver: None,
        };
        let transition = Transition {
            id: "t".into(),
            transition: TransitionKind::Opened,
            cause: "e1.2".into(),
            at_ms: 1,
            opened_ms: 1,
            input_offset: 7,
            subject: Subject::Drift(drift),
        };
        let text = serde_json::to_string(&transition).unwrap();
        assert_eq!(serde_json::from_str::<Transition>(&text).unwrap(), transition);
    }
}
