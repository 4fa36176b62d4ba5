//! An instance as it may leave: without what the catalogue doesn't know, its secrets as keyed hashes, and without what
//! its author marked as sensitive.

use driftline_model::record::Instance;
use driftline_model::seal;
use driftline_model::secret::hashed;
use serde_json::Value;

use super::Context;
use crate::marks::{self, Path};

/// Makes the instance fit to be published and returns the paths that were taken out as sensitive: what isn't hashed can't
/// be told to anybody, so nothing is said of it.
pub(super) fn seal_instance(context: &Context<'_>, instance: &mut Instance, sensitive: &[Path]) -> Vec<String> {
    seal(context.catalogue, instance, context.options.secrets);
    let mut hidden = Vec::new();
    for path in sensitive {
        if marks::find(&instance.attributes, path).is_none_or(|v| !is_hidden(v)) {
            hidden.extend(marks::take_out(&mut instance.attributes, path));
        }
    }
    instance.ignore_changes.extend(hidden.iter().cloned());
    hidden
}

/// Whether nothing of the value is in clear.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().all(is_hidden),
        Value::Object(members) => members.values().all(is_hidden),
        other => hashed(other).is_some() || other.as_str() == Some(""),
    }
}
