//! The name of an agent: the one URI among its certificate's subject alternative names.

use std::fmt;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::Refused;

/// Longest name in bytes; as long as SPIFFE allows.
const LONGEST: usize = 2048;

/// `spiffe://DOMAIN/agent/NAME`, or any other URI that the CA wrote into the certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(String);

impl AgentId {
    /// As written in grants and deny lists.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("it is no URI: `spiffe://DOMAIN/agent/NAME`")?;
        let clean = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic());
        if !clean(scheme) || !clean(rest) || text.len() > LONGEST {
            return Err(format!("it is no URI of 1 to {LONGEST} printable ASCII characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Of a certificate in DER. One with several URIs names nobody: which of them was checked would be anyone's guess.
    pub fn of_certificate(der: &[u8]) -> Result<Self, Refused> {
        let nameless = |why: &str| Refused::Nameless(why.to_owned());
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| nameless("it does not parse"))?;
        if !rest.is_empty() {
            return Err(nameless("bytes follow it"));
        }
        let names = certificate.subject_alternative_name().map_err(|_| nameless("its names do not parse"))?;
        let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        let mut uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) => Self::parse(uri).map_err(Refused::Nameless),
            (None, _) => Err(nameless("it has no URI")),
            (Some(_), Some(_)) => Err(nameless("it has more than one URI")),
        }
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
