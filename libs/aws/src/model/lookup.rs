//! The models as the catalogue's check asks them.

use driftline_model::catalogue::ModelLookup;

use super::{Kind, Service};

/// All services' models.
#[derive(Debug, Clone, Copy)]
pub struct Models;

impl ModelLookup for Models {
    fn operation(&self, service: &str, operation: &str) -> bool {
        Service::load(service).is_ok_and(|s| s.has_operation(operation))
    }

    fn output_path(&self, service: &str, operation: &str, path: &[&str]) -> bool {
        Service::load(service).is_ok_and(|s| walk(|p| s.output(operation, p), path))
    }

    fn parameter(&self, service: &str, operation: &str, path: &[&str]) -> bool {
        Service::load(service).is_ok_and(|s| walk(|p| s.parameter(operation, p), path))
    }
}

/// Follows members, through lists where there are any.
fn walk(kind: impl Fn(&str) -> Option<Kind>, path: &[&str]) -> bool {
    let mut at = String::new();
    for member in path {
        while kind(&at) == Some(Kind::List) {
            at.push_str("[]");
        }
        if kind(&at) == Some(Kind::Document) {
            return true;
        }
        if !at.is_empty() {
            at.push('.');
        }
        at.push_str(member);
        if kind(&at).is_none() {
            return false;
        }
    }
    true
}
