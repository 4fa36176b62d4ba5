//! The limiter shared by all work of a process: rate, retries and concurrency per account x region x service, slowed by
//! throttling answers and recovering, with bounds on calls under way and on bytes of answers held. One slow or throttled
//! account never holds up the others.

mod core;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::core::{Core, Grant, Key, Step, Ticket};

/// Calls per second that a service allows, and how many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls per second, above 0.
    pub per_second: f64,
    /// Calls at once after a rest; at least 1 and what flows in within a quarter of a second.
    pub burst: f64,
}

/// Time passes in beats here: what waits for its rate goes out side by side, and the process wakes once for several calls
/// instead of once for each.
const BEAT: Duration = Duration::from_millis(250);

/// Bounds of the limiter. The defaults hold for a process that reads thousands of accounts.
#[derive(Debug, Clone, PartialEq)]
pub struct LimiterConfig {
    /// Calls under way in the process.
    pub requests: usize,
    /// Calls under way per account, region and service.
    pub requests_per_partition: usize,
    /// Bytes of answers held between first byte and parsed value. A call reserves what its partition's answers have
    /// lately been; where one turns out larger, it reads on when there is room. One call at a time may go beyond the limit,
    /// so that those who hold a part and want more never wait for each other: most in all is this and one largest answer.
    pub bytes: usize,
    /// Bytes reserved for an answer of a partition that has had none yet.
    pub answer_bytes: usize,
    /// Rates by service (`iam`, `ec2`) that replace the built-in ones.
    pub rates: BTreeMap<String, Rate>,
    /// What a throttling answer multiplies the rate with.
    pub slow_down: f64,
    /// Share of the full rate that comes back per second.
    pub recovery: f64,
    /// Share of the full rate below which nothing is slowed.
    pub least: f64,
    /// How long an idle partition is remembered at least; longer where it has not recovered.
    pub keep_idle: Duration,
}

impl Default for LimiterConfig {
    fn default() -> Self {
        LimiterConfig {
            requests: 256,
            requests_per_partition: 16,
            bytes: 256 << 20,
            answer_bytes: 64 << 10,
            rates: BTreeMap::new(),
            slow_down: 0.5,
            recovery: 0.05,
            least: 0.02,
            keep_idle: Duration::from_secs(60),
        }
    }
}

/// Rates that AWS publishes (service quotas and API throttling pages), else a cautious guess: throttling answers find the
/// truth. Reading goes by the non-mutating limits.
const RATES: &[(&str, f64, f64)] = &[
    ("apigateway", 10.0, 40.0),   // API Gateway quotas: management operations
    ("cloudtrail", 10.0, 10.0),   // CloudTrail quotas: Describe, Get and List
    ("ec2", 20.0, 100.0),         // EC2 request throttling: non-mutating actions, bucket and refill
    ("ecs", 20.0, 50.0),          // ECS request throttling: cluster read actions
    ("iam", 15.0, 30.0),          // measured floor of IAM's read calls
    ("kms", 100.0, 200.0), // KMS quotas: 500 and more for the calls that read; shared with the account's own work
    ("lambda", 15.0, 30.0), // Lambda quotas: control plane
    ("logs", 10.0, 10.0),  // CloudWatch Logs quotas: DescribeLogGroups
    ("organizations", 8.0, 13.0), // Organizations quotas: ListAccounts
    ("route53", 5.0, 5.0), // Route 53 quotas: all requests
    ("s3", 100.0, 300.0),  // unpublished for bucket settings; far below the 5,500 GETs per prefix
    ("sts", 100.0, 200.0), // STS quotas: 600 shared with the account's own work
];
const UNKNOWN_RATE: Rate = Rate { per_second: 10.0, burst: 20.0 };

impl LimiterConfig {
    /// The full rate of a service.
    pub fn rate(&self, service: &str) -> Rate {
        let built_in = || RATES.iter().find(|(name, ..)| *name == service);
        let rate = match self.rates.get(service) {
            Some(rate) => *rate,
            None => built_in().map_or(UNKNOWN_RATE, |&(_, per_second, burst)| Rate { per_second, burst }),
        };
        let per_second = rate.per_second.max(0.001);
        Rate { per_second, burst: rate.burst.max(1.0 + per_second * BEAT.as_secs_f64()) }
    }

