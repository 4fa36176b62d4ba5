//! The judge of production: folds parts by the catalogue, compares, assesses, honours `.driftignore`.

use std::sync::Arc;

use driftline_assess::Assessor;
use driftline_assess::judge::Context;
use driftline_model::catalogue::Catalogue;
use driftline_model::driftignore::DriftIgnore;
use driftline_model::fold::fold;
use driftline_model::record::Part;
use driftline_model::{ResourceKey, diff};

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
            return Judged { unknown: vec![String::new()], ..Judged::default() };
        };
        let baseline = (!parts.is_empty()).then(|| fold(of, parts));
        let mut judged = Judged::default();
        if let Some(baseline) = &baseline {
            judged.declared = baseline.attributes.keys().cloned().collect();
        }
        match (sight, &baseline) {
            (Sight::Seen(snapshot) | Sight::Moved(snapshot), _) => {
                let found = self.assessor.judge(of, key, Some(snapshot), baseline.as_ref(), &Context::default());
                (judged.drifts, judged.findings) = (found.drifts, found.findings);
                judged.unknown = snapshot.unread.keys().cloned().collect();
                if let Some(baseline) = &baseline {
                    judged.unknown.extend(diff::examine(of, snapshot, baseline).unknown.into_keys());
                    if matches!(sight, Sight::Moved(_)) {
                        judged.drifts.push(self.assessor.moved(key, baseline, &snapshot.key.region));
                    }
                }
            }
            (Sight::Gone, Some(baseline)) => judged.drifts.push(self.assessor.missing(key, baseline)),
            (Sight::Gone, None) => {}
        }
        judged.drifts.retain(|d| !self.ignored(key, &d.path));
        judged.findings.retain(|f| !self.ignored(key, &f.path));
        judged
    }
}
