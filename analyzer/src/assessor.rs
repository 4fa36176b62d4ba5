//! The judge of production: folds parts by the catalogue, compares, assesses, honours `.driftignore`.

use std::borrow::Cow;
use std::sync::Arc;

use driftline_assess::Assessor;
use driftline_assess::judge::Context;
use driftline_model::catalogue::{Catalogue, Type};
use driftline_model::driftignore::DriftIgnore;
use driftline_model::fold::fold;
use driftline_model::record::Part;
use driftline_model::{ResourceKey, Snapshot};

use crate::judge::{Judge, Judged, Sight};

/// The catalogue and its rules as a judge.
pub struct CatalogueJudge {
    catalogue: Arc<Catalogue>,
    assessor: Assessor,
    ignore: Option<DriftIgnore>,
    revision: String,
}

impl CatalogueJudge {
    /// Fails where the catalogue's rules don't hold together. `ignore` is the text of a `.driftignore`.
    pub fn new(
        catalogue: Arc<Catalogue>,
        ignore: Option<(&str, DriftIgnore)>,
    ) -> Result<Self, driftline_assess::rules::Error> {
        let assessor = Assessor::new(&catalogue)?;
        let text = ignore.as_ref().map_or("", |(text, _)| text);
        // What is ignored is part of every answer, and so is the version of the code that answers.
        let revision =
            blake3::hash(format!("{} {} {text}", catalogue.revision(), env!("CARGO_PKG_VERSION")).as_bytes());
        let revision = revision.to_hex()[..16].to_owned();
        Ok(Self { catalogue, assessor, ignore: ignore.map(|(_, rules)| rules), revision })
    }

    fn ignored(&self, key: &ResourceKey, path: &str) -> bool {
        self.ignore.as_ref().is_some_and(|rules| rules.rule(key, path).is_some())
    }
}

impl Judge for CatalogueJudge {
    fn revision(&self) -> &str {
        &self.revision
    }

    fn judge(&self, key: &ResourceKey, sight: Sight<'_>, parts: &[Part]) -> Judged {
        let Some(of) = self.catalogue.get(&key.kind) else {
            // A newer agent's type: nothing can be said of it.
            let all = vec![String::new()];
            return Judged { unknown: all.clone(), declared: all, ..Judged::default() };
        };
        let baseline = (!parts.is_empty()).then(|| fold(of, parts));
        let mut judged = Judged::default();
        if let Some(baseline) = &baseline {
            judged.declared = baseline.attributes.keys().cloned().collect();
        }
        match (sight, &baseline) {
            (Sight::Seen(snapshot), _) => {
                let snapshot = as_known(of, snapshot);
                let found = self.assessor.judge(of, key, Some(&snapshot), baseline.as_ref(), &Context::default());
                (judged.drifts, judged.findings) = (found.drifts, found.findings);
                judged.unknown = found.unknown.into_keys().collect();
            }
            (Sight::Moved(snapshot), Some(baseline)) => {
                judged.drifts.push(self.assessor.moved(key, baseline, &snapshot.key.region));
            }
            (Sight::Gone, Some(baseline)) => judged.drifts.push(self.assessor.missing(key, baseline)),
            (Sight::Gone | Sight::Moved(_), None) => {}
        }
        judged.drifts.retain(|d| !self.ignored(key, &d.path));
        judged.findings.retain(|f| !self.ignored(key, &f.path));
        judged
    }
}

/// A snapshot as this catalogue can read it. One of another revision may lack a path because it did not know it: that is
/// unread, not absent.
fn as_known<'a>(of: &Type, snapshot: &'a Snapshot) -> Cow<'a, Snapshot> {
    if snapshot.revision == of.revision {
        return Cow::Borrowed(snapshot);
    }
    let mut known = snapshot.clone();
    for path in of.attributes.keys().filter(|p| !snapshot.attributes.contains_key(*p)) {
        let why = || "observed with another version of the catalogue".to_owned();
        known.unread.entry(path.clone()).or_insert_with(why);
    }
    Cow::Owned(known)
}
