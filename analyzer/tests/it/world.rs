//! A small world with a seed: a cloud that changes, agents that watch it, fail over and repeat themselves, and sources
//! that agree on this and that. What it leaves is a log, with what an undisturbed analyzer published again in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline_analyzer::state::Memory;
use driftline_analyzer::{Effect, Pass, State, step};
use driftline_bus::Record;
use driftline_model::Transition;

use crate::plain::Plain;
use crate::script::{parse, record};

/// Splitmix64: a seed is a world.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

const REGIONS: [&str; 2] = ["eu", "us"];
const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// What an agent knows of the account.
#[derive(Default)]
struct Agent {
    epoch: i64,
    number: u64,
    sent: BTreeMap<String, String>,
    manifests: BTreeMap<String, String>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) log: Vec<Record>,
    pub(crate) told: Vec<Transition>,
    state: State,
    cloud: BTreeMap<String, String>,
    agent: Agent,
    serials: BTreeMap<&'static str, u64>,
    agreed: BTreeMap<&'static str, BTreeSet<String>>,
    /// Whether snapshots may leave paths unread, and listings may fail.
    pub(crate) blind: bool,
    /// Whether rounds may list what they do not read.
    pub(crate) busy: bool,
}

impl World {
    pub(crate) fn new(seed: u64, blind: bool) -> Self {
        let state = State::new(Arc::new(Memory::default()));
        let mut world = Self {
            dice: Dice(seed),
            log: Vec::new(),
            told: Vec::new(),
            state,
            cloud: BTreeMap::new(),
            agent: Agent::default(),
            serials: BTreeMap::new(),
            agreed: BTreeMap::new(),
            blind,
            busy: true,
        };
        world.take_over();
        world
    }

    /// A run of the world.
    pub(crate) fn live(seed: u64, steps: usize) -> Self {
        let mut world = Self::new(seed, true);
        for _ in 0..steps {
            match world.dice.below(12) {
                0..=2 => world.change(),
                3 | 4 => world.event(),
                5..=7 => world.cycle(),
                8 | 9 => world.import(),
                10 => world.repeat(),
                _ if world.dice.one_in(3) => world.take_over(),
                _ => world.repeat(),
            }
        }
        world
    }

    fn end(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap() + 1
    }

    /// Appends a record and lets the undisturbed analyzer read on to the end.
    pub(crate) fn append(&mut self, mut next: Record) {
        next.offset = self.end();
        let mut from = self.log.len();
        self.log.push(next);
        let limit = from + 10;
        while from < self.log.len() {
            assert!(from < limit, "publishing again has no end: {:?}", self.log.last());
            let effects = step::step(&mut self.state, &self.log[from], &Plain, Pass::Live).unwrap();
            from += 1;
            for effect in effects {
                match effect {
                    Effect::Transition(t) => self.told.push(*t),
                    Effect::Republish { key, value, headers } => {
                        let again = Record { headers, ..record(&key, value, None, self.end()) };
                        self.log.push(again);
                    }
                    Effect::DeadLetter { reason } => panic!("{reason}"),
                }
            }
        }
    }

    fn say(&mut self, line: &str) {
        let record = parse(line, self.end());
        self.append(record);
    }

    pub(crate) fn take_over(&mut self) {
        let epoch = self.end();
        self.say(&format!("e {epoch}"));
        self.agent = Agent { epoch, ..Agent::default() };
    }

    pub(crate) fn change(&mut self) {
        let key = format!("{}/t/{}", self.dice.pick(&REGIONS), self.dice.pick(&IDS));
        if self.dice.one_in(3) {
            self.cloud.remove(&key);
        } else {
            let open = if self.dice.one_in(4) { " open=true" } else { "" };
            self.cloud.insert(key, format!("x={} y={}{open}", self.dice.below(3), self.dice.below(2)));
        }
    }

    fn order(&mut self) -> String {
        self.agent.number += 1;
        format!("@{}.{}", self.agent.epoch, self.agent.number)
    }

