//! What is asked most: current drifts and findings, a drift's history, coverage, how far the data reach.

use clickhouse::Row;
use clickhouse::query::Query;
use driftline_model::{Control, Coverage, Drift, DriftKind, Finding, Origin, Severity, Subject, Transition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Store, TransitionRow};

/// Fewest characters that stand for an id that begins with them.
const SHORTEST_ID: usize = 8;

/// Longest history of one drift that is given; a longer one is an error and a case for [`Store::query`].
const MAX_HISTORY: u64 = 10_000;

/// Open or resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is there now.
    Open,
    /// It was there.
    Resolved,
}

/// Which drifts or findings; an empty list means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Regions.
    pub regions: Vec<String>,
    /// Terraform's names of types.
    pub types: Vec<String>,
    /// Resource ids.
    pub resources: Vec<String>,
    /// Kinds of drift; a finding has none.
    pub kinds: Vec<DriftKind>,
    /// This severity and above.
    pub at_least: Severity,
    /// Open, resolved, or both.
    pub status: Option<Status>,
    /// At most so many.
    pub limit: u64,
    /// Without the first so many.
    pub offset: u64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            accounts: Vec::new(),
            regions: Vec::new(),
            types: Vec::new(),
            resources: Vec::new(),
            kinds: Vec::new(),
            at_least: Severity::Low,
            status: Some(Status::Open),
            limit: 1000,
            offset: 0,
        }
    }
}

/// Part of what there is, worst first, and how much there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// A drift as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredDrift {
    /// The drift.
    #[serde(flatten)]
    pub drift: Drift,
    /// Open or resolved.
    pub status: Status,
    /// When it was first seen, milliseconds since 1970 UTC.
    pub opened_ms: i64,
    /// When it last changed (or was resolved).
    pub changed_ms: i64,
}

/// A posture finding as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Open or resolved.
    pub status: Status,
    /// When it was first seen, milliseconds since 1970 UTC.
    pub opened_ms: i64,
    /// When it last changed (or was resolved).
    pub changed_ms: i64,
}

/// Coverage of one scope in its account's last round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredCoverage {
    /// What was seen.
    #[serde(flatten)]
    pub coverage: Coverage,
    /// When the listing began, milliseconds since 1970 UTC.
    pub began_ms: i64,
    /// When the round ended.
    pub ended_ms: i64,
}

/// How far the stored data of a partition reach.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Watermark {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// The next offset that will be stored.
    pub offset: u64,
    /// Time of the last record that was, milliseconds since 1970 UTC.
    pub at: i64,
}

// In these the last column is no text: a client takes an answer that ends like an error message for one.

#[derive(Row, Deserialize)]
struct DriftRecord {
    id: String,
    account: String,
    region: String,
    #[serde(rename = "type")]
    type_name: String,
    resource: String,
    arn: String,
    kind: String,
    path: String,
    expected: String,
    actual: String,
    severity: String,
    reason: String,
    controls: Vec<Control>,
    origin: String,
    source: String,
    address: String,
    line: u32,
    remediation: String,
    waiver: String,
    status: String,
    opened_at: i64,
    changed_at: i64,
}

#[derive(Row, Deserialize)]
struct FindingRecord {
    id: String,
    account: String,
    region: String,
    #[serde(rename = "type")]
    type_name: String,
    resource: String,
    arn: String,
    path: String,
    actual: String,
    severity: String,
    rule: String,
    reason: String,
    controls: Vec<Control>,
    status: String,
    opened_at: i64,
    changed_at: i64,
}

#[derive(Row, Deserialize)]
struct CoverageRecord {
    account: String,
    region: String,
    #[serde(rename = "type")]
    type_name: String,
    status: String,
    error: String,
    resources: u64,
    began_at: i64,
    ended_at: i64,
}

