//! Sources' instances folded into one baseline per resource: mapping and folding in one pure function, called wherever
//! parts are joined. A state tells too much (refresh copies what it finds into optional+computed attributes): what a
//! split resource declares counts, never the parent's inline copy of it.

mod ignored;
mod seal;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use seal::seal;

use crate::catalogue::{Attribute, Fold, Kind, Parents, Source, Type};
use crate::expr::{Sight as _, scalar_text};
use crate::normal::{self, Found, Side, find, lookup};
use crate::place::applies;
use crate::record::{Instance, Part};
use crate::secret::hashed;
use crate::sight::InstanceSight;
use crate::{Baseline, Declared, Origin};

/// The word that marks a part as an approved snapshot: its one instance holds canonical attributes, and what is not
/// there is agreed to be not set.
pub const APPROVED: &str = "approved";

/// What one instance says of one attribute.
struct Said<'a> {
    value: Value,
    origin: usize,
    rank: Rank,
    /// One element among others', not the whole.
    element: bool,
    /// Fields of its blocks that the source's shape can't hold.
    lacks: &'a [String],
}

/// Who is believed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Approved,
    Split,
    Inline,
}

struct Folding<'a> {
    ty: &'a Type,
    own: String,
    said: BTreeMap<&'a str, Vec<Said<'a>>>,
    /// Paths that some split resource declares, be it as nothing.
    covered: BTreeSet<&'a str>,
    /// Keys of blocks that are declared elsewhere, by path.
    hidden: BTreeMap<&'a str, BTreeSet<String>>,
    origins: Vec<Origin>,
    ignored: BTreeSet<String>,
    /// Paths that some source says it declares whole.
    whole: BTreeSet<&'a str>,
    /// Whether the resource itself is declared, and not only parts of it.
    itself: bool,
}

/// Folds the parts of one resource. Parts of other types' instances are passed over. Where sources disagree on a value an
/// approval wins, then the first by source's name; each such path is a conflict.
pub fn fold(ty: &Type, parts: &[Part]) -> Baseline {
    let mut sorted: Vec<(&Part, &Instance)> =
        parts.iter().flat_map(|p| p.instances.iter().map(move |i| (p, i))).collect();
    sorted.sort_by_key(|(p, i)| (p.origin.origin != APPROVED, !ty.is(&i.kind), &p.origin.source, &i.address));
    let own = sorted.iter().find_map(|(_, i)| id_of(ty, i)).unwrap_or_default();
    let mut folding = Folding {
        ty,
        own,
        said: BTreeMap::new(),
        covered: BTreeSet::new(),
        hidden: BTreeMap::new(),
        origins: Vec::new(),
        ignored: BTreeSet::new(),
        whole: BTreeSet::new(),
        itself: false,
    };
    for (part, instance) in sorted {
        folding.take(part, instance);
    }
    folding.finish()
}

/// The resource's id as an instance has it.
fn id_of(ty: &Type, instance: &Instance) -> Option<String> {
    let sight = InstanceSight::new(instance);
    if ty.is(&instance.kind) {
        return ty.terraform_id.iter().find_map(|t| t.text(&sight));
    }
    let folds = ty.folds.iter().filter(|f| f.kind == instance.kind);
    let keys = folds.flat_map(|f| &f.parents).filter_map(|p| match p {
        Parents::One(template) => template.text(&sight),
        Parents::Each(_) => None,
    });
    keys.into_iter().next()
}

impl<'a> Folding<'a> {
    fn take(&mut self, part: &Part, instance: &Instance) {
        let origin = self.origins.len();
        self.origins.push(Origin {
            origin: part.origin.origin.clone(),
            source: part.origin.source.clone(),
            address: instance.address.clone(),
            line: instance.line.or(part.origin.line),
        });
        let sight = InstanceSight::new(instance);
        self.itself |= part.origin.origin == APPROVED || self.ty.is(&instance.kind);
        if part.origin.origin == APPROVED {
            self.approved(instance, origin);
        } else if self.ty.is(&instance.kind) {
            self.inline(&sight, origin, instance.kind == self.ty.name);
        } else {
            let ty = self.ty;
            for fold in ty.folds.iter().filter(|f| applies(f, &instance.kind, &sight)) {
                self.split(fold, &sight, origin);
            }
        }
        self.ignored
            .extend(instance.ignore_changes.iter().flat_map(|path| ignored::paths(self.ty, &instance.kind, path)));
    }

    fn say(&mut self, path: &'a str, value: Value, origin: usize, rank: Rank, element: bool) {
        self.said.entry(path).or_default().push(Said { value, origin, rank, element, lacks: &[] });
    }

    fn approved(&mut self, instance: &Instance, origin: usize) {
        let ty = self.ty;
        for (path, attribute) in ty.attributes.iter().filter(|(_, a)| a.uncompared.is_none()) {
            let raw = instance.attributes.get(path).cloned().unwrap_or(Value::Null);
            let value = normal::normalise(attribute, raw, Side::Canonical, &self.own);
            self.say(path, value, origin, Rank::Approved, false);
        }
    }

