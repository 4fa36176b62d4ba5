//! Locations -> imports: lists, fetches and reads every source, a few at a time, in a stable order.

use std::sync::Arc;

use driftline_model::catalogue::Catalogue;
use driftline_model::secret::SecretKey;

use crate::error::Error;
use crate::import::{self, Import, Options, Skipped};
use crate::sources::{Fetcher, Location, Place, Source, Version};

/// Sources in hand at one time; each may be as large as a source may be.
const AT_ONCE: usize = 4;

/// What every source is read with.
#[derive(Debug, Clone)]
pub struct Reader {
    /// What is known of types.
    pub catalogue: Arc<Catalogue>,
    /// The organization's key that secrets are hashed with.
    pub secrets: Arc<SecretKey>,
    /// Bytes that one part may have.
    pub max_part_bytes: usize,
}

/// One source, read.
#[derive(Debug)]
pub struct Loaded {
    /// The source.
    pub source: Source,
    /// Its version when it was read.
    pub version: Version,
    /// What it says.
    pub import: Import,
}

/// A source that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {error}")]
pub struct LoadError {
    /// File or URL.
    pub source_name: String,
    /// Why.
    pub error: Error,
}

impl Reader {
    /// Reads all sources at these locations, by location and name. Files of a folder that are JSON but no baseline count as
    /// read with nothing in them but one line under `skipped`; any other error ends it, since what is not read would be
    /// reported as unmanaged.
    pub async fn load(&self, fetcher: &Arc<Fetcher>, locations: &[Location]) -> Result<Vec<Loaded>, LoadError> {
        let mut loaded = Vec::new();
        for location in locations {
            let named = |error| LoadError { source_name: location.to_string(), error };
            let mut sources = fetcher.list(location).await.map_err(named)?.into_iter().map(|(s, _)| s);
            let many = location.is_many(sources.len());
            loop {
                let mut tasks = tokio::task::JoinSet::new();
                for (n, source) in sources.by_ref().take(AT_ONCE).enumerate() {
                    let (reader, fetcher) = (self.clone(), fetcher.clone());
                    tasks.spawn(async move { (n, reader.load_one(&fetcher, source, many).await) });
                }
                if tasks.is_empty() {
                    break;
                }
                let mut results = tasks.join_all().await;
                results.sort_by_key(|(n, _)| *n);
                for (_, result) in results {
                    loaded.push(result?);
                }
            }
        }
        Ok(loaded)
    }

    /// Reads one source. `lenient`: no baseline is no error.
    pub async fn load_one(&self, fetcher: &Fetcher, source: Source, lenient: bool) -> Result<Loaded, LoadError> {
        let name = source.name.clone();
        let named = |error| LoadError { source_name: name.clone(), error };
        let fetched = fetcher.fetch(source).await.map_err(named)?;
        let reader = self.clone();
        let read = move || {
            let options = Options {
                source: &fetched.source.name,
                account: fetched.source.account.as_deref(),
                region: fetched.source.region.as_deref(),
                secrets: &reader.secrets,
                max_part_bytes: reader.max_part_bytes,
            };
            let import = match import::import(&reader.catalogue, &fetched.bytes, options) {
                Err(Error::NotABaseline(reason)) if lenient => Import {
                    source: fetched.source.name.clone(),
                    skipped: vec![Skipped { address: fetched.source.name.clone(), reason }],
                    ..Import::empty()
                },
                other => other?,
            };
            Ok(Loaded { source: fetched.source, version: fetched.version, import })
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(result) => result.map_err(named),
            Err(e) => Err(named(Error::Fetch { source_name: name.clone(), reason: e.to_string() })),
        }
    }
}

impl Location {
    /// Whether it is a folder or prefix, given how many sources were found.
    fn is_many(&self, found: usize) -> bool {
        match &self.place {
            Place::Path(path) => found != 1 || path.is_dir(),
            Place::S3 { key, .. } => key.is_empty() || key.ends_with('/'),
        }
    }
}
