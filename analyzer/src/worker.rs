//! One partition's way: read, compute, publish, wait, write, in batches. A partition whose state is lost is first
//! rebuilt in silence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Error as BusError, Log, Producer, Record};
use driftline_model::Transition;
use driftline_model::record::{self, DRIFTS, InputKey};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::judge::Judge;
use crate::outbox::{H_INPUT_OFFSET, Outbox};
use crate::patience::Pauses;
use crate::run::Error;
use crate::state::State;
use crate::status::PartitionStatus;
use crate::step::{self, Cause, Effect, Pass};
use crate::store::{FORMAT, Partition, Position};

/// Groups judged at once when a rebuilt state is compared with what was open.
const PIECE: usize = 256;

/// What all workers of a process share.
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) producer: Arc<dyn Producer>,
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) partitions: u32,
    pub(crate) compaction_lag: Duration,
    pub(crate) now: fn() -> i64,
}

/// How far a state can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is known. `committed` is what the group has, `end` where the inputs end.
    Lost { committed: i64, end: i64 },
    /// What was open is known; inputs below `until` were judged by the lost state.
    Fold { until: i64, end: i64, last: Option<Cause> },
    /// All groups are to be judged against what was open, with this cause.
    Compare { cause: Cause },
    /// As good as any.
    Live,
}

/// One partition in hand.
pub(crate) struct Worker {
    pub(crate) partition: u32,
    pub(crate) phase: Phase,
    pub(crate) position: Position,
    pub(crate) status: PartitionStatus,
    shared: Arc<Shared>,
    disk: Partition,
    state: State,
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
    async fn settle(mut self: Box<Self>, outbox: Outbox) -> Result<Box<Self>, Error> {
        outbox.publish(&self.shared.producer, &self.cancel).await?;
        self.status.transitions += outbox.transitions;
        self.status.republished += outbox.republished;
        self.status.dead_letters += outbox.dead_letters;
        self.blocking(Self::write).await
    }

