//! A partition's state on disk: a cache of the topics that remembers its offset, written in one batch with it.

use std::path::Path;
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use serde::{Deserialize, Serialize};

use crate::state::{Base, StateError, Writes};

/// The form of the values. Another one on disk is no state at all: the topics give it anew.
pub const FORMAT: u32 = 1;
const POSITION: &[u8] = b"!position";
/// Memory for writes of one partition, bytes: there may be a hundred partitions in a process.
const MEMTABLE: u64 = 4 << 20;
const JOURNAL: u64 = 128 << 20;

/// Where a state stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Form of the values.
    pub format: u32,
    /// The next offset to read.
    pub next: i64,
    /// When that was written, milliseconds since 1970 UTC.
    pub saved_ms: i64,
    /// Own time of the last record, milliseconds since 1970 UTC.
    pub at_ms: i64,
    /// Revision of what judged it.
    pub judge: String,
    /// The state is being rebuilt up to this offset and is of no use before.
    pub until: Option<i64>,
}

/// The states of all partitions of one process. A second process on the same folder is refused.
#[derive(Clone)]
pub struct Folder {
    db: Database,
}

/// The state of one partition.
#[derive(Clone)]
pub struct Partition {
    db: Database,
    keyspace: Keyspace,
}

fn failed(error: fjall::Error) -> StateError {
    match error {
        fjall::Error::Locked => StateError("the folder is in use by another process".to_owned()),
        other => StateError(other.to_string()),
    }
}

impl Folder {
    /// Opens or creates the folder; `cache` bytes of blocks are kept in memory, all partitions together.
    pub fn open(path: &Path, cache: u64) -> Result<Self, StateError> {
        let builder = Database::builder(path).cache_size(cache).worker_threads(2).max_journaling_size(JOURNAL);
        Ok(Self { db: builder.open().map_err(failed)? })
    }

    /// The state of a partition, empty where there was none.
    pub fn partition(&self, partition: u32) -> Result<Partition, StateError> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
        let keyspace = self.db.keyspace(&format!("p{partition}"), options).map_err(failed)?;
        Ok(Partition { db: self.db.clone(), keyspace })
    }
}

impl Partition {
    /// Where it stands; `None` where there is nothing, or nothing that this version can read.
    pub fn position(&self) -> Result<Option<Position>, StateError> {
        let bytes = self.keyspace.get(POSITION).map_err(failed)?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).filter(|p: &Position| p.format == FORMAT))
    }

    /// Writes all or nothing. A crash of the machine may take the last ones back together with their offset, which is
    /// then read again: the log is what is durable.
    pub fn commit(&self, writes: &Writes, position: &Position) -> Result<(), StateError> {
        let mut batch = self.db.batch();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.keyspace, key.as_slice(), value.as_slice()),
                None => batch.remove(&self.keyspace, key.as_slice()),
            }
        }
        let bytes = serde_json::to_vec(position).map_err(|e| StateError(e.to_string()))?;
        batch.insert(&self.keyspace, POSITION, bytes);
        batch.commit().map_err(failed)
    }

    /// Forgets everything.
    pub fn clear(&self) -> Result<(), StateError> {
        self.keyspace.clear().map_err(failed)
    }

    /// As a layer for [`crate::State`].
    pub fn base(&self) -> Arc<dyn Base> {
        Arc::new(self.clone())
    }
}

impl Base for Partition {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.keyspace.get(key).map_err(failed)?.map(|v| v.to_vec()))
    }

    fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StateError> {
        self.keyspace.prefix(prefix).map(|guard| guard.key().map(|k| k.to_vec()).map_err(failed)).collect()
    }
}
