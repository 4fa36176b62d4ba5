//! The values of a partition's state. Small ones: bodies are kept apart and read only where something is judged.

use std::collections::BTreeMap;

use driftline_model::{CoverageStatus, ResourceKey, Scope, Subject};
use serde::{Deserialize, Serialize};

/// The region of a part whose source does not tell it.
pub(crate) const UNKNOWN_REGION: &str = "-";

/// The order of observations: an agent's epoch, and the number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(i64, u64)", into = "(i64, u64)")]
pub struct Order {
    /// Offset of the session record by which the agent took the account.
    pub epoch: i64,
    /// Number within the epoch.
    pub number: u64,
}

impl From<(i64, u64)> for Order {
    fn from((epoch, number): (i64, u64)) -> Self {
        Self { epoch, number }
    }
}

impl From<Order> for (i64, u64) {
    fn from(order: Order) -> Self {
        (order.epoch, order.number)
    }
}

/// An account: the fence that old agents' records do not pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) epoch: i64,
    /// Agent and session that hold it, as far as a session record said.
    #[serde(default)]
    pub(crate) holder: Option<(String, String)>,
}

/// A cycle as far as scopes need it that have no listing of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) order: Order,
    pub(crate) after_offset: i64,
    pub(crate) regions: Vec<String>,
    pub(crate) types: Vec<String>,
}

impl Round {
    pub(crate) fn covers(&self, scope: &Scope) -> bool {
        self.regions.contains(&scope.region) && self.types.contains(&scope.kind)
    }
}

/// The last two cycles, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub(crate) last: Vec<Round>,
}

/// A complete listing: what can prove that something is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) order: Order,
    pub(crate) after_offset: i64,
    /// It saw nothing.
    pub(crate) empty: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) not_found: Vec<String>,
}

/// What is known of a scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScopeMark {
    /// The last two complete listings, newest first.
    pub(crate) listings: Vec<Evidence>,
    /// The last listing, complete or not.
    pub(crate) status: Option<(Order, CoverageStatus)>,
    /// Resources that were seen and that no later list leaves out.
    pub(crate) live: u64,
    /// Parts of the manifest.
    pub(crate) manifest: BTreeMap<u32, ManifestMark>,
}

impl ScopeMark {
    /// The newest complete listing, if it saw nothing.
    pub(crate) fn empty(&self) -> Option<Order> {
        self.listings.first().filter(|l| l.empty).map(|l| l.order)
    }

    /// Takes a complete listing in, in whatever order listings come.
    pub(crate) fn prove(&mut self, evidence: Evidence) {
        if self.listings.iter().all(|l| l.order != evidence.order) {
            self.listings.push(evidence);
            self.listings.sort_by_key(|l| std::cmp::Reverse(l.order));
            self.listings.truncate(2);
        }
    }

    /// The manifest, if all of its parts are there: how many, and the lowest and highest order of them. What it leaves
    /// out must be below the first, and what confirms it not below the second.
    pub(crate) fn whole(&self) -> Option<(u32, Order, Order)> {
        let newest = self.manifest.values().max_by_key(|m| m.order)?;
        let parts = (0..newest.parts).map(|i| self.manifest.get(&i).filter(|m| m.digest == newest.digest));
        let orders: Option<Vec<Order>> = parts.map(|m| m.map(|m| m.order)).collect();
        let orders = orders?;
        Some((newest.parts, orders.iter().min().copied()?, newest.order))
    }
}

/// One part of a manifest; its ids are in the kept record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ManifestMark {
    pub(crate) order: Order,
    pub(crate) digest: String,
    pub(crate) parts: u32,
}

/// What is known of one id of one type in an account, in all regions: the unit that is judged, since the same id may be
/// agreed in one region and be found in another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Region to sighting.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) seen: BTreeMap<String, Seen>,
    /// Region (`-`: not known) to source to part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) parts: BTreeMap<String, BTreeMap<String, PartMark>>,
    /// Region to what lists say of an id that is agreed and not seen: a round lists everything and reads what its budget
    /// allows, so that a list may know it first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) listed: BTreeMap<String, Listed>,
    /// Open drifts and findings by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) open: BTreeMap<String, Open>,
}

/// The last change in what lists say of an id.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) held: bool,
    pub(crate) order: Order,
}

impl Group {
    /// Whether a source agrees on it in a region, or without one.
    pub(crate) fn is_agreed(&self, region: &str) -> bool {
        let agreed = |r: &str| self.parts.get(r).is_some_and(|s| s.values().any(PartMark::agreed));
        agreed(region) || agreed(UNKNOWN_REGION)
    }

    /// Takes what the newest list of a region says; whether that is news. What no list has ever held is no news.
    pub(crate) fn note(&mut self, region: &str, holds: bool, order: Order) -> bool {
        let before = self.listed.get(region).copied();
        if !holds && before.is_none_or(|l| !l.held) {
            return false;
        }
        let now = Listed { held: holds, order };
        self.listed.insert(region.to_owned(), now);
        before.is_none_or(|l| l.held != holds)
    }
}

/// The last snapshot of a resource, or its tombstone; the body is in the kept record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) order: Order,
    pub(crate) offset: i64,
    pub(crate) hash: String,
    pub(crate) live: bool,
    /// The order of the newest list that should hold this resource and does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unlisted: Option<Order>,
}

