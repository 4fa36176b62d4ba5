//! Where baselines are read from: files, folders of these, objects in S3 and prefixes. Lists, versions and fetches;
//! what the bytes mean is left to the import.

mod file;
mod location;
mod s3;
mod watch;

use std::path::PathBuf;

pub use location::{Location, Place};
pub use watch::Watch;

use crate::error::Error;
use crate::limits::MAX_BYTES;

/// One state, plan or the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path or URL, by which it is known from import to import.
    pub name: String,
    /// Account of what the source itself doesn't place.
    pub account: Option<String>,
    /// Region of what the source itself doesn't place.
    pub region: Option<String>,
    /// Whether it was found in a folder or under a prefix, where not every file need be a baseline.
    pub found: bool,
    at: At,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    File(PathBuf),
    Object { bucket: String, key: String },
}

/// What tells that a source changed, without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// S3's ETag.
    pub etag: Option<String>,
    /// When it was written, milliseconds since 1970 UTC.
    pub modified_ms: Option<i64>,
    /// Size in bytes.
    pub bytes: u64,
}

/// A source's content, whole.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The source.
    pub source: Source,
    /// Its version when it was read.
    pub version: Version,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Lists and fetches sources.
#[derive(Debug)]
pub struct Fetcher {
    buckets: Option<s3::Buckets>,
    max_bytes: u64,
}

impl Fetcher {
    /// `config` is needed for `s3://` alone; its endpoint, credentials and region hold for these.
    pub fn new(config: Option<&aws_config::SdkConfig>) -> Self {
        Self { buckets: config.map(s3::Buckets::new), max_bytes: MAX_BYTES }
    }

    /// As this one, with another limit on a source's bytes.
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// The sources at a location, by name, each with its version now. Of folders and prefixes these are all `.tfstate` and
    /// `.json` files; hidden folders are left alone.
    pub async fn list(&self, location: &Location) -> Result<Vec<(Source, Version)>, Error> {
        let (name, found) = match &location.place {
            Place::Path(path) => {
                let (path, name) = (path.clone(), path.display().to_string());
                (name.clone(), blocking(name, move || file::list(&path)).await?)
            }
            Place::S3 { bucket, key } => {
                let name = s3::url(bucket, key);
                let found = self.buckets(&name)?.list(bucket, key).await?;
                (name, found)
            }
        };
        let with = |(own, at, version)| {
            let (account, region) = (location.account.clone(), location.region.clone());
            (Source { found: own != name, name: own, account, region, at }, version)
        };
        let mut sources: Vec<(Source, Version)> = found.into_iter().map(with).collect();
        sources.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        Ok(sources)
    }

    /// The source's content and the version that it belongs to.
    pub async fn fetch(&self, source: Source) -> Result<Fetched, Error> {
        let (bytes, version) = match &source.at {
            At::File(path) => {
                let (path, name, max) = (path.clone(), source.name.clone(), self.max_bytes);
                blocking(source.name.clone(), move || file::read(&path, &name, max)).await?
            }
            At::Object { bucket, key } => self.buckets(&source.name)?.get(bucket, key, self.max_bytes).await?,
        };
        Ok(Fetched { source, version, bytes })
    }

    fn buckets(&self, name: &str) -> Result<&s3::Buckets, Error> {
        self.buckets.as_ref().ok_or_else(|| fetch_error(name, "no AWS credentials are configured"))
    }
}

type Found = Vec<(String, At, Version)>;

async fn blocking<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(fetch_error(&name, e)),
    }
}

fn fetch_error(name: &str, reason: impl std::fmt::Display) -> Error {
    Error::Fetch { source_name: name.to_owned(), reason: reason.to_string() }
}

fn too_large(name: &str, max: u64) -> Error {
    Error::TooLarge(format!("{name}: larger than {max} bytes"))
}

/// Whether a file of a folder or prefix may be a state or plan.
fn is_candidate(name: &str) -> bool {
    name.ends_with(".tfstate") || name.ends_with(".json")
}
