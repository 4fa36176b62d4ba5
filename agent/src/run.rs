//! The agent's life: each account is read in rounds, and what waits of it is sent, side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use driftline_identity::ClientFiles;
use driftline_model::Scope;
use driftline_model::record::AccountFacts;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::known::{self, Known};
use crate::link::{self, Link};
use crate::prove::Prove;
use crate::seen::{LookedUp, ScopeSeen};
use crate::sender::{Sender, Standing};
use crate::spool::{Queue, Spool};

/// Milliseconds since 1970 UTC: clocks are passed in.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The account's highest acknowledged offset, asked when a listing begins.
pub type Reached = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What reads accounts: `collect` for real, a simulation in the load test.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// The accounts to read, with what is known of them.
    fn accounts(&self) -> BTreeMap<String, AccountFacts>;

    /// One round over an account; scopes go to `out` as they are complete. A scope that failed is sent with its error.
    async fn round(&self, account: &str, reached: Reached, out: mpsc::Sender<ScopeSeen>) -> Round;

    /// Looks ids of a scope up that its listing left out; those of the answer were asked for. A reader that can't asks for none.
    async fn look_up(&self, _scope: &Scope, _ids: &[String]) -> Vec<(String, LookedUp)> {
        Vec::new()
    }

    /// Proves over a challenge who the agent is in an account, for an agent without a certificate ([`crate::prove`]).
    async fn prove(&self, account: &str, _challenge: &[u8]) -> Result<Vec<u8>, String> {
        Err(format!("nothing is known to prove account {account} by: give the agent a certificate"))
    }
}

/// What a round covered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Revision of the whole catalogue.
    pub catalogue: String,
    /// Regions that were read, `global` included.
    pub regions: Vec<String>,
    /// Types that were read.
    pub types: Vec<String>,
}

/// How the agent works.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the aggregator is: `https://host:port`, or `http://` on loopback.
    pub aggregator: String,
    /// Certificate, key and CA; needed for `https`. Without a certificate, accounts are proven by [`Reader::prove`].
    pub tls: Option<ClientFiles>,
    /// The agent's name.
    pub name: String,
    /// Folder of its own for what was sent.
    pub folder: PathBuf,
    /// Folder of its own for what waits to be sent.
    pub spool: PathBuf,
    /// How many bytes may wait there, over all accounts; then nothing is read until some were sent. Beside them each account
    /// keeps at most 32 KB of what was sent.
    pub spool_bytes: u64,
    /// From the beginning of a round to that of the next.
    pub interval: Duration,
    /// Accounts read at the same time.
    pub parallel: usize,
    /// How long a drain may take.
    pub drain: Duration,
}

