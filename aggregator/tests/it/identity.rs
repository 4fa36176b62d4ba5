//! Agents with certificates: whom the stream lets in, for which accounts, and for how long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use driftline_identity::proof::ProofRules;
use driftline_identity::{
    AgentId, Authority, ClientFiles, Gate, GateFiles, Inventory, Issued, Lifetime, Pair, Previous,
};
use driftline_model::record::Session;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::rig::{ACCOUNT, Rig};

const GRANTS: &str = "[[agents]]\nid = \"spiffe://d/agent/a\"\naccounts = [\"111111111111\"]\n";
const OTHERS: &str = "[[agents]]\nid = \"spiffe://d/agent/a\"\naccounts = [\"222222222222\"]\n";
const NOBODY: &str = "[[agents]]\nid = \"spiffe://d/agent/b\"\naccounts = [\"111111111111\"]\n";

/// The files of a private CA.
pub(crate) struct Certs {
    pub(crate) folder: PathBuf,
    authority: Authority,
    pub(crate) gate: Gate,
}

pub(crate) fn now() -> SystemTime {
    time::OffsetDateTime::now_utc().into()
}

fn lifetime() -> Lifetime {
    Lifetime { now: now().into(), valid: Duration::from_secs(3600) }
}

fn pair(folder: &Path, name: &str, issued: &Issued) {
    std::fs::write(folder.join(format!("{name}.pem")), &issued.certificate).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), &issued.key).unwrap();
}

impl Certs {
    fn new(folder: &Path) -> Self {
        Self::with(folder, None, watch::channel(Inventory::new()).1)
    }

    pub(crate) fn with(folder: &Path, proofs: Option<ProofRules>, inventory: watch::Receiver<Inventory>) -> Self {
        let (authority, own) = Authority::create("test", lifetime()).unwrap();
        pair(folder, "ca", &own);
        pair(folder, "trust", &own);
        pair(folder, "server", &authority.server(&["127.0.0.1".into()], lifetime()).unwrap());
        std::fs::write(folder.join("grants.toml"), GRANTS).unwrap();
        std::fs::write(folder.join("deny.txt"), "").unwrap();
        std::fs::write(folder.join("before.pem"), own.certificate).unwrap();
        let at = |name: &str| folder.join(name);
        let files = GateFiles {
            certificate: at("server.pem"),
            key: at("server.key"),
            ca: Some(at("ca.pem")),
            previous: Some(Previous { ca: at("before.pem"), until: now() + Duration::from_secs(3600) }),
            grants: at("grants.toml"),
            deny: Some(at("deny.txt")),
            proofs,
        };
        let gate = Gate::open(files, inventory, Arc::new(now)).unwrap();
        let certs = Self { folder: folder.to_owned(), authority, gate };
        certs.issue(&certs.authority, "a");
        certs
    }

    fn issue(&self, authority: &Authority, name: &str) {
        let id = AgentId::parse(&format!("spiffe://d/agent/{name}")).unwrap();
        pair(&self.folder, "agent", &authority.agent(&id, lifetime()).unwrap());
    }

    pub(crate) fn client(&self) -> ClientFiles {
        let at = |name: &str| self.folder.join(name);
        ClientFiles { own: Some(Pair { certificate: at("agent.pem"), key: at("agent.key") }), ca: at("trust.pem") }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }
}

async fn rig() -> (Rig, Certs) {
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::new(folder.path());
    let rig = Rig::guarded(folder, Some(certs.gate.clone())).await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    (rig, certs)
}

#[tokio::test]
async fn the_certificate_names_the_agent_whatever_it_says() {
    let (mut rig, certs) = rig().await;
    rig.start_agent_as(Some(certs.client()));
    rig.cycles(1).await;
    let session = rig.records().await.into_iter().find(|r| r.key == format!("e/{ACCOUNT}").into_bytes()).unwrap();
    let session: Session = serde_json::from_slice(&session.value.unwrap()).unwrap();
    assert_eq!(session.agent, "spiffe://d/agent/a", "in its hello it calls itself `agent`");
    rig.stop_agent().await;
}

