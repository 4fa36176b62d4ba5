//! An instance as it may leave: which resources it belongs to, without what the catalogue doesn't know, its secrets as
//! keyed hashes, and without what its author marked as sensitive.

use driftline_model::catalogue::Catalogue;
use driftline_model::record::Instance;

use super::Context;
use crate::marks::{self, Path};

/// The organization's key that secrets are hashed with, and its name.
#[derive(Clone, Copy)]
pub struct SecretKey<'a> {
    /// Name of the key, which stands in the hashes.
    pub id: &'a str,
    /// The key.
    pub key: &'a [u8],
}

impl std::fmt::Debug for SecretKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

struct Attributes(serde_json::Value);
impl driftline_model::expr::Sight for Attributes {
    fn item(&self) -> &serde_json::Value {
        &self.0
    }
    fn answer(&self, _: &str) -> Option<&serde_json::Value> {
        None
    }
    fn var(&self, var: driftline_model::expr::Var) -> Option<&str> {
        use driftline_model::expr::Var;
        let name = match var {
            Var::Id => "id",
            Var::Arn => "arn",
            Var::Region => "region",
            _ => return None,
        };
        self.0.get(name)?.as_str()
    }
}

/// Type and id of the resources that an instance is, or is part of; else why there are none.
pub(super) fn parents(catalogue: &Catalogue, instance: &Instance) -> Result<Vec<(String, String)>, &'static str> {
    use driftline_model::catalogue::Parents;
    let sight = Attributes(serde_json::Value::Object(instance.attributes.clone()));
    if let Some(ty) = catalogue.get(&instance.kind) {
        let id = ty.terraform_id.iter().find_map(|t| t.text(&sight)).ok_or("its id is not known")?;
        return Ok(vec![(ty.name.clone(), id)]);
    }
    let mut found = std::collections::BTreeSet::new();
    let mut any = false;
    for ty in catalogue.parents_of_kind(&instance.kind) {
        any = true;
        for fold in ty.folds.iter().filter(|f| f.kind == instance.kind) {
            for parent in &fold.parents {
                match parent {
                    Parents::One(t) => found.extend(t.text(&sight).map(|id| (ty.name.clone(), id))),
                    Parents::Each(e) => {
                        for v in e.eval(&sight).as_array().into_iter().flatten() {
                            found.extend(v.as_str().map(|id| (ty.name.clone(), id.to_owned())));
                        }
                    }
                }
            }
        }
    }
    if !any {
        return Err("the type is not in the catalogue");
    }
    if found.is_empty() { Err("the id of what it belongs to is not known") } else { Ok(found.into_iter().collect()) }
}

/// The instance as a part of that resource, and the paths that are left out because they are marked as sensitive.
pub(super) fn publishable(
    _context: &Context<'_>,
    _kind: &str,
    _id: &str,
    instance: &Instance,
    sensitive: &[Path],
) -> (Instance, Vec<String>) {
    let mut instance = instance.clone();
    let mut hidden = Vec::new();
    for path in sensitive {
        hidden.extend(marks::take_out(&mut instance.attributes, path));
    }
    instance.ignore_changes.extend(hidden.iter().cloned());
    (instance, hidden)
}