/// Why an agent ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its store.
    #[error(transparent)]
    Known(#[from] known::Error),
    /// Its spool can't be read.
    #[error("the agent's spool: {0}")]
    Spool(#[from] std::io::Error),
    /// Its link.
    #[error(transparent)]
    Link(#[from] link::Error),
}

pub(crate) struct Shared {
    config: Config,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) known: Known,
    pub(crate) link: Link,
    pub(crate) clock: Clock,
    slots: Semaphore,
    shutdown: CancellationToken,
}

/// Reads and sends until `shutdown`; then what was sent is acknowledged within the limit. What can't be sent waits in the
/// spool, also for the next start.
pub async fn run(
    config: Config,
    reader: Arc<dyn Reader>,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let known = Known::open(&config.folder)?;
    let spool = Spool::new(config.spool.clone(), config.spool_bytes);
    let session = known.session(|| format!("{:032x}", rand::random::<u128>()))?;
    let accounts = reader.accounts();
    let link_config = link::Config {
        aggregator: config.aggregator.clone(),
        tls: config.tls.clone(),
        prove: config.tls.as_ref().filter(|tls| tls.own.is_none()).map(|_| prover(&reader)),
        agent: config.name.clone(),
        session,
        accounts: accounts.keys().cloned().collect(),
        max_backoff: Duration::from_secs(10),
        drain: config.drain,
        load: spool.load(),
    };
    let stop_link = CancellationToken::new();
    let (link, task) = Link::start(link_config, stop_link.clone())?;
    let link_task = tokio::spawn(task);
    let slots = Semaphore::new(config.parallel.max(1));
    let shutdown = shutdown.child_token();
    let shared = Arc::new(Shared { config, reader, known, link, clock, slots, shutdown });
    let (mut lives, mut senders) = (JoinSet::new(), JoinSet::new());
    for (account, facts) in accounts {
        let (queue, standing) = open(&shared.known, &spool, &account)?;
        let (standing, stands) = watch::channel(standing);
        let sender = Sender {
            account: account.clone(),
            known: shared.known.clone(),
            link: shared.link.clone(),
            queue: Arc::clone(&queue),
            standing,
            again: shared.config.interval,
            shutdown: shared.shutdown.clone(),
        };
        senders.spawn(or_end(sender.run(), shared.shutdown.clone()));
        let shared = Arc::clone(&shared);
        let stop = shared.shutdown.clone();
        lives.spawn(or_end(async move { life(&shared, &account, &facts, queue, stands).await }, stop));
    }
    let mut outcome = Ok(());
    while let Some(Ok(ended)) = lives.join_next().await {
        outcome = outcome.and(ended);
    }
    stop_link.cancel();
    while let Some(Ok(ended)) = senders.join_next().await {
        outcome = outcome.and(ended);
    }
    let _ = link_task.await; // a panic there is logged by the runtime; the store is whole either way
    shared.known.persist()?;
    outcome
}

/// For the link: proofs by the reader.
fn prover(reader: &Arc<dyn Reader>) -> Prove {
    let reader = Arc::clone(reader);
    Arc::new(move |account, challenge| {
        let reader = Arc::clone(&reader);
        Box::pin(async move { reader.prove(&account, &challenge).await })
    })
}

/// Who can't go on ends the agent: nothing is left unread in silence.
async fn or_end(task: impl Future<Output = Result<(), Error>>, shutdown: CancellationToken) -> Result<(), Error> {
    let outcome = task.await;
    if let Err(error) = &outcome {
        tracing::error!(%error, "the agent ends");
        shutdown.cancel();
    }
    outcome
}

/// Opens an account's queue. Where it has lost something that counts as sent, all is sent again under a new epoch.
fn open(known: &Known, spool: &Spool, account: &str) -> Result<(Arc<Queue>, Standing), Error> {
    let queue = spool.queue(account)?;
    let mut held = known.held(account)?;
    if held.number > queue.next() || queue.holes() {
        tracing::error!(account, "the spool has lost records of this account: everything is sent again");
        known.begin(account, 0)?;
        known.stored(account, queue.next())?;
        held.epoch = 0;
    }
    Ok((queue, if held.epoch == 0 { Standing::Unknown } else { Standing::Held(held.epoch) }))
}

/// Reads one account in rounds, until shutdown. It begins once the aggregator has said under which epoch, and pauses while
/// the account is refused.
async fn life(
    shared: &Shared,
    account: &str,
    facts: &AccountFacts,
    queue: Arc<Queue>,
    mut standing: watch::Receiver<Standing>,
) -> Result<(), Error> {
    let rounds = async {
        while standing.wait_for(|s| matches!(s, Standing::Held(_))).await.is_ok() {
            let began = tokio::time::Instant::now();
            {
                let _slot = shared.slots.acquire().await;
                Account::new(shared, account, &queue, standing.clone()).round(facts).await?;
            }
            // Accounts spread over the interval instead of all beginning at once.
            let pause = shared.config.interval.saturating_sub(began.elapsed()).mul_f64(rand::random_range(0.9..1.0));
            tokio::time::sleep(pause).await;
        }
        Ok(())
    };
    shared.shutdown.run_until_cancelled(rounds).await.unwrap_or(Ok(()))
}
