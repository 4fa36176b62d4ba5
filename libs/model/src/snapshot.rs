//! What was observed and what was agreed, both in canonical form.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Origin, ResourceKey};

/// One resource's configuration as observed, in canonical form.
///
/// `attributes` maps a catalogue path (`versioning.enabled`, `ingress`, `tags`) to its normalised value; a path that the
/// resource does not have set is absent. Sets are sorted, secrets are `hmac:<key id>:<hex>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which resource.
    pub key: ResourceKey,
    /// Its ARN, where the type has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Revision (hash) of the type's catalogue file that made this.
    pub revision: String,
    /// Catalogue path to value.
    pub attributes: BTreeMap<String, Value>,
    /// Paths (and `relations:name`) that could not be read, with the error: unknown, these open and resolve nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
    /// What other resources the judgement needs, as the agent saw them (`autoscaler`, `key_alias` ...).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relations: BTreeMap<String, Value>,
    /// Why nobody has to declare this resource (`aws`: made by AWS, `default`: a default VPC's ...); never `unmanaged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// One agreed value and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// Normalised value, comparable with a snapshot's.
    pub value: Value,
    /// Index into [`Baseline::origins`].
    pub origin: usize,
}

/// The agreed configuration of one resource: its parts folded together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Catalogue path to what was agreed; what is absent was not declared.
    pub attributes: BTreeMap<String, Declared>,
    /// Where the values come from; the first is the resource itself.
    pub origins: Vec<Origin>,
    /// Paths that the author asked to ignore (`lifecycle.ignore_changes`; `*` is all), and fields of blocks that the
    /// shape in which they are declared can't hold.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ignored: BTreeSet<String>,
    /// Paths of which single elements are declared, by resources of their own, while nobody declares the resource itself:
    /// these must be there, others are someone else's.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub partial: BTreeSet<String>,
    /// Paths on which sources disagree, each worth a finding: path to a sentence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conflicts: BTreeMap<String, String>,
}

/// How completely a scope was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CoverageStatus {
    /// All of it.
    Complete,
    /// Some resources or paths are unread.
    Partial,
    /// The listing was refused.
    Denied,
    /// The listing was throttled past its deadline.
    Throttled,
    /// The region or partition has no such service.
    Unsupported,
    /// The listing failed otherwise (cut short, unparseable, unreachable).
    Failed,
}

/// Coverage of one scope in one cycle, as reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// AWS account id.
    pub account: String,
    /// Region name or `global`.
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much was seen.
    pub status: CoverageStatus,
    /// Resources seen.
    pub resources: u64,
    /// What went wrong, if anything.
    pub error: Option<String>,
}
