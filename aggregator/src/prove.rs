//! Proofs of identity by STS: which claims need one, what is asked, and how often. The rules are `driftline_identity::proof`'s.

mod budget;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftline_aws::{Client, ClientConfig, EndpointConfig, Error as AwsError, Limits};
use driftline_identity::Gate;
use driftline_identity::proof::{AssumedRole, BODY, CHALLENGE, Proof, Request, Subject, judge};
use driftline_proto::v1::{self, Reason};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use prost::Message;
use tokio::sync::Semaphore;

use budget::{Bucket, Refusals};

/// How STS is reached.
#[derive(Debug, Clone, Default)]
pub struct StsConfig {
    /// Endpoint and proxy, as the SDK's environment has them.
    pub client: ClientConfig,
}

/// One ask, from connecting to the last byte: STS answers within a tenth of a second.
const TIMEOUT: Duration = Duration::from_secs(5);
/// An answer to GetCallerIdentity has less than 1 KB.
const ANSWER: usize = 16 << 10;
/// Asks at the same time, over all streams: at 100 ms each they make the rate below.
const ASKS: usize = 32;
/// Asks a second, over all streams, and at once: a tenth or so of what STS takes of one caller, so that nobody can use us up.
const RATE: f64 = 100.0;
const BURST: f64 = 200.0;
/// Longest that a claim waits for its turn; then the agent is told to come again.
const TURN: Duration = Duration::from_secs(10);
/// Claims of one stream that are judged at the same time; meanwhile nothing further is read of it.
const OF_STREAM: usize = 8;
/// Refusals by STS that one stream may cause, a second and at once; then it waits.
const REFUSED_RATE: f64 = 0.1;
const REFUSED_BURST: f64 = 20.0;
/// Bytes of a proof: its parts at their longest.
const MAX_PROOF: usize = 10 << 10;

/// What asks STS, for all streams.
pub(crate) struct Sts {
    client: Client,
    slots: Semaphore,
    began: Instant,
    pace: Mutex<Bucket>,
    refusals: Mutex<Refusals>,
}

/// How a claim's proof ended: the role, or why not.
pub(crate) struct Judged {
    pub(crate) account: String,
    pub(crate) epoch: i64,
    pub(crate) result: Result<AssumedRole, Refusal>,
}

/// Why a claim is refused.
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    /// STS has spoken: the challenge is used.
    spent: bool,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), spent: false }
    }
}

