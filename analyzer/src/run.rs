//! The analyzer as a process: a member of the group on `driftline.inputs`, one worker per partition, at most one batch
//! of each under way, what waits bounded by pausing its partition.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Consumer, Error as BusError, Log, Polled, Record, Start};
use driftline_model::record::INPUTS;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::judge::Judge;
use crate::patience::Pauses;
use crate::rebuild::Phase;
use crate::state::StateError;
use crate::status::Status;
use crate::step::Cause;
use crate::store::{Folder, Position};
use crate::worker::{Shared, Worker, nowhere};

/// Limits and times of an analyzer.
#[derive(Debug, Clone)]
pub struct AnalyzerConfig {
    /// Consumer group; one for all analyzers of an installation.
    pub group: String,
    /// Partitions of the topics; all clients must agree.
    pub partitions: u32,
    /// Folder of the state; one per process.
    pub state: PathBuf,
    /// Memory for blocks of the state, bytes.
    pub cache_bytes: u64,
    /// Records of one partition judged and written at once.
    pub batch_records: usize,
    /// Bytes of one partition judged and written at once.
    pub batch_bytes: usize,
    /// Bytes of one partition that may wait; above, it is paused.
    pub waiting_bytes: usize,
    /// How often the group's offsets are committed and the status is told.
    pub commit_every: Duration,
    /// `delete.retention.ms` of the topics: a state older than this may have missed tombstones.
    pub retention: Duration,
    /// `min.compaction.lag.ms` of the topics: what is younger is there in full.
    pub compaction_lag: Duration,
    /// How long a shutdown or a revocation waits for batches under way.
    pub drain: Duration,
    /// The clock, milliseconds since 1970 UTC: for the age of a state alone.
    pub now: fn() -> i64,
    /// Where the status is told.
    pub status: watch::Sender<Status>,
}

impl Default for AnalyzerConfig {
    fn default() -> Self {
        Self {
            group: "driftline-analyzer".to_owned(),
            partitions: 12,
            state: PathBuf::from("analyzer"),
            cache_bytes: 32 << 20,
            batch_records: 500,
            batch_bytes: 1 << 20,
            waiting_bytes: 2 << 20,
            commit_every: Duration::from_secs(1),
            retention: Duration::from_hours(24),
            compaction_lag: Duration::from_hours(7 * 24),
            drain: Duration::from_secs(10),
            now: clock,
            status: watch::Sender::new(Status::new()),
        }
    }
}

fn clock() -> i64 {
    i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Why an analyzer ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be used.
    #[error("log: {0}")]
    Log(#[from] BusError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A defect.
    #[error("a worker panicked: {0}")]
    Panicked(String),
}

/// Follows `driftline.inputs` until `shutdown`, then lets what is under way come to its end, within
/// [`AnalyzerConfig::drain`].
pub async fn run(
    config: AnalyzerConfig,
    log: Arc<dyn Log>,
    judge: Arc<dyn Judge>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let (path, cache) = (config.state.clone(), config.cache_bytes);
    let opened = tokio::task::spawn_blocking(move || Folder::open(&path, cache)).await;
    let folder = opened.map_err(|e| Error::Panicked(e.to_string()))??;
    let shared = Shared {
        producer: log.producer().await?,
        log: Arc::clone(&log),
        judge,
        partitions: config.partitions,
        compaction_lag: config.compaction_lag,
        now: config.now,
    };
    let consumer = log.consumer(&config.group, &[INPUTS]).await?;
    let shared = Arc::new(shared);
    let mut runner = Runner {
        config,
        shared,
        folder,
        consumer,
        owned: BTreeMap::new(),
        busy: JoinSet::new(),
        dirty: BTreeMap::new(),
        asked: 0,
        shutdown,
    };
    let outcome = runner.follow().await;
    let drained = runner.drain().await;
    let ending = runner.shutdown.is_cancelled();
    let closed = runner.consumer.close().await.map_err(Error::from);
    match outcome.and(drained).and(closed) {
        // The log went first: what is not committed is read again.
        Err(Error::Log(BusError::Unavailable(_))) if ending => Ok(()),
        outcome => outcome,
    }
}

/// One partition that is ours.
struct Owned {
    /// `None` while a batch is under way.
    worker: Option<Box<Worker>>,
    cancel: CancellationToken,
    waiting: VecDeque<Record>,
    bytes: usize,
    paused: bool,
}

type Returned = (u32, Result<Box<Worker>, Error>);

struct Runner {
    config: AnalyzerConfig,
    shared: Arc<Shared>,
    folder: Folder,
    consumer: Box<dyn Consumer>,
    owned: BTreeMap<u32, Owned>,
    busy: JoinSet<Returned>,
    dirty: BTreeMap<(String, u32), i64>,
    /// The partition whose end was asked for last.
    asked: u32,
    shutdown: CancellationToken,
}

fn weight(record: &Record) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + 64
}

