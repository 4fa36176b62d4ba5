//! Reads SQL far enough to say what a text may do before an engine sees it: one statement or several, a query or a
//! change, an insert and where its data begin. It judges; it does not parse expressions.
//!
//! What it cannot read exactly as ClickHouse's lexer does (here-documents, `#` and `//` comments, curly quotes, a quote
//! that touches a word) is refused: a text that two lexers cut differently is how a guard is passed.

mod guard;
mod lexer;
mod within;

pub(crate) use guard::{Statement, read_only, split, statement};
pub(crate) use within::within;

/// Why a text is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not readable, or not readable for certain.
    #[error("SQL refused at byte {at}: {why}")]
    Unreadable {
        /// Byte offset in the text.
        at: usize,
        /// What stands there.
        why: &'static str,
    },
    /// Nothing to run.
    #[error("SQL refused: there is no statement")]
    Empty,
    /// More than one statement.
    #[error("SQL refused: one statement at a time")]
    Several,
    /// A kind of statement that is not allowed here.
    #[error("SQL refused: `{found}` is not allowed here; allowed: {allowed}")]
    Kind {
        /// The first word.
        found: String,
        /// The first words that are allowed.
        allowed: String,
    },
    /// A word that reaches outside the database.
    #[error("SQL refused: `{0}` reaches outside the database (write it in quotes where it is a value)")]
    Word(String),
    /// A name that somebody who may see some accounts only can't use.
    #[error(
        "SQL refused: `{0}` is not for those who may see some accounts only: SELECT from the tables, with plain functions"
    )]
    Beyond(String),
    /// Longer than the limit.
    #[error("SQL refused: {found} bytes are more than {limit}")]
    TooLong {
        /// Length in bytes.
        found: usize,
        /// Limit in bytes.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;
