//! The deciding part: `step(state, record)` gives what follows from a record. Pure but for the state handed in: no clock
//! but the record's own time, so that the same records on the same state give the same transitions, ids included.

mod admit;
mod agree;
mod cycle;
mod decide;
mod emit;
mod evidence;
mod input;
mod observe;
mod rebuild;

use std::panic::{AssertUnwindSafe, catch_unwind};

use driftline_bus::Record;
use driftline_model::Transition;
use driftline_model::record::{H_EPOCH, H_NUMBER, InputKey, Session};

pub use rebuild::{adopt, groups, note, noted, reconcile};

use crate::judge::Judge;
use crate::state::{Account, State, StateError, names};
use input::{H_WINNER, Input};

/// What follows from a record, to be durable before the state is.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A drift or finding opened, changed or was resolved.
    Transition(Box<Transition>),
    /// The winner of a key is to be published again to `driftline.inputs`: compaction would keep the lower record that
    /// has just been read.
    Republish {
        /// Key of the winner.
        key: String,
        /// Its body; `None` for a tombstone.
        value: Option<Vec<u8>>,
        /// Its headers.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// The record in hand could not be taken, or not wholly.
    DeadLetter {
        /// Why.
        reason: String,
    },
}

/// How far a record is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It is remembered and judged.
    Live,
    /// It is remembered only: it was judged before, by an analyzer whose state is lost.
    Silent,
}

/// Why a record has no effects.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It can never be taken.
    Poison(String),
    /// The state cannot be read.
    State(StateError),
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// The record that transitions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `(epoch, number)` as `e<epoch>.<number>`, else `o<offset>`.
    pub text: String,
    /// Offset of the record.
    pub offset: i64,
    /// Its own time, milliseconds since 1970 UTC.
    pub at_ms: i64,
}

impl Cause {
    /// The cause that a record is, if it can be read at all.
    pub fn of(record: &Record) -> Option<Self> {
        Input::read(record).ok().map(|input| Self::from_input(&input))
    }

    fn from_input(input: &Input<'_>) -> Self {
        let text = match input.order {
            Some(order) => format!("e{}.{}", order.epoch, order.number),
            None => format!("o{}", input.record.offset),
        };
        Self { text, offset: input.record.offset, at_ms: input.at_ms }
    }
}

/// One record's worth of work.
pub(crate) struct Work<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) judge: &'a dyn Judge,
    pub(crate) cause: Cause,
    pub(crate) pass: Pass,
    pub(crate) effects: Vec<Effect>,
}

/// Takes one record of `driftline.inputs`. A record that cannot be taken leaves the state as it was and is a dead letter;
/// only a state that cannot be read is an error.
pub fn step(state: &mut State, record: &Record, judge: &dyn Judge, pass: Pass) -> Result<Vec<Effect>, StateError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| apply(state, record, judge, pass)));
    let reason = match outcome {
        Ok(Ok(effects)) => {
            state.keep();
            return Ok(effects);
        }
        Ok(Err(Refusal::State(error))) => {
            state.discard();
            return Err(error);
        }
        Ok(Err(Refusal::Poison(reason))) => reason,
        Err(_) => "taking this record panicked".to_owned(),
    };
    state.discard();
    Ok(if pass == Pass::Live { vec![Effect::DeadLetter { reason }] } else { Vec::new() })
}

fn apply(state: &mut State, record: &Record, judge: &dyn Judge, pass: Pass) -> Result<Vec<Effect>, Refusal> {
    let input = Input::read(record).map_err(Refusal::Poison)?;
    let cause = Cause::from_input(&input);
    let mut work = Work { state, judge, cause, pass, effects: Vec::new() };
    match &input.key {
        InputKey::Snapshot(key) => observe::snapshot(&mut work, &input, key)?,
        InputKey::Manifest(scope, part) => observe::manifest(&mut work, &input, scope, *part)?,
        InputKey::Cycle(account) => cycle::cycle(&mut work, &input, account)?,
        InputKey::Part(key, source) => agree::part(&mut work, &input, key, source)?,
        InputKey::Keys(account, source, part) => agree::keys(&mut work, &input, account, source, *part)?,
        InputKey::Waiver(..) => input.keep(work.state)?,
        InputKey::Account(_) => observe::account(&mut work, &input)?,
        InputKey::Session(account) => session(&mut work, &input, account)?,
    }
    Ok(work.effects)
}

/// An agent takes the account: what older agents still send is below the fence. A claim whose answer was lost is made again,
/// and the first may come late: that is no other agent's, and must not fence off the one that holds the account. What
/// compaction would keep of it is answered by the epoch that counts.
fn session(work: &mut Work<'_>, input: &Input<'_>, account: &str) -> Result<(), Refusal> {
    if input.record.value.is_none() {
        return Ok(());
    }
    let body: Session = input.body()?;
    let holder = Some((body.agent, body.session));
    let name = names::account(account);
    let known: Account = work.state.load(&name)?.unwrap_or_default();
    let epoch = if input.winner() { input.ordered()?.epoch } else { input.record.offset };
    if epoch > known.epoch && holder != known.holder {
        return Ok(work.state.save(name, &Account { epoch, holder })?);
    }
    if epoch != known.epoch
        && work.pass == Pass::Live
        && let Some((agent, session)) = known.holder
    {
        let value = serde_json::to_vec(&Session { agent, session }).ok();
        let headers = [(H_EPOCH, known.epoch.to_string()), (H_NUMBER, "0".to_owned()), (H_WINNER, "1".to_owned())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
        work.effects.push(Effect::Republish { key: input.name.to_owned(), value, headers });
    }
    Ok(())
}
