//! What can't be sent waits here: on the disk, in order per account, within a limit of bytes. What `Queue::append` has
//! returned for is there at the next start, whatever happened in between.
//!
//! A record keeps the number that it got here, so that one that is sent twice reads the same. The epoch is given when it
//! is sent: that under which the account is held then.

mod disk;
mod frame;
mod load;
mod queue;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use load::Load;
use load::Room;
pub(crate) use queue::Queue;
use tokio::sync::watch;

/// All queues of an agent.
pub(crate) struct Spool {
    folder: PathBuf,
    room: Arc<Room>,
}

impl Spool {
    /// A spool in a folder of its own; `limit` is in bytes, over all accounts.
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, room: Arc::new(Room::new(limit)) }
    }

    /// How much waits, now and later.
    pub(crate) fn load(&self) -> watch::Receiver<Load> {
        self.room.watch()
    }

    /// Opens an account's queue: what is torn at its end is cut off, what was stored is there.
    pub(crate) fn queue(&self, account: &str) -> std::io::Result<Arc<Queue>> {
        Ok(Arc::new(Queue::open(self.folder.join(account), Arc::clone(&self.room), disk::pen())?))
    }
}
