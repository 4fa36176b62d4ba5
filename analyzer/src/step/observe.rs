//! What agents say of resources: snapshots, tombstones, manifests, account facts.

use std::collections::BTreeSet;

use driftline_model::record::{AccountFacts, Manifest};
use driftline_model::{ResourceKey, Scope, Snapshot};

use super::admit::Admission;
use super::evidence::Lists;
use super::input::Input;
use super::{Refusal, Work};
use crate::state::{Group, GroupKey, ManifestMark, Seen, names};

/// A snapshot or its tombstone.
pub(crate) fn snapshot(work: &mut Work<'_>, input: &Input<'_>, key: &ResourceKey) -> Result<(), Refusal> {
    if input.record.value.is_some() {
        let body: Snapshot = input.body()?;
        if body.key != *key {
            return Err(Refusal::Poison(format!("body is of {}", body.key)));
        }
    }
    let name = GroupKey::of(key);
    let mut group = work.group(&name)?;
    let before = group.seen.get(&key.region).cloned();
    match work.admit(input, before.as_ref().map(|s| s.order))? {
        Admission::New => {}
        Admission::Repeat => {
            // What compaction leaves of the two is the later one, and so is what a rebuilt state knows.
            if let Some(seen) = group.seen.get_mut(&key.region) {
                seen.offset = seen.offset.max(input.record.offset);
                work.save_group(&name, &group)?;
            }
            return Ok(());
        }
        Admission::Older | Admission::Fenced => return Ok(()),
    }
    input.keep(work.state)?;
    let order = input.ordered()?;
    let scope = key.scope();
    let live = input.record.value.is_some();
    let unlisted = if live { work.unlisted(&scope, &key.id, order)? } else { None };
    let seen = Seen { order, offset: input.record.offset, hash: input.hash(), live, unlisted };
    work.count(&scope, before.as_ref(), Some(&seen))?;
    let same = before.is_some_and(|b| b.counted() && seen.counted() && b.hash == seen.hash);
    if live {
        group.listed.remove(&key.region);
    }
    group.seen.insert(key.region.clone(), seen);
    if same { Ok(work.save_group(&name, &group)?) } else { work.decide(&name, group) }
}

/// One part of a manifest; with the last one, what it leaves out is known.
pub(crate) fn manifest(work: &mut Work<'_>, input: &Input<'_>, scope: &Scope, part: u32) -> Result<(), Refusal> {
    let body: Option<Manifest> = input.record.value.is_some().then(|| input.body()).transpose()?;
    if body.as_ref().is_some_and(|b| part >= b.parts) {
        return Err(Refusal::Poison("part beyond the manifest's own number of parts".to_owned()));
    }
    if work.register(input)? != Admission::New {
        return Ok(());
    }
    let order = input.ordered()?;
    let mut mark = work.scope(scope)?;
    match body {
        Some(b) => mark.manifest.insert(part, ManifestMark { order, digest: b.digest, parts: b.parts }),
        None => mark.manifest.remove(&part),
    };
    let whole = mark.whole().is_some();
    work.state.save(names::scope(scope), &mark)?;
    if whole { sweep(work, scope) } else { Ok(()) }
}

/// Looks at all resources of a scope again, since its newest list changed.
pub(crate) fn sweep(work: &mut Work<'_>, scope: &Scope) -> Result<(), Refusal> {
    let lists = Lists::load(work, scope)?;
    let fence = work.epoch(&scope.account)?;
    for name in work.state.keys(&names::groups(&scope.account, &scope.kind))? {
        let Some(key) = names::read_group(&name) else { continue };
        let mut group = work.group(&key)?;
        match group.seen.get(&scope.region) {
            Some(seen) if seen.live => {
                let unlisted = lists.leaves_out(&key.id, seen.order);
                if unlisted != seen.unlisted {
                    relist(work, scope, &key, group, unlisted)?;
                }
            }
            _ if group.is_agreed(&scope.region) => {
                let Some((holds, order)) = lists.says(&key.id) else { continue };
                let before = group.clone();
                if group.note(&scope.region, holds, order) {
                    work.decide(&key, group)?;
                } else if group != before {
                    work.save_group(&key, &group)?;
                }
            }
            // The fence alone keeps old agents from bringing it back; nothing else asks for it.
            Some(seen) if seen.order.epoch < fence && group.parts.is_empty() && group.open.is_empty() => {
                group.seen.remove(&scope.region);
                work.state.remove(names::kept(&format!("s/{}", key.resource(&scope.region))));
                work.save_group(&key, &group)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn relist(
    work: &mut Work<'_>,
    scope: &Scope,
    key: &GroupKey,
    mut group: Group,
    unlisted: Option<crate::state::Order>,
) -> Result<(), Refusal> {
    if let Some(seen) = group.seen.get_mut(&scope.region) {
        let before = seen.clone();
        seen.unlisted = unlisted;
        let after = seen.clone();
        work.count(scope, Some(&before), Some(&after))?;
    }
    work.decide(key, group)
}

/// Account facts: remembered, so that the winner can be told from the late.
pub(crate) fn account(work: &mut Work<'_>, input: &Input<'_>) -> Result<(), Refusal> {
    if input.record.value.is_some() {
        let _: AccountFacts = input.body()?;
    }
    work.register(input).map(|_| ())
}

/// The ids of a whole manifest.
pub(crate) fn ids(work: &Work<'_>, scope: &Scope, parts: u32) -> Result<BTreeSet<String>, Refusal> {
    let mut ids = BTreeSet::new();
    for part in 0..parts {
        let name = driftline_model::record::InputKey::Manifest(scope.clone(), part).encode();
        if let Some(body) = work.kept_body::<Manifest>(&name)? {
            ids.extend(body.ids);
        }
    }
    Ok(ids)
}
