//! One account's queue: appended to by who reads the account, read by who sends.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftline_proto::v1::Record;
use prost::Message;
use tokio::sync::watch;

use super::disk::{Disk, Pen, Place};
use super::frame::HEAD;
use super::load::Room;

/// Bytes that are stored at once.
const CHUNK: usize = 1 << 20;
/// A number takes no more than this in a record.
const NUMBER: usize = 11;

pub(crate) struct Queue {
    disk: Mutex<State>,
    room: Arc<Room>,
    /// The number of the next record: who sends waits for it to grow.
    next: watch::Sender<u64>,
}

struct State {
    disk: Disk,
    /// What this queue takes of the room.
    charged: u64,
}

impl Queue {
    pub(super) fn open(folder: PathBuf, room: Arc<Room>, pen: Pen) -> io::Result<Self> {
        let disk = Disk::open(folder, pen)?;
        let charged = if disk.sent < disk.next { disk.segments.iter().map(|s| s.bytes).sum() } else { 0 };
        room.charge(charged);
        let next = watch::Sender::new(disk.next);
        Ok(Self { disk: Mutex::new(State { disk, charged }), room, next })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> u64 {
        *self.next.borrow()
    }

    /// Whether records were lost from its middle: what is known of the account is more than what was sent, then.
    pub(crate) fn holes(&self) -> bool {
        self.state().disk.holes
    }

    /// Stores records in order, each with a number of its own, and waits while there is no room for them. The next number.
    pub(crate) async fn append(self: &Arc<Self>, records: Vec<Record>) -> u64 {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            while let Some(record) = records.next_if(|r| chunk.is_empty() || bytes + r.encoded_len() < CHUNK) {
                bytes += record.encoded_len() + HEAD + NUMBER;
                chunk.push(record);
            }
            self.store(chunk, bytes as u64).await;
        }
        self.next()
    }

    async fn store(self: &Arc<Self>, mut chunk: Vec<Record>, bytes: u64) {
        loop {
            self.room.admit(bytes).await;
            let queue = Arc::clone(self);
            let stored = tokio::task::spawn_blocking(move || queue.write(chunk, bytes)).await;
            match stored {
                Ok(Ok(())) => return,
                Ok(Err((back, error))) => {
                    self.room.pause(&format!("the disk takes nothing: {error}")).await;
                    chunk = back;
                }
                // Nothing in it panics; a runtime that ends takes its tasks along.
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Room for `bytes` was taken before.
    fn write(&self, mut chunk: Vec<Record>, bytes: u64) -> Result<(), (Vec<Record>, io::Error)> {
        let mut state = self.state();
        match state.disk.append(&mut chunk) {
            Ok(stored) => {
                state.charged += stored;
                self.room.release(bytes.saturating_sub(stored));
                self.next.send_replace(state.disk.next);
                Ok(())
            }
            Err(error) => {
                drop(state);
                self.room.release(bytes);
                Err((chunk, error))
            }
        }
    }

    /// Where the first record stands that was not sent.
    pub(crate) fn place(&self) -> Place {
        self.state().disk.place()
    }

    /// The next records; waits for some.
    pub(crate) async fn page(self: &Arc<Self>, place: &mut Place) -> io::Result<Vec<Record>> {
        let mut next = self.next.subscribe();
        loop {
            // The sender lives as long as the queue.
            let wanted = place.number;
            let _ = next.wait_for(|next| *next > wanted).await;
            let (queue, mut at) = (Arc::clone(self), *place);
            let read = tokio::task::spawn_blocking(move || {
                let records = queue.state().disk.page(&mut at)?;
                Ok::<_, io::Error>((records, at))
            });
            let (records, at) = read.await.map_err(io::Error::other)??;
            *place = at;
            if !records.is_empty() {
                return Ok(records);
            }
        }
    }

    /// All below `sent` is acknowledged.
    pub(crate) async fn settle(self: &Arc<Self>, sent: u64) {
        let queue = Arc::clone(self);
        let settled = tokio::task::spawn_blocking(move || {
            let mut state = queue.state();
            let freed = state.disk.settle(sent).min(state.charged);
            // What was sent and is kept for a while is within what a queue may always keep.
            let freed = if state.disk.sent == state.disk.next { state.charged } else { freed };
            state.charged -= freed;
            queue.room.release(freed);
        });
        let _ = settled.await; // a runtime that ends: it is sent once more
    }
}
