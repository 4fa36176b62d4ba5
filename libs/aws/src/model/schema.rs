//! The schemas under which the codecs read or write the shapes. One is built when it is first needed, once for requests
//! and once for answers, since the two differ in a few XML names.

use aws_smithy_schema::traits::TimestampFormat;
use aws_smithy_schema::{Schema, ShapeId, ShapeType, intern_header_name};

use super::shape::{Member, Place, Shape, Traits};
use super::{Kind, Protocol, Service, raw};

/// Whether a schema is to write a request or to read an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Answer,
}

/// The schemas of a shape. A structure's members carry names; the elements of collections must not: a name would be
/// taken for a position or be written as a key.
#[derive(Debug)]
pub(crate) struct Schemas {
    /// The shape itself, as a value without a name.
    pub(crate) own: Schema<'static>,
    /// A structure's members, or a collection's element, or key and value.
    pub(crate) members: &'static [&'static Schema<'static>],
}

impl Shape {
    /// The schemas of this shape.
    pub(crate) fn schemas(&self, service: &'static Service, direction: Direction) -> &Schemas {
        let built = match direction {
            Direction::Request => &self.request,
            Direction::Answer => &self.answer,
        };
        built.get_or_init(|| self.build(service, direction))
    }

    fn build(&self, service: &'static Service, direction: Direction) -> Schemas {
        let structure = self.kind == Kind::Structure;
        let members: Vec<&'static Schema<'static>> = self
            .members
            .iter()
            .enumerate()
            .map(|(index, member)| leak(self.member_schema(service, direction, member, structure.then_some(index))))
            .collect();
        let members: &'static [&'static Schema<'static>] = Vec::leak(members);
        let own = self.decorate(service, self.bare(members), self.traits);
        Schemas { own, members }
    }

    /// The shape's schema over the given members, without traits.
    pub(crate) fn bare(&self, members: &'static [&'static Schema<'static>]) -> Schema<'static> {
        let id = shape_id(self.name);
        match (self.kind, members) {
            (Kind::Structure, _) => {
                let kind = if self.union { ShapeType::Union } else { ShapeType::Structure };
                Schema::new_struct(id, kind, members)
            }
            (Kind::List, [element]) => Schema::new_list(id, element),
            (Kind::Map, [key, value]) => Schema::new_map(id, key, value),
            _ => Schema::new(id, self.kind.shape_type()),
        }
    }

    fn member_schema(
        &self,
        service: &'static Service,
        direction: Direction,
        member: &Member,
        position: Option<usize>,
    ) -> Schema<'static> {
        let target = service.shape(member.target);
        let traits = member.traits.or(target.traits);
        let mut schema = match position {
            Some(index) => Schema::new_member(shape_id(target.name), target.kind.shape_type(), member.name, index),
            None => Schema::new(shape_id(target.name), target.kind.shape_type()),
        };
        if matches!(target.kind, Kind::List | Kind::Map) && !std::ptr::eq(target, self) {
            let collection = target.schemas(service, direction);
            schema = match collection.members {
                // In a request of REST XML a flattened list's items bear the list's name, not their own.
                [_] if traits.flattened && (service.protocol, direction) == (Protocol::RestXml, Direction::Request) => {
                    schema.with_list_member(leak(target.nameless_element(service)))
                }
                [element] => schema.with_list_member(element),
                [key, value] => schema.with_map_members(key, value),
                _ => schema,
            };
        }
        schema = target.decorate(service, schema, traits);
        if let Some(name) = member.xml_name(service.protocol, direction, target, traits) {
            schema = schema.with_xml_name(name);
        }
        if traits.flattened || (service.protocol == Protocol::Ec2 && direction == Direction::Request) {
            schema = schema.with_xml_flattened();
        }
        if member.xml_attribute {
            schema = schema.with_xml_attribute();
        }
        if service.protocol.is_rest() {
            schema = member.bind(schema, traits, target.kind);
        }
        schema
    }

