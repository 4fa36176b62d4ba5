//! The deciding part of the limiter: who may send next. Pure: time is passed in, waiters are numbers, nothing waits here.
//! The shell in `limiter.rs` turns grants into futures.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{LimiterConfig, Outcome, Rate};

/// Account x region x service: what AWS throttles apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) account: Arc<str>,
    pub(super) region: Arc<str>,
    pub(super) service: Arc<str>,
}

impl Key {
    pub(super) fn new(account: &str, region: &str, service: &str) -> Self {
        Key { account: account.into(), region: region.into(), service: service.into() }
    }
}

/// A waiter; later tickets are higher.
pub(super) type Ticket = u64;

/// A waiter whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grant {
    pub(super) ticket: Ticket,
    /// Bytes reserved for the answer.
    pub(super) bytes: usize,
}

/// A call under way.
#[derive(Debug)]
struct Call {
    key: Arc<Key>,
    began: Duration,
    /// Bytes it is counted with.
    bytes: usize,
    /// Bytes it waits for before it reads on.
    wants: usize,
}

/// What one look at the time gave.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) grants: Vec<Grant>,
    /// Calls under way that got the bytes they waited for.
    pub(super) grown: Vec<Ticket>,
    /// When to look again, if nothing else happens before.
    pub(super) wake: Option<Duration>,
}

#[derive(Debug)]
struct Partition {
    limit: Rate,
    /// Calls per second right now; between the least and `limit.per_second`.
    rate: f64,
    tokens: f64,
    seen: Duration,
    /// When the rate was last cut: answers to calls sent before that say nothing new.
    cut: Option<Duration>,
    in_flight: usize,
    waiters: BTreeSet<Ticket>,
    place: Place,
    /// Bytes that an answer is expected to have: a maximum that decays.
    answer: usize,
    retries: f64,
    /// When it last became idle.
    idle: Duration,
    in_idle_queue: bool,
}

/// Where a partition with waiters stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nobody waits, or as many calls as allowed are under way.
    Parked,
    /// Waits for its next token.
    Timed(Duration),
    /// In its account's queue.
    Ready,
}

#[derive(Debug, Default)]
struct Account {
    in_flight: usize,
    bytes: usize,
    /// When it was last served, as a count of grants: the longest ago goes first among equals.
    served: u64,
    ready: VecDeque<Arc<Key>>,
    partitions: usize,
}

/// All partitions and who waits for them.
#[derive(Debug)]
pub(super) struct Core {
    config: LimiterConfig,
    partitions: HashMap<Arc<Key>, Partition>,
    accounts: HashMap<Arc<str>, Account>,
    /// Accounts with something ready: fewest calls under way first, then longest unserved.
    queue: BTreeSet<(usize, u64, Arc<str>)>,
    timed: BTreeSet<(Duration, Arc<Key>)>,
    idle: VecDeque<(Duration, Arc<Key>)>,
    calls: HashMap<Ticket, Call>,
    bytes: usize,
    /// Calls that wait for bytes, in order.
    growing: VecDeque<Ticket>,
    /// The one call that may take more than there is: it ends and gives back, however many hold a part and want more.
    overdraft: Option<Ticket>,
    served: u64,
    next: Ticket,
}

/// Retries that a partition may have outstanding without successes between them, and what a success gives back: as the
/// standard mode of the AWS SDKs has it (500 tokens, 5 a retry, 1 a success).
const RETRY_BUDGET: f64 = 100.0;
const RETRY_REFUND: f64 = 0.2;

/// An account gets no more while what it holds is this part of what is free (Choudhury and Hahne, "Dynamic queue length
/// thresholds"): one that hangs holds a fifth, the next a fifth of the rest, and a newcomer still finds room.
const SHARE: usize = 4;

impl Partition {
    fn new(config: &LimiterConfig, service: &str, now: Duration) -> Self {
        let limit = config.rate(service);
        Partition {
            limit,
            rate: limit.per_second,
            tokens: limit.burst,
            seen: now,
            cut: None,
            in_flight: 0,
            waiters: BTreeSet::new(),
            place: Place::Parked,
            answer: config.answer_bytes,
            retries: RETRY_BUDGET,
            idle: now,
            in_idle_queue: false,
        }
    }

