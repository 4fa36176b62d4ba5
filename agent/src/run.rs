//! The agent's life: claim each account, read it in rounds, send what changed, close the round with its cycle record.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use driftline_identity::ClientFiles;
use driftline_model::record::{AccountFacts, Cycle, InputKey, Listing};
use driftline_model::{CoverageStatus, Scope};
use driftline_proto::v1::{Reason, Record};
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::delta::{self, Entry, Remember};
use crate::known::{self, Known};
use crate::link::{self, Link, Outcome};
use crate::seen::{LookedUp, ScopeSeen};

/// Most ids of a scope and round that are looked up: of more that is gone at once, the next listing is the second proof.
const LOOK_UPS: usize = 100;

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
    /// Certificate, key and CA; needed for `https`.
    pub tls: Option<ClientFiles>,
    /// The agent's name.
    pub name: String,
    /// Folder of its own for what was acknowledged.
    pub folder: PathBuf,
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
    /// Its link.
    #[error(transparent)]
    Link(#[from] link::Error),
}

struct Shared {
    config: Config,
    reader: Arc<dyn Reader>,
    known: Known,
    link: Link,
    clock: Clock,
    slots: Semaphore,
    shutdown: CancellationToken,
}

/// Reads and sends until `shutdown`; then the rounds under way end, and what was sent is acknowledged within the limit.
pub async fn run(
    config: Config,
    reader: Arc<dyn Reader>,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let known = Known::open(&config.folder)?;
    let session = known.session(|| format!("{:032x}", rand::random::<u128>()))?;
    let accounts = reader.accounts();
    let link_config = link::Config {
        aggregator: config.aggregator.clone(),
        tls: config.tls.clone(),
        agent: config.name.clone(),
        session,
        accounts: accounts.keys().cloned().collect(),
        max_backoff: Duration::from_secs(10),
        drain: config.drain,
    };
    let stop_link = CancellationToken::new();
    let (link, task) = Link::start(link_config, stop_link.clone())?;
    let link_task = tokio::spawn(task);
    let slots = Semaphore::new(config.parallel.max(1));
    let shared = Arc::new(Shared { config, reader, known, link, clock, slots, shutdown });
    let mut tasks = JoinSet::new();
    for (account, facts) in accounts {
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            if let Err(error) = life(&shared, &account, &facts).await {
                tracing::error!(account, %error, "account ended");
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    stop_link.cancel();
    let _ = link_task.await; // a panic there is logged by the runtime; the store is whole either way
    shared.known.persist()?;
    Ok(())
}

/// One account, until shutdown. An account that the aggregator refuses is asked for again each round.
async fn life(shared: &Shared, account: &str, facts: &AccountFacts) -> Result<(), Error> {
    while !shared.shutdown.is_cancelled() {
        let began = tokio::time::Instant::now();
        let round = async {
            let slot = shared.slots.acquire().await;
            let outcome = Account::claim(shared, account).await?.round(facts).await;
            drop(slot);
            outcome
        };
        tokio::select! {
            outcome = round => match outcome {
                Ok(()) => {}
                Err(Error::Link(link::Error::Refused { account, detail })) => {
                    tracing::warn!(account, detail, "account refused; asking again at the next round");
                }
                Err(error) => return Err(error),
            },
            () = shared.shutdown.cancelled() => return Ok(()),
        }
        // Accounts spread over the interval instead of all beginning at once.
        let pause = shared.config.interval.saturating_sub(began.elapsed()).mul_f64(rand::random_range(0.9..1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.shutdown.cancelled() => {}
        }
    }
    Ok(())
}

struct Account<'a> {
    shared: &'a Shared,
    account: &'a str,
    epoch: i64,
    numbers: std::ops::Range<u64>,
}

type Answer = futures::future::BoxFuture<'static, (Entry, Option<Outcome>)>;

impl<'a> Account<'a> {
    /// Claims the account under the epoch it is held under; the first time, under a new one with a full send.
    async fn claim(shared: &'a Shared, account: &'a str) -> Result<Self, Error> {
        let held = shared.known.held(account)?;
        let epoch = shared.link.claim(account, held.epoch).await?;
        if epoch != held.epoch {
            shared.known.begin(account, epoch)?;
        }
        Ok(Self { shared, account, epoch, numbers: 0..0 })
    }

    async fn round(&mut self, facts: &AccountFacts) -> Result<(), Error> {
        let began_ms = (self.shared.clock)();
        self.facts(facts).await?;
        let (out, mut scopes) = mpsc::channel(8);
        let reader = Arc::clone(&self.shared.reader);
        let (link, account) = (self.shared.link.clone(), self.account.to_owned());
        let at_start = link.reached(&account);
        let asked = account.clone();
        let reached: Reached = Arc::new(move || link.reached(&asked));
        let reading = async move { reader.round(&account, reached, out).await };
        let mut listings = Vec::new();
        let sending = async {
            while let Some(seen) = scopes.recv().await {
                listings.extend(self.scope(seen).await?);
            }
            Ok::<_, Error>(())
        };
        let (round, sent) = tokio::join!(reading, sending);
        sent?;
        self.shared.known.persist()?;
        let cycle = Cycle {
            catalogue: round.catalogue,
            regions: round.regions,
            types: round.types,
            listings,
            began_ms,
            ended_ms: (self.shared.clock)(),
            after_offset: at_start,
        };
        self.send(vec![delta::plain(&InputKey::Cycle(self.account.to_owned()), &cycle, Remember::Nothing)]).await
    }

    async fn facts(&mut self, facts: &AccountFacts) -> Result<(), Error> {
        let key = InputKey::Account(self.account.to_owned());
        let entry = delta::plain(&key, facts, Remember::Other);
        if self.shared.known.other(&entry.key)?.as_deref() == Some(&entry.hash) {
            return Ok(());
        }
        self.send(vec![entry]).await
    }

    /// Sends what changed in a scope; its line in the cycle, unless it was complete and empty.
    async fn scope(&mut self, mut seen: ScopeSeen) -> Result<Option<Listing>, Error> {
        debug_assert!(seen.scope.account == self.account, "a reader stays within its account");
        let gone = delta::left_out(&seen, &self.shared.known)?;
        if !gone.is_empty() {
            let asked = &gone[..gone.len().min(LOOK_UPS)];
            for (id, answer) in self.shared.reader.look_up(&seen.scope, asked).await {
                seen.looked_up(id, &answer);
            }
        }
        self.send(delta::plan(&seen, &gone, &self.shared.known)?).await?;
        let quiet = seen.status == CoverageStatus::Complete && seen.ids.is_empty() && seen.not_found.is_empty();
        Ok(if quiet { None } else { Some(delta::listing(&seen, &self.shared.known)?) })
    }

    /// Publishes in order and waits for every answer; what is durable is remembered.
    async fn send(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut answers: FuturesOrdered<Answer> = FuturesOrdered::new();
        for entry in entries {
            let record = self.record(&entry)?;
            let answer = self.shared.link.publish(record).await?;
            answers.push_back(Box::pin(async move { (entry, answer.await.ok()) }));
            // Answers that are there already need not be kept.
            while let Some(Some((entry, outcome))) = futures::FutureExt::now_or_never(answers.next()) {
                self.remember(&entry, outcome)?;
            }
        }
        while let Some((entry, outcome)) = answers.next().await {
            self.remember(&entry, outcome)?;
        }
        Ok(())
    }

    fn record(&mut self, entry: &Entry) -> Result<Record, Error> {
        if self.numbers.is_empty() {
            self.numbers = self.shared.known.reserve(self.account)?;
        }
        let number = self.numbers.next().unwrap_or_default();
        Ok(Record {
            sequence: 0,
            key: entry.key.clone(),
            epoch: self.epoch,
            number,
            time_ms: (self.shared.clock)(),
            hash: entry.hash.clone().into(),
            tombstone: entry.body.is_none(),
            body: entry.body.clone().unwrap_or_default().into(),
            arn: entry.arn.clone(),
            version: 1,
        })
    }

    fn remember(&self, entry: &Entry, outcome: Option<Outcome>) -> Result<(), Error> {
        match outcome {
            None => return Err(link::Error::Ended.into()),
            Some(Outcome::Rejected(Reason::NotClaimed, detail)) => {
                // Somebody else may hold it: begin again under a new epoch.
                self.shared.known.begin(self.account, 0)?;
                return Err(link::Error::Refused { account: self.account.to_owned(), detail }.into());
            }
            Some(Outcome::Rejected(reason, detail)) => {
                tracing::error!(key = %entry.key, ?reason, detail, "the aggregator does not take this record");
                return Ok(());
            }
            Some(Outcome::Durable) => {}
        }
        let known = &self.shared.known;
        match &entry.remember {
            Remember::Snapshot => known.acknowledged(&entry.key, Some(&entry.hash))?,
            Remember::Gone => known.acknowledged(&entry.key, None)?,
            Remember::Manifest(scope, digest, parts) => known.manifest_acknowledged(scope, digest, *parts)?,
            Remember::Other => known.other_acknowledged(&entry.key, &entry.hash)?,
            Remember::Nothing => {}
        }
        Ok(())
    }
}
