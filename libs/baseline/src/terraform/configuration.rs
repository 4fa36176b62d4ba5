//! A plan's `configuration`: which provider configuration each resource uses, and the account and region that it is set
//! to where these are constants or variables.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Hint, address};
use crate::arn;
use crate::error::Error;
use crate::json::{Fields, Node};
use crate::limits::MAX_MODULE_DEPTH;

#[derive(Debug, Default)]
pub(super) struct Configuration {
    /// Address without indices to provider configuration.
    resources: BTreeMap<String, String>,
    hints: Vec<Hint>,
}

impl Configuration {
    pub(super) fn read(plan: &Fields<'_>) -> Result<Self, Error> {
        let Some(node) = plan.get("configuration") else { return Ok(Self::default()) };
        let fields = node.fields("`configuration`")?;
        let mut found = Self::default();
        let Some(root) = fields.get("root_module") else { return Ok(found) };
        let variables = variables(plan, &root)?;
        if let Some(providers) = fields.get("provider_config") {
            for (key, provider) in providers.fields("`provider_config`")?.each() {
                let provider = provider.fields("a provider configuration")?;
                if provider.read::<String>("name")?.as_deref() == Some("aws") {
                    found.hints.push(settings(key, &provider, &variables)?);
                }
            }
        }
        found.modules(root)?;
        Ok(found)
    }

    /// The key of the provider configuration of a resource instance.
    pub(super) fn provider_of(&self, mode: &str, address: &str) -> Option<&str> {
        let plain = address::without_indices(address);
        self.resources.get(&format!("{mode} {plain}")).map(String::as_str)
    }

    pub(super) fn hints(&self) -> Vec<Hint> {
        self.hints.clone()
    }

    fn modules(&mut self, root: Node<'_>) -> Result<(), Error> {
        let mut open = vec![(root, String::new(), 0)];
        while let Some((node, path, depth)) = open.pop() {
            if depth > MAX_MODULE_DEPTH {
                return Err(node.error(format!("modules are nested deeper than {MAX_MODULE_DEPTH}")));
            }
            let module = node.fields("a module")?;
            for resource in module.items("resources")? {
                let resource = resource.fields("a resource")?;
                let read = |name| resource.read::<String>(name);
                if let (Some(mode), Some(kind), Some(name), Some(key)) =
                    (read("mode")?, read("type")?, read("name")?, read("provider_config_key")?)
                {
                    self.resources.insert(format!("{mode} {path}{kind}.{name}"), key);
                }
            }
            let Some(calls) = module.get("module_calls") else { continue };
            for (name, call) in calls.fields("`module_calls`")?.each() {
                if let Some(child) = call.fields("a module call")?.get("module") {
                    open.push((child, format!("{path}module.{name}."), depth + 1));
                }
            }
        }
        Ok(())
    }
}

/// Values of the root module's variables: as given, else their defaults.
fn variables(plan: &Fields<'_>, root: &Node<'_>) -> Result<BTreeMap<String, Value>, Error> {
    let mut values = BTreeMap::new();
    let mut take = |node: Option<Node<'_>>, member: &str| -> Result<(), Error> {
        let Some(node) = node else { return Ok(()) };
        for (name, variable) in node.fields("`variables`")?.each() {
            if variable.is_object()
                && let Some(value) = variable.fields("a variable")?.read::<Value>(member)?
            {
                values.insert(name.to_owned(), value);
            }
        }
        Ok(())
    };
    take(root.fields("`root_module`")?.get("variables"), "default")?;
    take(plan.get("variables"), "value")?;
    Ok(values)
}

fn settings(key: &str, provider: &Fields<'_>, variables: &BTreeMap<String, Value>) -> Result<Hint, Error> {
    let expressions = provider.read::<Value>("expressions")?.unwrap_or_default();
    let constant = |pointer: &str| {
        let expression = expressions.pointer(pointer)?;
        match expression.get("constant_value") {
            Some(value) => Some(value.clone()),
            None => {
                let name = expression.pointer("/references/0")?.as_str()?.strip_prefix("var.")?;
                variables.get(name).cloned()
            }
        }
    };
    let region = constant("/region").and_then(|v| v.as_str().map(str::to_owned));
    let assumed = constant("/assume_role/0/role_arn").and_then(|v| arn::account(v.as_str()?).map(str::to_owned));
    let only = constant("/allowed_account_ids").and_then(|v| match v.as_array()?.as_slice() {
        [one] => one.as_str().map(str::to_owned),
        _ => None,
    });
    Ok(Hint { provider: key.to_owned(), account: assumed.or(only), region })
}