impl Seen {
    pub(crate) fn counted(&self) -> bool {
        self.live && self.unlisted.is_none()
    }
}

/// One source's part of a baseline; the body is in the kept record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartMark {
    pub(crate) offset: i64,
    pub(crate) lineage: String,
    pub(crate) serial: u64,
    /// Neither withdrawn by a tombstone ...
    pub(crate) live: bool,
    /// ... nor left out of its source's list of keys.
    #[serde(default)]
    pub(crate) unlisted: bool,
}

impl PartMark {
    pub(crate) fn agreed(&self) -> bool {
        self.live && !self.unlisted
    }
}

/// An open drift or finding, as its last transition told it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) opened_ms: i64,
    pub(crate) hash: String,
    #[serde(flatten)]
    pub(crate) subject: Subject,
}

/// A source's list of keys, by part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SourceMark {
    pub(crate) lists: BTreeMap<u32, ListMark>,
}

/// One part of a list of keys; the keys are in the kept record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListMark {
    pub(crate) lineage: String,
    pub(crate) serial: u64,
    pub(crate) parts: u32,
    pub(crate) offset: i64,
}

impl SourceMark {
    /// The list, if all of its parts are there; `offset` is the lowest of them.
    pub(crate) fn whole(&self) -> Option<ListMark> {
        let newest = self.lists.values().max_by_key(|m| m.offset)?;
        let same = |m: &&ListMark| (&m.lineage, m.serial, m.parts) == (&newest.lineage, newest.serial, newest.parts);
        let parts: Option<Vec<i64>> =
            (0..newest.parts).map(|i| self.lists.get(&i).filter(same).map(|m| m.offset)).collect();
        parts?.into_iter().min().map(|offset| ListMark { offset, ..newest.clone() })
    }
}

/// Names a [`Group`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKey {
    pub(crate) account: String,
    pub(crate) kind: String,
    pub(crate) id: String,
}

impl GroupKey {
    pub(crate) fn of(key: &ResourceKey) -> Self {
        Self { account: key.account.clone(), kind: key.kind.clone(), id: key.id.clone() }
    }

    pub(crate) fn resource(&self, region: &str) -> ResourceKey {
        ResourceKey::new(&self.account, region, &self.kind, &self.id)
    }

    pub(crate) fn scope(&self, region: &str) -> Scope {
        Scope { account: self.account.clone(), region: region.to_owned(), kind: self.kind.clone() }
    }
}

/// The names of the values.
pub(crate) mod names {
    use driftline_model::Scope;

    use super::GroupKey;

    pub(crate) const GROUPS: &[u8] = b"G/";
    pub(crate) const NOTED: &[u8] = b"D/";

    /// The latest state of a drift or finding, on a rebuild.
    pub(crate) fn noted(id: &[u8]) -> Vec<u8> {
        [NOTED, id].concat()
    }

    pub(crate) fn account(account: &str) -> Vec<u8> {
        format!("A/{account}").into_bytes()
    }

    pub(crate) fn rounds(account: &str) -> Vec<u8> {
        format!("R/{account}").into_bytes()
    }

    pub(crate) fn scope(scope: &Scope) -> Vec<u8> {
        format!("S/{scope}").into_bytes()
    }

    pub(crate) fn scopes(account: &str) -> Vec<u8> {
        format!("S/{account}/").into_bytes()
    }

    pub(crate) fn read_scope(name: &[u8]) -> Option<Scope> {
        let mut parts = std::str::from_utf8(name).ok()?.strip_prefix("S/")?.splitn(3, '/');
        let (account, region, kind) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Scope { account: account.to_owned(), region: region.to_owned(), kind: kind.to_owned() })
    }

    pub(crate) fn group(key: &GroupKey) -> Vec<u8> {
        format!("G/{}/{}/{}", key.account, key.kind, key.id).into_bytes()
    }

    pub(crate) fn groups(account: &str, kind: &str) -> Vec<u8> {
        format!("G/{account}/{kind}/").into_bytes()
    }

    /// Groups that the account's next cycle may decide.
    pub(crate) fn pending(key: &GroupKey) -> Vec<u8> {
        format!("P/{}/{}/{}", key.account, key.kind, key.id).into_bytes()
    }

    pub(crate) fn all_pending(account: &str) -> Vec<u8> {
        format!("P/{account}/").into_bytes()
    }

    /// Reads the name of a group or of its pending mark.
    pub(crate) fn read_group(name: &[u8]) -> Option<GroupKey> {
        let mut parts = std::str::from_utf8(name).ok()?.get(2..)?.splitn(3, '/');
        let (account, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
        Some(GroupKey { account: account.to_owned(), kind: kind.to_owned(), id: id.to_owned() })
    }

    pub(crate) fn source(account: &str, source: &str) -> Vec<u8> {
        format!("L/{account}/{source}").into_bytes()
    }

    /// Which parts a source has published.
    pub(crate) fn published(account: &str, source: &str, key: &str) -> Vec<u8> {
        format!("K/{account}/{source}/{key}").into_bytes()
    }

    pub(crate) fn all_published(account: &str, source: &str) -> Vec<u8> {
        format!("K/{account}/{source}/").into_bytes()
    }

    pub(crate) fn kept(key: &str) -> Vec<u8> {
        format!("B/{key}").into_bytes()
    }
}
