//! The schema and its history: numbered SQL files, each applied once and recorded. Every statement can be run again, so a
//! crash in the middle of a file is mended by running it from its beginning.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::{Error, Store, StoreConfig, sql};

/// One step of the schema.
struct Migration {
    number: u32,
    name: &'static str,
    text: &'static str,
}

macro_rules! migrations {
    ($($number:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            number: $number,
            name: $name,
            text: include_str!(concat!("../migrations/", $name, ".sql")),
        }),+]
    };
}

/// All, in order. A file that was released is never changed: the next one changes what it made.
const ALL: &[Migration] = migrations![1 "0001_transitions", 2 "0002_observations", 3 "0003_rollups"];

/// The schema that this program needs.
pub const SCHEMA: u32 = ALL[ALL.len() - 1].number;

/// A migration as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
struct Applied {
    name: String,
    checksum: String,
    number: u32,
}

/// What the tables are at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Number of the last migration that is applied; 0 where there is none.
    pub found: u32,
    /// Names of those that this call applied.
    pub applied: Vec<String>,
}

impl Store {
    /// Brings the tables to [`SCHEMA`]. Several processes may do so at once.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Diverged`] before anything is changed.
    pub async fn migrate(&self) -> Result<Schema, Error> {
        self.migrate_to(SCHEMA).await
    }

    /// As [`Store::migrate`], only up to that number: for tests of what comes after.
    ///
    /// # Errors
    /// As of [`Store::migrate`].
    pub async fn migrate_to(&self, last: u32) -> Result<Schema, Error> {
        let on_cluster = self.on_cluster();
        // not in the database, which isn't there yet
        let outside = self.client.clone().with_database("system");
        let create = format!("CREATE DATABASE IF NOT EXISTS {}{on_cluster}", self.config.database);
        outside.query_raw(&create).execute().await?;
        let table = "CREATE TABLE IF NOT EXISTS schema_migrations${on_cluster} (number UInt32, name String, checksum \
                     String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = \
                     ${replicated}ReplacingMergeTree(applied_at) ORDER BY number";
        self.execute(&self.render(table)).await?;
        let recorded = self.recorded().await?;
        let found = check(&recorded)?;
        let mut applied = Vec::new();
        for migration in ALL.iter().filter(|m| m.number > found && m.number <= last) {
            for statement in sql::split(&self.render(migration.text))? {
                self.execute(&statement).await?;
            }
            self.record(migration).await?;
            applied.push(migration.name.to_owned());
        }
        self.client.clear_cached_metadata().await;
        Ok(Schema { found: found.max(last.min(SCHEMA)), applied })
    }

    /// Checks that the tables are as this program needs them, without changing anything.
    ///
    /// # Errors
    /// [`Error::Newer`], [`Error::Older`], [`Error::Diverged`].
    pub async fn check_schema(&self) -> Result<(), Error> {
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        let recorded = match self.recorded().await {
            Err(Error::Database(error)) if matches!(error.code, 60 | 81) => Vec::new(),
            other => other?,
        };
        match check(&recorded)? {
            found if found < SCHEMA => Err(Error::Older { found, needed: SCHEMA }),
            _ => Ok(()),
        }
    }

    async fn recorded(&self) -> Result<Vec<Applied>, Error> {
        let sql = "SELECT name, checksum, number FROM schema_migrations FINAL ORDER BY number";
        Ok(self.client.query_raw(sql).fetch_all::<Applied>().await?)
    }

    async fn record(&self, migration: &Migration) -> Result<(), Error> {
        let mut insert = self.client.insert::<Applied>("schema_migrations").await?;
        let (name, checksum) = (migration.name.to_owned(), migration.checksum());
        insert.write(&Applied { number: migration.number, name, checksum }).await?;
        Ok(insert.end().await?)
    }

    async fn execute(&self, statement: &str) -> Result<(), Error> {
        Ok(self.client.query_raw(statement).execute().await?)
    }

    fn on_cluster(&self) -> String {
        self.config.cluster.as_ref().map(|name| format!(" ON CLUSTER {name}")).unwrap_or_default()
    }

    fn render(&self, text: &str) -> String {
        let replicated = if self.config.cluster.is_some() { "Replicated" } else { "" };
        text.replace("${on_cluster}", &self.on_cluster()).replace("${replicated}", replicated)
    }
}

impl Migration {
    fn checksum(&self) -> String {
        blake3::hash(self.text.as_bytes()).to_hex().to_string()
    }
}

/// The number that the tables are at, if this program may work on them.
fn check(recorded: &[Applied]) -> Result<u32, Error> {
    let found = recorded.iter().map(|a| a.number).max().unwrap_or(0);
    if found > SCHEMA {
        return Err(Error::Newer { found, known: SCHEMA });
    }
    for applied in recorded {
        let ours = ALL.iter().find(|m| m.number == applied.number);
        if ours.is_none_or(|m| m.checksum() != applied.checksum) {
            return Err(Error::Diverged { number: applied.number });
        }
    }
    Ok(found)
}

/// What [`Store::migrate`] would run on an empty database, for whoever wants to read it first; with a cluster's name as for
/// that cluster.
///
/// # Errors
/// Never for the files of this program.
pub fn statements(cluster: Option<&str>) -> Result<Vec<String>, Error> {
    let config = StoreConfig { cluster: cluster.map(str::to_owned), ..StoreConfig::new("", "") };
    let store = Store { client: clickhouse::Client::default(), config };
    let mut all = Vec::new();
    for migration in ALL {
        all.extend(sql::split(&store.render(migration.text))?);
    }
    Ok(all)
}
