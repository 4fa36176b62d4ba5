//! A partition whose state is lost: what was open is read from `driftline.drifts`, the inputs are folded in silence up
//! to where the lost state had judged them, and the two are compared.

use std::sync::Arc;

use driftline_bus::{Error as BusError, Record};
use driftline_model::record::DRIFTS;
use futures::StreamExt;

use crate::outbox::{H_INPUT_OFFSET, Outbox};
use crate::patience::Pauses;
use crate::run::Error;
use crate::step::{self, Cause, Pass};
use crate::worker::Worker;

/// Groups judged at once when a rebuilt state is compared with what was open.
const PIECE: usize = 256;
/// Latest states taken at once.
const PAGE: usize = 500;

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

impl Worker {
    /// Takes what was open from `driftline.drifts`, and from there how far the lost state had come.
    pub(crate) async fn adopt(mut self: Box<Self>, committed: i64, end: i64) -> Result<Box<Self>, Error> {
        let mut pauses = Pauses::default();
        let reached = loop {
            let (worker, answer) = self.latest().await?;
            self = worker;
            if let Some(reached) = pauses.over(answer, &self.cancel).await? {
                break reached;
            }
        };
        let until = committed.max(reached).min(end);
        let (mut worker, noted) = self.blocking_with(|w| Ok(step::noted(&w.state)?)).await?;
        tracing::info!(worker.partition, until, open = noted.len(), "no usable state: rebuilding it from the topics");
        let anything = !noted.is_empty();
        for page in noted.chunks(PAGE) {
            let page = page.to_vec();
            worker = worker
                .blocking(move |w| step::adopt(&mut w.state, &page).map_err(Error::from).and_then(|()| w.write()))
                .await?;
        }
        worker.phase = if until > 0 || anything { Phase::Fold { until, end, last: None } } else { Phase::Live };
        worker = worker.blocking(Worker::write).await?;
        worker.end_fold(until, false);
        Ok(worker)
    }

    /// Notes what `driftline.drifts` says, from nothing; the offset after the last input that it knows of.
    async fn latest(self: Box<Self>) -> Result<(Box<Self>, Result<i64, BusError>), Error> {
        let mut worker = self.blocking(|w| Ok(w.disk.clear()?)).await?;
        let records = match worker.shared.log.read(DRIFTS, worker.partition).await {
            Ok(records) => records,
            Err(error) => return Ok((worker, Err(error))),
        };
        let mut pages = records.ready_chunks(PAGE);
        let mut reached = 0;
        while let Some(page) = pages.next().await {
            let page: Vec<Record> = match page.into_iter().collect() {
                Ok(page) => page,
                Err(error) => return Ok((worker, Err(error))),
            };
            for record in &page {
                let offset =
                    record.header(H_INPUT_OFFSET).and_then(|v| std::str::from_utf8(v).ok()?.parse::<i64>().ok());
                reached = reached.max(offset.map_or(0, |o| o.saturating_add(1)));
            }
            let note = move |w: &mut Worker| {
                page.iter().for_each(|r| step::note(&mut w.state, &r.key, r.value.as_deref()));
                w.write()
            };
            worker = worker.blocking(note).await?;
        }
        Ok((worker, Ok(reached)))
    }

    /// Compaction may already have removed what stood below `until`, if that is long ago: then no state of that moment can
    /// be had, and all is folded up to where the log ended when the partition was taken.
    pub(crate) fn within_reach(&mut self, until: i64, records: &[Record]) -> i64 {
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

    pub(crate) fn fold(&mut self, records: &[Record]) -> Result<(), Error> {
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
    pub(crate) fn end_fold(&mut self, until: i64, beyond: bool) {
        let Phase::Fold { last, .. } = &self.phase else { return };
        if self.position.next >= until || beyond {
            let offset = until - 1;
            let at_ms = last.as_ref().map_or(self.position.at_ms, |c| c.at_ms);
            let exact = last.clone().filter(|c| c.offset == offset);
            let cause = exact.unwrap_or(Cause { text: format!("o{offset}"), offset, at_ms });
            self.phase = Phase::Compare { cause };
        }
    }

    pub(crate) async fn compare(self: Box<Self>, cause: Cause) -> Result<Box<Self>, Error> {
        let (mut worker, groups) = self.blocking_with(|w| Ok(step::groups(&w.state)?)).await?;
        for piece in groups.chunks(PIECE) {
            let (piece, cause) = (piece.to_vec(), cause.clone());
            let compare = move |w: &mut Worker| {
                let judge = Arc::clone(&w.shared.judge);
                let effects = step::reconcile(&mut w.state, judge.as_ref(), &cause, &piece)?;
                let mut outbox = Outbox::default();
                outbox.take(w.partition, effects, None);
                Ok(outbox)
            };
            let (compared, outbox) = worker.blocking_with(compare).await?;
            worker = compared.settle(outbox).await?;
        }
        worker.phase = Phase::Live;
        worker.blocking(Self::write).await
    }
}
