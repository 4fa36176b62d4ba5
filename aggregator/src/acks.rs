//! Which sequences are settled: durable or rejected. Pure.

use std::collections::{BTreeMap, VecDeque};

/// Deliveries end in the order of sending, rejections at once; an acknowledgement covers a prefix without gaps.
#[derive(Debug, Default)]
pub struct Acks {
    /// Sequences under way in order, and whether each is settled.
    pending: VecDeque<(u64, bool)>,
    settled: u64,
    reached: BTreeMap<String, i64>,
}

/// A prefix that became settled.
#[derive(Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its last sequence.
    pub sequence: u64,
    /// The highest offset of each account that has become durable since the last one.
    pub reached: BTreeMap<String, i64>,
}

impl Acks {
    /// A sequence is under way.
    pub fn sent(&mut self, sequence: u64) {
        self.pending.push_back((sequence, false));
    }

    /// A sequence was rejected, never sent.
    pub fn rejected(&mut self, sequence: u64) {
        self.pending.push_back((sequence, true));
    }

    /// A sequence is durable at an offset of its account's partition.
    pub fn delivered(&mut self, sequence: u64, account: &str, offset: i64) {
        if let Ok(at) = self.pending.binary_search_by_key(&sequence, |(s, _)| *s) {
            self.pending[at].1 = true;
        }
        let reached = self.reached.entry(account.to_owned()).or_insert(offset);
        *reached = offset.max(*reached);
    }

    /// The prefix to acknowledge, if it grew.
    pub fn take(&mut self) -> Option<Prefix> {
        let before = self.settled;
        while let Some((sequence, true)) = self.pending.front() {
            self.settled = *sequence;
            self.pending.pop_front();
        }
        (self.settled > before).then(|| Prefix { sequence: self.settled, reached: std::mem::take(&mut self.reached) })
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_prefix_without_gaps_is_acknowledged() {
        let mut acks = Acks::default();
        acks.sent(1);
        acks.rejected(2);
        acks.sent(3);
        assert_eq!(acks.take(), None);
        acks.delivered(3, "a", 12);
        assert_eq!(acks.take(), None, "1 is under way");
        acks.delivered(1, "a", 11);
        let prefix = acks.take().expect("all settled");
        assert_eq!((prefix.sequence, prefix.reached["a"]), (3, 12));
        assert!(acks.is_idle() && acks.take().is_none());
    }
}
