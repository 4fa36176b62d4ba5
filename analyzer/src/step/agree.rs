//! What sources agree on: parts of baselines, and the lists of keys that say which of them still stand.

use std::collections::BTreeSet;

use driftline_model::ResourceKey;
use driftline_model::record::{InputKey, Keys, Part};

use super::evidence::Lists;
use super::input::Input;
use super::{Effect, Pass, Refusal, Work};
use crate::state::{Group, GroupKey, Kept, ListMark, PartMark, SourceMark, UNKNOWN_REGION, names};

/// Whether a record of (lineage, serial) is below what is known: a lower serial of the same lineage. Sources without a
/// lineage are ordered by offset, as they are read.
fn lower(lineage: &str, serial: u64, known: (&str, u64)) -> bool {
    !lineage.is_empty() && lineage == known.0 && serial < known.1
}

/// A source's part of a baseline, or its tombstone.
pub(crate) fn part(work: &mut Work<'_>, input: &Input<'_>, key: &ResourceKey, source: &str) -> Result<(), Refusal> {
    let body: Option<Part> = input.record.value.is_some().then(|| input.body()).transpose()?;
    let name = GroupKey::of(key);
    let mut group = work.group(&name)?;
    let before = group.parts.get(&key.region).and_then(|s| s.get(source)).cloned();
    let Some(body) = body else {
        let Some(mark) = before else { return Ok(()) };
        input.keep(work.state)?;
        let mark = PartMark { live: false, offset: input.record.offset, ..mark };
        group.parts.entry(key.region.clone()).or_default().insert(source.to_owned(), mark);
        return work.decide(&name, group);
    };
    let list = work.list(&key.account, source)?;
    let old = before.as_ref().is_some_and(|b| lower(&body.lineage, body.serial, (&b.lineage, b.serial)));
    let dropped = match list.whole() {
        Some(l) if lower(&body.lineage, body.serial, (&l.lineage, l.serial)) => {
            !keys_of(work, &key.account, source, l.parts)?.contains(input.name)
        }
        _ => false,
    };
    if old || dropped {
        // What its source no longer lists must not come back by way of its own winner.
        return work.restore_agreed(input, !dropped);
    }
    input.keep(work.state)?;
    work.state.put(names::published(&key.account, source, input.name), Vec::new());
    let (offset, lineage, serial) = (input.record.offset, body.lineage, body.serial);
    let mark = PartMark { offset, lineage, serial, live: true, unlisted: false };
    let known = group.is_agreed(&key.region);
    group.parts.entry(key.region.clone()).or_default().insert(source.to_owned(), mark);
    if !known {
        work.consult(&name, &mut group, &key.region)?;
    }
    work.decide(&name, group)
}

/// One part of a source's list of keys; with the last one, what left the list is known.
pub(crate) fn keys(
    work: &mut Work<'_>,
    input: &Input<'_>,
    account: &str,
    source: &str,
    part: u32,
) -> Result<(), Refusal> {
    let body: Option<Keys> = input.record.value.is_some().then(|| input.body()).transpose()?;
    let mut mark = work.list(account, source)?;
    let Some(body) = body else {
        if mark.lists.remove(&part).is_some() {
            input.keep(work.state)?;
            work.state.save(names::source(account, source), &mark)?;
        }
        return Ok(());
    };
    if part >= body.parts {
        return Err(Refusal::Poison("part beyond the list's own number of parts".to_owned()));
    }
    if mark.lists.get(&part).is_some_and(|k| lower(&body.lineage, body.serial, (&k.lineage, k.serial))) {
        return work.restore_agreed(input, true);
    }
    input.keep(work.state)?;
    let offset = input.record.offset;
    let list = ListMark { lineage: body.lineage, serial: body.serial, parts: body.parts, offset };
    mark.lists.insert(part, list);
    work.state.save(names::source(account, source), &mark)?;
    match mark.whole() {
        Some(list) => prune(work, account, source, &list),
        None => Ok(()),
    }
}

/// Parts that are not in their source's list, and not newer than it, no longer stand.
fn prune(work: &mut Work<'_>, account: &str, source: &str, list: &ListMark) -> Result<(), Refusal> {
    let keys = keys_of(work, account, source, list.parts)?;
    let prefix = names::all_published(account, source);
    for name in work.state.keys(&prefix)? {
        let Ok(encoded) = std::str::from_utf8(&name[prefix.len()..]) else { continue };
        let Some(InputKey::Part(key, _)) = InputKey::decode(encoded) else { continue };
        let group_key = GroupKey::of(&key);
        let mut group = work.group(&group_key)?;
        let Some(mark) = group.parts.get_mut(&key.region).and_then(|s| s.get_mut(source)) else { continue };
        let newer = if mark.lineage == list.lineage && !list.lineage.is_empty() {
            mark.serial > list.serial
        } else {
            mark.offset > list.offset
        };
        let unlisted = !newer && !keys.contains(encoded);
        if unlisted != mark.unlisted {
            mark.unlisted = unlisted;
            work.decide(&group_key, group)?;
        }
    }
    Ok(())
}

fn keys_of(work: &Work<'_>, account: &str, source: &str, parts: u32) -> Result<BTreeSet<String>, Refusal> {
    let mut keys = BTreeSet::new();
    for part in 0..parts {
        let name = InputKey::Keys(account.to_owned(), source.to_owned(), part).encode();
        if let Some(body) = work.kept_body::<Keys>(&name)? {
            keys.extend(body.keys);
        }
    }
    Ok(keys)
}

impl Work<'_> {
    /// What is agreed from now on may stand in a list already.
    fn consult(&self, key: &GroupKey, group: &mut Group, region: &str) -> Result<(), Refusal> {
        let regions: Vec<String> = match region {
            UNKNOWN_REGION => self.rounds(&key.account)?.last.first().map_or_else(Vec::new, |r| r.regions.clone()),
            known => vec![known.to_owned()],
        };
        for region in &regions {
            if group.seen.get(region).is_some_and(|s| s.live) {
                continue;
            }
            if let Some((holds, order)) = Lists::load(self, &key.scope(region))?.says(&key.id) {
                group.note(region, holds, order);
            }
        }
        Ok(())
    }

    fn list(&self, account: &str, source: &str) -> Result<SourceMark, Refusal> {
        Ok(self.state.load(&names::source(account, source))?.unwrap_or_default())
    }

    /// As for observations: what was refused must not be what compaction keeps. Without a winner it is withdrawn.
    fn restore_agreed(&mut self, input: &Input<'_>, winner: bool) -> Result<(), Refusal> {
        if self.pass == Pass::Silent {
            return Ok(());
        }
        match Kept::load(self.state, input.name)?.filter(|_| winner) {
            Some(kept) => self.republish(input.name, &kept),
            None => {
                let (key, value, headers) = (input.name.to_owned(), None, Vec::new());
                self.effects.push(Effect::Republish { key, value, headers });
            }
        }
        Ok(())
    }
}
