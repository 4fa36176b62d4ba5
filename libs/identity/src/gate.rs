//! The aggregator's side: the TLS configuration for the next connection, who a peer is, and whether it may still stay.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agent_id::AgentId;
use crate::deny::DenyList;
use crate::error::{Error, Refused};
use crate::files::{self, Watch};
use crate::grants::{Grants, Inventory};
use crate::proof::{AssumedRole, ProofRules};

/// How often the files are looked at: a revoked certificate is cut within twice this.
const LOOK: Duration = Duration::from_secs(5);

/// The time now.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The files that the gate stands on; each is read anew when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateFiles {
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The CA of the agents, PEM; several certificates are all trusted. None: nobody has a certificate.
    pub ca: Option<PathBuf>,
    /// The CA before this one, while certificates of it are still about.
    pub previous: Option<Previous>,
    /// Which agent may speak for which accounts.
    pub grants: PathBuf,
    /// Who is turned away all the same.
    pub deny: Option<PathBuf>,
    /// What is taken for a proof by STS. None: only certificates count, and each connection shows one.
    pub proofs: Option<ProofRules>,
}

/// A CA that is on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// PEM.
    pub ca: PathBuf,
    /// Trusted until then.
    pub until: SystemTime,
}

/// A peer whose certificate was found good when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub agent: AgentId,
    chain: Arc<[CertificateDer<'static>]>,
}

/// What the files say.
#[derive(Debug)]
struct Known {
    trust: Trust,
    /// With the former CA, until then.
    wider: Option<(SystemTime, Trust)>,
    grants: Grants,
    deny: DenyList,
}

