//! An aggregator on a free port and an agent that reads a world held in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftline_agent::prove;
use driftline_agent::run::{Clock, Reached};
use driftline_agent::{Reader, Round, ScopeSeen};
use driftline_aggregator::StsConfig;
use driftline_bus::{EmbeddedConfig, EmbeddedLog, Log, Record};
use driftline_identity::proof::Subject;
use driftline_identity::{ClientFiles, Gate};
use driftline_model::record::{AccountFacts, INPUTS};
use driftline_model::{CoverageStatus, ResourceKey, Scope, Snapshot, Value};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: &str = "111111111111";
const PARTITIONS: u32 = 3;

/// VPCs by id, each with one attribute; changed by tests between rounds.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) vpcs: Mutex<BTreeMap<String, Value>>,
    pub(crate) denied: Mutex<bool>,
    pub(crate) rounds: AtomicI64,
    /// What accounts are proven by, where the agent has no certificate.
    pub(crate) credentials: Mutex<Option<SharedCredentialsProvider>>,
}

#[async_trait]
impl Reader for World {
    fn accounts(&self) -> BTreeMap<String, AccountFacts> {
        BTreeMap::from([(ACCOUNT.to_owned(), AccountFacts { name: "one".into(), ..AccountFacts::default() })])
    }

    async fn round(&self, account: &str, reached: Reached, out: mpsc::Sender<ScopeSeen>) -> Round {
        let seen = {
            let vpcs = self.vpcs.lock().unwrap();
            let denied = *self.denied.lock().unwrap();
            let snapshot = |(id, value): (&String, &Value)| Snapshot {
                key: ResourceKey::new(account, "eu-west-1", "aws_vpc", id),
                arn: Some(format!("arn:aws:ec2:eu-west-1:{account}:vpc/{id}")),
                revision: "r1".into(),
                attributes: BTreeMap::from([("cidr_block".to_owned(), value.clone())]),
                unread: BTreeMap::new(),
                relations: BTreeMap::new(),
                owner: None,
            };
            ScopeSeen {
                scope: Scope { account: account.into(), region: "eu-west-1".into(), kind: "aws_vpc".into() },
                revision: "r1".into(),
                status: if denied { CoverageStatus::Denied } else { CoverageStatus::Complete },
                error: denied.then(|| "AccessDenied".to_owned()),
                began_ms: 1,
                after_offset: reached(),
                listed: !denied,
                ids: if denied { Vec::new() } else { vpcs.keys().cloned().collect() },
                snapshots: if denied { Vec::new() } else { vpcs.iter().map(snapshot).collect() },
                not_found: Vec::new(),
            }
        };
        out.send(seen).await.unwrap();
        self.rounds.fetch_add(1, Ordering::SeqCst);
        Round { catalogue: "c".into(), regions: vec!["eu-west-1".into()], types: vec!["aws_vpc".into()] }
    }

    async fn prove(&self, account: &str, challenge: &[u8]) -> Result<Vec<u8>, String> {
        let credentials = self.credentials.lock().unwrap().clone().ok_or("no credentials")?;
        let now = time::OffsetDateTime::now_utc().into();
        prove::by_credentials(&credentials, "eu-west-1", Subject { account, challenge }, now).await
    }
}

/// An agent that begins a round every 50 ms.
pub(crate) fn agent_config(aggregator: String, folder: &Path, tls: Option<ClientFiles>) -> driftline_agent::Config {
    driftline_agent::Config {
        aggregator,
        tls,
        name: "agent".into(),
        folder: folder.join("agent"),
        spool: folder.join("spool"),
        spool_bytes: 64 << 20,
        interval: Duration::from_millis(50),
        parallel: 4,
        drain: Duration::from_secs(2),
    }
}