    /// Bounds of every field, so that no setting stalls the limiter.
    fn checked(mut self) -> Self {
        self.requests = self.requests.max(1);
        self.requests_per_partition = self.requests_per_partition.max(1);
        self.bytes = self.bytes.max(1);
        self.slow_down = self.slow_down.clamp(0.01, 1.0);
        self.recovery = self.recovery.clamp(0.001, 1.0);
        self.least = self.least.clamp(0.001, 1.0);
        self
    }
}

/// How a call ended, as far as the limiter cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Any answer that is no throttling: a refusal or NotFound too.
    Ok,
    /// The service asked for fewer calls.
    Throttled,
    /// No answer, or a server's failure.
    Failed,
}

/// What is under way right now; for status and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Calls under way.
    pub requests: usize,
    /// Bytes reserved or held.
    pub bytes: usize,
    /// Calls waiting.
    pub waiting: usize,
    /// Partitions remembered.
    pub partitions: usize,
}

/// The limiter; clones share everything.
#[derive(Debug, Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Instant,
    state: Mutex<State>,
    /// Wakes the driver when an earlier time is due than the one it sleeps for.
    sooner: Notify,
}

#[derive(Debug)]
struct State {
    core: Core,
    waiting: HashMap<Ticket, oneshot::Sender<Permit>>,
    growing: HashMap<Ticket, oneshot::Sender<()>>,
    /// When the driver will look again; `None` while there is no driver.
    driver: Option<Duration>,
    /// Where drivers run: the runtime of the last waiter.
    runtime: Option<Handle>,
}

impl Limiter {
    /// Builds a limiter; nothing runs until somebody waits.
    pub fn new(config: LimiterConfig) -> Self {
        let core = Core::new(config.checked());
        let state =
            Mutex::new(State { core, waiting: HashMap::new(), growing: HashMap::new(), driver: None, runtime: None });
        Limiter { inner: Arc::new(Inner { start: Instant::now(), state, sooner: Notify::new() }) }
    }

    /// Waits for the turn of one attempt of one call. Dropping the future gives the place up.
    pub async fn permit(&self, account: &str, region: &str, service: &str) -> Permit {
        let key = Key::new(account, region, service);
        loop {
            let (sender, receiver) = oneshot::channel();
            let mut waiting = {
                let mut state = self.inner.lock();
                state.runtime = Some(Handle::current());
                let (ticket, key) = state.core.request(self.inner.now(), &key);
                state.waiting.insert(ticket, sender);
                Waiting { inner: &self.inner, key, ticket: Some(ticket) }
            };
            self.inner.look();
            let granted = receiver.await;
            waiting.ticket = None;
            if let Ok(permit) = granted {
                return permit;
            }
        }
    }

    /// Takes one retry from the partition's budget; `false` when too many calls failed lately, so that a broken service
    /// is not hit twice as hard.
    pub fn take_retry(&self, account: &str, region: &str, service: &str) -> bool {
        let now = self.inner.now();
        self.inner.lock().core.take_retry(now, &Key::new(account, region, service))
    }

    /// What is under way.
    pub fn usage(&self) -> Usage {
        self.inner.lock().core.usage()
    }
}

/// Gives the place in the queue up when the waiting future is dropped.
struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    key: Arc<Key>,
    ticket: Option<Ticket>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.inner.lock();
        state.waiting.remove(&ticket);
        state.core.cancel(self.inner.now(), &self.key, ticket);
    }
}

