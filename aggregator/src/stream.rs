//! One agent's stream: hello, claims, records in; welcome, epochs, acknowledgements and rejections out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{Error as LogError, Outgoing};
use driftline_identity::proof::CHALLENGE;
use driftline_identity::{Gate, Peer};
use driftline_model::record::{self, InputKey, Session};
use driftline_proto::v1::agent_message::Message as FromAgent;
use driftline_proto::v1::aggregator_message::Message as ToAgent;
use driftline_proto::v1::{self, AggregatorMessage, Reason};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::{Status, Streaming};

use crate::acks::Acks;
use crate::check::check;
use crate::listen::Caller;
use crate::prove::{self, Judged, Proofs, Refusal};
use crate::service::Ingest;

type Answers = mpsc::Sender<Result<AggregatorMessage, Status>>;

/// Accounts that one agent process may speak for.
const MAX_ACCOUNTS: usize = 20_000;
/// Digits of an account id.
const ACCOUNT_ID: usize = 12;
/// Bytes of the version that an agent gives itself.
const MAX_VERSION: usize = 100;

/// A record whose delivery came in.
struct Delivered {
    sequence: u64,
    account: String,
    result: Result<i64, LogError>,
    _held: OwnedSemaphorePermit,
}

struct State {
    ingest: Ingest,
    /// By its certificate.
    peer: Option<Arc<Peer>>,
    /// Of who has no certificate, where there is a gate.
    proofs: Option<Proofs>,
    hello: v1::Hello,
    /// The accounts of the hello.
    named: HashSet<String>,
    claims: HashMap<String, i64>,
    /// Whether the agent's spool is full.
    full: bool,
    next: u64,
    acks: Acks,
    under_way: FuturesUnordered<BoxFuture<'static, Delivered>>,
}

/// Serves a stream to its end. An error becomes the stream's status: the agent reconnects and resends what was not
/// acknowledged.
pub(crate) async fn serve(
    ingest: Ingest,
    caller: Caller,
    mut incoming: Streaming<v1::AgentMessage>,
    answers: &Answers,
) -> Result<(), Status> {
    let mut hello = hello(&mut incoming).await?;
    let challenge: [u8; CHALLENGE] = rand::random();
    let peer = caller.peer;
    let config = Arc::clone(&ingest.config);
    let name = peer.as_ref().map_or(hello.agent.as_str(), |p| p.agent.as_str());
    tracing::info!(agent = %name, accounts = hello.accounts.len(), version = %hello.version, "agent connected");
    let welcome = v1::Welcome {
        version: env!("CARGO_PKG_VERSION").into(),
        max_record_bytes: config.max_record_bytes,
        max_batch_records: config.max_batch_records,
        window_bytes: config.window_bytes,
        challenge: challenge.to_vec().into(),
        heartbeat_seconds: u32::try_from(config.idle.as_secs() / 3).unwrap_or(30).max(1),
    };
    send(answers, ToAgent::Welcome(welcome)).await?;
    let shutdown = ingest.shutdown.clone();
    let proving = config.gate.clone().filter(|_| peer.is_none());
    let sts = Arc::clone(&ingest.sts);
    let mut state = State {
        ingest,
        proofs: proving.map(|gate| Proofs::new(sts, gate, caller.address, challenge)),
        peer,
        named: std::mem::take(&mut hello.accounts).into_iter().collect(),
        hello,
        claims: HashMap::new(),
        full: false,
        next: 1,
        acks: Acks::default(),
        under_way: FuturesUnordered::new(),
    };
    let (mut draining, mut open) = (false, true);
    let mut changes = config.gate.as_ref().map(Gate::changes);
    let age = tokio::time::sleep(config.age.mul_f64(rand::random_range(0.9..1.1))); // ± 10 %: not all at once
    tokio::pin!(age);
    while open || !state.acks.is_idle() {
        tokio::select! {
            biased;
            Some(delivered) = state.under_way.next(), if !state.under_way.is_empty() => {
                state.delivered(delivered)?;
                state.acknowledge(answers).await?;
            }
            () = changed(&mut changes) => state.recheck()?,
            () = async { tokio::select! { () = shutdown.cancelled() => {}, () = &mut age => {} } }, if !draining => {
                draining = true;
                let seconds = u32::try_from(config.drain.as_secs()).unwrap_or(u32::MAX);
                send(answers, ToAgent::Drain(v1::Drain { seconds })).await?;
            }
            judged = prove::next(&mut state.proofs) => state.judged(judged, answers).await?,
            message = tokio::time::timeout(config.idle, incoming.message()), if open && state.has_room() => {
                match message.map_err(|_| Status::deadline_exceeded("nothing heard for too long"))?? {
                    Some(v1::AgentMessage { message: Some(message) }) => state.take(message, answers).await?,
                    Some(_) => return Err(Status::invalid_argument("a message of an unknown kind")),
                    None => open = false,
                }
            }
        }
    }
    Ok(())
}

