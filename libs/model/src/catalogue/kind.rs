//! One resource type: what a catalogue file says, checked and ready to use.

use std::collections::BTreeMap;

use super::attribute::Attribute;
use super::read::Read;
use crate::expr::{Condition, Expr, Template};
use crate::transform::Transform;

/// Whether a type is listed per region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In each enabled region.
    Regional,
    /// Once per account; the key's region is `global`.
    Global,
}

/// A resource that nobody has to declare, or that is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Conditions on item and answers; all must hold.
    pub when: Vec<Condition>,
    /// Of an owner: `aws`, `default`, `shared`, a service. Of a skip: the reason.
    pub word: String,
}

/// Where an attribute stands in a source's instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Path in the instance; empty: the instance itself is one element.
    pub path: String,
    /// Fields of a block that have another path there.
    pub fields: BTreeMap<String, String>,
    /// Transforms after the path.
    pub transforms: Vec<Transform>,
    /// Its blocks are in the API's shape, not in Terraform's.
    pub api: bool,
    /// Fields of its blocks that this shape can't hold, whatever is live: never declared by it.
    pub lacks: Vec<String>,
}

impl Source {
    /// Reads `path|transform`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = text.split('|');
        let path = pieces.next().unwrap_or_default().trim().to_owned();
        let transforms = pieces.map(|t| Transform::parse(t.trim())).collect::<Result<_, _>>()?;
        Ok(Self { path, transforms, ..Self::default() })
    }
}

/// A Terraform type that declares part of this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// Terraform's name of it; the type's own name for another inline shape.
    pub kind: String,
    /// Ids of the parents; in an inline shape none.
    pub parents: Vec<Parents>,
    /// Conditions on the instance's attributes without which this entry doesn't apply.
    pub when: Vec<Condition>,
    /// Canonical attribute to its place in the instance.
    pub paths: BTreeMap<String, Source>,
    /// It adds elements to lists and sets, and says nothing of the others' elements.
    pub element: bool,
    /// Keyed blocks of which it declares the one with its key elsewhere: the parent's copy of that one is ignored.
    pub hides: Vec<String>,
    /// It only says that the lists hold nothing but what is declared (`_exclusive`).
    pub whole: bool,
}

/// Which parents an instance names.
#[derive(Debug, Clone, PartialEq)]
pub enum Parents {
    /// One, by its id.
    One(Template),
    /// One per element.
    Each(Expr),
}

/// What is known of one resource type.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// Terraform's name.
    pub name: String,
    /// Other names of the same: `aws_default_security_group`, renamed types.
    pub aliases: Vec<String>,
    /// CloudFormation's name.
    pub cloudformation: Option<String>,
    /// AWS's name of the service, as in the limiter's and endpoints' tables: `ec2`.
    pub service: String,
    /// Listed per region or once.
    pub scope: Scope,
    /// The id, from the listing's item and the answers.
    pub id: Template,
    /// The ARN, from the same and the id.
    pub arn: Option<Template>,
    /// The id, from a Terraform instance's attributes; the first that comes out whole.
    pub terraform_id: Vec<Template>,
    /// How it is read.
    pub read: Read,
    /// By canonical path.
    pub attributes: BTreeMap<String, Attribute>,
    /// What declares parts of it.
    pub folds: Vec<Fold>,
    /// Who owns resources that nobody declares; the first that holds.
    pub owners: Vec<Rule>,
    /// Items that are no resource of this type.
    pub skips: Vec<Rule>,
    /// What travels with the snapshot: name to where it is read.
    pub relations: BTreeMap<String, Expr>,
    /// Settable attributes that are not compared, with the reason; a path covers what is below it.
    pub excluded: BTreeMap<String, String>,
    /// What changes and breaches mean, as `libs/assess` reads it; here only carried.
    pub judgement: serde_json::Value,
    /// Hash of the file.
    pub revision: String,
}

/// What becomes of a settable path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status<'a> {
    /// Compared as (part of) this attribute.
    Compared(&'a str),
    /// Observed or left out, for this reason.
    Excluded(&'a str),
    /// The catalogue doesn't know it.
    Unknown,
}

impl Type {
    /// Whether instances of this Terraform type are the resource itself.
    pub fn is(&self, kind: &str) -> bool {
        self.name == kind || self.aliases.iter().any(|a| a == kind)
    }

    /// The attribute that a path belongs to, and what follows below it: a tag's key, a block's field.
    pub fn attribute<'p>(&self, path: &'p str) -> Option<(&Attribute, &'p str)> {
        if let Some(attribute) = self.attributes.get(path) {
            return Some((attribute, ""));
        }
        let cuts = path.char_indices().filter(|(_, c)| *c == '.').map(|(i, _)| i);
        cuts.rev().find_map(|i| Some((self.attributes.get(&path[..i])?, &path[i + 1..])))
    }

    /// What becomes of a path of Terraform's own type or of the folded form.
    pub fn status<'a>(&'a self, path: &'a str) -> Status<'a> {
        if let Some((attribute, rest)) = self.attribute(path) {
            let own = rest.is_empty() || covers(attribute, rest);
            return match &attribute.uncompared {
                Some(reason) if own => Status::Excluded(reason),
                None if own => Status::Compared(&attribute.path),
                _ => self.exclusion(path),
            };
        }
        let below = self.attributes.values().find(|a| starts(&a.path, path));
        let alternative = || {
            let inline = self.folds.iter().filter(|f| self.is(&f.kind));
            let sources = inline
                .flat_map(|f| f.paths.iter())
                .filter(|(_, s)| s.path == path || starts(path, &s.path) || starts(&s.path, path));
            let named =
                self.attributes.values().find(|a| a.terraform.iter().any(|t| t.path == path || starts(&t.path, path)));
            named.map(|a| a.path.as_str()).or_else(|| sources.map(|(p, _)| p.as_str()).next())
        };
        match below.map(|a| a.path.as_str()).or_else(alternative) {
            Some(found) => Status::Compared(found),
            None => self.exclusion(path),
        }
    }

    fn exclusion(&self, path: &str) -> Status<'_> {
        let found = self.excluded.iter().find(|(p, _)| *p == path || starts(path, p));
        found.map_or(Status::Unknown, |(_, reason)| Status::Excluded(reason))
    }
}

/// Whether `path` lies below `block`.
pub(crate) fn starts(path: &str, block: &str) -> bool {
    path.strip_prefix(block).is_some_and(|rest| rest.starts_with('.'))
}

fn covers(attribute: &Attribute, rest: &str) -> bool {
    use super::attribute::Kind;
    match attribute.kind {
        Kind::Map(_) | Kind::Policy | Kind::Json | Kind::Rules => true,
        Kind::Blocks | Kind::BlockList => attribute.fields.iter().any(|(name, field)| {
            let below = |place: &str| {
                rest.strip_prefix(place).and_then(|r| r.strip_prefix('.')).is_some_and(|r| covers(field, r))
            };
            let at = |place: &Source| {
                place.path == rest
                    || starts(&place.path, rest)
                    || below(&place.path)
                    || !place.transforms.is_empty() && starts(rest, &place.path)
            };
            name == rest || starts(name, rest) || below(name) || field.terraform.iter().any(at)
        }),
        Kind::Scalar(_) | Kind::Set(_) | Kind::List(_) => false,
    }
}
