//! Removes what nobody needs: superseded records and old tombstones of compacted topics, below what every reader has
//! read; old records of the others. Work is noted when it arises, so that a pass looks at nothing else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fjall::OwnedWriteBatch;

use super::Shared;
use super::codec::{self, Place, damaged};
use super::store::{self, Cursor, Known};
use crate::{Error, Keep};

/// Kinds of notes in the keyspace `sweep`.
pub(super) const SUPERSEDED: u8 = b's';
pub(super) const TOMBSTONE: u8 = b't';

/// Of one pass and partition: the writer has other things to do.
const PASS_RECORDS: usize = 1000;

pub(super) fn key(kind: u8, place: Place, offset: u64) -> [u8; 17] {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(&place.at(offset));
    key
}

/// The note of a record that superseded the one at `old`.
pub(super) fn superseded(now: i64, old: u64) -> Vec<u8> {
    [now.to_be_bytes(), old.to_be_bytes()].concat()
}

/// The note of a tombstone.
pub(super) fn tombstone(now: i64, key: &[u8]) -> Vec<u8> {
    [&now.to_be_bytes(), key].concat()
}

/// One pass over all partitions; `true` where more is to be done at once.
pub(super) fn pass(shared: &Shared) -> Result<bool, Error> {
    let now = (shared.config.clock)();
    let mut more = false;
    for topic in shared.store.topics() {
        for partition in 0..topic.spec.partitions {
            more |= match topic.spec.keep {
                Keep::Compacted => compact(shared, &topic, partition, now)?,
                Keep::CompactedAfter(ms) => compact(shared, &topic, partition, older(now, ms))?,
                Keep::Milliseconds(ms) => expire(shared, &topic, partition, older(now, ms))?,
            };
        }
    }
    Ok(more)
}

fn older(now: i64, ms: u64) -> i64 {
    now.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Notes of one kind up to `floor`, not younger than `until`, from where the last pass ended.
struct Notes {
    found: Vec<([u8; 17], Vec<u8>)>,
    /// Where the next pass begins.
    after: u64,
}

fn notes(shared: &Shared, kind: u8, place: Place, from: u64, floor: u64, until: i64) -> Result<Notes, Error> {
    let mut notes = Notes { found: Vec::new(), after: from };
    if from >= floor {
        return Ok(notes);
    }
    for entry in shared.store.sweep.range(key(kind, place, from)..key(kind, place, floor)) {
        let (key, value) = entry.into_inner().map_err(store::failed)?;
        if codec::time(&value)? > until || notes.found.len() == PASS_RECORDS {
            return Ok(notes);
        }
        notes.after = codec::number(&key)? + 1;
        notes.found.push((key[..].try_into().map_err(|_| damaged())?, value[8..].to_vec()));
    }
    notes.after = floor;
    Ok(notes)
}

/// A superseded record goes once every reader has its successor, a tombstone once every reader has it and it is old.
fn compact(shared: &Shared, topic: &Known, partition: u32, until: i64) -> Result<bool, Error> {
    let (store, place, cursor) = (&shared.store, topic.place(partition), topic.cursor(partition)?);
    let floor = shared.members().floor(place).map_or(u64::MAX, |f| u64::try_from(f).unwrap_or(0));
    let floor = floor.min(topic.next(partition)?);
    let mut batch = store.batch();
    let swept = notes(shared, SUPERSEDED, place, cursor.swept.load(Ordering::Acquire), floor, until)?;
    for (note, old) in &swept.found {
        batch.remove(&store.records, place.at(codec::number(old)?));
        batch.remove(&store.sweep, note.as_slice());
    }
    let until = until.min(older((shared.config.clock)(), millis(shared.config.tombstones)));
    // Not before what the tombstone superseded is gone: else that would be back.
    let buried = notes(shared, TOMBSTONE, place, cursor.buried.load(Ordering::Acquire), swept.after, until)?;
    for (note, key) in &buried.found {
        let (offset, key) = (codec::number(note)?, place.with(key));
        // A key that has come back is the business of its next record.
        let last = store.index.get(&key).map_err(store::failed)?.map(|v| codec::number(&v)).transpose()?;
        if last == Some(offset) {
            batch.remove(&store.records, place.at(offset));
            batch.remove(&store.index, key);
        }
        batch.remove(&store.sweep, note.as_slice());
    }
    finish(batch)?;
    cursor.swept.store(swept.after, Ordering::Release);
    cursor.buried.store(buried.after, Ordering::Release);
    Ok(swept.found.len() == PASS_RECORDS || buried.found.len() == PASS_RECORDS)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Age alone decides, whether it was read or not, as in Kafka.
fn expire(shared: &Shared, topic: &Known, partition: u32, until: i64) -> Result<bool, Error> {
    let (store, place) = (&shared.store, topic.place(partition));
    let cursor: &Cursor = topic.cursor(partition)?;
    let (from, next) = (cursor.first.load(Ordering::Acquire), topic.next(partition)?);
    let mut batch = store.batch();
    let (mut first, mut count) = (from, 0);
    for entry in store.records.range(place.at(from)..place.at(next)) {
        let (key, value) = entry.into_inner().map_err(store::failed)?;
        if codec::time(&value)? > until || count == PASS_RECORDS {
            break;
        }
        first = codec::number(&key)? + 1;
        count += 1;
        batch.remove(&store.records, key);
    }
    finish(batch)?;
    cursor.first.store(first, Ordering::Release);
    Ok(count == PASS_RECORDS)
}

/// Not synced: what a crash brings back is removed again.
fn finish(batch: OwnedWriteBatch) -> Result<(), Error> {
    batch.commit().map_err(store::failed)
}
