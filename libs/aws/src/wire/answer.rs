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
use aws_smithy_xml::codec::{XmlCodec, XmlCodecSettings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{custom, fault, text};
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
    let depth = u32::try_from(limit).unwrap_or(u32::MAX);
    let reader = Reader { service };
    let read = match service.protocol {
        Protocol::Json10 | Protocol::Json11 => {
            is_whole(body)?;
            reader.structure(shape, None, &mut json(depth).create_deserializer(body))
        }
        Protocol::RestJson => {
            has_document(service, shape, response)?;
            reader.bound(shape, None, response, json(depth).create_deserializer(body))
        }
        Protocol::RestXml => {
            has_document(service, shape, response)?;
            is_document(body, |root| !root.eq_ignore_ascii_case("html"))?;
            let schema = custom::output_schema(service, operation, shape);
            reader.bound(shape, schema, response, xml(depth).create_deserializer(body))
        }
        Protocol::Ec2 => {
            is_document(body, |root| root.ends_with("Response"))?;
            reader.structure(shape, None, &mut xml(depth).create_deserializer(body))
        }
        Protocol::Query => {
            is_document(body, |root| root.ends_with("Response") || root.ends_with("Result"))?;
            reader.enveloped(operation, shape, &mut xml(depth).create_deserializer(body)).and_then(
                |found| match found {
                    Some(map) => Ok(map),
                    None => reader.structure(shape, None, &mut xml(depth).create_deserializer(body)),
                },
            )
        }
    };
    let mut map = read.map_err(|e| unreadable(service, body, limit, &e))?;
    custom::amend(service, operation, shape, &mut map);
    Ok(Value::Object(map))
}

fn json(depth: u32) -> JsonCodec {
    JsonCodec::new(JsonCodecSettings::builder().max_depth(depth).default_timestamp_format(Format::EpochSeconds).build())
}

fn xml(depth: u32) -> XmlCodec {
    XmlCodec::new(XmlCodecSettings::builder().validate_document(true).max_depth(depth.saturating_add(1)).build())
}

/// An empty body is no object, which the codec takes it for.
fn is_whole(body: &[u8]) -> Result<(), Error> {
    if body.trim_ascii().is_empty() {
        return Err(Error::Truncated("the body is empty".to_owned()));
    }
    Ok(())
}

/// In the REST protocols a body may be a document, bytes as they are, or nothing.
fn has_document(service: &Service, shape: &Shape, response: &HttpResponse) -> Result<(), Error> {
    let wanted = match shape.payload() {
        Some(payload) => matches!(service.shape(payload.target).kind, Kind::Structure | Kind::Document),
        None => shape.has_body(),
    };
    if wanted && response.status().as_u16() != 204 {
        is_whole(response.body().bytes().unwrap_or_default())
    } else {
        Ok(())
    }
}

/// The document's root has a name that an answer can have: a proxy's page has not.
fn is_document(body: &[u8], fits: impl Fn(&str) -> bool) -> Result<(), Error> {
    match fault::root(body) {
        Some(root) if !fits(&root) => Err(Error::Parse(format!("the document is a {root}"))),
        _ => Ok(()),
    }
}

/// A document that begins like one and doesn't end like one was cut.
fn unreadable(service: &Service, body: &[u8], limit: usize, error: &SerdeError) -> Error {
    // The codecs say so in words only.
    if error.to_string().contains("maximum nesting depth") {
        return Error::TooLarge { limit, unit: "levels" };
    }
    let (open, close) = if service.protocol.is_json() { (b'{', b'}') } else { (b'<', b'>') };
    let text = body.trim_ascii();
    let begun = text.first().is_none_or(|first| *first == open);
    if begun && text.last() != Some(&close) {
        Error::Truncated(error.to_string())
    } else {
        Error::Parse(error.to_string())
    }
}

struct Reader {
    service: &'static Service,
}

impl Reader {
    /// An output of which parts travel in headers.
    fn bound<'a, D: ShapeDeserializer + 'a>(
        &self,
        shape: &Shape,
        schema: Option<&Schema<'static>>,
        response: &'a HttpResponse,
        body: D,
    ) -> Result<Map<String, Value>, SerdeError> {
        let schema = schema.unwrap_or(&shape.schemas(self.service, Direction::Answer).own);
        let bag = ConfigBag::base();
        let mut map = Map::new();
        let mut reader = http_output_deserializer(body, response, schema, &bag);
        self.members(shape, schema, &mut *reader, &mut map)?;
        Ok(map)
    }

