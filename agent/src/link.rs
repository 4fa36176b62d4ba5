//! The stream to the aggregator: one task that connects, claims, sends within the window, and reconnects. Callers get one
//! answer per record: durable or rejected.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use driftline_identity::ClientFiles;
use driftline_proto::v1::agent_message::Message as ToAggregator;
use driftline_proto::v1::aggregator_message::Message as FromAggregator;
use driftline_proto::v1::ingest_client::IngestClient;
use driftline_proto::v1::{self, AgentMessage, AggregatorMessage, Reason, Record};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::connect::Connector;
use crate::prove::{self, Proofs, Prove};
use crate::spool::Load;
use crate::window::Window;

/// How to reach the aggregator, and as whom.
#[derive(Clone)]
pub struct Config {
    /// `https://host:port`, or `http://` on loopback.
    pub aggregator: String,
    /// Certificate, key and CA for `https`.
    pub tls: Option<ClientFiles>,
    /// Proves the agent's identity in an account, where it has no certificate.
    pub prove: Option<Prove>,
    /// The agent's name.
    pub agent: String,
    /// Its session, kept over reconnects.
    pub session: String,
    /// Accounts it will claim.
    pub accounts: Vec<String>,
    /// Longest pause between two attempts to connect.
    pub max_backoff: Duration,
    /// How long what is under way may take to be acknowledged after `shutdown`.
    pub drain: Duration,
    /// What waits to be sent: told with every heartbeat.
    pub load: watch::Receiver<Load>,
}

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The log has it.
    Durable,
    /// It will never be taken.
    Rejected(Reason, String),
}

/// Why a claim or a record got no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The aggregator refuses this agent the account.
    #[error("the aggregator refuses account {account}: {detail}")]
    Refused {
        /// The account.
        account: String,
        /// The aggregator's words.
        detail: String,
    },
    /// The link has ended (shutdown).
    #[error("the link to the aggregator has ended")]
    Ended,
    /// The address can't be used.
    #[error("aggregator address `{0}`: {1}")]
    Address(String, String),
}

enum Command {
    Claim { account: String, epoch: i64, reply: oneshot::Sender<Result<i64, String>> },
    Publish { record: Box<Record>, reply: oneshot::Sender<Outcome> },
}

/// A handle to the link's task; clones share it.
#[derive(Debug, Clone)]
pub struct Link {
    commands: mpsc::Sender<Command>,
    reached: Arc<Mutex<HashMap<String, i64>>>,
}

impl Link {
    /// Starts the task. It ends after `shutdown` once nothing is under way, at the latest after [`Config::drain`].
    pub fn start(
        config: Config,
        shutdown: CancellationToken,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let connector = Connector::new(&config.aggregator, config.tls.clone())?;
        let (commands, receiver) = mpsc::channel(64);
        let reached = Arc::new(Mutex::new(HashMap::new()));
        let proofs = config.prove.clone().map(Proofs::new);
        let task = Task {
            config,
            proofs,
            connector,
            commands: receiver,
            window: Window::new(1 << 20),
            claims: HashMap::new(),
            claiming: HashMap::new(),
            reached: Arc::clone(&reached),
            max_records: 100,
            beat: Duration::from_secs(20),
            shutdown,
        };
        Ok((Self { commands, reached }, task.run()))
    }

    /// Claims an account, under the epoch already held or (0) a new one; the epoch.
    pub async fn claim(&self, account: &str, epoch: i64) -> Result<i64, Error> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Claim { account: account.to_owned(), epoch, reply };
        self.commands.send(command).await.map_err(|_| Error::Ended)?;
        let answer = answer.await.map_err(|_| Error::Ended)?;
        answer.map_err(|detail| Error::Refused { account: account.to_owned(), detail })
    }

    /// Takes a record once the window has room; the receiver tells how it ended.
    pub async fn publish(&self, record: Record) -> Result<oneshot::Receiver<Outcome>, Error> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Publish { record: Box::new(record), reply };
        self.commands.send(command).await.map_err(|_| Error::Ended)?;
        Ok(answer)
    }

    /// The highest offset of the account's partition that is known to be durable; -1 is none yet.
    pub fn reached(&self, account: &str) -> i64 {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).get(account).copied().unwrap_or(-1)
    }
}

struct Task {
    config: Config,
    proofs: Option<Proofs>,
    connector: Connector,
    commands: mpsc::Receiver<Command>,
    window: Window<oneshot::Sender<Outcome>>,
    /// Accounts and the epochs under which they are held.
    claims: HashMap<String, i64>,
    claiming: HashMap<String, (i64, oneshot::Sender<Result<i64, String>>)>,
    reached: Arc<Mutex<HashMap<String, i64>>>,
    max_records: usize,
    beat: Duration,
    shutdown: CancellationToken,
}

