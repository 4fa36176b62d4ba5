//! What is to be said of one id of one type, in all regions of its account: asks the judge where something is known, and
//! holds what is open where nothing is.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::record::{InputKey, Part};
use driftline_model::resource::GLOBAL;
use driftline_model::{CoverageStatus, DriftKind, Finding, Severity, Snapshot, Subject, finding_id};

use super::{Effect, Pass, Refusal, Work};
use crate::judge::{Judged, Sight};
use crate::state::{Group, GroupKey, Kept, PartMark, ScopeMark, Seen, UNKNOWN_REGION, names};

/// Rule of the finding for a part that several resources fit.
const AMBIGUOUS: &str = "baseline.region";

/// What is to be open, and what stays as it is because nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) desired: BTreeMap<String, Subject>,
    pub(crate) holds: Holds,
    /// The account's next cycle may decide more.
    pub(crate) pending: bool,
}

/// Where open drifts are neither confirmed nor denied.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Regions in which a resource may or may not be there.
    absence: BTreeSet<String>,
    /// Regions in which a resource may have come from another.
    stray: BTreeSet<String>,
    /// Region to the paths that nothing can be said of, and those that its baseline declares.
    paths: BTreeMap<String, (Vec<String>, Vec<String>)>,
}

impl Holds {
    pub(crate) fn hold(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Drift(d) => match d.kind {
                DriftKind::Missing | DriftKind::Moved => self.absence.contains(&d.region),
                DriftKind::Unmanaged => self.stray.contains(&d.region),
                DriftKind::Modified => self.paths.get(&d.region).is_some_and(|(unknown, declared)| {
                    unknown.iter().any(|u| touches(u, &d.path)) && declared.iter().any(|p| touches(p, &d.path))
                }),
            },
            Subject::Finding(f) => {
                self.paths.get(&f.region).is_some_and(|(unknown, _)| unknown.iter().any(|u| touches(u, &f.path)))
            }
        }
    }
}

/// Whether one path is the other or lies within it.
fn touches(a: &str, b: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        outer.is_empty()
            || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    within(a, b) || within(b, a)
}

/// Parts of one region: the region under which they were published, source and mark.
type Agreed = Vec<(String, String, PartMark)>;

/// One group as it stands: where its resource is, where it is agreed, and what proves either.
struct View {
    scopes: BTreeMap<String, ScopeMark>,
    live: BTreeSet<String>,
    agreed: BTreeMap<String, Agreed>,
    /// Regions that fit a part without one, where that is not unique.
    ambiguous: Vec<String>,
}

impl View {
    fn load(work: &Work<'_>, key: &GroupKey, group: &Group) -> Result<Self, Refusal> {
        let mut scopes = BTreeMap::new();
        for region in group.seen.keys().chain(group.parts.keys()) {
            scopes.insert(region.clone(), work.scope(&key.scope(region))?);
        }
        let live: BTreeSet<String> = group.seen.iter().filter(|(_, s)| s.live).map(|(r, _)| r.clone()).collect();
        let mut agreed: BTreeMap<String, Agreed> = BTreeMap::new();
        for (region, sources) in &group.parts {
            for (source, mark) in sources.iter().filter(|(_, m)| m.agreed()) {
                agreed.entry(region.clone()).or_default().push((region.clone(), source.clone(), mark.clone()));
            }
        }
        let mut view = Self { scopes, live, agreed, ambiguous: Vec::new() };
        view.place(group);
        if view.agreed.contains_key(UNKNOWN_REGION) {
            for round in work.rounds(&key.account)?.last.iter().take(1) {
                for region in round.regions.iter().map(String::as_str).chain([GLOBAL]) {
                    view.scopes.insert(region.to_owned(), work.scope(&key.scope(region))?);
                }
            }
        }
        Ok(view)
    }