pub(crate) struct Rig {
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) world: Arc<World>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: std::net::SocketAddr,
    gate: Option<Gate>,
    sts: StsConfig,
    aggregator: Option<(CancellationToken, JoinHandle<()>)>,
    agent: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::guarded(tempfile::tempdir().unwrap(), None).await
    }

    /// An aggregator that lets in by this gate.
    pub(crate) async fn guarded(folder: tempfile::TempDir, gate: Option<Gate>) -> Self {
        Self::asking(folder, gate, StsConfig::default()).await
    }

    /// One that asks there for proofs.
    pub(crate) async fn asking(folder: tempfile::TempDir, gate: Option<Gate>, sts: StsConfig) -> Self {
        let log = Arc::new(EmbeddedLog::open(EmbeddedConfig::new(folder.path().join("log"))).await.unwrap());
        log.ensure(&driftline_bus::topics(PARTITIONS)).await.unwrap();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut rig = Self { log, world: Arc::default(), folder, address, gate, sts, aggregator: None, agent: None };
        rig.start_aggregator().await;
        rig
    }

    pub(crate) async fn start_aggregator(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        let config = driftline_aggregator::Config {
            partitions: PARTITIONS,
            drain: Duration::from_secs(2),
            window_bytes: 64 << 10,
            max_record_bytes: 16 << 10,
            gate: self.gate.clone(),
            sts: self.sts.clone(),
            ..driftline_aggregator::Config::default()
        };
        let stop = CancellationToken::new();
        let (log, token): (Arc<dyn Log>, _) = (self.log.clone(), stop.clone());
        let task = tokio::spawn(async move { driftline_aggregator::run(config, listener, log, token).await.unwrap() });
        self.aggregator = Some((stop, task));
    }

    pub(crate) async fn stop_aggregator(&mut self) {
        let (stop, task) = self.aggregator.take().unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    pub(crate) fn start_agent(&mut self) {
        self.start_agent_as(None);
    }

    pub(crate) fn start_agent_as(&mut self, tls: Option<ClientFiles>) {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let config = agent_config(format!("{scheme}://{}", self.address), self.folder.path(), tls);
        let stop = CancellationToken::new();
        let clock: Clock = Arc::new(|| 1_000);
        let (world, token): (Arc<dyn Reader>, _) = (self.world.clone(), stop.clone());
        let task = tokio::spawn(async move { driftline_agent::run(config, world, clock, token).await.unwrap() });
        self.agent = Some((stop, task));
    }

    pub(crate) async fn stop_agent(&mut self) {
        let (stop, task) = self.agent.take().unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    pub(crate) fn set(&self, vpcs: &[(&str, &str)]) {
        let all = vpcs.iter().map(|(id, cidr)| ((*id).to_owned(), Value::from(*cidr)));
        *self.world.vpcs.lock().unwrap() = all.collect();
    }

    /// Every record of the account's partition, in order.
    pub(crate) async fn records(&self) -> Vec<Record> {
        let partition = driftline_model::record::partition(ACCOUNT, PARTITIONS);
        let records = self.log.read(INPUTS, partition).await.unwrap();
        records.map(Result::unwrap).collect().await
    }

    /// Keys with a tombstone's mark, without the records of cycles, sessions and facts.
    pub(crate) async fn observations(&self) -> Vec<String> {
        let records = self.records().await.into_iter();
        let all = records.map(|r| (String::from_utf8(r.key).unwrap(), r.value.is_some()));
        let wanted = all.filter(|(key, _)| key.starts_with("s/") || key.starts_with("m/"));
        wanted.map(|(key, there)| format!("{}{key}", if there { "" } else { "-" })).collect()
    }

    /// Waits until that many records of cycles are in the log.
    pub(crate) async fn cycles(&self, wanted: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let records = self.records().await;
            if records.iter().filter(|r| r.key.starts_with(b"c/")).count() >= wanted {
                return;
            }
            assert!(Instant::now() < end, "only {} records", records.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn cycles_now(&self) -> usize {
        self.records().await.iter().filter(|r| r.key.starts_with(b"c/")).count()
    }
}
