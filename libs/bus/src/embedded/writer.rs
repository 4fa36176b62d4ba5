//! The one thread that writes: takes what waits, writes it as one batch, syncs, answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use fjall::{OwnedWriteBatch, PersistMode};

use super::clean;
use super::codec::{self, Place};
use super::queue::{Answer, Job};
use super::store::{self, Known};
use super::{Shared, closed};
use crate::window::Room;
use crate::{Error, Keep, Outgoing};

const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 1 << 20;

pub(super) fn spawn(shared: Arc<Shared>) -> Result<JoinHandle<()>, Error> {
    let thread = std::thread::Builder::new().name("driftline-log".to_owned());
    thread.spawn(move || run(&shared)).map_err(|e| Error::Unavailable(format!("starting the log's writer: {e}")))
}

fn run(shared: &Shared) {
    // However it ends, nobody waits for a writer that is gone.
    let _closing = Closing(shared);
    let mut cleaned = Instant::now();
    loop {
        let wait = shared.config.clean_every.saturating_sub(cleaned.elapsed());
        let Some(jobs) = shared.queue.batch(wait, BATCH_RECORDS, BATCH_BYTES) else { break };
        if !jobs.is_empty() {
            write(shared, jobs);
        }
        if cleaned.elapsed() >= shared.config.clean_every {
            match clean::pass(shared) {
                // There is more: go on with the next batch, which may be empty.
                Ok(true) => {}
                Ok(false) => cleaned = Instant::now(),
                Err(error) => {
                    tracing::error!(%error, "cleaning the log");
                    cleaned = Instant::now();
                }
            }
        }
    }
}

struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue.close();
        while let Some(jobs) = self.0.queue.batch(std::time::Duration::ZERO, BATCH_RECORDS, BATCH_BYTES) {
            jobs.into_iter().for_each(|job| refuse(job, &closed()));
        }
        self.0.wake();
    }
}

/// What is answered once the batch is on disk.
#[derive(Default)]
struct Pending {
    published: Vec<(i64, Room, Answer<i64>)>,
    committed: Vec<(String, BTreeMap<Place, i64>, Answer<()>)>,
    /// Next offsets of the partitions that were written to.
    next: HashMap<Place, (Arc<Known>, u64)>,
    /// Last offsets of keys in this batch, which the store doesn't show yet.
    last: HashMap<Vec<u8>, u64>,
}

fn write(shared: &Shared, jobs: Vec<Job>) {
    let now = (shared.config.clock)();
    let mut batch = shared.store.batch().durability(Some(PersistMode::SyncAll));
    let mut pending = Pending::default();
    for job in jobs {
        match job {
            Job::Publish { record, place, room, done } => {
                match publish(shared, &mut batch, &mut pending, &record, place, now) {
                    Ok(offset) => pending.published.push((offset, room, done)),
                    Err(error) => drop(done.send(Err(error))),
                }
            }
            Job::Commit { group, positions, done } => {
                for (place, position) in &positions {
                    let position = u64::try_from(*position).unwrap_or(0).to_be_bytes();
                    batch.insert(&shared.store.meta, committed_key(&group, *place), position);
                }
                pending.committed.push((group, positions, done));
            }
            // Rare, and written by themselves: their order among records means nothing.
            Job::Ensure { topics, done } => drop(done.send(shared.store.ensure(&topics))),
            Job::Forget { group, done } => drop(done.send(forget(shared, &group))),
        }
    }
    for (place, (_, next)) in &pending.next {
        batch.insert(&shared.store.meta, store::next_key(*place), next.to_be_bytes());
    }
    match batch.commit() {
        Ok(()) => settle(shared, pending),
        Err(error) => fail(pending, &store::failed(error)),
    }
}

fn publish(
    shared: &Shared,
    batch: &mut OwnedWriteBatch,
    pending: &mut Pending,
    record: &Outgoing,
    place: Place,
    now: i64,
) -> Result<i64, Error> {
    let store = &shared.store;
    let (topic, offset) = match pending.next.get(&place) {
        Some((topic, next)) => (topic.clone(), *next),
        None => {
            let topic = store.topic(&record.topic)?;
            let next = topic.next(place.partition)?;
            (topic, next)
        }
    };
    if !matches!(topic.spec.keep, Keep::Milliseconds(_)) {
        let key = place.with(&record.key);
        let last = match pending.last.get(&key) {
            Some(last) => Some(*last),
            None => store.index.get(&key).map_err(store::failed)?.map(|v| codec::number(&v)).transpose()?,
        };
        if let Some(last) = last {
            batch.insert(&store.sweep, clean::key(clean::SUPERSEDED, place, offset), clean::superseded(now, last));
        }
        if record.value.is_none() {
            batch.insert(&store.sweep, clean::key(clean::TOMBSTONE, place, offset), clean::tombstone(now, &record.key));
        }
        batch.insert(&store.index, key.as_slice(), offset.to_be_bytes());
        pending.last.insert(key, offset);
    }
    batch.insert(&store.records, place.at(offset), codec::encode(record, now));
    pending.next.insert(place, (topic, offset + 1));
    Ok(i64::try_from(offset).unwrap_or(i64::MAX))
}

fn settle(shared: &Shared, pending: Pending) {
    for (place, (topic, next)) in pending.next {
        if let Ok(cursor) = topic.cursor(place.partition) {
            cursor.next.store(next, Ordering::Release);
        }
    }
    if !pending.published.is_empty() {
        shared.wake();
    }
    for (offset, room, done) in pending.published {
        drop(room);
        // Whoever sent it may not care any more.
        let _ = done.send(Ok(offset));
    }
    for (group, positions, done) in pending.committed {
        shared.members().commit(&group, &positions);
        let _ = done.send(Ok(()));
    }
}

fn fail(pending: Pending, error: &Error) {
    tracing::error!(%error, "the log can't write");
    for (_, room, done) in pending.published {
        drop(room);
        let _ = done.send(Err(Error::Unavailable(error.to_string())));
    }
    for (_, _, done) in pending.committed {
        let _ = done.send(Err(Error::Unavailable(error.to_string())));
    }
}

fn refuse(job: Job, error: &Error) {
    let error = Error::Unavailable(error.to_string());
    match job {
        Job::Publish { done, .. } => drop(done.send(Err(error))),
        Job::Commit { done, .. } | Job::Ensure { done, .. } | Job::Forget { done, .. } => drop(done.send(Err(error))),
    }
}

fn committed_key(group: &str, place: Place) -> Vec<u8> {
    [store::committed_prefix(group).as_slice(), &place.prefix()].concat()
}

fn forget(shared: &Shared, group: &str) -> Result<(), Error> {
    let mut batch = shared.store.batch().durability(Some(PersistMode::SyncAll));
    for entry in shared.store.meta.prefix(store::committed_prefix(group)) {
        batch.remove(&shared.store.meta, entry.key().map_err(store::failed)?);
    }
    batch.commit().map_err(store::failed)?;
    shared.members().forget(group);
    Ok(())
}
