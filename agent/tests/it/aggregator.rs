//! An aggregator that a test plays, and an agent that reads a world held in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use driftline_agent::run::{Clock, Reached};
use driftline_agent::{LookedUp, Reader, Round, ScopeSeen};
use driftline_model::record::{AccountFacts, Cycle};
use driftline_model::{CoverageStatus, ResourceKey, Scope, Snapshot, Value};
use driftline_proto::v1::agent_message::Message as FromAgent;
use driftline_proto::v1::aggregator_message::Message as ToAgent;
use driftline_proto::v1::ingest_server::{Ingest, IngestServer};
use driftline_proto::v1::{self, AgentMessage, AggregatorMessage, Record};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::aws::ACCOUNT;

const LIMIT: Duration = Duration::from_secs(30);

type Answers = Pin<Box<dyn futures::Stream<Item = Result<AggregatorMessage, Status>> + Send>>;

struct Door(mpsc::Sender<Talk>);

#[tonic::async_trait]
impl Ingest for Door {
    type StreamStream = Answers;

    async fn stream(&self, request: Request<Streaming<AgentMessage>>) -> Result<Response<Answers>, Status> {
        let (answers, outgoing) = mpsc::channel(64);
        let _ = self.0.send(Talk { incoming: request.into_inner(), answers }).await;
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

/// One stream of the agent's; dropped, it is cut.
pub(crate) struct Talk {
    incoming: Streaming<AgentMessage>,
    answers: mpsc::Sender<Result<AggregatorMessage, Status>>,
}

impl Talk {
    /// The next message; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<FromAgent> {
        let next = tokio::time::timeout(LIMIT, self.incoming.message()).await.expect("a message in time");
        next.ok().flatten().and_then(|m| m.message)
    }

    pub(crate) async fn say(&self, message: ToAgent) {
        self.answers.send(Ok(AggregatorMessage { message: Some(message) })).await.unwrap();
    }

    /// Hello, welcome, claim: what the agent said. The account is its own under `epoch`.
    pub(crate) async fn greet(&mut self, window_bytes: u64, epoch: i64) -> (v1::Hello, v1::Claim) {
        let Some(FromAgent::Hello(hello)) = self.next().await else { panic!("no hello") };
        let welcome =
            v1::Welcome { max_batch_records: 1, window_bytes, heartbeat_seconds: 1, ..v1::Welcome::default() };
        self.say(ToAgent::Welcome(welcome)).await;
        let claim = self.claim().await;
        self.say(ToAgent::Claimed(v1::Claimed { account: ACCOUNT.to_owned(), epoch })).await;
        (hello, claim)
    }

    pub(crate) async fn claim(&mut self) -> v1::Claim {
        loop {
            match self.next().await {
                Some(FromAgent::Claim(claim)) => return claim,
                Some(FromAgent::Heartbeat(_)) => {}
                other => panic!("no claim but {other:?}"),
            }
        }
    }

    /// The next batch, by and by claimed again where a round begins; none at the stream's end.
    pub(crate) async fn batch(&mut self) -> Option<Vec<Record>> {
        loop {
            match self.next().await {
                Some(FromAgent::Batch(batch)) => return Some(batch.records),
                Some(FromAgent::Claim(claim)) => {
                    let claimed = v1::Claimed { account: ACCOUNT.to_owned(), epoch: claim.epoch };
                    self.say(ToAgent::Claimed(claimed)).await;
                }
                Some(FromAgent::Heartbeat(_)) => {}
                Some(FromAgent::Hello(_)) => panic!("a second hello"),
                None => return None,
            }
        }
    }

    /// What comes until the agent says twice in a row no more than that it lives.
    pub(crate) async fn all_there_is(&mut self) -> Vec<Record> {
        let (mut records, mut quiet) = (Vec::new(), 0);
        while quiet < 2 {
            match self.next().await {
                Some(FromAgent::Batch(batch)) => {
                    records.extend(batch.records);
                    quiet = 0;
                }
                Some(FromAgent::Heartbeat(_)) => quiet += 1,
                other => panic!("no record but {other:?}"),
            }
        }
        records
    }

    pub(crate) async fn acknowledge(&self, sequence: u64) {
        let reached =
            vec![v1::Reached { account: ACCOUNT.to_owned(), offset: 1000 + i64::try_from(sequence).unwrap() }];
        self.say(ToAgent::Acknowledged(v1::Acknowledged { sequence, reached })).await;
    }

    pub(crate) async fn reject(&self, sequence: u64, reason: v1::Reason) {
        let rejected = v1::Rejected { sequence, reason: reason.into(), detail: "played".to_owned() };
        self.say(ToAgent::Rejected(rejected)).await;
    }

    /// Takes records to the end of a round, each acknowledged, and gives them.
    pub(crate) async fn round(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            records.extend(self.batch().await.expect("the stream goes on"));
            self.acknowledge(records.last().unwrap().sequence).await;
            if records.last().unwrap().key.starts_with("c/") {
                return records;
            }
        }
    }
}

/// Keys without the account; a tombstone's with a minus.
pub(crate) fn keys(records: &[Record]) -> Vec<String> {
    let key = |r: &Record| r.key.replacen(&format!("/{ACCOUNT}"), "", 1).replace("/eu-west-1/aws_vpc", "");
    records.iter().map(|r| format!("{}{}", if r.tombstone { "-" } else { "" }, key(r))).collect()
}

