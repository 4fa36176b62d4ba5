//! Which accounts somebody may see, and the filters that hold a query to it. They lie under every table of our database, in the
//! engine, wherever the text names one: in joins, subqueries and views alike. A table without accounts shows nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine::Database;
use crate::{Error, QueryLimits, Store};

/// What somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// All accounts.
    Everything,
    /// These; none of them: nothing.
    Accounts(BTreeSet<String>),
}

impl Reach {
    /// Whether an account is within it.
    pub fn holds(&self, account: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Accounts(accounts) => accounts.contains(account),
        }
    }
}

/// All accounts of an organization, and more.
const ALL: QueryLimits =
    QueryLimits { rows: 1_000_000, bytes: 64 << 20, time: std::time::Duration::from_secs(30), memory: 1 << 30 };

/// Errors of ClickHouse that come from reading the text, before any row is read: their words hold nothing but the text.
/// Syntax, names of functions, columns and tables, numbers and kinds of arguments, aggregation, types.
const ABOUT_TEXT: &[u32] = &[42, 43, 46, 47, 53, 60, 62, 179, 184, 207, 215, 386];

/// An error without what it may tell of rows.
pub(crate) fn discreet(error: Error) -> Error {
    match error {
        Error::Database(found) if !ABOUT_TEXT.contains(&found.code) => {
            let text =
                "the query fails on a row; what the database says of it may hold values, and is not shown".to_owned();
            Error::Database(Database { text, ..found })
        }
        other => other,
    }
}

impl Store {
    /// The accounts of organizational units and of those below them, as far as the tables know.
    ///
    /// # Errors
    /// When the database does not answer, or refuses.
    pub async fn accounts_of_units(&self, units: &BTreeSet<String>) -> Result<BTreeSet<String>, Error> {
        let places = self.run("SELECT account, ou_path FROM accounts", &ALL, Vec::new()).await?;
        let within = |path: &str| {
            let below = |unit: &String| {
                let unit = unit.trim_end_matches('/');
                path.strip_prefix(unit).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            !path.is_empty() && units.iter().any(below)
        };
        let text = |row: &[Value], at: usize| row.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = places.rows.iter().filter(|row| within(&text(row, 1))).map(|row| text(row, 0));
        Ok(found.collect())
    }

    /// The names of all databases but ours, which a text must not name.
    pub(crate) async fn other_databases(&self) -> Result<Vec<String>, Error> {
        let limits = QueryLimits::default();
        let sql = format!("SELECT name FROM system.databases WHERE name != '{}'", self.config.database);
        let names = self.run(&sql, &limits, Vec::new()).await?;
        // listed or not, these are everywhere
        let always = ["system", "information_schema", "default", "_temporary_and_external_tables"];
        Ok(column(names.rows).chain(always.map(str::to_owned)).collect())
    }

    /// Settings that filter every table, and keep a condition of the text from being tried on a row before the filter is.
    pub(crate) async fn filters(&self, accounts: &BTreeSet<String>) -> Result<Vec<(&'static str, String)>, Error> {
        if let Some(wrong) = accounts.iter().find(|a| a.is_empty() || !a.bytes().all(|b| b.is_ascii_digit())) {
            return Err(Error::Misconfigured(format!("`{wrong}` is no account id")));
        }
        let database = &self.config.database;
        let sql = format!(
            "SELECT t.name, has(groupArray(c.name), 'account') FROM system.tables AS t LEFT JOIN system.columns AS c \
             ON c.database = t.database AND c.table = t.name WHERE t.database = '{database}' GROUP BY t.name"
        );
        let tables = self.run(&sql, &QueryLimits::default(), Vec::new()).await?;
        let listed: Vec<String> = accounts.iter().map(|account| format!("\\'{account}\\'")).collect();
        let ours = if listed.is_empty() { "0".to_owned() } else { format!("account IN ({})", listed.join(", ")) };
        let filters = tables.rows.iter().map(|row| {
            let name = row.first().and_then(Value::as_str).unwrap_or_default();
            let has = row.get(1).and_then(Value::as_u64) == Some(1);
            let name = name.replace('\\', "\\\\").replace('\'', "\\'");
            format!("'{database}.{name}': '{}'", if has { ours.as_str() } else { "0" })
        });
        let filters = format!("{{{}}}", filters.collect::<Vec<_>>().join(", "));
        Ok(vec![
            ("additional_table_filters", filters),
            ("enable_analyzer", "1".to_owned()),
            ("optimize_move_to_prewhere", "0".to_owned()),
            ("optimize_move_to_prewhere_if_final", "0".to_owned()),
            ("query_plan_optimize_prewhere", "0".to_owned()),
            ("query_plan_merge_filters", "0".to_owned()),
            ("query_plan_filter_push_down", "0".to_owned()),
            ("optimize_trivial_count_query", "0".to_owned()),
            ("optimize_use_implicit_projections", "0".to_owned()),
            ("use_query_cache", "0".to_owned()),
            ("use_query_condition_cache", "0".to_owned()),
        ])
    }
}

fn column(rows: Vec<Vec<Value>>) -> impl Iterator<Item = String> {
    rows.into_iter().filter_map(|row| row.into_iter().next()?.as_str().map(str::to_owned))
}
