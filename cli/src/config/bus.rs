//! `[bus]`: how the brokers are known, and who this is to them.

use std::path::PathBuf;

use driftline_bus::{Mechanism, Tls};

use super::SecretRef;
use super::reader::Section;

/// A user of the brokers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sasl {
    pub(crate) mechanism: Mechanism,
    pub(crate) username: String,
    pub(crate) password: SecretRef,
}

/// TLS, if there is such a section.
pub(super) fn tls(bus: &Section<'_>) -> Option<Tls> {
    let given = bus.has("tls");
    let tls = bus.section("tls", |s| {
        let path = |key: &str| s.text(key).map(PathBuf::from);
        let (ca, certificate, key) = (path("ca"), path("certificate"), path("key"));
        if certificate.is_some() != key.is_some() {
            s.wrong("certificate", "give `certificate` and `key`, or neither");
        }
        Tls { ca, identity: certificate.zip(key) }
    });
    given.then_some(tls)
}

/// A user, if there is such a section.
pub(super) fn sasl(bus: &Section<'_>) -> Option<Sasl> {
    let given = bus.has("sasl");
    bus.section("sasl", |s| {
        let mechanisms = [
            ("scram-sha-512", Mechanism::ScramSha512),
            ("scram-sha-256", Mechanism::ScramSha256),
            ("plain", Mechanism::Plain),
        ];
        let mechanism = s.choice("mechanism", &mechanisms)?;
        let (username, password) = (s.text("username"), s.secret("password"));
        for key in ["username", "password"] {
            if given && !s.has(key) {
                s.wrong(key, "missing: who is this to the brokers?");
            }
        }
        Some(Sasl { mechanism, username: username?, password: password? })
    })
}
