//! Where stored data is read: from a running `driftline up` through its local API, else by opening the store itself.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::config::{Config, StoreKind};
use crate::setup::{self, OpenStore};

/// Either.
pub(crate) enum Data {
    /// A running `driftline up`.
    Server(Server),
    /// The store, opened by this process; the embedded engine lives as long as this does.
    Store(Box<OpenStore>),
}

/// A running `driftline up`.
pub(crate) struct Server {
    url: String,
    client: reqwest::Client,
}

impl Data {
    /// The server that was named; else the one of the settings, if it answers; else the store.
    pub(crate) async fn open(config: &Config, server: Option<&str>) -> Result<Self> {
        if let Some(url) = server {
            let server = Server::new(url, token(config, url)?)?;
            let answers = server.ask().await?;
            anyhow::ensure!(answers, "no `driftline up` answers at {url}");
            return Ok(Self::Server(server));
        }
        if let Some(server) = running(config).await? {
            return Ok(Self::Server(server));
        }
        let folder = config.folder.join("store");
        anyhow::ensure!(
            config.store.kind == StoreKind::Clickhouse || folder.exists(),
            "no `driftline up` answers at http://{} and there is no data in {}: start one with `driftline up`, or say --server",
            config.api.listen,
            config.folder.display()
        );
        Ok(Self::Store(Box::new(setup::open_store(config).await?)))
    }
}

/// The server of the settings, if it answers.
pub(crate) async fn running(config: &Config) -> Result<Option<Server>> {
    let url = address(config).unwrap_or_else(|| format!("http://{}", config.api.listen));
    let server = Server::new(&url, token(config, &url)?)?;
    Ok(server.ask().await?.then_some(server))
}

/// Where the `up` of this folder listens, as it wrote down itself.
fn address(config: &Config) -> Option<String> {
    let text = std::fs::read_to_string(config.folder.join("api.address")).ok()?;
    Some(format!("http://{}", text.trim()))
}

/// What is shown there: the token of the environment, else the one that the `up` of this folder made for this machine's user,
/// and that to none but it.
fn token(config: &Config, url: &str) -> Result<Option<String>> {
    let named = std::env::var("DRIFTLINE_TOKEN").ok().filter(|token| !token.is_empty());
    let own = || {
        let own = address(config).is_some_and(|own| own == url.trim_end_matches('/'));
        own.then(|| std::fs::read_to_string(config.folder.join("api.token")).ok()).flatten()
    };
    let Some(token) = named.or_else(own) else { return Ok(None) };
    let host = url.strip_prefix("http://").unwrap_or(url);
    let local = ["127.0.0.1:", "localhost:", "[::1]:"].iter().any(|here| host.starts_with(here));
    anyhow::ensure!(
        local,
        "{url} is not on this machine: a token would be readable on the way; use a tunnel, such as `ssh -L`"
    );
    Ok(Some(token.trim().to_owned()))
}

impl Server {
    fn new(url: &str, token: Option<String>) -> Result<Self> {
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(token) = token {
            let mut value = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}"))
                .context("the token (DRIFTLINE_TOKEN, or api.token of the folder) is none")?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            // a token goes where it was meant to, and nowhere else
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(120));
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client: client.build()? })
    }

    /// Whether somebody answers; an error where that is an `up` that does not know us.
    async fn ask(&self) -> Result<bool> {
        match self.client.get(format!("{}/api/v1/status", self.url)).send().await {
            Err(_) => Ok(false),
            Ok(response) if matches!(response.status().as_u16(), 401 | 403 | 429) => {
                answer(response).await.with_context(|| format!("`driftline up` at {}", self.url))?;
                Ok(false)
            }
            Ok(response) => Ok(response.status().is_success()),
        }
    }

    /// Asks; the query's fields become parameters.
    pub(crate) async fn get(&self, path: &str, query: &impl serde::Serialize) -> Result<Value> {
        answer(self.client.get(format!("{}{path}", self.url)).query(query).send().await?).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<Value> {
        answer(self.client.post(format!("{}{path}", self.url)).json(body).send().await?).await
    }
}

async fn answer(response: reqwest::Response) -> Result<Value> {
    let status = response.status();
    let value: Value = response.json().await.with_context(|| format!("the answer ({status}) is no JSON"))?;
    if status.is_success() {
        return Ok(value);
    }
    anyhow::bail!("{}", value["error"].as_str().unwrap_or("the server refused without a reason"))
}
