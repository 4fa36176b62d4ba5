//! Every settable attribute of the reference is compared, or excluded with a reason.

use std::io::Write;
use std::path::PathBuf;

use driftline_model::catalogue::Status;
use serde_json::Value;

use crate::world::catalogue;

fn reference() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/terraform-aws");
    if !path.exists() {
        // Past the test harness, which shows what a test prints only when it fails.
        let _ = writeln!(std::io::stderr().lock(), "skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn every_settable_attribute_is_compared_or_excluded_with_a_reason() {
    let Some(folder) = reference() else { return };
    let mut unknown = Vec::new();
    for ty in catalogue().types() {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.json", ty.name))) else { continue };
        let reference: Value = serde_json::from_str(&text).unwrap();
        for (path, facts) in reference["attributes"].as_object().unwrap() {
            let settable = facts.get("optional").is_some() || facts.get("required").is_some();
            if settable && ty.status(path) == Status::Unknown {
                unknown.push(format!("{} {path} {}", ty.name, facts["kind"]));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}
