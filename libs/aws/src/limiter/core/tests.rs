//! Properties of the core over any order of requests, ends, throttles and time.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn secs(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

fn config() -> LimiterConfig {
    LimiterConfig {
        requests: 6,
        requests_per_partition: 3,
        bytes: 4 << 20,
        rates: [("iam".to_owned(), Rate { per_second: 4.0, burst: 5.0 })].into(),
        ..LimiterConfig::default()
    }
}

#[derive(Debug, Clone)]
enum Op {
    Request(u8, u8),
    Done(usize, u8),
    Grow(usize, u32),
    Cancel(usize),
    Pass(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..4_u8, 0..3_u8).prop_map(|(a, s)| Op::Request(a, s)),
        6 => (any::<usize>(), 0..3_u8).prop_map(|(i, o)| Op::Done(i, o)),
        1 => (any::<usize>(), 0..2_000_000_u32).prop_map(|(i, n)| Op::Grow(i, n)),
        1 => any::<usize>().prop_map(Op::Cancel),
        4 => (0..2_000_u32).prop_map(Op::Pass),
    ];
    prop::collection::vec(op, 0..200)
}

/// A call under way, as the world sees it.
struct Flight {
    grant: Grant,
    key: Arc<Key>,
    held: usize,
    /// Bytes it waits for.
    wants: usize,
}

/// A world around the core that keeps its own books.
struct World {
    core: Core,
    now: Duration,
    waiting: Vec<(Ticket, Arc<Key>)>,
    flying: Vec<Flight>,
    granted: HashMap<Arc<Key>, Vec<Duration>>,
    asked: usize,
    got: usize,
    cancelled: usize,
}

impl World {
    fn new() -> Self {
        World {
            core: Core::new(config()),
            now: Duration::ZERO,
            waiting: Vec::new(),
            flying: Vec::new(),
            granted: HashMap::new(),
            asked: 0,
            got: 0,
            cancelled: 0,
        }
    }

    fn step(&mut self) -> Option<Duration> {
        let step = self.core.step(self.now);
        for ticket in step.grown {
            let flight = self.flying.iter_mut().find(|flight| flight.grant.ticket == ticket).expect("under way");
            flight.held += std::mem::take(&mut flight.wants);
        }
        for grant in step.grants {
            self.got += 1;
            let at = self.waiting.iter().position(|(ticket, _)| *ticket == grant.ticket).expect("waited");
            let (_, key) = self.waiting.remove(at);
            self.granted.entry(key.clone()).or_default().push(self.now);
            self.flying.push(Flight { grant, key, held: grant.bytes, wants: 0 });
        }
        assert!(step.wake.is_none_or(|at| at > self.now), "what is due is handed out at once");
        step.wake
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Request(account, service) => {
                let service = ["iam", "ec2", "unheard-of"][usize::from(service)];
                self.asked += 1;
                let key = Key::new(&account.to_string(), "eu-west-1", service);
                self.waiting.push(self.core.request(self.now, &key));
            }
            Op::Done(i, outcome) if !self.flying.is_empty() => {
                let flight = self.flying.swap_remove(i % self.flying.len());
                let outcome = [Outcome::Ok, Outcome::Throttled, Outcome::Failed][usize::from(outcome)];
                self.core.done(self.now, flight.grant.ticket, (flight.held > 0).then_some(flight.held), outcome);
            }
            Op::Grow(i, bytes) if !self.flying.is_empty() => {
                let n = self.flying.len();
                let flight = &mut self.flying[i % n];
                if flight.wants == 0 && bytes > 0 {
                    if self.core.grow(flight.grant.ticket, bytes as usize) {
                        flight.held += bytes as usize;
                    } else {
                        flight.wants = bytes as usize;
                    }
                }
            }
            Op::Cancel(i) if !self.waiting.is_empty() => {
                let (ticket, key) = self.waiting.swap_remove(i % self.waiting.len());
                self.core.cancel(self.now, &key, ticket);
                self.cancelled += 1;
            }
            Op::Pass(ms) => self.now += Duration::from_millis(u64::from(ms)),
            Op::Done(..) | Op::Grow(..) | Op::Cancel(_) => {}
        }
        self.step();
        self.check();
    }

    fn check(&self) {
        assert!(self.flying.len() <= 6, "calls under way");
        let mut per_key: HashMap<&Key, usize> = HashMap::new();
        for flight in &self.flying {
            *per_key.entry(&flight.key).or_default() += 1;
        }
        assert!(per_key.values().all(|n| *n <= 3), "calls under way per partition");
        let usage = self.core.usage();
        let bytes: usize = self.flying.iter().map(|flight| flight.held).sum();
        assert_eq!((usage.requests, usage.bytes, usage.waiting), (self.flying.len(), bytes, self.waiting.len()));
        let largest = self.flying.iter().map(|flight| flight.held).max().unwrap_or(0);
        assert!(bytes <= config().bytes + largest, "at most the limit and one answer more");
        let all_wait = !self.flying.is_empty() && self.flying.iter().all(|flight| flight.wants > 0);
        assert!(!all_wait, "somebody reads on");
    }

    fn end_one(&mut self) {
        if let Some(flight) = self.flying.pop() {
            self.core.done(self.now, flight.grant.ticket, None, Outcome::Ok);
        }
    }
}