impl Store {
    /// Drifts, worst first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drifts(&self, filter: &Filter) -> Result<Page<StoredDrift>, Error> {
        let (records, total) = self.page::<DriftRecord>("drifts", filter).await?;
        let rows = records.into_iter().map(DriftRecord::into_stored).collect::<Result<_, _>>()?;
        Ok(Page { rows, total })
    }

    /// Posture findings, worst first.
    ///
    /// # Errors
    /// As of [`Store::drifts`].
    pub async fn findings(&self, filter: &Filter) -> Result<Page<StoredFinding>, Error> {
        let filter = Filter { kinds: Vec::new(), ..filter.clone() };
        let (records, total) = self.page::<FindingRecord>("findings", &filter).await?;
        let rows = records.into_iter().map(FindingRecord::into_stored).collect::<Result<_, _>>()?;
        Ok(Page { rows, total })
    }

    /// One drift and all that happened to it, oldest first. The beginning of its id will do, of eight characters and more.
    ///
    /// # Errors
    /// As of [`Store::drifts`]; [`Error::Limit`] for a history of more than 10,000 transitions; [`Error::Ambiguous`] where
    /// several ids begin so.
    pub async fn drift(&self, id: &str) -> Result<Option<(StoredDrift, Vec<Transition>)>, Error> {
        let Some(record) = self.one::<DriftRecord>("drifts", id).await? else { return Ok(None) };
        let history = self.history(&record.account, &record.id).await?;
        Ok(Some((record.into_stored()?, history)))
    }

    /// One posture finding and all that happened to it, oldest first.
    ///
    /// # Errors
    /// As of [`Store::drift`].
    pub async fn finding(&self, id: &str) -> Result<Option<(StoredFinding, Vec<Transition>)>, Error> {
        let Some(record) = self.one::<FindingRecord>("findings", id).await? else { return Ok(None) };
        let history = self.history(&record.account, &record.id).await?;
        Ok(Some((record.into_stored()?, history)))
    }

    /// Coverage of the last round of these accounts (none: of all), incomplete scopes first.
    ///
    /// # Errors
    /// As of [`Store::drifts`].
    pub async fn coverage(&self, accounts: &[String]) -> Result<Vec<StoredCoverage>, Error> {
        let named = if accounts.is_empty() { "" } else { "WHERE account IN {accounts:Array(String)}" };
        let sql = format!("SELECT ?fields FROM coverage {named} ORDER BY status = 'complete', account, region, type");
        let mut query = self.client.query(&sql);
        if !accounts.is_empty() {
            query = query.param("accounts", accounts);
        }
        let records = query.fetch_all::<CoverageRecord>().await?;
        records.into_iter().map(CoverageRecord::into_stored).collect()
    }

    /// How far the stored data reach.
    ///
    /// # Errors
    /// As of [`Store::drifts`].
    pub async fn watermarks(&self) -> Result<Vec<Watermark>, Error> {
        let query = self.client.query("SELECT ?fields FROM watermarks ORDER BY topic, partition");
        Ok(query.fetch_all::<Watermark>().await?)
    }

    async fn history(&self, account: &str, id: &str) -> Result<Vec<Transition>, Error> {
        let sql = "SELECT ?fields FROM drift_events WHERE account = {account:String} AND subject_id = {id:String} \
                   ORDER BY input_offset, at, id LIMIT {limit:UInt64}";
        let query = self.client.query(sql).param("account", account).param("id", id).param("limit", MAX_HISTORY + 1);
        let rows = query.fetch_all::<TransitionRow>().await?;
        if u64::try_from(rows.len()).is_ok_and(|length| length > MAX_HISTORY) {
            return Err(Error::Limit(format!("more than {MAX_HISTORY} transitions of {id}")));
        }
        rows.into_iter().map(TransitionRow::into_transition).collect()
    }

    /// The row whose id is this or begins so.
    async fn one<T>(&self, view: &str, id: &str) -> Result<Option<T>, Error>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        let condition = if id.len() < SHORTEST_ID { "id = {id:String}" } else { "startsWith(id, {id:String})" };
        let sql = format!("SELECT ?fields FROM {view} WHERE {condition} LIMIT 2");
        let mut rows = self.client.query(&sql).param("id", id).fetch_all::<T>().await?;
        if rows.len() > 1 {
            return Err(Error::Ambiguous(id.to_owned()));
        }
        Ok(rows.pop())
    }

    async fn page<T>(&self, view: &str, filter: &Filter) -> Result<(Vec<T>, u64), Error>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        let condition = filter.condition();
        let sql = format!(
            "SELECT ?fields FROM {view} WHERE {condition} \
             ORDER BY indexOf(['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'], severity), account, region, type, resource, path, id \
             LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}"
        );
        let query = filter.bind(self.client.query(&sql)).param("limit", filter.limit).param("offset", filter.offset);
        let rows = query.fetch_all::<T>().await?;
        let counted = self.client.query(&format!("SELECT count() FROM {view} WHERE {condition}"));
        Ok((rows, filter.bind(counted).fetch_one::<u64>().await?))
    }
}

impl Filter {
    fn lists(&self) -> [(&'static str, &'static str, &[String]); 4] {
        [
            ("account", "accounts", &self.accounts),
            ("region", "regions", &self.regions),
            ("type", "types", &self.types),
            ("resource", "resources", &self.resources),
        ]
    }

