//! Why a file can't be used, and why a peer is turned away.

use std::path::PathBuf;

/// A file that can't be used. What was read from it before goes on to hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not fit, or the TLS library refuses them.
    #[error("certificate {} with key {}: {reason}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A certificate can't be made.
    #[error("making a certificate: {0}")]
    Issue(String),
}

/// Why a peer is turned away. The text is for the operator and for the peer alike: it names nothing that the peer did not show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not lead to a CA that is trusted now, or is not valid now.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(String),
    /// It names no agent, or more than one.
    #[error("the certificate names no agent: {0}")]
    Nameless(String),
    /// The deny list has it.
    #[error("the certificate of {0} is revoked")]
    Revoked(String),
    /// The grants name no such agent.
    #[error("no grant names {0}")]
    Unknown(String),
}
