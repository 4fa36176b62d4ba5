//! `PATH-OR-URL[@ACCOUNT/REGION]`, as the command line and the configuration have it.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::arn;
use crate::error::Error;

/// A place that holds sources, and the account and region of what these do not place themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The place.
    pub place: Place,
    /// AWS account id.
    pub account: Option<String>,
    /// Region name.
    pub region: Option<String>,
}

/// A file, folder, object or prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file or folder.
    Path(PathBuf),
    /// An object, or a prefix where the key is empty or ends in a slash.
    S3 {
        /// Bucket.
        bucket: String,
        /// Key or prefix.
        key: String,
    },
}

impl Location {
    /// Whether a source of this name would be found here.
    pub fn holds(&self, name: &str) -> bool {
        match &self.place {
            Place::Path(path) => !name.starts_with("s3://") && Path::new(name).starts_with(path),
            Place::S3 { bucket, key } => name
                .strip_prefix("s3://")
                .and_then(|rest| rest.strip_prefix(bucket.as_str())?.strip_prefix('/'))
                .is_some_and(|found| {
                    found == key || (key.is_empty() || key.ends_with('/')) && found.starts_with(key.as_str())
                }),
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = |reason| Error::Location(text.to_owned(), reason);
        let (place, account, region) = match text.rsplit_once('@').map(|(place, at)| (place, owner(at))) {
            Some((place, Some((account, region)))) => (place, Some(account), region),
            // A file's name may hold the sign as well.
            _ => (text, None, None),
        };
        if place.is_empty() {
            return Err(error("it is empty"));
        }
        let place = match place.split_once(':') {
            Some(("s3", rest)) => {
                let (bucket, key) =
                    rest.strip_prefix("//").map(|r| r.split_once('/').unwrap_or((r, ""))).unwrap_or_default();
                if bucket.is_empty() {
                    return Err(error("an object is `s3://BUCKET/KEY`"));
                }
                Place::S3 { bucket: bucket.to_owned(), key: key.to_owned() }
            }
            Some(("cfn", _)) => return Err(error("stacks of CloudFormation are not read yet")),
            Some(("http" | "https" | "gs" | "azurerm" | "remote", _)) => {
                return Err(error("only files, folders and `s3://` are read: `terraform state pull` gives any state"));
            }
            _ => Place::Path(plain(Path::new(place))),
        };
        Ok(Self { place, account, region })
    }
}

/// `ACCOUNT` or `ACCOUNT/REGION`.
fn owner(text: &str) -> Option<(String, Option<String>)> {
    let (account, region) = match text.split_once('/') {
        Some((account, region)) => (account, Some(region)),
        None => (text, None),
    };
    let good = arn::is_account(account) && region.is_none_or(arn::is_region);
    good.then(|| (account.to_owned(), region.map(str::to_owned)))
}

/// The path without detours, so that one file has one name.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Path(path) => write!(f, "{}", path.display())?,
            Place::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}")?,
        }
        match (&self.account, &self.region) {
            (Some(account), Some(region)) => write!(f, "@{account}/{region}"),
            (Some(account), None) => write!(f, "@{account}"),
            _ => Ok(()),
        }
    }
}
