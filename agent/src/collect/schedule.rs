//! Which resources of a scope get their further calls in this round. Pure: changed ones first, then those unread the longest.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What a round may spend on further calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// All that there is: a scan.
    All,
    /// So many calls per scope: what the service's rate leaves within the interval.
    Calls(usize),
}

/// What is remembered of an account's resources between rounds.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Hash of key to hash of the listing's item, time of the last full read, and of the last sight.
    read: HashMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    item: u64,
    read_ms: i64,
    seen_ms: i64,
}

impl Memory {
    /// Forgets what was not seen in this round.
    pub(crate) fn end_round(&mut self, now: i64) {
        self.read.retain(|_, e| e.seen_ms >= now);
    }
}

/// A listed resource: hashes of its key and of its item, and how many further calls it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) key: u64,
    pub(crate) item: u64,
    pub(crate) calls: usize,
}

/// Whether each of `items` is read in full now. Those that need no further call always are.
pub(crate) fn choose(items: &[Listed], memory: &Mutex<&mut Memory>, budget: &Budget, now: i64) -> Vec<bool> {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let mut order: Vec<usize> = (0..items.len()).collect();
    let known = |i: usize| memory.read.get(&items[i].key).copied();
    order.sort_by_key(|&i| match known(i) {
        Some(entry) if entry.item == items[i].item => (1, entry.read_ms),
        _ => (0, 0),
    });
    let mut left = match budget {
        Budget::All => usize::MAX,
        Budget::Calls(calls) => *calls,
    };
    let mut chosen = vec![false; items.len()];
    for i in order {
        let listed = items[i];
        chosen[i] = listed.calls <= left;
        left = left.saturating_sub(if chosen[i] { listed.calls } else { 0 });
        let before = memory.read.get(&listed.key).copied();
        let read = if chosen[i] { (listed.item, now) } else { before.map_or((0, i64::MIN), |e| (e.item, e.read_ms)) };
        memory.read.insert(listed.key, Entry { item: read.0, read_ms: read.1, seen_ms: now });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(key: u64, item: u64) -> Listed {
        Listed { key, item, calls: 2 }
    }

    #[test]
    fn a_small_budget_goes_to_what_changed_and_then_round() {
        let mut memory = Memory::default();
        let mut round = |items: &[Listed], now| choose(items, &Mutex::new(&mut memory), &Budget::Calls(5), now);
        let items = [listed(1, 0), listed(2, 0), listed(3, 0)];
        assert_eq!(round(&items, 1), [true, true, false], "two of three fit");
        assert_eq!(round(&items, 2), [true, false, true], "the one never read comes first, then the oldest");
        let changed = [listed(1, 0), listed(2, 9), listed(3, 0)];
        assert_eq!(round(&changed, 3), [true, true, false], "a changed one comes before others");
        let free = [Listed { key: 7, item: 0, calls: 0 }];
        assert_eq!(round(&free, 4), [true]);
    }

    #[test]
    fn a_scan_reads_everything_and_what_is_gone_is_forgotten() {
        let mut memory = Memory::default();
        let items: Vec<_> = (0..100).map(|k| listed(k, 0)).collect();
        assert!(choose(&items, &Mutex::new(&mut memory), &Budget::All, 1).iter().all(|c| *c));
        choose(&items[..1], &Mutex::new(&mut memory), &Budget::All, 2);
        memory.end_round(2);
        assert_eq!(memory.read.len(), 1);
    }
}
