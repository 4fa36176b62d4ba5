//! Watches baselines, imports them when they change, and publishes their parts to `driftline.inputs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use driftline_baseline::sources::{Fetcher, Location, Source, Version, Watch};
use driftline_baseline::{Import, Limits, Publish, publication, read, withdrawal};
use driftline_bus::{Log, Outgoing, Producer};
use driftline_model::catalogue::Catalogue;
use driftline_model::record::{INPUTS, InputKey, Keys, partition};
use driftline_model::secret::SecretKey;
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::BaselineSource;

/// Largest part that is published: below the topic's limit with room for key and headers.
const MAX_PART: usize = 900 * 1024;

/// The lists that stand in the log, by source name, and how to add to them.
pub(crate) struct Baselines {
    catalogue: Arc<Catalogue>,
    secret: Arc<SecretKey>,
    fetcher: Fetcher,
    log: Option<(Arc<dyn Producer>, u32)>,
    published: Mutex<BTreeMap<String, Vec<(InputKey, Keys)>>>,
}

impl Baselines {
    /// Reads only: for `scan` and dry runs.
    pub(crate) fn reading(catalogue: Arc<Catalogue>, secret: SecretKey, aws: Option<&aws_config::SdkConfig>) -> Self {
        Self { catalogue, secret: Arc::new(secret), fetcher: Fetcher::new(aws), log: None, published: Mutex::default() }
    }

    /// Publishes to the log; reads first what stands there.
    pub(crate) async fn publishing(
        catalogue: Arc<Catalogue>,
        secret: SecretKey,
        aws: Option<&aws_config::SdkConfig>,
        log: &dyn Log,
        partitions: u32,
    ) -> Result<Self> {
        let mut published: BTreeMap<String, BTreeMap<String, (InputKey, Keys)>> = BTreeMap::new();
        for partition in 0..partitions {
            let mut records = log.read(INPUTS, partition).await?;
            while let Some(record) = records.next().await {
                let record = record?;
                if !record.key.starts_with(b"l/") {
                    continue;
                }
                let text = String::from_utf8_lossy(&record.key).into_owned();
                let Some(key) = InputKey::decode(&text) else { continue };
                let list = record.value.and_then(|v| serde_json::from_slice::<Keys>(&v).ok());
                match list {
                    Some(list) => {
                        published.entry(list.source.clone()).or_default().insert(text, (key, list));
                    }
                    None => published.values_mut().for_each(|lists| {
                        lists.remove(&text);
                    }),
                }
            }
        }
        published.retain(|_, lists| !lists.is_empty());
        let published = published.into_iter().map(|(s, lists)| (s, lists.into_values().collect())).collect();
        let log = Some((log.producer().await?, partitions));
        let (secret, fetcher) = (Arc::new(secret), Fetcher::new(aws));
        Ok(Self { catalogue, secret, fetcher, log, published: Mutex::new(published) })
    }

    /// Imports everything at a place: what it says, per source, or why not.
    pub(crate) async fn import(&self, place: &str) -> Result<Vec<Import>> {
        self.import_for(place, None).await
    }

    /// The same; what neither the place nor the source itself puts into an account belongs to `account`.
    pub(crate) async fn import_for(&self, place: &str, account: Option<&str>) -> Result<Vec<Import>> {
        let mut location = Location::from_str(place)?;
        location.account = location.account.or_else(|| account.map(str::to_owned));
        let sources = self.fetcher.list(&location).await?;
        anyhow::ensure!(!sources.is_empty(), "{place}: no state or plan there (*.tfstate, *.json)");
        let mut imports = Vec::new();
        for (source, _) in sources {
            imports.push(self.one(source).await?);
        }
        Ok(imports)
    }

    async fn publish(&self, import: &Import) -> Result<()> {
        if self.log.is_none() {
            return Ok(());
        }
        let mut published = self.published.lock().await;
        let before = published.get(&import.source).cloned().unwrap_or_default();
        let records = publication(&before, import, Limits { max_bytes: MAX_PART, replace: false })?;
        let mut lists: BTreeMap<String, (InputKey, Keys)> =
            before.into_iter().map(|(k, l)| (k.encode(), (k, l))).collect();
        for record in &records {
            let key = record.key.encode();
            if matches!(record.key, InputKey::Keys(..)) {
                match record.value.as_deref().map(serde_json::from_slice::<Keys>).transpose()? {
                    Some(list) => lists.insert(key, (record.key.clone(), list)),
                    None => lists.remove(&key),
                };
            }
        }
        self.write(records).await?;
        published.insert(import.source.clone(), lists.into_values().collect());
        Ok(())
    }

    /// Withdraws sources, none where one of them is unknown: how many baselines went with them.
    pub(crate) async fn remove(&self, sources: &[String]) -> Result<usize> {
        let mut published = self.published.lock().await;
        if let Some(unknown) = sources.iter().find(|s| !published.contains_key(*s)) {
            anyhow::bail!("no source `{unknown}`: `driftline baseline list` names them");
        }
        let mut removed = 0;
        for source in sources {
            let lists = published.get(source).map(Vec::as_slice).unwrap_or_default();
            removed += lists.iter().flat_map(|(_, list)| &list.keys).collect::<BTreeSet<_>>().len();
            self.write(withdrawal(lists)).await?;
            published.remove(source);
        }
        Ok(removed)
    }

