//! Crashes, other batch borders, repeats, reorders and lost disks over many worlds: what was told in the end is what an
//! undisturbed run tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline_analyzer::state::Memory;
use driftline_analyzer::{Cause, Effect, Pass, State, step};
use driftline_bus::Record;
use driftline_model::{Transition, TransitionKind};

use crate::plain::Plain;
use crate::script::{check, transition};
use crate::world::{Dice, World};

const SEEDS: u64 = 300;
const STEPS: usize = 60;

/// The log as readers of events and latest states see it, and an analyzer that may be hit at any point.
#[derive(Default)]
pub(crate) struct Hit {
    disk: Memory,
    /// Next offset that the disk knows of.
    pub(crate) next: i64,
    /// Next offset that the group has committed.
    pub(crate) committed: i64,
    pub(crate) events: Vec<Transition>,
    latest: BTreeMap<String, Option<Transition>>,
    /// Highest input offset in `latest`, plus one.
    reached: i64,
}

pub(crate) fn transitions(effects: Vec<Effect>) -> impl Iterator<Item = Transition> {
    effects.into_iter().filter_map(|e| if let Effect::Transition(t) = e { Some(*t) } else { None })
}

impl Hit {
    /// One that has read nothing yet.
    pub(crate) fn fresh() -> Self {
        Self { next: 1, committed: 1, ..Self::default() }
    }

    fn state(&self) -> State {
        State::new(Arc::new(self.disk.clone()))
    }

    fn write(&mut self, state: &State, next: i64) {
        for (key, value) in state.writes() {
            match value {
                Some(value) => self.disk.0.insert(key.clone(), value.clone()),
                None => self.disk.0.remove(key),
            };
        }
        self.next = next;
    }

    /// Publishes; a crash may cut it anywhere, events before latest states. Says whether all of it got out.
    fn publish(&mut self, told: Vec<Transition>, dice: &mut Dice) -> bool {
        let cut = if dice.one_in(4) { dice.below(2 * told.len() + 1) } else { 2 * told.len() };
        self.put(&told, cut);
        cut == 2 * told.len() && !dice.one_in(8)
    }

    fn put(&mut self, told: &[Transition], cut: usize) {
        self.events.extend(told.iter().take(cut).cloned());
        for t in told.iter().take(cut.saturating_sub(told.len())) {
            self.reached = self.reached.max(t.input_offset + 1);
            let open = t.transition != TransitionKind::Resolved;
            self.latest.insert(t.subject.id().to_owned(), open.then(|| t.clone()));
        }
    }

    /// One batch of any size, with a crash at any point; what was published again, as far as that got out.
    pub(crate) fn batch(&mut self, log: &[Record], dice: &mut Dice) -> Vec<Effect> {
        let (state, end, told, mut again) = self.judge(log, 1 + dice.below(9));
        if self.publish(told, dice) {
            self.write(&state, end);
            if dice.one_in(2) {
                self.committed = self.next;
            }
        } else if !again.is_empty() {
            again.truncate(dice.below(again.len() + 1));
        }
        again
    }

    /// One batch, with no crash.
    pub(crate) fn batch_whole(&mut self, log: &[Record]) -> Vec<Effect> {
        let (state, end, told, again) = self.judge(log, 9);
        self.put(&told, 2 * told.len());
        self.write(&state, end);
        self.committed = self.next;
        again
    }

    fn judge(&self, log: &[Record], size: usize) -> (State, i64, Vec<Transition>, Vec<Effect>) {
        let mut state = self.state();
        let from = log.partition_point(|r| r.offset < self.next);
        let batch = &log[from..(from + size).min(log.len())];
        let (mut told, mut again) = (Vec::new(), Vec::new());
        for record in batch {
            let effects = step::step(&mut state, record, &Plain, Pass::Live).unwrap();
            again.extend(effects.iter().filter(|e| matches!(e, Effect::Republish { .. })).cloned());
            told.extend(transitions(effects));
        }
        (state, batch.last().unwrap().offset + 1, told, again)
    }

