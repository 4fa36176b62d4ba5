//! Who a client is to the brokers and how it knows them: TLS, SASL, and plaintext only where that is said aloud.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Error;

/// How connections are secured. The default is plaintext, which reaches brokers on loopback alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// TLS; none: plaintext.
    pub tls: Option<Tls>,
    /// A name and a password; none: the client's certificate says who it is, or nothing does.
    pub sasl: Option<Sasl>,
    /// Plaintext to brokers that are not on loopback too: everybody on the way reads and changes what is sent.
    pub plaintext: bool,
}

/// Files in PEM. A broker's certificate must be valid for the name it is reached by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The CA of the brokers; none: what the system trusts.
    pub ca: Option<PathBuf>,
    /// The client's certificate, or chain, and its key, where brokers ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How a password is shown to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-512 (RFC 5802): the password itself is never sent.
    ScramSha512,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// PLAIN (RFC 4616): the password is sent as it is, so only within TLS, or on loopback.
    Plain,
}

impl Mechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

/// A user of the brokers.
#[derive(Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is shown.
    pub mechanism: Mechanism,
    /// Name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sasl")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Settings of librdkafka that [`Security`] makes.
pub(super) const OURS: &[&str] = &[
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
];

impl Security {
    /// Refuses what would show passwords or records to the network unasked, and files that can't be read.
    pub(super) fn check(&self, bootstrap: &str) -> Result<(), Error> {
        let away = bootstrap.split(',').map(str::trim).find(|broker| !is_loopback(broker));
        let wrong = |text: String| Err(Error::Misconfigured(text));
        match (&self.tls, &self.sasl, away) {
            (None, Some(sasl), Some(broker)) if sasl.mechanism == Mechanism::Plain => {
                return wrong(format!(
                    "kafka at {broker}: PLAIN without TLS would send the password as it is: set `tls`"
                ));
            }
            (None, _, Some(broker)) if !self.plaintext => {
                return wrong(format!(
                    "kafka at {broker} is not on loopback and there is no TLS: set `tls`, or `plaintext = true` if \
                     everybody on the way may read and change what is sent"
                ));
            }
            (Some(_), _, _) if self.plaintext => {
                return wrong("kafka: `plaintext = true` beside `tls`: one of them is a mistake".to_owned());
            }
            _ => {}
        }
        let Some(tls) = &self.tls else { return Ok(()) };
        let identity = tls.identity.iter().flat_map(|(certificate, key)| [("certificate", certificate), ("key", key)]);
        for (what, path) in tls.ca.iter().map(|ca| ("CA", ca)).chain(identity) {
            readable(what, path)?;
        }
        Ok(())
    }

    /// As librdkafka names it.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), None) => "ssl",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        let mut all = vec![("security.protocol", protocol.to_owned())];
        if let Some(tls) = &self.tls {
            all.push(("enable.ssl.certificate.verification", "true".to_owned()));
            all.push(("ssl.endpoint.identification.algorithm", "https".to_owned()));
            all.extend(tls.ca.iter().map(|ca| ("ssl.ca.location", ca.display().to_string())));
            if let Some((certificate, key)) = &tls.identity {
                all.push(("ssl.certificate.location", certificate.display().to_string()));
                all.push(("ssl.key.location", key.display().to_string()));
            }
        }
        if let Some(sasl) = &self.sasl {
            all.push(("sasl.mechanism", sasl.mechanism.name().to_owned()));
            all.push(("sasl.username", sasl.username.clone()));
            all.push(("sasl.password", sasl.password.clone()));
        }
        all
    }
}

fn readable(what: &str, path: &Path) -> Result<(), Error> {
    let wrong = |why: String| Error::Misconfigured(format!("kafka: {what} {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    if text.contains("-----BEGIN ") { Ok(()) } else { Err(wrong("it is no PEM".to_owned())) }
}

/// Whether `host:port`, with an optional protocol before it, never leaves this machine.
fn is_loopback(broker: &str) -> bool {
    driftline_model::host::is_loopback(broker.rsplit_once("://").map_or(broker, |(_, address)| address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_nothing_else() {
        for here in ["localhost:9092", "[::1]:9092", "plaintext://127.3.2.1:1"] {
            assert!(is_loopback(here), "{here}");
        }
        for away in ["kafka:9092", "plaintext://10.0.0.1:9092", "localhost://kafka:1", ""] {
            assert!(!is_loopback(away), "{away}");
        }
    }

    #[test]
    fn nothing_is_sent_in_plaintext_unasked() {
        let sasl = |mechanism| Some(Sasl { mechanism, username: "u".into(), password: "swordfish".into() });
        let (none, open) = (Security::default(), Security { plaintext: true, ..Security::default() });
        let tls = Security { tls: Some(Tls::default()), ..Security::default() };
        let scram = Security { sasl: sasl(Mechanism::ScramSha512), ..open.clone() };
        let plain = Security { sasl: sasl(Mechanism::Plain), ..open.clone() };
        let both = Security { plaintext: true, ..tls.clone() };
        let lost = Security { tls: Some(Tls { ca: Some("/no/such/ca.pem".into()), identity: None }), ..tls.clone() };
        for (security, bootstrap, wanted) in [
            (&none, "127.0.0.1:1,localhost:2", None),
            (&none, "127.0.0.1:1,kafka:2", Some("kafka:2 is not on loopback")),
            (&open, "kafka:2", None),
            (&tls, "kafka:2", None),
            (&scram, "kafka:2", None),
            (&plain, "kafka:2", Some("PLAIN without TLS")),
            (&plain, "localhost:2", None),
            (&both, "kafka:2", Some("one of them is a mistake")),
            (&lost, "kafka:2", Some("CA /no/such/ca.pem")),
        ] {
            let found = security.check(bootstrap).err().map(|e| e.to_string());
            match (&found, wanted) {
                (None, None) => {}
                (Some(text), Some(words)) => assert!(text.contains(words), "{text}"),
                _ => panic!("{security:?} at {bootstrap}: {found:?}"),
            }
        }
        assert!(!format!("{plain:?}").contains("swordfish"));
    }
}
