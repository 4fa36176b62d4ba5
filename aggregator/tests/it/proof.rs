//! Agents without certificates: accounts are proven by moto's STS, over the challenge of the stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftline_agent::prove::by_credentials;
use driftline_aggregator::StsConfig;
use driftline_aws::{Access, Client, ClientConfig, EndpointConfig, RoleConfig};
use driftline_dev::moto::Moto;
use driftline_identity::proof::{ProofRules, Subject};
use driftline_identity::{ClientFiles, ClientTls, Inventory};
use driftline_model::record::Session;
use driftline_proto::v1::agent_message::Message as ToAggregator;
use driftline_proto::v1::aggregator_message::Message as FromAggregator;
use driftline_proto::v1::ingest_client::IngestClient;
use driftline_proto::v1::{self, AgentMessage, AggregatorMessage, Reason};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use crate::identity::{Certs, now};
use crate::rig::{ACCOUNT, Rig};

const OTHER: &str = "222222222222";
const GRANTS: &str = "[[roles]]\nname = \"DriftlineRead\"\naccounts = [\"111111111111\", \"222222222222\"]\n";

pub(crate) fn endpoint(url: &str) -> EndpointConfig {
    EndpointConfig { url: Some(url.to_owned()), ..EndpointConfig::default() }
}

pub(crate) fn sts(url: &str) -> StsConfig {
    StsConfig { client: ClientConfig { endpoint: endpoint(url), ..ClientConfig::default() } }
}

async fn rig(url: &str) -> (Rig, Certs) {
    let folder = tempfile::tempdir().unwrap();
    let rules = ProofRules { regions: vec!["eu-west-1".into()], ..ProofRules::default() };
    let certs = Certs::with(folder.path(), Some(rules), watch::channel(Inventory::new()).1);
    certs.write("grants.toml", GRANTS);
    certs.gate.reload().unwrap();
    let rig = Rig::asking(folder, Some(certs.gate.clone()), sts(url)).await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    (rig, certs)
}

/// The credentials of a role that was assumed.
pub(crate) async fn role(moto: &Moto, account: &str, name: &str) -> SharedCredentialsProvider {
    let own = SharedCredentialsProvider::new(Credentials::for_tests());
    let client = Client::new(sts(&moto.url()).client);
    let access = Access::with_credentials(own, "eu-west-1", client);
    access.assume(account, &RoleConfig::new(name)).await.unwrap()
}

fn without_certificate(certs: &Certs) -> ClientFiles {
    ClientFiles { own: None, ..certs.client() }
}

#[tokio::test]
async fn an_agent_that_proves_its_account_is_served_and_keeps_its_epoch() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let (mut rig, certs) = rig(&moto.url()).await;
    *rig.world.credentials.lock().unwrap() = Some(role(&moto, ACCOUNT, "DriftlineRead").await);
    rig.start_agent_as(Some(without_certificate(&certs)));
    rig.cycles(2).await;
    rig.stop_aggregator().await;
    rig.set(&[("vpc-a", "10.0.0.0/16"), ("vpc-b", "10.1.0.0/16")]);
    let rounds = rig.cycles_now().await;
    rig.start_aggregator().await;
    rig.cycles(rounds + 2).await;
    rig.stop_agent().await;
    let records = rig.records().await;
    let sessions: Vec<_> = records.into_iter().filter(|r| r.key.starts_with(b"e/")).collect();
    assert!(sessions.len() <= 2, "{} sessions: the epoch is kept over reconnects", sessions.len());
    let session: Session = serde_json::from_slice(sessions[0].value.as_ref().unwrap()).unwrap();
    assert_eq!(session.agent, "arn:aws:sts::111111111111:assumed-role/DriftlineRead/driftline");
    let keys: Vec<String> = rig.observations().await.into_iter().filter(|k| k.starts_with("s/")).collect();
    assert_eq!(keys.len(), 2, "each resource once: {keys:?}");
}

/// A stream by hand.
pub(crate) struct Talk {
    out: mpsc::Sender<AgentMessage>,
    answers: tonic::Streaming<AggregatorMessage>,
    pub(crate) challenge: Vec<u8>,
}

