//! What the aggregator has acknowledged, on disk: content hashes, manifests, epochs and numbers. Lost, it is rebuilt by a
//! full send under a new epoch.

use std::path::Path;

use driftline_model::Scope;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

/// Numbers are reserved in blocks, so that not each one costs a write.
const BLOCK: u64 = 1000;

/// Errors of the disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed or is in use by another process.
    #[error("the agent's store: {0}")]
    Store(#[from] fjall::Error),
}

/// What is known of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// The epoch under which the account was last claimed; 0 is none.
    pub epoch: i64,
    /// The next number, never used before.
    pub number: u64,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Known {
    db: Database,
    meta: Keyspace,
    hashes: Keyspace,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// Opens or creates the store in a folder of its own.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let db =
            Database::builder(folder).cache_size(4 << 20).max_journaling_size(64 << 20).worker_threads(1).open()?;
        let meta = db.keyspace("meta", KeyspaceCreateOptions::default)?;
        let hashes = db.keyspace("hashes", KeyspaceCreateOptions::default)?;
        Ok(Self { db, meta, hashes })
    }

    /// The session that this store belongs to: made once, by `fresh`, and kept.
    pub fn session(&self, fresh: impl FnOnce() -> String) -> Result<String, Error> {
        if let Some(session) = self.meta.get("session")? {
            return Ok(String::from_utf8_lossy(&session).into_owned());
        }
        let session = fresh();
        self.meta.insert("session", session.as_bytes())?;
        self.db.persist(PersistMode::SyncAll)?;
        Ok(session)
    }

    /// What is held of an account.
    pub fn held(&self, account: &str) -> Result<Held, Error> {
        let Some(bytes) = self.meta.get(format!("a/{account}"))? else { return Ok(Held::default()) };
        let word = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        Ok(Held { epoch: word(0).cast_signed(), number: word(8) })
    }

    /// A new epoch: everything is sent again, so nothing counts as acknowledged.
    pub fn begin(&self, account: &str, epoch: i64) -> Result<(), Error> {
        for kind in ["h", "m", "o"] {
            for entry in self.hashes.prefix(format!("{kind}/{account}/")) {
                self.hashes.remove(entry.key()?)?;
            }
        }
        self.put_held(account, Held { epoch, number: 1 })
    }

    /// Reserves a block of numbers, durably: they are never used again, whatever happens.
    pub fn reserve(&self, account: &str) -> Result<std::ops::Range<u64>, Error> {
        let held = self.held(account)?;
        let end = held.number.max(1) + BLOCK;
        self.put_held(account, Held { number: end, ..held })?;
        Ok(end - BLOCK..end)
    }

    fn put_held(&self, account: &str, held: Held) -> Result<(), Error> {
        let mut bytes = held.epoch.to_le_bytes().to_vec();
        bytes.extend(held.number.to_le_bytes());
        self.meta.insert(format!("a/{account}"), bytes)?;
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    /// The acknowledged content hash of a key.
    pub fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.hashes.get(format!("h/{}", tail(key)))?.map(|v| v.to_vec()))
    }

    /// Remembers (or forgets) the hash of a snapshot's key once it is acknowledged. Lost after a crash, it is sent again.
    pub fn acknowledged(&self, key: &str, hash: Option<&[u8]>) -> Result<(), Error> {
        let key = format!("h/{}", tail(key));
        match hash {
            Some(hash) => self.hashes.insert(key, hash)?,
            None => self.hashes.remove(key)?,
        }
        Ok(())
    }

    /// Ids of a scope that are acknowledged and not gone, in order.
    pub fn ids(&self, scope: &Scope) -> Result<Vec<String>, Error> {
        let prefix = format!("h/{scope}/");
        let mut ids = Vec::new();
        for entry in self.hashes.prefix(&prefix) {
            let key = entry.key()?;
            ids.extend(String::from_utf8_lossy(&key).strip_prefix(&prefix).map(str::to_owned));
        }
        Ok(ids)
    }

    /// The acknowledged manifest of a scope: its digest and its number of parts.
    pub fn manifest(&self, scope: &Scope) -> Result<Option<(String, u32)>, Error> {
        let value = self.hashes.get(format!("m/{scope}"))?;
        Ok(value.and_then(|v| {
            let text = String::from_utf8_lossy(&v).into_owned();
            let (parts, digest) = text.split_once(' ')?;
            Some((digest.to_owned(), parts.parse().ok()?))
        }))
    }

    /// Remembers an acknowledged manifest.
    pub fn manifest_acknowledged(&self, scope: &Scope, digest: &str, parts: u32) -> Result<(), Error> {
        Ok(self.hashes.insert(format!("m/{scope}"), format!("{parts} {digest}"))?)
    }

    /// The last state of other records by key (account facts), to send only what changed.
    pub fn other(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.hashes.get(format!("o/{}/", tail(key)))?.map(|v| v.to_vec()))
    }

    /// See [`Self::other`].
    pub fn other_acknowledged(&self, key: &str, hash: &[u8]) -> Result<(), Error> {
        Ok(self.hashes.insert(format!("o/{}/", tail(key)), hash)?)
    }

    /// Makes what was remembered durable.
    pub fn persist(&self) -> Result<(), Error> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

/// A topic key without its tag: `s/<account>/...` is `<account>/...`.
fn tail(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, rest)| rest)
}
