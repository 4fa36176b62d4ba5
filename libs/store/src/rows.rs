//! Rows as they are inserted, made from the model's types.

use clickhouse::Row;
use driftline_model::record::{AccountFacts, Cycle};
use driftline_model::{Control, CoverageStatus, Drift, Finding, Origin, ResourceKey, Snapshot, Subject, Transition};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a record stands in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: i64,
}

/// Order of an account's observations: (epoch, number), never a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Order {
    /// The account's epoch.
    pub epoch: i64,
    /// Number within the epoch.
    pub number: u64,
}

impl Order {
    fn version(self) -> u128 {
        (u128::from(unsigned(self.epoch)) << 64) | u128::from(self.number)
    }
}

/// A row of one table; batches are bounded by its weight.
pub(crate) trait Stored: clickhouse::RowOwned + clickhouse::RowWrite {
    /// The table.
    const TABLE: &'static str;
    /// About its bytes.
    fn weight(&self) -> usize;
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Times that ClickHouse can hold (1970 to 2299): a record with an absurd one is stored at the border, not refused.
fn time(ms: i64) -> i64 {
    const LAST: i64 = 10_413_791_999_999;
    ms.clamp(0, LAST)
}

/// A transition of a drift or finding, as read at a position of `driftline.events`.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct TransitionRow {
    pub(crate) id: String,
    pub(crate) transition: String,
    pub(crate) subject: String,
    pub(crate) subject_id: String,
    pub(crate) cause: String,
    pub(crate) at: i64,
    pub(crate) opened_at: i64,
    pub(crate) account: String,
    pub(crate) region: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) resource: String,
    pub(crate) arn: String,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) expected: String,
    pub(crate) actual: String,
    pub(crate) severity: String,
    pub(crate) reason: String,
    pub(crate) controls: Vec<Control>,
    pub(crate) rule: String,
    pub(crate) origin: String,
    pub(crate) source: String,
    pub(crate) address: String,
    pub(crate) line: u32,
    pub(crate) remediation: String,
    pub(crate) waiver: String,
    pub(crate) input_offset: u64,
    pub(crate) partition: u32,
    // last and no text: a client takes an answer that ends like an error message for one
    pub(crate) offset: u64,
}

impl TransitionRow {
    /// `position` is the event's own.
    pub fn new(transition: &Transition, position: Position) -> Self {
        let row = Self {
            id: transition.id.clone(),
            transition: transition.transition.as_str().to_owned(),
            subject: String::new(),
            subject_id: transition.subject.id().to_owned(),
            cause: transition.cause.clone(),
            at: time(transition.at_ms),
            opened_at: time(transition.opened_ms),
            account: transition.subject.account().to_owned(),
            region: String::new(),
            type_name: String::new(),
            resource: String::new(),
            arn: String::new(),
            kind: String::new(),
            path: String::new(),
            expected: String::new(),
            actual: String::new(),
            severity: String::new(),
            reason: String::new(),
            controls: Vec::new(),
            rule: String::new(),
            origin: String::new(),
            source: String::new(),
            address: String::new(),
            line: 0,
            remediation: String::new(),
            waiver: String::new(),
            input_offset: unsigned(transition.input_offset),
            partition: position.partition,
            offset: unsigned(position.offset),
        };
        match &transition.subject {
            Subject::Drift(drift) => row.with_drift(drift),
            Subject::Finding(finding) => row.with_finding(finding),
        }
    }

    fn with_drift(self, d: &Drift) -> Self {
        let none = Origin { origin: String::new(), source: String::new(), address: String::new(), line: None };
        let origin = d.baseline.clone().unwrap_or(none);
        Self {
            subject: "drift".to_owned(),
            region: d.region.clone(),
            type_name: d.type_name.clone(),
            resource: d.resource.clone(),
            arn: d.arn.clone().unwrap_or_default(),
            kind: d.kind.as_str().to_owned(),
            path: d.path.clone(),
            expected: d.expected.to_string(),
            actual: d.actual.to_string(),
            severity: d.severity.as_str().to_owned(),
            reason: d.reason.clone(),
            controls: d.controls.clone(),
            origin: origin.origin,
            source: origin.source,
            address: origin.address,
            line: origin.line.unwrap_or(0),
            remediation: d.remediation.clone().unwrap_or_default(),
            waiver: d.waiver.clone().unwrap_or_default(),
            ..self
        }
    }

    fn with_finding(self, f: &Finding) -> Self {
        Self {
            subject: "finding".to_owned(),
            region: f.region.clone(),
            type_name: f.type_name.clone(),
            resource: f.resource.clone(),
            arn: f.arn.clone().unwrap_or_default(),
            path: f.path.clone(),
            actual: f.actual.to_string(),
            severity: f.severity.as_str().to_owned(),
            reason: f.reason.clone(),
            controls: f.controls.clone(),
            rule: f.rule.clone(),
            ..self
        }
    }
}

impl Stored for TransitionRow {
    const TABLE: &'static str = "drift_event_rows";

    fn weight(&self) -> usize {
        let texts = [&self.resource, &self.arn, &self.path, &self.expected, &self.actual, &self.reason, &self.source];
        512 + texts.iter().map(|t| t.len()).sum::<usize>() + self.controls.iter().map(|c| c.len() + 1).sum::<usize>()
    }
}

