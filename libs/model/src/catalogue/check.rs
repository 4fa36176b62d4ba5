//! Checks beyond the schema: that names within a file lead somewhere, and (against AWS's models) that its calls exist.

use super::kind::{Type, starts as lies_below};
use super::read::Call;
use super::reader::{File, Problem};
use super::{Attribute, Catalogue, Source};
use crate::expr::{Expr, Params, Root, Step};

/// AWS's service models, as far as checking a catalogue needs them. `libs/aws` implements it.
pub trait ModelLookup {
    /// Whether the service has the operation: `("ec2", "DescribeVpcs")`.
    fn operation(&self, service: &str, operation: &str) -> bool;
    /// Whether a path of members (lists are passed through) exists in the operation's output.
    fn output_path(&self, service: &str, operation: &str, path: &[&str]) -> bool;
    /// Whether a path of members exists in the operation's input.
    fn parameter(&self, service: &str, operation: &str, path: &[&str]) -> bool;
}

/// Checks every call, parameter and path of the catalogue against the models.
pub fn check(catalogue: &Catalogue, models: &dyn ModelLookup) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ty in catalogue.types() {
        let mut say = |message: String| problems.push(Problem { file: ty.name.clone(), line: 1, message });
        for (name, call) in ty.read.calls() {
            if !models.operation(&call.service, &call.operation) {
                say(format!("{name}: there is no operation {}:{}", call.service, call.operation));
                continue;
            }
            let mut paths = Vec::new();
            parameters(&call.with, &mut Vec::new(), &mut paths);
            for path in paths {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                if !models.parameter(&call.service, &call.operation, &path) {
                    say(format!("{name}: {}:{} has no parameter {}", call.service, call.operation, path.join(".")));
                }
            }
        }
        for attribute in ty.attributes.values() {
            let mut unknown = Vec::new();
            members(ty, attribute, None, models, &mut unknown);
            for (field, path) in unknown {
                say(format!("{field}: the answer has no member {path}"));
            }
        }
    }
    problems
}

/// The call that an expression reads, and the members on the way to it.
type Place<'a> = (&'a Call, Vec<&'a str>);

/// Follows an attribute's expressions (and its fields' within its elements) through the models.
fn members<'a>(
    ty: &'a Type,
    attribute: &'a Attribute,
    within: Option<&Place<'a>>,
    models: &dyn ModelLookup,
    unknown: &mut Vec<(String, String)>,
) {
    for expr in &attribute.from {
        let places: Vec<Place<'a>> = starts(ty, &expr.root, within)
            .into_iter()
            .map(|(call, mut path)| {
                path.extend(fields(expr));
                (call, path)
            })
            .collect();
        let known = places.iter().find(|(call, path)| models.output_path(&call.service, &call.operation, path));
        match known {
            // after a transform the shape would be another
            Some(place) if expr.transforms.is_empty() => {
                attribute.fields.values().for_each(|f| members(ty, f, Some(place), models, unknown));
            }
            Some(_) => {}
            None => unknown.extend(places.first().map(|(_, path)| (attribute.path.clone(), path.join(".")))),
        }
    }
}

/// The answers that a root can stand for: an item is the listing's, or what is read alone.
fn starts<'a>(ty: &'a Type, root: &Root, within: Option<&Place<'a>>) -> Vec<Place<'a>> {
    let place = |call: &'a Call, items: Option<&'a Expr>| -> Place<'a> {
        (call, items.map(|e| fields(e).collect()).unwrap_or_default())
    };
    match (root, within) {
        (Root::Item, Some((call, path))) => vec![(call, path.clone())],
        (Root::Item, None) => {
            let one = ty.read.one.iter().map(|o| place(&o.call, Some(&o.items)));
            std::iter::once(place(&ty.read.list.call, Some(&ty.read.list.items))).chain(one).collect()
        }
        (Root::Var(_), _) => Vec::new(),
        (Root::Answer(name), _) => {
            let get = ty.read.get.get(name).filter(|g| g.each.is_none()).map(|g| place(&g.call, g.items.as_ref()));
            let context = ty.read.context.get(name).map(|c| place(&c.call, c.items.as_ref()));
            get.or(context).into_iter().collect()
        }
    }
}