    fn nameless_element(&self, service: &'static Service) -> Schema<'static> {
        let Some(element) = self.element() else { return Schema::new(shape_id(self.name), ShapeType::String) };
        let target = service.shape(element.target);
        let schema = target.bare(target.schemas(service, Direction::Request).members);
        target.decorate(service, schema, element.traits.or(target.traits))
    }

    pub(super) fn xml_namespace(&self) -> Option<raw::Namespace> {
        self.traits.xml_namespace
    }

    fn decorate(&self, service: &Service, mut schema: Schema<'static>, traits: Traits) -> Schema<'static> {
        if self.kind == Kind::Timestamp {
            let format = match traits.timestamp_format {
                Some("iso8601") => Some(TimestampFormat::DateTime),
                Some("rfc822") => Some(TimestampFormat::HttpDate),
                Some("unixTimestamp") => Some(TimestampFormat::EpochSeconds),
                _ => None,
            };
            if let Some(format) = format {
                schema = schema.with_timestamp_format(format);
            }
        }
        if let Some(namespace) = traits.xml_namespace
            && service.protocol == Protocol::RestXml
        {
            let (uri, prefix) = namespace.parts();
            schema = schema.with_xml_namespace(uri, prefix);
        }
        schema
    }
}

impl Member {
    /// The element or parameter name where it isn't the member's own.
    pub(super) fn xml_name(
        &self,
        protocol: Protocol,
        direction: Direction,
        target: &Shape,
        traits: Traits,
    ) -> Option<&'static str> {
        let bound = protocol.is_rest() && !matches!(self.place, Place::Body | Place::Payload);
        if bound {
            return None;
        }
        match (protocol, direction) {
            (Protocol::Ec2, Direction::Request) => self.query_name.or_else(|| traits.location_name.map(capitalized)),
            // A flattened list has no element around it: its items' own name counts, where they have one.
            (Protocol::RestXml, Direction::Request) => traits.location_name,
            _ if traits.flattened && target.kind == Kind::List => {
                target.element().and_then(|e| e.traits.location_name).or(traits.location_name)
            }
            _ => traits.location_name,
        }
    }

    fn bind(&self, schema: Schema<'static>, traits: Traits, target: Kind) -> Schema<'static> {
        let name = traits.location_name.unwrap_or(self.name);
        match self.place {
            Place::Body => schema.with_json_name(name),
            Place::Payload => schema.with_http_payload(),
            Place::Header => schema.with_http_header(intern_header_name(name)),
            Place::PrefixHeaders => schema.with_http_prefix_headers(traits.location_name.unwrap_or_default()),
            Place::Query if target == Kind::Map => schema.with_http_query_params(),
            Place::Query => schema.with_http_query(name),
            Place::Label => schema.with_http_label(),
            Place::Status => schema.with_http_response_code(),
        }
    }
}

impl Kind {
    fn shape_type(self) -> ShapeType {
        match self {
            Kind::Structure => ShapeType::Structure,
            Kind::List => ShapeType::List,
            Kind::Map => ShapeType::Map,
            Kind::String => ShapeType::String,
            Kind::Boolean => ShapeType::Boolean,
            Kind::Integer => ShapeType::Integer,
            Kind::Long => ShapeType::Long,
            Kind::Float => ShapeType::Float,
            Kind::Double => ShapeType::Double,
            Kind::Blob => ShapeType::Blob,
            Kind::Timestamp => ShapeType::Timestamp,
            Kind::Document => ShapeType::Document,
        }
    }
}

/// Models are part of the program: what is built from them is kept for as long as it runs.
pub(super) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(super) fn shape_id(name: &'static str) -> ShapeId<'static> {
    ShapeId::from_parts(name, "", name)
}

/// A query parameter of EC2 begins with a capital.
fn capitalized(name: &'static str) -> &'static str {
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_lowercase() => {
            let mut name = name.to_owned();
            name[..1].make_ascii_uppercase();
            name.leak()
        }
        _ => name,
    }
}
