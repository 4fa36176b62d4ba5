//! Records as rows, held until they are inserted. Pure.

use std::collections::BTreeMap;

use driftline_bus::Record;
use driftline_model::record::{AccountFacts, Cycle, EVENTS, H_EPOCH, H_HASH, H_NUMBER, H_TIME, H_VERSION, InputKey};
use driftline_model::{Snapshot, Transition};
use driftline_store::{AccountRow, CycleRow, Order, Position, SnapshotRow, TransitionRow, WatermarkRow};

/// A partition of a topic.
type Place = (String, u32);

/// Rows by partition, so that a revoked one can be forgotten.
#[derive(Default)]
pub(crate) struct Batch {
    places: BTreeMap<Place, Rows>,
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

#[derive(Default)]
struct Rows {
    transitions: Vec<TransitionRow>,
    snapshots: Vec<SnapshotRow>,
    cycles: Vec<CycleRow>,
    accounts: Vec<AccountRow>,
    next: i64,
    at_ms: i64,
}

impl Batch {
    /// Takes a record; an error is why it can never become a row. Its position counts as read either way.
    pub(crate) fn take(&mut self, record: &Record) -> Result<(), String> {
        self.records += 1;
        self.bytes += record.key.len() + record.value.as_ref().map_or(0, Vec::len);
        let rows = self.places.entry((record.topic.to_string(), record.partition)).or_default();
        (rows.next, rows.at_ms) = (record.offset + 1, record.timestamp_ms);
        if &*record.topic == EVENTS { rows.event(record) } else { rows.input(record) }
    }

    /// Lets the rows of partitions go that are another member's now.
    pub(crate) fn forget(&mut self, places: &[Place]) {
        places.iter().for_each(|place| {
            self.places.remove(place);
        });
    }

    /// The next offsets to read.
    pub(crate) fn positions(&self) -> BTreeMap<Place, i64> {
        self.places.iter().map(|(place, rows)| (place.clone(), rows.next)).collect()
    }

    pub(crate) fn watermarks(&self) -> Vec<WatermarkRow> {
        self.places
            .iter()
            .map(|((topic, partition), r)| WatermarkRow::new(topic, *partition, r.next, r.at_ms))
            .collect()
    }

    pub(crate) fn transitions(&self) -> Vec<TransitionRow> {
        self.places.values().flat_map(|r| r.transitions.iter().cloned()).collect()
    }

    pub(crate) fn snapshots(&self) -> Vec<SnapshotRow> {
        self.places.values().flat_map(|r| r.snapshots.iter().cloned()).collect()
    }

    pub(crate) fn cycles(&self) -> Vec<CycleRow> {
        self.places.values().flat_map(|r| r.cycles.iter().cloned()).collect()
    }

    pub(crate) fn accounts(&self) -> Vec<AccountRow> {
        self.places.values().flat_map(|r| r.accounts.iter().cloned()).collect()
    }
}

impl Rows {
    /// Events that are no transitions are another role's.
    fn event(&mut self, record: &Record) -> Result<(), String> {
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