fn fields(expr: &Expr) -> impl Iterator<Item = &str> {
    expr.steps.iter().filter_map(|s| match s {
        Step::Field(name) => Some(name.as_str()),
        _ => None,
    })
}

fn parameters(params: &Params, at: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    match params {
        Params::Object(members) => {
            for (name, inner) in members {
                at.push(name.clone());
                out.push(at.clone());
                parameters(inner, at, out);
                at.pop();
            }
        }
        Params::List(list) => list.iter().for_each(|p| parameters(p, at, out)),
        Params::Template(_) | Params::Plain(_) => {}
    }
}

/// Names within one file.
pub(super) fn consistent(file: &File<'_>, ty: &Type) {
    let say = |message: String| file.problem(0, format!("{}: {message}", ty.name));
    let known = |name: &str| ty.read.get.contains_key(name) || ty.read.context.contains_key(name);
    for (path, attribute) in &ty.attributes {
        for name in attribute.answers() {
            if !known(name) {
                say(format!("attribute `{path}` reads from `{name}:`, which no call is named"));
            }
        }
        for other in &attribute.yields_to {
            if !ty.attributes.contains_key(other) {
                say(format!("attribute `{path}` yields to `{other}`, which is none"));
            }
        }
        if let Some(key) = &attribute.key
            && !attribute.fields.contains_key(key)
        {
            say(format!("attribute `{path}` has no field `{key}`"));
        }
        if ty.excluded.contains_key(path) {
            say(format!("`{path}` is an attribute and excluded"));
        }
    }
    for (name, get) in &ty.read.get {
        for need in &get.needs {
            if !known(need) || need == name {
                say(format!("call `{name}` needs `{need}:`, which no other call is named"));
            }
        }
    }
    for template in [Some(&ty.id), ty.arn.as_ref()].into_iter().flatten() {
        for name in template.answers() {
            if !ty.read.context.contains_key(name) && !known(name) {
                say(format!("id or arn reads from `{name}:`, which no call is named"));
            }
        }
    }
    for fold in &ty.folds {
        for (path, source) in &fold.paths {
            let Some(attribute) = ty.attributes.get(path) else {
                say(format!("fold of `{}`: `{path}` is no attribute", fold.kind));
                continue;
            };
            for lacking in source.lacks.iter().filter(|l| !holds(attribute, l)) {
                say(format!("fold of `{}`: `{path}` has no field `{lacking}`", fold.kind));
            }
        }
        for path in &fold.hides {
            if ty.attributes.get(path).is_none_or(|a| a.key.is_none()) {
                say(format!("fold of `{}`: it hides `{path}`, which is no attribute with a `key`", fold.kind));
            }
        }
        if fold.parents.is_empty() && !ty.is(&fold.kind) {
            say(format!("fold of `{}` needs `key`: which resource it belongs to", fold.kind));
        }
    }
}

/// Whether its blocks have the field, at any depth.
fn holds(attribute: &Attribute, field: &str) -> bool {
    attribute.fields.iter().any(|(name, inner)| match field.strip_prefix(name.as_str()) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| holds(inner, rest)),
        None => false,
    })
}

/// Replaces `prefix.*` of a fold's paths by every attribute below the prefix.
pub(super) fn expand(ty: &mut Type) {
    let attributes: Vec<&String> = ty.attributes.keys().collect();
    for fold in &mut ty.folds {
        let wild: Vec<String> = fold.paths.keys().filter(|p| p.ends_with(".*")).cloned().collect();
        for pattern in wild {
            fold.paths.remove(&pattern);
            let prefix = pattern.trim_end_matches(".*");
            for path in attributes.iter().filter(|a| lies_below(a, prefix)) {
                let source = Source { path: path[prefix.len() + 1..].to_owned(), ..Source::default() };
                fold.paths.entry((*path).clone()).or_insert(source);
            }
        }
    }
}
