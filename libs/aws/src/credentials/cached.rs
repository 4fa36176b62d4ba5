//! Credentials kept until shortly before they expire: one renewal at a time, jittered, and whoever can go on with the old
//! ones does not wait for it. A failure is kept too, for a shorter while.

use std::fmt;
use std::future::Future;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_smithy_async::time::SharedTimeSource;

use super::AccessError;

/// Where credentials come from when there are none, or old ones.
pub(super) trait Fetch: fmt::Debug + Send + Sync + 'static {
    fn fetch(&self) -> impl Future<Output = Result<Credentials, AccessError>> + Send;
}

pub(super) struct Cached<S> {
    source: S,
    clock: SharedTimeSource,
    kept: RwLock<Option<Kept>>,
    /// Held by whoever renews.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Kept {
    result: Result<Credentials, AccessError>,
    /// From then on somebody renews.
    renew: SystemTime,
    /// From then on it is of no use.
    end: SystemTime,
}

/// Renewal begins when this part of the lifetime is left, and up to a tenth earlier: accounts that began together
/// renew apart.
const RENEW_LEFT: f64 = 0.25;
const JITTER: f64 = 0.10;
/// Old credentials are not handed out closer to their end than this: a call signed with them has to arrive.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a refusal stands, and a failure that may pass.
const KEEP_REFUSAL: Duration = Duration::from_secs(60);
const KEEP_FAILURE: Duration = Duration::from_secs(3);
/// When to ask again for credentials that never expire: a profile may have been edited.
const FOREVER: Duration = Duration::from_secs(15 * 60);

impl<S: Fetch> Cached<S> {
    pub(super) fn new(source: S, clock: SharedTimeSource) -> Self {
        Cached { source, clock, kept: RwLock::new(None), flight: tokio::sync::Mutex::new(()) }
    }

    fn kept(&self) -> Option<Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn get(&self) -> Result<Credentials, AccessError> {
        let usable = self.kept().filter(|kept| self.clock.now() < kept.end);
        let flight = match usable {
            Some(kept) if self.clock.now() < kept.renew => return kept.result,
            Some(kept) => match self.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return kept.result,
            },
            None => self.flight.lock().await,
        };
        // somebody may have renewed while this one waited
        let old = self.kept().filter(|kept| self.clock.now() < kept.end);
        if let Some(kept) = &old
            && self.clock.now() < kept.renew
        {
            return kept.result.clone();
        }
        let result = self.source.fetch().await;
        let kept = self.judge(result, old);
        let result = kept.result.clone();
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        drop(flight);
        result
    }

    /// What to keep of a renewal's result, and for how long.
    fn judge(&self, result: Result<Credentials, AccessError>, old: Option<Kept>) -> Kept {
        let now = self.clock.now();
        match (result, old) {
            (Ok(credentials), _) => {
                let Some(expiry) = credentials.expiry() else {
                    return Kept { result: Ok(credentials), renew: now + FOREVER, end: now + 2 * FOREVER };
                };
                let lifetime = expiry.duration_since(now).unwrap_or_default();
                let left = lifetime.mul_f64(RENEW_LEFT + JITTER * rand::random::<f64>());
                let end = now + lifetime.saturating_sub(MARGIN.min(lifetime / 10));
                Kept { result: Ok(credentials), renew: now + (lifetime - left), end }
            }
            // the old ones still work: go on with them, ask again soon
            (Err(error), Some(old)) if old.result.is_ok() => {
                tracing::warn!(%error, "credentials could not be renewed yet");
                Kept { renew: now + KEEP_FAILURE, ..old }
            }
            (Err(error), _) => {
                let keep = if error.is_transient() { KEEP_FAILURE } else { KEEP_REFUSAL };
                Kept { result: Err(error), renew: now + keep, end: now + keep }
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Cached<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(&self.source).finish()
    }
}

impl<S: Fetch> ProvideCredentials for Cached<S> {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let result: provider::Result = self.get().await.map_err(|error| match error {
                AccessError::NotFound(_) => CredentialsError::not_loaded(error),
                AccessError::Setting { .. } | AccessError::NoRole { .. } => {
                    CredentialsError::invalid_configuration(error)
                }
                _ => CredentialsError::provider_error(error),
            });
            result
        })
    }
}
