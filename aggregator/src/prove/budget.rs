//! How much may be asked of STS, and by whom; pure: the time is passed in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// A bucket of tokens that fills by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    rate: f64,
    burst: f64,
    /// Negative: promised ahead.
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// Full.
    pub(crate) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, at: Duration::ZERO }
    }

    fn fill(&mut self, now: Duration) {
        let gained = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.at = self.at.max(now);
    }

    /// Whether a token is left.
    pub(crate) fn has(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.tokens >= 1.0
    }

    /// Takes a token, there or not.
    pub(crate) fn take(&mut self, now: Duration) {
        self.fill(now);
        self.tokens -= 1.0;
    }

    /// Takes a token and tells when it is there; takes none if that is further off than `longest`.
    pub(crate) fn reserve(&mut self, now: Duration, longest: Duration) -> Option<Duration> {
        self.fill(now);
        let wait = Duration::from_secs_f64((1.0 - self.tokens).max(0.0) / self.rate);
        (wait <= longest).then(|| {
            self.tokens -= 1.0;
            wait
        })
    }

    fn is_full(&mut self, now: Duration) -> bool {
        self.fill(now);
        self.tokens >= self.burst
    }
}

/// Proofs that STS refused, by the address that they came from.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<IpAddr, Bucket>);

/// Addresses that are remembered; beyond, new ones wait until old ones have calmed down.
const ADDRESSES: usize = 4096;
/// Of one address, a second and at once: a fleet behind one gateway may have some roles that are set up wrongly.
const RATE: f64 = 1.0;
const BURST: f64 = 100.0;

impl Refusals {
    /// Whether STS may be asked for somebody there.
    pub(crate) fn allow(&mut self, address: IpAddr, now: Duration) -> bool {
        match self.0.get_mut(&address) {
            Some(bucket) => bucket.has(now),
            None => {
                if self.0.len() >= ADDRESSES {
                    self.0.retain(|_, bucket| !bucket.is_full(now));
                }
                self.0.len() < ADDRESSES
            }
        }
    }

    /// STS refused one.
    pub(crate) fn refused(&mut self, address: IpAddr, now: Duration) {
        if self.0.len() < ADDRESSES || self.0.contains_key(&address) {
            self.0.entry(address).or_insert_with(|| Bucket::new(RATE, BURST)).take(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn asks_are_spread_over_time_and_who_comes_too_late_is_told() {
        let mut bucket = Bucket::new(10.0, 5.0);
        let waits: Vec<_> = (0..20).map(|_| bucket.reserve(SECOND, SECOND)).collect();
        assert!(waits[..5].iter().all(|w| *w == Some(Duration::ZERO)), "{waits:?}");
        assert!(waits[5] > waits[4] && waits[14] <= Some(SECOND) && waits[14] > waits[5]);
        assert_eq!(waits[16..], [None; 4], "further off than a second");
        assert_eq!(bucket.reserve(SECOND * 10, SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn who_is_refused_too_often_waits_and_the_others_do_not() {
        let mut refusals = Refusals::default();
        let [bad, good] = [1, 2].map(|n| IpAddr::from([10, 0, 0, n]));
        for _ in 0..100 {
            assert!(refusals.allow(bad, SECOND));
            refusals.refused(bad, SECOND);
        }
        assert!(!refusals.allow(bad, SECOND) && refusals.allow(good, SECOND));
        assert!(refusals.allow(bad, SECOND * 3));
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let mut refusals = Refusals::default();
        for n in 0..100_000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            if refusals.allow(address, SECOND) {
                refusals.refused(address, SECOND);
            }
        }
        assert_eq!(refusals.0.len(), ADDRESSES);
        assert!(refusals.allow(IpAddr::from([9, 9, 9, 9]), SECOND * 200), "the old ones have calmed down");
        assert!(refusals.0.len() < ADDRESSES);
    }
}
