//! When to try again: which errors are worth it and how long to wait. Pure: time and randomness are passed in.

use std::time::Duration;

use rand::Rng;

use crate::Error;

/// Bounds of the attempts of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Longest first wait after a failure that passes by itself.
    pub base: Duration,
    /// Longest first wait after a throttling answer.
    pub throttled_base: Duration,
    /// Longest wait.
    pub cap: Duration,
    /// All attempts and waits together.
    pub deadline: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        RetryConfig {
            attempts: 8,
            base: Duration::from_millis(50),
            throttled_base: Duration::from_secs(1),
            cap: Duration::from_secs(20),
            deadline: Duration::from_secs(120),
        }
    }
}

/// Why another attempt is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service asks for fewer calls.
    Throttled,
    /// A failure that passes: no connection, a server's error, an answer cut short.
    Transient,
}

impl Cause {
    /// `None` for what another attempt won't change.
    pub fn of(error: &Error) -> Option<Self> {
        if error.is_throttled() {
            return Some(Cause::Throttled);
        }
        let transient = match error {
            Error::Service { code, status, .. } => {
                matches!(status, 500 | 502 | 503 | 504)
                    || ["RequestTimeout", "RequestTimeoutException", "InternalError", "InternalFailure"]
                        .contains(&code.as_str())
            }
            Error::Truncated(_) | Error::Timeout(_) | Error::Dispatch(_) => true,
            _ => false,
        };
        transient.then_some(Cause::Transient)
    }
}

/// The attempts of one call so far.
#[derive(Debug, Clone)]
pub struct Attempts {
    config: RetryConfig,
    failed: u32,
}

impl Attempts {
    /// None yet.
    pub fn new(config: RetryConfig) -> Self {
        Attempts { config, failed: 0 }
    }

    /// An attempt failed, `elapsed` after the call began: how long to wait before the next, `None` to give up. Full jitter:
    /// anything between nothing and the doubled wait, so that callers who failed together come back apart
    /// (AWS Architecture Blog, "Exponential Backoff And Jitter").
    pub fn failed(&mut self, cause: Cause, elapsed: Duration, rng: &mut impl Rng) -> Option<Duration> {
        self.failed += 1;
        if self.failed >= self.config.attempts {
            return None;
        }
        let base = match cause {
            Cause::Throttled => self.config.throttled_base,
            Cause::Transient => self.config.base,
        };
        let longest = base.saturating_mul(1_u32.checked_shl(self.failed - 1).unwrap_or(u32::MAX)).min(self.config.cap);
        let wait = longest.mul_f64(rng.random_range(0.0..=1.0));
        (elapsed + wait < self.config.deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn service(code: &str, status: u16) -> Error {
        Error::Service { code: code.into(), message: String::new(), status, request_id: String::new() }
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        for (error, expect) in [
            (service("Throttling", 400), Some(Cause::Throttled)),
            (service("RequestLimitExceeded", 503), Some(Cause::Throttled)),
            (service("SlowDown", 503), Some(Cause::Throttled)),
            (service("TooMany", 429), Some(Cause::Throttled)),
            (service("InternalError", 500), Some(Cause::Transient)),
            (service("HTTP 502", 502), Some(Cause::Transient)),
            (service("RequestTimeout", 400), Some(Cause::Transient)),
            (Error::Truncated("eof".into()), Some(Cause::Transient)),
            (Error::Dispatch("refused".into()), Some(Cause::Transient)),
            (service("AccessDenied", 403), None),
            (service("NoSuchBucket", 404), None),
            (service("NotImplemented", 501), None),
            (Error::Parse("?".into()), None),
            (Error::TooLarge { limit: 1, unit: "bytes" }, None),
            (Error::Credentials("none".into()), None),
        ] {
            assert_eq!(Cause::of(&error), expect, "{error}");
        }
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(seed: u64, throttled: Vec<bool>, step_ms in 0_u64..30_000) {
            let config = RetryConfig::default();
            let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
            let mut attempts = Attempts::new(config);
            let (mut elapsed, mut tries) = (Duration::ZERO, 1);
            for throttled in throttled {
                elapsed += Duration::from_millis(step_ms);
                let cause = if throttled { Cause::Throttled } else { Cause::Transient };
                let Some(wait) = attempts.failed(cause, elapsed, &mut rng) else { break };
                tries += 1;
                prop_assert!(wait <= config.cap);
                elapsed += wait;
                prop_assert!(elapsed < config.deadline);
            }
            prop_assert!(tries <= config.attempts);
        }

        #[test]
        fn the_same_seed_waits_the_same(seed: u64) {
            let run = || {
                let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
                let mut attempts = Attempts::new(RetryConfig::default());
                std::iter::from_fn(|| attempts.failed(Cause::Throttled, Duration::ZERO, &mut rng)).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(), run());
        }
    }
}
