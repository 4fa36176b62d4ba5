//! Records on their way into tables: held as they are, and turned into rows where they are inserted. Pure.

use std::collections::BTreeMap;

use driftline_bus::Record;
use driftline_model::record::{
    AccountFacts, Cycle, EVENTS, H_EPOCH, H_HASH, H_KIND, H_NUMBER, H_TIME, H_VERSION, InputKey, TRANSITION,
};
use driftline_model::{Snapshot, Transition};
use driftline_store::{AccountRow, CycleRow, Order, Position, SnapshotRow, TransitionRow, WatermarkRow};

/// A partition of a topic.
type Place = (String, u32);

/// What is held until it is stored.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Record>,
    pub(crate) bytes: usize,
}

impl Batch {
    pub(crate) fn take(&mut self, records: Vec<Record>) {
        self.bytes += records.iter().map(|r| r.key.len() + r.value.as_ref().map_or(0, Vec::len) + 64).sum::<usize>();
        self.records.extend(records);
    }

    /// Lets go of partitions that are another member's now.
    pub(crate) fn forget(&mut self, places: &[Place]) {
        self.records.retain(|r| !places.iter().any(|(topic, p)| *topic == *r.topic && *p == r.partition));
    }

    /// The next offsets to read.
    pub(crate) fn positions(&self) -> BTreeMap<Place, i64> {
        self.records.iter().map(|r| ((r.topic.to_string(), r.partition), r.offset + 1)).collect()
    }

    pub(crate) fn watermarks(&self) -> Vec<WatermarkRow> {
        let last: BTreeMap<(&str, u32), &Record> = self.records.iter().map(|r| ((&*r.topic, r.partition), r)).collect();
        let mark = |((topic, partition), r): ((&str, u32), &Record)| {
            WatermarkRow::new(topic, partition, r.offset + 1, r.timestamp_ms)
        };
        last.into_iter().map(mark).collect()
    }
}

/// Rows of all tables.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) transitions: Vec<TransitionRow>,
    pub(crate) snapshots: Vec<SnapshotRow>,
    pub(crate) cycles: Vec<CycleRow>,
    pub(crate) accounts: Vec<AccountRow>,
}

impl Rows {
    /// Adds a record's row; an error is why it can never become one. What no table holds adds nothing.
    pub(crate) fn add(&mut self, record: &Record) -> Result<(), String> {
        if &*record.topic == EVENTS { self.event(record) } else { self.input(record) }
    }

    fn event(&mut self, record: &Record) -> Result<(), String> {
        if record.header(H_KIND).is_some_and(|kind| kind != TRANSITION.as_bytes()) {
            return Ok(()); // change events and whatever else is for other readers
        }
        let Some(value) = &record.value else { return Ok(()) };
        let transition: Transition = read(value)?;
        let position = Position { partition: record.partition, offset: record.offset };
        self.transitions.push(TransitionRow::new(&transition, position));
        Ok(())
    }

    fn input(&mut self, record: &Record) -> Result<(), String> {
        let key = std::str::from_utf8(&record.key).ok().and_then(InputKey::decode);
        let key = key.ok_or("the key does not parse")?;
        if number(record, H_VERSION).unwrap_or(1) != 1 {
            return Err("a body of an unknown version".to_owned());
        }
        let order = Order {
            epoch: number(record, H_EPOCH).unwrap_or(0),
            number: number(record, H_NUMBER).unwrap_or(0).unsigned_abs(),
        };
        let at_ms = number(record, H_TIME).unwrap_or(record.timestamp_ms);
        match (&key, &record.value) {
            (InputKey::Snapshot(key), value) => {
                let snapshot: Option<Snapshot> = value.as_deref().map(read).transpose()?;
                if snapshot.as_ref().is_some_and(|s| s.key != *key) {
                    return Err("the body is another resource's".to_owned());
                }
                let hash = record.header(H_HASH).map(String::from_utf8_lossy).unwrap_or_default();
                self.snapshots.push(SnapshotRow::new(key, snapshot.as_ref(), order, at_ms, &hash));
            }
            (InputKey::Cycle(account), Some(value)) => {
                let cycle: Cycle = read(value)?;
                self.cycles.push(CycleRow::new(account, &cycle, order));
            }
            (InputKey::Account(account), Some(value)) => {
                let facts: AccountFacts = read(value)?;
                self.accounts.push(AccountRow::new(account, &facts, order, at_ms));
            }
            _ => {} // no table holds these
        }
        Ok(())
    }
}

fn read<'v, T: serde::Deserialize<'v>>(value: &'v [u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|e| format!("the body does not parse: {e}"))
}

fn number(record: &Record, header: &str) -> Option<i64> {
    std::str::from_utf8(record.header(header)?).ok()?.parse().ok()
}
