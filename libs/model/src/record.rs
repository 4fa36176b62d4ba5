//! The records of `driftline.inputs`: keys, headers and bodies, in one order per account.

use serde::{Deserialize, Serialize};

use crate::{Coverage, ResourceKey, Scope};

/// Name of the compacted input topic.
pub const INPUTS: &str = "driftline.inputs";
/// Name of the topic of transitions and change events.
pub const EVENTS: &str = "driftline.events";
/// Name of the compacted topic of latest states.
pub const DRIFTS: &str = "driftline.drifts";
/// Name of the topic of what could not be taken.
pub const DEAD_LETTERS: &str = "driftline.dead-letters";

/// Header: the account's epoch, decimal.
pub const H_EPOCH: &str = "epoch";
/// Header: number within the epoch, decimal.
pub const H_NUMBER: &str = "number";
/// Header: time of the observation, milliseconds since 1970 UTC, decimal.
pub const H_TIME: &str = "time";
/// Header: content hash, hex.
pub const H_HASH: &str = "hash";
/// Header: version of the body's form; absent is 1.
pub const H_VERSION: &str = "version";

/// Header of a record in `driftline.events`: what it is. Absent is [`TRANSITION`]; readers leave kinds that are not theirs.
pub const H_KIND: &str = "kind";
/// Kind of a transition of a drift or finding.
pub const TRANSITION: &str = "transition";

/// The partition of an account: the same for every topic and client. `partitions` must not be 0.
pub fn partition(account: &str, partitions: u32) -> u32 {
    let hash = twox_hash::XxHash64::oneshot(0, account.as_bytes());
    u32::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
}

/// Key of a record in `driftline.inputs`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InputKey {
    /// `s/<account>/<region>/<type>/<id>`: a snapshot, or its tombstone.
    Snapshot(ResourceKey),
    /// `m/<account>/<region>/<type>/<part>`: one part of a manifest.
    Manifest(Scope, u32),
    /// `c/<account>`: the account's last cycle.
    Cycle(String),
    /// `b/<account>/<region or ->/<type>/<source hash>/<id>`: one source's part of a baseline (`-`: region unknown).
    Part(ResourceKey, String),
    /// `l/<account>/<source hash>/<part>`: the keys that a source publishes.
    Keys(String, String, u32),
    /// `w/<account>/<waiver>`
    Waiver(String, String),
    /// `a/<account>`: name, status, OU path, tags.
    Account(String),
    /// `e/<account>`: an agent takes the account.
    Session(String),
}

impl InputKey {
    /// The account that the record belongs to.
    pub fn account(&self) -> &str {
        match self {
            Self::Snapshot(k) | Self::Part(k, _) => &k.account,
            Self::Manifest(s, _) => &s.account,
            Self::Cycle(a) | Self::Keys(a, _, _) | Self::Waiver(a, _) | Self::Account(a) | Self::Session(a) => a,
        }
    }

    /// The textual form.
    pub fn encode(&self) -> String {
        match self {
            Self::Snapshot(k) => format!("s/{k}"),
            Self::Manifest(s, part) => format!("m/{s}/{part}"),
            Self::Cycle(a) => format!("c/{a}"),
            Self::Part(k, source) => format!("b/{}/{}/{}/{source}/{}", k.account, k.region, k.kind, k.id),
            Self::Keys(a, source, part) => format!("l/{a}/{source}/{part}"),
            Self::Waiver(a, id) => format!("w/{a}/{id}"),
            Self::Account(a) => format!("a/{a}"),
            Self::Session(a) => format!("e/{a}"),
        }
    }

