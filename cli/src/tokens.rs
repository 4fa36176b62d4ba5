//! Who may ask the local API: tokens, of which the file holds only hashes. A token is 256 random bits, so one round of a fast
//! hash is enough. The file is read anew when it changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::secret::write_private;

/// Most tokens of one file.
const MOST: usize = 1000;
/// Failed attempts within [`WINDOW_MS`] that are answered as such; more are turned away without a look.
const ATTEMPTS: u32 = 20;
const WINDOW_MS: i64 = 60_000;
/// What a token begins with, so that scanners for secrets find one that has leaked.
const PREFIX: &str = "driftline_";

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// See what was found.
    Viewer,
    /// And bring in or withdraw what was agreed.
    Operator,
    /// And all else.
    Admin,
}

impl Role {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) name: String,
    /// BLAKE3 of the token, in hex.
    pub(crate) hash: String,
    pub(crate) role: Role,
    /// Accounts that may be seen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) accounts: BTreeSet<String>,
    /// Organizational units whose accounts may be seen. Neither these nor accounts: all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) units: BTreeSet<String>,
}

impl Token {
    /// Whether it sees all accounts.
    pub(crate) fn sees_all(&self) -> bool {
        self.accounts.is_empty() && self.units.is_empty()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    tokens: Vec<Token>,
}

/// A new token, to be shown once.
pub(crate) fn fresh() -> String {
    let hex: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{hex}")
}

/// What stands in the file for a token.
pub(crate) fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

fn parse(text: &str) -> Result<Vec<Token>> {
    let file: File = toml::from_str(text).map_err(|e| anyhow::anyhow!("{}", e.message()))?;
    anyhow::ensure!(file.tokens.len() <= MOST, "{} tokens, the limit is {MOST}", file.tokens.len());
    let mut names = BTreeSet::new();
    for token in &file.tokens {
        anyhow::ensure!(blake3::Hash::from_hex(&token.hash).is_ok(), "the hash of `{}` is none", token.name);
        anyhow::ensure!(names.insert(&token.name), "two tokens are named `{}`", token.name);
        let wrong = token.accounts.iter().find(|account| !crate::config::is_account(account));
        anyhow::ensure!(wrong.is_none(), "token `{}`: `{}` is no account id", token.name, wrong.map_or("", |w| w));
    }
    Ok(file.tokens)
}

/// The one whose token this is. Looks at all, and compares hashes in constant time.
fn find<'a>(tokens: &'a [Token], shown: &str) -> Option<&'a Token> {
    let shown = blake3::hash(shown.as_bytes());
    let mut found = None;
    for token in tokens {
        // `Hash` compares in constant time
        if blake3::Hash::from_hex(&token.hash).is_ok_and(|hash| hash == shown) {
            found = Some(token);
        }
    }
    found
}

/// Reads a file of tokens; none is there: no token.
pub(crate) fn read(path: &Path) -> Result<Vec<Token>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Writes it, in one step.
pub(crate) fn write(path: &Path, tokens: Vec<Token>) -> Result<()> {
    let text = toml::to_string(&File { tokens })?;
    parse(&text)?;
    write_private(path, text.as_bytes()).with_context(|| path.display().to_string())
}

/// The token of this machine's user in a folder of `up`, made if there is none: whoever can read it is let in.
pub(crate) fn local(folder: &Path) -> Result<String> {
    let path = folder.join("api.token");
    if let Ok(text) = std::fs::read_to_string(&path)
        && text.trim().len() > PREFIX.len()
    {
        return Ok(text.trim().to_owned());
    }
    let token = fresh();
    write_private(&path, token.as_bytes()).with_context(|| path.display().to_string())?;
    Ok(token)
}

/// Failed attempts of the last minute.
#[derive(Debug, Default)]
struct Attempts {
    since_ms: i64,
    failed: u32,
}

impl Attempts {
    /// Counts one; whether there were too many.
    fn failed(&mut self, now_ms: i64) -> bool {
        if now_ms - self.since_ms >= WINDOW_MS || now_ms < self.since_ms {
            *self = Self { since_ms: now_ms, failed: 0 };
        }
        self.failed = self.failed.saturating_add(1);
        self.failed > ATTEMPTS
    }
}

/// Why somebody is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// No token, or one that is not known.
    Who,
    /// Too many failed within a minute.
    Often,
}

type Seen = Option<(SystemTime, u64)>;