proptest! {
    #[test]
    fn never_faster_than_the_rate_never_more_than_the_bounds_and_everyone_served(ops in ops()) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        // whatever happened: with time and ends, all who wait are served
        for _ in 0..2_000 {
            if world.waiting.is_empty() {
                break;
            }
            world.end_one();
            match world.step() {
                Some(wake) if world.flying.is_empty() => world.now = wake,
                _ => {}
            }
            world.step();
        }
        prop_assert!(world.waiting.is_empty(), "{} still wait", world.waiting.len());
        prop_assert_eq!(world.asked, world.got + world.cancelled);
        for (key, times) in &world.granted {
            let rate = config().rate(&key.service);
            for (i, from) in times.iter().enumerate() {
                let last = times.len() - 1;
                for (j, to) in [(last, times[last]), (i + (last - i) / 2, times[i + (last - i) / 2])] {
                    let most = rate.burst + rate.per_second * (to - *from).as_secs_f64() + 1e-6;
                    prop_assert!(((j - i + 1) as f64) <= most, "{} grants, at most {most}", j - i + 1);
                }
            }
        }
        // and once all is over, nothing is remembered
        while !world.flying.is_empty() {
            world.end_one();
        }
        for _ in 0..4 {
            world.now += secs(120.0);
            world.step();
        }
        prop_assert_eq!(world.core.usage(), super::super::Usage::default());
        prop_assert!(world.core.accounts.is_empty() && world.core.queue.is_empty() && world.core.timed.is_empty());
        prop_assert!(world.core.idle.is_empty());
    }
}

fn ask(core: &mut Core, now: Duration, account: &str, service: &str) -> Ticket {
    core.request(now, &Key::new(account, "eu-west-1", service)).0
}

#[test]
fn an_account_whose_calls_never_end_leaves_room_for_newcomers() {
    let mut core = Core::new(LimiterConfig { requests: 32, ..LimiterConfig::default() });
    let mut held = Vec::new();
    for hog in 0..5 {
        for service in ["s3", "ec2", "sts", "kms"] {
            for _ in 0..20 {
                ask(&mut core, Duration::ZERO, &format!("hog{hog}"), service);
            }
        }
        held.extend(core.step(Duration::ZERO).grants);
    }
    for guest in 0..3 {
        let ticket = ask(&mut core, Duration::ZERO, &format!("guest{guest}"), "iam");
        let grants = core.step(Duration::ZERO).grants;
        assert!(grants.iter().any(|g| g.ticket == ticket), "guest {guest} waits; {} held", held.len());
        held.extend(grants);
    }
}

#[test]
fn an_account_that_holds_large_answers_leaves_room_for_newcomers() {
    let mut core = Core::new(LimiterConfig { bytes: 16 << 20, answer_bytes: 1 << 20, ..LimiterConfig::default() });
    for _ in 0..40 {
        ask(&mut core, Duration::ZERO, "hog", "s3");
    }
    let held = core.step(Duration::ZERO).grants;
    assert_eq!(held.len(), 3, "a fifth of the bytes");
    for guest in ["a", "b", "c"] {
        let ticket = ask(&mut core, Duration::ZERO, guest, "s3");
        assert!(core.step(Duration::ZERO).grants.iter().any(|g| g.ticket == ticket));
    }
    core.done(Duration::ZERO, held[0].ticket, None, Outcome::Ok);
    assert!(core.usage().bytes <= 16 << 20);
}

