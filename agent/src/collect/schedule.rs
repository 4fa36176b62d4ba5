//! Which resources of a scope get their further calls in this round. Pure: changed ones first, then those unread the longest;
//! beyond the budget, within a bound, those that would be older than is promised.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What a round may spend on further calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// All that there is: a scan.
    All,
    /// What rounds may take.
    Round(Rounds),
}

/// A budget of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// Calls per scope: what the service's rate leaves within the interval. As many again may go to what would else be older
    /// than `max_age_ms`.
    pub calls: usize,
    /// From one round to the next, milliseconds.
    pub interval_ms: i64,
    /// How old what is known of a resource may become, milliseconds.
    pub max_age_ms: i64,
}

/// What is remembered of an account's resources between rounds.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By hash of the key.
    read: HashMap<u64, Entry>,
    /// When the last round began.
    began_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Hash of the listing's item as of the last full read.
    item: Option<u64>,
    /// Time of the last full read, else of the first sight.
    since_ms: i64,
    seen_ms: i64,
}

impl Memory {
    /// Forgets what was not seen in the round that began at `now`.
    pub(crate) fn end_round(&mut self, now: i64) {
        self.read.retain(|_, e| e.seen_ms >= now);
        self.began_ms = Some(now);
    }
}

/// A listed resource: hashes of its key and of its item, and how many further calls it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) key: u64,
    pub(crate) item: u64,
    pub(crate) calls: usize,
}

/// What is done with the resources of a scope in this round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    /// Whether each is read in full now. Those that need no further call always are.
    pub(crate) read: Vec<bool>,
    /// What is neither read nor will be before it is older than promised.
    pub(crate) overdue: Option<Overdue>,
}

/// Resources that are known worse than promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// How many.
    pub(crate) resources: usize,
    /// The oldest one's index.
    pub(crate) oldest: usize,
    /// For how long it has not been read, milliseconds.
    pub(crate) age_ms: i64,
}

/// Chooses among the resources of a scope in the round that began at `now`.
pub(crate) fn choose(items: &[Listed], memory: &Mutex<&mut Memory>, budget: &Budget, now: i64) -> Choice {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let known: Vec<Option<Entry>> = items.iter().map(|listed| memory.read.get(&listed.key).copied()).collect();
    let since = |i: usize| known[i].map_or(now, |entry| entry.since_ms);
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| match known[i] {
        Some(entry) if entry.item == Some(items[i].item) => (1, entry.since_ms),
        _ => (0, since(i)),
    });
    let mut choice = Choice { read: vec![false; items.len()], overdue: None };
    let rounds = match budget {
        Budget::All => Rounds { calls: usize::MAX, interval_ms: 0, max_age_ms: i64::MAX },
        Budget::Round(rounds) => *rounds,
    };
    let mut left = rounds.calls;
    for &i in &order {
        // What needs more than there is takes all of it once.
        choice.read[i] = items[i].calls <= left || left == rounds.calls;
        left = left.saturating_sub(if choice.read[i] { items[i].calls } else { 0 });
    }
    // A round that took longer than the interval will do so again.
    let interval = memory.began_ms.map_or(0, |began| now - began).max(rounds.interval_ms).max(1);
    let until = |i: usize| since(i).saturating_add(rounds.max_age_ms).saturating_sub(now);
    order.retain(|&i| !choice.read[i]);
    order.sort_by_key(|&i| since(i));
    let mut left = debt(&rounds, order.iter().map(|&i| (items[i].calls, until(i) / interval))).min(rounds.calls);
    for &i in &order {
        choice.read[i] = items[i].calls <= left;
        left -= if choice.read[i] { items[i].calls } else { 0 };
    }
    order.retain(|&i| !choice.read[i] && until(i) < interval);
    choice.overdue =
        order.first().map(|&oldest| Overdue { resources: order.len(), oldest, age_ms: now - since(oldest) });
    for (i, listed) in items.iter().enumerate() {
        let (item, since_ms) =
            if choice.read[i] { (Some(listed.item), now) } else { (known[i].and_then(|e| e.item), since(i)) };
        memory.read.insert(listed.key, Entry { item, since_ms, seen_ms: now });
    }
    choice
}

