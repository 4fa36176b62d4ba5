//! A folder with a CA, an aggregator's certificate, grants and a deny list.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use driftline_identity::{AgentId, Authority, Gate, GateFiles, Inventory, Issued, Lifetime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use tokio::sync::watch;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const GRANTS: &str = "[[agents]]\nid = \"spiffe://d/agent/a\"\naccounts = [\"111111111111\"]\n";

pub(crate) struct World {
    folder: tempfile::TempDir,
    pub(crate) authority: Authority,
    pub(crate) now: SystemTime,
    /// What the gate takes for now.
    pub(crate) clock: Arc<Mutex<SystemTime>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (authority, own) = Authority::create("test", lifetime(now, DAY * 30)).unwrap();
        let world = Self { folder, authority, now, clock: Arc::new(Mutex::new(now)) };
        world.write("ca.pem", &own.certificate);
        world.write("ca.key", &own.key);
        let server = world.authority.server(&["localhost".into()], lifetime(now, DAY)).unwrap();
        world.pair("server", &server);
        world.write("grants.toml", GRANTS);
        world.write("deny.txt", "");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn pair(&self, name: &str, issued: &Issued) {
        self.write(&format!("{name}.pem"), &issued.certificate);
        self.write(&format!("{name}.key"), &issued.key);
    }

    pub(crate) fn files(&self) -> GateFiles {
        GateFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            ca: Some(self.path("ca.pem")),
            previous: None,
            grants: self.path("grants.toml"),
            deny: Some(self.path("deny.txt")),
            proofs: None,
        }
    }

    pub(crate) fn gate(&self) -> Gate {
        self.gate_of(self.files())
    }

    pub(crate) fn gate_of(&self, files: GateFiles) -> Gate {
        let clock = Arc::clone(&self.clock);
        let clock = Arc::new(move || *clock.lock().unwrap());
        Gate::open(files, watch::channel(Inventory::new()).1, clock).unwrap()
    }

    pub(crate) fn agent(&self, name: &str) -> Issued {
        self.authority.agent(&agent(name), lifetime(self.now, DAY)).unwrap()
    }
}

pub(crate) fn lifetime(now: SystemTime, valid: Duration) -> Lifetime {
    Lifetime { now: OffsetDateTime::from(now), valid }
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(&format!("spiffe://d/agent/{name}")).unwrap()
}

pub(crate) fn chain(issued: &Issued) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).map(Result::unwrap).collect()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