    /// Lets time pass: tokens flow in, the rate recovers by a fixed share of the full one per second.
    fn advance(&mut self, now: Duration, recovery: f64) {
        let passed = now.saturating_sub(self.seen).as_secs_f64();
        if passed <= 0.0 {
            return;
        }
        self.seen = now;
        let before = self.rate;
        self.rate = (self.rate + self.limit.per_second * recovery * passed).min(self.limit.per_second);
        // the lower of both rates over the whole span: never more than the area under the curve
        self.tokens = (self.tokens + before * passed).min(self.limit.burst);
    }

    /// When the next token is there. A hair of tolerance: a token must not be late by a rounding error.
    fn ready_at(&self) -> Duration {
        if self.tokens >= 1.0 - 1e-9 {
            return self.seen;
        }
        let wait = (1.0 - self.tokens) / self.rate;
        self.seen + Duration::from_secs_f64(wait) + Duration::from_nanos(1)
    }

    /// As good as new.
    fn is_fresh(&self) -> bool {
        self.rate >= self.limit.per_second && self.tokens >= self.limit.burst
    }

    fn throttled(&mut self, sent: Duration, now: Duration, config: &LimiterConfig) {
        if self.cut.is_some_and(|cut| sent <= cut) {
            return;
        }
        self.cut = Some(now);
        self.rate = (self.rate * config.slow_down).max(self.limit.per_second * config.least);
        self.tokens = self.tokens.min(0.0);
    }
}

impl Core {
    pub(super) fn new(config: LimiterConfig) -> Self {
        Core {
            config,
            partitions: HashMap::new(),
            accounts: HashMap::new(),
            queue: BTreeSet::new(),
            timed: BTreeSet::new(),
            idle: VecDeque::new(),
            calls: HashMap::new(),
            bytes: 0,
            growing: VecDeque::new(),
            overdraft: None,
            served: 0,
            next: 0,
        }
    }

    /// Somebody waits.
    pub(super) fn request(&mut self, now: Duration, key: &Key) -> (Ticket, Arc<Key>) {
        let ticket = self.next;
        self.next += 1;
        let key = self.partition(now, key);
        if let Some(partition) = self.partitions.get_mut(&key) {
            partition.waiters.insert(ticket);
        }
        self.schedule(now, &key);
        (ticket, key)
    }

