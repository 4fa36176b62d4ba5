//! A JSON value to a request: the value walks itself through the codec of its protocol, member by member.

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_schema::Schema;
use aws_smithy_schema::protocol::ClientProtocolInner;
use aws_smithy_schema::serde::{SerdeError, SerializableStruct, ShapeSerializer};
use aws_smithy_types::config_bag::{ConfigBag, Layer};
use aws_smithy_types::{Blob, Document, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::{Wire, custom, text};
use crate::model::{Checksum, Direction, Kind, Member, Operation, Place, Protocol, Service, Shape};

/// The request that these parameters (which were validated) make, without an endpoint and a signature.
pub(crate) fn build(
    service: &'static Service,
    operation: &'static Operation,
    params: &Map<String, Value>,
) -> Result<HttpRequest, SerdeError> {
    let schema = operation.request_schema(service);
    let shape = operation.input.map(|input| service.shape(input));
    let input = Object { service, shape, schema, map: params };
    let bag = bag(service, operation);
    let mut request = match Wire::of(service) {
        Wire::Json(wire) => wire.serialize_request(&input, schema, "/", &bag),
        Wire::Query(wire) => wire.serialize_request(&input, schema, "/", &bag),
        Wire::RestJson(wire) => wire.serialize_request(&input, schema, "", &bag),
        Wire::RestXml(wire) => wire.serialize_request(&input, schema, "", &bag),
    }?;
    if service.query_compatible {
        request.headers_mut().insert("x-amzn-query-mode", "true");
    }
    if let Some(shape) = shape {
        content_type(service, shape, params, &mut request)?;
    }
    checksum(operation, &mut request);
    custom::headers(service, &mut request);
    Ok(request)
}

/// Checksums that the service insists on, unless the caller gave one.
fn checksum(operation: &Operation, request: &mut HttpRequest) {
    let given = request.headers().iter().any(|(name, _)| {
        name == "content-md5" || (name.starts_with("x-amz-checksum-") && name != "x-amz-checksum-algorithm")
    });
    let (false, Some(checksum)) = (given, operation.checksum) else { return };
    let body = request.body().bytes().unwrap_or_default();
    match checksum {
        // Whatever algorithm the parameters name: what counts is that the body is checked.
        Checksum::Crc32 => {
            let mut crc = flate2::Crc::new();
            crc.update(body);
            let sum = STANDARD.encode(crc.sum().to_be_bytes());
            request.headers_mut().insert("x-amz-sdk-checksum-algorithm", "CRC32");
            request.headers_mut().insert("x-amz-checksum-crc32", sum);
        }
        Checksum::Md5 => {
            let sum = STANDARD.encode(Md5::digest(body));
            request.headers_mut().insert("content-md5", sum);
        }
    }
}

fn bag(service: &Service, operation: &Operation) -> ConfigBag {
    let mut layer = Layer::new("operation");
    layer.store_put(Metadata::new(operation.name, service.name()));
    ConfigBag::of_layers([layer])
}

/// What the codecs leave open about a body: the type of raw payloads, and that an absent structure is `{}`.
fn content_type(
    service: &Service,
    shape: &Shape,
    params: &Map<String, Value>,
    request: &mut HttpRequest,
) -> Result<(), SerdeError> {
    let Some(payload) = shape.payload().filter(|_| service.protocol.is_rest()) else { return Ok(()) };
    let given = params.get(payload.name).is_some_and(|v| !v.is_null());
    let target = service.shape(payload.target);
    let kind = match target.kind {
        Kind::Blob => "application/octet-stream",
        Kind::String => "text/plain",
        Kind::Structure if service.protocol == Protocol::RestJson && !given => {
            *request.body_mut() = "{}".into();
            request.headers_mut().insert("content-length", "2");
            return Ok(());
        }
        Kind::Structure if !given => {
            request.headers_mut().remove("content-type");
            return Ok(());
        }
        _ => return Ok(()),
    };
    if given && request.headers().get("content-type").is_none() {
        request.headers_mut().try_insert("content-type", kind).map_err(|e| SerdeError::invalid_input(e.to_string()))?;
    }
    Ok(())
}

/// A structure's value.
struct Object<'a> {
    service: &'static Service,
    shape: Option<&'a Shape>,
    schema: &'a Schema<'static>,
    map: &'a Map<String, Value>,
}

impl SerializableStruct for Object<'_> {
    fn schema(&self) -> &Schema<'_> {
        self.schema
    }

    fn serialize_members(&self, serializer: &mut dyn ShapeSerializer) -> Result<(), SerdeError> {
        let Some(shape) = self.shape else { return Ok(()) };
        let schemas = shape.schemas(self.service, Direction::Request);
        for (member, schema) in shape.members.iter().zip(schemas.members) {
            let Some(value) = self.map.get(member.name).filter(|v| !v.is_null()) else { continue };
            let target = self.service.shape(member.target);
            if self.is_left_out(member, target, value) {
                continue;
            }
            if member.place == Place::Payload && target.kind == Kind::Structure {
                self.write_payload(member, target, value, serializer)?;
            } else if member.json_in_header {
                let text = STANDARD.encode(value.to_string());
                serializer.write_string(schema, &text)?;
            } else {
                write(self.service, target, schema, value, serializer)?;
            }
        }
        Ok(())
    }
}