    /// The disk is gone: what was open comes from the latest states, the rest from the log.
    /// Compaction has been at work below `compacted`.
    pub(crate) fn rebuild(&mut self, log: &[Record], compacted: i64, dice: &mut Dice) {
        self.disk = Memory::default();
        let mut state = self.state();
        let until = self.reached.max(self.committed).max(compacted);
        for (id, t) in &self.latest {
            let body = t.as_ref().map(|t| serde_json::to_vec(t).unwrap());
            step::note(&mut state, id.as_bytes(), body.as_deref());
        }
        let noted = step::noted(&state).unwrap();
        step::adopt(&mut state, &noted).unwrap();
        let mut cause = Cause { text: format!("o{}", until - 1), offset: until - 1, at_ms: 0 };
        for record in log.iter().filter(|r| r.offset < until) {
            step::step(&mut state, record, &Plain, Pass::Silent).unwrap();
            if record.offset == until - 1 {
                cause = Cause::of(record).unwrap();
            }
        }
        let groups = step::groups(&state).unwrap();
        let told: Vec<_> = transitions(step::reconcile(&mut state, &Plain, &cause, &groups).unwrap()).collect();
        if self.publish(told, dice) {
            self.write(&state, until);
        } else {
            self.rebuild(log, compacted, dice);
        }
    }

    /// What was told, each once.
    fn told(&self) -> Vec<String> {
        self.told_as(line)
    }

    pub(crate) fn told_as(&self, line: impl Fn(&Transition) -> String) -> Vec<String> {
        let mut seen = BTreeSet::new();
        self.events.iter().filter(|t| seen.insert(&t.id)).map(line).collect()
    }
}

fn line(t: &Transition) -> String {
    format!("{} {} {} opened {}", transition(t), t.cause, t.id, t.opened_ms)
}

fn same(seed: u64, hit: &Hit, world: &World) {
    let told = hit.told();
    let expected: Vec<String> = world.told.iter().map(line).collect();
    assert_eq!(told, expected, "seed {seed}");
}

#[test]
fn crashes_and_other_batches_tell_the_same() {
    for seed in 0..SEEDS {
        let world = World::live(seed, STEPS);
        let mut dice = Dice(!seed);
        let mut hit = Hit::fresh();
        while hit.next <= i64::try_from(world.log.len()).unwrap() {
            drop(hit.batch(&world.log, &mut dice));
        }
        same(seed, &hit, &world);
    }
}

#[test]
fn lost_disks_tell_the_same() {
    for seed in 0..SEEDS {
        let world = World::live(seed, STEPS);
        let mut dice = Dice(!seed);
        let mut hit = Hit::fresh();
        while hit.next <= i64::try_from(world.log.len()).unwrap() {
            drop(hit.batch(&world.log, &mut dice));
            if dice.one_in(12) {
                hit.rebuild(&world.log, 0, &mut dice);
            }
        }
        same(seed, &hit, &world);
    }
}

/// What is open after a log, read from nothing.
fn open(log: &[Record]) -> BTreeSet<String> {
    let mut state = State::new(Arc::new(Memory::default()));
    let mut open = BTreeSet::new();
    for record in log {
        for t in transitions(step::step(&mut state, record, &Plain, Pass::Live).unwrap()) {
            let value = serde_json::to_value(&t.subject).unwrap();
            match t.transition {
                TransitionKind::Resolved => open.remove(t.subject.id()),
                _ => open.insert(t.subject.id().to_owned()),
            };
            assert!(value.is_object());
        }
    }
    open
}

