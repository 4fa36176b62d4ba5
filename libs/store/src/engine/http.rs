//! ClickHouse's HTTP interface, as far as clients use it: a statement in the body, the URL or a form, data of an insert
//! as the body, settings in the URL, errors by `X-ClickHouse-Exception-Code`.

use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::library::{Answer, Library};
use super::{Database, EngineConfig, blocks, multipart};
use crate::sql::{self, Statement};

/// Longest that a body may take to arrive.
const BODY: Duration = Duration::from_secs(120);
/// Longest that a query waits for its turn.
const TURN: Duration = Duration::from_secs(60);
/// Most settings of one request.
const MAX_SETTINGS: usize = 64;

/// Parameters of the URL that are no settings, and that this server has no use for.
const IGNORED: &[&str] = &[
    "query_id",
    "session_id",
    "role",
    "compress",
    "enable_http_compression",
    "wait_end_of_query",
    "client_protocol_version",
    "cancel_http_readonly_queries_on_client_close",
];

/// What the requests share.
pub(super) struct Server {
    config: EngineConfig,
    library: Arc<Library>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    serial: AtomicU64,
}

/// The routes.
pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/ping", get(|| async { "Ok.\n" }))
        .route("/", get(|| async { "Ok.\n" }).post(handle))
        .with_state(server)
}

/// A request that was understood.
struct Job {
    statement: Statement,
    data: Bytes,
    database: Option<String>,
    format: String,
    settings: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
}