    fn send(&mut self, key: &str) {
        let Some(mut body) = self.cloud.get(key).cloned() else { return };
        if self.blind && self.dice.one_in(6) {
            body = body.replace("x=", "?x z=");
        }
        let order = self.order();
        self.say(&format!("s {key} {order} {body}"));
        self.agent.sent.insert(key.to_owned(), body);
    }

    /// An event makes the agent read one resource again.
    pub(crate) fn event(&mut self) {
        let keys: Vec<String> = self.cloud.keys().cloned().collect();
        if !keys.is_empty() {
            let key = self.dice.pick(&keys).clone();
            self.send(&key);
        }
    }

    /// A round over both regions, as an agent does it: what changed, what is gone, manifests that changed, the cycle.
    pub(crate) fn cycle(&mut self) {
        let after = self.end() - 1;
        let mut listings = Vec::new();
        for region in REGIONS {
            let prefix = format!("{region}/t/");
            let keys: Vec<String> = self.cloud.keys().filter(|k| k.starts_with(&prefix)).cloned().collect();
            if self.blind && self.dice.one_in(5) {
                let status = *self.dice.pick(&["denied", "partial", "throttled"]);
                listings.push(format!("{region}/t={status}"));
                continue;
            }
            for key in &keys {
                // What the budget does not allow is listed all the same.
                let later = self.busy && self.dice.one_in(4);
                if !later && self.agent.sent.get(key) != self.cloud.get(key) {
                    self.send(key);
                }
            }
            let known: Vec<String> = self.agent.sent.keys().filter(|k| k.starts_with(&prefix)).cloned().collect();
            for key in known.iter().filter(|k| !keys.contains(k)) {
                let order = self.order();
                self.say(&format!("s {key} {order} gone"));
                self.agent.sent.remove(key);
            }
            let ids = keys.iter().map(|k| &k[prefix.len()..]).collect::<Vec<_>>().join(" ");
            if self.agent.manifests.get(region) != Some(&ids) {
                let order = self.order();
                self.say(&format!("m {region}/t {order} {ids}"));
                self.agent.manifests.insert(region.to_owned(), ids);
            }
            if !keys.is_empty() {
                listings.push(format!("{region}/t=complete:{}>{after}", keys.len()));
            }
        }
        let order = self.order();
        self.say(&format!("c {order} {}", listings.join(" ")));
    }

    /// A source changes its mind on some resources.
    pub(crate) fn import(&mut self) {
        let source = *self.dice.pick(&["one", "two"]);
        let serial = self.serials.entry(source).or_default();
        *serial += 1;
        let lineage = format!("{source}:{serial}");
        let mut keys = self.agreed.remove(source).unwrap_or_default();
        for _ in 0..=self.dice.below(2) {
            let region = if self.dice.one_in(6) { "-" } else { self.dice.pick(&REGIONS) };
            let key = format!("{region}/t/{}", self.dice.pick(&IDS));
            if keys.contains(&key) && self.dice.one_in(2) {
                keys.remove(&key);
                // Without its tombstone at times: then the list alone says it.
                if self.dice.one_in(2) {
                    self.say(&format!("b {key} {source} gone"));
                }
            } else {
                let x = self.dice.below(3);
                self.say(&format!("b {key} {source} {lineage} x={x}"));
                keys.insert(key);
            }
        }
        let list = keys.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        self.say(&format!("l {source} {lineage} {list}"));
        self.agreed.insert(source, keys);
    }

    /// Something that was said before comes once more, late.
    pub(crate) fn repeat(&mut self) {
        let said: Vec<usize> = (0..self.log.len()).filter(|i| !self.log[*i].key.starts_with(b"e/")).collect();
        if !said.is_empty() {
            let again = self.log[*self.dice.pick(&said)].clone();
            // Tombstones of parts have no order of their own: repeated late they would be new.
            if !(again.key.starts_with(b"b/") && again.value.is_none()) {
                self.append(again);
            }
        }
    }
}
