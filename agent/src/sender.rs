//! Sends an account's queue: claims the account, publishes in order within the link's window, and lets go of what is
//! acknowledged.

use std::sync::Arc;

use driftline_proto::v1::{Reason, Record};
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::known::Known;
use crate::link::{self, Link, Outcome};
use crate::run::Error;
use crate::spool::Queue;

/// Records of one account whose answers are waited for: the link's window is what bounds their bytes.
const UNDER_WAY: usize = 256;

/// How the aggregator stands to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not asked yet, and the account is held under no epoch.
    Unknown,
    /// The account is ours under that epoch, as far as we know.
    Held(i64),
    /// This agent may not speak for it.
    Refused,
}

pub(crate) struct Sender {
    pub(crate) account: String,
    pub(crate) known: Known,
    pub(crate) link: Link,
    pub(crate) queue: Arc<Queue>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Between two claims of which the first was refused.
    pub(crate) again: std::time::Duration,
    pub(crate) shutdown: CancellationToken,
}

/// What is remembered of a record under way.
struct Sent {
    number: u64,
    key: String,
    tombstone: bool,
    answer: oneshot::Receiver<Outcome>,
}

/// Why sending stopped.
enum End {
    /// The account is not ours any more.
    Lost,
    /// Shutdown, or the link's end.
    Over,
}

impl Sender {
    /// Sends until `shutdown`; then what is under way is settled as long as the link lets it.
    pub(crate) async fn run(self) -> Result<(), Error> {
        loop {
            let Some(claimed) = self.shutdown.run_until_cancelled(self.claim()).await else { return Ok(()) };
            match claimed {
                Ok(epoch) => match self.send(epoch).await? {
                    End::Lost => {}
                    End::Over => return Ok(()),
                },
                Err(Error::Link(link::Error::Ended)) => return Ok(()),
                Err(Error::Link(link::Error::Refused { account, detail })) => {
                    tracing::warn!(account, detail, "account refused; it is not read, and asked for again");
                    self.standing.send_replace(Standing::Refused);
                    let pause = self.again.mul_f64(rand::random_range(0.9..1.0));
                    if self.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Claims the account under the epoch it is held under; the first time, under a new one with a full send.
    async fn claim(&self) -> Result<i64, Error> {
        let held = self.known.held(&self.account)?;
        let epoch = self.link.claim(&self.account, held.epoch).await?;
        if epoch != held.epoch {
            self.known.begin(&self.account, epoch)?;
        }
        self.standing.send_replace(Standing::Held(epoch));
        Ok(epoch)
    }

    async fn send(&self, epoch: i64) -> Result<End, Error> {
        let (under_way, mut sent) = mpsc::channel(UNDER_WAY);
        let mut publishing = Box::pin(self.publish(epoch, under_way));
        {
            let settling = self.settle(&mut sent);
            tokio::pin!(settling);
            tokio::select! {
                biased;
                end = &mut settling => return end,
                ended = &mut publishing => match ended {
                    Err(Error::Link(link::Error::Ended)) | Ok(()) => return Ok(End::Over),
                    Err(error) => return Err(error),
                },
                () = self.shutdown.cancelled() => {}
            }
            drop(publishing);
            settling.await
        }
    }

    /// Publishes in order what is there, and what comes.
    async fn publish(&self, epoch: i64, under_way: mpsc::Sender<Sent>) -> Result<(), Error> {
        let mut place = self.queue.place();
        loop {
            for record in self.queue.page(&mut place).await? {
                let (number, key, tombstone) = (record.number, record.key.clone(), record.tombstone);
                let answer = self.link.publish(Record { epoch, ..record }).await?;
                if under_way.send(Sent { number, key, tombstone, answer }).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    /// Takes the answers in order. What was acknowledged is let go of before anything is waited for.
    async fn settle(&self, sent: &mut mpsc::Receiver<Sent>) -> Result<End, Error> {
        let mut answers = Box::pin(futures::stream::unfold(sent, |sent| async {
            let Sent { number, key, tombstone, answer } = sent.recv().await?;
            Some(((number, key, tombstone, answer.await), sent))
        }));
        let mut settled = None;
        loop {
            let next = match answers.next().now_or_never() {
                Some(next) => next,
                None => {
                    if let Some(below) = settled.take() {
                        self.queue.settle(below).await;
                    }
                    answers.next().await
                }
            };
            let Some((number, key, tombstone, answer)) = next else { break };
            match answer {
                Ok(Outcome::Durable) => {}
                Ok(Outcome::Rejected(Reason::NotClaimed, detail)) => {
                    // Somebody else may hold it: begin again under a new epoch. What waits goes out under it first.
                    tracing::warn!(
                        account = self.account,
                        detail,
                        "the account is not ours any more; claiming it anew"
                    );
                    self.known.begin(&self.account, 0)?;
                    self.standing.send_replace(Standing::Unknown);
                    self.queue.settle(settled.unwrap_or_default()).await;
                    return Ok(End::Lost);
                }
                Ok(Outcome::Rejected(reason, detail)) => {
                    tracing::error!(key, ?reason, detail, "the aggregator does not take this record");
                    self.known.refused(&key, tombstone)?;
                }
                Err(_) => break,
            }
            settled = Some(number + 1);
        }
        self.queue.settle(settled.unwrap_or_default()).await;
        Ok(End::Over)
    }
}