impl Talk {
    pub(crate) async fn start(rig: &Rig, certs: &Certs, accounts: &[&str]) -> Self {
        let config = ClientTls::new(without_certificate(certs)).config().unwrap();
        let (connector, address) = (tokio_rustls::TlsConnector::from(config), rig.address);
        let dial = tower::service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
            }
        });
        let endpoint = tonic::transport::Endpoint::from_static("http://127.0.0.1");
        let channel = endpoint.connect_with_connector(dial).await.unwrap();
        let (out, receiver) = mpsc::channel(600);
        let hello = v1::Hello {
            version: "1".into(),
            agent: "a".into(),
            session: "s".into(),
            accounts: accounts.iter().map(|a| (*a).to_owned()).collect(),
            capabilities: Vec::new(),
        };
        out.send(AgentMessage { message: Some(ToAggregator::Hello(hello)) }).await.unwrap();
        let answers = IngestClient::new(channel).stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let mut talk = Self { out, answers, challenge: Vec::new() };
        let FromAggregator::Welcome(welcome) = talk.hear().await else { panic!("no welcome") };
        talk.challenge = welcome.challenge.to_vec();
        talk
    }

    async fn hear(&mut self) -> FromAggregator {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.message());
        answer.await.unwrap().unwrap().unwrap().message.unwrap()
    }

    async fn send(&self, account: &str, proof: Vec<u8>) {
        let claim = v1::Claim { account: account.into(), epoch: 0, proof: proof.into() };
        self.out.send(AgentMessage { message: Some(ToAggregator::Claim(claim)) }).await.unwrap();
    }

    /// How the stream ends.
    pub(crate) async fn end(&mut self) -> tonic::Status {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.message());
        answer.await.unwrap().unwrap_err()
    }

    /// The refusal, or none where it was taken.
    pub(crate) async fn claim(&mut self, account: &str, proof: Vec<u8>) -> Option<v1::ClaimRejected> {
        self.send(account, proof).await;
        match self.hear().await {
            FromAggregator::Claimed(claimed) if claimed.account == account => None,
            FromAggregator::ClaimRejected(rejected) => Some(rejected),
            answer => panic!("{answer:?}"),
        }
    }
}

pub(crate) async fn proof(
    by: &SharedCredentialsProvider,
    region: &str,
    account: &str,
    challenge: &[u8],
    at: SystemTime,
) -> Vec<u8> {
    by_credentials(by, region, Subject { account, challenge }, at).await.unwrap()
}

#[tokio::test]
async fn a_proof_for_anything_else_gives_no_epoch_and_its_untouched_twin_does() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let (rig, certs) = rig(&moto.url()).await;
    let own = role(&moto, ACCOUNT, "DriftlineRead").await;
    let others = role(&moto, OTHER, "DriftlineRead").await;
    let other_role = role(&moto, ACCOUNT, "Admin").await;
    let stranger = role(&moto, "333333333333", "DriftlineRead").await;
    let region = "eu-west-1";
    let minutes = |n: u64| Duration::from_secs(n * 60);
    for case in 0..8 {
        let mut talk = Talk::start(&rig, &certs, &[ACCOUNT, OTHER]).await;
        let challenge = talk.challenge.clone();
        let (what, spoofed, judged) = match case {
            0 => ("none", Vec::new(), false),
            1 => ("noise", vec![0xff; 100], false),
            2 => ("an old one", proof(&own, region, ACCOUNT, &challenge, now() - minutes(6)).await, false),
            3 => ("of the future", proof(&own, region, ACCOUNT, &challenge, now() + minutes(6)).await, false),
            4 => ("of another region", proof(&own, "eu-west-2", ACCOUNT, &challenge, now()).await, false),
            5 => ("of another account", proof(&others, region, ACCOUNT, &challenge, now()).await, true),
            6 => ("of another role", proof(&other_role, region, ACCOUNT, &challenge, now()).await, true),
            _ => ("of a stranger", proof(&stranger, region, ACCOUNT, &challenge, now()).await, true),
        };
        let refused = talk.claim(ACCOUNT, spoofed).await.unwrap_or_else(|| panic!("{what}: taken"));
        assert_ne!(refused.reason(), Reason::Unavailable, "{what}: {}", refused.detail);
        assert!(rig.records().await.iter().all(|r| r.key.starts_with(b"e/") == (case > 0)), "{what}");
        // STS has spoken: the challenge is used, and the answer has another one.
        assert_eq!(!refused.challenge.is_empty(), judged, "{what}");
        let next = if judged { refused.challenge.to_vec() } else { challenge };
        let sessions = rig.records().await.len();
        assert_eq!(talk.claim(ACCOUNT, proof(&own, region, ACCOUNT, &next, now()).await).await, None, "{what}");
        assert!(rig.records().await.len() > sessions);
    }
    let mut talk = Talk::start(&rig, &certs, &[ACCOUNT]).await;
    let good = proof(&others, region, OTHER, &talk.challenge, now()).await;
    assert_eq!(talk.claim(OTHER, good).await.unwrap().reason(), Reason::NotClaimed, "the hello did not name it");
}

