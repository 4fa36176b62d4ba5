//! One database and how it is reached; writing into it.

use std::path::PathBuf;
use std::time::Duration;

use clickhouse::{Client, Compression};

use crate::rows::Stored;
use crate::transport;
use crate::{AccountRow, CycleRow, Error, SnapshotRow, TransitionRow, WatermarkRow};

/// Most rows of one insert.
const BATCH_ROWS: usize = 10_000;
/// About the most bytes of one insert.
const BATCH_BYTES: usize = 16 << 20;
/// Longest that a chunk may take to be sent.
const SEND: Duration = Duration::from_secs(30);
/// Longest that an insert may take to be acknowledged.
const ACKNOWLEDGE: Duration = Duration::from_secs(120);

/// Where the database is.
#[derive(Clone)]
pub struct StoreConfig {
    /// `http://host:8123` or `https://...`.
    pub url: String,
    /// Database, made if it is not there.
    pub database: String,
    /// User; empty for the server's default.
    pub user: String,
    /// Password, or the embedded engine's token.
    pub password: String,
    /// The server's CA, PEM; none: what the system trusts.
    pub ca: Option<PathBuf>,
    /// Plain HTTP to a server that is not on loopback: everybody on the way reads the password, and reads and changes all else.
    pub plaintext: bool,
    /// Name of the cluster: tables are then replicated, and made on all of it.
    pub cluster: Option<String>,
}

impl StoreConfig {
    /// One server.
    pub fn new(url: impl Into<String>, database: impl Into<String>) -> Self {
        let (user, password) = (String::new(), String::new());
        let (url, database) = (url.into(), database.into());
        Self { url, database, user, password, ca: None, plaintext: false, cluster: None }
    }

    /// With a user, a password or token, or both.
    #[must_use]
    pub fn with_credentials(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into(), ..self }
    }
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("StoreConfig");
        shown.field("url", &self.url).field("database", &self.database).field("user", &self.user);
        shown.field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// One database. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) config: StoreConfig,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.config).finish()
    }
}

impl Store {
    /// Connects; the database need not exist yet.
    ///
    /// # Errors
    /// When the server does not answer or does not know us, or a name is impossible.
    pub async fn connect(config: StoreConfig) -> Result<Self, Error> {
        let name = |n: &str| {
            let letter = n.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            letter && n.len() <= 64 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let cluster = config.cluster.as_deref();
        if let Some(wrong) = cluster.into_iter().chain([config.database.as_str()]).find(|n| !name(n)) {
            let why = format!("`{wrong}` is no name for a database or cluster: letters, digits and `_`, 64 at most");
            return Err(Error::Misconfigured(why));
        }
        let mut client = transport::client(&config)?.with_url(&config.url).with_compression(Compression::Lz4);
        if !config.user.is_empty() {
            client = client.with_user(&config.user);
        }
        if !config.password.is_empty() {
            client = client.with_password(&config.password);
        }
        client.query_raw("SELECT 1").fetch_one::<u8>().await?;
        Ok(Self { client: client.with_database(&config.database), config })
    }

    /// Stores transitions, and with them the current state of their drifts and findings. Any of them may have been stored
    /// before, in any batch: they are shown once.
    ///
    /// # Errors
    /// Then some may be stored and the whole batch must be repeated before its position is committed.
    pub async fn insert_transitions(&self, rows: &[TransitionRow]) -> Result<(), Error> {
        self.insert(rows).await
    }

    /// Stores observations; may be repeated as transitions may.
    ///
    /// # Errors
    /// As of [`Store::insert_transitions`].
    pub async fn insert_snapshots(&self, rows: &[SnapshotRow]) -> Result<(), Error> {
        self.insert(rows).await
    }

    /// Stores rounds with their coverage; may be repeated.
    ///
    /// # Errors
    /// As of [`Store::insert_transitions`].
    pub async fn insert_coverage(&self, rows: &[CycleRow]) -> Result<(), Error> {
        self.insert(rows).await
    }

    /// Stores facts about accounts; may be repeated.
    ///
    /// # Errors
    /// As of [`Store::insert_transitions`].
    pub async fn insert_accounts(&self, rows: &[AccountRow]) -> Result<(), Error> {
        self.insert(rows).await
    }

    /// Stores how far the data reach: after the data.
    ///
    /// # Errors
    /// As of [`Store::insert_transitions`].
    pub async fn insert_watermarks(&self, rows: &[WatermarkRow]) -> Result<(), Error> {
        self.insert(rows).await
    }

    /// Whether the tables take rows at all: puts one that each holds, if any, once more, which changes nothing. So a
    /// refusal of other rows can be told from trouble with rights, schema or disk.
    ///
    /// # Errors
    /// What that trouble is.
    pub async fn takes_rows(&self) -> Result<(), Error> {
        for table in [TransitionRow::TABLE, SnapshotRow::TABLE, CycleRow::TABLE, AccountRow::TABLE] {
            let again = format!("INSERT INTO {table} SELECT * FROM {table} LIMIT 1");
            self.client.query_raw(&again).with_setting("insert_deduplicate", "0").execute().await?;
        }
        Ok(())
    }

    async fn insert<T: Stored>(&self, rows: &[T]) -> Result<(), Error> {
        let mut rest = rows;
        while !rest.is_empty() {
            let mut bytes = 0;
            let count = rest.iter().take(BATCH_ROWS).take_while(|row| {
                let first = bytes == 0;
                bytes += row.weight();
                first || bytes <= BATCH_BYTES
            });
            let (batch, after) = rest.split_at(count.count());
            self.insert_batch(batch).await?;
            rest = after;
        }
        Ok(())
    }

    /// One insert. The server's own deduplication of blocks is off: it would keep a repeated block from the materialized
    /// views, and with it the rest of a batch that was stored by half. What a repeat leaves is replaced by its key.
    async fn insert_batch<T: Stored>(&self, rows: &[T]) -> Result<(), Error> {
        let insert = self.client.insert::<T>(T::TABLE).await?.with_timeouts(Some(SEND), Some(ACKNOWLEDGE));
        let mut insert = insert.with_setting("insert_deduplicate", "0").with_setting("async_insert", "0");
        for row in rows {
            insert.write(row).await?;
        }
        Ok(insert.end().await?)
    }
}
