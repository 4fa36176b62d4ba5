//! The unacknowledged records of a stream: order, byte limit, and what to send again after a reconnect. Pure.

use std::collections::VecDeque;

use driftline_proto::v1::Record;

/// A record under way and what its sender is told at the end.
#[derive(Debug)]
struct Pending<T> {
    record: Record,
    size: u64,
    token: Option<T>,
}

/// Bounded by bytes; `T` is what completes a record's sender.
#[derive(Debug)]
pub struct Window<T> {
    queue: VecDeque<Pending<T>>,
    /// Sequence of the queue's first record.
    first: u64,
    /// How many of the queue's records went out on this stream.
    sent: usize,
    bytes: u64,
    limit: u64,
}

impl<T> Window<T> {
    /// An empty window of so many bytes.
    pub fn new(limit: u64) -> Self {
        Self { queue: VecDeque::new(), first: 1, sent: 0, bytes: 0, limit }
    }

    /// Whether one more record may be offered: what exceeds the limit alone may go when nothing else is under way.
    pub fn has_room(&self) -> bool {
        self.queue.is_empty() || self.bytes < self.limit
    }

    /// Another limit, bytes: what is under way stays.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a record; its sequence is given when it is sent.
    pub fn offer(&mut self, record: Record, token: T) {
        let size = (record.body.len() + record.key.len() + 64) as u64;
        self.bytes += size;
        self.queue.push_back(Pending { record, size, token: Some(token) });
    }

    /// The next records to send, at most `records` of them and about `bytes`.
    pub fn unsent(&mut self, records: usize, bytes: u64) -> Vec<Record> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while batch.len() < records && (size < bytes || batch.is_empty()) {
            let Some(pending) = self.queue.get(self.sent) else { break };
            let mut record = pending.record.clone();
            record.sequence = self.first + self.sent as u64;
            size += pending.size;
            self.sent += 1;
            batch.push(record);
        }
        batch
    }

    /// Whether [`Self::unsent`] would give any.
    pub fn has_unsent(&self) -> bool {
        self.sent < self.queue.len()
    }

    /// A rejection of one record: its token, to be told. The record stays until the prefix passes it.
    pub fn reject(&mut self, sequence: u64) -> Option<T> {
        let at = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.queue.get_mut(at).filter(|_| at < self.sent)?.token.take()
    }

    /// Everything up to `sequence` is settled: the tokens of what is durable. Sequences never sent are ignored.
    pub fn acknowledge(&mut self, sequence: u64) -> Vec<T> {
        let mut durable = Vec::new();
        while self.sent > 0 && self.first <= sequence {
            let Some(pending) = self.queue.pop_front() else { break };
            self.first += 1;
            self.sent -= 1;
            self.bytes -= pending.size;
            durable.extend(pending.token);
        }
        durable
    }

    /// A new stream: sequences start at 1 again, what was not acknowledged goes out again, in order.
    pub fn reconnect(&mut self) {
        // What was rejected needs no second trip.
        self.queue.retain(|p| p.token.is_some());
        self.bytes = self.queue.iter().map(|p| p.size).sum();
        (self.first, self.sent) = (1, 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(key: u32) -> Record {
        Record { key: key.to_string(), body: vec![0; 100].into(), ..Record::default() }
    }

    #[test]
    fn a_full_window_waits_and_an_acknowledgement_makes_room() {
        let mut window = Window::new(300);
        window.offer(record(1), 1);
        assert!(window.has_room());
        window.offer(record(2), 2);
        assert!(!window.has_room());
        assert_eq!(window.unsent(10, 1000).iter().map(|r| r.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(window.acknowledge(1), [1]);
        assert!(window.has_room());
    }

    proptest! {
        /// Whatever the aggregator does, each record is settled once, in order, and none is lost.
        #[test]
        fn every_record_is_settled_once(steps in prop::collection::vec((0..5u8, 0..6u64), 1..200)) {
            let mut window = Window::new(500);
            let (mut offered, mut settled, mut rejected) = (0, Vec::new(), Vec::new());
            for (step, n) in steps {
                match step {
                    0 if window.has_room() => { offered += 1; window.offer(record(offered), offered); }
                    1 => { window.unsent(n as usize, 250); }
                    2 => settled.extend(window.acknowledge(window.first + n)),
                    3 => rejected.extend(window.reject(window.first + n)),
                    4 => window.reconnect(),
                    _ => {}
                }
            }
            window.reconnect();
            while window.has_unsent() { window.unsent(10, 1000); }
            settled.extend(window.acknowledge(u64::MAX));
            prop_assert!(settled.is_sorted() && window.is_empty() && window.bytes == 0);
            let mut all = [settled, rejected].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (1..=offered).collect::<Vec<_>>());
        }
    }
}
