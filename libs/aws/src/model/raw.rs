//! The cut-down models as they are written: botocore's form, read without copying a string. What follows from it is in
//! `shape` and `operation`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The entries of a JSON object, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T>(pub(crate) Vec<(&'static str, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<'de: 'static, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);
        impl<'de: 'static, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(entry) = map.next_entry::<&'static str, T>()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

/// A part of a model that is read when it is first needed: of the thousands of shapes of a large service a process uses
/// a few dozens.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(transparent, bound(deserialize = "'de: 'static"))]
pub(crate) struct Part(&'static RawValue);

impl Part {
    pub(crate) fn read<T: Deserialize<'static>>(self) -> Result<T, String> {
        serde_json::from_str(self.0.get()).map_err(|e| e.to_string())
    }
}

/// A whole model file.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct Model {
    pub(crate) metadata: Metadata,
    /// Each an [`Operation`].
    pub(crate) operations: Entries<Part>,
    /// Each a [`Shape`].
    #[serde(default)]
    pub(crate) shapes: Entries<Part>,
    /// Each a [`Paginator`].
    #[serde(default)]
    pub(crate) pagination: Entries<Part>,
    #[serde(default)]
    pub(crate) endpoints: Entries<Endpoints>,
    #[serde(default)]
    pub(crate) offered: Entries<Vec<&'static str>>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) protocol: &'static str,
    #[serde(default)]
    pub(crate) json_version: Option<JsonVersion>,
    #[serde(default)]
    pub(crate) target_prefix: Option<&'static str>,
    #[serde(default)]
    pub(crate) api_version: &'static str,
    #[serde(default)]
    pub(crate) signing_name: &'static str,
    #[serde(default)]
    pub(crate) service_id: &'static str,
    #[serde(default)]
    pub(crate) aws_query_compatible: Option<serde::de::IgnoredAny>,
}

/// `"1.0"` in most models, `1.0` in some.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum JsonVersion {
    Text(&'static str),
    Number(f64),
}

impl JsonVersion {
    pub(crate) fn is_1_0(self) -> bool {
        match self {
            JsonVersion::Text(text) => text == "1.0",
            JsonVersion::Number(number) => (number - 1.0).abs() < 0.05,
        }
    }
}

/// An XML namespace: an object on shapes, the bare URI on some operations.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum Namespace {
    Uri(&'static str),
    Full {
        uri: &'static str,
        #[serde(default)]
        prefix: Option<&'static str>,
    },
}

impl Namespace {
    pub(crate) fn parts(self) -> (&'static str, Option<&'static str>) {
        match self {
            Namespace::Uri(uri) => (uri, None),
            Namespace::Full { uri, prefix } => (uri, prefix),
        }
    }
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Operation {
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) input: Option<Body>,
    #[serde(default)]
    pub(crate) output: Option<Body>,
    #[serde(default)]
    pub(crate) authtype: Option<&'static str>,
    #[serde(default)]
    pub(crate) http_checksum_required: bool,
    #[serde(default)]
    pub(crate) crc32_required: bool,
    #[serde(default)]
    pub(crate) endpoint: Option<HostPrefix>,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Http {
    #[serde(default)]
    pub(crate) method: &'static str,
    #[serde(default)]
    pub(crate) request_uri: &'static str,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostPrefix {
    #[serde(default)]
    pub(crate) host_prefix: &'static str,
}

/// An operation's input or output: a shape and how its document is wrapped.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body {
    pub(crate) shape: &'static str,
    #[serde(default)]
    pub(crate) result_wrapper: Option<&'static str>,
    #[serde(default)]
    pub(crate) location_name: Option<&'static str>,
    #[serde(default)]
    pub(crate) xml_namespace: Option<Namespace>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shape {
    pub(crate) r#type: &'static str,
    #[serde(default)]
    pub(crate) members: Entries<Member>,
    #[serde(default)]
    pub(crate) required: Vec<&'static str>,
    #[serde(default)]
    pub(crate) member: Option<Member>,
    #[serde(default)]
    pub(crate) key: Option<Member>,
    #[serde(default)]
    pub(crate) value: Option<Member>,
    #[serde(default)]
    pub(crate) payload: Option<&'static str>,
    #[serde(default)]
    pub(crate) location_name: Option<&'static str>,
    #[serde(default)]
    pub(crate) xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub(crate) timestamp_format: Option<&'static str>,
    #[serde(default)]
    pub(crate) flattened: bool,
    #[serde(default)]
    pub(crate) sparse: bool,
    #[serde(default)]
    pub(crate) document: bool,
    #[serde(default)]
    pub(crate) eventstream: bool,
    #[serde(default)]
    pub(crate) union: bool,
    #[serde(default)]
    pub(crate) policy_document: bool,
    #[serde(default)]
    pub(crate) path_id: bool,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) shape: &'static str,
    #[serde(default)]
    pub(crate) location: Option<&'static str>,
    #[serde(default)]
    pub(crate) query_name: Option<&'static str>,
    #[serde(default)]
    pub(crate) xml_attribute: bool,
    #[serde(default)]
    pub(crate) idempotency_token: bool,
    #[serde(default)]
    pub(crate) jsonvalue: bool,
    #[serde(default)]
    pub(crate) location_name: Option<&'static str>,
    #[serde(default)]
    pub(crate) xml_namespace: Option<Namespace>,
    #[serde(default)]
    pub(crate) timestamp_format: Option<&'static str>,
    #[serde(default)]
    pub(crate) flattened: bool,
}

#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Paginator {
    #[serde(default)]
    pub(crate) input_token: OneOrMany,
    #[serde(default)]
    pub(crate) output_token: OneOrMany,
    #[serde(default)]
    pub(crate) result_key: OneOrMany,
    #[serde(default)]
    pub(crate) more_results: Option<&'static str>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(&'static str),
    Many(Vec<&'static str>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        OneOrMany::Many(Vec::new())
    }
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[&'static str] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// URL template and signing region, by default and for the regions that differ.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct Endpoints {
    pub(crate) default: (&'static str, &'static str),
    #[serde(default)]
    pub(crate) regions: Entries<(&'static str, &'static str)>,
}
