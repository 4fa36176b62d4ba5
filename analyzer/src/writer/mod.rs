//! The writer: follows `driftline.events` and `driftline.inputs` into ClickHouse. Tables are idempotent by id and by order, so
//! records read twice are stored once; positions are committed only once the rows are confirmed.

mod batch;
mod insert;

use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Consumer, Error as BusError, Log, Polled, Producer, Start};
use driftline_model::record::{EVENTS, INPUTS};
use driftline_store::{Error as StoreError, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use batch::Batch;

use crate::outbox::{dead_letter, deliver};
use crate::patience::Pauses;

/// How the writer works.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// Consumer group.
    pub group: String,
    /// Most records in one insert.
    pub batch_records: usize,
    /// Most bytes of records in one insert; what the writer holds.
    pub batch_bytes: usize,
    /// Longest wait of a record for others to be inserted with.
    pub linger: Duration,
    /// How long a drain may take.
    pub drain: Duration,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            group: "driftline-writer".to_owned(),
            batch_records: 10_000,
            batch_bytes: 16 << 20,
            linger: Duration::from_millis(100),
            drain: Duration::from_secs(10),
        }
    }
}

/// Why a writer ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be used.
    #[error("log: {0}")]
    Log(#[from] BusError),
    /// ClickHouse refuses what a person has to mend: schema, rights, settings.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

/// Follows the topics until `shutdown`, then stores what it holds. While ClickHouse is away it waits and holds one batch.
pub async fn run(
    config: WriterConfig,
    log: Arc<dyn Log>,
    store: Store,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let producer = log.producer().await?;
    let mut consumer = log.consumer(&config.group, &[EVENTS, INPUTS]).await?;
    let mut writer = Writer { config, store, producer, batch: Batch::default(), shutdown };
    let outcome = writer.follow(consumer.as_mut()).await;
    let closed = consumer.close().await.map_err(Error::from);
    match outcome.and(closed) {
        // The log went first: what is not committed is read again.
        Err(Error::Log(BusError::Unavailable(_))) if writer.shutdown.is_cancelled() => Ok(()),
        outcome => outcome,
    }
}

struct Writer {
    config: WriterConfig,
    store: Store,
    producer: Arc<dyn Producer>,
    batch: Batch,
    shutdown: CancellationToken,
}

impl Writer {
    async fn follow(&mut self, consumer: &mut dyn Consumer) -> Result<(), Error> {
        let shutdown = self.shutdown.clone();
        let mut due: Option<Instant> = None;
        let mut pauses = Pauses::default();
        loop {
            if self.batch.records.len() >= self.config.batch_records || self.batch.bytes >= self.config.batch_bytes {
                due = Some(Instant::now());
            }
            let wait = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    // What is not stored in time is read again at the next start.
                    let stored = tokio::time::timeout(self.config.drain, self.store(consumer)).await;
                    return stored.unwrap_or(Ok(()));
                }
                () = wait => {
                    self.store(consumer).await?;
                    due = None;
                }
                polled = consumer.poll() => {
                    let Some(polled) = pauses.over(polled, &shutdown).await? else { continue };
                    pauses = Pauses::default();
                    if self.polled(polled, consumer).await? {
                        due.get_or_insert(Instant::now() + self.config.linger);
                    }
                }
            }
        }
    }

    /// Says whether there are records to store.
    async fn polled(&mut self, polled: Polled, consumer: &mut dyn Consumer) -> Result<bool, Error> {
        match polled {
            Polled::Assigned(partitions) => {
                for (topic, partition) in partitions {
                    match consumer.start(&topic, partition, Start::Committed).await {
                        // Another's already; its revocation is on the way.
                        Ok(()) | Err(BusError::Fenced(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(false)
            }
            // Another member reads them from what is committed.
            Polled::Revoked(partitions) => {
                self.batch.forget(&partitions);
                Ok(false)
            }
            Polled::Records(records) => {
                self.batch.take(records);
                Ok(true)
            }
        }
    }

    /// Inserts, then commits. A database that is away is waited for, with one batch in hand.
    async fn store(&mut self, consumer: &mut dyn Consumer) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        if batch.records.is_empty() {
            return Ok(());
        }
        let mut pauses = Pauses::default();
        let refused = loop {
            match self.insert(&batch).await {
                Ok(refused) => break refused,
                Err(error) if insert::away(&error) => {
                    // On shutdown nothing is committed, and all of it is read again.
                    if pauses.wait(error.to_string(), &self.shutdown).await.is_err() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        };
        let letters: Vec<_> = refused.iter().map(|(record, reason)| dead_letter(record, reason)).collect();
        for (record, reason) in &refused {
            let (topic, partition, offset) = (&*record.topic, record.partition, record.offset);
            tracing::warn!(topic, partition, offset, reason, "dead letter");
        }
        deliver(&self.producer, &letters, &self.shutdown).await?;
        match consumer.commit(&batch.positions()).await {
            Ok(()) => Ok(()),
            // Taken away meanwhile, or not now: whoever reads these again stores them to no effect.
            Err(BusError::Fenced(_) | BusError::Unavailable(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn insert<'a>(&self, batch: &'a Batch) -> Result<insert::Refused<'a>, StoreError> {
        let refused = insert::insert(&self.store, &batch.records).await?;
        self.store.insert_watermarks(&batch.watermarks()).await?;
        Ok(refused)
    }
}
