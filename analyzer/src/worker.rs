//! One partition's way: read, compute, publish, wait, write, in batches. A partition whose state is lost is first
//! rebuilt in silence.

use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Error as BusError, Log, Producer, Record};
use driftline_model::record::{self, InputKey};
use tokio_util::sync::CancellationToken;

use crate::judge::Judge;
use crate::outbox::Outbox;
use crate::rebuild::Phase;
use crate::run::Error;
use crate::state::State;
use crate::status::PartitionStatus;
use crate::step::{self, Cause, Effect, Pass};
use crate::store::{FORMAT, Partition, Position};

/// What all workers of a process share.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) producer: Arc<dyn Producer>,
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) partitions: u32,
    pub(crate) compaction_lag: Duration,
    pub(crate) now: fn() -> i64,
}

/// One partition in hand.
pub(crate) struct Worker {
    pub(crate) partition: u32,
    pub(crate) phase: Phase,
    pub(crate) position: Position,
    pub(crate) status: PartitionStatus,
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Partition,
    pub(crate) state: State,
    pub(crate) cancel: CancellationToken,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, partition: u32, disk: Partition, position: Position, phase: Phase) -> Self {
        let state = State::new(disk.base());
        let rebuilding = phase != Phase::Live;
        let status = PartitionStatus { next: position.next, at_ms: position.at_ms, rebuilding, ..Default::default() };
        Self { partition, phase, position, status, shared, disk, state, cancel: CancellationToken::new() }
    }

    /// Takes a batch, in order. On an error the worker is of no use any more: its partition is read again from what is
    /// durable.
    pub(crate) async fn take(mut self: Box<Self>, batch: Vec<Record>) -> Result<Box<Self>, Error> {
        if let Phase::Lost { committed, end } = self.phase {
            self = self.adopt(committed, end).await?;
        }
        let mut rest = batch;
        if let Phase::Fold { until, .. } = self.phase {
            let until = self.within_reach(until, &rest);
            let live = rest.split_off(rest.partition_point(|r| r.offset < until));
            self = self.blocking(move |w| w.fold(&rest)).await?;
            rest = live;
            self.end_fold(until, !rest.is_empty());
        }
        if let Phase::Compare { cause } = self.phase.clone() {
            self = self.compare(cause).await?;
        }
        if rest.is_empty() {
            return Ok(self);
        }
        let mut outbox = Outbox::default();
        (self, outbox) = self
            .blocking_with(move |w| {
                w.judge(&rest, &mut outbox)?;
                Ok(outbox)
            })
            .await?;
        self.settle(outbox).await
    }

    /// Publishes what follows, waits for it, then writes the state with its offset.
    pub(crate) async fn settle(mut self: Box<Self>, outbox: Outbox) -> Result<Box<Self>, Error> {
        outbox.publish(&self.shared.producer, &self.cancel).await?;
        self.status.transitions += outbox.transitions;
        self.status.republished += outbox.republished;
        self.status.dead_letters += outbox.dead_letters;
        self.blocking(Self::write).await
    }

    pub(crate) fn write(&mut self) -> Result<(), Error> {
        self.position.saved_ms = (self.shared.now)();
        self.position.until = match &self.phase {
            Phase::Live => None,
            Phase::Lost { .. } => Some(0),
            Phase::Fold { until, .. } => Some(*until),
            Phase::Compare { cause } => Some(cause.offset + 1),
        };
        if self.cancel.is_cancelled() {
            return Err(BusError::Fenced(self.partition).into());
        }
        self.disk.commit(self.state.writes(), &self.position)?;
        self.state.written();
        self.status.next = self.position.next;
        self.status.at_ms = self.position.at_ms;
        self.status.rebuilding = self.phase != Phase::Live;
        Ok(())
    }

    /// Writes the position again, so that a state that had nothing to do does not look old.
    pub(crate) async fn touch(self: Box<Self>) -> Result<Box<Self>, Error> {
        self.blocking(Self::write).await
    }

    fn judge(&mut self, records: &[Record], outbox: &mut Outbox) -> Result<(), Error> {
        for record in records {
            let effects = match self.misplaced(record) {
                Some(reason) => vec![Effect::DeadLetter { reason }],
                None => step::step(&mut self.state, record, self.shared.judge.as_ref(), Pass::Live)?,
            };
            outbox.take(self.partition, effects, Some(record));
            self.read(record);
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, record: &Record) {
        self.position.next = record.offset + 1;
        self.position.at_ms = Cause::of(record).map_or(record.timestamp_ms, |c| c.at_ms);
        self.status.records += 1;
    }

    /// A record in another partition than its account's would break the account's order.
    pub(crate) fn misplaced(&self, record: &Record) -> Option<String> {
        let key = InputKey::decode(std::str::from_utf8(&record.key).ok()?)?;
        let right = record::partition(key.account(), self.shared.partitions);
        (right != self.partition).then(|| format!("account {} belongs to partition {right}", key.account()))
    }

    pub(crate) async fn blocking(
        self: Box<Self>,
        work: impl FnOnce(&mut Self) -> Result<(), Error> + Send + 'static,
    ) -> Result<Box<Self>, Error> {
        self.blocking_with(work).await.map(|(worker, ())| worker)
    }

    /// Reading and judging take the disk and the processor: off the threads that serve others.
    pub(crate) async fn blocking_with<T: Send + 'static>(
        mut self: Box<Self>,
        work: impl FnOnce(&mut Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Box<Self>, T), Error> {
        let joined = tokio::task::spawn_blocking(move || work(&mut self).map(|done| (self, done))).await;
        joined.map_err(|e| Error::Panicked(e.to_string()))?
    }
}

/// The position of a state that knows nothing.
pub(crate) fn nowhere(judge: String) -> Position {
    Position { format: FORMAT, next: 0, saved_ms: 0, at_ms: 0, judge, until: None }
}