/// TLS as it trusts some CAs.
#[derive(Debug)]
struct Trust {
    config: Arc<ServerConfig>,
    /// None where no certificate is trusted.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// Decides on peers. Clones share it.
#[derive(Clone)]
pub struct Gate {
    clock: Clock,
    files: Arc<GateFiles>,
    known: Arc<RwLock<Arc<Known>>>,
    inventory: watch::Receiver<Inventory>,
    changes: Arc<watch::Sender<u64>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Gate {
    /// Reads all files. `inventory` tells where accounts stand, for grants of organizational units.
    pub fn open(files: GateFiles, inventory: watch::Receiver<Inventory>, clock: Clock) -> Result<Self, Error> {
        let known = Arc::new(RwLock::new(Arc::new(Known::read(&files)?)));
        Ok(Self { clock, files: Arc::new(files), known, inventory, changes: Arc::new(watch::Sender::new(0)) })
    }

    /// Looks at the files until `shutdown`, and at the clock: certificates end, and so does the trust in a former CA. Files
    /// that can't be used are told of, and what they said before holds.
    pub async fn watch(self, shutdown: CancellationToken) {
        let mut watch = Watch::default();
        watch.changed(self.files.all());
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            if watch.changed(self.files.all()) {
                match self.reload() {
                    Ok(()) => tracing::info!("certificates, grants and deny list were read anew"),
                    Err(error) => tracing::error!("identity: {error}; what was read before holds"),
                }
            }
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// Reads the files now.
    pub fn reload(&self) -> Result<(), Error> {
        let known = Arc::new(Known::read(&self.files)?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.changes.send_modify(|n| *n += 1);
        Ok(())
    }

    /// Wakes whoever serves a peer, to ask [`Gate::check`] and [`Gate::may`] again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// TLS for the next connection: client certificates are required unless proofs are taken, sessions are never resumed, since
    /// a resumed one would carry an identity that was checked long ago.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.known().trust((self.clock)()).config)
    }

    /// Who has shown this chain (the peer's own certificate first), if it is good now.
    pub fn identify(&self, chain: &[CertificateDer<'_>]) -> Result<Peer, Refused> {
        let own = chain.first().ok_or_else(|| Refused::Nameless("none was shown".to_owned()))?;
        let peer = Peer {
            agent: AgentId::of_certificate(own)?,
            chain: chain.iter().map(|c| c.clone().into_owned()).collect(),
        };
        self.check(&peer)?;
        Ok(peer)
    }

    /// Whether a peer is still good: its chain, its name, and that nobody has denied it.
    pub fn check(&self, peer: &Peer) -> Result<(), Refused> {
        let (known, now) = (self.known(), (self.clock)());
        let (own, others) = peer.chain.split_first().ok_or_else(|| Refused::Nameless("none was shown".to_owned()))?;
        let at = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let verifier = known.trust(now).verifier.as_ref();
        let verifier = verifier.ok_or_else(|| Refused::Untrusted("certificates are not taken here".to_owned()))?;
        verifier.verify_client_cert(own, others, at).map_err(|e| Refused::Untrusted(e.to_string()))?;
        if known.deny.denies(&peer.agent, own) {
            return Err(Refused::Revoked(peer.agent.to_string()));
        }
        if !known.grants.knows(&peer.agent) {
            return Err(Refused::Unknown(peer.agent.to_string()));
        }
        Ok(())
    }

    /// Whether a peer may speak for an account.
    pub fn may(&self, peer: &Peer, account: &str) -> bool {
        self.known().grants.allow(&peer.agent, account, &self.inventory.borrow())
    }

    /// What is taken for a proof of who has no certificate; none: it is not let in.
    pub fn proofs(&self) -> Option<&ProofRules> {
        self.files.proofs.as_ref()
    }

    /// Whether any role that is granted something may speak for an account: whether a proof of it is worth a look.
    pub fn may_prove(&self, account: &str) -> bool {
        self.files.proofs.is_some() && self.known().grants.allow_role(None, account, &self.inventory.borrow())
    }

    /// Whether a role that was proven may speak for its account, now.
    pub fn may_role(&self, role: &AssumedRole) -> bool {
        let known = self.known();
        self.files.proofs.is_some()
            && known.grants.allow_role(Some(&role.role), &role.account, &self.inventory.borrow())
    }

    /// The time, as this gate has it.
    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl GateFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let previous = self.previous.as_ref().map(|p| &p.ca);
        [&self.certificate, &self.key, &self.grants].into_iter().chain(&self.ca).chain(&self.deny).chain(previous)
    }
}

impl Known {
    fn read(files: &GateFiles) -> Result<Self, Error> {
        let content = |path: &PathBuf, reason: String| Error::Content { path: path.clone(), reason };
        let ca: Vec<&PathBuf> = files.ca.iter().collect();
        let trust = Trust::read(files, &ca)?;
        let wider = match &files.previous {
            Some(previous) => Some((previous.until, Trust::read(files, &[&ca[..], &[&previous.ca]].concat())?)),
            None => None,
        };
        let lines = |path: &PathBuf, wrong: Vec<String>| content(path, wrong.join("; "));
        let text = |path: &PathBuf| {
            String::from_utf8(files::read(path)?).map_err(|_| content(path, "it is no UTF-8".to_owned()))
        };
        let grants = Grants::parse(&text(&files.grants)?).map_err(|wrong| lines(&files.grants, wrong))?;
        let deny = match &files.deny {
            Some(path) => DenyList::parse(&text(path)?).map_err(|wrong| lines(path, wrong))?,
            None => DenyList::default(),
        };
        Ok(Self { trust, wider, grants, deny })
    }

    fn trust(&self, now: SystemTime) -> &Trust {
        match &self.wider {
            Some((until, trust)) if now < *until => trust,
            _ => &self.trust,
        }
    }
}

impl Trust {
    fn read(files: &GateFiles, cas: &[&PathBuf]) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let content = |path: &PathBuf, reason: String| Error::Content { path: path.clone(), reason };
        let mut roots = RootCertStore::empty();
        for path in cas {
            for certificate in files::certificates(path)? {
                roots.add(certificate).map_err(|e| content(path, e.to_string()))?;
            }
        }
        let verifier = match cas.first() {
            Some(ca) => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                let builder = if files.proofs.is_some() { builder.allow_unauthenticated() } else { builder };
                Some(builder.build().map_err(|e| content(ca, e.to_string()))?)
            }
            None => None,
        };
        let (chain, key) = (files::certificates(&files.certificate)?, files::key(&files.key)?);
        let pair = |e: rustls::Error| Error::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            reason: e.to_string(),
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(pair)?;
        let config = match &verifier {
            Some(verifier) => config.with_client_cert_verifier(Arc::clone(verifier)),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), verifier })
    }
}
