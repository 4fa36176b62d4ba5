//! Baseline parts by the resource that they are of. A part of unknown region belongs to the one resource of that account,
//! type and id, if there is one.

use std::collections::BTreeMap;

use driftline_baseline::UNPLACED;
use driftline_model::ResourceKey;
use driftline_model::record::{InputKey, Part};

/// What was agreed, by resource and source.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    parts: BTreeMap<ResourceKey, BTreeMap<String, Part>>,
}

impl Agreed {
    /// Adds an import's parts.
    pub(crate) fn add(&mut self, parts: Vec<(InputKey, Part)>) {
        for (key, part) in parts {
            if let InputKey::Part(key, source) = key {
                self.parts.entry(key).or_default().insert(source, part);
            }
        }
    }

    /// Every resource that was agreed; the region may be unknown.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.parts.keys()
    }

    /// The parts under exactly this key.
    pub(crate) fn parts(&self, key: &ResourceKey) -> Vec<Part> {
        self.parts.get(key).into_iter().flat_map(|p| p.values().cloned()).collect()
    }

    /// What was agreed of an observed resource, in the order of the sources; and the region where it was agreed, if that is
    /// another one and nothing was agreed here.
    pub(crate) fn of(&self, key: &ResourceKey) -> (Vec<Part>, Option<String>) {
        let unplaced = ResourceKey { region: UNPLACED.to_owned(), ..key.clone() };
        let mut found: BTreeMap<&String, &Part> = self.parts.get(key).into_iter().flatten().collect();
        found.extend(self.parts.get(&unplaced).into_iter().flatten());
        if !found.is_empty() {
            return (found.into_values().cloned().collect(), None);
        }
        let elsewhere = self.parts.iter().find(|(k, _)| {
            k.account == key.account && k.kind == key.kind && k.id == key.id && k.region != key.region
        });
        match elsewhere {
            Some((k, parts)) => (parts.values().cloned().collect(), Some(k.region.clone())),
            None => (Vec::new(), None),
        }
    }
}