    /// Writes to the log, and waits until it is durable there.
    async fn write(&self, records: Vec<Publish>) -> Result<()> {
        let Some((producer, partitions)) = &self.log else { return Ok(()) };
        let mut deliveries = Vec::new();
        for record in records {
            let outgoing = Outgoing {
                topic: INPUTS.to_owned(),
                partition: partition(record.key.account(), *partitions),
                key: record.key.encode().into_bytes(),
                value: record.value,
                headers: Vec::new(),
            };
            deliveries.push(producer.send(outgoing).await?);
        }
        for delivery in deliveries {
            delivery.await?;
        }
        Ok(())
    }

    /// The resources that a baseline is known of: source, and keys of its parts.
    pub(crate) async fn list(&self) -> Vec<(String, u64, Vec<String>)> {
        let published = self.published.lock().await;
        let mut all = Vec::new();
        for (source, lists) in published.iter() {
            let serial = lists.iter().map(|(_, l)| l.serial).max().unwrap_or_default();
            let mut keys: Vec<String> = lists.iter().flat_map(|(_, l)| l.keys.clone()).collect();
            keys.sort();
            all.push((source.clone(), serial, keys));
        }
        all
    }

    /// Looks at the sources again and again, and imports what changed, until `shutdown`. A source that can't be read keeps
    /// what it said before.
    pub(crate) async fn watch(&self, sources: Vec<BaselineSource>, shutdown: CancellationToken) {
        let every = sources.iter().map(|s| s.every).min().unwrap_or(Duration::from_secs(30));
        let mut watched: Vec<(BaselineSource, Watch)> = Vec::new();
        for source in sources {
            let watch = self.watch_of(&source).await;
            watched.push((source, watch));
        }
        while !shutdown.is_cancelled() && !watched.is_empty() {
            for (source, watch) in &mut watched {
                if let Err(error) = self.look(source, watch).await {
                    tracing::error!(source = %source.source, "baseline: {error:#}");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn one(&self, source: Source) -> Result<Import> {
        let name = source.name.clone();
        let fetched = self.fetcher.fetch(source).await.with_context(|| name.clone())?;
        let (catalogue, secret) = (Arc::clone(&self.catalogue), Arc::clone(&self.secret));
        // A large state takes a while to parse; the others go on.
        let import = tokio::task::spawn_blocking(move || read(&catalogue, &fetched, &secret, MAX_PART)).await?;
        let import = import.with_context(|| name)?;
        self.publish(&import).await?;
        Ok(import)
    }

    /// Knows of what was imported from there before, in a version that no source has: each is imported once more, and what
    /// is gone is noticed.
    async fn watch_of(&self, wanted: &BaselineSource) -> Watch {
        let mut watch = Watch::default();
        if let Ok(location) = Location::from_str(&wanted.source) {
            let published = self.published.lock().await;
            for name in published.keys().filter(|name| location.holds(name)) {
                watch.imported(name, Version::default());
            }
        }
        watch
    }

    async fn look(&self, wanted: &BaselineSource, watch: &mut Watch) -> Result<()> {
        let mut location = Location::from_str(&wanted.source)?;
        location.account = location.account.or_else(|| wanted.account.clone());
        location.region = location.region.or_else(|| wanted.region.clone());
        let now = self.fetcher.list(&location).await?;
        // A lost file is no decision: what was agreed stays agreed until somebody withdraws it.
        let gone: Vec<String> = watch.gone(&now).into_iter().map(str::to_owned).collect();
        for name in gone {
            tracing::warn!(source = %name, "baseline: the source is gone; what it said stays agreed until `driftline baseline remove`");
            watch.forget(&name);
        }
        let changed: Vec<Source> = watch.changed(&now).into_iter().cloned().collect();
        for source in changed {
            let name = source.name.clone();
            match self.one(source).await {
                Ok(import) => {
                    tracing::info!(source = %name, baselines = import.baselines, skipped = import.skipped.len(), "baseline imported");
                }
                // It keeps what it said before, and is tried again at the next look.
                Err(error) => {
                    tracing::error!("baseline: {error:#}");
                    continue;
                }
            }
            if let Some((_, version)) = now.iter().find(|(s, _)| s.name == name) {
                watch.imported(&name, version.clone());
            }
        }
        Ok(())
    }
}

/// An absolute path for a local place, so that a server in another folder finds it; URLs stay.
pub(crate) fn absolute(place: &str) -> String {
    if place.contains("://") || Path::new(place).is_absolute() {
        return place.to_owned();
    }
    std::env::current_dir().map_or_else(|_| place.to_owned(), |here| here.join(place).display().to_string())
}
