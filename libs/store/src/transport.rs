//! How the server is reached: over TLS, by the system's CAs or one of its own; in plaintext on loopback, or where that is said.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Error, StoreConfig};

/// ClickHouse closes an idle connection after three seconds by default: ours go first.
const IDLE: Duration = Duration::from_secs(2);

/// The client for this URL.
pub(crate) fn client(config: &StoreConfig) -> Result<Client, Error> {
    let wrong = |text: String| Err(Error::Misconfigured(text));
    let url = &config.url;
    match (url.split_once("://"), &config.ca) {
        (Some(("https", _)), None) => Ok(Client::default()),
        (Some(("https", _)), Some(ca)) => with_ca(ca),
        (Some(("http", _)), Some(_)) => wrong(format!("{url}: a CA is of no use without `https`")),
        (Some(("http", address)), None) if config.plaintext || is_loopback(address) => Ok(Client::default()),
        (Some(("http", _)), None) => wrong(format!(
            "{url} is not on loopback: use `https`, or say `plaintext = true` if everybody on the way may read the \
             password, and read and change all else"
        )),
        _ => wrong(format!("{url}: a URL of ClickHouse begins with https:// or http://")),
    }
}

fn with_ca(path: &Path) -> Result<Client, Error> {
    let wrong = |why: String| Error::Misconfigured(format!("CA {}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        roots.add(certificate.map_err(|e| wrong(e.to_string()))?).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate in it".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|e| wrong(e.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
    let mut http = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    Ok(Client::with_http_client(http.pool_idle_timeout(IDLE).build(connector)))
}

/// Whether `host:port/...` never leaves this machine.
fn is_loopback(address: &str) -> bool {
    driftline_model::host::is_loopback(address.split(['/', '?', '#']).next().unwrap_or_default())
}
