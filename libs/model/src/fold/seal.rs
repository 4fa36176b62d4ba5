//! What of an instance may be published: only what the catalogue maps, secrets as keyed hashes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalogue::{Attribute, Catalogue, Kind, Secret, Source, Type};
use crate::expr::{Condition, Expr, Root, Step, Template, Var};
use crate::normal::rules;
use crate::place::parents;
use crate::record::Instance;
use crate::secret::{Place, SecretKey};

/// What every instance may keep: these place it.
const PLACE: [&str; 5] = ["id", "arn", "owner_id", "region", "availability_zone"];

/// The parts of an instance that are known, as a tree of names.
#[derive(Default)]
struct Known {
    members: BTreeMap<String, Known>,
    /// Everything below is known.
    whole: bool,
    /// Type, canonical path and form of a secret.
    secret: Option<(String, String, Secret)>,
}

/// Leaves in an instance only what the catalogue knows, with its secrets as keyed hashes. Done before anything is
/// published or kept; [`super::fold`] takes secrets in no other form.
pub fn seal(catalogue: &Catalogue, instance: &mut Instance, secrets: &SecretKey) {
    let parents = parents(catalogue, instance).unwrap_or_default();
    let mut known = Known::default();
    for name in PLACE {
        known.at(name).whole = true;
    }
    let own = catalogue.get(&instance.kind).into_iter();
    for ty in own.chain(catalogue.parents_of_kind(&instance.kind)) {
        known.add_type(ty, &instance.kind);
    }
    let ids: BTreeMap<&str, &str> = parents.iter().map(|p| (p.ty.name.as_str(), p.id.as_str())).collect();
    let attributes = std::mem::take(&mut instance.attributes);
    if let Value::Object(kept) = known.keep(Value::Object(attributes), &ids, secrets) {
        instance.attributes = kept;
    }
}

impl Known {
    fn at(&mut self, path: &str) -> &mut Self {
        let mut at = self;
        for name in path.split('.').filter(|n| !n.is_empty()) {
            at = at.members.entry(name.to_owned()).or_default();
        }
        at
    }

    fn add_type(&mut self, ty: &Type, kind: &str) {
        if ty.is(kind) {
            ty.terraform_id.iter().for_each(|t| self.add_template(t));
            for attribute in ty.attributes.values() {
                attribute.terraform.iter().for_each(|s| self.add(ty, attribute, &attribute.path, s, ""));
            }
        }
        for fold in ty.folds.iter().filter(|f| f.kind == kind) {
            for of in &fold.parents {
                match of {
                    crate::catalogue::Parents::One(template) => self.add_template(template),
                    crate::catalogue::Parents::Each(expr) => self.add_expr(expr),
                }
            }
            fold.when.iter().for_each(|Condition { expr, .. }| self.add_expr(expr));
            for (path, source) in &fold.paths {
                if let Some(attribute) = ty.attributes.get(path) {
                    self.add(ty, attribute, path, source, "");
                }
            }
        }
    }

    fn add_template(&mut self, template: &Template) {
        template.exprs().for_each(|e| self.add_expr(e));
    }

    fn add_expr(&mut self, expr: &Expr) {
        let names = expr.steps.iter().filter_map(|s| match s {
            Step::Field(name) => Some(name.as_str()),
            _ => None,
        });
        let path = names.collect::<Vec<_>>().join(".");
        match &expr.root {
            Root::Item => self.at(&path).whole = true,
            Root::Var(Var::Id) => self.at("id").whole = true,
            Root::Var(_) | Root::Answer(_) => {}
        }
    }

    fn add(&mut self, ty: &Type, attribute: &Attribute, canonical: &str, source: &Source, below: &str) {
        let path = join(below, &source.path);
        if let Some(form) = attribute.secret {
            let node = self.at(&path);
            node.whole = true;
            node.secret = Some((ty.name.clone(), canonical.to_owned(), form));
            return;
        }
        match attribute.kind {
            Kind::Blocks | Kind::BlockList if !source.api => {
                for (name, field) in &attribute.fields {
                    let canonical = join(canonical, name);
                    match source.fields.get(name) {
                        Some(renamed) => {
                            let place = Source { path: renamed.clone(), ..Source::default() };
                            self.add(ty, field, &canonical, &place, &path);
                        }
                        None => field.terraform.iter().for_each(|s| self.add(ty, field, &canonical, s, &path)),
                    }
                }
            }
            Kind::Rules => rules::MEMBERS.iter().for_each(|name| self.at(&join(&path, name)).whole = true),
            _ => self.at(&path).whole = true,
        }
    }

    fn keep(&self, value: Value, ids: &BTreeMap<&str, &str>, secrets: &SecretKey) -> Value {
        if let Some((kind, path, form)) = &self.secret {
            let id = ids.get(kind.as_str()).copied().unwrap_or_default();
            let hash = |path: &str, v: &Value| secrets.hash(Place { kind, id, path }, *form, v);
            return match value {
                Value::Object(members) => {
                    members.into_iter().map(|(k, v)| (k.clone(), hash(&format!("{path}.{k}"), &v))).collect()
                }
                // "" is how a source says "none"
                Value::String(s) if s.is_empty() => Value::String(s),
                other => hash(path, &other),
            };
        }
        if self.whole {
            return value;
        }
        match value {
            Value::Object(members) => {
                let known = members.into_iter().filter_map(|(k, v)| {
                    let inner = self.members.get(&k)?;
                    let kept = inner.keep(v, ids, secrets);
                    Some((k, kept))
                });
                known.collect()
            }
            Value::Array(elements) => elements.into_iter().map(|v| self.keep(v, ids, secrets)).collect(),
            // where blocks are expected a scalar is nothing that the catalogue knows
            _ => Value::Null,
        }
    }
}

fn join(a: &str, b: &str) -> String {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.to_owned(),
        (_, true) => a.to_owned(),
        _ => format!("{a}.{b}"),
    }
}
