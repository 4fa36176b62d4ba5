//! Parts of several sources -> all that is said of each resource, in an order that does not depend on who was read first.

use std::collections::BTreeMap;

use driftline_baseline::{Import, Skipped, UNPLACED};
use driftline_model::ResourceKey;
use driftline_model::fold::APPROVED;
use driftline_model::record::{InputKey, Part};

/// All parts by resource.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    /// Parts of each resource, approved ones first, then by source.
    pub(crate) parts: BTreeMap<ResourceKey, Vec<Part>>,
    /// Parts whose region nobody knows, and which fit none or several of the known resources.
    pub(crate) unplaced: Vec<Skipped>,
}

/// Joins what several sources say. A part without a region goes to the one resource of its account, type and id among
/// `known` (those observed) and the other parts; where that is none or several, it is reported instead.
pub(crate) fn join<'a>(
    imports: impl IntoIterator<Item = Import>,
    known: impl IntoIterator<Item = &'a ResourceKey>,
) -> Joined {
    let mut joined = Joined::default();
    let mut open = Vec::new();
    for import in imports {
        for (key, part) in import.parts {
            match key {
                InputKey::Part(key, _) if key.region == UNPLACED => open.push((key, part)),
                InputKey::Part(key, _) => joined.parts.entry(key).or_default().push(part),
                _ => {}
            }
        }
    }
    if !open.is_empty() {
        joined.place(open, known);
    }
    for parts in joined.parts.values_mut() {
        parts.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    joined.unplaced.sort();
    joined
}

impl Joined {
    fn place<'a>(&mut self, open: Vec<(ResourceKey, Part)>, known: impl IntoIterator<Item = &'a ResourceKey>) {
        let mut regions: BTreeMap<(String, String, String), Vec<String>> =
            open.iter().map(|(k, _)| (identity(k), Vec::new())).collect();
        let mut see = |key: &ResourceKey| {
            if let Some(regions) = regions.get_mut(&identity(key))
                && !regions.contains(&key.region)
            {
                regions.push(key.region.clone());
            }
        };
        known.into_iter().for_each(&mut see);
        self.parts.keys().for_each(&mut see);
        for (key, part) in open {
            let found = regions.get(&identity(&key)).map_or(&[] as &[String], Vec::as_slice);
            if let [region] = found {
                let key = ResourceKey { region: region.clone(), ..key };
                self.parts.entry(key).or_default().push(part);
                continue;
            }
            let many = if found.is_empty() { "no resource" } else { "several resources" };
            let reason = format!(
                "its region is not known, and {many} of its account and type have this id: add `@ACCOUNT/REGION`"
            );
            self.unplaced.push(Skipped { address: part.origin.address, reason });
        }
    }
}

fn identity(key: &ResourceKey) -> (String, String, String) {
    (key.account.clone(), key.kind.clone(), key.id.clone())
}

/// As in folding: what was approved outranks all else, then the name of the source decides.
fn order(part: &Part) -> (bool, &str, &str) {
    (part.origin.origin != APPROVED, &part.origin.source, &part.origin.address)
}
