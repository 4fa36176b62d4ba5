//! What a text of SQL may do, from its tokens.

use super::Refused;
use super::lexer::{Kind, Token, tokens};

/// Longest text that is looked at; rows travel beside it, not in it.
const MAX_SQL: usize = 1 << 20;

/// Statements that read and nothing else.
const READING: &[&str] = &["SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"];

/// Statements that the embedded engine takes from whoever holds its token. `SYSTEM`, `SET`, `USE`, `ATTACH`, `BACKUP`
/// and all that concerns users are left out: nobody here needs them.
const ENGINE: &[&str] = &[
    "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "INSERT", "CREATE", "ALTER", "DROP",
    "RENAME", "EXCHANGE", "TRUNCATE", "OPTIMIZE", "DELETE", "KILL",
];

/// Names that reach outside the database and that grants do not stop: the scalar function `file` reads any path (as
/// `APPLY(file)` too), `INFILE` and `OUTFILE` are done by the client part of the library, and `Identifier` would let a
/// parameter name any of them.
const OUTSIDE: &[&str] = &["file", "infile", "outfile", "executable", "catboostEvaluate", "Identifier"];

/// A statement that the embedded engine may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Anything but an insert with data.
    Plain(String),
    /// `INSERT INTO table (columns)` with data: those of `rest`, then the body's.
    Insert {
        /// Up to where the format would stand.
        head: String,
        /// Name of the format.
        format: String,
        /// Data in the text itself (after `VALUES`).
        inline: String,
    },
}

/// Judges a text for the embedded engine. Comments come back as blanks.
pub(crate) fn statement(sql: &str) -> Result<Statement, Refused> {
    let (text, all) = single(sql)?;
    first_word(&all, ENGINE)?;
    inside(&all)?;
    if !all[0].is("INSERT") {
        return Ok(Statement::Plain(without_comments(text, &all)));
    }
    let mut depth = 0_usize;
    for (i, token) in all.iter().enumerate() {
        match token {
            t if t.is_symbol("(") => depth += 1,
            t if t.is_symbol(")") => depth = depth.saturating_sub(1),
            t if depth == 0 && (t.is("SELECT") || t.is("WITH")) => break,
            t if depth == 0 && t.is("SETTINGS") => {
                return Err(Refused::Unreadable { at: t.start, why: "settings of an insert go into the URL" });
            }
            t if depth == 0 && t.is("VALUES") && i > 2 => {
                let (head, inline) = (without_comments(&text[..t.start], &all[..i]), text[t.end..].to_owned());
                return Ok(Statement::Insert { head, format: "Values".to_owned(), inline });
            }
            t if depth == 0 && t.is("FORMAT") => {
                let [format] = &all[i + 1..] else {
                    return Err(Refused::Unreadable { at: t.end, why: "the data of an insert go into the body" });
                };
                let head = without_comments(&text[..t.start], &all[..i]);
                return Ok(Statement::Insert { head, format: format.text.to_owned(), inline: String::new() });
            }
            _ => {}
        }
    }
    Ok(Statement::Plain(without_comments(text, &all)))
}

/// Judges a text that a person wants to read with: one statement, and one that reads. Its answer's format is ours.
pub(crate) fn read_only(sql: &str) -> Result<String, Refused> {
    let (text, all) = single(sql)?;
    first_word(&all, READING)?;
    inside(&all)?;
    if let [.., last, _] = all.as_slice()
        && last.is("FORMAT")
    {
        return Err(Refused::Unreadable { at: last.start, why: "`FORMAT`: the answer has its own" });
    }
    Ok(without_comments(text, &all))
}

/// Cuts a migration into its statements; comments are left out.
pub(crate) fn split(sql: &str) -> Result<Vec<String>, Refused> {
    let all = tokens(sql)?;
    let statements = all.split(|t| t.is_symbol(";")).filter(|part| !part.is_empty());
    Ok(statements.map(|part| without_comments(sql, part).trim().to_owned()).collect())
}

/// Checks length and number of statements; the text without a closing `;`.
pub(super) fn single(sql: &str) -> Result<(&str, Vec<Token<'_>>), Refused> {
    if sql.len() > MAX_SQL {
        return Err(Refused::TooLong { found: sql.len(), limit: MAX_SQL });
    }
    let mut all = tokens(sql)?;
    let mut text = sql;
    while let Some(last) = all.last().filter(|t| t.is_symbol(";")) {
        text = &sql[..last.start];
        all.pop();
    }
    match all.iter().any(|t| t.is_symbol(";")) {
        true => Err(Refused::Several),
        false if all.is_empty() => Err(Refused::Empty),
        false => Ok((text, all)),
    }
}

pub(super) fn first_word(all: &[Token<'_>], allowed: &[&str]) -> Result<(), Refused> {
    let first = all.iter().find(|t| !t.is_symbol("("));
    if first.is_some_and(|t| allowed.iter().any(|word| t.is(word))) {
        return Ok(());
    }
    let found = first.map(|t| t.text.chars().take(40).collect()).unwrap_or_default();
    Err(Refused::Kind { found, allowed: allowed.join(", ") })
}

/// Refuses what reaches outside, and an insert anywhere but at the beginning (its data would be read as SQL).
pub(super) fn inside(all: &[Token<'_>]) -> Result<(), Refused> {
    let named = |t: &&Token<'_>| matches!(t.kind, Kind::Word | Kind::Quoted);
    let outside = |t: &&Token<'_>| OUTSIDE.iter().any(|word| t.text.eq_ignore_ascii_case(word));
    let nested = all.iter().skip(1).find(|t| t.is("INSERT"));
    match all.iter().filter(named).find(outside).or(nested) {
        Some(token) => Err(Refused::Word(token.text.to_owned())),
        None => Ok(()),
    }
}

/// The text from the first to the last token with what stands between them as one blank.
pub(super) fn without_comments(sql: &str, all: &[Token<'_>]) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut end = None;
    for token in all {
        if end.is_some_and(|end| end < token.start) {
            text.push(' ');
        }
        text.push_str(&sql[token.start..token.end]);
        end = Some(token.end);
    }
    text
}