impl Object<'_> {
    /// EC2 takes an empty list for one with an empty element; an empty list in a header would be an empty header.
    fn is_left_out(&self, member: &Member, target: &Shape, value: &Value) -> bool {
        let empty = matches!(value, Value::Array(items) if items.is_empty());
        empty
            && (self.service.protocol == Protocol::Ec2 || (target.kind == Kind::List && member.place == Place::Header))
    }

    /// A structure that is the whole body carries the member's root name and namespace.
    fn write_payload(
        &self,
        member: &Member,
        target: &Shape,
        value: &Value,
        serializer: &mut dyn ShapeSerializer,
    ) -> Result<(), SerdeError> {
        let mut schema = target.bare(target.schemas(self.service, Direction::Request).members);
        let (name, namespace) = member.payload_root(target);
        if let Some(name) = name {
            schema = schema.with_xml_name(name);
        }
        if let Some(namespace) = namespace {
            let (uri, prefix) = namespace.parts();
            schema = schema.with_xml_namespace(uri, prefix);
        }
        let map = value.as_object().ok_or_else(|| mismatch(target))?;
        serializer.write_struct(&schema, &Object { service: self.service, shape: Some(target), schema: &schema, map })
    }
}

fn mismatch(shape: &Shape) -> SerdeError {
    SerdeError::type_mismatch(format!("a value of {} has another type", shape.name))
}

fn write(
    service: &'static Service,
    shape: &Shape,
    schema: &Schema<'static>,
    value: &Value,
    serializer: &mut dyn ShapeSerializer,
) -> Result<(), SerdeError> {
    let wrong = || mismatch(shape);
    match shape.kind {
        Kind::Structure => {
            let map = value.as_object().ok_or_else(wrong)?;
            serializer.write_struct(schema, &Object { service, shape: Some(shape), schema, map })
        }
        Kind::List => write_list(service, shape, schema, value, serializer),
        Kind::Map => write_map(service, shape, schema, value, serializer),
        Kind::String => serializer.write_string(schema, value.as_str().ok_or_else(wrong)?),
        Kind::Boolean => serializer.write_boolean(schema, value.as_bool().ok_or_else(wrong)?),
        Kind::Integer | Kind::Long => serializer.write_long(schema, value.as_i64().ok_or_else(wrong)?),
        Kind::Float | Kind::Double => serializer.write_double(schema, text::float_parameter(value).ok_or_else(wrong)?),
        Kind::Timestamp => serializer.write_timestamp(schema, &text::timestamp_parameter(value).ok_or_else(wrong)?),
        Kind::Blob => {
            let bytes = STANDARD.decode(value.as_str().ok_or_else(wrong)?).map_err(|_| wrong())?;
            serializer.write_blob(schema, Blob::new(bytes))
        }
        Kind::Document => serializer.write_document(schema, &document(value)),
    }
}

fn write_list(
    service: &'static Service,
    shape: &Shape,
    schema: &Schema<'static>,
    value: &Value,
    serializer: &mut dyn ShapeSerializer,
) -> Result<(), SerdeError> {
    let items = value.as_array().ok_or_else(|| mismatch(shape))?;
    // The list's own schema has no items where it is a member: its use decides how they are named.
    let (Some(element), Some(inner)) = (shape.element(), schema.member_borrowed()) else {
        return Err(mismatch(shape));
    };
    let element = service.shape(element.target);
    serializer.write_list(schema, &|serializer| {
        items.iter().try_for_each(|item| match item {
            Value::Null => serializer.write_null(inner),
            item => write(service, element, inner, item, serializer),
        })
    })
}

fn write_map(
    service: &'static Service,
    shape: &Shape,
    schema: &Schema<'static>,
    value: &Value,
    serializer: &mut dyn ShapeSerializer,
) -> Result<(), SerdeError> {
    let map = value.as_object().ok_or_else(|| mismatch(shape))?;
    let (Some(element), [key, inner]) = (shape.element(), shape.schemas(service, Direction::Request).members) else {
        return Err(mismatch(shape));
    };
    let element = service.shape(element.target);
    serializer.write_map(schema, &|serializer| {
        map.iter().try_for_each(|(name, item)| {
            serializer.write_string(key, name)?;
            match item {
                Value::Null => serializer.write_null(inner),
                item => write(service, element, inner, item, serializer),
            }
        })
    })
}

fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => Document::Bool(*value),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(n), _) => Number::PosInt(n),
            (_, Some(n)) => Number::NegInt(n),
            _ => Number::Float(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(map) => Document::Object(map.iter().map(|(k, v)| (k.clone(), document(v))).collect()),
    }
}

/// What the operation puts before the host's name, with its labels filled in.
pub(crate) fn host_prefix(operation: &Operation, params: &Map<String, Value>) -> Option<String> {
    let mut prefix = operation.host_prefix?.to_owned();
    for (name, value) in params {
        if let Value::String(text) = value {
            prefix = prefix.replace(&format!("{{{name}}}"), text);
        }
    }
    Some(prefix)
}
