//! The agent's side: its certificate, and the CA of the aggregator, from files that are read anew for each connection.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};

use crate::agent_id::AgentId;
use crate::error::Error;
use crate::files::{self, Watch};

/// The agent's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Its own certificate. None: it proves each account by STS.
    pub own: Option<Pair>,
    /// The CA of the aggregator, PEM; several certificates are all trusted.
    pub ca: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// TLS for an agent, and whether it is still what the files say.
#[derive(Debug)]
pub struct ClientTls {
    files: ClientFiles,
    watch: Watch,
}

impl ClientTls {
    /// Of these files.
    pub fn new(files: ClientFiles) -> Self {
        Self { files, watch: Watch::default() }
    }

    /// TLS by what the files hold now. Sessions are never resumed: each connection shows the certificate.
    pub fn config(&mut self) -> Result<Arc<ClientConfig>, Error> {
        self.watch.changed(self.files.all());
        let mut roots = RootCertStore::empty();
        for certificate in files::certificates(&self.files.ca)? {
            let content = |e: rustls::Error| Error::Content { path: self.files.ca.clone(), reason: e.to_string() };
            roots.add(certificate).map_err(content)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let content = |e: rustls::Error| Error::Content { path: self.files.ca.clone(), reason: e.to_string() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(content)?
            .with_root_certificates(roots);
        let mut config = match &self.files.own {
            Some(Pair { certificate, key }) => {
                let pair = |e: rustls::Error| Error::Pair {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    reason: e.to_string(),
                };
                config.with_client_auth_cert(files::certificates(certificate)?, files::key(key)?).map_err(pair)?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The name in the certificate, if there is one.
    pub fn agent(&self) -> Result<Option<AgentId>, Error> {
        let Some(Pair { certificate, .. }) = &self.files.own else { return Ok(None) };
        let chain = files::certificates(certificate)?;
        let own = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let content = |reason: String| Error::Content { path: certificate.clone(), reason };
        AgentId::of_certificate(own).map(Some).map_err(|e| content(e.to_string()))
    }

    /// Whether a file changed since the last call of this or of [`ClientTls::config`].
    pub fn changed(&mut self) -> bool {
        self.watch.changed(self.files.all())
    }
}

impl ClientFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let own = self.own.iter().flat_map(|own| [&own.certificate, &own.key]);
        own.chain([&self.ca])
    }
}
