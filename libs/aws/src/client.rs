//! The client: one per process, cheap to clone; a [`Caller`] says for whom and where each call is. Every attempt takes
//! its turn at the limiter.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use rand::Rng;
use serde_json::{Map, Value};

use crate::endpoint::{Endpoint, EndpointConfig, Partition};
use crate::error::Error;
use crate::limiter::{Limiter, LimiterConfig, Meter, Outcome};
use crate::model::{Operation, Service};
use crate::retry::{Attempts, Cause, RetryConfig};
use crate::send::{Sender, Signature, signed};
use crate::wire::{answer, custom, fault, request, validate};
use crate::{address, pages};

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one answer's body.
    pub response_bytes: usize,
    /// Levels of nesting in parameters and answers.
    pub depth: usize,
    /// One attempt, from connecting to the answer's last byte. (All attempts: [`RetryConfig::deadline`].)
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { response_bytes: 32 << 20, depth: 64, timeout: Duration::from_secs(30) }
    }
}

/// Bounds of a listing, over all of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// Pages.
    pub pages: usize,
    /// Bytes of all pages' bodies together.
    pub bytes: usize,
}

impl Default for PageLimit {
    fn default() -> Self {
        PageLimit { pages: 10_000, bytes: 256 << 20 }
    }
}

/// How the client reaches AWS.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Where services answer.
    pub endpoint: EndpointConfig,
    /// Bounds of each call.
    pub limits: Limits,
    /// When to try again.
    pub retry: RetryConfig,
    /// Rate and concurrency, shared with whoever else has a clone of it.
    pub limiter: Limiter,
    /// The proxy on the way; `None` is none.
    pub proxy: Option<ProxyConfig>,
    /// The clock that signatures are dated by.
    pub time: SharedTimeSource,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            endpoint: EndpointConfig::default(),
            limits: Limits::default(),
            retry: RetryConfig::default(),
            limiter: Limiter::new(LimiterConfig::default()),
            proxy: None,
            time: SharedTimeSource::new(SystemTimeSource::new()),
        }
    }
}

impl ClientConfig {
    /// The defaults, with endpoints and proxy as the environment says.
    pub fn from_env() -> Self {
        ClientConfig {
            endpoint: EndpointConfig::from_env(),
            proxy: Some(ProxyConfig::from_env()),
            ..ClientConfig::default()
        }
    }
}

/// For whom and where a call is.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account id, 12 digits. Rate and retry are partitioned by it.
    pub account: String,
    /// Region; for global services, any of the partition.
    pub region: String,
    /// Signs the calls.
    pub credentials: SharedCredentialsProvider,
    /// The region's partition.
    pub partition: Partition,
}

/// The AWS client.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ClientConfig,
    sender: Sender,
    /// Seconds that AWS's clock is ahead of ours, as far as answers showed that it matters.
    skew: AtomicI64,
}

/// An answer's value, and how large its body was.
pub(crate) struct Answer {
    pub(crate) value: Value,
    pub(crate) bytes: usize,
}

/// A failed attempt, and what its answer's headers say of the reason.
struct Failure {
    error: Error,
    bucket_region: Option<String>,
    date: Option<DateTime>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, bucket_region: None, date: None }
    }
}

impl Client {
    /// Builds a client; nothing is sent.
    pub fn new(config: ClientConfig) -> Self {
        let sender = Sender::new(config.limits, config.proxy.clone());
        Client { inner: Arc::new(Inner { config, sender, skew: AtomicI64::new(0) }) }
    }

    /// One call: `client.call(&caller, "s3", "GetBucketAcl", &json!({"Bucket": "b"}))`. The value has the names and nesting
    /// of `aws s3api get-bucket-acl --output json`: timestamps as `2024-05-01T10:20:30+00:00`, blobs as base64, IAM's
    /// policy documents as objects, absent members absent.
    pub async fn call(&self, caller: &Caller, service: &str, operation: &str, params: &Value) -> Result<Value, Error> {
        let service = Service::load(service)?;
        let operation = service.operation(operation)?;
        Ok(self.answer(caller, service, operation, params).await?.value)
    }

