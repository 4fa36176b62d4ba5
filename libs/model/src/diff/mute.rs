//! Changes that somebody owns: muted only where that owner exists, and only the change that it makes.

use serde_json::Value;

use super::Leaf;
use crate::Snapshot;
use crate::catalogue::{Attribute, Change, Type};

/// Who owns the change, if anybody.
pub(super) fn owner(ty: &Type, attribute: &Attribute, snapshot: &Snapshot, leaf: &Leaf) -> Option<String> {
    let mute = attribute.muted.iter().find(|m| {
        let made = match m.change {
            Change::Any => true,
            Change::Increase => number(&leaf.actual) > number(&leaf.expected),
            Change::Newer => newer(&leaf.expected, &leaf.actual),
        };
        made && ty.holds(&m.when, snapshot) == Some(true)
    })?;
    Some(mute.why.clone())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// Whether the live version is a later one of the same major.
fn newer(declared: &Value, live: &Value) -> bool {
    let parts = |v: &Value| -> Vec<u64> {
        let text = v.as_str().unwrap_or_default();
        text.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).filter_map(|p| p.parse().ok()).collect()
    };
    let (declared, live) = (parts(declared), parts(live));
    !declared.is_empty() && declared.first() == live.first() && live > declared
}
