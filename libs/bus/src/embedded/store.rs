//! The folder: keyspaces of fjall, topics with their next offsets, pages of a partition.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
use serde::{Deserialize, Serialize};

use super::EmbeddedConfig;
use super::codec::{self, Place};
use crate::{Error, Keep, Record, Topic};

/// Of the files; another one is refused.
const FORMAT: &[u8] = b"1";
const JOURNAL_BYTES: u64 = 128 << 20;
const MEMTABLE_BYTES: u64 = 16 << 20;

/// A topic as it lies in `meta`.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    id: u32,
    partitions: u32,
    max_message_bytes: u32,
    compacted: bool,
    keep_ms: u64,
}

/// Where a partition stands. `next` is kept apart from the records: these may be gone, and offsets never come twice.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) next: AtomicU64,
    /// No record below: where cleaning by age begins.
    pub(super) first: AtomicU64,
    /// No superseded record and no tombstone is noted below.
    pub(super) swept: AtomicU64,
    pub(super) buried: AtomicU64,
}

/// A topic that is there.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u32,
    pub(super) name: Arc<str>,
    pub(super) spec: Topic,
    pub(super) cursors: Arc<Vec<Cursor>>,
}

impl Known {
    pub(super) fn place(&self, partition: u32) -> Place {
        Place { topic: self.id, partition }
    }

    pub(super) fn cursor(&self, partition: u32) -> Result<&Cursor, Error> {
        let found = usize::try_from(partition).ok().and_then(|n| self.cursors.get(n));
        let all = self.spec.partitions;
        found.ok_or_else(|| Error::Misconfigured(format!("topic {} has {all} partitions, not {partition}", self.name)))
    }

    pub(super) fn next(&self, partition: u32) -> Result<u64, Error> {
        Ok(self.cursor(partition)?.next.load(Ordering::Acquire))
    }
}

type Topics = HashMap<String, Arc<Known>>;

/// The open folder.
pub(super) struct Store {
    db: Database,
    /// place, offset: the record.
    pub(super) records: Keyspace,
    /// place, key: offset of the key's last record, in compacted topics.
    pub(super) index: Keyspace,
    /// `s` place, offset: that record superseded the one at the offset that is the value, at the time before it.
    /// `t` place, offset: that record is a tombstone; the value is its key.
    pub(super) sweep: Keyspace,
    /// `v`: format. `t` name: topic. `n` place: next offset. `c` group, zero, place: committed position.
    pub(super) meta: Keyspace,
    topics: RwLock<Topics>,
}

pub(super) fn failed(error: fjall::Error) -> Error {
    Error::Unavailable(format!("embedded log: {error}"))
}

