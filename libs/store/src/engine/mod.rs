//! The embedded engine: ClickHouse as a C library behind a loopback HTTP server that speaks what the `clickhouse` crate
//! sends, so that one client serves it and a cluster alike. [`serve`] runs it in this process, [`Child`] in one of its
//! own that is started again after a crash; [`main_like`] is what that process does.
//!
//! One folder belongs to one process, one process has one folder.

mod blocks;
mod child;
mod folder;
mod http;
mod library;
mod multipart;
mod process;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use child::{Child, ChildConfig};
pub use process::main_like;

/// How long requests under way may take once the end is asked for; then they are killed.
const DRAIN: Duration = Duration::from_secs(10);

/// Errors of the engine as a process; those of single statements are [`Database`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library is not there or not of the kind that is needed.
    #[error("cannot open ClickHouse's library {}: {source}", path.display())]
    Library {
        /// Where it was looked for.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// Another process has the folder.
    #[error("the engine's folder {} is in use by process {holder}: one process at a time", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Process id of its holder, as far as it told.
        holder: String,
    },
    /// The folder cannot be used.
    #[error("the engine's folder cannot be used: {0}")]
    Folder(String),
    /// The library gave no connection.
    #[error(
        "the engine does not open its folder: it is damaged, of a later release, or another one is open in this process"
    )]
    Connect,
    /// The server failed.
    #[error("the engine's server failed: {0}")]
    Server(String),
    /// The child process did not start, or ended and could not be started again.
    #[error("the engine's process failed: {0}")]
    Child(String),
}

/// An error of one statement, as ClickHouse words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Database {
    /// ClickHouse's number (`src/Common/ErrorCodes.cpp`); 1002 where none was given.
    pub code: u32,
    /// The message.
    pub text: String,
}

impl Database {
    /// Reads the number out of `Code: 62. DB::Exception: ...`.
    pub(crate) fn new(text: String) -> Self {
        let digits = text.split_once("Code: ").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
        let code = digits.flatten().and_then(|d| d.parse().ok()).unwrap_or(1002);
        Self { code, text }
    }
}

/// What the engine is started with.
#[derive(Clone)]
pub struct EngineConfig {
    /// `libchdb.so`.
    pub library: PathBuf,
    /// Folder that it owns.
    pub path: PathBuf,
    /// What a client must present: loopback is open to every user of the machine.
    pub token: String,
    /// How long a predecessor may take to let the folder go.
    pub lock_within: Duration,
    /// Queries at a time.
    pub max_queries: usize,
    /// Longest queue of queries; beyond it they are refused.
    pub max_waiting: usize,
    /// Longest body of a request, and of what it decompresses to, in bytes.
    pub max_body_bytes: usize,
    /// Longest a query may run unless it says less, in seconds.
    pub max_seconds: u64,
    /// Most memory of one query, in bytes.
    pub max_query_memory: u64,
    /// Largest answer, in bytes.
    pub max_answer_bytes: u64,
}

impl EngineConfig {
    /// The defaults: for one machine that does other things too.
    pub fn new(library: PathBuf, path: PathBuf, token: String) -> Self {
        Self {
            library,
            path,
            token,
            lock_within: Duration::from_secs(15),
            max_queries: 8,
            max_waiting: 64,
            max_body_bytes: 128 << 20,
            max_seconds: 300,
            max_query_memory: 2 << 30,
            max_answer_bytes: 256 << 20,
        }
    }
}

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig").field("library", &self.library).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Serves on `listener` until `shutdown`; returns when every request is answered and the data are closed.
///
/// # Errors
/// When the library or the folder cannot be used; [`Error::Locked`] when another process has the folder.
pub async fn serve(
    config: EngineConfig,
    listener: tokio::net::TcpListener,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let folder = folder::Folder::take(&config).await?;
    let (library, settings, data) = (config.library.clone(), folder.config.clone(), folder.data.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let library = library::Library::open(&library, &settings, &data)?;
        // one connection is held open: with the last one the library closes the folder
        let first = library.connect()?;
        Ok::<_, Error>((library, first))
    });
    let (library, first) = opened.await.map_err(|e| Error::Server(e.to_string()))??;
    let server = Arc::new(http::Server::new(config, library));
    let served = axum::serve(listener, http::router(server.clone()))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let mut served = std::pin::pin!(served);
    tokio::select! {
        ended = &mut served => ended.map_err(|e| Error::Server(e.to_string()))?,
        () = shutdown.cancelled() => {
            // an idle client's connection must not hold up the end: what counts are the queries
            let _ = tokio::time::timeout(DRAIN, served).await;
        }
    }
    server.finish(DRAIN).await;
    let closed = tokio::task::spawn_blocking(move || drop(first)).await;
    drop(folder);
    closed.map_err(|e| Error::Server(e.to_string()))
}