impl Runner {
    async fn follow(&mut self) -> Result<(), Error> {
        let shutdown = self.shutdown.clone();
        let mut tick = tokio::time::interval(self.config.commit_every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(returned) = self.busy.join_next() => self.returned(returned).await?,
                _ = tick.tick() => self.tick().await?,
                polled = self.consumer.poll() => match polled {
                    Ok(polled) => self.polled(polled).await?,
                    Err(BusError::Unavailable(reason)) => {
                        tracing::warn!(reason, "the log gives nothing now");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    Err(other) => return Err(other.into()),
                },
            }
        }
    }

    async fn polled(&mut self, polled: Polled) -> Result<(), Error> {
        match polled {
            Polled::Assigned(partitions) => {
                for (_, partition) in partitions {
                    self.assign(partition).await?;
                }
            }
            Polled::Revoked(partitions) => {
                let partitions: Vec<u32> = partitions.into_iter().map(|(_, p)| p).collect();
                self.let_go(&partitions).await?;
            }
            Polled::Records(records) => {
                for record in records {
                    let Some(owned) = self.owned.get_mut(&record.partition) else { continue };
                    owned.bytes += weight(&record);
                    owned.waiting.push_back(record);
                }
                let partitions: Vec<u32> = self.owned.keys().copied().collect();
                for partition in partitions {
                    self.dispatch(partition).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes a partition: goes on where its state is, or begins to rebuild it.
    async fn assign(&mut self, partition: u32) -> Result<(), Error> {
        let mut pauses = Pauses::default();
        let (begin, end) = loop {
            let answer = self.consumer.bounds(INPUTS, partition).await;
            if let Some(bounds) = pauses.over(answer, &self.shutdown).await? {
                break bounds;
            }
        };
        let committed = loop {
            let answer = self.shared.log.committed(&self.config.group, INPUTS).await;
            if let Some(committed) = pauses.over(answer, &self.shutdown).await? {
                break committed.get(&partition).copied();
            }
        };
        let folder = self.folder.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let disk = folder.partition(partition)?;
            disk.position().map(|position| (disk, position))
        });
        let (disk, position) = opened.await.map_err(|e| Error::Panicked(e.to_string()))??;
        let usable = position.filter(|p| self.usable(p, begin, end));
        let judge = self.shared.judge.revision().to_owned();
        let (position, phase) = match usable {
            Some(position) if position.judge == judge => (position, Phase::Live),
            Some(position) => {
                let (offset, at_ms) = (position.next - 1, position.at_ms);
                let cause = Cause { text: format!("o{offset}+{judge}"), offset, at_ms };
                (Position { judge, ..position }, Phase::Compare { cause })
            }
            None => (nowhere(judge), Phase::Lost { committed: committed.unwrap_or(0), end }),
        };
        let start = if matches!(phase, Phase::Lost { .. }) { Start::Beginning } else { Start::Offset(position.next) };
        tracing::info!(partition, ?start, "partition taken");
        let worker = Box::new(Worker::new(Arc::clone(&self.shared), partition, disk, position, phase));
        let cancel = worker.cancel.clone();
        self.owned.insert(partition, Owned { worker: None, cancel, waiting: VecDeque::new(), bytes: 0, paused: false });
        self.busy.spawn(async move { (partition, worker.take(Vec::new()).await) });
        let started = self.consumer.start(INPUTS, partition, start).await;
        self.unless_lost(partition, started)
    }

    /// A partition that turns out to be another's is let go; its revocation is on the way.
    fn unless_lost(&mut self, partition: u32, outcome: Result<(), BusError>) -> Result<(), Error> {
        match outcome {
            Err(BusError::Fenced(_)) => {
                if let Some(owned) = self.owned.remove(&partition) {
                    owned.cancel.cancel();
                }
                Ok(())
            }
            outcome => outcome.map_err(Error::from),
        }
    }

    fn usable(&self, position: &Position, begin: i64, end: i64) -> bool {
        let age = (self.config.now)().saturating_sub(position.saved_ms);
        let fresh = u128::try_from(age).is_ok_and(|age| age < self.config.retention.as_millis());
        position.until.is_none() && (begin..=end).contains(&position.next) && fresh
    }

    /// Starts the next batch of a partition, and pauses or resumes it by what waits.
    async fn dispatch(&mut self, partition: u32) -> Result<(), Error> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        if !owned.waiting.is_empty()
            && let Some(worker) = owned.worker.take()
        {
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < self.config.batch_records && (batch.is_empty() || bytes < self.config.batch_bytes) {
                let Some(record) = owned.waiting.pop_front() else { break };
                bytes += weight(&record);
                batch.push(record);
            }
            owned.bytes = owned.bytes.saturating_sub(bytes);
            self.busy.spawn(async move { (partition, worker.take(batch).await) });
        }
        let limit = self.config.waiting_bytes;
        if owned.paused != (owned.bytes > if owned.paused { limit / 2 } else { limit }) {
            owned.paused = !owned.paused;
            let paused = self.consumer.pause(INPUTS, partition, owned.paused).await;
            return self.unless_lost(partition, paused);
        }
        Ok(())
    }

    async fn returned(&mut self, joined: Result<Returned, tokio::task::JoinError>) -> Result<(), Error> {
        let (partition, outcome) = match joined {
            Ok(returned) => returned,
            Err(error) if error.is_cancelled() => return Ok(()),
            Err(error) => return Err(Error::Panicked(error.to_string())),
        };
        let worker = match outcome {
            Ok(worker) => worker,
            Err(Error::Log(error @ BusError::Fenced(_))) => return self.unless_lost(partition, Err(error)),
            // It was let go while the log was away.
            Err(Error::Log(BusError::Unavailable(_))) if !self.owned.contains_key(&partition) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        if worker.phase == Phase::Live {
            self.dirty.insert((INPUTS.to_owned(), partition), worker.position.next);
        }
        self.config.status.send_modify(|status| {
            let end = status.get(&partition).map_or(0, |s| s.end).max(worker.status.next);
            status.insert(partition, crate::status::PartitionStatus { end, ..worker.status.clone() });
        });
        owned.worker = Some(worker);
        self.dispatch(partition).await
    }

    async fn tick(&mut self) -> Result<(), Error> {
        self.commit().await?;
        // One partition at a time: where the log is slow, this must not hold up the others' records.
        let next = self.owned.range(self.asked + 1..).chain(self.owned.iter()).next().map(|(p, _)| *p);
        let Some(partition) = next else { return Ok(()) };
        self.asked = partition;
        let end = match self.consumer.bounds(INPUTS, partition).await {
            Ok((_, end)) => end,
            Err(BusError::Unavailable(_) | BusError::Fenced(_)) => return Ok(()),
            Err(other) => return Err(other.into()),
        };
        self.config.status.send_if_modified(|status| {
            let entry = status.entry(partition).or_default();
            std::mem::replace(&mut entry.end, end) != end
        });
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
        let old = i64::try_from(self.config.retention.as_millis() / 8).unwrap_or(i64::MAX);
        let now = self.config.now;
        let idle = |w: &mut Box<Worker>| w.position.next >= end && now().saturating_sub(w.position.saved_ms) > old;
        if let Some(worker) = owned.worker.take_if(idle) {
            self.busy.spawn(async move { (partition, worker.touch().await) });
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Error> {
        if self.dirty.is_empty() {
            return Ok(());
        }
        match self.consumer.commit(&self.dirty).await {
            Ok(()) => self.dirty.clear(),
            Err(BusError::Unavailable(reason)) => tracing::warn!(reason, "offsets are not committed now"),
            Err(BusError::Fenced(partition)) => self.dirty.retain(|(_, p), _| *p != partition),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Lets partitions go: what is under way comes to its end, what waits is forgotten, what is done is committed.
    async fn let_go(&mut self, partitions: &[u32]) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + self.config.drain;
        for partition in partitions {
            if let Some(owned) = self.owned.get_mut(partition) {
                owned.waiting.clear();
                owned.bytes = 0;
            }
        }
        let under_way =
            |runner: &Self| partitions.iter().any(|p| runner.owned.get(p).is_some_and(|o| o.worker.is_none()));
        while under_way(self) {
            match tokio::time::timeout_at(deadline, self.busy.join_next()).await {
                Ok(Some(returned)) => self.returned(returned).await?,
                Ok(None) | Err(_) => break,
            }
        }
        for partition in partitions {
            if let Some(owned) = self.owned.remove(partition) {
                owned.cancel.cancel();
                tracing::info!(partition, "partition let go");
            }
        }
        self.config.status.send_modify(|status| status.retain(|p, _| !partitions.contains(p)));
        self.commit().await?;
        self.dirty.retain(|(_, p), _| !partitions.contains(p));
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), Error> {
        let partitions: Vec<u32> = self.owned.keys().copied().collect();
        let outcome = self.let_go(&partitions).await;
        self.busy.shutdown().await;
        outcome
    }
}