    fn write(&mut self) -> Result<(), Error> {
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

    fn read(&mut self, record: &Record) {
        self.position.next = record.offset + 1;
        self.position.at_ms = Cause::of(record).map_or(record.timestamp_ms, |c| c.at_ms);
        self.status.records += 1;
    }

    /// A record in another partition than its account's would break the account's order.
    fn misplaced(&self, record: &Record) -> Option<String> {
        let key = InputKey::decode(std::str::from_utf8(&record.key).ok()?)?;
        let right = record::partition(key.account(), self.shared.partitions);
        (right != self.partition).then(|| format!("account {} belongs to partition {right}", key.account()))
    }

    /// Takes what was open from `driftline.drifts`, and from there how far the lost state had come.
    async fn adopt(mut self: Box<Self>, committed: i64, end: i64) -> Result<Box<Self>, Error> {
        let mut pauses = Pauses::default();
        let (open, reached) = loop {
            let answer = latest(self.shared.log.as_ref(), self.partition).await;
            if let Some(found) = pauses.over(answer, &self.cancel).await? {
                break found;
            }
        };
        let until = committed.max(reached);
        let until = until.min(end);
        tracing::info!(self.partition, until, open = open.len(), "no usable state: rebuilding it from the topics");
        self = self
            .blocking(move |w| {
                w.disk.clear()?;
                let anything = !open.is_empty();
                for transition in open.into_values() {
                    step::adopt(&mut w.state, transition)?;
                }
                w.phase = if until > 0 || anything { Phase::Fold { until, end, last: None } } else { Phase::Live };
                w.write()
            })
            .await?;
        self.end_fold(until, false);
        Ok(self)
    }

    /// Compaction may already have removed what stood below `until`, if that is long ago: then no state of that moment can
    /// be had, and all is folded up to where the log ended when the partition was taken.
    fn within_reach(&mut self, until: i64, records: &[Record]) -> i64 {
        let first = records.iter().find(|r| r.offset >= until);
        let age = |r: &Record| (self.shared.now)().saturating_sub(r.timestamp_ms);
        let old =
            first.is_some_and(|r| u128::try_from(age(r)).is_ok_and(|a| a > self.shared.compaction_lag.as_millis()));
        match &mut self.phase {
            Phase::Fold { until, end, .. } if old && *until < *end => {
                *until = *end;
                *until
            }
            _ => until,
        }
    }

    fn fold(&mut self, records: &[Record]) -> Result<(), Error> {
        for record in records {
            if self.misplaced(record).is_none() {
                step::step(&mut self.state, record, self.shared.judge.as_ref(), Pass::Silent)?;
            }
            self.read(record);
        }
        if let (Phase::Fold { last, .. }, Some(record)) = (&mut self.phase, records.last()) {
            *last = Cause::of(record).or(last.take());
        }
        self.write()
    }

    /// Whether all that the lost state had judged is folded: then it is compared, under the cause that the lost state had
    /// in hand last.
    fn end_fold(&mut self, until: i64, beyond: bool) {
        let Phase::Fold { last, .. } = &self.phase else { return };
        if self.position.next >= until || beyond {
            let offset = until - 1;
            let at_ms = last.as_ref().map_or(self.position.at_ms, |c| c.at_ms);
            let exact = last.clone().filter(|c| c.offset == offset);
            let cause = exact.unwrap_or(Cause { text: format!("o{offset}"), offset, at_ms });
            self.phase = Phase::Compare { cause };
        }
    }

    async fn compare(mut self: Box<Self>, cause: Cause) -> Result<Box<Self>, Error> {
        let groups = step::groups(&self.state)?;
        let judge = Arc::clone(&self.shared.judge);
        for piece in groups.chunks(PIECE) {
            let (piece, cause, judge) = (piece.to_vec(), cause.clone(), Arc::clone(&judge));
            let (worker, outbox) = self
                .blocking_with(move |w| {
                    let effects = step::reconcile(&mut w.state, judge.as_ref(), &cause, &piece)?;
                    let mut outbox = Outbox::default();
                    outbox.take(w.partition, effects, None);
                    Ok(outbox)
                })
                .await?;
            self = worker.settle(outbox).await?;
        }
        self.phase = Phase::Live;
        self.blocking(Self::write).await
    }

    async fn blocking(
        self: Box<Self>,
        work: impl FnOnce(&mut Self) -> Result<(), Error> + Send + 'static,
    ) -> Result<Box<Self>, Error> {
        self.blocking_with(work).await.map(|(worker, ())| worker)
    }

    /// Reading and judging take the disk and the processor: off the threads that serve others.
    async fn blocking_with<T: Send + 'static>(
        mut self: Box<Self>,
        work: impl FnOnce(&mut Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<(Box<Self>, T), Error> {
        let joined = tokio::task::spawn_blocking(move || work(&mut self).map(|done| (self, done))).await;
        joined.map_err(|e| Error::Panicked(e.to_string()))?
    }
}

/// What `driftline.drifts` says is open, by id, and the offset after the last input that it knows of.
async fn latest(log: &dyn Log, partition: u32) -> Result<(BTreeMap<Vec<u8>, Transition>, i64), BusError> {
    let mut records = log.read(DRIFTS, partition).await?;
    let mut open = BTreeMap::new();
    let mut reached = 0;
    while let Some(record) = records.next().await {
        let record = record?;
        let offset = record.header(H_INPUT_OFFSET).and_then(|v| std::str::from_utf8(v).ok()?.parse::<i64>().ok());
        reached = reached.max(offset.map_or(0, |o| o.saturating_add(1)));
        match record.value.as_deref().map(serde_json::from_slice::<Transition>) {
            Some(Ok(transition)) => {
                open.insert(record.key, transition);
            }
            Some(Err(error)) => tracing::warn!(partition, record.offset, %error, "latest state is not understood"),
            None => {
                open.remove(&record.key);
            }
        }
    }
    Ok((open, reached))
}

/// The position of a state that knows nothing.
pub(crate) fn nowhere(judge: String) -> Position {
    Position { format: FORMAT, next: 0, saved_ms: 0, at_ms: 0, judge, until: None }
}