    /// The result inside the query protocol's envelope. `None`: there is no envelope, and the model asks for none.
    fn enveloped(
        &self,
        operation: &Operation,
        shape: &Shape,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Option<Map<String, Value>>, SerdeError> {
        let mut result = None;
        deserializer.read_struct(operation.envelope(), &mut |_, inner| {
            result = Some(self.structure(shape, None, inner)?);
            Ok(())
        })?;
        match (&result, operation.result_wrapper) {
            (None, Some(wrapper)) => Err(SerdeError::missing_member(wrapper)),
            _ => Ok(result),
        }
    }

    fn structure(
        &self,
        shape: &Shape,
        schema: Option<&Schema<'static>>,
        deserializer: &mut dyn ShapeDeserializer,
    ) -> Result<Map<String, Value>, SerdeError> {
        let schema = schema.unwrap_or(&shape.schemas(self.service, Direction::Answer).own);
        let mut map = Map::new();
        self.members(shape, schema, deserializer, &mut map)?;
        Ok(map)
    }

    fn members(
        &self,
        shape: &Shape,
        schema: &Schema<'static>,
        deserializer: &mut dyn ShapeDeserializer,
        map: &mut Map<String, Value>,
    ) -> Result<(), SerdeError> {
        deserializer.read_struct(schema, &mut |member, inner| {
            // A member that the model doesn't know has no index: left unread, it is skipped.
            let Some(index) = member.member_index() else { return Ok(()) };
            let Some(member_shape) = shape.members.get(index) else { return Ok(()) };
            let value = self.member(member_shape, member, inner)?;
            if !value.is_null() {
                map.insert(member_shape.name.to_owned(), value);
            }
            Ok(())
        })
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
        let in_document = matches!(member.place, Place::Body | Place::Payload);
        self.value(target, schema, deserializer, in_document && !self.service.protocol.is_json())
    }

    /// `lenient`: the value is an element's text, which AWS's services don't always write as the model says.
    fn value(
        &self,
        shape: &Shape,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
        lenient: bool,
    ) -> Result<Value, SerdeError> {
        Ok(match shape.kind {
            Kind::Structure => Value::Object(self.structure(shape, None, deserializer)?),
            Kind::List => Value::Array(self.list(shape, schema, deserializer, lenient)?),
            Kind::Map => Value::Object(self.map(shape, schema, deserializer, lenient)?),
            Kind::String => Value::String(deserializer.read_string(schema)?),
            Kind::Boolean if lenient => boolean(&deserializer.read_string(schema)?)?,
            Kind::Boolean => Value::Bool(deserializer.read_boolean(schema)?),
            Kind::Integer | Kind::Long if lenient => integer(&deserializer.read_string(schema)?)?,
            Kind::Integer | Kind::Long => Value::from(deserializer.read_long(schema)?),
            Kind::Float | Kind::Double if lenient => floating(&deserializer.read_string(schema)?)?,
            Kind::Float | Kind::Double => text::float(deserializer.read_double(schema)?),
            Kind::Timestamp => timestamp(schema, deserializer, lenient)?,
            Kind::Blob => Value::String(STANDARD.encode(deserializer.read_blob(schema)?.as_ref())),
            Kind::Document => plain(deserializer.read_document(schema)?),
        })
    }

    fn list(
        &self,
        shape: &Shape,
        schema: &Schema<'_>,
        deserializer: &mut dyn ShapeDeserializer,
        lenient: bool,
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
                items.push(self.value(element, inner, item, lenient)?);
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
        lenient: bool,
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
                let value = self.value(element, inner, item, lenient)?;
                map.insert(key, value);
            }
            Ok(())
        })?;
        Ok(map)
    }
}

fn boolean(text: &str) -> Result<Value, SerdeError> {
    match text.trim() {
        "true" | "True" | "1" => Ok(Value::Bool(true)),
        "false" | "False" | "0" => Ok(Value::Bool(false)),
        "" => Ok(Value::Null),
        other => Err(SerdeError::invalid_input(format!("{other:?} is no boolean"))),
    }
}

fn integer(text: &str) -> Result<Value, SerdeError> {
    match text.trim() {
        "" => Ok(Value::Null),
        text => text.parse::<i64>().map(Value::from).map_err(|e| SerdeError::invalid_input(format!("{text:?}: {e}"))),
    }
}

fn floating(text: &str) -> Result<Value, SerdeError> {
    match text.trim() {
        "" => Ok(Value::Null),
        "NaN" => Ok(text::float(f64::NAN)),
        "Infinity" => Ok(text::float(f64::INFINITY)),
        "-Infinity" => Ok(text::float(f64::NEG_INFINITY)),
        text => text.parse().map(text::float).map_err(|e| SerdeError::invalid_input(format!("{text:?}: {e}"))),
    }
}

fn timestamp(
    schema: &Schema<'_>,
    deserializer: &mut dyn ShapeDeserializer,
    lenient: bool,
) -> Result<Value, SerdeError> {
    let time = if lenient {
        let text = deserializer.read_string(schema)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        text::timestamp(&text).ok_or_else(|| SerdeError::invalid_input(format!("{text:?} is no timestamp")))?
    } else {
        deserializer.read_timestamp(schema)?
    };
    let text = text::iso8601(time).ok_or_else(|| SerdeError::invalid_input("a timestamp out of range"))?;
    Ok(Value::String(text))
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