    /// Gives parts without a region the only one that fits: where the resource is, else where another source says it is,
    /// else where it was last seen.
    fn place(&mut self, group: &Group) {
        let Some(parts) = self.agreed.remove(UNKNOWN_REGION) else { return };
        let agreed: Vec<String> = self.agreed.keys().cloned().collect();
        let fits = [self.live.iter().cloned().collect(), agreed, group.seen.keys().cloned().collect()];
        match fits.into_iter().find(|regions: &Vec<String>| !regions.is_empty()).as_deref() {
            Some([region]) => self.agreed.entry(region.clone()).or_default().extend(parts),
            Some(many) => self.ambiguous = many.to_vec(),
            None => {
                self.agreed.insert(UNKNOWN_REGION.to_owned(), parts);
            }
        }
    }

    /// Whether it is proven that the resource is not where it was agreed.
    fn absent(&self, key: &GroupKey, group: &Group, region: &str) -> bool {
        let Some(offset) = self.agreed.get(region).and_then(|p| p.iter().map(|(_, _, m)| m.offset).max()) else {
            return false;
        };
        let absent = |region: &str, mark: &ScopeMark| {
            let seen = group.seen.get(region).map(|s| s.order);
            let dropped = mark.dropped(group.listed.get(region).copied());
            dropped.is_ok_and(|dropped| mark.absent(&key.id, offset, seen.max(dropped)))
        };
        if region != UNKNOWN_REGION {
            return self.scopes.get(region).is_some_and(|mark| absent(region, mark));
        }
        let unsupported = |m: &ScopeMark| matches!(m.status, Some((_, CoverageStatus::Unsupported)));
        let known = |(r, m): &(&String, &ScopeMark)| *r != UNKNOWN_REGION && m.status.is_some() && !unsupported(m);
        let mut known = self.scopes.iter().filter(known).peekable();
        known.peek().is_some() && known.all(|(r, m)| absent(r, m))
    }
}