    /// Reads the textual form; `None` for anything else, so that a stranger's key is a dead letter and no panic.
    pub fn decode(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once('/')?;
        let account = |a: &str| (a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit())).then(|| a.to_owned());
        match tag {
            "s" => ResourceKey::parse(rest).map(Self::Snapshot),
            "m" => {
                let (scope, part) = rest.rsplit_once('/')?;
                let mut parts = scope.splitn(3, '/');
                let (a, region, kind) = (account(parts.next()?)?, parts.next()?, parts.next()?);
                let plain = !region.is_empty() && !kind.is_empty() && !kind.contains('/');
                let scope = Scope { account: a, region: region.to_owned(), kind: kind.to_owned() };
                plain.then_some(()).and_then(|()| part.parse().ok()).map(|n| Self::Manifest(scope, n))
            }
            "b" => {
                let mut p = rest.splitn(5, '/');
                let (a, region, kind, source, id) = (p.next()?, p.next()?, p.next()?, p.next()?, p.next()?);
                let whole = ![region, kind, source, id].iter().any(|s| s.is_empty());
                whole
                    .then(|| account(a))
                    .flatten()
                    .map(|a| Self::Part(ResourceKey::new(a, region, kind, id), source.to_owned()))
            }
            "l" => {
                let mut p = rest.splitn(3, '/');
                let (a, source, part) = (account(p.next()?)?, p.next()?, p.next()?);
                part.parse().ok().map(|n| Self::Keys(a, source.to_owned(), n))
            }
            "w" => {
                let (a, id) = rest.split_once('/')?;
                account(a).filter(|_| !id.is_empty()).map(|a| Self::Waiver(a, id.to_owned()))
            }
            "c" => account(rest).map(Self::Cycle),
            "a" => account(rest).map(Self::Account),
            "e" => account(rest).map(Self::Session),
            _ => None,
        }
    }
}

/// The ids that a complete listing of one scope saw; part `part` of `parts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Revision of the type's catalogue file.
    pub revision: String,
    /// How many parts this manifest has.
    pub parts: u32,
    /// Hash over all ids of all parts: parts of different manifests do not mix.
    pub digest: String,
    /// The ids, sorted.
    pub ids: Vec<String>,
}

/// One listing within a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// What was seen, and how completely.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// When it began, milliseconds since 1970 UTC; for people, never for order.
    pub began_ms: i64,
    /// The highest offset of the account's partition that the agent knew acknowledged when the listing began.
    pub after_offset: i64,
    /// The list of ids was whole although the scope is `partial`: only of single resources something is unread.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Ids in the baseline that were looked up one by one and are NotFound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_found: Vec<String>,
    /// Hash over ids and content hashes of the scope.
    pub digest: String,
}

/// One record per account and round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cycle {
    /// Revision of the whole catalogue.
    pub catalogue: String,
    /// Regions that were listed.
    pub regions: Vec<String>,
    /// Types that were listed.
    pub types: Vec<String>,
    /// The highest offset of the account's partition that the agent knew acknowledged when the round began: what
    /// `Listing::after_offset` is for the scopes that have no listing of their own because they were complete and empty.
    #[serde(default)]
    pub after_offset: i64,
    /// Scopes that were not complete or not empty; those within regions x types that stand not here were both.
    pub listings: Vec<Listing>,
    /// When the round began and ended, milliseconds since 1970 UTC.
    pub began_ms: i64,
    /// See `began_ms`.
    pub ended_ms: i64,
}

/// Facts about an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountFacts {
    /// Display name.
    pub name: String,
    /// `ACTIVE`, `SUSPENDED` ...
    pub status: String,
    /// Organization id.
    pub organization: String,
    /// Path of organizational units from the root, `/Root/Prod`.
    pub ou_path: String,
    /// Tags.
    pub tags: std::collections::BTreeMap<String, String>,
}

/// An agent takes an account; the record's own offset is the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The agent's name.
    pub agent: String,
    /// Random id of the agent's session, kept over reconnects.
    pub session: String,
}

/// What one source (state, stack, approval) says of one resource, unmapped: the catalogue maps it where parts are joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Where it stands.
    pub origin: crate::Origin,
    /// Lineage of the source; empty where it has none.
    pub lineage: String,
    /// Serial within the lineage.
    pub serial: u64,
    /// Revision of the catalogue that hashed its secrets.
    pub revision: String,
    /// The source's instances that make up this resource: the resource itself and its split parts.
    pub instances: Vec<Instance>,
}

/// One resource instance of a source, as the source has it (secrets hashed, attributes unknown to the catalogue left out).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Type in the source: `aws_s3_bucket_versioning`, `AWS::S3::Bucket`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Address in the source.
    pub address: String,
    /// Line in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Attributes as the source has them.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// `lifecycle.ignore_changes` where the source tells; paths of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_changes: Vec<String>,
}

/// The keys that a source publishes for one account; keys that left the list get tombstones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The source: file, URL or stack.
    pub source: String,
    /// Lineage of the source.
    pub lineage: String,
    /// Serial within the lineage.
    pub serial: u64,
    /// Parts of this list.
    pub parts: u32,
    /// Encoded [`InputKey::Part`]s, sorted.
    pub keys: Vec<String>,
    /// For each key the hash of what its part says, so that only what changed is published; empty: unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
}
