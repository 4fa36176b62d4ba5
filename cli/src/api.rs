//! The local API of `driftline up`: what other commands ask. Loopback only, JSON only.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use driftline_model::{DriftKind, Severity};
use driftline_store::{Filter, QueryLimits, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::baselines::Baselines;

/// What the API answers from.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) baselines: Arc<Baselines>,
    pub(crate) status: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// What is asked of a list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    /// Resources without a baseline too.
    #[serde(default)]
    pub(crate) unmanaged: bool,
}

impl ListQuery {
    /// As the store asks.
    pub(crate) fn filter(&self) -> Filter {
        Filter {
            accounts: self.account.iter().cloned().collect(),
            types: self.kind.iter().cloned().collect(),
            kinds: if self.unmanaged { Vec::new() } else { MANAGED.to_vec() },
            at_least: self.severity.unwrap_or(Severity::Low),
            limit: self.limit.unwrap_or(1000).min(100_000),
            ..Filter::default()
        }
    }
}

/// The kinds of drift of what somebody has declared.
const MANAGED: [DriftKind; 3] = [DriftKind::Modified, DriftKind::Missing, DriftKind::Moved];

/// A question in SQL.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sql {
    pub(crate) sql: String,
    pub(crate) max_rows: u64,
}

/// Places to import.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Places {
    pub(crate) places: Vec<String>,
}

/// Sources to withdraw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sources {
    pub(crate) sources: Vec<String>,
}

/// Serves until `shutdown`.
pub(crate) async fn serve(api: Api, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/drifts", get(drifts))
        .route("/api/v1/drifts/{id}", get(drift))
        .route("/api/v1/findings", get(findings))
        .route("/api/v1/query", post(query))
        .route("/api/v1/baselines", get(baselines).post(import))
        .route("/api/v1/baselines/remove", post(remove))
        .layer(middleware::from_fn(local_only))
        .layer(axum::extract::DefaultBodyLimit::max(1 << 20))
        .with_state(api);
    axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await
}

/// Pages of other sites must not reach the API through a browser: no Origin, and a Host that is loopback.
async fn local_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    if !local || request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, Json(json!({ "error": "local callers only" }))).into_response();
    }
    next.run(request).await
}

/// An error as the API answers it.
struct Failed(StatusCode, String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<driftline_store::Error> for Failed {
    fn from(error: driftline_store::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

type Answer<T> = Result<Json<T>, Failed>;

async fn status(State(api): State<Api>) -> Json<Value> {
    Json((api.status)())
}

async fn drifts(State(api): State<Api>, Query(ask): Query<ListQuery>) -> Answer<Value> {
    let page = api.store.drifts(&ask.filter()).await?;
    Ok(Json(json!({ "rows": page.rows, "total": page.total })))
}

async fn findings(State(api): State<Api>, Query(ask): Query<ListQuery>) -> Answer<Value> {
    let page = api.store.findings(&ask.filter()).await?;
    Ok(Json(json!({ "rows": page.rows, "total": page.total })))
}

async fn drift(State(api): State<Api>, Path(id): Path<String>) -> Answer<Value> {
    match api.store.drift(&id).await? {
        Some((drift, history)) => Ok(Json(json!({ "drift": drift, "history": history }))),
        None => Err(Failed(StatusCode::NOT_FOUND, format!("no drift {id}"))),
    }
}

async fn query(State(api): State<Api>, Json(ask): Json<Sql>) -> Answer<driftline_store::QueryResult> {
    let limits = QueryLimits { rows: ask.max_rows.min(1_000_000), ..QueryLimits::default() };
    Ok(Json(api.store.query(&ask.sql, &limits).await?))
}

async fn baselines(State(api): State<Api>) -> Json<Value> {
    let list = api.baselines.list().await.into_iter();
    Json(list.map(|(source, serial, keys)| json!({ "source": source, "serial": serial, "keys": keys })).collect())
}

async fn remove(State(api): State<Api>, Json(ask): Json<Sources>) -> Answer<Value> {
    let removed = api.baselines.remove(&ask.sources).await;
    let removed = removed.map_err(|e| Failed(StatusCode::BAD_REQUEST, format!("{e:#}")))?;
    Ok(Json(json!({ "baselines": removed })))
}

async fn import(State(api): State<Api>, Json(ask): Json<Places>) -> Answer<Value> {
    let mut total = driftline_baseline::Import::empty();
    for place in &ask.places {
        let imports = api.baselines.import(place).await;
        let imports = imports.map_err(|e| Failed(StatusCode::BAD_REQUEST, format!("{e:#}")))?;
        imports.iter().for_each(|i| total.count_in(i));
    }
    serde_json::to_value(total).map(Json).map_err(|e| Failed(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}
