//! A private CA for a trial: makes itself, and certificates for the aggregator and for agents. An enterprise has its own.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::agent_id::AgentId;
use crate::error::Error;
use crate::files;

/// Clocks differ: a certificate is valid from this much before it was made.
const EARLIER: Duration = Duration::from_secs(300);

/// How long a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// When it is made.
    pub now: OffsetDateTime,
    /// How long from then.
    pub valid: Duration,
}

/// A certificate (or chain) and its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM of the certificate.
    pub certificate: String,
    /// PEM of the private key, PKCS #8.
    pub key: String,
}

/// Without the key.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A CA that can issue.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new CA and what to keep of it.
    pub fn create(name: &str, lifetime: Lifetime) -> Result<(Self, Issued), Error> {
        let mut params = params(name, lifetime);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(issue)?;
        let certificate = params.self_signed(&key).map_err(issue)?.pem();
        let issued = Issued { certificate: certificate.clone(), key: key.serialize_pem() };
        Ok((Self { issuer: Issuer::new(params, key), certificate }, issued))
    }

    /// The CA of these files.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let text = |path: &Path| {
            String::from_utf8(files::read(path)?)
                .map_err(|_| Error::Content { path: path.to_owned(), reason: "it is no PEM".to_owned() })
        };
        let (pem, key_pem) = (text(certificate)?, text(key)?);
        let pair = |e: rcgen::Error| Error::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: e.to_string(),
        };
        let key = KeyPair::from_pem(&key_pem).map_err(pair)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(pair)?;
        Ok(Self { issuer, certificate: pem })
    }

    /// The CA's own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for the aggregator: for these host names and addresses.
    pub fn server(&self, names: &[String], lifetime: Lifetime) -> Result<Issued, Error> {
        let mut params = params("driftline aggregator", lifetime);
        params.subject_alt_names = CertificateParams::new(names.to_vec()).map_err(issue)?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// A certificate for an agent.
    pub fn agent(&self, agent: &AgentId, lifetime: Lifetime) -> Result<Issued, Error> {
        let mut params = params("driftline agent", lifetime);
        params.subject_alt_names = vec![SanType::URI(agent.as_str().try_into().map_err(issue)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Issued, Error> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(issue)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// The names and addresses that a server's certificate is for.
pub fn hosts(certificate: &Path) -> Result<Vec<String>, Error> {
    let content = |reason: &str| Error::Content { path: certificate.to_owned(), reason: reason.to_owned() };
    let chain = files::certificates(certificate)?;
    let own = chain.first().ok_or_else(|| content("no certificate"))?;
    let (_, parsed) = X509Certificate::from_der(own).map_err(|_| content("it does not parse"))?;
    let names = parsed.subject_alternative_name().map_err(|_| content("its names do not parse"))?;
    let names = names.map(|n| n.value.general_names.as_slice()).unwrap_or_default();
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
        },
        _ => None,
    };
    Ok(names.iter().filter_map(host).collect())
}

fn params(name: &str, lifetime: Lifetime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = lifetime.now - EARLIER;
    params.not_after = lifetime.now + lifetime.valid;
    params
}

fn issue(error: rcgen::Error) -> Error {
    Error::Issue(error.to_string())
}
