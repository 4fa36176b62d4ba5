//! A state from nothing: what was open is taken from `driftline.drifts`, the inputs are remembered in silence up to where
//! the lost state had judged them, and then all is judged once against what was open. What follows is as if nothing
//! had been lost.

use driftline_model::{ResourceKey, Subject, Transition, TransitionKind};

use super::emit::subject_hash;
use super::{Cause, Effect, Pass, Refusal, Work};
use crate::judge::Judge;
use crate::state::{Group, GroupKey, Open, State, StateError, names};

/// Takes the latest transition of a drift or finding.
pub fn adopt(state: &mut State, transition: Transition) -> Result<(), StateError> {
    let (account, region, kind, id) = match &transition.subject {
        Subject::Drift(d) => (&d.account, &d.region, &d.type_name, &d.resource),
        Subject::Finding(f) => (&f.account, &f.region, &f.type_name, &f.resource),
    };
    let name = names::group(&GroupKey::of(&ResourceKey::new(account, region, kind, id)));
    let mut group: Group = state.load(&name)?.unwrap_or_default();
    let subject_id = transition.subject.id().to_owned();
    if transition.transition == TransitionKind::Resolved {
        group.open.remove(&subject_id);
    } else {
        let hash = subject_hash(&transition.subject);
        group.open.insert(subject_id, Open { opened_ms: transition.opened_ms, hash, subject: transition.subject });
    }
    state.save(name, &group)?;
    state.keep();
    Ok(())
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
