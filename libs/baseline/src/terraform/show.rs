//! `terraform show -json`: of a state (`values`) and of a plan. Of a plan, `planned_values` is the baseline: what was
//! reviewed and agreed is the plan's outcome. `prior_state` is merely what the cloud was like before, drift included.

use std::collections::BTreeMap;

use super::configuration::Configuration;
use super::{Managed, Provider, Reading, address, hint};
use crate::error::Error;
use crate::json::{Fields, Node};
use crate::limits::{MAX_INSTANCES, MAX_MODULE_DEPTH};
use crate::marks::{self, Path};

/// What `terraform show -json` says where there is nothing to show.
const BARE: [&str; 4] = ["format_version", "terraform_version", "checks", "timestamp"];

pub(super) fn is_plan(fields: &Fields<'_>) -> bool {
    fields.has("format_version") && fields.has("planned_values")
}

pub(super) fn is_state(fields: &Fields<'_>) -> bool {
    let bare = || fields.each().all(|(name, _)| BARE.contains(&name));
    fields.has("format_version") && (fields.has("values") || bare())
}

pub(super) fn read_state<'a>(fields: &Fields<'a>) -> Result<Reading<'a>, Error> {
    check_version(fields)?;
    let mut reading = new("terraform");
    if let Some(values) = fields.get("values") {
        modules(&values, &mut reading, &Plan::default())?;
    }
    Ok(reading)
}

pub(super) fn read_plan<'a>(fields: &Fields<'a>) -> Result<Reading<'a>, Error> {
    check_version(fields)?;
    if fields.read("errored")?.unwrap_or(false) {
        return Err(Error::Unsupported("a plan that failed: what it holds is incomplete".to_owned()));
    }
    let configuration = Configuration::read(fields)?;
    let plan = Plan { unknown: unknown(fields)?, configuration };
    let mut reading = new("plan");
    reading.hints = plan.configuration.hints();
    if let Some(values) = fields.get("planned_values") {
        modules(&values, &mut reading, &plan)?;
    }
    // Data sources that were read while planning stand in the prior state alone.
    if let Some(prior) = fields.get("prior_state")
        && let Some(values) = prior.fields("`prior_state`")?.get("values")
    {
        let mut before = new("plan");
        modules(&values, &mut before, &plan)?;
        reading.hints.append(&mut before.hints);
    }
    Ok(reading)
}

fn new(origin: &'static str) -> Reading<'static> {
    Reading { origin, lineage: String::new(), serial: 0, instances: Vec::new(), skipped: Vec::new(), hints: Vec::new() }
}

fn check_version(fields: &Fields<'_>) -> Result<(), Error> {
    let version: String = fields.need("format_version", "the output of `terraform show -json`")?;
    match version.split('.').next() {
        Some("0" | "1") => Ok(()),
        _ => Err(Error::Unsupported(format!("format version `{version}`: only 0 and 1 are known"))),
    }
}

/// What a plan says beside the values.
#[derive(Default)]
struct Plan {
    /// Address to the paths that are known only after apply.
    unknown: BTreeMap<String, Vec<Path>>,
    configuration: Configuration,
}

fn unknown(fields: &Fields<'_>) -> Result<BTreeMap<String, Vec<Path>>, Error> {
    let mut unknown = BTreeMap::new();
    for node in fields.items("resource_changes")? {
        let change = node.fields("a resource change")?;
        if change.has("deposed") {
            continue;
        }
        let (Some(kind), Some(name)) = (change.read::<String>("type")?, change.read::<String>("name")?) else {
            continue;
        };
        let module: String = change.read("module_address")?.unwrap_or_default();
        let Some(body) = change.get("change") else { continue };
        let Some(after) = body.fields("`change`")?.get("after_unknown") else { continue };
        let paths = marks::of_tree(&after)?;
        if !paths.is_empty() {
            unknown.insert(address::whole(&module, &kind, &name, change.get("index"))?, paths);
        }
    }
    Ok(unknown)
}

/// Walks the tree of modules in the order of the file.
fn modules<'a>(values: &Node<'a>, reading: &mut Reading<'a>, plan: &Plan) -> Result<(), Error> {
    let Some(root) = values.fields("values")?.get("root_module") else { return Ok(()) };
    let mut open = vec![(root, String::new(), 0)];
    while let Some((node, address, depth)) = open.pop() {
        if depth > MAX_MODULE_DEPTH {
            return Err(node.error(format!("modules are nested deeper than {MAX_MODULE_DEPTH}")));
        }
        let module = node.fields("a module")?;
        for resource in module.items("resources")? {
            self::resource(&resource, &address, reading, plan)?;
        }
        for child in module.items("child_modules")?.into_iter().rev() {
            let address: String = child.fields("a module")?.need("address", "a module")?;
            open.push((child, address, depth + 1));
        }
    }
    Ok(())
}

fn resource<'a>(node: &Node<'a>, module: &str, reading: &mut Reading<'a>, plan: &Plan) -> Result<(), Error> {
    let fields = node.fields("a resource")?;
    let kind: String = fields.need("type", "a resource")?;
    let name: String = fields.need("name", "a resource")?;
    let mode: String = fields.need("mode", "a resource")?;
    // Terraform 0.12 gives addresses relative to the module: the parts are always right.
    let address = address::whole(module, &kind, &name, fields.get("index"))?;
    let mut provider = Provider::of_show(fields.read::<String>("provider_name")?.as_deref(), &kind);
    if let Some(key) = plan.configuration.provider_of(&mode, &address) {
        provider.key = key.to_owned();
    }
    let values = fields.get("values");
    match mode.as_str() {
        "managed" => {}
        "data" => {
            reading.hints.extend(hint(&kind, &provider, values));
            return Ok(());
        }
        _ => return Err(node.error(format!("`{mode}` is no mode of a resource"))),
    }
    if let Some(deposed) = fields.read::<String>("deposed_key")?.filter(|d| !d.is_empty()) {
        reading.skipped.push((address, format!("deposed object {deposed}: what replaced it counts")));
        return Ok(());
    }
    if reading.instances.len() == MAX_INSTANCES {
        return Err(Error::TooLarge(format!("more than {MAX_INSTANCES} instances")));
    }
    reading.instances.push(Managed {
        kind,
        node: *node,
        provider,
        attributes: values,
        identity: fields.get("identity"),
        sensitive: fields.get("sensitive_values").map_or(Ok(Vec::new()), |n| marks::of_tree(&n))?,
        unknown: plan.unknown.get(&address).cloned().unwrap_or_default(),
        address,
    });
    Ok(())
}
