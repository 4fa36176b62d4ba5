//! Operations: how each is addressed, what goes in and comes out, and how its answers are paged.

use std::sync::OnceLock;

use aws_smithy_schema::traits::HttpTrait;
use aws_smithy_schema::{Schema, ShapeType};

use super::raw;
use super::schema::{Direction, leak, shape_id};
use super::shape::{Index, Shape};
use super::shapes::Shapes;
use super::{Kind, Service};

/// What a service wants to check a body with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    Crc32,
    Md5,
}

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    /// The path as a template whose labels are the members' names.
    pub(crate) uri: &'static str,
    pub(crate) input: Option<Index>,
    pub(crate) output: Option<Index>,
    /// The element that holds the answer, in the query protocol.
    pub(crate) result_wrapper: Option<&'static str>,
    pub(crate) host_prefix: Option<&'static str>,
    pub(crate) signed: bool,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) paginator: Option<Paginator>,
    root: Option<&'static str>,
    root_namespace: Option<raw::Namespace>,
    request: OnceLock<&'static Schema<'static>>,
    default_wrapper: String,
}

impl Operation {
    pub(super) fn new(
        name: &'static str,
        raw: raw::Operation,
        paginator: Option<raw::Part>,
        shapes: &Shapes,
    ) -> Result<Self, String> {
        let shape = |body: Option<raw::Body>| body.map(|body| shapes.build(body.shape)).transpose();
        let input = shape(raw.input)?;
        let input_shape = input.map(|index| shapes.get(index));
        Ok(Operation {
            name,
            method: raw.http.method,
            uri: template(raw.http.request_uri, input_shape),
            input,
            output: shape(raw.output)?,
            result_wrapper: raw.output.and_then(|o| o.result_wrapper),
            host_prefix: raw.endpoint.map(|e| e.host_prefix).filter(|p| !p.is_empty()),
            signed: raw.authtype != Some("none"),
            checksum: match (raw.crc32_required, raw.http_checksum_required) {
                (true, _) => Some(Checksum::Crc32),
                (false, true) => Some(Checksum::Md5),
                (false, false) => None,
            },
            paginator: paginator.map(|raw| raw.read().map(Paginator::new)).transpose()?,
            root: raw.input.and_then(|i| i.location_name),
            root_namespace: raw
                .input
                .and_then(|i| i.xml_namespace)
                .or_else(|| input_shape.and_then(Shape::xml_namespace)),
            request: OnceLock::new(),
            default_wrapper: format!("{name}Result"),
        })
    }

    /// The schema of the request: the input's, with the operation's method, path and root element.
    pub(crate) fn request_schema(&self, service: &'static Service) -> &'static Schema<'static> {
        self.request.get_or_init(|| {
            let mut schema = match self.input {
                Some(input) => {
                    let shape = service.shape(input);
                    let schema = shape.bare(shape.schemas(service, Direction::Request).members);
                    if service.protocol.is_rest() && !shape.has_body() { schema.with_no_body_members() } else { schema }
                }
                None => Schema::new_struct(shape_id("Unit"), ShapeType::Structure, &[]).with_no_body_members(),
            };
            if service.protocol.is_rest() {
                schema = schema.with_http(HttpTrait::new(self.method, self.uri, None));
            }
            if let Some(root) = self.root {
                schema = schema.with_xml_name(root);
            }
            if let Some(namespace) = self.root_namespace {
                let (uri, prefix) = namespace.parts();
                schema = schema.with_xml_namespace(uri, prefix);
            }
            leak(schema)
        })
    }

    /// The element around the result, in the query protocol.
    pub(crate) fn wrapper(&self) -> &str {
        self.result_wrapper.unwrap_or(&self.default_wrapper)
    }

    /// Whether input or output is a stream of events, which a single call can't carry.
    pub(crate) fn is_event_stream(&self, service: &Service) -> bool {
        [self.input, self.output].into_iter().flatten().any(|index| {
            service.shape(index).members.iter().any(|m| {
                let target = service.shape(m.target);
                target.kind == Kind::Structure && target.eventstream
            })
        })
    }
}

/// botocore's URI templates name labels as they travel; the codecs look for members.
fn template(uri: &'static str, input: Option<&Shape>) -> &'static str {
    let renamed = input.map(|shape| shape.members.iter().filter(|m| m.label().is_some_and(|l| l != m.name)));
    let mut text = uri.to_owned();
    for member in renamed.into_iter().flatten() {
        let label = member.label().unwrap_or_default();
        for greedy in ["", "+"] {
            text = text.replace(&format!("{{{label}{greedy}}}"), &format!("{{{}{greedy}}}", member.name));
        }
    }
    if text == uri { uri } else { text.leak() }
}

/// How an operation's pages follow each other. Keys are paths; an output token may have alternatives.
#[derive(Debug)]
pub(crate) struct Paginator {
    pub(crate) input_tokens: Vec<&'static str>,
    pub(crate) output_tokens: Vec<&'static str>,
    pub(crate) result_keys: Vec<&'static str>,
    pub(crate) more_results: Option<&'static str>,
}

impl Paginator {
    pub(super) fn new(raw: raw::Paginator) -> Self {
        Paginator {
            input_tokens: raw.input_token.as_slice().to_vec(),
            output_tokens: raw.output_token.as_slice().to_vec(),
            result_keys: raw.result_key.as_slice().to_vec(),
            more_results: raw.more_results,
        }
    }
}