/// Why a stream ended.
enum End {
    /// Try again.
    Lost(String),
    /// Shut down and drained, or nobody is left to send.
    Done,
}

impl Task {
    async fn run(mut self) {
        let mut backoff = Duration::from_millis(50);
        let stop = self.shutdown.clone();
        let limit = self.config.drain;
        let work = async {
            loop {
                let began = tokio::time::Instant::now();
                match self.stream().await {
                    End::Done => return,
                    End::Lost(reason) => {
                        tracing::warn!(aggregator = %self.config.aggregator, %reason, "no stream; connecting again")
                    }
                }
                if self.shutdown.is_cancelled() && self.window.is_empty() {
                    return;
                }
                // A stream that lived starts over; others wait longer each time, with jitter against storms.
                let lived = began.elapsed() > Duration::from_secs(30);
                backoff = if lived { Duration::from_millis(50) } else { (backoff * 2).min(self.config.max_backoff) };
                tokio::time::sleep(backoff.mul_f64(rand::random_range(0.5..1.0))).await;
            }
        };
        let give_up = async {
            stop.cancelled().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            () = work => {}
            () = give_up => tracing::warn!("ended before everything was acknowledged; it is sent again at the next start"),
        }
    }

    async fn stream(&mut self) -> End {
        let (outgoing, receiver) = mpsc::channel::<AgentMessage>(4);
        let hello = v1::Hello {
            version: env!("CARGO_PKG_VERSION").into(),
            agent: self.config.agent.clone(),
            session: self.config.session.clone(),
            accounts: self.config.accounts.clone(),
            capabilities: self.proofs.iter().map(|_| "challenge".to_owned()).collect(),
        };
        if outgoing.send(message(ToAggregator::Hello(hello))).await.is_err() {
            return End::Done;
        }
        let channel = match self.connector.connect().await {
            Ok(channel) => channel,
            Err(reason) => return End::Lost(reason),
        };
        let mut client = IngestClient::new(channel).max_decoding_message_size(1 << 20);
        let mut answers = match client.stream(ReceiverStream::new(receiver)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return End::Lost(status.to_string()),
        };
        match tokio::time::timeout(Duration::from_secs(10), answers.message()).await {
            Ok(Ok(Some(AggregatorMessage { message: Some(FromAggregator::Welcome(welcome)) }))) => {
                self.welcome(&welcome)
            }
            Ok(Err(status)) => return End::Lost(status.to_string()),
            _ => return End::Lost("no welcome".to_owned()),
        }
        let held = self.claims.iter().map(|(a, e)| (a.clone(), *e));
        let waiting = self.claiming.iter().map(|(a, (e, _))| (a.clone(), *e));
        let claims: Vec<_> = held.chain(waiting).collect();
        for (account, epoch) in claims {
            if self.proofs.as_mut().is_some_and(|proofs| proofs.start(&account, epoch)) {
                continue;
            }
            if outgoing.send(claim(account, epoch, Bytes::new())).await.is_err() {
                return End::Lost("the stream closed".to_owned());
            }
        }
        self.exchange(&outgoing, &mut answers).await
    }

    fn welcome(&mut self, welcome: &v1::Welcome) {
        self.window.set_limit(welcome.window_bytes.max(1));
        self.max_records = (welcome.max_batch_records as usize).clamp(1, 1000);
        self.beat = Duration::from_secs(u64::from(welcome.heartbeat_seconds.max(1)));
        self.window.reconnect();
        if let Some(proofs) = &mut self.proofs {
            proofs.begin(welcome.challenge.clone(), self.claims.keys().cloned());
        }
    }