impl Store {
    pub(super) fn open(config: &EmbeddedConfig) -> Result<Self, Error> {
        let folder = config.folder.display();
        let built = Database::builder(&config.folder)
            .cache_size(config.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .open();
        let db = built.map_err(|error| match error {
            fjall::Error::Locked => Error::Misconfigured(format!("{folder} is open in another process")),
            other => Error::Misconfigured(format!("{folder} can't be opened: {other}")),
        })?;
        let keyspace = |name: &str| {
            db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)).map_err(failed)
        };
        let (records, index, sweep, meta) =
            (keyspace("records")?, keyspace("index")?, keyspace("sweep")?, keyspace("meta")?);
        let store = Self { records, index, sweep, meta, topics: RwLock::default(), db };
        store.check_format(&folder.to_string())?;
        store.load()?;
        Ok(store)
    }

    fn check_format(&self, folder: &str) -> Result<(), Error> {
        match self.meta.get("v").map_err(failed)? {
            Some(found) if &*found == FORMAT => Ok(()),
            Some(found) => {
                let found = String::from_utf8_lossy(&found).into_owned();
                let ours = String::from_utf8_lossy(FORMAT);
                Err(Error::Misconfigured(format!("{folder} has format {found}, this program reads {ours}")))
            }
            None => {
                self.meta.insert("v", FORMAT).map_err(failed)?;
                self.db.persist(PersistMode::SyncAll).map_err(failed)
            }
        }
    }

    fn load(&self) -> Result<(), Error> {
        let mut topics = Topics::new();
        for entry in self.meta.prefix("t") {
            let (key, value) = entry.into_inner().map_err(failed)?;
            let name = String::from_utf8(key[1..].to_vec()).map_err(|_| codec::damaged())?;
            let stored: Stored = serde_json::from_slice(&value).map_err(|_| codec::damaged())?;
            let cursors: Vec<_> = (0..stored.partitions).map(|_| Cursor::default()).collect();
            for (cursor, partition) in cursors.iter().zip(0..) {
                let place = Place { topic: stored.id, partition };
                if let Some(next) = self.meta.get(next_key(place)).map_err(failed)? {
                    cursor.next.store(codec::number(&next)?, Ordering::Release);
                }
            }
            topics.insert(name.clone(), Arc::new(known(&name, &stored, Arc::new(cursors))));
        }
        *self.topics.write().unwrap_or_else(PoisonError::into_inner) = topics;
        Ok(())
    }

    /// What all groups have committed.
    pub(super) fn positions(&self) -> Result<BTreeMap<String, BTreeMap<Place, i64>>, Error> {
        let mut all = BTreeMap::<String, BTreeMap<Place, i64>>::new();
        for entry in self.meta.prefix("c") {
            let (key, value) = entry.into_inner().map_err(failed)?;
            let (group, place) = key[1..].split_last_chunk::<8>().ok_or_else(codec::damaged)?;
            let group = group.strip_suffix(&[0]).and_then(|g| std::str::from_utf8(g).ok());
            let (group, place) = group.zip(Place::parse(place)).ok_or_else(codec::damaged)?;
            let position = i64::try_from(codec::number(&value)?).unwrap_or(i64::MAX);
            all.entry(group.to_owned()).or_default().insert(place, position);
        }
        Ok(all)
    }

    pub(super) fn batch(&self) -> fjall::OwnedWriteBatch {
        self.db.batch()
    }

    pub(super) fn topic(&self, name: &str) -> Result<Arc<Known>, Error> {
        let found = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        found.ok_or_else(|| Error::Misconfigured(format!("topic {name} is not there")))
    }

    pub(super) fn topics(&self) -> Vec<Arc<Known>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Creates topics or changes what may change; only the writer calls it. The other differences are one error.
    pub(super) fn ensure(&self, wanted: &[Topic]) -> Result<(), Error> {
        let mut topics = self.topics.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncAll));
        let mut problems = Vec::new();
        for topic in wanted {
            let old = topics.get(&topic.name);
            problems.extend(old.iter().flat_map(|old| differences(&old.spec, topic)));
            if topic.partitions == 0 || topic.name.is_empty() {
                problems.push(format!("topic {:?}: partitions is {}, wanted 1 or more", topic.name, topic.partitions));
            }
            if old.is_some_and(|old| old.spec == *topic) {
                continue;
            }
            let id = old.map_or_else(|| topics.values().map(|t| t.id + 1).max().unwrap_or(0), |old| old.id);
            let stored = stored(id, topic);
            let json = serde_json::to_vec(&stored).map_err(|e| Error::Misconfigured(e.to_string()))?;
            batch.insert(&self.meta, format!("t{}", topic.name), json);
            let fresh = || Arc::new((0..topic.partitions).map(|_| Cursor::default()).collect());
            let cursors = old.map_or_else(fresh, |old| old.cursors.clone());
            topics.insert(topic.name.clone(), Arc::new(known(&topic.name, &stored, cursors)));
        }
        if !problems.is_empty() {
            return Err(Error::Misconfigured(problems.join("; ")));
        }
        batch.commit().map_err(failed)?;
        *self.topics.write().unwrap_or_else(PoisonError::into_inner) = topics;
        Ok(())
    }

    /// Records from `position` on, at most about `bytes`, and the position after them. An empty page's position is the
    /// partition's end: what lay before it is gone.
    pub(super) fn page(
        &self,
        topic: &Known,
        partition: u32,
        position: u64,
        bytes: usize,
    ) -> Result<(Vec<Record>, u64), Error> {
        // Read before the snapshot, so that nothing is skipped that is written in between.
        let next = topic.next(partition)?;
        let place = topic.place(partition);
        let (mut page, mut size) = (Vec::new(), 0);
        for entry in self.db.snapshot().range(&self.records, place.at(position)..place.at(next)) {
            let (key, value) = entry.into_inner().map_err(failed)?;
            size += value.len();
            page.push(codec::decode(&topic.name, partition, codec::number(&key)?, &value)?);
            if size >= bytes {
                let after = page.last().map_or(next, |r| u64::try_from(r.offset).unwrap_or(0) + 1);
                return Ok((page, after));
            }
        }
        Ok((page, next.max(position)))
    }

    /// First offset that has a record, or the next one.
    pub(super) fn first(&self, topic: &Known, partition: u32) -> Result<u64, Error> {
        let (next, place) = (topic.next(partition)?, topic.place(partition));
        let from = topic.cursor(partition)?.first.load(Ordering::Acquire);
        match self.db.snapshot().range(&self.records, place.at(from)..place.at(next)).next() {
            Some(entry) => codec::number(&entry.key().map_err(failed)?),
            None => Ok(next),
        }
    }
}

pub(super) fn next_key(place: Place) -> Vec<u8> {
    [b"n".as_slice(), &place.prefix()].concat()
}

pub(super) fn committed_prefix(group: &str) -> Vec<u8> {
    [b"c", group.as_bytes(), &[0]].concat()
}

fn stored(id: u32, topic: &Topic) -> Stored {
    let (compacted, keep_ms) = match topic.keep {
        Keep::Compacted => (true, 0),
        Keep::CompactedAfter(ms) => (true, ms),
        Keep::Milliseconds(ms) => (false, ms),
    };
    Stored { id, partitions: topic.partitions, max_message_bytes: topic.max_message_bytes, compacted, keep_ms }
}

fn known(name: &str, stored: &Stored, cursors: Arc<Vec<Cursor>>) -> Known {
    let keep = match (stored.compacted, stored.keep_ms) {
        (true, 0) => Keep::Compacted,
        (true, ms) => Keep::CompactedAfter(ms),
        (false, ms) => Keep::Milliseconds(ms),
    };
    let spec = Topic {
        name: name.to_owned(),
        partitions: stored.partitions,
        keep,
        max_message_bytes: stored.max_message_bytes,
    };
    Known { id: stored.id, name: name.into(), spec, cursors }
}

/// What can't be changed on a topic that holds records; times and limits can, and are.
fn differences(found: &Topic, wanted: &Topic) -> Vec<String> {
    let policy = |t: &Topic| if matches!(t.keep, Keep::Milliseconds(_)) { "delete" } else { "compact" };
    let mut problems = Vec::new();
    if found.partitions != wanted.partitions {
        let (found, wanted_) = (found.partitions, wanted.partitions);
        problems.push(format!("topic {}: partitions is {found}, wanted {wanted_}", wanted.name));
    }
    if policy(found) != policy(wanted) {
        let (found, wanted_) = (policy(found), policy(wanted));
        problems.push(format!("topic {}: cleanup.policy is {found}, wanted {wanted_}", wanted.name));
    }
    problems
}
