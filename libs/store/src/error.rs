//! What can go wrong with the store, by what a caller can do about it.

use crate::engine::Database;
use crate::sql::Refused;

/// Errors of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is not there now; trying again may help.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database refused a statement.
    #[error("the database refuses: {0}")]
    Database(Database),
    /// A query would have read, returned or taken more than it may. There is no partial answer.
    #[error("the query exceeds its limits: {0}")]
    Limit(String),
    /// Several ids begin so.
    #[error("several ids begin with {0}: give more of it")]
    Ambiguous(String),
    /// The text is not run.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The tables were made by a later release.
    #[error("the tables have schema {found}, this release knows up to {known}: use the later release")]
    Newer {
        /// Schema of the tables.
        found: u32,
        /// Schema of this program.
        known: u32,
    },
    /// A migration that was applied differs from the one of this program.
    #[error("migration {number} was applied in another form than this release has it")]
    Diverged {
        /// Its number.
        number: u32,
    },
    /// The tables do not have the schema of this program yet.
    #[error("the tables have schema {found}, {needed} is needed: run the migrations")]
    Older {
        /// Schema of the tables.
        found: u32,
        /// Schema of this program.
        needed: u32,
    },
    /// A stored row that does not read.
    #[error("a stored row does not read: {0}")]
    Damaged(String),
    /// A setting that cannot be.
    #[error("{0}")]
    Misconfigured(String),
}

impl Error {
    /// Whether the same call may succeed later without anyone acting.
    pub fn is_transient(&self) -> bool {
        // too many queries, parts or memory; no keeper; a replica that is read-only for now
        const LATER: &[u32] = &[202, 252, 241, 999, 242, 209, 210, 159, 394, 1001, 319, 225];
        match self {
            Self::Unavailable(_) => true,
            Self::Database(error) => LATER.contains(&error.code),
            _ => false,
        }
    }
}

impl From<clickhouse::error::Error> for Error {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error as E;
        match error {
            E::BadResponse(text) => {
                let error = Database::new(text);
                // TIMEOUT, TOO_MANY_ROWS, TOO_SLOW, TOO_MANY_BYTES, TOO_MANY_ROWS_OR_BYTES
                match error.code {
                    159 | 158 | 160 | 307 | 396 => Self::Limit(error.text),
                    _ => Self::Database(error),
                }
            }
            E::TimedOut => Self::Unavailable("no answer in time".to_owned()),
            E::Network(source) => Self::Unavailable(with_sources(&*source)),
            E::InvalidParams(source) => Self::Misconfigured(with_sources(&*source)),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// The message with its causes: a bare "client error" helps nobody.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
