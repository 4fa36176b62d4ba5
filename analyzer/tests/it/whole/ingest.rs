//! Aggregators between agents and the log: streams with their acknowledgements, and what each has given to the broker.
//! What decides is the product's own: `check` and `acks`.

use std::collections::{HashMap, VecDeque};

use driftline_aggregator::acks::Acks;
use driftline_aggregator::check::check;
use driftline_bus::Outgoing;
use driftline_model::record::{INPUTS, InputKey, Session};
use driftline_proto::v1::Record;

use super::agent::{Down, Up};
use crate::script::ACCOUNT;
use crate::world::Dice;

/// One agent's stream, both ways.
pub(crate) struct Stream {
    pub(crate) id: u64,
    pub(crate) agent: usize,
    door: usize,
    pub(crate) up: VecDeque<Up>,
    pub(crate) down: VecDeque<Down>,
    claims: HashMap<String, i64>,
    acks: Acks,
    next: u64,
}

/// A record in a producer's hands; without a sequence it is a session.
pub(crate) struct Queued {
    stream: u64,
    sequence: Option<u64>,
    pub(crate) record: Outgoing,
}

/// A delivery's report on its way.
struct Report {
    stream: u64,
    sequence: Option<u64>,
    offset: i64,
}

#[derive(Default)]
pub(crate) struct Ingest {
    pub(crate) streams: Vec<Stream>,
    /// By aggregator: what its producer has not yet seen stored.
    queues: [VecDeque<Queued>; 2],
    reports: Vec<Report>,
    made: u64,
}

impl Ingest {
    pub(crate) fn open(&mut self, agent: usize, first: Vec<Up>, dice: &mut Dice) {
        self.made += 1;
        self.streams.push(Stream {
            id: self.made,
            agent,
            door: dice.below(2),
            up: first.into(),
            down: VecDeque::new(),
            claims: HashMap::new(),
            acks: Acks::default(),
            next: 1,
        });
    }

    pub(crate) fn of(&mut self, agent: usize) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|s| s.agent == agent)
    }

    /// An aggregator reads the next message of a stream.
    pub(crate) fn take(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        let Some(message) = stream.up.pop_front() else { return };
        match message {
            Up::Claim(0) => {
                let body = Session { agent: format!("agent-{}", stream.agent), session: "s".to_owned() };
                let record = Outgoing {
                    topic: INPUTS.to_owned(),
                    partition: 0,
                    key: InputKey::Session(ACCOUNT.to_owned()).encode().into_bytes(),
                    value: Some(serde_json::to_vec(&body).unwrap()),
                    headers: Vec::new(),
                };
                self.queues[stream.door].push_back(Queued { stream: stream.id, sequence: None, record });
            }
            Up::Claim(epoch) => {
                stream.claims.insert(ACCOUNT.to_owned(), epoch);
                stream.down.push_back(Down::Claimed(epoch));
            }
            Up::Batch(records) => records.into_iter().for_each(|record| self.record(at, record)),
        }
    }

    fn record(&mut self, at: usize, record: Record) {
        let stream = &mut self.streams[at];
        let sequence = record.sequence;
        assert_eq!(sequence, stream.next, "sequences have no gaps");
        stream.next += 1;
        match check(record, &stream.claims, 1, 1 << 20) {
            Ok(record) => {
                stream.acks.sent(sequence);
                self.queues[stream.door].push_back(Queued { stream: stream.id, sequence: Some(sequence), record });
            }
            Err(rejection) => {
                stream.acks.rejected(sequence);
                stream.down.push_back(Down::Rejected(sequence, rejection.reason));
            }
        }
    }

    /// The broker takes the next record of one aggregator.
    pub(crate) fn stored(&mut self, door: usize, append: impl FnOnce(Outgoing) -> i64) {
        let Some(queued) = self.queues[door].pop_front() else { return };
        let offset = append(queued.record);
        self.reports.push(Report { stream: queued.stream, sequence: queued.sequence, offset });
    }

    /// A report arrives, in whatever order; nobody may be there any more to hear it.
    pub(crate) fn report(&mut self, dice: &mut Dice) {
        if self.reports.is_empty() {
            return;
        }
        let report = self.reports.swap_remove(dice.below(self.reports.len()));
        let Some(stream) = self.streams.iter_mut().find(|s| s.id == report.stream) else { return };
        match report.sequence {
            None => {
                stream.claims.insert(ACCOUNT.to_owned(), report.offset);
                stream.down.push_back(Down::Claimed(report.offset));
            }
            Some(sequence) => stream.acks.delivered(sequence, ACCOUNT, report.offset),
        }
        if let Some(prefix) = stream.acks.take() {
            let reached = prefix.reached.get(ACCOUNT).copied().unwrap_or(-1);
            stream.down.push_back(Down::Acknowledged(prefix.sequence, reached));
        }
    }

    /// A stream ends at any point: of what is under way some was read already, and is stored late, or never.
    pub(crate) fn cut(&mut self, at: usize, dice: &mut Dice) -> usize {
        for _ in 0..dice.below(self.streams[at].up.len() + 1) {
            self.take(at);
        }
        self.streams.swap_remove(at).agent
    }

    /// An aggregator dies: what it had given to the broker may still be stored. The agents that lost their streams.
    pub(crate) fn crash(&mut self, door: usize, dice: &mut Dice) -> Vec<usize> {
        let kept = dice.below(self.queues[door].len() + 1);
        self.queues[door].truncate(kept);
        let (lost, kept) = std::mem::take(&mut self.streams).into_iter().partition::<Vec<_>, _>(|s| s.door == door);
        self.streams = kept;
        lost.into_iter().map(|s| s.agent).collect()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty) && self.reports.is_empty()
    }
}
