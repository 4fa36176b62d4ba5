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
    /// Its certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The CA of the aggregator, PEM; several certificates are all trusted.
    pub ca: PathBuf,
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
        let (chain, key) = (files::certificates(&self.files.certificate)?, files::key(&self.files.key)?);
        let pair = |reason: String| Error::Pair {
            certificate: self.files.certificate.clone(),
            key: self.files.key.clone(),
            reason,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| pair(e.to_string()))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|e| pair(e.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The name in the certificate.
    pub fn agent(&self) -> Result<AgentId, Error> {
        let chain = files::certificates(&self.files.certificate)?;
        let own = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let content = |reason: String| Error::Content { path: self.files.certificate.clone(), reason };
        AgentId::of_certificate(own).map_err(|e| content(e.to_string()))
    }

    /// Whether a file changed since the last call of this or of [`ClientTls::config`].
    pub fn changed(&mut self) -> bool {
        self.watch.changed(self.files.all())
    }
}

impl ClientFiles {
    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key, &self.ca].into_iter()
    }
}
