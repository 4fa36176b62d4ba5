//! An agent: what it has on disk, what it holds in memory, and its rounds. What decides is the product's own: `delta`,
//! `window` and what a look-up makes of a listing.

use std::collections::{BTreeMap, VecDeque};

use driftline_agent::delta::{self, Entry, Remember, Sent};
use driftline_agent::known::Error;
use driftline_agent::window::Window;
use driftline_model::Scope;
use driftline_model::record::{Cycle, InputKey, Listing};
use driftline_proto::v1::{Reason, Record};

use super::cloud::{Cloud, KIND, REGIONS};
use crate::script::ACCOUNT;
use crate::world::Dice;

/// Numbers are reserved so many at a time.
const BLOCK: u64 = 8;
/// Bytes under way: few records, so that windows fill.
const WINDOW: u64 = 900;

/// What is durable, or will be.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) epoch: i64,
    number: u64,
    hashes: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, u32)>,
}

impl Sent for Disk {
    fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.hashes.get(key).cloned())
    }

    fn ids(&self, scope: &Scope) -> Result<Vec<String>, Error> {
        let prefix = format!("s/{scope}/");
        Ok(self.hashes.keys().filter_map(|k| k.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    fn manifest(&self, scope: &Scope) -> Result<Option<(String, u32)>, Error> {
        Ok(self.manifests.get(&scope.to_string()).cloned())
    }
}

/// What an agent says on its stream.
pub(crate) enum Up {
    Claim(i64),
    Batch(Vec<Record>),
}

/// What it is answered.
pub(crate) enum Down {
    Claimed(i64),
    Acknowledged(u64, i64),
    Rejected(u64, Reason),
}

/// A round under way.
struct Round {
    left: VecDeque<&'static str>,
    /// The scope whose records are under way; its line of the cycle follows them.
    sending: Option<driftline_agent::ScopeSeen>,
    listings: Vec<Listing>,
    after_offset: i64,
    closing: bool,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Claiming,
    Reading(Box<Round>),
}

pub(crate) struct Agent {
    pub(crate) disk: Disk,
    pub(crate) memory: Disk,
    window: Window<(Entry, u64)>,
    /// Planned, not yet in the window.
    queue: VecDeque<Entry>,
    numbers: std::ops::Range<u64>,
    reached: i64,
    stage: Stage,
    pub(crate) connected: bool,
    /// Hours that its clock is ahead.
    pub(crate) skew: i64,
    pub(crate) rounds: usize,
    pub(crate) alive: bool,
}

impl Agent {
    pub(crate) fn new(skew: i64) -> Self {
        Self {
            disk: Disk::default(),
            memory: Disk::default(),
            window: Window::new(WINDOW),
            queue: VecDeque::new(),
            numbers: 0..0,
            reached: -1,
            stage: Stage::Idle,
            connected: false,
            skew,
            rounds: 0,
            alive: true,
        }
    }

    /// Dies and starts again; a machine that dies takes along what was not yet durable.
    pub(crate) fn crash(&mut self, machine: bool, store: bool) {
        let kept = if machine { self.disk.clone() } else { self.memory.clone() };
        let kept = if store { Disk::default() } else { kept };
        *self = Self { disk: kept.clone(), memory: kept, rounds: self.rounds, ..Self::new(self.skew) };
    }

    fn persist(&mut self) {
        self.disk = self.memory.clone();
    }

    fn begin(&mut self, epoch: i64) {
        self.memory = Disk { epoch, number: 1, ..Disk::default() };
        self.numbers = 0..0;
        self.persist();
    }

    /// A new stream: claims that are held or waited for are said again, and what was not acknowledged goes out again.
    pub(crate) fn connect(&mut self) -> Vec<Up> {
        self.connected = true;
        self.window.reconnect();
        match self.stage {
            Stage::Idle if self.window.is_empty() => Vec::new(),
            _ => vec![Up::Claim(self.memory.epoch)],
        }
    }

    /// Goes on as far as it can without an answer.
    pub(crate) fn act(&mut self, cloud: &mut Cloud, now: i64, dice: &mut Dice) -> Option<Up> {
        while self.window.has_room()
            && let Some(entry) = self.queue.pop_front()
        {
            let (record, number) = self.record(&entry, now);
            self.window.offer(record, (entry, number));
        }
        if self.window.has_unsent() {
            return Some(Up::Batch(self.window.unsent(1 + dice.below(4), 600)));
        }
        if !self.window.is_empty() {
            return None;
        }
        match &mut self.stage {
            Stage::Idle => {
                self.stage = Stage::Claiming;
                return Some(Up::Claim(self.memory.epoch));
            }
            Stage::Claiming => {}
            Stage::Reading(_) => self.read(cloud, dice),
        }
        None
    }

    fn read(&mut self, cloud: &mut Cloud, dice: &mut Dice) {
        let Stage::Reading(round) = &mut self.stage else { return };
        if round.closing {
            (self.stage, self.rounds) = (Stage::Idle, self.rounds + 1);
            return;
        }
        if let Some(seen) = round.sending.take() {
            round.listings.push(delta::listing(&seen, &self.memory).unwrap());
            return;
        }
        let Some(region) = round.left.pop_front() else {
            let cycle = Cycle {
                catalogue: "1".to_owned(),
                regions: REGIONS.map(str::to_owned).to_vec(),
                types: vec![KIND.to_owned()],
                listings: std::mem::take(&mut round.listings),
                began_ms: 0,
                ended_ms: 0,
                after_offset: round.after_offset,
            };
            round.closing = true;
            self.persist();
            self.queue.push_back(delta::plain(&InputKey::Cycle(ACCOUNT.to_owned()), &cycle, Remember::Nothing));
            return;
        };
        let mut seen = cloud.list(region, self.reached, dice);
        let gone = delta::left_out(&seen, &self.memory).unwrap();
        for id in &gone {
            seen.looked_up(id.clone(), &cloud.look_up(region, id, dice));
        }
        self.queue.extend(delta::plan(&seen, &gone, &self.memory).unwrap());
        round.sending = Some(seen);
    }

    fn record(&mut self, entry: &Entry, now: i64) -> (Record, u64) {
        if self.numbers.is_empty() {
            let from = self.memory.number.max(1);
            self.memory.number = from + BLOCK;
            self.numbers = from..from + BLOCK;
            self.persist();
        }
        let number = self.numbers.next().unwrap();
        let record = Record {
            sequence: 0,
            key: entry.key.clone(),
            epoch: self.memory.epoch,
            number,
            time_ms: now * 1000 + self.skew * 3_600_000,
            hash: entry.hash.clone().into(),
            tombstone: entry.body.is_none(),
            body: entry.body.clone().unwrap_or_default().into(),
            arn: entry.arn.clone(),
            version: 1,
        };
        (record, number)
    }

    /// Takes an answer; what counts as durable from now on, as key and number.
    pub(crate) fn hear(&mut self, answer: Down) -> Vec<(String, i64, u64)> {
        match answer {
            Down::Claimed(epoch) => {
                self.reached = self.reached.max(epoch);
                if matches!(self.stage, Stage::Claiming) {
                    if epoch != self.memory.epoch {
                        self.begin(epoch);
                    }
                    let left = REGIONS.into_iter().collect();
                    let after_offset = self.reached;
                    self.stage = Stage::Reading(Box::new(Round {
                        left,
                        sending: None,
                        listings: Vec::new(),
                        after_offset,
                        closing: false,
                    }));
                }
                Vec::new()
            }
            Down::Acknowledged(sequence, reached) => {
                self.reached = self.reached.max(reached);
                let settled = self.window.acknowledge(sequence);
                settled
                    .into_iter()
                    .map(|(entry, number)| {
                        self.remember(&entry);
                        (entry.key, self.memory.epoch, number)
                    })
                    .collect()
            }
            Down::Rejected(sequence, reason) => {
                assert_eq!(reason, Reason::NotClaimed, "nothing else is wrong with what an agent sends");
                drop(self.window.reject(sequence));
                panic!("an agent sent what it had not claimed");
            }
        }
    }

    fn remember(&mut self, entry: &Entry) {
        match &entry.remember {
            Remember::Snapshot => drop(self.memory.hashes.insert(entry.key.clone(), entry.hash.clone())),
            Remember::Gone => drop(self.memory.hashes.remove(&entry.key)),
            Remember::Manifest(scope, digest, parts) => {
                self.memory.manifests.insert(scope.to_string(), (digest.clone(), *parts));
            }
            Remember::Other | Remember::Nothing => {}
        }
    }
}