/// Calls beyond the budget to be made in this round, and in later ones, so that nothing grows too old. `waiting`, oldest
/// first: the calls that each resource needs, and the rounds after this one before it is older than promised.
fn debt(rounds: &Rounds, waiting: impl Iterator<Item = (usize, i64)>) -> usize {
    let (mut needed, mut debt) = (0usize, 0);
    for (calls, later) in waiting {
        needed = needed.saturating_add(calls);
        let later = usize::try_from(later).unwrap_or(0);
        let beyond = needed.saturating_sub(rounds.calls.saturating_mul(later));
        debt = debt.max(beyond / later.saturating_add(1));
    }
    debt
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn listed(key: u64, item: u64) -> Listed {
        Listed { key, item, calls: 2 }
    }

    fn budget(calls: usize, interval_ms: i64, max_age_ms: i64) -> Budget {
        Budget::Round(Rounds { calls, interval_ms, max_age_ms })
    }

    #[test]
    fn a_small_budget_goes_to_what_changed_and_then_round() {
        let mut memory = Memory::default();
        let budget = budget(5, 1, 1000);
        let mut round = |items: &[Listed], now| choose(items, &Mutex::new(&mut memory), &budget, now).read;
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
        assert!(choose(&items, &Mutex::new(&mut memory), &Budget::All, 1).read.iter().all(|c| *c));
        choose(&items[..1], &Mutex::new(&mut memory), &Budget::All, 2);
        memory.end_round(2);
        assert_eq!(memory.read.len(), 1);
    }

    /// `resources` of two calls each with a budget of `calls` a round, every `minutes`: the ages in minutes that any reaches
    /// at the beginning of a round, and what is said to be overdue at most.
    fn oldest(resources: u64, calls: usize, minutes: i64, max_age: i64, slow: i64) -> (i64, usize) {
        let mut memory = Memory::default();
        let items: Vec<_> = (0..resources).map(|k| listed(k, 0)).collect();
        let (mut read, mut oldest, mut said) = (vec![0; items.len()], 0, 0);
        for round in 0..200 {
            let now = round * minutes.max(slow) * MINUTE;
            let budget = budget(calls, minutes * MINUTE, max_age * MINUTE);
            let choice = choose(&items, &Mutex::new(&mut memory), &budget, now);
            memory.end_round(now);
            let spent: usize = choice.read.iter().filter(|r| **r).count() * 2;
            assert!(spent <= (2 * calls).max(2), "{spent} calls");
            oldest = read.iter().map(|at| (now - at) / MINUTE).fold(oldest, i64::max);
            (0..items.len()).filter(|i| choice.read[*i]).for_each(|i| read[i] = now);
            if let Some(overdue) = choice.overdue {
                assert_eq!(overdue.age_ms, now - read[overdue.oldest], "named with its age");
                assert_eq!(read[overdue.oldest], *read.iter().min().unwrap(), "the oldest is named");
                said = said.max(overdue.resources);
            }
        }
        (oldest, said)
    }

    #[test]
    fn nothing_grows_older_than_promised_where_twice_the_budget_suffices() {
        // resources, calls, interval, max_age, what a round really takes => oldest age, most said to be overdue
        let cases = [
            ((10, 100, 5, 360, 0), (5, 0)),  // all fits: every round reads all
            ((100, 20, 5, 360, 0), (50, 0)), // ten rounds by the budget alone
            ((100, 2, 5, 360, 0), (360, 0)), // the budget alone would take 500 minutes
            ((100, 2, 5, 360, 7), (357, 0)), // as slow as rounds are
            ((100, 2, 5, 60, 0), (250, 76)), // not even twice the budget does, and that is said
            ((3, 1, 5, 60, 0), (15, 0)),     // one resource is more than the budget
        ];
        for ((resources, calls, interval, max_age, slow), expected) in cases {
            assert_eq!(oldest(resources, calls, interval, max_age, slow), expected, "{resources} {calls} {max_age}");
        }
    }
}
