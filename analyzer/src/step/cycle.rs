//! A cycle: what each listing of a round saw, and so what is decided that waited for proof.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::record::{Cycle, Listing};
use driftline_model::{CoverageStatus, Scope};

use super::admit::Admission;
use super::input::Input;
use super::{Refusal, Work, observe};
use crate::state::{Evidence, Order, Round, ScopeMark, names};

/// Takes a cycle. An older one than the last still proves what it saw: proof is a set, whatever order it comes in.
pub(crate) fn cycle(work: &mut Work<'_>, input: &Input<'_>, account: &str) -> Result<(), Refusal> {
    let order = input.ordered()?;
    let body: Option<Cycle> = input.record.value.is_some().then(|| input.body()).transpose()?;
    let foreign = |b: &Cycle| b.listings.iter().any(|l| l.coverage.account != account);
    if body.as_ref().is_some_and(foreign) {
        return Err(Refusal::Poison("a listing is of another account".to_owned()));
    }
    if matches!(work.register(input)?, Admission::Repeat | Admission::Fenced) {
        return Ok(());
    }
    let Some(body) = body else { return Ok(()) };
    let listings = by_scope(account, &body.listings);
    let round = Round { order, after_offset: body.after_offset, regions: body.regions, types: body.types };
    let mut scopes: BTreeSet<Scope> = listings.keys().cloned().collect();
    for name in work.state.keys(&names::scopes(account))? {
        scopes.extend(names::read_scope(&name));
    }
    let mut emptied = Vec::new();
    for scope in scopes {
        let mut mark = work.scope(&scope)?;
        if note(&mut mark, &scope, &round, listings.get(&scope).copied()) {
            if mark.live > 0 && mark.empty() == Some(order) {
                emptied.push(scope.clone());
            }
            work.state.save(names::scope(&scope), &mark)?;
        }
    }
    remember(work, account, round)?;
    for scope in emptied {
        observe::sweep(work, &scope)?;
    }
    for name in work.state.keys(&names::all_pending(account))? {
        if let Some(key) = names::read_group(&name) {
            let group = work.group(&key)?;
            work.decide(&key, group)?;
        }
    }
    Ok(())
}

fn by_scope<'a>(account: &str, listings: &'a [Listing]) -> BTreeMap<Scope, &'a Listing> {
    let scope = |l: &Listing| Scope {
        account: account.to_owned(),
        region: l.coverage.region.clone(),
        kind: l.coverage.kind.clone(),
    };
    listings.iter().map(|l| (scope(l), l)).collect()
}

/// Adds to a scope what this round saw of it; says whether that is anything.
fn note(mark: &mut ScopeMark, scope: &Scope, round: &Round, listing: Option<&Listing>) -> bool {
    let (status, evidence) = match listing {
        Some(l) => {
            let (after_offset, empty, not_found) = (l.after_offset, l.coverage.resources == 0, l.not_found.clone());
            (l.coverage.status, Evidence { order: round.order, after_offset, empty, not_found })
        }
        None if round.covers(scope) => (CoverageStatus::Complete, round.evidence()),
        None => return false,
    };
    mark.status = mark.status.max(Some((round.order, status)));
    // What is unread of single resources says nothing against the list of all.
    let whole = status == CoverageStatus::Partial && listing.is_some_and(|l| l.whole);
    if whole || status == CoverageStatus::Complete {
        mark.prove(evidence);
    }
    true
}

fn remember(work: &mut Work<'_>, account: &str, round: Round) -> Result<(), Refusal> {
    let mut rounds = work.rounds(account)?;
    let known: Vec<Order> = rounds.last.iter().map(|r| r.order).collect();
    if !known.contains(&round.order) {
        rounds.last.push(round);
        rounds.last.sort_by_key(|r| std::cmp::Reverse(r.order));
        rounds.last.truncate(2);
        work.state.save(names::rounds(account), &rounds)?;
    }
    Ok(())
}
