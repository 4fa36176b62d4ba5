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
            let server = Server::new(url)?;
            server.get("/api/v1/status", &()).await.with_context(|| format!("no `driftline up` answers at {url}"))?;
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
    let listen =
        std::fs::read_to_string(config.folder.join("api.address")).unwrap_or_else(|_| config.api.listen.clone());
    let server = Server::new(&format!("http://{}", listen.trim()))?;
    Ok(server.get("/api/v1/status", &()).await.is_ok().then_some(server))
}

impl Server {
    fn new(url: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(120));
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client: client.build()? })
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