    /// A whole listing: the pages' result keys joined into one value. A failing page is an error, never a shorter list.
    /// An operation without pages is one call.
    pub async fn pages(
        &self,
        caller: &Caller,
        service: &str,
        operation: &str,
        params: &Value,
        limit: PageLimit,
    ) -> Result<Value, Error> {
        let service = Service::load(service)?;
        let operation = service.operation(operation)?;
        let Some(paginator) = &operation.paginator else {
            return Ok(self.answer(caller, service, operation, params).await?.value);
        };
        let mut listing = pages::Listing::new(paginator, params, limit);
        while let Some(params) = listing.next() {
            let answer = self.answer(caller, service, operation, params).await?;
            listing.add(answer.value, answer.bytes)?;
        }
        Ok(listing.finish())
    }

    pub(crate) fn endpoints(&self) -> &EndpointConfig {
        &self.inner.config.endpoint
    }

    /// A request as it is, once, without a turn at the limiter: it is for nobody's account.
    pub(crate) async fn once(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        request: HttpRequest,
    ) -> Result<Value, Error> {
        let response = self.inner.sender.send(request, None).await?;
        if fault::is_error(service, &response) {
            return Err(failure(service, &response).error);
        }
        answer::parse(service, operation, &response, self.inner.config.limits.depth)
    }

    async fn answer(
        &self,
        caller: &Caller,
        service: &'static Service,
        operation: &'static Operation,
        params: &Value,
    ) -> Result<Answer, Error> {
        let config = &self.inner.config;
        if operation.is_event_stream(service) {
            let path = format!("{}:{}", service.name(), operation.name);
            return Err(Error::Validation { path, reason: "a stream of events is no single answer".to_owned() });
        }
        let mut params = validate::parameters(service, operation, params, config.limits.depth, &token)?;
        if custom::has_parameters(service) {
            custom::parameters(service, operation, params.to_mut());
        }
        let request = request::build(service, operation, &params).map_err(|e| Error::Validation {
            path: format!("{}:{}", service.name(), operation.name),
            reason: e.to_string(),
        })?;
        let call = Call { client: &self.inner, caller, service, operation, params: &params, request };
        call.run().await
    }
}

