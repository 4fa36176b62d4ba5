//! How much a producer may have taken that is not yet delivered, in bytes. First come, first served, so that waiting for
//! room does not change the order of records.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;

/// Room for records under way.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    room: Arc<Semaphore>,
    bytes: u32,
}

/// Gives its room back when dropped.
pub(crate) type Room = OwnedSemaphorePermit;

impl Window {
    pub(crate) fn new(bytes: u32) -> Self {
        let bytes = bytes.max(1);
        Self { room: Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS))), bytes }
    }

    /// Waits for room; what is larger than the whole window takes all of it.
    pub(crate) async fn take(&self, size: usize) -> Result<Room, Error> {
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.bytes);
        self.room.clone().acquire_many_owned(size).await.map_err(|_| closed())
    }

    /// Waits until all that was taken before is delivered or failed; what comes later waits behind.
    pub(crate) async fn drained(&self, limit: Duration) -> Result<(), Error> {
        match tokio::time::timeout(limit, self.room.acquire_many(self.bytes)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(Error::Unavailable(format!("records were not delivered within {limit:?}"))),
        }
    }
}

fn closed() -> Error {
    Error::Unavailable("the producer is closed".to_owned())
}