/// Whole beats of a time since the start.
fn beats(time: Duration) -> u32 {
    u32::try_from(time.as_nanos() / BEAT.as_nanos()).unwrap_or(u32::MAX)
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // every change of the state is made whole under one lock, so a panic elsewhere leaves it usable
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the present beat began.
    fn now(&self) -> Duration {
        BEAT * beats(self.start.elapsed())
    }

    /// The beat in which something is due.
    fn beat_of(&self, due: Duration) -> Instant {
        self.start + BEAT * beats(due + BEAT.saturating_sub(Duration::from_nanos(1)))
    }

    /// Hands out what is due; the next time to look.
    fn hand_out(self: &Arc<Self>, state: &mut State) -> Option<Duration> {
        loop {
            let Step { grants, grown, wake } = state.core.step(self.now());
            let mut returned = false;
            for ticket in grown {
                if let Some(sender) = state.growing.remove(&ticket) {
                    // a reader that is gone ends its call, which gives all bytes back
                    let _ = sender.send(());
                }
            }
            for grant in grants {
                let sender = state.waiting.remove(&grant.ticket);
                let permit = Permit::new(self.clone(), grant);
                let refused = match sender {
                    Some(sender) => sender.send(permit).err(),
                    None => Some(permit),
                };
                // nobody there any more; taken apart here, for dropping a permit locks what is locked already
                if let Some(grant) = refused.and_then(|mut permit| permit.grant.take()) {
                    state.core.give_back(self.now(), grant.ticket);
                    returned = true;
                }
            }
            if !returned {
                return wake;
            }
        }
    }

    /// Hands out what is due and sees to it that somebody looks again in time.
    fn look(self: &Arc<Self>) {
        let mut state = self.lock();
        let Some(wake) = self.hand_out(&mut state) else { return };
        match state.driver {
            Some(at) if at <= wake => {}
            Some(_) => {
                state.driver = Some(wake);
                self.sooner.notify_one();
            }
            None => {
                let Some(runtime) = state.runtime.clone() else { return };
                state.driver = Some(wake);
                drop(state);
                runtime.spawn(drive(Driver { inner: self.clone(), armed: true }));
            }
        }
    }
}

/// Looks whenever a token is due; ends when nobody waits for time.
async fn drive(mut driver: Driver) {
    loop {
        let inner = &driver.inner;
        let at = {
            let mut state = inner.lock();
            state.driver = inner.hand_out(&mut state);
            state.driver
        };
        let Some(at) = at else { break };
        tokio::select! {
            () = tokio::time::sleep_until(inner.beat_of(at)) => {}
            () = inner.sooner.notified() => {}
        }
    }
    driver.armed = false;
}

/// Says that there is no driver any more when its runtime ends it before its time.
struct Driver {
    inner: Arc<Inner>,
    armed: bool,
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.armed {
            self.inner.lock().driver = None;
        }
    }
}

/// The right to send one attempt of one call, and the bytes its answer may hold. Keep it until the answer is parsed.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    inner: Arc<Inner>,
    grant: Option<Grant>,
    received: Arc<AtomicUsize>,
}

/// Counts an answer's bytes while they arrive.
#[derive(Debug)]
pub struct Meter {
    inner: Arc<Inner>,
    ticket: Ticket,
    /// Bytes that the call is counted with.
    counted: usize,
    received: Arc<AtomicUsize>,
}

/// Bytes are counted in steps of this size, so that small frames cost no lock.
const STEP: usize = 64 << 10;

impl Permit {
    fn new(inner: Arc<Inner>, grant: Grant) -> Self {
        Permit { inner, grant: Some(grant), received: Arc::default() }
    }

    /// For the one who reads the answer's body.
    pub fn meter(&self) -> Option<Meter> {
        let Grant { ticket, bytes } = self.grant?;
        Some(Meter { inner: self.inner.clone(), ticket, counted: bytes, received: self.received.clone() })
    }

    /// The call ended.
    pub fn done(mut self, outcome: Outcome) {
        self.close(outcome);
    }

    fn close(&mut self, outcome: Outcome) {
        let Some(grant) = self.grant.take() else { return };
        let received = Some(self.received.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
        {
            let mut state = self.inner.lock();
            state.growing.remove(&grant.ticket);
            state.core.done(self.inner.now(), grant.ticket, received, outcome);
        }
        self.inner.look();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.close(Outcome::Failed);
    }
}

impl Meter {
    /// So many more bytes of the answer are to be held; waits until there is room for them.
    pub async fn hold(&mut self, bytes: usize) {
        let received = self.received.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if received <= self.counted {
            return;
        }
        let more = (received - self.counted).next_multiple_of(STEP);
        self.counted += more;
        let (sender, receiver) = oneshot::channel();
        let waiting = {
            let mut state = self.inner.lock();
            if state.core.grow(self.ticket, more) {
                return;
            }
            state.growing.insert(self.ticket, sender);
            Growing { inner: &self.inner, ticket: self.ticket }
        };
        // an error is the end of the call: nothing to wait for
        let _ = receiver.await;
        drop(waiting);
    }
}

/// Gives the place among those who wait for bytes up, when the waiting future is dropped.
struct Growing<'a> {
    inner: &'a Arc<Inner>,
    ticket: Ticket,
}

impl Drop for Growing<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.inner.lock();
            state.growing.remove(&self.ticket);
            state.core.forgo(self.ticket);
        }
        self.inner.look();
    }
}

#[cfg(test)]
mod tests;
