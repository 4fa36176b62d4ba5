//! The local API of `driftline up`: what other commands ask. Loopback only, JSON only, and for those alone whose token is known:
//! each route says which role it needs, and shows of each table the accounts that the caller may see.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use driftline_model::{DriftKind, Severity};
use driftline_store::{Filter, QueryLimits, Reach, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::baselines::Baselines;
use crate::time;
use crate::tokens::{Role, Tokens, Unknown};

/// What the API answers from.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) baselines: Arc<Baselines>,
    pub(crate) tokens: Arc<Tokens>,
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
    if !is_local(host) || request.headers().contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, Json(json!({ "error": "local callers only" }))).into_response();
    }
    next.run(request).await
}

/// Whether a `Host` is this machine: another's name that leads here is how a page reaches a service behind it (DNS rebinding).
fn is_local(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]") && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Who asks, and what of.
struct Caller {
    name: String,
    role: Role,
    reach: Reach,
}

impl Caller {
    /// Refuses whoever has a lesser role.
    fn must_be(&self, role: Role) -> Result<(), Failed> {
        if self.role >= role {
            return Ok(());
        }
        let (own, needed) = (self.role.name(), role.name());
        Err(Failed(StatusCode::FORBIDDEN, format!("token `{}` is of a {own}, this needs {needed}", self.name)))
    }

    /// Refuses whoever sees some accounts only: what is asked for concerns all.
    fn must_see_all(&self) -> Result<(), Failed> {
        match self.reach {
            Reach::Everything => Ok(()),
            Reach::Accounts(_) => {
                let text = format!("token `{}` is for some accounts only, this concerns all", self.name);
                Err(Failed(StatusCode::FORBIDDEN, text))
            }
        }
    }

    /// A list held to what may be seen; `None` where that is nothing.
    fn filter(&self, ask: &ListQuery) -> Option<Filter> {
        let mut filter = ask.filter();
        if let Reach::Accounts(own) = &self.reach {
            match filter.accounts.is_empty() {
                true => filter.accounts = own.iter().cloned().collect(),
                false => filter.accounts.retain(|account| own.contains(account)),
            }
            // for the store no account means all of them
            if filter.accounts.is_empty() {
                return None;
            }
        }
        Some(filter)
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failed> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = header.and_then(|value| value.strip_prefix("Bearer "));
        let token = api.tokens.who(shown, time::now_ms()).map_err(|unknown| match unknown {
            Unknown::Who => Failed(
                StatusCode::UNAUTHORIZED,
                "who is asking? set DRIFTLINE_TOKEN to a token that `driftline tokens add` gave".to_owned(),
            ),
            Unknown::Often => Failed(StatusCode::TOO_MANY_REQUESTS, "too many tokens that are not known".to_owned()),
        })?;
        let reach = if token.sees_all() {
            Reach::Everything
        } else {
            let mut accounts = token.accounts.clone();
            if !token.units.is_empty() {
                accounts.extend(api.store.accounts_of_units(&token.units).await?);
            }
            Reach::Accounts(accounts)
        };
        Ok(Self { name: token.name, role: token.role, reach })
    }
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

async fn status(caller: Caller, State(api): State<Api>) -> Answer<Value> {
    caller.must_be(Role::Viewer)?;
    Ok(Json((api.status)()))
}

async fn drifts(caller: Caller, State(api): State<Api>, Query(ask): Query<ListQuery>) -> Answer<Value> {
    caller.must_be(Role::Viewer)?;
    let Some(filter) = caller.filter(&ask) else { return Ok(nothing()) };
    let page = api.store.drifts(&filter).await?;
    Ok(Json(json!({ "rows": page.rows, "total": page.total })))
}

async fn findings(caller: Caller, State(api): State<Api>, Query(ask): Query<ListQuery>) -> Answer<Value> {
    caller.must_be(Role::Viewer)?;
    let Some(filter) = caller.filter(&ask) else { return Ok(nothing()) };
    let page = api.store.findings(&filter).await?;
    Ok(Json(json!({ "rows": page.rows, "total": page.total })))
}

fn nothing() -> Json<Value> {
    Json(json!({ "rows": [], "total": 0 }))
}

async fn drift(caller: Caller, State(api): State<Api>, Path(id): Path<String>) -> Answer<Value> {
    caller.must_be(Role::Viewer)?;
    let found = match api.store.drift(&id).await {
        // that several begin so may be news about another's
        Err(driftline_store::Error::Ambiguous(_)) if caller.reach != Reach::Everything => None,
        found => found?,
    };
    match found.filter(|(drift, _)| caller.reach.holds(&drift.drift.account)) {
        Some((drift, history)) => Ok(Json(json!({ "drift": drift, "history": history }))),
        None => Err(Failed(StatusCode::NOT_FOUND, format!("no drift {id}"))),
    }
}

async fn query(caller: Caller, State(api): State<Api>, Json(ask): Json<Sql>) -> Answer<driftline_store::QueryResult> {
    caller.must_be(Role::Viewer)?;
    let limits = QueryLimits { rows: ask.max_rows.min(1_000_000), ..QueryLimits::default() };
    Ok(Json(api.store.query_within(&ask.sql, &limits, &caller.reach).await?))
}

async fn baselines(caller: Caller, State(api): State<Api>) -> Answer<Value> {
    caller.must_be(Role::Viewer)?;
    let own = |key: &String| key.split('/').nth(1).is_some_and(|account| caller.reach.holds(account));
    let list = api.baselines.list().await.into_iter().filter_map(|(source, serial, keys)| {
        let keys: Vec<String> = keys.into_iter().filter(own).collect();
        let shown = !keys.is_empty() || caller.reach == Reach::Everything;
        shown.then(|| json!({ "source": source, "serial": serial, "keys": keys }))
    });
    Ok(Json(list.collect()))
}

async fn remove(caller: Caller, State(api): State<Api>, Json(ask): Json<Sources>) -> Answer<Value> {
    caller.must_be(Role::Operator)?;
    caller.must_see_all()?;
    let removed = api.baselines.remove(&ask.sources).await;
    let removed = removed.map_err(|e| Failed(StatusCode::BAD_REQUEST, format!("{e:#}")))?;
    Ok(Json(json!({ "baselines": removed })))
}

async fn import(caller: Caller, State(api): State<Api>, Json(ask): Json<Places>) -> Answer<Value> {
    caller.must_be(Role::Operator)?;
    caller.must_see_all()?;
    let mut total = driftline_baseline::Import::empty();
    for place in &ask.places {
        let imports = api.baselines.import(place).await;
        let imports = imports.map_err(|e| Failed(StatusCode::BAD_REQUEST, format!("{e:#}")))?;
        imports.iter().for_each(|i| total.count_in(i));
    }
    serde_json::to_value(total).map(Json).map_err(|e| Failed(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machines_names_are_local() {
        for host in ["127.0.0.1:7421", "localhost", "localhost:1", "[::1]", "[::1]:7421"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.org",
            "127.0.0.1.evil.org",
            "localhost.evil.org:7421",
            "evil.org:localhost",
            "[::1].org",
            "localhost:x",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
