//! The writer: follows `driftline.events` and `driftline.inputs` into ClickHouse. Tables are idempotent by id and by order, so
//! records read twice are stored once; positions are committed only once the rows are confirmed.

mod batch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Consumer, Error as BusError, Log, Polled, Producer, Record, Start};
use driftline_model::record::{EVENTS, INPUTS};
use driftline_store::{Error as StoreError, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use batch::Batch;

use crate::outbox::dead_letter;

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
    let mut writer = Writer { config, store, producer, batch: Batch::default() };
    let outcome = writer.follow(consumer.as_mut(), &shutdown).await;
    let closed = consumer.close().await.map_err(Error::from);
    outcome.and(closed)
}

struct Writer {
    config: WriterConfig,
    store: Store,
    producer: Arc<dyn Producer>,
    batch: Batch,
}

impl Writer {
    async fn follow(&mut self, consumer: &mut dyn Consumer, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut due: Option<Instant> = None;
        loop {
            if self.batch.records >= self.config.batch_records || self.batch.bytes >= self.config.batch_bytes {
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
                    let limit = self.config.drain;
                    // What is not stored in time is read again at the next start.
                    return tokio::time::timeout(limit, self.store(consumer, shutdown)).await.unwrap_or(Ok(()));
                }
                () = wait => {
                    self.store(consumer, shutdown).await?;
                    due = None;
                }
                polled = consumer.poll() => match polled? {
                    Polled::Assigned(partitions) => {
                        for (topic, partition) in partitions {
                            consumer.start(&topic, partition, Start::Committed).await?;
                        }
                    }
                    // Another member reads them from what is committed.
                    Polled::Revoked(partitions) => self.batch.forget(&partitions),
                    Polled::Records(records) => {
                        for record in records {
                            self.take(&record).await?;
                        }
                        due.get_or_insert(Instant::now() + self.config.linger);
                    }
                },
            }
        }
    }

    async fn take(&mut self, record: &Record) -> Result<(), Error> {
        if let Err(reason) = self.batch.take(record) {
            tracing::warn!(topic = %record.topic, partition = record.partition, offset = record.offset, reason, "dead letter");
            self.producer.send(dead_letter(record, &reason)).await?.await?;
        }
        Ok(())
    }

    /// Inserts and commits. ClickHouse away is waited for; only what nobody can store is an error.
    async fn store(&mut self, consumer: &mut dyn Consumer, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.insert().await {
                Ok(()) => break,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "ClickHouse is away; trying again");
                    if shutdown.is_cancelled() {
                        return Ok(());
                    }
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shutdown.cancelled() => {}
                    }
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let positions: BTreeMap<(String, u32), i64> = self.batch.positions();
        self.batch = Batch::default();
        match consumer.commit(&positions).await {
            // Taken away meanwhile: the next owner stores these rows again, to no effect.
            Ok(()) | Err(BusError::Fenced(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn insert(&self) -> Result<(), StoreError> {
        self.store.insert_transitions(&self.batch.transitions()).await?;
        self.store.insert_snapshots(&self.batch.snapshots()).await?;
        self.store.insert_coverage(&self.batch.cycles()).await?;
        self.store.insert_accounts(&self.batch.accounts()).await?;
        self.store.insert_watermarks(&self.batch.watermarks()).await
    }
}
