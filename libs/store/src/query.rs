//! Anyone's SQL over the tables: read-only, bounded, answered whole or not at all.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Reach, Store, sql};

/// One row per line, so that an answer can be cut into rows without parsing it whole.
const FORMAT: &str = "JSONCompactEachRowWithNamesAndTypes";

/// What one query may cost. Beyond it there is an error, never a shorter answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows of the answer.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// Time, in whole seconds.
    pub time: Duration,
    /// Memory on the server, in bytes.
    pub memory: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 16 << 20, time: Duration::from_secs(30), memory: 1 << 30 }
    }
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// ClickHouse's type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryResult {
    /// The columns in order.
    pub columns: Vec<Column>,
    /// Rows in order, each as long as `columns`. Numbers beyond 64 bits, decimals and what is no number in JSON are texts.
    pub rows: Vec<Vec<Value>>,
}

impl Store {
    /// Runs one `SELECT`, `WITH`, `SHOW`, `DESCRIBE` or `EXPLAIN`.
    ///
    /// # Errors
    /// [`Error::Refused`] for any other text, [`Error::Limit`] for what costs more than `limits`.
    pub async fn query(&self, sql: &str, limits: &QueryLimits) -> Result<QueryResult, Error> {
        self.run(&sql::read_only(sql)?, limits, Vec::new()).await
    }

    /// The same for somebody who may see these accounts only: no text shows a row of another.
    ///
    /// # Errors
    /// As of [`Store::query`]; refused is also what reaches beyond the tables.
    pub async fn query_within(&self, sql: &str, limits: &QueryLimits, reach: &Reach) -> Result<QueryResult, Error> {
        let Reach::Accounts(accounts) = reach else { return self.query(sql, limits).await };
        let databases = self.other_databases().await?;
        let sql = sql::within(sql, &databases)?;
        let filters = self.filters(accounts).await?;
        self.run(&sql, limits, filters).await.map_err(crate::reach::discreet)
    }

    pub(crate) async fn run(
        &self,
        sql: &str,
        limits: &QueryLimits,
        more: Vec<(&'static str, String)>,
    ) -> Result<QueryResult, Error> {
        let seconds = limits.time.as_secs().max(1);
        // with `readonly = 1` the text itself can change none of these
        let settings = [
            ("readonly", "1".to_owned()),
            ("max_result_rows", limits.rows.to_string()),
            ("max_result_bytes", limits.bytes.to_string()),
            ("result_overflow_mode", "throw".to_owned()),
            ("max_execution_time", seconds.to_string()),
            ("timeout_overflow_mode", "throw".to_owned()),
            ("max_memory_usage", limits.memory.to_string()),
            ("cancel_http_readonly_queries_on_client_close", "1".to_owned()),
            ("output_format_json_quote_64bit_integers", "1".to_owned()),
            ("output_format_json_quote_decimals", "1".to_owned()),
            ("output_format_json_quote_denormals", "1".to_owned()),
            ("output_format_json_validate_utf8", "1".to_owned()),
        ];
        let mut query = self.client.query_raw(sql);
        for (name, value) in settings.into_iter().chain(more) {
            query = query.with_setting(name, value);
        }
        let answered = tokio::time::timeout(limits.time + Duration::from_secs(10), collect(query, limits.bytes)).await;
        let text = answered.map_err(|_| Error::Limit(format!("no answer after {seconds} s")))??;
        let result = parse(&text)?;
        match u64::try_from(result.rows.len()) {
            Ok(rows) if rows <= limits.rows => Ok(result),
            _ => Err(Error::Limit(format!("more than {} rows", limits.rows))),
        }
    }
}

async fn collect(query: clickhouse::query::Query, limit: u64) -> Result<Vec<u8>, Error> {
    let mut cursor = query.fetch_bytes(FORMAT)?;
    let mut text = Vec::new();
    while let Some(chunk) = cursor.next().await? {
        text.extend_from_slice(&chunk);
        if u64::try_from(text.len()).is_ok_and(|length| length > limit) {
            return Err(Error::Limit(format!("the answer has more than {limit} bytes")));
        }
    }
    Ok(text)
}

fn parse(text: &[u8]) -> Result<QueryResult, Error> {
    let damaged =
        |e: serde_json::Error| Error::Damaged(format!("the answer is not in the format that was asked for: {e}"));
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut header = || serde_json::from_slice::<Vec<String>>(lines.next().unwrap_or(b"[]")).map_err(damaged);
    let (names, types) = (header()?, header()?);
    let columns: Vec<Column> =
        names.into_iter().zip(types).map(|(name, type_name)| Column { name, type_name }).collect();
    let mut rows = Vec::new();
    for line in lines {
        let row: Vec<Value> = serde_json::from_slice(line).map_err(damaged)?;
        if row.len() != columns.len() {
            return Err(Error::Damaged("a row has another length than the header".to_owned()));
        }
        rows.push(row.into_iter().zip(&columns).map(|(value, column)| number(value, &column.type_name)).collect());
    }
    Ok(QueryResult { columns, rows })
}

/// 64-bit integers come as text, since many readers of JSON would round them; ours does not.
fn number(value: Value, type_name: &str) -> Value {
    let inner = |wrapper: &str| type_name.strip_prefix(wrapper).and_then(|t| t.strip_suffix(')'));
    match value {
        Value::String(text) => match type_name {
            "UInt64" => text.parse::<u64>().map_or(Value::String(text), Value::from),
            "Int64" => text.parse::<i64>().map_or(Value::String(text), Value::from),
            _ => match inner("Nullable(").or_else(|| inner("LowCardinality(")) {
                Some(inner) => number(Value::String(text), inner),
                None => Value::String(text),
            },
        },
        Value::Array(items) => match inner("Array(") {
            Some(inner) => Value::Array(items.into_iter().map(|item| number(item, inner)).collect()),
            None => Value::Array(items),
        },
        other => other,
    }
}
