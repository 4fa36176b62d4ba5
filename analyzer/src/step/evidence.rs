//! What lists and listings prove. A list is a manifest or an empty listing; a listing proves only what was durable before
//! it began, which its `after_offset` says without any clock.

use std::collections::BTreeSet;

use driftline_model::Scope;
use serde::de::DeserializeOwned;

use super::{Refusal, Work};
use crate::state::{
    Account, Evidence, Group, GroupKey, Kept, Listed, Order, Round, Rounds, ScopeMark, Seen, StateError, names,
};

/// The newest lists of a scope.
pub(crate) struct Lists {
    manifest: Option<(Order, Order, BTreeSet<String>)>,
    empty: Option<Order>,
}

impl Lists {
    pub(crate) fn load(work: &Work<'_>, scope: &Scope) -> Result<Self, Refusal> {
        let mark = work.scope(scope)?;
        let manifest = match mark.whole() {
            Some((parts, low, high)) => Some((low, high, super::observe::ids(work, scope, parts)?)),
            None => None,
        };
        Ok(Self { manifest, empty: mark.empty() })
    }

    /// Whether the newest list holds an id, and the order of that list.
    pub(crate) fn says(&self, id: &str) -> Option<(bool, Order)> {
        match (&self.manifest, self.empty) {
            (Some((_, high, ids)), empty) if empty.is_none_or(|e| e < *high) => Some((ids.contains(id), *high)),
            (_, empty) => empty.map(|e| (false, e)),
        }
    }

    /// The order of the newest list, where it should hold an id seen at `order` and does not.
    pub(crate) fn leaves_out(&self, id: &str, order: Order) -> Option<Order> {
        let (holds, newest) = self.says(id)?;
        let low = self.manifest.as_ref().filter(|(_, high, _)| *high == newest).map_or(newest, |(low, ..)| *low);
        (order < low && !holds).then_some(newest)
    }
}

impl ScopeMark {
    /// Whether a sighting that `list` leaves out is gone: a complete listing that began after the sighting was durable
    /// confirms that list. Without it a resource that was made while a listing ran would flap.
    pub(crate) fn gone(&self, seen: &Seen, list: Order) -> bool {
        self.listings.iter().any(|l| l.order >= list && l.after_offset >= seen.offset)
    }

    /// Since when lists say nothing of an id any more; `Err` while they hold it.
    pub(crate) fn dropped(&self, listed: Option<Listed>) -> Result<Option<Order>, ()> {
        match listed {
            // From the first of the empty listings on: each of them proves that it is not there.
            Some(l) if l.held => {
                let empty = self.listings.iter().take_while(|e| e.empty && e.order > l.order);
                empty.last().map(|e| Some(e.order)).ok_or(())
            }
            other => Ok(other.map(|l| l.order)),
        }
    }

    /// Whether it is proven, twice, that an id agreed at `offset` and last known at `since` is not there.
    pub(crate) fn absent(&self, id: &str, offset: i64, since: Option<Order>) -> bool {
        let counts = |l: &&Evidence| l.after_offset > offset && since.is_none_or(|t| l.order >= t);
        let mut counted = self.listings.iter().filter(counts).peekable();
        let looked_up = counted.peek().is_some_and(|l| l.not_found.iter().any(|n| n == id));
        looked_up || counted.count() >= 2
    }
}

impl Work<'_> {
    pub(crate) fn group(&self, key: &GroupKey) -> Result<Group, StateError> {
        Ok(self.state.load(&names::group(key))?.unwrap_or_default())
    }

    pub(crate) fn save_group(&mut self, key: &GroupKey, group: &Group) -> Result<(), StateError> {
        if *group == Group::default() {
            self.state.remove(names::group(key));
            return Ok(());
        }
        self.state.save(names::group(key), group)
    }

    pub(crate) fn epoch(&self, account: &str) -> Result<i64, StateError> {
        let known: Option<Account> = self.state.load(&names::account(account))?;
        Ok(known.unwrap_or_default().epoch)
    }

    pub(crate) fn rounds(&self, account: &str) -> Result<Rounds, StateError> {
        Ok(self.state.load(&names::rounds(account))?.unwrap_or_default())
    }

    /// What is known of a scope. One that no cycle has listed was complete and empty in the rounds that cover it.
    pub(crate) fn scope(&self, scope: &Scope) -> Result<ScopeMark, StateError> {
        if let Some(mark) = self.state.load(&names::scope(scope))? {
            return Ok(mark);
        }
        let mut mark = ScopeMark::default();
        for round in self.rounds(&scope.account)?.last.iter().filter(|r| r.covers(scope)) {
            mark.prove(round.evidence());
        }
        Ok(mark)
    }

    /// Keeps the number of live resources of a scope, so that an empty listing costs nothing where nothing is known.
    pub(crate) fn count(
        &mut self,
        scope: &Scope,
        before: Option<&Seen>,
        after: Option<&Seen>,
    ) -> Result<(), StateError> {
        let (before, after) = (before.is_some_and(Seen::counted), after.is_some_and(Seen::counted));
        if before == after {
            return Ok(());
        }
        let mut mark = self.scope(scope)?;
        mark.live = if after { mark.live + 1 } else { mark.live.saturating_sub(1) };
        self.state.save(names::scope(scope), &mark)
    }

    /// The order of the newest list, where it should hold this id and does not.
    pub(crate) fn unlisted(&self, scope: &Scope, id: &str, order: Order) -> Result<Option<Order>, Refusal> {
        let mark = self.scope(scope)?;
        let newest = mark.whole().map(|(_, _, high)| high).max(mark.empty());
        // Nearly always: a snapshot comes after the lists before it. Only a late one is looked up.
        if newest.is_none_or(|n| n <= order) {
            return Ok(None);
        }
        Ok(Lists::load(self, scope)?.leaves_out(id, order))
    }

    /// The body of a key's winner; `None` where there is none or it is a tombstone.
    pub(crate) fn kept_body<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let Some(value) = Kept::load(self.state, name)?.and_then(|k| k.value) else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|e| StateError(format!("kept record of {name}: {e}")))
    }
}

impl Round {
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence { order: self.order, after_offset: self.after_offset, empty: true, not_found: Vec::new() }
    }
}