    /// The resource itself: each attribute where its own type has it, else in an older provider's inline shape. An alias
    /// (not `main`) may lack attributes altogether: what it doesn't say means nothing.
    fn inline(&mut self, sight: &InstanceSight, origin: usize, main: bool) {
        let ty = self.ty;
        let shapes: Vec<&Fold> = ty.folds.iter().filter(|f| ty.is(&f.kind)).collect();
        for (path, attribute) in ty.attributes.iter().filter(|(_, a)| agreed(a)) {
            let mut best = (Found::Unsaid, None);
            let own = (attribute.terraform.as_slice(), None);
            let others = shapes.iter().filter_map(|f| f.paths.get(path)).map(|s| (std::slice::from_ref(s), Some(s)));
            for (places, source) in std::iter::once(own).chain(others) {
                match (find_in(sight, places, attribute), &best.0) {
                    (found @ Found::Value(_), _) => {
                        best = (found, source);
                        break;
                    }
                    (Found::Empty, _) => best = (Found::Empty, None),
                    (Found::NoBlock, Found::Unsaid) => best = (Found::NoBlock, None),
                    (Found::NoBlock | Found::Unsaid, _) => {}
                }
            }
            match best {
                (Found::Unsaid, _) if main && attribute.alone_none => {
                    self.say(path, Value::Null, origin, Rank::Inline, true);
                }
                (Found::Unsaid, _) => {}
                (Found::NoBlock | Found::Empty, _) if attribute.empty_unsaid => {}
                (Found::NoBlock, _) if attribute.computed => {}
                (Found::NoBlock | Found::Empty, _) => {
                    self.say(path, Value::Null, origin, Rank::Inline, attribute.joins)
                }
                (Found::Value(raw), source) => {
                    let value = normal::normalise(attribute, raw, Side::Source(source), &self.own);
                    let lacks = source.map_or(&[] as &[String], |s| &s.lacks);
                    let said = Said { value, origin, rank: Rank::Inline, element: attribute.joins, lacks };
                    self.said.entry(path).or_default().push(said);
                }
            }
        }
    }

    fn split(&mut self, fold: &'a Fold, sight: &InstanceSight, origin: usize) {
        let ty = self.ty;
        for path in &fold.hides {
            let key = ty.attributes.get(path).and_then(|a| a.key.as_deref()).unwrap_or_default();
            let name = scalar_text(&lookup(sight.item(), key).into_value());
            self.hidden.entry(path).or_default().insert(name);
        }
        for (path, source) in &fold.paths {
            let Some(attribute) = ty.attributes.get(path).filter(|a| agreed(a)) else { continue };
            self.covered.insert(path);
            if fold.whole || !fold.element {
                self.whole.insert(path);
            }
            let found = find_in(sight, std::slice::from_ref(source), attribute);
            if fold.whole && !matches!(attribute.kind, Kind::Set(_) | Kind::List(_)) {
                // names alone: what they hold is declared elsewhere, that there is nothing else is said here
                self.say(path, Value::Null, origin, Rank::Split, true);
                continue;
            }
            let value = match found {
                Found::Unsaid => continue,
                Found::NoBlock | Found::Empty if attribute.empty_unsaid => continue,
                Found::NoBlock | Found::Empty => Value::Null,
                Found::Value(raw) => normal::normalise(attribute, raw, Side::Source(Some(source)), &self.own),
            };
            self.say(path, value, origin, Rank::Split, fold.element || fold.whole);
        }
    }

    fn finish(self) -> Baseline {
        let mut baseline = Baseline { origins: self.origins, ignored: self.ignored, ..Baseline::default() };
        for (path, mut said) in self.said {
            let Some(attribute) = self.ty.attributes.get(path) else { continue };
            if self.covered.contains(path) && !attribute.joins {
                said.retain(|s| s.rank != Rank::Inline);
            }
            if let (Some(hidden), Some(key)) = (self.hidden.get(path), &attribute.key) {
                said.iter_mut()
                    .filter(|s| s.rank == Rank::Inline)
                    .for_each(|s| s.value = without(s.value.take(), key, hidden));
            }
            said.sort_by_key(|s| s.rank);
            let Some(first) = said.first() else { continue };
            let (origin, approved) = (first.origin, first.rank == Rank::Approved);
            baseline.ignored.extend(first.lacks.iter().map(|field| format!("{path}.{field}")));
            if first.element && !self.itself && !self.whole.contains(path) {
                baseline.partial.insert(path.to_owned());
            }
            let value = if first.element && !approved {
                let all = said.iter().filter(|s| s.element).flat_map(|s| match &s.value {
                    Value::Array(a) => a.clone(),
                    Value::Null => Vec::new(),
                    one => vec![one.clone()],
                });
                normal::normalise(attribute, Value::Array(all.collect()), Side::Canonical, &self.own)
            } else {
                let value = first.value.clone();
                if let Some(other) = said.iter().skip(1).find(|s| s.value != value && s.rank == first.rank) {
                    let name = |i: usize| baseline.origins.get(i).map_or("", |o| o.source.as_str());
                    let sentence =
                        format!("`{}` and `{}` disagree; the first counts", name(origin), name(other.origin));
                    baseline.conflicts.insert(path.to_owned(), sentence);
                }
                value
            };
            if attribute.secret.is_some() && in_clear(&value) {
                continue;
            }
            baseline.attributes.insert(path.to_owned(), Declared { value, origin });
        }
        baseline
    }
}

/// Whether a state's value of this attribute was agreed at all.
fn agreed(attribute: &Attribute) -> bool {
    attribute.uncompared.is_none() && !attribute.owned_by_aws
}

/// Blocks without those of these keys.
fn without(blocks: Value, key: &str, hidden: &BTreeSet<String>) -> Value {
    let Value::Array(mut blocks) = blocks else { return blocks };
    blocks.retain(|b| !hidden.contains(&scalar_text(&lookup(b, key).into_value())));
    if blocks.is_empty() { Value::Null } else { Value::Array(blocks) }
}

fn find_in(sight: &InstanceSight, places: &[Source], attribute: &Attribute) -> Found {
    find(places, sight.item(), matches!(attribute.kind, Kind::Map(_)))
}

/// A secret that nobody hashed is not compared, and never kept.
fn in_clear(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => members.values().any(|v| !v.is_null() && hashed(v).is_none()),
        other => hashed(other).is_none(),
    }
}
