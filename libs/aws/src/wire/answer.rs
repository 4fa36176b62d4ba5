//! An answer to a JSON value. Every document is checked to its end, so that one that was cut short is an error.

use aws_smithy_json::codec::{JsonCodec, JsonCodecSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_schema::Schema;
use aws_smithy_schema::codec::Codec;
use aws_smithy_schema::http_protocol::http_output_deserializer;
use aws_smithy_schema::serde::{SerdeError, ShapeDeserializer};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::{Document, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::xml::Fault;
use super::{custom, document, text};
use crate::error::Error;
use crate::model::{Direction, Kind, Member, Operation, Place, Protocol, Service, Shape};

/// The value of a successful answer.
pub(crate) fn parse(
    service: &'static Service,
    operation: &'static Operation,
    response: &HttpResponse,
    limit: usize,
) -> Result<Value, Error> {
    let shape = operation.output.map(|output| service.shape(output)).filter(|shape| !shape.members.is_empty());
    let Some(shape) = shape else { return Ok(Value::Object(Map::new())) };
    let body = response.body().bytes().unwrap_or_default();
    let reader = Reader { service };
    let mut map = match service.protocol {
        Protocol::Json10 | Protocol::Json11 => {
            is_whole(body)?;
            let mut json = json(limit).create_deserializer(body);
            reader.structure(shape, &mut json).map_err(|e| unreadable(body, limit, &e))?
        }
        Protocol::RestJson => {
            if has_document(service, shape, response) {
                is_whole(body)?;
            }
            reader.bound(shape, response, body, limit).map_err(|e| unreadable(body, limit, &e))?
        }
        Protocol::RestXml => rest_xml(service, operation, shape, response, limit)?,
        Protocol::Ec2 | Protocol::Query => {
            document::read(service, operation, shape, body, limit, false).map_err(|f| faulty(f, limit))?
        }
    };
    custom::amend(service, operation, shape, &mut map);
    Ok(Value::Object(map))
}

/// Headers and status by the codec, the document by `document`.
fn rest_xml(
    service: &'static Service,
    operation: &'static Operation,
    shape: &Shape,
    response: &HttpResponse,
    limit: usize,
) -> Result<Map<String, Value>, Error> {
    let mut map = Map::new();
    if shape.members.iter().any(|m| !m.place.is_in_answer()) {
        let bound = Reader { service }.bound(shape, response, b"{}", limit);
        map = bound.map_err(|e| Error::Parse(e.to_string()))?;
    }
    if !has_document(service, shape, response) {
        return Ok(map);
    }
    let body = response.body().bytes().unwrap_or_default();
    let faulty = |fault| faulty(fault, limit);
    match shape.payload() {
        Some(payload) => {
            let target = service.shape(payload.target);
            let value = document::read(service, operation, target, body, limit, false).map_err(faulty)?;
            map.insert(payload.name.to_owned(), Value::Object(value));
        }
        None => {
            let root_is_value = custom::root_is_value(service, operation);
            map.extend(document::read(service, operation, shape, body, limit, root_is_value).map_err(faulty)?);
        }
    }
    Ok(map)
}

fn json(limit: usize) -> JsonCodec {
    let depth = u32::try_from(limit).unwrap_or(u32::MAX);
    JsonCodec::new(JsonCodecSettings::builder().max_depth(depth).default_timestamp_format(Format::EpochSeconds).build())
}

/// An empty body is no object, which the codec takes it for.
fn is_whole(body: &[u8]) -> Result<(), Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::Truncated("the body is empty".to_owned()));
    }
    Ok(())
}

/// In the REST protocols a body may be a document, bytes as they are, or nothing.
fn has_document(service: &Service, shape: &Shape, response: &HttpResponse) -> bool {
    let wanted = match shape.payload() {
        Some(payload) => matches!(service.shape(payload.target).kind, Kind::Structure | Kind::Document),
        None if service.protocol == Protocol::RestJson => shape.has_body(),
        None => shape.members.iter().any(|m| m.place.is_in_answer()),
    };
    wanted && response.status().as_u16() != 204
}

fn faulty(fault: Fault, limit: usize) -> Error {
    match fault {
        Fault::Cut => Error::Truncated("the document ends before its root does".to_owned()),
        Fault::Deep => Error::TooLarge { limit, unit: "levels" },
        Fault::Wrong(reason) => Error::Parse(reason),
    }
}

/// JSON that begins like an object and doesn't end like one was cut.
fn unreadable(body: &[u8], limit: usize, error: &SerdeError) -> Error {
    // The codec says so in words only.
    if error.to_string().contains("maximum nesting depth") {
        return Error::TooLarge { limit, unit: "levels" };
    }
    let text = body.trim_ascii();
    if text.first() == Some(&b'{') && text.last() != Some(&b'}') {
        Error::Truncated(error.to_string())
    } else {
        Error::Parse(error.to_string())
    }
}

