//! From an endpoint to a request's address: host prefixes, and S3's buckets as part of the host or of the path.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::model::{Operation, Service};
use crate::wire::request::host_prefix;

/// Sets the request's full address and what identifies the sender.
pub(crate) fn place(
    request: &mut HttpRequest,
    endpoint: &Endpoint,
    service: &Service,
    operation: &Operation,
    params: &Map<String, Value>,
) -> Result<(), Error> {
    let wrong = |reason: String| Error::Validation { path: format!("{}:{}", service.name(), operation.name), reason };
    let mut base = endpoint.url.clone();
    let mut path = request.uri().to_owned();
    if !endpoint.custom {
        if let Some(prefix) = host_prefix(operation, params) {
            base = with_prefix(&base, &prefix)
                .ok_or_else(|| wrong(format!("{prefix:?} can't be part of a host's name")))?;
        }
        if let Some(bucket) = virtual_bucket(service, operation, params) {
            base =
                with_prefix(&base, &format!("{bucket}.")).ok_or_else(|| wrong(format!("{bucket:?} is no bucket")))?;
            path = without_bucket(&path, bucket);
        }
    }
    request.set_uri(format!("{base}{path}")).map_err(|e| wrong(format!("no address: {e}")))?;
    request.headers_mut().insert("user-agent", concat!("driftline/", env!("CARGO_PKG_VERSION")));
    Ok(())
}

/// The bucket where it is to be part of the host: a name with dots would not fit the certificate.
fn virtual_bucket<'a>(service: &Service, operation: &Operation, params: &'a Map<String, Value>) -> Option<&'a str> {
    if service.name() != "s3" || !operation.uri.starts_with("/{Bucket}") {
        return None;
    }
    let bucket = params.get("Bucket")?.as_str()?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let (first, last) = (bucket.bytes().next()?, bucket.bytes().last()?);
    let valid = (3..=63).contains(&bucket.len()) && bucket.bytes().all(fits) && first != b'-' && last != b'-';
    valid.then_some(bucket)
}

fn without_bucket(path: &str, bucket: &str) -> String {
    let rest = path.strip_prefix('/').and_then(|p| p.strip_prefix(bucket)).unwrap_or(path);
    if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
}

fn with_prefix(base: &str, prefix: &str) -> Option<String> {
    let (scheme, host) = base.split_once("://")?;
    let valid = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    valid.then(|| format!("{scheme}://{prefix}{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn address(service: &str, operation: &str, params: Value, custom: bool) -> Result<String, Error> {
        let service = Service::load(service)?;
        let operation = service.operation(operation)?;
        let params = params.as_object().unwrap();
        let mut request = crate::wire::request::build(service, operation, params).unwrap();
        let url = if custom { "http://localhost:5000" } else { "https://host.amazonaws.com" }.to_owned();
        let endpoint = Endpoint { url, region: "eu-west-1".to_owned(), custom };
        place(&mut request, &endpoint, service, operation, params)?;
        Ok(request.uri().to_owned())
    }

    #[test]
    fn buckets_are_part_of_the_host_where_they_can_be() {
        for (operation, bucket, key, custom, expect) in [
            ("GetBucketAcl", "logs", None, false, "https://logs.host.amazonaws.com/?acl"),
            ("GetBucketAcl", "my.logs", None, false, "https://host.amazonaws.com/my.logs?acl"),
            ("GetBucketAcl", "Logs_1", None, false, "https://host.amazonaws.com/Logs_1?acl"),
            ("GetBucketAcl", "logs", None, true, "http://localhost:5000/logs?acl"),
            ("GetObjectTagging", "logs", Some("a b/logs"), false, "https://logs.host.amazonaws.com/a%20b/logs?tagging"),
            ("GetObjectTagging", "logs", Some("a/../b"), true, "http://localhost:5000/logs/a/../b?tagging"),
        ] {
            let mut params = json!({ "Bucket": bucket });
            if let Some(key) = key {
                params["Key"] = json!(key);
            }
            assert_eq!(address("s3", operation, params, custom).unwrap(), expect);
        }
        assert_eq!(address("s3", "ListBuckets", json!({}), false).unwrap(), "https://host.amazonaws.com/");
    }

    #[test]
    fn what_precedes_the_host_can_not_replace_it() {
        let params = json!({ "AccountId": "evil.example.com/", "Name": "n" });
        assert!(address("s3control", "GetAccessPoint", params, false).is_err());
        let params = json!({ "AccountId": "123456789012", "Name": "n" });
        let found = address("s3control", "GetAccessPoint", params, false).unwrap();
        assert!(found.starts_with("https://123456789012.host.amazonaws.com/v20180820/accesspoint/n"), "{found}");
    }
}
