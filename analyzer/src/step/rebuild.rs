//! A state from nothing: what was open is taken from `driftline.drifts`, the inputs are remembered in silence up to where
//! the lost state had judged them, and then all is judged once against what was open. What follows is as if nothing
//! had been lost.

use driftline_model::{ResourceKey, Subject, Transition, TransitionKind};

use super::emit::subject_hash;
use super::{Cause, Effect, Pass, Refusal, Work};
use crate::judge::Judge;
use crate::state::{Group, GroupKey, Open, State, StateError, names};

/// Notes the latest state of a drift or finding as it is read; `None`: it is resolved. Later ones take the place of
/// earlier ones, so that nothing of them is held in memory.
pub fn note(state: &mut State, id: &[u8], latest: Option<&[u8]>) {
    match latest {
        Some(body) => state.put(names::noted(id), body.to_vec()),
        None => state.remove(names::noted(id)),
    }
    state.keep();
}

/// Names of what is noted, for [`adopt`] in pieces.
pub fn noted(state: &State) -> Result<Vec<Vec<u8>>, StateError> {
    state.keys(names::NOTED)
}

/// Opens in the state what was noted as open.
pub fn adopt(state: &mut State, noted: &[Vec<u8>]) -> Result<(), StateError> {
    for name in noted {
        match state.load::<Transition>(name) {
            Ok(Some(transition)) => open(state, transition)?,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a latest state is not understood"),
        }
        state.remove(name.clone());
    }
    state.keep();
    Ok(())
}

fn open(state: &mut State, transition: Transition) -> Result<(), StateError> {
    if transition.transition == TransitionKind::Resolved {
        return Ok(());
    }
    let (account, region, kind, id) = match &transition.subject {
        Subject::Drift(d) => (&d.account, &d.region, &d.type_name, &d.resource),
        Subject::Finding(f) => (&f.account, &f.region, &f.type_name, &f.resource),
    };
    let name = names::group(&GroupKey::of(&ResourceKey::new(account, region, kind, id)));
    let mut group: Group = state.load(&name)?.unwrap_or_default();
    let subject_id = transition.subject.id().to_owned();
    let hash = subject_hash(&transition.subject);
    group.open.insert(subject_id, Open { opened_ms: transition.opened_ms, hash, subject: transition.subject });
    state.save(name, &group)
}

/// Names of all groups, for [`reconcile`] in pieces.
pub fn groups(state: &State) -> Result<Vec<Vec<u8>>, StateError> {
    state.keys(names::GROUPS)
}

/// Judges groups against what was open for them. The differences are those that the lost state's last record would have
/// made, had it come to the end of it, and what another version judges otherwise.
pub fn reconcile(
    state: &mut State,
    judge: &dyn Judge,
    cause: &Cause,
    groups: &[Vec<u8>],
) -> Result<Vec<Effect>, StateError> {
    let mut work = Work { state, judge, cause: cause.clone(), pass: Pass::Live, effects: Vec::new() };
    for name in groups {
        let Some(key) = names::read_group(name) else { continue };
        let group = work.group(&key)?;
        match work.decide(&key, group) {
            Ok(()) => {}
            Err(Refusal::State(error)) => return Err(error),
            Err(Refusal::Poison(reason)) => work.effects.push(Effect::DeadLetter { reason }),
        }
    }
    let effects = work.effects;
    state.keep();
    Ok(effects)
}
