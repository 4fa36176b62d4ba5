//! What the spool or the log has taken, on disk: content hashes, manifests, epochs and numbers. Lost, it is rebuilt by a
//! full send under a new epoch.

use std::path::Path;

use driftline_model::Scope;
use driftline_model::record::InputKey;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

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
    /// The number that followed the last record that is known of: a spool that begins lower has lost some.
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
        let epoch = word(&bytes).cast_signed();
        let number = self.meta.get(format!("n/{account}"))?.map_or(0, |bytes| word(&bytes));
        Ok(Held { epoch, number })
    }

    /// A new epoch (0: none yet): everything is sent again, so nothing counts as sent.
    pub fn begin(&self, account: &str, epoch: i64) -> Result<(), Error> {
        for kind in ["h", "m", "o"] {
            for entry in self.hashes.prefix(format!("{kind}/{account}/")) {
                self.hashes.remove(entry.key()?)?;
            }
        }
        self.meta.insert(format!("a/{account}"), epoch.to_le_bytes())?;
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    /// Records below `next` are stored: told before what they say is remembered.
    pub fn stored(&self, account: &str, next: u64) -> Result<(), Error> {
        Ok(self.meta.insert(format!("n/{account}"), next.to_le_bytes())?)
    }

    /// The content hash of a key, as it was sent last.
    pub fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.hashes.get(format!("h/{}", tail(key)))?.map(|v| v.to_vec()))
    }

    /// Remembers (or forgets) the hash of a snapshot's key once it is stored. Lost after a crash, it is sent again.
    pub fn snapshot_stored(&self, key: &str, hash: Option<&[u8]>) -> Result<(), Error> {
        let key = format!("h/{}", tail(key));
        match hash {
            Some(hash) => self.hashes.insert(key, hash)?,
            None => self.hashes.remove(key)?,
        }
        Ok(())
    }

    /// Ids of a scope that were sent and are not gone, in order.
    pub fn ids(&self, scope: &Scope) -> Result<Vec<String>, Error> {
        let prefix = format!("h/{scope}/");
        let mut ids = Vec::new();
        for entry in self.hashes.prefix(&prefix) {
            let key = entry.key()?;
            ids.extend(String::from_utf8_lossy(&key).strip_prefix(&prefix).map(str::to_owned));
        }
        Ok(ids)
    }

    /// The last manifest of a scope: its digest and its number of parts.
    pub fn manifest(&self, scope: &Scope) -> Result<Option<(String, u32)>, Error> {
        let value = self.hashes.get(format!("m/{scope}"))?;
        Ok(value.and_then(|v| {
            let text = String::from_utf8_lossy(&v).into_owned();
            let (parts, digest) = text.split_once(' ')?;
            Some((digest.to_owned(), parts.parse().ok()?))
        }))
    }

    /// Remembers a manifest.
    pub fn manifest_stored(&self, scope: &Scope, digest: &str, parts: u32) -> Result<(), Error> {
        Ok(self.hashes.insert(format!("m/{scope}"), format!("{parts} {digest}"))?)
    }

    /// The last state of other records by key (account facts), to send only what changed.
    pub fn other(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.hashes.get(format!("o/{}/", tail(key)))?.map(|v| v.to_vec()))
    }

    /// See [`Self::other`].
    pub fn other_stored(&self, key: &str, hash: &[u8]) -> Result<(), Error> {
        Ok(self.hashes.insert(format!("o/{}/", tail(key)), hash)?)
    }

    /// A record was refused for good: what it said does not count as sent, and is sent again.
    pub fn refused(&self, key: &str, tombstone: bool) -> Result<(), Error> {
        match InputKey::decode(key) {
            Some(InputKey::Snapshot(_)) if tombstone => self.snapshot_stored(key, Some(&[])),
            Some(InputKey::Snapshot(_)) => self.snapshot_stored(key, None),
            Some(InputKey::Manifest(scope, _)) => match self.manifest(&scope)? {
                // No manifest has an empty digest: it differs from the next one, and its parts are not forgotten.
                Some((_, parts)) => self.manifest_stored(&scope, "", parts),
                None => Ok(()),
            },
            Some(InputKey::Account(_)) => Ok(self.hashes.remove(format!("o/{}/", tail(key)))?),
            _ => Ok(()),
        }
    }

    /// Makes what was remembered durable.
    pub fn persist(&self) -> Result<(), Error> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

/// A topic key without its tag: `s/<account>/...` is `<account>/...`.
fn tail(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, rest)| rest)
}