#[test]
fn reordered_and_repeated_observations_end_the_same() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, false);
        world.import();
        world.import();
        let fixed = world.log.len();
        for _ in 0..STEPS / 2 {
            match world.dice.below(6) {
                0 | 1 => world.change(),
                2 | 3 => world.event(),
                _ => world.cycle(),
            }
        }
        let settled = world.log.len();
        world.busy = false;
        world.cycle();
        world.cycle();
        let mut dice = Dice(!seed);
        let mut log = world.log[..fixed].to_vec();
        let mut observations = world.log[fixed..settled].to_vec();
        for _ in 0..dice.below(20) {
            observations.extend(observations.get(dice.below(observations.len().max(1))).cloned());
        }
        dice.shuffle(&mut observations);
        log.extend(observations);
        log.extend_from_slice(&world.log[settled..]);
        let shift = i64::try_from(log.len() - world.log.len()).unwrap();
        for (offset, record) in (1..).zip(log.iter_mut()) {
            record.offset = offset;
        }
        let last = log.len() - (world.log.len() - settled);
        later(&mut log[last..], shift);
        assert_eq!(open(&log), open(&world.log), "seed {seed}");
    }
}

/// Listings of the last cycles began after what was repeated before them.
fn later(records: &mut [Record], shift: i64) {
    use driftline_model::record::Cycle;
    for record in records.iter_mut().filter(|r| r.key.starts_with(b"c/")) {
        let mut cycle: Cycle = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        cycle.after_offset += shift;
        cycle.listings.iter_mut().for_each(|l| l.after_offset += shift);
        record.value = Some(serde_json::to_vec(&cycle).unwrap());
    }
}

/// The log after compaction: the last record of each key.
fn compacted(log: &[Record]) -> Vec<Record> {
    let last: BTreeMap<&[u8], i64> = log.iter().map(|r| (r.key.as_slice(), r.offset)).collect();
    log.iter().filter(|r| last[r.key.as_slice()] == r.offset).cloned().collect()
}

#[test]
fn a_disk_lost_after_compaction_ends_the_same_and_resolves_nothing_that_stands() {
    for seed in 0..SEEDS {
        let mut world = World::live(seed, STEPS);
        let lost = i64::try_from(world.log.len()).unwrap() + 1;
        world.take_over();
        (world.blind, world.busy) = (false, false);
        for _ in 0..4 {
            world.cycle();
        }
        let mut dice = Dice(!seed);
        let mut hit = Hit::fresh();
        while hit.next < lost {
            drop(hit.batch(&world.log[..usize::try_from(lost - 1).unwrap()], &mut dice));
        }
        let before = hit.told().len();
        let (before_loss, after_loss) = world.log.split_at(usize::try_from(lost - 1).unwrap());
        let log = [&compacted(before_loss)[..], after_loss].concat();
        hit.rebuild(&log, lost, &mut dice);
        while hit.next <= log.last().unwrap().offset {
            drop(hit.batch(&log, &mut dice));
        }
        let ends = |told: Vec<&Transition>| {
            let mut open = BTreeMap::new();
            for t in told {
                open.insert(t.subject.id().to_owned(), (t.transition != TransitionKind::Resolved, transition(t)));
            }
            open.into_values().filter(|(open, _)| *open).map(|(_, t)| t[1..].to_owned()).collect::<BTreeSet<_>>()
        };
        let (told, expected) = (ends(hit.events.iter().collect()), ends(world.told.iter().collect()));
        assert_eq!(told, expected, "seed {seed}: lost at {lost}");
        // Proof that was under way is gathered again, so that some things are said later, but nothing else.
        let expected: BTreeSet<String> = world.told.iter().map(transition).collect();
        for told in hit.told().iter().skip(before) {
            let what = told.split(' ').next().unwrap();
            assert!(expected.contains(what), "seed {seed}: lost at {lost}: {told}");
        }
    }
}

#[test]
fn the_worlds_are_worth_it() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        for t in World::live(seed, STEPS).told {
            let line = transition(&t);
            *kinds.entry(line.split(':').next().unwrap().to_owned()).or_default() += 1;
        }
    }
    for kind in
        ["+modified", "~modified", "-modified", "+missing", "-missing", "+moved", "-moved", "+unmanaged", "+open"]
    {
        assert!(kinds.get(kind).is_some_and(|n| *n > 50), "{kind}: {kinds:?}");
    }
    check("");
}