/// An observation of one resource, or that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct SnapshotRow {
    account: String,
    region: String,
    #[serde(rename = "type")]
    type_name: String,
    id: String,
    epoch: u64,
    number: u64,
    at: i64,
    hash: String,
    gone: bool,
    arn: String,
    revision: String,
    owner: String,
    attributes: String,
    unread: String,
    relations: String,
}

impl SnapshotRow {
    /// `snapshot` is `None` where the record is a tombstone; `hash` is the content hash in hex.
    pub fn new(key: &ResourceKey, snapshot: Option<&Snapshot>, order: Order, at_ms: i64, hash: &str) -> Self {
        let json = |value: Option<Value>| value.map_or_else(|| "{}".to_owned(), |v| v.to_string());
        Self {
            account: key.account.clone(),
            region: key.region.clone(),
            type_name: key.kind.clone(),
            id: key.id.clone(),
            epoch: unsigned(order.epoch),
            number: order.number,
            at: time(at_ms),
            hash: snapshot.map(|_| hash.to_owned()).unwrap_or_default(),
            gone: snapshot.is_none(),
            arn: snapshot.and_then(|s| s.arn.clone()).unwrap_or_default(),
            revision: snapshot.map(|s| s.revision.clone()).unwrap_or_default(),
            owner: snapshot.and_then(|s| s.owner.clone()).unwrap_or_default(),
            attributes: json(snapshot.and_then(|s| serde_json::to_value(&s.attributes).ok())),
            unread: json(snapshot.and_then(|s| serde_json::to_value(&s.unread).ok())),
            relations: json(snapshot.and_then(|s| serde_json::to_value(&s.relations).ok())),
        }
    }
}

impl Stored for SnapshotRow {
    const TABLE: &'static str = "snapshot_rows";

    fn weight(&self) -> usize {
        256 + self.id.len() + self.attributes.len() + self.unread.len() + self.relations.len()
    }
}

/// One round of an account with its coverage.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct CycleRow {
    account: String,
    epoch: u64,
    number: u64,
    catalogue: String,
    regions: Vec<String>,
    types: Vec<String>,
    began_at: i64,
    ended_at: i64,
    listing_region: Vec<String>,
    listing_type: Vec<String>,
    listing_status: Vec<String>,
    listing_resources: Vec<u64>,
    listing_error: Vec<String>,
    listing_began_at: Vec<i64>,
}

impl CycleRow {
    /// A cycle record of that account.
    pub fn new(account: &str, cycle: &Cycle, order: Order) -> Self {
        let listings = &cycle.listings;
        Self {
            account: account.to_owned(),
            epoch: unsigned(order.epoch),
            number: order.number,
            catalogue: cycle.catalogue.clone(),
            regions: cycle.regions.clone(),
            types: cycle.types.clone(),
            began_at: time(cycle.began_ms),
            ended_at: time(cycle.ended_ms),
            listing_region: listings.iter().map(|l| l.coverage.region.clone()).collect(),
            listing_type: listings.iter().map(|l| l.coverage.kind.clone()).collect(),
            listing_status: listings.iter().map(|l| status(l.coverage.status).to_owned()).collect(),
            listing_resources: listings.iter().map(|l| l.coverage.resources).collect(),
            listing_error: listings.iter().map(|l| l.coverage.error.clone().unwrap_or_default()).collect(),
            listing_began_at: listings.iter().map(|l| time(l.began_ms)).collect(),
        }
    }
}

impl Stored for CycleRow {
    const TABLE: &'static str = "cycle_rows";

    fn weight(&self) -> usize {
        256 + 96 * self.listing_region.len() + self.listing_error.iter().map(String::len).sum::<usize>()
    }
}

/// The word for a status, as in JSON.
fn status(status: CoverageStatus) -> &'static str {
    match status {
        CoverageStatus::Complete => "complete",
        CoverageStatus::Partial => "partial",
        CoverageStatus::Denied => "denied",
        CoverageStatus::Throttled => "throttled",
        CoverageStatus::Unsupported => "unsupported",
        CoverageStatus::Failed => "failed",
    }
}

/// Facts about an account.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct AccountRow {
    account: String,
    name: String,
    status: String,
    organization: String,
    ou_path: String,
    tags: Vec<(String, String)>,
    at: i64,
    version: u128,
}

impl AccountRow {
    /// The facts record of that account.
    pub fn new(account: &str, facts: &AccountFacts, order: Order, at_ms: i64) -> Self {
        Self {
            account: account.to_owned(),
            name: facts.name.clone(),
            status: facts.status.clone(),
            organization: facts.organization.clone(),
            ou_path: facts.ou_path.clone(),
            tags: facts.tags.clone().into_iter().collect(),
            at: time(at_ms),
            version: order.version(),
        }
    }
}

impl Stored for AccountRow {
    const TABLE: &'static str = "account_rows";

    fn weight(&self) -> usize {
        256 + self.tags.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>()
    }
}

/// How far the stored data of a partition reach.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct WatermarkRow {
    topic: String,
    partition: u32,
    offset: u64,
    at: i64,
}

impl WatermarkRow {
    /// `next`: the offset that will be stored next; `at_ms`: time of the last record that was.
    pub fn new(topic: &str, partition: u32, next: i64, at_ms: i64) -> Self {
        Self { topic: topic.to_owned(), partition, offset: unsigned(next), at: time(at_ms) }
    }
}

impl Stored for WatermarkRow {
    const TABLE: &'static str = "watermark_rows";

    fn weight(&self) -> usize {
        64 + self.topic.len()
    }
}
