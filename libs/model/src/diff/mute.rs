//! Changes that somebody owns: muted only where that owner exists, and only the change that it makes.

use serde_json::Value;

use super::Leaf;
use crate::Snapshot;
use crate::catalogue::{Attribute, Change, Type};

/// Whose a change is.
pub(super) enum Owner {
    Nobody,
    /// Somebody's, who is there.
    Named(String),
    /// Somebody's, if he is there: that is unread.
    Unknown(String),
}

/// Who owns the change, if anybody.
pub(super) fn owner(ty: &Type, attribute: &Attribute, snapshot: &Snapshot, leaf: &Leaf) -> Owner {
    let mut owner = Owner::Nobody;
    for mute in &attribute.muted {
        let made = match mute.change {
            Change::Any => true,
            Change::Increase => number(&leaf.actual) > number(&leaf.expected),
            Change::Newer => newer(&leaf.expected, &leaf.actual, mute.major),
        };
        match ty.holds(&mute.when, snapshot) {
            Some(true) if made => return Owner::Named(mute.why.clone()),
            None if made => owner = Owner::Unknown(mute.why.clone()),
            _ => {}
        }
    }
    owner
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

/// Whether the live version is a later one of the same major: its first `major` parts.
fn newer(declared: &Value, live: &Value, major: usize) -> bool {
    let parts = |v: &Value| -> Vec<u64> {
        let text = v.as_str().unwrap_or_default();
        text.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).filter_map(|p| p.parse().ok()).collect()
    };
    let (declared, live) = (parts(declared), parts(live));
    let same = declared.iter().take(major).eq(live.iter().take(major));
    declared.len() >= major.max(1) && same && live > declared
}