/// A random UUID, as idempotency tokens are.
fn token() -> String {
    let n: u128 = rand::rng().random();
    let hex = format!("{n:032x}");
    let variant = ['8', '9', 'a', 'b'][(n & 3) as usize];
    format!("{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// A call under way.
struct Call<'a> {
    client: &'a Inner,
    caller: &'a Caller,
    service: &'static Service,
    operation: &'static Operation,
    params: &'a Map<String, Value>,
    request: HttpRequest,
}

impl Call<'_> {
    async fn run(&self) -> Result<Answer, Error> {
        let config = &self.client.config;
        let mut endpoint = config.endpoint.resolve(self.service, self.caller.partition, &self.caller.region)?;
        let mut attempts = Attempts::new(config.retry);
        let (mut redirected, mut skewed) = (false, false);
        // Waiting for one's turn is no failure of the service: the deadline counts attempts and the waits between them.
        let mut spent = Duration::ZERO;
        loop {
            let (account, region, service) = (&self.caller.account, &endpoint.region, self.service.name());
            // Before the turn: assuming a role takes a turn too, and must not wait for those that wait for it.
            let credentials = self.credentials().await?;
            let good_before = self.is_good(credentials.as_ref());
            let permit = config.limiter.permit(account, region, service).await;
            if good_before && !self.is_good(credentials.as_ref()) {
                permit.done(Outcome::Ok);
                continue;
            }
            let began = Instant::now();
            let result = self.attempt(&endpoint, credentials, permit.meter()).await;
            spent += began.elapsed();
            let failure = match result {
                Ok(answer) => {
                    permit.done(Outcome::Ok);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            if matches!(failure.error, Error::Dispatch(_)) && self.is_not_offered(&endpoint) {
                permit.done(Outcome::Ok);
                return Err(Error::NotOffered { service, region: region.clone() });
            }
            let cause = Cause::of(&failure.error);
            permit.done(match cause {
                Some(Cause::Throttled) => Outcome::Throttled,
                Some(Cause::Transient) => Outcome::Failed,
                None => Outcome::Ok,
            });
            if !redirected && let Some(region) = self.redirect(&endpoint, &failure) {
                redirected = true;
                endpoint = config.endpoint.resolve(self.service, self.caller.partition, &region)?;
                continue;
            }
            if !skewed && self.set_clock(&failure) {
                skewed = true;
                continue;
            }
            let wait = cause.and_then(|cause| attempts.failed(cause, spent, &mut rand::rng()));
            let Some(wait) = wait.filter(|_| config.limiter.take_retry(account, region, service)) else {
                return Err(failure.error);
            };
            tracing::debug!(service, operation = self.operation.name, error = %failure.error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
            spent += wait;
        }
    }

    /// Whom the call is signed for; none where it is not signed.
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        if !self.operation.signed {
            return Ok(None);
        }
        let credentials = self.caller.credentials.provide_credentials().await;
        Ok(Some(credentials.map_err(|e| Error::Credentials(crate::send::chain(&e)))?))
    }

    fn is_good(&self, credentials: Option<&Credentials>) -> bool {
        credentials.and_then(Credentials::expiry).is_none_or(|end| self.client.now() < end)
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        credentials: Option<Credentials>,
        meter: Option<Meter>,
    ) -> Result<Answer, Failure> {
        let Some(mut request) = self.request.try_clone() else {
            return Err(Error::Dispatch("the request can't be sent twice".to_owned()).into());
        };
        address::place(&mut request, endpoint, self.service, self.operation, self.params)?;
        if let Some(credentials) = credentials {
            let signature =
                Signature { service: self.service, region: &endpoint.region, credentials, time: self.client.now() };
            request = signed(request, signature)?;
        }
        let response = self.client.sender.send(request, meter).await?;
        if fault::is_error(self.service, &response) {
            return Err(failure(self.service, &response));
        }
        let bytes = response.body().bytes().map_or(0, <[u8]>::len);
        let value = answer::parse(self.service, self.operation, &response, self.client.config.limits.depth)?;
        Ok(Answer { value, bytes })
    }

    fn is_not_offered(&self, endpoint: &Endpoint) -> bool {
        !endpoint.custom && self.service.is_missing(self.caller.partition.as_str(), &endpoint.region)
    }

    /// A bucket is reached in its own region only; S3 says which that is.
    fn redirect(&self, endpoint: &Endpoint, failure: &Failure) -> Option<String> {
        let region = failure.bucket_region.as_ref()?;
        let Error::Service { status, .. } = failure.error else { return None };
        (matches!(status, 301 | 307 | 400) && *region != endpoint.region).then(|| region.clone())
    }

    /// Whether the signature's date was refused and the clock is now set by the answer's.
    fn set_clock(&self, failure: &Failure) -> bool {
        let Some(code) = failure.error.code() else { return false };
        let (true, Some(theirs)) = (SKEWED.contains(&code), failure.date) else { return false };
        let ours = DateTime::from(self.client.now()).secs();
        let ahead = theirs.secs() - ours;
        // AWS allows for five minutes.
        if ahead.abs() < 240 {
            return false;
        }
        self.client.skew.fetch_add(ahead, Ordering::Relaxed);
        true
    }
}

const SKEWED: &[&str] = &[
    "AuthFailure",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

impl Inner {
    fn now(&self) -> SystemTime {
        let now = self.config.time.now();
        let skew = self.skew.load(Ordering::Relaxed);
        let shift = Duration::from_secs(skew.unsigned_abs());
        let shifted = if skew < 0 { now.checked_sub(shift) } else { now.checked_add(shift) };
        shifted.unwrap_or(now)
    }
}

fn failure(service: &'static Service, response: &HttpResponse) -> Failure {
    let header = |name| response.headers().get(name);
    Failure {
        error: fault::parse(service, response),
        bucket_region: header("x-amz-bucket-region").map(str::to_owned),
        date: header("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()),
    }
}
