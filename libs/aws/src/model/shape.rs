//! Shapes: what a value of a service looks like. The schemas made of them are in `schema`.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::schema::{Direction, Schemas};
use super::{Kind, Service, raw};

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
    pub(super) traits: Traits,
    wire_names: OnceLock<HashMap<&'static str, usize>>,
    pub(super) request: OnceLock<Schemas>,
    pub(super) answer: OnceLock<Schemas>,
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
    pub(super) query_name: Option<&'static str>,
    pub(super) xml_attribute: bool,
    pub(super) traits: Traits,
}

/// What a member may say for itself, or leave to the shape that it refers to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traits {
    pub(super) location_name: Option<&'static str>,
    pub(super) xml_namespace: Option<raw::Namespace>,
    pub(super) timestamp_format: Option<&'static str>,
    pub(super) flattened: bool,
}

impl Traits {
    pub(super) fn or(self, target: Traits) -> Traits {
        Traits {
            location_name: self.location_name.or(target.location_name),
            xml_namespace: self.xml_namespace.or(target.xml_namespace),
            timestamp_format: self.timestamp_format.or(target.timestamp_format),
            flattened: self.flattened || target.flattened,
        }
    }
}

impl Member {
    fn new(name: &'static str, member: &raw::Member, target: Index, required: bool) -> Self {
        let place = match member.location {
            Some("header") => Place::Header,
            Some("headers") => Place::PrefixHeaders,
            Some("querystring") => Place::Query,
            Some("uri") => Place::Label,
            Some("statusCode") => Place::Status,
            _ => Place::Body,
        };
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
        index_of: &dyn Fn(&str) -> Result<Index, String>,
    ) -> Result<Self, String> {
        let member = |name: &'static str, member: &raw::Member, required: bool| {
            Ok::<_, String>(Member::new(name, member, index_of(member.shape)?, required))
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
            ..Shape::scalar(name, kind(shape)?)
        })
    }

    /// A shape without members and traits.
    pub(super) fn scalar(name: &'static str, kind: Kind) -> Self {
        Shape {
            name,
            kind,
            members: Box::default(),
            sparse: false,
            union: false,
            eventstream: false,
            policy_document: false,
            path_id: false,
            traits: Traits::default(),
            wire_names: OnceLock::new(),
            request: OnceLock::new(),
            answer: OnceLock::new(),
        }
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
}

impl Member {
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
