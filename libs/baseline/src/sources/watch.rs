//! Which sources changed since they were last imported. Holds versions only; when to look is the caller's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, Version};

/// The versions that were imported, by source name.
#[derive(Debug, Default)]
pub struct Watch {
    imported: BTreeMap<String, Version>,
}

impl Watch {
    /// Those that are new or other than what was imported.
    pub fn changed<'a>(&self, now: &'a [(Source, Version)]) -> Vec<&'a Source> {
        now.iter().filter(|(s, v)| self.imported.get(&s.name) != Some(v)).map(|(s, _)| s).collect()
    }

    /// Names that were imported and are not there now. Ask only where every location could be listed: what was not seen
    /// is not gone.
    pub fn gone(&self, now: &[(Source, Version)]) -> Vec<&str> {
        let there: BTreeSet<&str> = now.iter().map(|(s, _)| s.name.as_str()).collect();
        self.imported.keys().map(String::as_str).filter(|n| !there.contains(n)).collect()
    }

    /// Notes that this version was imported (or found to be no baseline).
    pub fn imported(&mut self, source: &str, version: Version) {
        self.imported.insert(source.to_owned(), version);
    }

    /// Forgets a source, so that it counts as new when it comes back.
    pub fn forget(&mut self, source: &str) {
        self.imported.remove(source);
    }
}
