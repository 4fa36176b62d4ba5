//! Proofs of who the agent is in its accounts, where it has no certificate: made by the accounts' own credentials, over the
//! challenge of the stream, and kept apart until the aggregator has answered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use driftline_identity::proof::{BODY, Proof, Request, Subject};
use driftline_proto::v1;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use prost::Message;
use tokio::sync::Semaphore;

/// Gives a proof for an account over a challenge, or says why there is none.
pub type Prove = Arc<dyn Fn(String, Bytes) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync>;

/// Proofs that are made at the same time: each may have to assume a role first.
const AT_ONCE: usize = 16;
/// Making one, the role's assuming included.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Before an account is proven again that the aggregator could not judge.
const AGAIN: Duration = Duration::from_secs(2);

/// A proof by an account's credentials, for STS of that region: an encoded [`v1::CallerProof`].
pub async fn by_credentials(
    credentials: &SharedCredentialsProvider,
    region: &str,
    subject: Subject<'_>,
    now: SystemTime,
) -> Result<Vec<u8>, String> {
    let credentials = credentials.provide_credentials().await.map_err(|e| crate::connect::chain(&e))?;
    let request = Request::unsigned(subject, region).ok_or_else(|| format!("`{region}` has no STS that is known"))?;
    let (key, token) = (credentials.access_key_id().to_owned(), credentials.session_token().map(str::to_owned));
    let token = token.ok_or("these are no credentials of an assumed role: name a role (accounts.role_name)")?;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| e.to_string())?
        .into();
    let uri = format!("https://{}/", request.host);
    let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(BODY.as_bytes()));
    let signed = sign(signable.map_err(|e| e.to_string())?, &params).map_err(|e| e.to_string())?;
    let (instructions, signature) = signed.into_parts();
    let (headers, _) = instructions.into_parts();
    let date = headers.iter().find(|header| header.name() == "x-amz-date").map(|header| header.value().to_owned());
    let proof = Proof {
        access_key_id: key,
        session_token: token,
        signed_at: date.ok_or("the signer gave no date")?,
        region: region.to_owned(),
        signature,
    };
    Ok(encode(proof))
}

fn encode(proof: Proof) -> Vec<u8> {
    let Proof { access_key_id, session_token, signed_at, region, signature } = proof;
    v1::CallerProof { access_key_id, session_token, signed_at, region, signature }.encode_to_vec()
}

/// An account and the epoch it is to be claimed under, with its proof.
pub(crate) type Proven = (String, i64, Result<Bytes, String>);

/// The proofs of one stream.
pub(crate) struct Proofs {
    prove: Prove,
    challenge: Bytes,
    /// Given for another try of an account.
    renewed: HashMap<String, Bytes>,
    /// Accounts that this stream holds: proven, and not to be proven again.
    held: HashSet<String>,
    /// Accounts held before this stream: their records wait for them.
    awaited: HashSet<String>,
    /// Accounts whose proof is being made or judged.
    pending: HashSet<String>,
    under_way: FuturesUnordered<BoxFuture<'static, Proven>>,
    slots: Arc<Semaphore>,
}

impl Proofs {
    pub(crate) fn new(prove: Prove) -> Self {
        Self {
            prove,
            challenge: Bytes::new(),
            renewed: HashMap::new(),
            held: HashSet::new(),
            awaited: HashSet::new(),
            pending: HashSet::new(),
            under_way: FuturesUnordered::new(),
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// A new stream: nothing of the one before counts.
    pub(crate) fn begin(&mut self, challenge: Bytes, awaited: impl Iterator<Item = String>) {
        self.challenge = challenge;
        self.renewed.clear();
        self.held.clear();
        self.awaited = awaited.collect();
        self.pending.clear();
        self.under_way.clear();
    }

    /// Begins a proof, unless the stream holds the account: then it is claimed as it is.
    pub(crate) fn start(&mut self, account: &str, epoch: i64) -> bool {
        if self.held.contains(account) {
            return false;
        }
        if self.pending.insert(account.to_owned()) {
            self.make(account.to_owned(), epoch, Duration::ZERO);
        }
        true
    }

    fn make(&mut self, account: String, epoch: i64, after: Duration) {
        let challenge = self.renewed.get(&account).unwrap_or(&self.challenge).clone();
        let (prove, slots) = (Arc::clone(&self.prove), Arc::clone(&self.slots));
        self.under_way.push(Box::pin(async move {
            tokio::time::sleep(after).await;
            let _slot = slots.acquire().await; // never closed
            let proof = tokio::time::timeout(TIMEOUT, prove(account.clone(), challenge)).await;
            let proof = proof.unwrap_or_else(|_| Err("its credentials took too long".to_owned()));
            (account, epoch, proof.map(Bytes::from))
        }));
    }

    /// The next proof that is made; waits for ever where none is.
    pub(crate) async fn next(&mut self) -> Proven {
        match self.under_way.next().await {
            Some(proven) => proven,
            None => std::future::pending().await,
        }
    }

    /// Whether records may be sent: no account of theirs waits to be taken up again.
    pub(crate) fn settled(&self) -> bool {
        self.awaited.is_empty()
    }

    /// The aggregator took it.
    pub(crate) fn taken(&mut self, account: &str) {
        self.awaited.remove(account);
        self.pending.remove(account);
        self.held.insert(account.to_owned());
    }

    /// The aggregator did not; true if it could not judge and is asked again by itself.
    pub(crate) fn refused(&mut self, rejected: &v1::ClaimRejected, epoch: i64) -> bool {
        let account = &rejected.account;
        self.held.remove(account);
        if !rejected.challenge.is_empty() {
            self.renewed.insert(account.clone(), rejected.challenge.clone());
        }
        let again = rejected.reason() == v1::Reason::Unavailable;
        if again {
            self.make(account.clone(), epoch, AGAIN.mul_f64(rand::random_range(0.5..1.5)));
        } else {
            self.awaited.remove(account);
            self.pending.remove(account);
        }
        again
    }
}

/// As [`Proofs::next`], where there may be none at all.
pub(crate) async fn next(proofs: &mut Option<Proofs>) -> Proven {
    match proofs {
        Some(proofs) => proofs.next().await,
        None => std::future::pending().await,
    }
}
