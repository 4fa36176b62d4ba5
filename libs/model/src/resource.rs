//! Names of things: accounts, resources and scopes, and their one textual form.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The region of what has none: IAM, bucket listings and the like.
pub const GLOBAL: &str = "global";

/// One thing in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceKey {
    /// AWS account id, 12 digits.
    pub account: String,
    /// Region name, or [`GLOBAL`].
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Id by the catalogue's rule. May hold any character, `/` included.
    pub id: String,
}

impl ResourceKey {
    /// Builds a key from its parts.
    pub fn new(
        account: impl Into<String>,
        region: impl Into<String>,
        kind: impl Into<String>,
        id: impl Into<String>,
    ) -> Self {
        Self { account: account.into(), region: region.into(), kind: kind.into(), id: id.into() }
    }

    /// The listing that this resource belongs to.
    pub fn scope(&self) -> Scope {
        Scope { account: self.account.clone(), region: self.region.clone(), kind: self.kind.clone() }
    }

    /// Reads `account/region/type/id`; the id keeps its own slashes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        let (account, region, kind, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        (digits && !region.is_empty() && !kind.is_empty() && !id.is_empty())
            .then(|| Self::new(account, region, kind, id))
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.account, self.region, self.kind, self.id)
    }
}

/// Account x region x type: the unit of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// AWS account id, 12 digits.
    pub account: String,
    /// Region name, or [`GLOBAL`].
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account, self.region, self.kind)
    }
}
