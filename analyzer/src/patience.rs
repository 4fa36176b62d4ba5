//! Waiting out an outage of log or database: the same call again, with growing pauses, until it answers or nobody wants it.

use std::time::Duration;

use driftline_bus::Error;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses between attempts.
#[derive(Debug)]
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pauses {
    /// Waits before the next attempt; the reason comes back as an error where `cancel` ends the wait.
    pub(crate) async fn wait(&mut self, reason: String, cancel: &CancellationToken) -> Result<(), Error> {
        tracing::warn!(reason, "no answer; trying again");
        tokio::select! {
            () = cancel.cancelled() => Err(Error::Unavailable(reason)),
            () = tokio::time::sleep(self.0) => {
                self.0 = (self.0 * 2).min(LONGEST);
                Ok(())
            }
        }
    }

    /// The answer, or `None` after a pause where the log was away.
    pub(crate) async fn over<T>(
        &mut self,
        answer: Result<T, Error>,
        cancel: &CancellationToken,
    ) -> Result<Option<T>, Error> {
        match answer {
            Err(Error::Unavailable(reason)) => self.wait(reason, cancel).await.map(|()| None),
            answer => answer.map(Some),
        }
    }
}
