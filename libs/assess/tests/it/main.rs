//! Tests of what the crate decides, driven by data.
#![allow(clippy::unwrap_used, reason = "a test may panic, its fixtures too")]

mod findings;
mod hostile;
mod judging;
mod network;
mod policies;
mod rules;
mod scan;
mod severities;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use driftline_assess::secure::Sight;
use driftline_assess::{Assessor, Verdict};
use driftline_model::catalogue::Type;
use driftline_model::{Catalogue, ResourceKey, Snapshot};
use serde_json::Value;

/// The account of every test.
pub(crate) const ACCOUNT: &str = "111111111111";

/// The shipped catalogue and its rules, read once.
pub(crate) fn shipped() -> &'static (Catalogue, Assessor) {
    static SHIPPED: OnceLock<(Catalogue, Assessor)> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let catalogue = Catalogue::embedded().unwrap_or_else(|problems| panic!("{problems}"));
        let assessor = Assessor::new(&catalogue).unwrap_or_else(|e| panic!("{e}"));
        (catalogue, assessor)
    })
}

/// A shipped type and the rules of all.
pub(crate) fn assessor(type_name: &str) -> (&'static Type, &'static Assessor) {
    let (catalogue, assessor) = shipped();
    (catalogue.get(type_name).unwrap_or_else(|| panic!("no type {type_name}")), assessor)
}

/// What one shipped rule says of these attributes.
pub(crate) fn verdict(type_name: &str, rule: &str, attributes: Value) -> Verdict {
    let (catalogue, assessor) = shipped();
    let snapshot = snapshot(type_name, "x", attributes);
    let of = catalogue.get(type_name).map(|t| &**t);
    let sight = Sight { of, snapshot: &snapshot, organization: None };
    let rule = assessor.rules.rule(type_name, rule).unwrap_or_else(|| panic!("no rule {rule}"));
    driftline_assess::secure::verdict(rule, &sight)
}

/// A resource with these attributes; `owner` is no attribute.
pub(crate) fn snapshot(type_name: &str, id: &str, mut attributes: Value) -> Snapshot {
    let owner = attributes.as_object_mut().and_then(|a| a.remove("owner")).and_then(|v| v.as_str().map(str::to_owned));
    Snapshot {
        key: ResourceKey::new(ACCOUNT, "eu-west-1", type_name, id),
        arn: None,
        revision: "r".to_owned(),
        attributes: serde_json::from_value(attributes).unwrap(),
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner,
    }
}
