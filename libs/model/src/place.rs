//! Which resource an instance of a source belongs to.

use std::sync::Arc;

use serde_json::Value;

use crate::catalogue::{Catalogue, Fold, Parents, Scope, Type};
use crate::expr::Sight as _;
use crate::expr::{Expr, Root, Var, scalar_text};
use crate::record::Instance;
use crate::resource::GLOBAL;
use crate::sight::{InstanceSight, part};

/// A resource that an instance is, or declares part of.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    /// Its type.
    pub ty: Arc<Type>,
    /// Its id by the catalogue's rule.
    pub id: String,
    /// Its account, where the instance tells.
    pub account: Option<String>,
    /// Its region, where the instance tells; `global` for global types.
    pub region: Option<String>,
    /// Whether the instance is the resource itself, not a part of it.
    pub own: bool,
}

/// Why an instance belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// The catalogue has no such type.
    #[error("type `{0}` is not in the catalogue")]
    UnknownType(String),
    /// What names the resource isn't known (yet).
    #[error("`{kind}` has no value for {rule}, which names the resource")]
    NoId {
        /// The instance's type.
        kind: String,
        /// The attributes that the rule reads.
        rule: String,
    },
}

/// The resources that an instance belongs to: itself, or those that it declares part of (`aws_iam_policy_attachment`
/// names many).
pub fn parents(catalogue: &Catalogue, instance: &Instance) -> Result<Vec<Parent>, Unplaced> {
    let sight = InstanceSight::new(instance);
    let mut found = Vec::new();
    let mut rules: Vec<String> = Vec::new();
    let mut known = false;
    if let Some(ty) = catalogue.get(&instance.kind) {
        known = true;
        let ids = ty.terraform_id.iter();
        rules.extend(ids.clone().flat_map(|t| t.exprs().map(name)));
        if let Some(id) = ids.filter_map(|t| t.text(&sight)).next() {
            found.push(parent(ty, id, &sight, true));
        }
    }
    for ty in catalogue.parents_of_kind(&instance.kind) {
        known = true;
        for fold in ty.folds.iter().filter(|f| f.kind == instance.kind) {
            if !applies(fold, &instance.kind, &sight) {
                rules.extend(fold.when.iter().map(|c| name(&c.expr)));
                continue;
            }
            for of in &fold.parents {
                match of {
                    Parents::One(template) => {
                        rules.extend(template.exprs().map(name));
                        found.extend(template.text(&sight).map(|id| parent(ty, id, &sight, false)));
                    }
                    Parents::Each(expr) => {
                        rules.push(name(expr));
                        let each = expr.eval(&sight);
                        let ids = each.as_array().into_iter().flatten().map(scalar_text).filter(|id| !id.is_empty());
                        found.extend(ids.map(|id| parent(ty, id, &sight, false)));
                    }
                }
            }
        }
    }
    found.dedup_by(|a, b| a.ty.name == b.ty.name && a.id == b.id);
    if !known {
        return Err(Unplaced::UnknownType(instance.kind.clone()));
    }
    rules.sort();
    rules.dedup();
    if found.is_empty() {
        return Err(Unplaced::NoId { kind: instance.kind.clone(), rule: rules.join(" or ") });
    }
    Ok(found)
}

/// Whether a fold's entry is about this instance.
pub(crate) fn applies(fold: &Fold, kind: &str, sight: &InstanceSight) -> bool {
    fold.kind == kind && fold.when.iter().all(|c| c.holds(sight))
}

fn parent(ty: &Arc<Type>, id: String, sight: &InstanceSight, own: bool) -> Parent {
    let text = |name: &str| sight.item().get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    // the id's own ARN outranks the instance's: a part may be made elsewhere
    let arn = |index| part(&id, index).or_else(|| text("arn").and_then(|a| part(a, index)));
    let digits = |a: &&str| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit());
    let account = arn(4).or_else(|| text("owner_id")).filter(digits).map(str::to_owned);
    let zone = || {
        let zone = text("availability_zone")?;
        zone.strip_suffix(|c: char| c.is_ascii_lowercase()).filter(|z| z.ends_with(|c: char| c.is_ascii_digit()))
    };
    let region = match ty.scope {
        Scope::Global => Some(GLOBAL.to_owned()),
        Scope::Regional => arn(3).or_else(|| text("region")).or_else(zone).map(str::to_owned),
    };
    Parent { ty: Arc::clone(ty), id, account, region, own }
}

/// An expression's path, for messages.
fn name(expr: &Expr) -> String {
    let fields = expr.steps.iter().filter_map(|s| match s {
        crate::expr::Step::Field(name) => Some(name.as_str()),
        _ => None,
    });
    match &expr.root {
        Root::Var(Var::Id) => "id".to_owned(),
        Root::Var(Var::Arn) => "arn".to_owned(),
        _ => fields.collect::<Vec<_>>().join("."),
    }
}
