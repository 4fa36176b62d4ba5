//! What the writer thread has to do, in order. Its length is bounded by the windows of the producers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot::Sender;

use super::codec::Place;
use crate::window::Room;
use crate::{Error, Outgoing, Topic};

/// Tells who waits.
pub(super) type Answer<T> = Sender<Result<T, Error>>;

/// One thing to do; every answer means that it is durable.
pub(super) enum Job {
    Publish { record: Outgoing, place: Place, room: Room, done: Answer<i64> },
    Commit { group: String, positions: BTreeMap<Place, i64>, done: Answer<()> },
    Ensure { topics: Vec<Topic>, done: Answer<()> },
    Forget { group: String, done: Answer<()> },
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// Many push, one takes.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(super::closed());
        }
        state.jobs.push_back(job);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Nothing more is taken; the writer ends when it has done what is there.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits at most `limit` for the first job, then takes what belongs into one batch. `None` at the end.
    pub(super) fn batch(&self, limit: Duration, records: usize, bytes: usize) -> Option<Vec<Job>> {
        let empty = |s: &mut State| s.jobs.is_empty() && !s.closed;
        let waited = self.wake.wait_timeout_while(self.state(), limit, empty);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.jobs.is_empty() && state.closed {
            return None;
        }
        let (mut batch, mut size) = (Vec::new(), 0);
        while batch.len() < records && size < bytes {
            let Some(job) = state.jobs.pop_front() else { break };
            if let Job::Publish { record, .. } = &job {
                size += record.size();
            }
            batch.push(job);
        }
        Some(batch)
    }
}
