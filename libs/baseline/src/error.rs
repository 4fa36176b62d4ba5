//! What can be wrong with a source of baselines; each case is one that a caller treats differently.

use std::fmt;

/// Where in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in bytes.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Errors of reading a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Broken, or not of the form that it claims to be.
    #[error("{at}: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
        /// Where.
        at: Position,
    },
    /// Well-formed, but no baseline: a folder's reader may pass over it.
    #[error("no baseline: {0}")]
    NotABaseline(String),
    /// A form that this version cannot read; the text says what to do.
    #[error("{0}")]
    Unsupported(String),
    /// More than the limits allow.
    #[error("{0}")]
    TooLarge(String),
    /// The source could not be fetched.
    #[error("{source_name}: {reason}")]
    Fetch {
        /// File or URL.
        source_name: String,
        /// What went wrong.
        reason: String,
    },
    /// The location itself is malformed.
    #[error("`{0}` is no location of a baseline: {1}")]
    Location(String, &'static str),
}
