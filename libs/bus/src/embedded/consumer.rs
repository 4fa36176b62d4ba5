//! A member of a group in this process. New records and changes of the group wake it; pages are bounded in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::codec::Place;
use super::group::MemberId;
use super::members::Change;
use super::queue::Job;
use super::store::Known;
use super::{Running, closed};
use crate::{Consumer, Error, Polled, Record, Start};

/// A partition that is ours.
#[derive(Debug, Default)]
struct Held {
    /// Next offset; `None` until `start`.
    position: Option<u64>,
    paused: bool,
}

pub(super) struct EmbeddedConsumer {
    running: Arc<Running>,
    group: String,
    id: MemberId,
    topics: BTreeMap<u32, Arc<Known>>,
    held: BTreeMap<Place, Held>,
    /// Told to the owner as revoked, given up with the next poll.
    leaving: Vec<Place>,
    /// Where the last page ended: the next one begins with another partition.
    turn: Option<Place>,
    changes: watch::Receiver<u64>,
}

impl EmbeddedConsumer {
    pub(super) fn join(running: Arc<Running>, group: &str, topics: &[&str]) -> Result<Self, Error> {
        if group.is_empty() || group.contains('\0') {
            return Err(Error::Misconfigured(format!("{group:?} can't be the name of a group")));
        }
        let known = topics.iter().map(|t| running.shared.store.topic(t)).collect::<Result<Vec<_>, _>>()?;
        let places = known.iter().flat_map(|t| (0..t.spec.partitions).map(|p| t.place(p))).collect();
        let changes = running.shared.changes.subscribe();
        let id = running.shared.members().join(group, places);
        running.shared.wake();
        Ok(Self {
            running,
            group: group.to_owned(),
            id,
            topics: known.into_iter().map(|t| (t.id, t)).collect(),
            held: BTreeMap::new(),
            leaving: Vec::new(),
            turn: None,
            changes,
        })
    }

    fn topic(&self, name: &str) -> Result<&Arc<Known>, Error> {
        let found = self.topics.values().find(|t| &*t.name == name);
        found.ok_or_else(|| Error::Misconfigured(format!("topic {name} is not subscribed to")))
    }

    fn held(&mut self, topic: &str, partition: u32) -> Result<(Arc<Known>, &mut Held), Error> {
        let topic = self.topic(topic)?.clone();
        let held = self.held.get_mut(&topic.place(partition)).ok_or(Error::Fenced(partition))?;
        Ok((topic, held))
    }

    fn names(&self, places: &[Place]) -> Vec<(String, u32)> {
        let name = |p: &Place| self.topics.get(&p.topic).map(|t| (t.name.to_string(), p.partition));
        places.iter().filter_map(name).collect()
    }

    fn release(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        let leaving = std::mem::take(&mut self.leaving);
        self.held.retain(|place, _| !leaving.contains(place));
        self.running.shared.members().release(&self.group, self.id, &leaving);
        self.running.shared.wake();
    }

    fn rebalanced(&mut self) -> Option<Polled> {
        let change = self.running.shared.members().change(&self.group, self.id)?;
        Some(match change {
            Change::Revoke(places) => {
                let names = self.names(&places);
                self.leaving = places;
                Polled::Revoked(names)
            }
            Change::Assign(places) => {
                self.held.extend(places.iter().map(|p| (*p, Held::default())));
                Polled::Assigned(self.names(&places))
            }
        })
    }

    /// Partitions with records that are not read yet, the one after the last read first.
    fn ready(&self) -> Vec<(Arc<Known>, u32, u64)> {
        let mut ready: Vec<_> = self
            .held
            .iter()
            .filter_map(|(place, held)| {
                let (topic, position) = (self.topics.get(&place.topic)?, held.position?);
                let more = !held.paused && position < topic.next(place.partition).ok()?;
                more.then(|| (*place, topic.clone(), position))
            })
            .collect();
        let turn = ready.iter().position(|(place, ..)| Some(*place) > self.turn).unwrap_or(0);
        ready.rotate_left(turn);
        ready.into_iter().map(|(place, topic, position)| (topic, place.partition, position)).collect()
    }