    fn condition(&self) -> String {
        let mut all = vec!["severity IN {severities:Array(String)}".to_owned()];
        for (column, name, values) in self.lists() {
            if !values.is_empty() {
                all.push(format!("{column} IN {{{name}:Array(String)}}"));
            }
        }
        if !self.kinds.is_empty() {
            all.push("kind IN {kinds:Array(String)}".to_owned());
        }
        match self.status {
            Some(Status::Open) => all.push("status = 'open'".to_owned()),
            Some(Status::Resolved) => all.push("status = 'resolved'".to_owned()),
            None => {}
        }
        all.join(" AND ")
    }

    fn bind(&self, mut query: Query) -> Query {
        let severities: Vec<&str> =
            Severity::ALL.into_iter().filter(|s| *s >= self.at_least).map(Severity::as_str).collect();
        query = query.param("severities", severities);
        for (_, name, values) in self.lists() {
            if !values.is_empty() {
                query = query.param(name, values);
            }
        }
        if !self.kinds.is_empty() {
            let kinds: Vec<&str> = self.kinds.iter().map(|k| k.as_str()).collect();
            query = query.param("kinds", kinds);
        }
        query
    }
}

/// An enumeration from its word in JSON.
fn word<T: DeserializeOwned>(text: String) -> Result<T, Error> {
    let damaged = |e: serde_json::Error| Error::Damaged(format!("`{text}`: {e}"));
    serde_json::from_value(Value::String(text.clone())).map_err(damaged)
}

fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|e| Error::Damaged(e.to_string()))
}

fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn origin(origin: String, source: String, address: String, line: u32) -> Option<Origin> {
    let line = (line != 0).then_some(line);
    (!origin.is_empty()).then_some(Origin { origin, source, address, line })
}

impl DriftRecord {
    fn into_stored(self) -> Result<StoredDrift, Error> {
        let drift = Drift {
            id: self.id,
            account: self.account,
            region: self.region,
            type_name: self.type_name,
            resource: self.resource,
            arn: optional(self.arn),
            kind: word(self.kind)?,
            path: self.path,
            expected: json(&self.expected)?,
            actual: json(&self.actual)?,
            severity: word(self.severity)?,
            reason: self.reason,
            controls: self.controls,
            baseline: origin(self.origin, self.source, self.address, self.line),
            remediation: optional(self.remediation),
            waiver: optional(self.waiver),
        };
        let (opened_ms, changed_ms) = (self.opened_at, self.changed_at);
        Ok(StoredDrift { drift, status: word(self.status)?, opened_ms, changed_ms })
    }
}

impl FindingRecord {
    fn into_stored(self) -> Result<StoredFinding, Error> {
        let finding = Finding {
            id: self.id,
            account: self.account,
            region: self.region,
            type_name: self.type_name,
            resource: self.resource,
            arn: optional(self.arn),
            path: self.path,
            actual: json(&self.actual)?,
            severity: word(self.severity)?,
            rule: self.rule,
            reason: self.reason,
            controls: self.controls,
        };
        let (opened_ms, changed_ms) = (self.opened_at, self.changed_at);
        Ok(StoredFinding { finding, status: word(self.status)?, opened_ms, changed_ms })
    }
}

impl CoverageRecord {
    fn into_stored(self) -> Result<StoredCoverage, Error> {
        let coverage = Coverage {
            account: self.account,
            region: self.region,
            kind: self.type_name,
            status: word(self.status)?,
            resources: self.resources,
            error: optional(self.error),
        };
        Ok(StoredCoverage { coverage, began_ms: self.began_at, ended_ms: self.ended_at })
    }
}

impl TransitionRow {
    fn into_transition(self) -> Result<Transition, Error> {
        let subject = if self.subject == "drift" {
            Subject::Drift(Drift {
                id: self.subject_id,
                account: self.account,
                region: self.region,
                type_name: self.type_name,
                resource: self.resource,
                arn: optional(self.arn),
                kind: word(self.kind)?,
                path: self.path,
                expected: json(&self.expected)?,
                actual: json(&self.actual)?,
                severity: word(self.severity)?,
                reason: self.reason,
                controls: self.controls,
                baseline: origin(self.origin, self.source, self.address, self.line),
                remediation: optional(self.remediation),
                waiver: optional(self.waiver),
            })
        } else {
            Subject::Finding(Finding {
                id: self.subject_id,
                account: self.account,
                region: self.region,
                type_name: self.type_name,
                resource: self.resource,
                arn: optional(self.arn),
                path: self.path,
                actual: json(&self.actual)?,
                severity: word(self.severity)?,
                rule: self.rule,
                reason: self.reason,
                controls: self.controls,
            })
        };
        Ok(Transition {
            id: self.id,
            transition: word(self.transition)?,
            cause: self.cause,
            at_ms: self.at,
            opened_ms: self.opened_at,
            input_offset: i64::try_from(self.input_offset).unwrap_or(i64::MAX),
            subject,
        })
    }
}
