//! Objects in S3, paged and bounded, in whatever region their bucket is.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_types::service_config::ServiceConfigKey;

use super::{At, Found, Version, fetch_error, is_candidate, too_large};
use crate::error::Error;
use crate::limits::MAX_SOURCES;

/// The longest that one object may take.
const DEADLINE: Duration = Duration::from_secs(300);
/// The longest that one page of a listing may take, retries included.
const PAGE_DEADLINE: Duration = Duration::from_secs(60);
/// Keys looked at under one prefix, states or not.
const MAX_KEYS: usize = 1_000_000;

#[derive(Debug)]
pub(super) struct Buckets {
    sdk: aws_config::SdkConfig,
    /// Made of it when the first bucket is asked.
    config: OnceLock<aws_sdk_s3::Config>,
    /// Regions of buckets that are elsewhere than the configuration's.
    regions: Mutex<BTreeMap<String, String>>,
}

impl Buckets {
    pub(super) fn new(sdk: &aws_config::SdkConfig) -> Self {
        Self { sdk: sdk.clone(), config: OnceLock::new(), regions: Mutex::default() }
    }

    fn config(&self) -> &aws_sdk_s3::Config {
        self.config.get_or_init(|| {
            let mut builder = aws_sdk_s3::config::Builder::from(&self.sdk);
            // What stands behind an endpoint of one's own has no DNS name per bucket.
            if self.sdk.endpoint_url().is_some() || has_own_endpoint(&self.sdk) {
                builder.set_force_path_style(Some(true));
            }
            builder.build()
        })
    }

    fn client(&self, bucket: &str) -> Client {
        let region = self.regions.lock().unwrap_or_else(PoisonError::into_inner).get(bucket).cloned();
        match region {
            Some(region) => Client::from_conf(self.config().to_builder().region(Region::new(region)).build()),
            None => Client::from_conf(self.config().clone()),
        }
    }

    /// Takes the region that an error names, if it is news.
    fn moved<E>(&self, bucket: &str, error: &SdkError<E>) -> bool {
        let region = error.raw_response().and_then(|r| r.headers().get("x-amz-bucket-region"));
        let Some(region) = region else { return false };
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        regions.insert(bucket.to_owned(), region.to_owned()).is_none_or(|before| before != region)
    }

    pub(super) async fn list(&self, bucket: &str, key: &str) -> Result<Found, Error> {
        if key.is_empty() || key.ends_with('/') { self.prefix(bucket, key).await } else { self.head(bucket, key).await }
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Found, Error> {
        let name = url(bucket, key);
        loop {
            let call = self.client(bucket).head_object().bucket(bucket).key(key).send();
            match within(&name, PAGE_DEADLINE, call).await? {
                Ok(head) => {
                    let version = Version {
                        etag: head.e_tag,
                        modified_ms: head.last_modified.and_then(|t| t.to_millis().ok()),
                        bytes: head.content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                    };
                    return Ok(vec![(name, object(bucket, key), version)]);
                }
                Err(e) if self.moved(bucket, &e) => {}
                Err(e) => return Err(fetch_error(&name, DisplayErrorContext(e))),
            }
        }
    }

    async fn prefix(&self, bucket: &str, prefix: &str) -> Result<Found, Error> {
        let name = url(bucket, prefix);
        let mut found = Vec::new();
        let (mut token, mut seen): (Option<String>, usize) = (None, 0);
        loop {
            let call = self.client(bucket).list_objects_v2().bucket(bucket).prefix(prefix);
            let page = match within(&name, PAGE_DEADLINE, call.set_continuation_token(token.clone()).send()).await? {
                Ok(page) => page,
                Err(e) if self.moved(bucket, &e) => continue,
                Err(e) => return Err(fetch_error(&name, DisplayErrorContext(e))),
            };
            for item in page.contents() {
                seen += 1;
                let Some(key) = item.key().filter(|k| is_candidate(k)) else { continue };
                let version = Version {
                    etag: item.e_tag().map(str::to_owned),
                    modified_ms: item.last_modified().and_then(|t| t.to_millis().ok()),
                    bytes: item.size().and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                };
                found.push((url(bucket, key), object(bucket, key), version));
            }
            if found.len() > MAX_SOURCES || seen > MAX_KEYS {
                return Err(Error::TooLarge(format!("{name}: more than {MAX_SOURCES} states or {MAX_KEYS} objects")));
            }
            match (page.is_truncated().unwrap_or(false), page.next_continuation_token) {
                (false, _) => return Ok(found),
                (true, Some(next)) if token.as_ref() != Some(&next) => token = Some(next),
                (true, _) => return Err(fetch_error(&name, "the listing was cut short")),
            }
        }
    }

    pub(super) async fn get(&self, bucket: &str, key: &str, max: u64) -> Result<(Vec<u8>, Version), Error> {
        let name = url(bucket, key);
        within(&name, DEADLINE, self.get_whole(&name, bucket, key, max)).await?
    }

    async fn get_whole(&self, name: &str, bucket: &str, key: &str, max: u64) -> Result<(Vec<u8>, Version), Error> {
        let mut object = loop {
            match self.client(bucket).get_object().bucket(bucket).key(key).send().await {
                Ok(object) => break object,
                Err(e) if self.moved(bucket, &e) => {}
                Err(e) => return Err(fetch_error(name, DisplayErrorContext(e))),
            }
        };
        let announced = object.content_length().and_then(|n| u64::try_from(n).ok());
        if announced.is_some_and(|n| n > max) {
            return Err(too_large(name, max));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|e| fetch_error(name, e))?;
            if (bytes.len() + chunk.len()) as u64 > max {
                return Err(too_large(name, max));
            }
            bytes.extend_from_slice(&chunk);
        }
        if announced.is_some_and(|n| n != bytes.len() as u64) {
            return Err(fetch_error(name, "the object was cut short"));
        }
        let version = Version {
            etag: object.e_tag,
            modified_ms: object.last_modified.and_then(|t| t.to_millis().ok()),
            bytes: bytes.len() as u64,
        };
        Ok((bytes, version))
    }
}

/// Whether `AWS_ENDPOINT_URL_S3` or a profile's `services` section names one.
fn has_own_endpoint(config: &aws_config::SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let service = config.service_config();
    key.is_ok_and(|key| service.is_some_and(|s| s.load_config(key).is_some()))
}

async fn within<T>(name: &str, limit: Duration, work: impl Future<Output = T>) -> Result<T, Error> {
    match tokio::time::timeout(limit, Box::pin(work)).await {
        Ok(result) => Ok(result),
        Err(_) => Err(fetch_error(name, format_args!("no answer within {} seconds", limit.as_secs()))),
    }
}

pub(super) fn url(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

fn object(bucket: &str, key: &str) -> At {
    At::Object { bucket: bucket.to_owned(), key: key.to_owned() }
}
