//! An XML answer to a JSON value: elements are matched with the model's members by their names on the wire.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::text;
use super::xml::{Element, Fault, Walk};
use crate::model::{Kind, Operation, Protocol, Service, Shape};

/// A document being read.
pub(super) struct Document<'a> {
    service: &'static Service,
    walk: Walk<'a>,
}

/// The members of `shape` in a document. `root_is_value`: the root is no wrapper but the only member.
pub(super) fn read(
    service: &'static Service,
    operation: &Operation,
    shape: &Shape,
    body: &[u8],
    limit: usize,
    root_is_value: bool,
) -> Result<Map<String, Value>, Fault> {
    let text = std::str::from_utf8(body).map_err(|e| match e.error_len() {
        None => Fault::Cut,
        Some(_) => Fault::Wrong(e.to_string()),
    })?;
    let (walk, root) = Walk::start(text, limit)?;
    let fits = match service.protocol {
        Protocol::Ec2 => root.name.ends_with("Response"),
        Protocol::Query => root.name.ends_with("Response") || root.name.ends_with("Result"),
        _ => !root.name.eq_ignore_ascii_case("html"),
    };
    if !fits {
        // A proxy's page, for one.
        return Err(Fault::Wrong(format!("the document is a {}", root.name)));
    }
    let mut document = Document { service, walk };
    let map = if root_is_value {
        let value = document.walk.text(&root)?.into_owned();
        Map::from_iter([(root.name.to_owned(), Value::from(value))])
    } else if service.protocol == Protocol::Query {
        document.result(operation, shape, &root)?
    } else {
        document.structure(shape, &root)?
    };
    document.walk.finish(&root)?;
    Ok(map)
}

impl<'a> Document<'a> {
    /// The result within the query protocol's envelope; the official cases know answers without one.
    fn result(
        &mut self,
        operation: &Operation,
        shape: &Shape,
        root: &Element<'a>,
    ) -> Result<Map<String, Value>, Fault> {
        let wrapper = operation.wrapper();
        let mut map = Map::new();
        let mut found = false;
        while let Some(child) = self.walk.child(root)? {
            if child.name == wrapper {
                found = true;
                map = self.structure(shape, &child)?;
            } else if operation.result_wrapper.is_none() && !found {
                self.member(shape, &child, &mut map)?;
            }
        }
        match operation.result_wrapper {
            Some(wrapper) if !found => Err(Fault::Wrong(format!("there is no {wrapper}"))),
            _ => Ok(map),
        }
    }

    fn structure(&mut self, shape: &Shape, element: &Element<'a>) -> Result<Map<String, Value>, Fault> {
        let mut map = Map::new();
        for (member, name) in shape.attributes() {
            if let Some(value) = element.attribute(name) {
                map.insert(member.name.to_owned(), Value::from(value?.into_owned()));
            }
        }
        while let Some(child) = self.walk.child(element)? {
            self.member(shape, &child, &mut map)?;
        }
        Ok(map)
    }

    /// Reads an element into the member that bears its name; passes over one that the model doesn't know.
    fn member(&mut self, shape: &Shape, element: &Element<'a>, map: &mut Map<String, Value>) -> Result<(), Fault> {
        let Some(&index) = shape.wire_names(self.service).get(element.name) else { return Ok(()) };
        let Some(member) = shape.members.get(index) else { return Ok(()) };
        let target = self.service.shape(member.target);
        if !member.is_flattened(target) {
            let value = self.value(target, element)?;
            if !value.is_null() {
                map.insert(member.name.to_owned(), value);
            }
            return Ok(());
        }
        // The items of a flattened collection stand among the members, each by itself.
        match target.kind {
            Kind::Map => {
                let slot = map.entry(member.name).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(entries) = slot else { return Ok(()) };
                self.entry(target, element, entries)
            }
            Kind::List => {
                let Some(item) = target.element() else { return Ok(()) };
                let value = self.value(self.service.shape(item.target), element)?;
                let slot = map.entry(member.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(items) = slot {
                    items.push(value);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn value(&mut self, shape: &Shape, element: &Element<'a>) -> Result<Value, Fault> {
        match shape.kind {
            Kind::Structure => return Ok(Value::Object(self.structure(shape, element)?)),
            Kind::List => {
                let mut items = Vec::new();
                let Some(item) = shape.element() else { return Ok(Value::Array(items)) };
                let item = self.service.shape(item.target);
                while let Some(child) = self.walk.child(element)? {
                    items.push(self.value(item, &child)?);
                }
                return Ok(Value::Array(items));
            }
            Kind::Map => {
                let mut entries = Map::new();
                while let Some(child) = self.walk.child(element)? {
                    self.entry(shape, &child, &mut entries)?;
                }
                return Ok(Value::Object(entries));
            }
            _ => {}
        }
        let text = self.walk.text(element)?;
        let found = match shape.kind {
            Kind::String => return Ok(Value::String(text.into_owned())),
            Kind::Blob => STANDARD.decode(text.as_bytes()).ok().map(|bytes| Value::from(STANDARD.encode(bytes))),
            // AWS's services don't always write what the model says; an empty element is no value.
            _ if text.trim().is_empty() => Some(Value::Null),
            Kind::Boolean => text::boolean(&text),
            Kind::Integer | Kind::Long => text::integer(&text),
            Kind::Float | Kind::Double => text::floating(&text),
            Kind::Timestamp => text::timestamp(&text).and_then(text::iso8601).map(Value::from),
            _ => None,
        };
        found.ok_or_else(|| Fault::Wrong(format!("{} holds {:?}", element.name, &*text)))
    }

    fn entry(&mut self, shape: &Shape, element: &Element<'a>, entries: &mut Map<String, Value>) -> Result<(), Fault> {
        let [key, value] = &*shape.members else { return Ok(()) };
        let (mut name, mut content) = (None, None);
        while let Some(child) = self.walk.child(element)? {
            if child.name == key.entry_name("key") {
                name = Some(self.walk.text(&child)?.into_owned());
            } else if child.name == value.entry_name("value") {
                content = Some(self.value(self.service.shape(value.target), &child)?);
            }
        }
        if let (Some(name), Some(content)) = (name, content) {
            entries.insert(name, content);
        }
        Ok(())
    }
}
