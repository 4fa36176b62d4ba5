//! Shapes: what a value of a service looks like, and the schema under which the codecs read or write it. A schema is
//! built when it is first needed, once for requests and once for answers, since the two differ in a few XML names.

use std::collections::HashMap;
use std::sync::OnceLock;

use aws_smithy_schema::traits::TimestampFormat;
use aws_smithy_schema::{Schema, ShapeId, ShapeType, intern_header_name};

use super::raw;
use super::{Kind, Protocol, Service};

/// Whether a schema is to write a request or to read an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Answer,
}

/// The place of a shape in its service's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Index(pub(crate) u32);

/// Where in an HTTP message a member travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Payload,
    Header,
    PrefixHeaders,
    Query,
    Label,
    Status,
}

impl Place {
    /// Whether it is read from an answer's document: what binds a request only doesn't bind an answer.
    pub(crate) fn is_in_answer(self) -> bool {
        matches!(self, Place::Body | Place::Query | Place::Label)
    }
}

/// A shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// A structure's members; a list's element; a map's key and value.
    pub(crate) members: Box<[Member]>,
    pub(crate) sparse: bool,
    pub(crate) union: bool,
    pub(crate) eventstream: bool,
    pub(crate) policy_document: bool,
    pub(crate) path_id: bool,
    traits: Traits,
    wire_names: OnceLock<HashMap<&'static str, usize>>,
    request: OnceLock<Schemas>,
    answer: OnceLock<Schemas>,
}

/// A structure's member, or the element, key or value of a collection.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) target: Index,
    pub(crate) place: Place,
    pub(crate) required: bool,
    pub(crate) idempotency_token: bool,
    pub(crate) json_in_header: bool,
    query_name: Option<&'static str>,
    xml_attribute: bool,
    traits: Traits,
}

/// What a member may say for itself, or leave to the shape that it refers to.
#[derive(Debug, Clone, Copy, Default)]
struct Traits {
    location_name: Option<&'static str>,
    xml_namespace: Option<raw::Namespace>,
    timestamp_format: Option<&'static str>,
    flattened: bool,
}

impl Traits {
    fn or(self, target: Traits) -> Traits {
        Traits {
            location_name: self.location_name.or(target.location_name),
            xml_namespace: self.xml_namespace.or(target.xml_namespace),
            timestamp_format: self.timestamp_format.or(target.timestamp_format),
            flattened: self.flattened || target.flattened,
        }
    }
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

impl Member {
    fn new(name: &'static str, member: &raw::Member, target: Index, target_is_map: bool, required: bool) -> Self {
        let place = match member.location {
            Some("header") => Place::Header,
            Some("headers") => Place::PrefixHeaders,
            Some("querystring") => Place::Query,
            Some("uri") => Place::Label,
            Some("statusCode") => Place::Status,
            _ => Place::Body,
        };
        debug_assert!(place != Place::PrefixHeaders || target_is_map, "prefixed headers are a map");
        Member {
            name,
            target,
            place,
            required,
            idempotency_token: member.idempotency_token,
            json_in_header: member.jsonvalue && place == Place::Header,
            query_name: member.query_name,
            xml_attribute: member.xml_attribute,
            traits: Traits {
                location_name: member.location_name,
                xml_namespace: member.xml_namespace,
                timestamp_format: member.timestamp_format,
                flattened: member.flattened,
            },
        }
    }
}

impl Shape {
    pub(super) fn new(
        name: &'static str,
        shape: &raw::Shape,
        index_of: &dyn Fn(&'static str) -> Option<(Index, &'static str)>,
    ) -> Result<Self, String> {
        let member = |name: &'static str, member: &raw::Member, required: bool| {
            let (target, kind) = index_of(member.shape).ok_or_else(|| format!("no shape {}", member.shape))?;
            Ok::<_, String>(Member::new(name, member, target, kind == "map", required))
        };
        let mut members = Vec::new();
        for (name, raw) in &shape.members.0 {
            members.push(member(name, raw, shape.required.contains(name))?);
        }
        for (name, raw) in [("member", &shape.member), ("key", &shape.key), ("value", &shape.value)] {
            if let Some(raw) = raw {
                members.push(member(name, raw, false)?);
            }
        }
        if let Some(payload) = shape.payload
            && let Some(member) = members.iter_mut().find(|m| m.name == payload)
        {
            member.place = Place::Payload;
        }
        Ok(Shape {
            name,
            kind: kind(shape)?,
            members: members.into_boxed_slice(),
            sparse: shape.sparse,
            union: shape.union,
            eventstream: shape.eventstream,
            policy_document: shape.policy_document,
            path_id: shape.path_id,
            traits: Traits {
                location_name: shape.location_name,
                xml_namespace: shape.xml_namespace,
                timestamp_format: shape.timestamp_format,
                flattened: shape.flattened,
            },
            wire_names: OnceLock::new(),
            request: OnceLock::new(),
            answer: OnceLock::new(),
        })
    }