    async fn exchange(
        &mut self,
        outgoing: &mpsc::Sender<AgentMessage>,
        answers: &mut tonic::Streaming<AggregatorMessage>,
    ) -> End {
        let mut draining = false;
        let mut beat = tokio::time::interval(self.beat);
        loop {
            if draining && self.window.is_empty() {
                return End::Lost("drained, to connect anew".to_owned());
            }
            if self.shutdown.is_cancelled() && self.window.is_empty() && self.commands.is_empty() {
                return End::Done;
            }
            let settled = self.proofs.as_ref().is_none_or(Proofs::settled);
            let unsent = self.window.has_unsent() && !draining && settled;
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(AggregatorMessage { message: Some(FromAggregator::Drain(_)) })) => draining = true,
                    Ok(Some(AggregatorMessage { message: Some(answer) })) => self.answer(answer),
                    Ok(Some(_)) => return End::Lost("an answer of an unknown kind".to_owned()),
                    Ok(None) => return End::Lost("the aggregator closed the stream".to_owned()),
                    Err(status) => return End::Lost(status.to_string()),
                },
                permit = outgoing.reserve(), if unsent => match permit {
                    Ok(permit) => {
                        let records = self.window.unsent(self.max_records, 256 << 10);
                        permit.send(message(ToAggregator::Batch(v1::Batch { records })));
                    }
                    Err(_) => return End::Lost("the stream closed".to_owned()),
                },
                command = self.commands.recv(), if self.window.has_room() && !draining => match command {
                    Some(command) => if let Some(send) = self.command(command)
                        && outgoing.send(send).await.is_err() {
                            return End::Lost("the stream closed".to_owned());
                    },
                    None if self.window.is_empty() => return End::Done,
                    None => draining = true,
                },
                (account, epoch, proof) = prove::next(&mut self.proofs) => match proof {
                    Ok(proof) => if outgoing.send(claim(account, epoch, proof)).await.is_err() {
                        return End::Lost("the stream closed".to_owned());
                    },
                    Err(reason) => self.claim_rejected(v1::ClaimRejected {
                        account,
                        reason: Reason::Forbidden.into(),
                        detail: format!("there is no proof for it: {reason}"),
                        challenge: Bytes::new(),
                    }),
                },
                _ = beat.tick() => {
                    // A full queue is a sign of life by itself.
                    let load = *self.config.load.borrow();
                    let beat = v1::Heartbeat { time_ms: 0, spooled_bytes: load.bytes, spool_full: load.waiting > 0 };
                    let _ = outgoing.try_send(message(ToAggregator::Heartbeat(beat)));
                    // Another certificate: what is under way is acknowledged first, then it is shown.
                    draining |= self.connector.outdated();
                }
                () = self.shutdown.cancelled(), if !self.shutdown.is_cancelled() => {}
            }
        }
    }

    fn command(&mut self, command: Command) -> Option<AgentMessage> {
        match command {
            Command::Publish { record, reply } => {
                self.window.offer(*record, reply);
                None
            }
            Command::Claim { account, epoch, reply } => {
                let proving = self.proofs.as_mut().is_some_and(|proofs| proofs.start(&account, epoch));
                self.claiming.insert(account.clone(), (epoch, reply));
                (!proving).then(|| claim(account, epoch, Bytes::new()))
            }
        }
    }

    fn answer(&mut self, answer: FromAggregator) {
        match answer {
            FromAggregator::Acknowledged(acknowledged) => {
                let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
                for v1::Reached { account, offset } in acknowledged.reached {
                    if self.claims.contains_key(&account) {
                        let held = reached.entry(account).or_insert(offset);
                        *held = offset.max(*held);
                    }
                }
                drop(reached);
                for token in self.window.acknowledge(acknowledged.sequence) {
                    let _ = token.send(Outcome::Durable); // nobody may be waiting any more
                }
            }
            FromAggregator::Rejected(rejected) => {
                tracing::warn!(sequence = rejected.sequence, reason = ?rejected.reason(), detail = %rejected.detail, "record rejected");
                let reason = rejected.reason();
                if let Some(token) = self.window.reject(rejected.sequence) {
                    let _ = token.send(Outcome::Rejected(reason, rejected.detail));
                }
            }
            FromAggregator::Claimed(v1::Claimed { account, epoch }) => {
                if let Some(proofs) = &mut self.proofs {
                    proofs.taken(&account);
                }
                if let Some((_, reply)) = self.claiming.remove(&account) {
                    let _ = reply.send(Ok(epoch));
                }
                // The epoch is an offset of the account's partition, and durable.
                let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
                let held = reached.entry(account.clone()).or_insert(epoch);
                *held = epoch.max(*held);
                drop(reached);
                self.claims.insert(account, epoch);
            }
            FromAggregator::ClaimRejected(rejected) => self.claim_rejected(rejected),
            FromAggregator::Welcome(_) | FromAggregator::Drain(_) => {}
        }
    }

    fn claim_rejected(&mut self, rejected: v1::ClaimRejected) {
        let account = &rejected.account;
        let epoch = self.claiming.get(account).map(|(epoch, _)| epoch).or(self.claims.get(account));
        let epoch = epoch.copied().unwrap_or_default();
        if self.proofs.as_mut().is_some_and(|proofs| proofs.refused(&rejected, epoch)) {
            return;
        }
        self.claims.remove(account);
        if let Some((_, reply)) = self.claiming.remove(account) {
            let _ = reply.send(Err(rejected.detail));
        }
    }
}

fn message(message: ToAggregator) -> AgentMessage {
    AgentMessage { message: Some(message) }
}

fn claim(account: String, epoch: i64, proof: Bytes) -> AgentMessage {
    message(ToAggregator::Claim(v1::Claim { account, epoch, proof }))
}