pub(crate) fn cycle(records: &[Record]) -> Cycle {
    serde_json::from_slice(&records.last().unwrap().body).unwrap()
}

/// VPCs by id, each with one attribute.
#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) vpcs: Mutex<BTreeMap<String, String>>,
    pub(crate) denied: Mutex<bool>,
    /// What a look-up by id says; else nothing is known.
    pub(crate) by_id: Mutex<BTreeMap<String, LookedUp>>,
    /// How often it was read.
    pub(crate) rounds: watch::Sender<u64>,
}

impl Cloud {
    /// Until it was read so many times more.
    pub(crate) async fn read(&self, times: u64) {
        let mut rounds = self.rounds.subscribe();
        let wanted = *rounds.borrow() + times;
        let read = tokio::time::timeout(LIMIT, rounds.wait_for(|n| *n >= wanted)).await;
        read.expect("rounds in time").expect("the cloud lives");
    }
}

#[async_trait]
impl Reader for Cloud {
    fn accounts(&self) -> BTreeMap<String, AccountFacts> {
        BTreeMap::from([(ACCOUNT.to_owned(), AccountFacts { name: "one".into(), ..AccountFacts::default() })])
    }

    async fn round(&self, account: &str, reached: Reached, out: mpsc::Sender<ScopeSeen>) -> Round {
        let seen = {
            let vpcs = self.vpcs.lock().unwrap();
            let denied = *self.denied.lock().unwrap();
            let snapshot = |(id, value): (&String, &String)| Snapshot {
                key: ResourceKey::new(account, "eu-west-1", "aws_vpc", id),
                arn: None,
                revision: "r1".into(),
                attributes: BTreeMap::from([("cidr_block".to_owned(), Value::from(value.as_str()))]),
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
        self.rounds.send_modify(|n| *n += 1);
        let _ = out.send(seen).await;
        Round { catalogue: "c".into(), regions: vec!["eu-west-1".into()], types: vec!["aws_vpc".into()] }
    }

    async fn look_up(&self, _scope: &Scope, ids: &[String]) -> Vec<(String, LookedUp)> {
        let by_id = self.by_id.lock().unwrap();
        let unknown = || LookedUp::Unknown("denied".to_owned());
        ids.iter().map(|id| (id.clone(), by_id.get(id).cloned().unwrap_or_else(unknown))).collect()
    }
}

/// A world, an aggregator's door, and an agent between them.
pub(crate) struct Play {
    pub(crate) cloud: Arc<Cloud>,
    folder: tempfile::TempDir,
    address: String,
    talks: mpsc::Receiver<Talk>,
    agent: Option<(CancellationToken, JoinHandle<()>)>,
    pub(crate) spool_bytes: u64,
}

impl Play {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (door, talks) = mpsc::channel(8);
        let server = tonic::transport::Server::builder().add_service(IngestServer::new(Door(door)));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let mut play = Self {
            cloud: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            address,
            talks,
            agent: None,
            spool_bytes: 64 << 20,
        };
        play.start_agent();
        play
    }

    pub(crate) fn set(&self, vpcs: &[(&str, &str)]) {
        let all = vpcs.iter().map(|(id, cidr)| ((*id).to_owned(), (*cidr).to_owned()));
        *self.cloud.vpcs.lock().unwrap() = all.collect();
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    pub(crate) fn start_agent(&mut self) {
        let config = driftline_agent::Config {
            aggregator: self.address.clone(),
            name: "agent".into(),
            folder: self.store(),
            spool: self.spool(),
            spool_bytes: self.spool_bytes,
            interval: Duration::from_millis(20),
            parallel: 4,
            drain: Duration::from_secs(5),
            tls: None,
        };
        let stop = CancellationToken::new();
        let clock: Clock = Arc::new(|| 1_000);
        let (cloud, token): (Arc<dyn Reader>, _) = (self.cloud.clone(), stop.clone());
        let task = tokio::spawn(async move { driftline_agent::run(config, cloud, clock, token).await.unwrap() });
        self.agent = Some((stop, task));
    }

    /// Tells the agent to drain; its end.
    pub(crate) fn stop_agent(&mut self) -> JoinHandle<()> {
        let (stop, task) = self.agent.take().unwrap();
        stop.cancel();
        task
    }

    /// Ends the agent as a crash does; what it has said to nobody yet is forgotten here too.
    pub(crate) async fn kill_agent(&mut self) {
        let (_, task) = self.agent.take().unwrap();
        task.abort();
        let _ = task.await;
        while self.talks.try_recv().is_ok() {}
    }

    /// Lets the agent drain to its end.
    pub(crate) async fn end_agent(&mut self, mut talk: Talk) {
        let ended = self.stop_agent();
        while let Some(batch) = talk.batch().await {
            talk.acknowledge(batch.last().unwrap().sequence).await;
        }
        drop(talk);
        ended.await.unwrap();
    }

    /// The agent's next stream.
    pub(crate) async fn talk(&mut self) -> Talk {
        tokio::time::timeout(LIMIT, self.talks.recv()).await.expect("a connection in time").unwrap()
    }
}