    /// Somebody waits no longer.
    pub(super) fn cancel(&mut self, now: Duration, key: &Arc<Key>, ticket: Ticket) {
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.waiters.remove(&ticket);
            if partition.waiters.is_empty() {
                self.unschedule(key);
                self.became_idle(now, key);
            }
        }
    }

    /// A grant that nobody took: everything goes back, the token too.
    pub(super) fn give_back(&mut self, now: Duration, ticket: Ticket) {
        if let Some(call) = self.calls.get(&ticket)
            && let Some(partition) = self.partitions.get_mut(&call.key)
        {
            partition.tokens = (partition.tokens + 1.0).min(partition.limit.burst);
        }
        self.release(now, ticket);
    }

    /// A call ended. `received`: bytes of its answer, where one came.
    pub(super) fn done(&mut self, now: Duration, ticket: Ticket, received: Option<usize>, outcome: Outcome) {
        if let Some(call) = self.calls.get(&ticket)
            && let Some(partition) = self.partitions.get_mut(&call.key)
        {
            partition.advance(now, self.config.recovery);
            if let Some(received) = received {
                partition.answer = received.max(partition.answer - partition.answer / 4);
            }
            match outcome {
                Outcome::Ok => partition.retries = (partition.retries + RETRY_REFUND).min(RETRY_BUDGET),
                Outcome::Throttled => partition.throttled(call.began, now, &self.config),
                Outcome::Failed => {}
            }
        }
        self.release(now, ticket);
    }

    /// A call's answer is larger than was reserved. `false`: it waits until a step says that it has grown. A call that is
    /// over counts nothing.
    pub(super) fn grow(&mut self, ticket: Ticket, bytes: usize) -> bool {
        let free = self.config.bytes.saturating_sub(self.bytes);
        let Some(call) = self.calls.get_mut(&ticket) else { return true };
        if self.overdraft != Some(ticket) && (!self.growing.is_empty() || bytes > free) {
            if self.overdraft.is_some() || !self.growing.is_empty() {
                call.wants = bytes;
                self.growing.push_back(ticket);
                return false;
            }
            self.overdraft = Some(ticket);
        }
        self.count(ticket, bytes);
        true
    }

    /// A call waits for bytes no longer.
    pub(super) fn forgo(&mut self, ticket: Ticket) {
        self.growing.retain(|waiting| *waiting != ticket);
    }

    fn count(&mut self, ticket: Ticket, bytes: usize) {
        let Some(call) = self.calls.get_mut(&ticket) else { return };
        call.bytes += bytes;
        self.bytes += bytes;
        if let Some(account) = self.accounts.get_mut(&call.key.account) {
            account.bytes += bytes;
        }
    }

    /// Gives bytes to those who wait for them, in order.
    fn step_growing(&mut self, step: &mut Step) {
        while let Some(ticket) = self.growing.front().copied() {
            let free = self.config.bytes.saturating_sub(self.bytes);
            let wants = self.calls.get(&ticket).map_or(0, |call| call.wants);
            if wants > free {
                if self.overdraft.is_some() {
                    break;
                }
                self.overdraft = Some(ticket);
            }
            self.growing.pop_front();
            self.count(ticket, wants);
            step.grown.push(ticket);
        }
    }

    /// Takes one retry from the partition's budget.
    pub(super) fn take_retry(&mut self, now: Duration, key: &Key) -> bool {
        let key = self.partition(now, key);
        let taken = match self.partitions.get_mut(&key) {
            Some(partition) if partition.retries >= 1.0 => {
                partition.retries -= 1.0;
                true
            }
            _ => false,
        };
        self.became_idle(now, &key);
        taken
    }

    /// Hands out what may go now.
    pub(super) fn step(&mut self, now: Duration) -> Step {
        let mut step = Step::default();
        self.forget_idle(now);
        while let Some((at, _)) = self.timed.first()
            && *at <= now
        {
            if let Some((_, key)) = self.timed.pop_first() {
                self.enqueue(&key);
            }
        }
        self.step_growing(&mut step);
        let mut set_aside = Vec::new();
        while self.growing.is_empty() && self.calls.len() < self.config.requests {
            let Some(entry) = self.queue.pop_first() else { break };
            let free = self.config.requests - self.calls.len();
            if entry.0 > 0 && entry.0.saturating_mul(SHARE) >= free {
                // all that follow hold as much or more
                self.queue.insert(entry);
                break;
            }
            match self.grant(now, &entry.2) {
                Granted::Yes(grant) => step.grants.push(grant),
                Granted::NotYet => {}
                Granted::NoBytes => set_aside.push(entry),
            }
        }
        self.queue.extend(set_aside);
        step.wake = self.timed.first().map(|(at, _)| *at);
        step
    }

    /// The account's next ready partition sends one; the account is out of the queue when this is called.
    fn grant(&mut self, now: Duration, name: &Arc<str>) -> Granted {
        let recovery = self.config.recovery;
        let Some(account) = self.accounts.get_mut(name) else { return Granted::NotYet };
        let Some(key) = account.ready.front().cloned() else { return Granted::NotYet };
        let Some(partition) = self.partitions.get_mut(&key) else { return Granted::NotYet };
        partition.advance(now, recovery);
        let bytes = partition.answer.min(self.config.bytes);
        let free = self.config.bytes.saturating_sub(self.bytes);
        // the same rule of shares as for slots; whoever has nothing under way may always send one that fits
        let share = account.bytes.saturating_add(bytes).saturating_mul(SHARE);
        let fits = bytes <= free && (account.in_flight == 0 || share <= free);
        if !fits {
            return Granted::NoBytes;
        }
        account.ready.pop_front();
        partition.place = Place::Parked;
        let mut granted = Granted::NotYet;
        if partition.ready_at() <= now
            && let Some(ticket) = partition.waiters.pop_first()
        {
            partition.tokens -= 1.0;
            partition.in_flight += 1;
            account.in_flight += 1;
            account.bytes += bytes;
            self.served += 1;
            account.served = self.served;
            self.bytes += bytes;
            self.calls.insert(ticket, Call { key: key.clone(), began: now, bytes, wants: 0 });
            granted = Granted::Yes(Grant { ticket, bytes });
        }
        if !account.ready.is_empty() {
            self.queue.insert((account.in_flight, account.served, name.clone()));
        }
        self.schedule(now, &key);
        granted
    }

    /// Finds or makes the partition.
    fn partition(&mut self, now: Duration, key: &Key) -> Arc<Key> {
        if let Some((known, _)) = self.partitions.get_key_value(key) {
            return known.clone();
        }
        let key = Arc::new(key.clone());
        self.partitions.insert(key.clone(), Partition::new(&self.config, &key.service, now));
        self.accounts.entry(key.account.clone()).or_default().partitions += 1;
        key
    }

    /// Puts a partition with waiters where it belongs.
    fn schedule(&mut self, now: Duration, key: &Arc<Key>) {
        let (recovery, cap) = (self.config.recovery, self.config.requests_per_partition);
        let Some(partition) = self.partitions.get_mut(key) else { return };
        if partition.waiters.is_empty() || partition.in_flight >= cap || partition.place != Place::Parked {
            return;
        }
        partition.advance(now, recovery);
        let at = partition.ready_at();
        if at <= now {
            self.enqueue(key);
        } else {
            partition.place = Place::Timed(at);
            self.timed.insert((at, key.clone()));
        }
    }

    fn enqueue(&mut self, key: &Arc<Key>) {
        let Some(partition) = self.partitions.get_mut(key) else { return };
        partition.place = Place::Ready;
        if let Some(account) = self.accounts.get_mut(&key.account) {
            account.ready.push_back(key.clone());
            self.queue.insert((account.in_flight, account.served, key.account.clone()));
        }
    }

    fn unschedule(&mut self, key: &Arc<Key>) {
        let Some(partition) = self.partitions.get_mut(key) else { return };
        match partition.place {
            Place::Parked => {}
            Place::Timed(at) => {
                self.timed.remove(&(at, key.clone()));
            }
            Place::Ready => {
                if let Some(account) = self.accounts.get_mut(&key.account) {
                    account.ready.retain(|k| k != key);
                    if account.ready.is_empty() {
                        self.queue.remove(&(account.in_flight, account.served, key.account.clone()));
                    }
                }
            }
        }
        partition.place = Place::Parked;
    }

    fn release(&mut self, now: Duration, ticket: Ticket) {
        let Some(Call { key, bytes, .. }) = self.calls.remove(&ticket) else { return };
        let key = &key;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.forgo(ticket);
        if self.overdraft == Some(ticket) {
            self.overdraft = None;
        }
        if let Some(account) = self.accounts.get_mut(&key.account) {
            let queued = self.queue.remove(&(account.in_flight, account.served, key.account.clone()));
            account.in_flight = account.in_flight.saturating_sub(1);
            account.bytes = account.bytes.saturating_sub(bytes);
            if queued {
                self.queue.insert((account.in_flight, account.served, key.account.clone()));
            }
        }
        if let Some(partition) = self.partitions.get_mut(key) {
            partition.in_flight = partition.in_flight.saturating_sub(1);
        }
        self.schedule(now, key);
        self.became_idle(now, key);
    }

    /// Notes since when a partition has nothing to do; one note per partition is kept.
    fn became_idle(&mut self, now: Duration, key: &Arc<Key>) {
        let Some(partition) = self.partitions.get_mut(key) else { return };
        if partition.in_flight > 0 || !partition.waiters.is_empty() {
            return;
        }
        partition.idle = now;
        if !partition.in_idle_queue {
            partition.in_idle_queue = true;
            self.idle.push_back((now, key.clone()));
        }
    }

    /// Drops what has been idle for long and has recovered: a new one would be the same.
    fn forget_idle(&mut self, now: Duration) {
        let (keep, recovery) = (self.config.keep_idle, self.config.recovery);
        while let Some((since, _)) = self.idle.front()
            && *since + keep <= now
        {
            let Some((_, key)) = self.idle.pop_front() else { break };
            let Some(partition) = self.partitions.get_mut(&key) else { continue };
            partition.in_idle_queue = false;
            if partition.in_flight > 0 || !partition.waiters.is_empty() {
                continue;
            }
            partition.advance(now, recovery);
            if partition.idle + keep > now || !partition.is_fresh() {
                // noted anew as of now, so that the queue stays in order
                partition.in_idle_queue = true;
                self.idle.push_back((now, key));
                continue;
            }
            self.partitions.remove(&key);
            if let Some(account) = self.accounts.get_mut(&key.account) {
                account.partitions -= 1;
                if account.partitions == 0 {
                    self.accounts.remove(&key.account);
                }
            }
        }
    }

    pub(super) fn usage(&self) -> super::Usage {
        super::Usage {
            requests: self.calls.len(),
            bytes: self.bytes,
            waiting: self.partitions.values().map(|p| p.waiters.len()).sum(),
            partitions: self.partitions.len(),
        }
    }
}

enum Granted {
    Yes(Grant),
    NotYet,
    NoBytes,
}

#[cfg(test)]
mod tests;