/// moto checks signatures from its third call on: what was not signed for this very subject is refused by STS itself.
#[tokio::test]
async fn sts_itself_refuses_what_was_signed_for_another_subject() {
    let moto = driftline_dev::moto::start(Some(2)).unwrap();
    let own = role(&moto, ACCOUNT, "DriftlineRead").await;
    // The role is assumed while moto does not check yet.
    aws_credential_types::provider::ProvideCredentials::provide_credentials(&own).await.unwrap();
    let (rig, certs) = rig(&moto.url()).await;
    let before = Talk::start(&rig, &certs, &[ACCOUNT]).await.challenge;
    for case in 0..4 {
        let mut talk = Talk::start(&rig, &certs, &[ACCOUNT, OTHER]).await;
        let good = proof(&own, "eu-west-1", ACCOUNT, &talk.challenge, now()).await;
        let spoofed = match case {
            0 => proof(&own, "eu-west-1", ACCOUNT, &before, now()).await,
            1 => proof(&own, "eu-west-1", OTHER, &talk.challenge, now()).await,
            // The last byte is the signature's.
            2 => [&good[..good.len() - 1], if good.ends_with(b"0") { b"1" } else { b"0" }].concat(),
            _ => proof(&own, "eu-west-1", ACCOUNT, &talk.challenge[..16], now()).await,
        };
        let refused = talk.claim(ACCOUNT, spoofed).await.unwrap_or_else(|| panic!("{case}: taken"));
        assert!(refused.detail.starts_with("STS does not take the proof"), "{}", refused.detail);
        let again = talk.claim(ACCOUNT, good).await.unwrap_or_else(|| panic!("{case}: the challenge was used"));
        let twin = proof(&own, "eu-west-1", ACCOUNT, &again.challenge, now()).await;
        assert_eq!(talk.claim(ACCOUNT, twin).await, None, "{case}");
    }
}

/// An STS that refuses whoever it is, and counts.
async fn refusing(asked: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while peer.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let body = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>";
                    let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n", body.len());
                    let _ = peer.write_all(format!("{head}{body}").as_bytes()).await;
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_flood_of_claims_reaches_sts_as_a_trickle() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = refusing(Arc::clone(&asked)).await;
    let (rig, certs) = rig(&url).await;
    let accounts: Vec<String> = (0..400_u64).map(|n| (700_000_000_000 + n).to_string()).collect();
    certs.write("grants.toml", &format!("[[roles]]\nname = \"DriftlineRead\"\naccounts = {accounts:?}\n"));
    certs.gate.reload().unwrap();
    let names: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let credentials = Credentials::new(format!("ASIA{}", "A".repeat(16)), "s", Some("t".into()), None, "test");
    let by = SharedCredentialsProvider::new(credentials);
    let mut refused = 0;
    for _ in 0..8 {
        let mut talk = Talk::start(&rig, &certs, &names).await;
        for account in &names {
            talk.send(account, proof(&by, "eu-west-1", account, &talk.challenge, now()).await).await;
        }
        for _ in &names {
            assert!(matches!(talk.hear().await, FromAggregator::ClaimRejected(_)));
            refused += 1;
        }
    }
    // One stream's share is 20 and what is under way then; one address's 100 and as many.
    let asked = asked.load(Ordering::SeqCst);
    assert!(refused == 3200 && (20..=160).contains(&asked), "{asked} asks for {refused} claims");
    assert!(rig.records().await.is_empty(), "no epoch for anybody");
}