/// Waits until somebody should be judged again; for ever where nobody is judged.
async fn changed(changes: &mut Option<tokio::sync::watch::Receiver<u64>>) {
    let told = match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

async fn hello(incoming: &mut Streaming<v1::AgentMessage>) -> Result<v1::Hello, Status> {
    let first = tokio::time::timeout(Duration::from_secs(10), incoming.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 10 s"))??;
    let Some(v1::AgentMessage { message: Some(FromAgent::Hello(mut hello)) }) = first else {
        return Err(Status::invalid_argument("the first message must be a hello"));
    };
    let sane = |s: &str| !s.is_empty() && s.len() <= 200;
    if !sane(&hello.agent) || !sane(&hello.session) || hello.accounts.len() > MAX_ACCOUNTS {
        return Err(Status::invalid_argument(
            "a hello names agent and session (1-200 bytes) and at most 20000 accounts",
        ));
    }
    // It is kept as long as the stream: nothing in it may be of any length.
    hello.capabilities = Vec::new(); // none changes what is answered yet
    if hello.accounts.iter().any(|a| a.len() != ACCOUNT_ID) || hello.version.len() > MAX_VERSION {
        return Err(Status::invalid_argument(
            "a hello's accounts have 12 digits each, and its version at most 100 bytes",
        ));
    }
    Ok(hello)
}

async fn send(answers: &Answers, message: ToAgent) -> Result<(), Status> {
    let message = AggregatorMessage { message: Some(message) };
    answers.send(Ok(message)).await.map_err(|_| Status::cancelled("the agent went away"))
}

impl State {
    async fn take(&mut self, message: FromAgent, answers: &Answers) -> Result<(), Status> {
        match message {
            FromAgent::Hello(_) => Err(Status::invalid_argument("a second hello")),
            FromAgent::Heartbeat(beat) => {
                self.beat(&beat);
                Ok(())
            }
            FromAgent::Claim(claim) => self.claim(claim, answers).await,
            FromAgent::Batch(batch) => self.batch(batch, answers).await,
        }
    }

    /// Says once what an agent's disk says about it.
    fn beat(&mut self, beat: &v1::Heartbeat) {
        if beat.spool_full == self.full {
            return;
        }
        self.full = beat.spool_full;
        let (agent, bytes) = (&self.hello.agent, beat.spooled_bytes);
        if self.full {
            tracing::warn!(agent, bytes, "the agent's spool is full: it reads nothing until what waits there is taken");
        } else {
            tracing::info!(agent, bytes, "the agent's spool has room again");
        }
    }

    async fn claim(&mut self, claim: v1::Claim, answers: &Answers) -> Result<(), Status> {
        let v1::Claim { account, epoch, proof } = claim;
        let known = InputKey::decode(&format!("e/{account}"));
        let refuse = |reason, detail: &str| Refusal::new(reason, detail);
        let refusal = if known.is_none() {
            Some(refuse(Reason::Malformed, "an account id has 12 digits"))
        } else if !self.named.contains(&account) {
            Some(refuse(Reason::NotClaimed, "the hello did not name this account"))
        } else if self.may(&account) {
            None
        } else if let Some(proofs) = &mut self.proofs {
            match proofs.begin(&account, epoch, &proof) {
                Ok(()) => return Ok(()),
                Err(refusal) => Some(refusal),
            }
        } else {
            Some(refuse(Reason::Forbidden, "no grant lets this agent speak for the account"))
        };
        match refusal {
            Some(refusal) => self.refuse(account, refusal, answers).await,
            None => self.take_over(account, epoch, answers).await,
        }
    }

    /// What STS says of a proof. No epoch is given before: nobody who can't prove it fences the account's agent.
    async fn judged(&mut self, judged: Judged, answers: &Answers) -> Result<(), Status> {
        match judged.result {
            Ok(role) => {
                tracing::info!(account = judged.account, %role, "account proven");
                self.take_over(judged.account, judged.epoch, answers).await
            }
            Err(refusal) => self.refuse(judged.account, refusal, answers).await,
        }
    }

    async fn take_over(&mut self, account: String, epoch: i64, answers: &Answers) -> Result<(), Status> {
        let epoch = if epoch > 0 { epoch } else { self.session(&account).await? };
        self.claims.insert(account.clone(), epoch);
        send(answers, ToAgent::Claimed(v1::Claimed { account, epoch })).await
    }

    async fn refuse(&mut self, account: String, refusal: Refusal, answers: &Answers) -> Result<(), Status> {
        let Refusal { reason, detail, .. } = refusal;
        let challenge = self.proofs.as_ref().map(|proofs| proofs.renewed(&account)).unwrap_or_default().into();
        let rejected = v1::ClaimRejected { account, reason: reason.into(), detail, challenge };
        send(answers, ToAgent::ClaimRejected(rejected)).await
    }

    /// Whether the peer may speak for the account now.
    fn may(&self, account: &str) -> bool {
        match (&self.ingest.config.gate, &self.peer) {
            (Some(gate), Some(peer)) => gate.may(peer, account),
            (Some(_), None) => self.proofs.as_ref().is_some_and(|proofs| proofs.role(account).is_some()),
            (None, _) => true,
        }
    }

    fn has_room(&self) -> bool {
        self.proofs.as_ref().is_none_or(Proofs::has_room)
    }

    /// Certificates, grants or the deny list changed, or time went by: a peer that would not be let in now is cut.
    fn recheck(&self) -> Result<(), Status> {
        if let (Some(gate), Some(peer)) = (&self.ingest.config.gate, &self.peer) {
            gate.check(peer).map_err(|refused| Status::permission_denied(refused.to_string()))?;
        }
        match self.claims.keys().find(|account| !self.may(account)) {
            Some(account) => Err(Status::permission_denied(format!("the grant for account {account} is gone"))),
            None => Ok(()),
        }
    }

    /// Publishes the session record; its offset is the epoch. Offset 0 can't be told from "none": it is published again.
    async fn session(&mut self, account: &str) -> Result<i64, Status> {
        let role = self.proofs.as_ref().and_then(|proofs| proofs.role(account)).map(ToString::to_string);
        let peer = self.peer.as_ref().map(|peer| peer.agent.to_string());
        let agent = peer.or(role).unwrap_or_else(|| self.hello.agent.clone());
        let body = Session { agent, session: self.hello.session.clone() };
        let body = serde_json::to_vec(&body).map_err(|e| Status::internal(e.to_string()))?;
        loop {
            let record = Outgoing {
                topic: record::INPUTS.to_owned(),
                partition: record::partition(account, self.ingest.config.partitions),
                key: InputKey::Session(account.to_owned()).encode().into_bytes(),
                value: Some(body.clone()),
                headers: Vec::new(),
            };
            let offset = self.ingest.producer.send(record).await.map_err(unavailable)?.await.map_err(unavailable)?;
            if offset > 0 {
                return Ok(offset);
            }
        }
    }

    async fn batch(&mut self, batch: v1::Batch, answers: &Answers) -> Result<(), Status> {
        let limit = self.ingest.config.max_batch_records as usize;
        if batch.records.len() > limit {
            return Err(Status::invalid_argument(format!("a batch holds at most {limit} records")));
        }
        for record in batch.records {
            if record.sequence != self.next {
                let found = record.sequence;
                return Err(Status::invalid_argument(format!("sequence {found}; expected {}", self.next)));
            }
            self.next += 1;
            self.record(record, answers).await?;
        }
        self.acknowledge(answers).await
    }

    async fn record(&mut self, record: v1::Record, answers: &Answers) -> Result<(), Status> {
        let sequence = record.sequence;
        let config = &self.ingest.config;
        let outgoing = match check(record, &self.claims, config.partitions, config.max_record_bytes) {
            Ok(outgoing) => outgoing,
            Err(rejection) => {
                self.acks.rejected(sequence);
                let rejected = v1::Rejected { sequence, reason: rejection.reason.into(), detail: rejection.detail };
                return send(answers, ToAgent::Rejected(rejected)).await;
            }
        };
        let size = outgoing.key.len() + outgoing.value.as_ref().map_or(0, Vec::len);
        let held = self.hold(size, answers).await?;
        let account = String::from_utf8_lossy(&outgoing.key).split('/').nth(1).unwrap_or_default().to_owned();
        let delivery = self.ingest.producer.send(outgoing).await.map_err(unavailable)?;
        self.acks.sent(sequence);
        self.under_way
            .push(Box::pin(async move { Delivered { sequence, account, result: delivery.await, _held: held } }));
        Ok(())
    }

    /// Room for a record within what all streams may hold. While there is none, deliveries go on: they make the room.
    async fn hold(&mut self, size: usize, answers: &Answers) -> Result<OwnedSemaphorePermit, Status> {
        let permits = u32::try_from(size.div_ceil(1024) + 1).unwrap_or(u32::MAX);
        let waiting = Arc::clone(&self.ingest.held).acquire_many_owned(permits);
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                permit = &mut waiting => return permit.map_err(|_| Status::unavailable("going away")),
                Some(delivered) = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.delivered(delivered)?;
                    self.acknowledge(answers).await?;
                }
            }
        }
    }

    /// A failed delivery ends the stream: the agent reconnects and sends again what was not acknowledged.
    fn delivered(&mut self, delivered: Delivered) -> Result<(), Status> {
        match delivered.result {
            Ok(offset) => self.acks.delivered(delivered.sequence, &delivered.account, offset),
            Err(error) => return Err(unavailable(error)),
        }
        Ok(())
    }

    async fn acknowledge(&mut self, answers: &Answers) -> Result<(), Status> {
        let Some(prefix) = self.acks.take() else { return Ok(()) };
        let reached = prefix.reached.into_iter().map(|(account, offset)| v1::Reached { account, offset }).collect();
        send(answers, ToAgent::Acknowledged(v1::Acknowledged { sequence: prefix.sequence, reached })).await
    }
}

fn unavailable(error: LogError) -> Status {
    Status::unavailable(error.to_string())
}
