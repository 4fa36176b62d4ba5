//! Connections to the aggregator: TLS, with the agent's certificate if it has one, or plaintext on loopback.

use std::time::Duration;

use driftline_identity::{ClientFiles, ClientTls};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::link::Error;

/// For TCP and TLS together.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach one aggregator.
#[derive(Debug)]
pub(crate) struct Connector {
    endpoint: Endpoint,
    tls: Option<(ClientTls, ServerName<'static>)>,
}

impl Connector {
    /// `address` is `https://host:port` with the agent's files, or `http://` to a loopback address without any.
    pub(crate) fn new(address: &str, files: Option<ClientFiles>) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Address(address.to_owned(), reason.to_owned());
        let uri: Uri = address.parse().map_err(|e: http::uri::InvalidUri| wrong(&e.to_string()))?;
        let host = uri.host().ok_or_else(|| wrong("it names no host"))?.trim_matches(['[', ']']);
        let tls = match (uri.scheme_str(), files) {
            (Some("https"), Some(files)) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|e| wrong(&e.to_string()))?;
                Some((ClientTls::new(files), name))
            }
            (Some("https"), None) => {
                return Err(wrong(
                    "https needs certificates: `ca`, and `certificate` and `key` if it has them, of [agent] tls",
                ));
            }
            (Some("http"), None) if driftline_model::host::is_loopback(host) => None,
            (Some("http"), None) => return Err(wrong("plaintext goes to loopback only: give certificates and https")),
            (Some("http"), Some(_)) => return Err(wrong("certificates are given: say https")),
            _ => return Err(wrong("it is `https://HOST:PORT`")),
        };
        // TLS is the connector's: to tonic it is a plain connection.
        let plain = address.replacen("https://", "http://", 1);
        let endpoint = Endpoint::from_shared(plain)
            .map_err(|e| wrong(&e.to_string()))?
            .connect_timeout(TIMEOUT)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .http2_max_header_list_size(16 << 10)
            .tcp_nodelay(true);
        Ok(Self { endpoint, tls })
    }

    /// A new connection, with the certificate as the file has it now; why not, in words.
    pub(crate) async fn connect(&mut self) -> Result<Channel, String> {
        let Some((tls, name)) = &mut self.tls else {
            return self.endpoint.connect().await.map_err(|e| chain(&e));
        };
        let connector = TlsConnector::from(tls.config().map_err(|e| e.to_string())?);
        let name = name.clone();
        let dial = tower::service_fn(move |uri: Uri| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
                let tcp = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
                tcp.set_nodelay(true)?;
                Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
            }
        });
        let connected = tokio::time::timeout(TIMEOUT, self.endpoint.connect_with_connector(dial)).await;
        connected.map_err(|_| "no answer in time".to_owned())?.map_err(|e| chain(&e))
    }

    /// Whether another certificate than that of the last connection is there to be shown.
    pub(crate) fn outdated(&mut self) -> bool {
        self.tls.as_mut().is_some_and(|(tls, _)| tls.changed())
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_loopback_and_certificates_are_used() {
        let files = || Some(ClientFiles { own: None, ca: "c".into() });
        let cases = [
            ("http://127.0.0.1:7420", None, Ok(())),
            ("http://[::1]:7420", None, Ok(())),
            ("http://localhost:7420", None, Ok(())),
            ("http://aggregator:7420", None, Err("loopback")),
            ("http://10.0.0.1:7420", None, Err("loopback")),
            ("https://aggregator:7420", files(), Ok(())),
            ("https://aggregator:7420", None, Err("certificates")),
            ("http://127.0.0.1:7420", files(), Err("https")),
            ("aggregator:7420", None, Err("https://HOST")),
        ];
        for (address, files, expect) in cases {
            let found = Connector::new(address, files).map(|_| ()).map_err(|e| e.to_string());
            match expect {
                Ok(()) => assert_eq!(found, Ok(()), "{address}"),
                Err(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{address}: {found:?}"),
            }
        }
    }
}
