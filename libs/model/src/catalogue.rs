//! All that is known of resource types, read from one TOML file per type. `libs/model/catalogue/README.md` is the
//! format's reference.

pub mod attribute;
mod check;
pub mod kind;
mod parse;
pub mod read;
mod reader;
pub mod secure;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use attribute::{Attribute, Change, Kind, Mute, Scalar, Secret};
pub use check::{ModelLookup, check};
pub use kind::{Fold, Parents, Rule, Scope, Source, Status, Type};
pub use read::{Batch, Call, Context, Get, List, One, Read};
pub use reader::{Problem, Problems};
pub use secure::{Ports, Secure, SecureTest};

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The types, by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    types: BTreeMap<String, Arc<Type>>,
    aliases: BTreeMap<String, String>,
    folds: BTreeMap<String, Vec<String>>,
    revision: String,
}

impl Catalogue {
    /// The files that Driftline ships.
    pub fn embedded() -> Result<Self, Problems> {
        Self::with(&[])
    }

    /// The shipped files and the user's (`(name, text)`), which replace or extend types of the same name.
    pub fn with(files: &[(String, String)]) -> Result<Self, Problems> {
        let shipped = EMBEDDED.iter().map(|(n, t)| (*n, *t));
        Self::parse(shipped.chain(files.iter().map(|(n, t)| (n.as_str(), t.as_str()))))
    }

    /// Exactly these files.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Problems> {
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        let (types, mut problems) = parse::types(&files);
        let mut catalogue = Self {
            types: BTreeMap::new(),
            aliases: BTreeMap::new(),
            folds: BTreeMap::new(),
            revision: revision(files.iter().map(|(_, text)| *text)),
        };
        for (file, ty) in types {
            for alias in &ty.aliases {
                if let Some(other) = catalogue.aliases.insert(alias.clone(), ty.name.clone()) {
                    let message = format!("`{alias}` is an alias of `{other}` already");
                    problems.push(Problem { file: file.clone(), line: 1, message });
                }
            }
            for fold in &ty.folds {
                let parents = catalogue.folds.entry(fold.kind.clone()).or_default();
                if !ty.is(&fold.kind) && !parents.contains(&ty.name) {
                    parents.push(ty.name.clone());
                }
            }
            catalogue.types.insert(ty.name.clone(), Arc::new(ty));
        }
        problems.sort();
        if problems.is_empty() { Ok(catalogue) } else { Err(Problems(problems)) }
    }

    /// The type of this name or alias.
    pub fn get(&self, name: &str) -> Option<&Arc<Type>> {
        self.types.get(name).or_else(|| self.types.get(self.aliases.get(name)?))
    }

    /// All types, by name.
    pub fn types(&self) -> impl Iterator<Item = &Arc<Type>> {
        self.types.values()
    }

    /// The types that a Terraform type declares parts of (`aws_iam_policy_attachment`: role, user).
    pub fn parents_of_kind(&self, kind: &str) -> impl Iterator<Item = &Arc<Type>> {
        self.folds.get(kind).into_iter().flatten().filter_map(|name| self.types.get(name))
    }

    /// Hash of all files.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

/// Hash of texts, 16 hex digits.
fn revision<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
