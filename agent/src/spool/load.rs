//! How full the spool is: one limit for all accounts of an agent.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// How much waits, and whether that stops the reading of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Bytes that wait to be sent.
    pub bytes: u64,
    /// Accounts that are not read on since there is no room for what was read.
    pub waiting: usize,
}

/// Room for what waits.
#[derive(Debug)]
pub(super) struct Room {
    limit: u64,
    load: Mutex<Load>,
    told: watch::Sender<Load>,
}

/// Somebody who waits for room; dropped, nobody.
struct Waiting<'a>(&'a Room);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.0.change(|load| load.waiting = load.waiting.saturating_sub(1)).waiting == 0 {
            tracing::info!("the spool has room again: accounts are read on");
        }
    }
}

impl Room {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit: limit.max(1), load: Mutex::default(), told: watch::Sender::new(Load::default()) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Load> {
        self.told.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Load)) -> Load {
        let mut load = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut load);
        self.told.send_replace(*load);
        *load
    }

    /// Takes room that is there or not: what is on the disk already.
    pub(super) fn charge(&self, bytes: u64) {
        self.change(|load| load.bytes += bytes);
    }

    pub(super) fn release(&self, bytes: u64) {
        self.change(|load| load.bytes = load.bytes.saturating_sub(bytes));
    }

    fn take(&self, bytes: u64) -> bool {
        let mut taken = false;
        self.change(|load| {
            taken = load.bytes == 0 || load.bytes + bytes <= self.limit;
            load.bytes += if taken { bytes } else { 0 };
        });
        taken
    }

    /// Waits for room and takes it. What is larger than the whole spool gets in when nothing else waits.
    pub(super) async fn admit(&self, bytes: u64) {
        if self.take(bytes) {
            return;
        }
        let mut changes = self.watch();
        let _waiting = self.wait(&format!("{} of {} bytes are taken", changes.borrow().bytes, self.limit));
        while !self.take(bytes) {
            // The sender lives as long as this.
            let _ = changes.changed().await;
        }
    }

    /// While what is returned lives, somebody is known to wait.
    fn wait(&self, why: &str) -> Waiting<'_> {
        if self.change(|load| load.waiting += 1).waiting == 1 {
            tracing::error!(why, "the spool is full: accounts are not read until the aggregator takes what waits");
        }
        Waiting(self)
    }

    /// Waits a while, and is known to wait: the disk takes nothing.
    pub(super) async fn pause(&self, why: &str) {
        let _waiting = self.wait(why);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
