//! The state file, version 4 (Terraform 0.12 and later, OpenTofu). Older versions hold attributes in a flat form without
//! types, which no value could be compared with: these are refused with what to do.

use super::{Managed, Provider, Reading, address, hint};
use crate::error::Error;
use crate::json::{Fields, Node};
use crate::limits::MAX_INSTANCES;
use crate::marks;

pub(super) fn read<'a>(fields: &Fields<'a>) -> Result<Reading<'a>, Error> {
    let version: u64 = fields.need("version", "a state")?;
    match version {
        4 => {}
        1..=3 => {
            return Err(Error::Unsupported(format!(
                "a state of version {version}, as Terraform 0.11 and older wrote it: \
                 `terraform apply -refresh-only` of a later Terraform writes version 4"
            )));
        }
        _ => return Err(Error::Unsupported(format!("a state of version {version}: only version 4 is known"))),
    }
    if !["serial", "lineage", "terraform_version", "resources"].iter().any(|n| fields.has(n)) {
        return Err(Error::NotABaseline("JSON with a version, but no Terraform state".to_owned()));
    }
    let mut reading = Reading {
        origin: "terraform",
        lineage: fields.read("lineage")?.unwrap_or_default(),
        serial: fields.read("serial")?.unwrap_or_default(),
        instances: Vec::new(),
        skipped: Vec::new(),
        hints: Vec::new(),
    };
    for node in fields.items("resources")? {
        resource(&node, &mut reading)?;
    }
    Ok(reading)
}

fn resource<'a>(node: &Node<'a>, reading: &mut Reading<'a>) -> Result<(), Error> {
    let fields = node.fields("a resource")?;
    let kind: String = fields.need("type", "a resource")?;
    let name: String = fields.need("name", "a resource")?;
    let mode: String = fields.need("mode", "a resource")?;
    let module: String = fields.read("module")?.unwrap_or_default();
    let provider = Provider::of_state(fields.read::<String>("provider")?.as_deref(), &kind);
    for instance in fields.items("instances")? {
        let fields = instance.fields("an instance")?;
        let attributes = fields.get("attributes");
        match mode.as_str() {
            "managed" => {}
            "data" => {
                reading.hints.extend(hint(&kind, &provider, attributes));
                continue;
            }
            _ => return Err(node.error(format!("`{mode}` is no mode of a resource"))),
        }
        let address = address::whole(&module, &kind, &name, fields.get("index_key"))?;
        if let Some(deposed) = fields.read::<String>("deposed")?.filter(|d| !d.is_empty()) {
            reading.skipped.push((address, format!("deposed object {deposed}: what replaced it counts")));
            continue;
        }
        if attributes.is_none() && !fields.has("attributes_flat") {
            return Err(instance.error(format!("`{address}` has no attributes")));
        }
        if reading.instances.len() == MAX_INSTANCES {
            return Err(Error::TooLarge(format!("more than {MAX_INSTANCES} instances")));
        }
        reading.instances.push(Managed {
            kind: kind.clone(),
            address,
            node: instance,
            provider: provider.clone(),
            attributes,
            identity: fields.get("identity"),
            sensitive: fields.get("sensitive_attributes").map_or(Ok(Vec::new()), |n| marks::of_state(&n))?,
            unknown: Vec::new(),
        });
    }
    Ok(())
}