struct Reader {
    service: &'static Service,
}

impl Reader {
    /// An output of which parts travel in headers; `body` is its document.
    fn bound(
        &self,
        shape: &Shape,
        response: &HttpResponse,
        body: &[u8],
        limit: usize,
    ) -> Result<Map<String, Value>, SerdeError> {
        let schema = &shape.schemas(self.service, Direction::Answer).own;
        let bag = ConfigBag::base();
        let codec = json(limit);
        let mut reader = http_output_deserializer(codec.create_deserializer(body), response, schema, &bag);
        self.structure(shape, &mut *reader)
    }

    fn structure(
        &self,
        shape: &Shape,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Map<String, Value>, SerdeError> {
        let mut map = Map::new();
        deserializer.read_struct(&shape.schemas(self.service, Direction::Answer).own, &mut |member, inner| {
            // A member that the model doesn't know has no index: left unread, it is skipped.
            let Some(index) = member.member_index() else { return Ok(()) };
            let Some(member_shape) = shape.members.get(index) else { return Ok(()) };
            let value = self.member(member_shape, member, inner)?;
            if !value.is_null() {
                map.insert(member_shape.name.to_owned(), value);
            }
            Ok(())
        })?;
        Ok(map)
    }

    fn member(
        &self,
        member: &Member,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Value, SerdeError> {
        let target = self.service.shape(member.target);
        if member.place == Place::Status {
            return Ok(Value::from(deserializer.read_integer(schema)?));
        }
        if member.json_in_header {
            let text = deserializer.read_string(schema)?;
            let bytes = STANDARD.decode(&text).map_err(|e| SerdeError::invalid_input(e.to_string()))?;
            return serde_json::from_slice(&bytes).map_err(|e| SerdeError::invalid_input(e.to_string()));
        }
        let is_xml = self.service.protocol == Protocol::RestXml && target.kind == Kind::Structure;
        if is_xml && member.place == Place::Payload {
            return Ok(Value::Null);
        }
        self.value(target, schema, deserializer)
    }

    fn value(
        &self,
        shape: &Shape,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Value, SerdeError> {
        Ok(match shape.kind {
            Kind::Structure => Value::Object(self.structure(shape, deserializer)?),
            Kind::List => Value::Array(self.list(shape, schema, deserializer)?),
            Kind::Map => Value::Object(self.map(shape, schema, deserializer)?),
            Kind::String => Value::String(deserializer.read_string(schema)?),
            Kind::Boolean => Value::Bool(deserializer.read_boolean(schema)?),
            Kind::Integer | Kind::Long => Value::from(deserializer.read_long(schema)?),
            Kind::Float | Kind::Double => text::float(deserializer.read_double(schema)?),
            Kind::Timestamp => {
                let text = text::iso8601(deserializer.read_timestamp(schema)?);
                Value::String(text.ok_or_else(|| SerdeError::invalid_input("a timestamp out of range"))?)
            }
            Kind::Blob => Value::String(STANDARD.encode(deserializer.read_blob(schema)?.as_ref())),
            Kind::Document => plain(deserializer.read_document(schema)?),
        })
    }

    fn list(
        &self,
        shape: &Shape,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Vec<Value>, SerdeError> {
        let mut items = Vec::new();
        let (Some(element), [inner]) = (shape.element(), shape.schemas(self.service, Direction::Answer).members) else {
            return Ok(items);
        };
        let element = self.service.shape(element.target);
        deserializer.read_list(schema, &mut |item| {
            if item.is_null() {
                item.read_null()?;
                if shape.sparse {
                    items.push(Value::Null);
                }
            } else {
                items.push(self.value(element, inner, item)?);
            }
            Ok(())
        })?;
        Ok(items)
    }

    fn map(
        &self,
        shape: &Shape,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Map<String, Value>, SerdeError> {
        let mut map = Map::new();
        let (Some(element), [_, inner]) = (shape.element(), shape.schemas(self.service, Direction::Answer).members)
        else {
            return Ok(map);
        };
        let element = self.service.shape(element.target);
        deserializer.read_map(schema, &mut |key, item| {
            if item.is_null() {
                item.read_null()?;
                if shape.sparse {
                    map.insert(key, Value::Null);
                }
            } else {
                let value = self.value(element, inner, item)?;
                map.insert(key, value);
            }
            Ok(())
        })?;
        Ok(map)
    }
}

fn plain(document: Document) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Bool(value) => Value::Bool(value),
        Document::Number(Number::PosInt(n)) => Value::from(n),
        Document::Number(Number::NegInt(n)) => Value::from(n),
        Document::Number(Number::Float(n)) => text::float(n),
        Document::String(text) => Value::String(text),
        Document::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Document::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, plain(v))).collect()),
    }
}