async fn handle(
    State(server): State<Arc<Server>>,
    Query(url): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match server.answer(url, &headers, body).await {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &Database) -> Response {
    // the numbers are those of ClickHouse's own HTTP handler
    let status = match error.code {
        516 | 497 => StatusCode::FORBIDDEN,
        36 | 62 | 115 | 27 | 6 | 117 => StatusCode::BAD_REQUEST,
        47 | 60 | 81 | 46 => StatusCode::NOT_FOUND,
        202 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = (status, format!("{}\n", error.text.trim_end())).into_response();
    response.headers_mut().insert("X-ClickHouse-Exception-Code", HeaderValue::from(error.code));
    response
}

fn error(code: u32, text: impl std::fmt::Display) -> Database {
    Database::new(format!("Code: {code}. DB::Exception: {text}"))
}

impl Server {
    pub(super) fn new(config: EngineConfig, library: Arc<Library>) -> Self {
        let turns = Arc::new(Semaphore::new(config.max_queries));
        Self { config, library, turns, waiting: AtomicUsize::new(0), serial: AtomicU64::new(0) }
    }

    /// Waits for what is under way; kills it after `limit`.
    pub(super) async fn finish(&self, limit: Duration) {
        let all = u32::try_from(self.config.max_queries).unwrap_or(u32::MAX);
        if tokio::time::timeout(limit, self.turns.acquire_many(all)).await.is_err() {
            kill(self.library.clone(), "KILL QUERY WHERE Settings['log_comment'] != '' ASYNC".to_owned()).await;
            let _ = tokio::time::timeout(limit, self.turns.acquire_many(all)).await;
        }
    }

    async fn answer(&self, url: Vec<(String, String)>, headers: &HeaderMap, body: Body) -> Result<Bytes, Database> {
        if !self.known(headers) {
            return Err(error(516, "the access token is missing or wrong"));
        }
        let body = tokio::time::timeout(BODY, to_bytes(body, self.config.max_body_bytes)).await;
        let body = body.map_err(|_| error(159, "the body takes too long to arrive"))?;
        let body = body.map_err(|e| error(210, format_args!("the body was not read: {e}")))?;
        let job = self.understand(url, headers, body)?;
        let turn = self.turn().await?;
        self.run(job, turn).await
    }

    /// Compares in a time that tells nothing of where a wrong token differs.
    fn known(&self, headers: &HeaderMap) -> bool {
        let key = headers.get("X-ClickHouse-Key").map(HeaderValue::as_bytes);
        let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.as_bytes().strip_prefix(b"Bearer "));
        let token = self.config.token.as_bytes();
        let given = key.or(bearer).unwrap_or_default();
        let differ = given.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
        !token.is_empty() && given.len() == token.len() && std::hint::black_box(differ) == 0
    }

    fn understand(&self, url: Vec<(String, String)>, headers: &HeaderMap, body: Bytes) -> Result<Job, Database> {
        let mut text = None;
        let (mut database, mut format, mut packed) = (None, "TabSeparated".to_owned(), false);
        let (mut settings, mut parameters) = (Vec::new(), Vec::new());
        for (name, value) in url {
            match name.as_str() {
                "query" => text = Some(value),
                "database" => database = Some(value),
                "default_format" => format = value,
                "decompress" => packed = value == "1",
                "user" | "password" => return Err(error(516, "credentials go into headers, not into the URL")),
                _ if IGNORED.contains(&name.as_str()) => {}
                _ => match name.strip_prefix("param_") {
                    Some(name) => parameters.push((name.to_owned(), value)),
                    None => settings.push((name, value)),
                },
            }
        }
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let mut data = Bytes::new();
        if let Some(boundary) = multipart::boundary(content_type) {
            for (name, value) in multipart::fields(&body, boundary).map_err(|e| error(36, e))? {
                match name.strip_prefix("param_") {
                    Some(name) => parameters.push((name.to_owned(), value)),
                    None if name == "query" => text = Some(value),
                    None => return Err(error(36, format_args!("unknown form field `{name}`"))),
                }
            }
        } else if packed {
            let limit = self.config.max_body_bytes;
            data = blocks::decompress(&body, limit).map_err(|e| error(271, e))?.into();
        } else {
            data = body;
        }
        let text = match text {
            Some(text) => text,
            None => String::from_utf8(std::mem::take(&mut data).into()).map_err(|_| error(62, "SQL is not UTF-8"))?,
        };
        let statement = sql::statement(&text).map_err(|e| error(62, e))?;
        if matches!(statement, Statement::Plain(_)) && !data.is_empty() {
            return Err(error(62, "only an insert takes data"));
        }
        let name =
            |n: &str| !n.is_empty() && n.len() < 100 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if settings.len() > MAX_SETTINGS || !settings.iter().chain(&parameters).all(|(n, _)| name(n)) || !name(&format)
        {
            return Err(error(36, "too many settings, or one with an impossible name"));
        }
        Ok(Job { statement, data, database, format, settings, parameters })
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Database> {
        let busy = || error(202, "too many queries at a time");
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.config.max_waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let _place = Place(&self.waiting);
        let turn = tokio::time::timeout(TURN, self.turns.clone().acquire_owned()).await;
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }

    /// Runs the job on a thread of its own. A client that goes away drops this future: then the query is killed, and its
    /// turn ends when it has really ended.
    async fn run(&self, mut job: Job, turn: OwnedSemaphorePermit) -> Result<Bytes, Database> {
        let mark = format!("request-{}", self.serial.fetch_add(1, Ordering::Relaxed));
        job.settings.retain(|(name, _)| name != "log_comment");
        job.settings.push(("log_comment".to_owned(), mark.clone()));
        let guard = KillOnDrop { library: self.library.clone(), mark: Some(mark) };
        let library = self.library.clone();
        let ran = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            run(&library, &job)
        });
        let answer = ran.await.map_err(|e| error(1001, e));
        guard.done();
        answer?.map(Bytes::from_owner)
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Kills the query of an abandoned request.
struct KillOnDrop {
    library: Arc<Library>,
    mark: Option<String>,
}

impl KillOnDrop {
    fn done(mut self) {
        self.mark = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(mark) = self.mark.take() {
            let sql = format!("KILL QUERY WHERE Settings['log_comment'] = '{mark}' ASYNC");
            tokio::spawn(kill(self.library.clone(), sql));
        }
    }
}

async fn kill(library: Arc<Library>, sql: String) {
    let killed = tokio::task::spawn_blocking(move || match library.connect() {
        Ok(mut connection) => connection.run(&sql, "Null", &[]).map(drop).map_err(|e| e.text),
        Err(error) => Err(error.to_string()),
    });
    if let Ok(Err(why)) = killed.await {
        tracing::warn!(why, "an abandoned query was not killed");
    }
}

fn run(library: &Arc<Library>, job: &Job) -> Result<Answer, Database> {
    let mut connection = library.connect().map_err(|e| error(1001, e))?;
    if let Some(database) = &job.database {
        let name = database.replace('\\', "\\\\").replace('`', "\\`");
        connection.run(&format!("USE `{name}`"), "Null", &[])?;
    }
    let settings: Vec<String> = job.settings.iter().map(|(n, v)| format!("{n} = {}", literal(v))).collect();
    connection.run(&format!("SET {}", settings.join(", ")), "Null", &[])?;
    match &job.statement {
        Statement::Plain(sql) => connection.run(sql, &job.format, &job.parameters),
        Statement::Insert { head, format, inline } => {
            let failed = |e: std::io::Error| error(210, format_args!("the data found no place: {e}"));
            let mut file = scratch().map_err(failed)?;
            file.write_all(inline.as_bytes()).and_then(|()| file.write_all(&job.data)).map_err(failed)?;
            file.rewind().map_err(failed)?;
            // never inline: a text after FORMAT is cut at its first blank line, and the rest runs as SQL
            let sql = format!("{head} FROM INFILE '/proc/self/fd/{}' FORMAT {format}", file.as_raw_fd());
            connection.run(&sql, &job.format, &job.parameters)
        }
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A file without a name, in memory.
fn scratch() -> std::io::Result<std::fs::File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("driftline-insert", MemfdFlags::CLOEXEC)?.into())
}