    /// A structure's member, by name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        if self.kind == Kind::Structure { self.members.iter().find(|m| m.name == name) } else { None }
    }

    /// The member of a list, or the value of a map.
    pub(crate) fn element(&self) -> Option<&Member> {
        match self.kind {
            Kind::List | Kind::Map => self.members.last(),
            _ => None,
        }
    }

    /// The member that is the whole body, where there is one.
    pub(crate) fn payload(&self) -> Option<&Member> {
        self.members.iter().find(|m| m.place == Place::Payload)
    }

    /// Whether any member travels in the body's document.
    pub(crate) fn has_body(&self) -> bool {
        self.members.iter().any(|m| m.place == Place::Body)
    }

    /// A structure's members by the names of their elements in an XML answer; of two with one name the first.
    pub(crate) fn wire_names(&self, service: &Service) -> &HashMap<&'static str, usize> {
        self.wire_names.get_or_init(|| {
            let mut names = HashMap::with_capacity(self.members.len());
            for (index, member) in self.members.iter().enumerate() {
                if !member.place.is_in_answer() || member.xml_attribute {
                    continue;
                }
                let target = service.shape(member.target);
                let traits = member.traits.or(target.traits);
                let name = member.xml_name(service.protocol, Direction::Answer, target, traits);
                names.entry(name.unwrap_or(member.name)).or_insert(index);
            }
            names
        })
    }

    /// The members that an XML document holds as attributes, with the attributes' names.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&Member, &'static str)> {
        let attributes = self.members.iter().filter(|m| m.xml_attribute);
        attributes.map(|m| (m, m.traits.location_name.unwrap_or(m.name)))
    }

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
    fn xml_name(
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

    /// Whether this collection's items stand among the members, without an element around them.
    pub(crate) fn is_flattened(&self, target: &Shape) -> bool {
        matches!(target.kind, Kind::List | Kind::Map) && (self.traits.flattened || target.traits.flattened)
    }

    /// A map's element for keys or values.
    pub(crate) fn entry_name(&self, default: &'static str) -> &'static str {
        self.traits.location_name.unwrap_or(default)
    }

    /// The name in a URI template that stands for this member.
    pub(crate) fn label(&self) -> Option<&'static str> {
        (self.place == Place::Label).then(|| self.traits.location_name.unwrap_or(self.name))
    }

    /// Name and namespace of the document's root where this member is the payload.
    pub(crate) fn payload_root(&self, target: &Shape) -> (Option<&'static str>, Option<raw::Namespace>) {
        let traits = self.traits.or(target.traits);
        (traits.location_name, traits.xml_namespace)
    }
}

fn kind(shape: &raw::Shape) -> Result<Kind, String> {
    Ok(match shape.r#type {
        "structure" if shape.document => Kind::Document,
        "structure" => Kind::Structure,
        "list" => Kind::List,
        "map" => Kind::Map,
        "string" | "character" => Kind::String,
        "boolean" => Kind::Boolean,
        "byte" | "short" | "integer" => Kind::Integer,
        "long" | "bigInteger" => Kind::Long,
        "float" => Kind::Float,
        "double" | "bigDecimal" => Kind::Double,
        "blob" => Kind::Blob,
        "timestamp" => Kind::Timestamp,
        other => return Err(format!("a shape of type {other}")),
    })
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
