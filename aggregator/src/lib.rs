//! The aggregator: takes records from agents' streams, checks them without decoding their bodies, publishes them to
//! `driftline.inputs` and acknowledges what is durable there. Stateless: many may stand behind a load balancer.

pub mod acks;
pub mod check;
mod listen;
mod prove;
mod service;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use driftline_bus::Log;
use driftline_identity::Gate;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use prove::StsConfig;

/// Limits and times of an aggregator. The defaults suit thousands of accounts on 256 MB.
#[derive(Debug, Clone)]
pub struct Config {
    /// Partitions of the topics; all clients must agree.
    pub partitions: u32,
    /// Unacknowledged bytes that one stream may have under way.
    pub window_bytes: u64,
    /// Unacknowledged bytes of all streams together: what the aggregator may hold in memory.
    pub held_bytes: usize,
    /// Limit of one record, bytes; below the topic's `max.message.bytes` with room for key and headers.
    pub max_record_bytes: u32,
    /// Records in one batch.
    pub max_batch_records: u32,
    /// A stream that says nothing for this long is cut.
    pub idle: Duration,
    /// How long a drain waits for agents to finish.
    pub drain: Duration,
    /// A stream that lives this long is asked to come again, so that agents spread over new aggregators.
    pub age: Duration,
    /// Who may speak for what. None: plaintext, and anyone for any account; on loopback only.
    pub gate: Option<Gate>,
    /// How STS is reached, where the gate takes proofs.
    pub sts: StsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: 12,
            window_bytes: 4 << 20,
            held_bytes: 96 << 20,
            max_record_bytes: 900 << 10,
            max_batch_records: 1000,
            idle: Duration::from_secs(90),
            drain: Duration::from_secs(10),
            age: Duration::from_secs(3600),
            gate: None,
            sts: StsConfig::default(),
        }
    }
}

/// Why an aggregator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log could not be opened.
    #[error("log: {0}")]
    Log(#[from] driftline_bus::Error),
    /// The listener can't be used.
    #[error("listening: {0}")]
    Listen(std::io::Error),
    /// The listener failed.
    #[error("serving agents: {0}")]
    Serve(#[from] tonic::transport::Error),
    /// Anyone on the network could speak for any account.
    #[error("agents without identity are served on loopback only, not on {0}: give certificates (`driftline certs`)")]
    Plaintext(std::net::SocketAddr),
    /// The protocol's descriptors are broken: a defect of the build.
    #[error("descriptors: {0}")]
    Descriptors(String),
}

/// Serves agents on `listener` until `shutdown`, then drains: agents are told, what was accepted is delivered, within
/// [`Config::drain`].
pub async fn run(
    config: Config,
    listener: TcpListener,
    log: Arc<dyn Log>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    if config.gate.is_none() {
        let address = listener.local_addr().map_err(Error::Listen)?;
        if !address.ip().is_loopback() {
            return Err(Error::Plaintext(address));
        }
        tracing::info!(%address, "agents are served in plaintext and without identity: loopback only");
    }
    let producer = log.producer().await?;
    let drain = config.drain;
    let ingest = service::Ingest::new(config, Arc::clone(&producer), shutdown.clone());
    service::serve(ingest, listener, shutdown).await?;
    producer.flush(drain).await?;
    Ok(())
}