    /// One page of what is ready. Positions move only with the records in hand: dropping this future loses none.
    async fn read(&mut self, ready: Vec<(Arc<Known>, u32, u64)>) -> Result<Vec<Record>, Error> {
        let running = self.running.clone();
        let read = move || {
            let shared = &running.shared;
            let (mut page, mut after, mut left) = (Vec::new(), Vec::new(), shared.config.page_bytes);
            for (topic, partition, position) in ready {
                let (records, next) = shared.store.page(&topic, partition, position, left)?;
                let size: usize = records.iter().map(size).sum();
                page.extend(records);
                after.push((topic.place(partition), next));
                left = left.saturating_sub(size);
                if left == 0 {
                    break;
                }
            }
            Ok::<_, Error>((page, after))
        };
        let done = tokio::task::spawn_blocking(read).await;
        let (page, after) = done.map_err(|e| Error::Unavailable(e.to_string()))??;
        let mut members = self.running.shared.members();
        for (place, next) in after {
            self.turn = Some(place);
            if let Some(held) = self.held.get_mut(&place) {
                held.position = Some(next);
                members.reads(self.id, place, i64::try_from(next).unwrap_or(i64::MAX));
            }
        }
        Ok(page)
    }
}

fn size(record: &Record) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + 64
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn poll(&mut self) -> Result<Polled, Error> {
        self.release();
        loop {
            // What changes after this line wakes the wait below.
            self.changes.borrow_and_update();
            if self.running.shared.queue.is_closed() {
                return Err(closed());
            }
            if let Some(event) = self.rebalanced() {
                return Ok(event);
            }
            let ready = self.ready();
            if ready.is_empty() {
                self.changes.changed().await.map_err(|_| closed())?;
                continue;
            }
            let page = self.read(ready).await?;
            if !page.is_empty() {
                return Ok(Polled::Records(page));
            }
        }
    }

    async fn start(&mut self, topic: &str, partition: u32, start: Start) -> Result<(), Error> {
        let running = self.running.clone();
        let (group, id) = (self.group.clone(), self.id);
        let (topic, held) = self.held(topic, partition)?;
        let mut members = running.shared.members();
        let place = topic.place(partition);
        let wanted = match start {
            Start::Beginning => 0,
            Start::Committed => members.position(&group, place).unwrap_or(0),
            Start::Offset(offset) => offset,
        };
        let next = topic.next(partition)?;
        let position = u64::try_from(wanted).unwrap_or(0);
        let position = if position > next {
            tracing::warn!(
                topic = &*topic.name,
                partition,
                position,
                next,
                "beyond the end: reading from the beginning"
            );
            0
        } else {
            position
        };
        held.position = Some(position);
        members.reads(id, place, i64::try_from(position).unwrap_or(i64::MAX));
        Ok(())
    }

    async fn pause(&mut self, topic: &str, partition: u32, paused: bool) -> Result<(), Error> {
        self.held(topic, partition)?.1.paused = paused;
        Ok(())
    }

    async fn commit(&mut self, positions: &BTreeMap<(String, u32), i64>) -> Result<(), Error> {
        let mut places = BTreeMap::new();
        for ((topic, partition), position) in positions {
            let (topic, _) = self.held(topic, *partition)?;
            places.insert(topic.place(*partition), (*position).max(0));
        }
        if places.is_empty() {
            return Ok(());
        }
        let group = self.group.clone();
        self.running.shared.ask(|done| Job::Commit { group, positions: places, done }).await
    }

    async fn bounds(&mut self, topic: &str, partition: u32) -> Result<(i64, i64), Error> {
        let (topic, running) = (self.running.shared.store.topic(topic)?, self.running.clone());
        let find = move || {
            let first = running.shared.store.first(&topic, partition)?;
            Ok((first, topic.next(partition)?))
        };
        let (first, next) =
            tokio::task::spawn_blocking(find).await.map_err(|e| Error::Unavailable(e.to_string()))??;
        Ok((i64::try_from(first).unwrap_or(i64::MAX), i64::try_from(next).unwrap_or(i64::MAX)))
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

/// Whoever drops a consumer has let go of its state.
impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.running.shared.members().leave(&self.group, self.id);
        self.running.shared.wake();
    }
}
