//! Service models: which operations a service has, what each takes and gives. The data is botocore's, cut down by
//! `xtask/models.py`; a service is read when it is first asked for, and kept.

mod lookup;
mod operation;
mod path;
pub(crate) mod raw;
mod registry;
mod schema;
mod shape;
mod shapes;

pub use lookup::Models;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::error::Error;
use crate::wire::Wire;

pub(crate) use operation::{Checksum, Operation, Paginator};
pub(crate) use schema::Direction;
pub(crate) use shape::{Index, Member, Place, Shape};
use shapes::Shapes;

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

/// How a service's calls are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Json10,
    Json11,
    Query,
    Ec2,
    RestJson,
    RestXml,
}

impl Protocol {
    pub(crate) fn is_rest(self) -> bool {
        matches!(self, Protocol::RestJson | Protocol::RestXml)
    }

    pub(crate) fn is_json(self) -> bool {
        matches!(self, Protocol::Json10 | Protocol::Json11 | Protocol::RestJson)
    }
}

/// One service's model. Loaded once per process and kept; what an operation needs is built when it is first asked for.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    pub(crate) protocol: Protocol,
    /// AWS's own id, as `AWS_ENDPOINT_URL_<SERVICE>` writes it, in small letters.
    id: String,
    pub(crate) signing_name: &'static str,
    pub(crate) api_version: &'static str,
    pub(crate) target_prefix: Option<&'static str>,
    /// Errors carry the code of the query protocol that the service spoke before.
    pub(crate) query_compatible: bool,
    operations: HashMap<&'static str, LazyOperation>,
    shapes: Shapes,
    endpoints: HashMap<&'static str, raw::Endpoints>,
    offered: HashMap<&'static str, Vec<&'static str>>,
    pub(crate) wire: OnceLock<Wire>,
}

#[derive(Debug)]
struct LazyOperation {
    raw: raw::Part,
    paginator: Option<raw::Part>,
    built: OnceLock<Result<Box<Operation>, String>>,
}

impl Service {
    /// By botocore's name: `s3`, `ec2`, `elbv2`.
    pub fn load(name: &str) -> Result<&'static Service, Error> {
        registry::load(name)
    }

    /// Names of all services that have a model here, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        registry::names()
    }

    /// Reads a model in botocore's form. What is built from it is kept for as long as the process runs.
    pub(crate) fn parse(name: &'static str, text: &'static str) -> Result<Service, String> {
        let model: raw::Model = serde_json::from_str(text).map_err(|e| e.to_string())?;
        Service::build(name, model)
    }

    pub(crate) fn build(name: &'static str, model: raw::Model) -> Result<Service, String> {
        let mut paginators: HashMap<&'static str, raw::Part> = model.pagination.0.into_iter().collect();
        let mut lazy = |(name, raw)| {
            let paginator = paginators.remove(name);
            (name, LazyOperation { raw, paginator, built: OnceLock::new() })
        };
        let metadata = model.metadata;
        Ok(Service {
            name,
            protocol: protocol(&metadata)?,
            id: metadata.service_id.to_ascii_lowercase().replace([' ', '-'], "_"),
            signing_name: metadata.signing_name,
            api_version: metadata.api_version,
            target_prefix: metadata.target_prefix,
            query_compatible: metadata.aws_query_compatible.is_some(),
            operations: model.operations.0.into_iter().map(&mut lazy).collect(),
            shapes: Shapes::new(model.shapes.0),
            endpoints: model.endpoints.0.into_iter().collect(),
            offered: model.offered.0.into_iter().collect(),
            wire: OnceLock::new(),
        })
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether there is such an operation (`GetBucketAcl`).
    pub fn has_operation(&self, operation: &str) -> bool {
        self.operations.contains_key(operation)
    }

    /// Names of the operations, sorted.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<&'static str> = self.operations.keys().copied().collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// The kind of a parameter, by its path: `Filters[*].Name`; members of a map by any key. `None`: no such path.
    pub fn parameter(&self, operation: &str, path: &str) -> Option<Kind> {
        path::kind(self, self.operation(operation).ok()?.input, path)
    }

    /// The kind of an output value, by its path: `Reservations[*].Instances[*].InstanceId`, `Rules[0].ID`. The empty
    /// path is the whole answer. Below an IAM policy document, which comes out as an object, everything is a document.
    pub fn output(&self, operation: &str, path: &str) -> Option<Kind> {
        path::kind(self, self.operation(operation).ok()?.output, path)
    }

    /// Whether an answer may have several pages.
    pub fn is_paged(&self, operation: &str) -> bool {
        self.operation(operation).is_ok_and(|o| o.paginator.is_some())
    }

    /// Parameters that a call can't do without, in the model's order.
    pub fn required(&self, operation: &str) -> Vec<&'static str> {
        let input = self.operation(operation).ok().and_then(|o| o.input);
        let members = input.map(|i| &self.shape(i).members[..]).unwrap_or_default();
        members.iter().filter(|m| m.required && !m.idempotency_token).map(|m| m.name).collect()
    }

    pub(crate) fn operation(&self, name: &str) -> Result<&Operation, Error> {
        let wrong =
            |reason: &str| Error::Validation { path: format!("{}:{name}", self.name), reason: reason.to_owned() };
        let (name, lazy) =
            self.operations.get_key_value(name).ok_or_else(|| wrong("the service has no such operation"))?;
        let build = || Operation::new(name, lazy.raw.read()?, lazy.paginator, &self.shapes).map(Box::new);
        match lazy.built.get_or_init(build) {
            Ok(operation) => Ok(operation),
            Err(reason) => Err(wrong(&format!("the model can't be read: {reason}"))),
        }
    }

    /// The shapes of the operations that were asked for.
    #[cfg(test)]
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.built()
    }

    pub(crate) fn shape(&self, index: Index) -> &Shape {
        self.shapes.get(index)
    }

    /// Whether a region of a partition is known to lack the service: other regions of the partition have it, and this is
    /// none of them. It may have got it since.
    pub(crate) fn is_missing(&self, partition: &str, region: &str) -> bool {
        self.offered.get(partition).is_some_and(|regions| !regions.contains(&region))
    }

    /// URL and signing region for a region: `key` is the partition with its variants (`aws+fips`).
    pub(crate) fn endpoint(&self, key: &str, region: &str) -> Option<(String, String)> {
        let endpoints = self.endpoints.get(key)?;
        let special = endpoints.regions.0.iter().find(|(r, _)| *r == region).map(|(_, e)| *e);
        let (url, signing) = special.unwrap_or(endpoints.default);
        Some((url.replace("{region}", region), signing.replace("{region}", region)))
    }
}

fn protocol(metadata: &raw::Metadata) -> Result<Protocol, String> {
    Ok(match metadata.protocol {
        "json" if metadata.json_version.is_some_and(raw::JsonVersion::is_1_0) => Protocol::Json10,
        "json" => Protocol::Json11,
        "query" => Protocol::Query,
        "ec2" => Protocol::Ec2,
        "rest-json" => Protocol::RestJson,
        "rest-xml" => Protocol::RestXml,
        other => return Err(format!("the protocol {other}")),
    })
}

#[cfg(test)]
mod tests;