#[test]
fn bytes_beyond_what_was_reserved_stop_new_calls_until_they_are_back() {
    let mut core = Core::new(LimiterConfig { bytes: 1 << 20, answer_bytes: 1 << 10, ..LimiterConfig::default() });
    ask(&mut core, Duration::ZERO, "a", "s3");
    let first = core.step(Duration::ZERO).grants.remove(0);
    assert!(core.grow(first.ticket, 2 << 20), "one may go beyond the limit");
    ask(&mut core, Duration::ZERO, "b", "s3");
    assert!(core.step(Duration::ZERO).grants.is_empty());
    core.done(Duration::ZERO, first.ticket, Some(2 << 20), Outcome::Ok);
    assert_eq!(core.step(Duration::ZERO).grants.len(), 1);
    // the partition's next answer is expected to be as large: too large for the limit, so it goes alone
    ask(&mut core, Duration::ZERO, "a", "s3");
    assert!(core.step(Duration::ZERO).grants.is_empty());
}

#[test]
fn throttling_halves_the_rate_once_per_round_and_time_brings_it_back() {
    let mut core = Core::new(LimiterConfig { requests: 60, ..config() });
    for _ in 0..3 {
        ask(&mut core, Duration::ZERO, "a", "iam");
    }
    let grants = core.step(Duration::ZERO).grants;
    assert_eq!(grants.len(), 3);
    let key = Key::new("a", "eu-west-1", "iam");
    let rate = |core: &Core| core.partitions[&key].rate;
    for grant in &grants {
        core.done(secs(0.1), grant.ticket, None, Outcome::Throttled);
    }
    assert_eq!(rate(&core), 2.0, "three answers of one round are one cut");
    ask(&mut core, secs(0.1), "a", "iam");
    let step = core.step(secs(0.1));
    assert!(step.grants.is_empty(), "the bucket is empty");
    let wake = step.wake.expect("a time to look again");
    assert!((wake.as_secs_f64() - 0.6).abs() < 0.01, "{wake:?}");
    let grant = core.step(wake).grants.remove(0);
    core.done(secs(0.7), grant.ticket, None, Outcome::Throttled);
    let cut = rate(&core);
    assert!(cut < 1.2, "{cut}");
    ask(&mut core, secs(5.7), "a", "iam");
    core.step(secs(5.7));
    let later = rate(&core);
    assert!((later - cut - 1.0).abs() < 0.01, "a twentieth of the full rate per second: {cut} {later}");
    ask(&mut core, secs(60.0), "a", "iam");
    core.step(secs(60.0));
    assert_eq!(rate(&core), 4.0, "never above the full rate");
}

#[test]
fn a_throttled_partition_slows_no_other() {
    let mut core = Core::new(LimiterConfig::default());
    ask(&mut core, Duration::ZERO, "a", "iam");
    let grant = core.step(Duration::ZERO).grants.remove(0);
    core.done(Duration::ZERO, grant.ticket, None, Outcome::Throttled);
    let slow = ask(&mut core, Duration::ZERO, "a", "iam");
    let others = [ask(&mut core, Duration::ZERO, "a", "s3"), ask(&mut core, Duration::ZERO, "b", "iam")];
    let granted: Vec<_> = core.step(Duration::ZERO).grants.iter().map(|g| g.ticket).collect();
    assert!(others.iter().all(|t| granted.contains(t)) && !granted.contains(&slow));
}

#[test]
fn retries_end_where_nothing_succeeds() {
    let mut core = Core::new(LimiterConfig::default());
    let key = Key::new("a", "eu-west-1", "s3");
    let taken = (0..1000).filter(|_| core.take_retry(Duration::ZERO, &key)).count();
    assert_eq!(taken, 100);
    assert!(core.take_retry(Duration::ZERO, &Key::new("b", "eu-west-1", "s3")), "another partition has its own");
    for _ in 0..5 {
        ask(&mut core, Duration::ZERO, "a", "s3");
    }
    for grant in core.step(Duration::ZERO).grants {
        core.done(Duration::ZERO, grant.ticket, None, Outcome::Ok);
    }
    assert!(core.take_retry(Duration::ZERO, &key), "five successes give one back");
    assert!(!core.take_retry(Duration::ZERO, &key));
}