impl Work<'_> {
    /// Judges a group, says what changed, and saves it.
    pub(crate) fn decide(&mut self, key: &GroupKey, mut group: Group) -> Result<(), Refusal> {
        if self.pass == Pass::Silent {
            return Ok(self.save_group(key, &group)?);
        }
        self.bury(key, &mut group)?;
        let verdict = self.verdict(key, &group)?;
        let name = names::pending(key);
        match (verdict.pending, self.state.get(&name)?.is_some()) {
            (true, false) => self.state.put(name, Vec::new()),
            (false, true) => self.state.remove(name),
            _ => {}
        }
        self.emit(&mut group, verdict);
        Ok(self.save_group(key, &group)?)
    }

    /// What lists and listings prove to be gone becomes a tombstone, published too: compaction must not keep the
    /// snapshot for want of one.
    fn bury(&mut self, key: &GroupKey, group: &mut Group) -> Result<(), Refusal> {
        for (region, seen) in &mut group.seen {
            let Some(list) = seen.unlisted.filter(|_| seen.live) else { continue };
            if self.scope(&key.scope(region))?.gone(seen, list) {
                let name = InputKey::Snapshot(key.resource(region)).encode();
                let tombstone = Kept::tombstone(list, self.cause.at_ms);
                tombstone.save(self.state, &name)?;
                self.republish(&name, &tombstone);
                *seen =
                    Seen { order: list, offset: self.cause.offset, hash: String::new(), live: false, unlisted: None };
            }
        }
        Ok(())
    }

    fn verdict(&mut self, key: &GroupKey, group: &Group) -> Result<Verdict, Refusal> {
        let view = View::load(self, key, group)?;
        let mut verdict = Verdict::default();
        let unlisted = |r: &&String| group.seen.get(*r).is_some_and(|s| s.unlisted.is_some());
        verdict.pending = view.live.iter().any(|r| unlisted(&r));
        let homeless: Vec<&String> = view.agreed.keys().filter(|r| !view.live.contains(*r)).collect();
        let stray: Vec<&String> =
            view.live.iter().filter(|r| !view.agreed.contains_key(*r) && !view.ambiguous.contains(r)).collect();
        let moved: BTreeMap<&String, &String> = homeless.iter().copied().zip(stray.iter().copied()).collect();
        for region in &view.live {
            let parts = self.parts(key, view.agreed.get(region))?;
            let Some(snapshot) = self.snapshot(key, region)? else { continue };
            let judged = self.ask(key, region, Sight::Seen(&snapshot), &parts);
            let maybe_moved = moved.values().any(|r| *r == region);
            verdict.take(region, judged, !maybe_moved && !view.ambiguous.contains(region));
        }
        for region in homeless {
            if !view.absent(key, group, region) {
                verdict.pending = true;
                verdict.holds.absence.insert(region.clone());
                verdict.holds.stray.extend(moved.get(region).map(|r| (*r).clone()));
                continue;
            }
            let parts = self.parts(key, view.agreed.get(region))?;
            let found = match moved.get(region) {
                Some(other) => self.snapshot(key, other)?,
                None => None,
            };
            let sight = found.as_ref().map_or(Sight::Gone, Sight::Moved);
            let judged = self.ask(key, region, sight, &parts);
            verdict.take(region, judged, true);
        }
        verdict.report(key, &view.ambiguous);
        Ok(verdict)
    }

    /// Asks the judge. A judge that fails on one resource says nothing of it; others go on.
    fn ask(&mut self, key: &GroupKey, region: &str, sight: Sight<'_>, parts: &[Part]) -> Judged {
        let resource = key.resource(region);
        let judge = self.judge;
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge.judge(&resource, sight, parts)));
        asked.unwrap_or_else(|_| {
            self.effects.push(Effect::DeadLetter { reason: format!("judging {resource} panicked") });
            Judged { unknown: vec![String::new()], declared: vec![String::new()], ..Judged::default() }
        })
    }

    fn snapshot(&self, key: &GroupKey, region: &str) -> Result<Option<Snapshot>, Refusal> {
        Ok(self.kept_body(&InputKey::Snapshot(key.resource(region)).encode())?)
    }

    fn parts(&self, key: &GroupKey, agreed: Option<&Agreed>) -> Result<Vec<Part>, Refusal> {
        let mut parts = Vec::new();
        for (region, source, _) in agreed.into_iter().flatten() {
            let name = InputKey::Part(key.resource(region), source.clone()).encode();
            parts.extend(self.kept_body::<Part>(&name)?);
        }
        Ok(parts)
    }
}

impl Verdict {
    /// Takes what the judge said of a region; drifts only where it is settled that they are that region's.
    fn take(&mut self, region: &str, judged: Judged, settled: bool) {
        if judged.unknown.iter().any(String::is_empty) {
            self.holds.absence.insert(region.to_owned());
            self.holds.stray.insert(region.to_owned());
        }
        if !judged.unknown.is_empty() {
            self.holds.paths.insert(region.to_owned(), (judged.unknown, judged.declared));
        }
        let drifts = judged.drifts.into_iter().filter(|d| settled || d.kind == DriftKind::Modified).map(Subject::Drift);
        let subjects = drifts.chain(judged.findings.into_iter().map(Subject::Finding));
        self.desired.extend(subjects.map(|s| (s.id().to_owned(), s)));
    }

    /// A part without a region that several resources fit is said, not guessed.
    fn report(&mut self, key: &GroupKey, regions: &[String]) {
        if regions.is_empty() {
            return;
        }
        let resource = key.resource(UNKNOWN_REGION);
        let finding = Finding {
            id: finding_id(&resource, AMBIGUOUS, ""),
            account: resource.account,
            region: resource.region,
            type_name: resource.kind,
            resource: resource.id,
            arn: None,
            path: String::new(),
            actual: regions.iter().cloned().collect(),
            severity: Severity::Low,
            rule: AMBIGUOUS.to_owned(),
            reason: format!("its baseline names no region, and it fits resources in {}", regions.join(", ")),
            controls: Vec::new(),
        };
        self.desired.insert(finding.id.clone(), Subject::Finding(finding));
    }
}
