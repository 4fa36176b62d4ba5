//! Looking resources up by their ids: the second proof that they are gone, or that a listing left them out.

use std::sync::Arc;

use driftline_model::Scope;
use driftline_model::catalogue::Type;
use futures::stream::{self, StreamExt};

use super::calls::Calls;
use super::{Collector, Target, scope};
use crate::seen::LookedUp;

/// Look-ups under way at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Looks resources of one account up. Types that can't be asked for one id are listed once more, once for all look-ups.
pub struct LookUps<'a> {
    collector: &'a Collector,
    target: &'a Target,
    calls: Calls,
}

impl Collector {
    /// For looking resources of an account up one by one; none for an account that is not read.
    pub fn look_ups(&self, account: &str) -> Option<LookUps<'_>> {
        let target = self.targets.get(account)?;
        Some(LookUps { collector: self, target, calls: Calls::new(self.client.clone(), target) })
    }
}

impl LookUps<'_> {
    /// Looks one resource up.
    pub async fn find(&self, region: &str, kind: &str, id: &str) -> LookedUp {
        let Some(kind) = self.collector.catalogue.get(kind) else {
            return LookedUp::Unknown(format!("type {kind} is not in the catalogue"));
        };
        self.reader(kind, region).look_up(id).await
    }

    /// Looks up several of a scope. Where one can't be, the rest is not asked for: it would go the same way, and slowly.
    pub(crate) async fn find_all(&self, scope: &Scope, ids: &[String]) -> Vec<(String, LookedUp)> {
        let mut found = Vec::new();
        for some in ids.chunks(SIDE_BY_SIDE) {
            let asked = some.iter().cloned().map(|id| async move {
                let answer = self.find(&scope.region, &scope.kind, &id).await;
                (id, answer)
            });
            found.extend(stream::iter(asked).buffered(SIDE_BY_SIDE).collect::<Vec<_>>().await);
            if found.iter().any(|(_, answer)| matches!(answer, LookedUp::Unknown(_))) {
                break;
            }
        }
        found
    }

    fn reader(&self, kind: &Arc<Type>, region: &str) -> scope::Reader<'_> {
        scope::Reader {
            calls: &self.calls,
            kind: Arc::clone(kind),
            scope: Scope { account: self.target.account.clone(), region: region.into(), kind: kind.name.clone() },
            target: self.target,
            secret: &self.collector.secret,
            began_ms: (self.collector.clock)(),
            after_offset: -1,
        }
    }
}