impl Sts {
    pub(crate) fn new(config: &StsConfig) -> Self {
        let limits = Limits { response_bytes: ANSWER, timeout: TIMEOUT, ..Limits::default() };
        // Only where it is set: who signed said which of AWS's own hosts it is for.
        let endpoint = EndpointConfig { fips: false, dual_stack: false, ..config.client.endpoint.clone() };
        let client = Client::new(ClientConfig { limits, endpoint, ..config.client.clone() });
        Self {
            client,
            slots: Semaphore::new(ASKS),
            began: Instant::now(),
            pace: Mutex::new(Bucket::new(RATE, BURST)),
            refusals: Mutex::default(),
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    async fn ask(&self, request: &Request, address: IpAddr) -> Result<driftline_aws::Identity, Refusal> {
        let busy = || Refusal::new(Reason::Unavailable, "STS is asked too much; it is tried again");
        if !lock(&self.refusals).allow(address, self.now()) {
            return Err(Refusal::new(Reason::Unavailable, "too many proofs from this address were refused"));
        }
        let wait = lock(&self.pace).reserve(self.now(), TURN).ok_or_else(busy)?;
        tokio::time::sleep(wait).await;
        let slot = tokio::time::timeout(TURN, self.slots.acquire()).await.map_err(|_| busy())?;
        let answer = self.client.caller_identity(&request.host, &request.headers, BODY).await;
        drop(slot);
        answer.map_err(|error| match &error {
            AwsError::Service { code, status: 400..=499, .. } if !error.is_throttled() => {
                lock(&self.refusals).refused(address, self.now());
                let detail = format!("STS does not take the proof: {}", code.chars().take(100).collect::<String>());
                Refusal { spent: true, ..Refusal::new(Reason::Forbidden, detail) }
            }
            _ => {
                tracing::warn!(host = %request.host, %error, "STS can't be asked");
                Refusal::new(Reason::Unavailable, "STS does not answer; it is tried again")
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Challenge = [u8; CHALLENGE];

/// The proofs of one stream.
pub(crate) struct Proofs {
    sts: Arc<Sts>,
    gate: Gate,
    address: IpAddr,
    challenge: Challenge,
    /// Challenges of accounts for which the first was used.
    renewed: HashMap<String, Challenge>,
    proven: HashMap<String, AssumedRole>,
    judging: HashSet<String>,
    under_way: FuturesUnordered<BoxFuture<'static, Judged>>,
    refused: Bucket,
}

impl Proofs {
    pub(crate) fn new(sts: Arc<Sts>, gate: Gate, address: IpAddr, challenge: Challenge) -> Self {
        let refused = Bucket::new(REFUSED_RATE, REFUSED_BURST);
        let (renewed, proven) = (HashMap::new(), HashMap::new());
        let (judging, under_way) = (HashSet::new(), FuturesUnordered::new());
        Self { sts, gate, address, challenge, renewed, proven, judging, under_way, refused }
    }

    /// The role that was proven in the account on this stream, if it may still speak for it.
    pub(crate) fn role(&self, account: &str) -> Option<&AssumedRole> {
        self.proven.get(account).filter(|role| self.gate.may_role(role))
    }

    /// Begins to judge a claim's proof. What can be told without STS is told at once.
    pub(crate) fn begin(&mut self, account: &str, epoch: i64, proof: &[u8]) -> Result<(), Refusal> {
        let forbidden = |detail: String| Refusal::new(Reason::Forbidden, detail);
        if proof.is_empty() {
            return Err(forbidden("an agent without a certificate proves each account: there is no proof".to_owned()));
        }
        if !self.gate.may_prove(account) {
            return Err(forbidden("no grant lets any role speak for the account".to_owned()));
        }
        if self.judging.contains(account) || self.proven.contains_key(account) {
            return Err(forbidden("the challenge is used for this account already".to_owned()));
        }
        let parsed = (proof.len() <= MAX_PROOF).then(|| v1::CallerProof::decode(proof).ok()).flatten();
        let parsed = parsed.ok_or_else(|| Refusal::new(Reason::Malformed, "the proof does not parse"))?;
        let proof = Proof {
            access_key_id: parsed.access_key_id,
            session_token: parsed.session_token,
            signed_at: parsed.signed_at,
            region: parsed.region,
            signature: parsed.signature,
        };
        let Some(rules) = self.gate.proofs() else { return Err(forbidden("proofs are not taken here".to_owned())) };
        let challenge = *self.renewed.get(account).unwrap_or(&self.challenge);
        let subject = Subject { account, challenge: &challenge };
        let request = proof.request(rules, subject, self.gate.now()).map_err(|e| forbidden(e.to_string()))?;
        if !self.refused.has(self.sts.now()) {
            return Err(Refusal::new(Reason::Unavailable, "too many proofs of this stream were refused"));
        }
        self.judging.insert(account.to_owned());
        let (sts, address, account) = (Arc::clone(&self.sts), self.address, account.to_owned());
        self.under_way.push(Box::pin(async move {
            let answer = sts.ask(&request, address).await;
            let result = answer.and_then(|found| {
                let subject = Subject { account: &account, challenge: &challenge };
                judge(subject, &request.region, &found.account, &found.arn).map_err(|e| {
                    lock(&sts.refusals).refused(address, sts.now());
                    Refusal { spent: true, ..Refusal::new(Reason::Forbidden, e.to_string()) }
                })
            });
            Judged { account, epoch, result }
        }));
        Ok(())
    }

    /// Whether another claim may be read.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way.len() < OF_STREAM
    }

    /// The next that was judged; waits for ever where none is under way.
    pub(crate) async fn next(&mut self) -> Judged {
        let Some(mut judged) = self.under_way.next().await else { return std::future::pending().await };
        self.judging.remove(&judged.account);
        judged.result = judged.result.and_then(|role| {
            let detail = format!("no grant lets role {} speak for the account", role.role);
            let may = self.gate.may_role(&role);
            may.then_some(role).ok_or(Refusal { spent: true, ..Refusal::new(Reason::Forbidden, detail) })
        });
        match &judged.result {
            Ok(role) => _ = self.proven.insert(judged.account.clone(), role.clone()),
            Err(refusal) if refusal.spent => {
                self.refused.take(self.sts.now());
                self.renewed.insert(judged.account.clone(), rand::random());
            }
            Err(_) => {}
        }
        judged
    }

    /// A challenge for another try, where the last was used.
    pub(crate) fn renewed(&self, account: &str) -> Vec<u8> {
        self.renewed.get(account).map(|challenge| challenge.to_vec()).unwrap_or_default()
    }
}

/// As [`Proofs::next`], where there may be none at all.
pub(crate) async fn next(proofs: &mut Option<Proofs>) -> Judged {
    match proofs {
        Some(proofs) => proofs.next().await,
        None => std::future::pending().await,
    }
}