/// The tokens that are known now.
pub(crate) struct Tokens {
    path: PathBuf,
    local: Token,
    known: Mutex<(Seen, Arc<Vec<Token>>)>,
    attempts: Mutex<Attempts>,
}

impl Tokens {
    /// Of this file, and the local one.
    pub(crate) fn open(path: PathBuf, local: &str) -> Result<Self> {
        let accounts = BTreeSet::new();
        let local =
            Token { name: "local".into(), hash: hash(local), role: Role::Admin, units: accounts.clone(), accounts };
        let known = Mutex::new((seen(&path), Arc::new(read(&path)?)));
        Ok(Self { path, local, known, attempts: Mutex::default() })
    }

    /// Who shows this token.
    pub(crate) fn who(&self, shown: Option<&str>, now_ms: i64) -> std::result::Result<Token, Unknown> {
        let known = self.known();
        let token = shown.and_then(|shown| find(std::slice::from_ref(&self.local), shown).or(find(&known, shown)));
        token.cloned().ok_or_else(|| {
            let often = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).failed(now_ms);
            if often { Unknown::Often } else { Unknown::Who }
        })
    }

    /// A file that can't be used keeps what it said before.
    fn known(&self) -> Arc<Vec<Token>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seen(&self.path);
        if now != known.0 {
            match read(&self.path) {
                Ok(tokens) => known.1 = Arc::new(tokens),
                Err(error) => tracing::error!("tokens stay as they were: {error:#}"),
            }
            known.0 = now;
        }
        Arc::clone(&known.1)
    }
}

fn seen(path: &Path) -> Seen {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, std::os::unix::fs::MetadataExt::ino(&metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, secret: &str) -> Token {
        let (accounts, units) = (BTreeSet::from(["111111111111".to_owned()]), BTreeSet::new());
        Token { name: name.into(), hash: hash(secret), role: Role::Viewer, accounts, units }
    }

    #[test]
    fn tokens_are_known_from_their_hashes_and_gone_once_they_are_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens.toml");
        let tokens = Tokens::open(path.clone(), "local").expect("no file is no token");
        let who = |shown: &str| tokens.who(Some(shown), 0).map(|t| t.name);
        assert_eq!((who("local"), who("a")), (Ok("local".into()), Err(Unknown::Who)));
        write(&path, vec![token("alice", "a"), token("bob", "b")]).expect("written");
        assert_eq!((who("a"), who("b")), (Ok("alice".into()), Ok("bob".into())));
        assert!(!std::fs::read_to_string(&path).expect("a file").contains("\"a\""));
        // The hash itself is no token, nor is anything near one.
        for wrong in [hash("a").as_str(), "A", "a ", "", "aa"] {
            assert_eq!(who(wrong), Err(Unknown::Who), "{wrong}");
        }
        write(&path, vec![token("bob", "b")]).expect("written");
        assert_eq!((who("a"), who("b")), (Err(Unknown::Who), Ok("bob".into())));
        std::fs::write(&path, "nonsense").expect("written");
        assert_eq!(who("b"), Ok("bob".into()), "what was read before goes on to hold");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused() {
        let twice = vec![token("a", "1"), token("a", "2")];
        let hashless = vec![Token { hash: "x".into(), ..token("a", "1") }];
        let nowhere = vec![Token { accounts: BTreeSet::from(["1".to_owned()]), ..token("a", "1") }];
        for tokens in [twice, hashless, nowhere] {
            let text = toml::to_string(&File { tokens }).expect("text");
            assert!(parse(&text).is_err(), "{text}");
        }
        assert!(parse("[[tokens]]\nname = \"a\"\nhash = \"\"\nrole = \"god\"\n").is_err());
    }

    #[test]
    fn who_fails_too_often_is_turned_away_for_a_while_and_who_is_known_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = Tokens::open(folder.path().join("tokens.toml"), "local").expect("tokens");
        let outcomes: Vec<_> = (0..30).map(|n| tokens.who(Some("wrong"), n)).collect();
        assert_eq!(outcomes.iter().filter(|o| **o == Err(Unknown::Who)).count(), 20);
        assert!(tokens.who(Some("local"), 31).is_ok());
        assert_eq!(tokens.who(None, 32), Err(Unknown::Often));
        assert_eq!(tokens.who(None, WINDOW_MS), Err(Unknown::Who));
    }
}