/// Starts the agent with something wrong; nothing of it reaches the log until that is put right.
#[tokio::test]
async fn who_may_not_speak_publishes_nothing_and_its_twin_does() {
    type Change = fn(&Certs);
    let cases: [(&str, Change, Change); 5] = [
        (
            "another CA",
            |c| c.issue(&Authority::create("test", lifetime()).unwrap().0, "a"),
            |c| c.issue(&c.authority, "a"),
        ),
        ("no grant for the agent", |c| c.write("grants.toml", NOBODY), |c| c.write("grants.toml", GRANTS)),
        ("no grant for the account", |c| c.write("grants.toml", OTHERS), |c| c.write("grants.toml", GRANTS)),
        ("another agent's certificate", |c| c.issue(&c.authority, "b"), |c| c.issue(&c.authority, "a")),
        ("denied", |c| c.write("deny.txt", "spiffe://d/agent/a"), |c| c.write("deny.txt", "")),
    ];
    for (what, spoil, mend) in cases {
        let (mut rig, certs) = rig().await;
        spoil(&certs);
        certs.gate.reload().unwrap();
        rig.start_agent_as(Some(certs.client()));
        // It has tried several times by then.
        tokio::time::timeout(Duration::from_millis(700), rig.cycles(1)).await.expect_err(what);
        assert!(rig.records().await.is_empty(), "{what}");
        rig.stop_agent().await;
        mend(&certs);
        certs.gate.reload().unwrap();
        rig.start_agent_as(Some(certs.client()));
        rig.cycles(1).await;
        rig.stop_agent().await;
    }
}

#[tokio::test]
async fn plaintext_does_not_reach_an_aggregator_with_a_gate() {
    let (mut rig, _certs) = rig().await;
    rig.start_agent();
    tokio::time::timeout(Duration::from_millis(500), rig.cycles(1)).await.expect_err("plaintext");
    assert!(rig.records().await.is_empty());
    rig.stop_agent().await;
}

/// A running agent is cut within the time that the gate takes to see the file, and comes back when it may.
#[tokio::test]
async fn a_revoked_agent_is_cut_and_one_that_is_trusted_again_goes_on_without_a_gap() {
    let (mut rig, certs) = rig().await;
    let stop = CancellationToken::new();
    tokio::spawn(certs.gate.clone().watch(stop.clone()));
    rig.start_agent_as(Some(certs.client()));
    rig.cycles(2).await;
    let (mut changes, denied) = (certs.gate.changes(), Instant::now());
    certs.write("deny.txt", "spiffe://d/agent/a");
    tokio::time::timeout(Duration::from_secs(30), changes.changed()).await.expect("the gate sees it").unwrap();
    // It publishes with every round of 50 ms while it may: a second without any is the end of it.
    let mut before = rig.cycles_now().await;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = rig.cycles_now().await;
        if now == before {
            break;
        }
        before = now;
        assert!(denied.elapsed() < Duration::from_secs(30), "still served after 30 s");
    }
    rig.set(&[("vpc-a", "10.0.0.0/16"), ("vpc-b", "10.1.0.0/16")]);
    certs.write("deny.txt", "");
    certs.gate.reload().unwrap();
    rig.cycles(before + 2).await;
    // What it had read meanwhile was stored, and comes first.
    let (wanted, end) = (format!("s/{ACCOUNT}/eu-west-1/aws_vpc/vpc-b"), Instant::now() + Duration::from_secs(20));
    while !rig.observations().await.contains(&wanted) {
        assert!(Instant::now() < end, "what changed meanwhile never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    rig.stop_agent().await;
}

/// CA, aggregator and agent get new certificates while records flow: each resource once, in one epoch.
#[tokio::test]
async fn rotation_loses_and_doubles_nothing() {
    let (mut rig, certs) = rig().await;
    let vpcs: Vec<(String, String)> =
        (0..300).map(|n| (format!("vpc-{n:03}"), format!("10.{}.0.0/16", n % 250))).collect();
    let all: Vec<(&str, &str)> = vpcs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    rig.set(&all[..100]);
    rig.start_agent_as(Some(certs.client()));
    rig.cycles(1).await;
    let (next, own) = Authority::create("next", lifetime()).unwrap();
    let both = format!("{}{}", own.certificate, certs.authority.certificate());
    certs.write("trust.pem", &both);
    rig.set(&all[..200]);
    pair(&certs.folder, "ca", &own);
    pair(&certs.folder, "server", &next.server(&["127.0.0.1".into()], lifetime()).unwrap());
    certs.gate.reload().unwrap();
    rig.set(&all);
    // The agent would notice by itself within its heartbeat; a new aggregator makes it come at once.
    certs.issue(&next, "a");
    rig.stop_aggregator().await;
    std::fs::write(certs.folder.join("before.pem"), &own.certificate).unwrap();
    certs.gate.reload().unwrap();
    let rounds = rig.cycles_now().await;
    rig.start_aggregator().await;
    rig.cycles(rounds + 2).await;
    rig.stop_agent().await;
    let keys: Vec<String> = rig.observations().await.into_iter().filter(|k| k.starts_with("s/")).collect();
    let mut distinct = keys.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((keys.len(), distinct.len()), (300, 300));
    let sessions = rig.records().await.iter().filter(|r| r.key.starts_with(b"e/")).count();
    assert!(sessions <= 2, "{sessions} sessions: the epoch is kept over reconnects");
}
