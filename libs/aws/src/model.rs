//! Service models: which operations a service has, what each takes and gives.

use crate::error::Error;

/// The kind of a value in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A structure with named members.
    Structure,
    /// A list.
    List,
    /// A map with string keys.
    Map,
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// 32 bits, floating.
    Float,
    /// 64 bits, floating.
    Double,
    /// Bytes; base64 in JSON.
    Blob,
    /// ISO 8601 in JSON.
    Timestamp,
    /// Any JSON value.
    Document,
}

/// One service's model. Loaded once per process and kept.
#[derive(Debug)]
pub struct Service {
    name: String,
}

impl Service {
    /// By botocore's name: `s3`, `ec2`, `elbv2`.
    pub fn load(name: &str) -> Result<&'static Service, Error> {
        Err(Error::Validation { path: name.to_owned(), reason: "not built yet".into() })
    }

    /// Names of all services that have a model here.
    pub fn names() -> impl Iterator<Item = &'static str> {
        std::iter::empty()
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is such an operation (`GetBucketAcl`).
    pub fn has_operation(&self, operation: &str) -> bool {
        let _ = operation;
        false
    }

    /// Names of the operations, sorted.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// The kind of a parameter, by its path: `Filters[*].Name`; members of a map by any key. `None`: no such path.
    pub fn parameter(&self, operation: &str, path: &str) -> Option<Kind> {
        let _ = (operation, path);
        None
    }

    /// The kind of an output value, by its path: `Reservations[*].Instances[*].InstanceId`, `Rules[0].ID`. The empty path is the whole answer.
    pub fn output(&self, operation: &str, path: &str) -> Option<Kind> {
        let _ = (operation, path);
        None
    }

    /// Whether an answer may have several pages.
    pub fn is_paged(&self, operation: &str) -> bool {
        let _ = operation;
        false
    }

    /// Parameters that a call can't do without, sorted.
    pub fn required(&self, operation: &str) -> Vec<&str> {
        let _ = operation;
        Vec::new()
    }
}
