//! A server that cuts, stalls, floods and throttles: what the client makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource, TimeSource};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use driftline_aws::{Client, ClientConfig, Error, Limits, PageLimit, RetryConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{caller, config};

/// Answers the n-th request with what `answer` says, byte by byte as given, and closes; counts the requests.
pub(crate) async fn serve(
    answer: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (counter, answer) = (count.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counter, answer) = (counter.clone(), answer.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 16 << 10];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                match answer(counter.fetch_add(1, Ordering::SeqCst), &request) {
                    Some(text) => drop(stream.write_all(text.as_bytes()).await),
                    None => std::future::pending().await,
                }
            });
        }
    });
    (url, count)
}

pub(crate) fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn quick(url: &str) -> ClientConfig {
    ClientConfig {
        limits: Limits { response_bytes: 1000, depth: 8, timeout: Duration::from_secs(5) },
        retry: RetryConfig {
            attempts: 3,
            base: Duration::from_millis(1),
            throttled_base: Duration::from_millis(1),
            ..RetryConfig::default()
        },
        ..config(url)
    }
}

const VPCS: &str = "<DescribeVpcsResponse><vpcSet><item><vpcId>v</vpcId></item></vpcSet></DescribeVpcsResponse>";

#[tokio::test]
async fn what_passes_is_tried_again() {
    let throttled = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>";
    let (url, count) = serve(move |n, _| {
        Some(match n {
            0 => http("503 Service Unavailable", "", throttled),
            // Fewer bytes than announced.
            1 => http("200 OK", "", VPCS)[..120].to_owned(),
            _ => http("200 OK", "", VPCS),
        })
    })
    .await;
    let client = Client::new(quick(&url));
    let found = client.call(&caller("eu-west-1"), "ec2", "DescribeVpcs", &json!({})).await.unwrap();
    assert_eq!(found, json!({ "Vpcs": [{ "VpcId": "v" }] }));
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_does_not_pass_is_said() {
    let throttled = http("400 Bad Request", "", r#"{"__type":"a.b#ThrottlingException","message":"slow"}"#);
    let denied =
        http("403 Forbidden", "x-amzn-requestid: id\r\n", r#"{"__type":"AccessDeniedException","Message":"no"}"#);
    let deep = format!(r#"{{"Tags":{}}}"#, "[".repeat(30));
    for (answer, attempts, check) in [
        (throttled, 3, (|e| e.is_throttled()) as fn(&Error) -> bool),
        (denied, 1, |e| e.is_denied() && e.to_string() == "AccessDeniedException (HTTP 403): no"),
        (http("200 OK", "", &format!(r#"{{"Keys":[]}}{}"#, " ".repeat(1000))), 1, |e| {
            matches!(e, Error::TooLarge { .. })
        }),
        (http("200 OK", "transfer-encoding: chunked\r\n", ""), 3, |e| {
            matches!(e, Error::Truncated(_) | Error::Dispatch(_))
        }),
        (http("200 OK", "", "<html>log in</html>"), 1, |e| matches!(e, Error::Parse(_) | Error::Truncated(_))),
        (http("200 OK", "", r#"{"Keys":[{"KeyId":"#), 3, |e| matches!(e, Error::Truncated(_))),
        (http("200 OK", "", ""), 3, |e| matches!(e, Error::Truncated(_))),
        (http("200 OK", "", &deep), 1, |e| matches!(e, Error::TooLarge { limit: 8, unit: "levels" })),
        (http("502 Bad Gateway", "", "<html>"), 3, |e| matches!(e, Error::Service { status: 502, .. })),
        ("nonsense".to_owned(), 3, |e| matches!(e, Error::Dispatch(_))),
    ] {
        let shown = answer.clone();
        let (url, count) = serve(move |_, _| Some(answer.clone())).await;
        let client = Client::new(quick(&url));
        let error = client.call(&caller("eu-west-1"), "kms", "ListKeys", &json!({})).await.expect_err(&shown);
        assert!(check(&error), "{shown}\n{error:?}");
        assert_eq!(count.load(Ordering::SeqCst), attempts, "{shown}\n{error:?}");
    }
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (url, count) = serve(|_, _| None).await;
    let mut config = quick(&url);
    config.limits.timeout = Duration::from_millis(50);
    let error = Client::new(config).call(&caller("eu-west-1"), "kms", "ListKeys", &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let error =
        Client::new(quick("http://127.0.0.1:1")).call(&caller("eu-west-1"), "kms", "ListKeys", &json!({})).await;
    assert!(matches!(error, Err(Error::Dispatch(_))), "{error:?}");
}

#[tokio::test]
async fn a_failing_page_fails_the_listing() {
    let (url, _) = serve(|n, _| {
        Some(match n {
            0 => http("200 OK", "", r#"{"Keys":[{"KeyId":"a"}],"Truncated":true,"NextMarker":"x"}"#),
            _ => http("400 Bad Request", "", r#"{"__type":"AccessDeniedException"}"#),
        })
    })
    .await;
    let client = Client::new(quick(&url));
    let error = client.pages(&caller("eu-west-1"), "kms", "ListKeys", &json!({}), PageLimit::default()).await;
    assert!(error.is_err_and(|e| e.is_denied()));
}

#[tokio::test]
async fn a_bucket_is_found_in_its_own_region() {
    let (url, count) = serve(|_, request| {
        let here = request.contains("/eu-central-1/s3/aws4_request");
        Some(if here {
            http("200 OK", "", "<LocationConstraint>eu-central-1</LocationConstraint>")
        } else {
            let body = "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>";
            http("301 Moved Permanently", "x-amz-bucket-region: eu-central-1\r\n", body)
        })
    })
    .await;
    let client = Client::new(quick(&url));
    let params = json!({ "Bucket": "b123" });
    let found = client.call(&caller("us-east-1"), "s3", "GetBucketLocation", &params).await.unwrap();
    assert_eq!(found, json!({ "LocationConstraint": "eu-central-1" }));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn s3_hides_errors_in_successes() {
    let body =
        r#"<?xml version="1.0"?><Error><Code>InternalError</Code><Message>m</Message><RequestId>r</RequestId></Error>"#;
    let (url, _) = serve(move |_, _| Some(http("200 OK", "", body))).await;
    let client = Client::new(quick(&url));
    let params = json!({ "Bucket": "b123", "Key": "k", "CopySource": "b/k" });
    let error = client.call(&caller("us-east-1"), "s3", "CopyObject", &params).await.unwrap_err();
    assert!(
        matches!(&error, Error::Service { code, request_id, status: 200, .. } if code == "InternalError" && request_id == "r"),
        "{error:?}"
    );
}

#[tokio::test]
async fn parameters_are_checked_before_anything_is_sent() {
    let client = Client::new(quick("http://127.0.0.1:1"));
    for (service, operation, params, expect) in [
        ("nobody", "X", json!({}), "nobody: there is no model of this service"),
        ("s3", "GetBucket", json!({}), "s3:GetBucket: the service has no such operation"),
        ("s3", "GetBucketAcl", json!({}), "s3:GetBucketAcl: the required parameter Bucket is missing"),
        ("s3", "GetBucketAcl", json!([]), "s3:GetBucketAcl: an object is wanted, not a list"),
        ("s3", "GetBucketAcl", json!({ "Bucket": 1 }), "s3:GetBucketAcl Bucket: text is wanted, not this number"),
        (
            "s3",
            "PutBucketTagging",
            json!({ "Bucket": "b", "Tagging": { "TagSet": [{ "Key": "k", "Value": "v" }, { "Key": "k", "Val": "v" }] } }),
            "s3:PutBucketTagging Tagging.TagSet[1].Val: unknown parameter; known here: Key, Value",
        ),
        (
            "ec2",
            "DescribeVpcs",
            json!({ "MaxResults": 1.5 }),
            "ec2:DescribeVpcs MaxResults: an integer of 32 bits is wanted, not this number",
        ),
        (
            "sts",
            "GetCallerIdentity",
            json!({ "a": 1 }),
            "sts:GetCallerIdentity a: unknown parameter; known here: nothing is",
        ),
        (
            "kms",
            "Encrypt",
            json!({ "KeyId": "k", "Plaintext": "%" }),
            "kms:Encrypt Plaintext: base64 is wanted, not this text",
        ),
        (
            "logs",
            "StartLiveTail",
            json!({ "logGroupIdentifiers": ["a"] }),
            "logs:StartLiveTail: a stream of events is no single answer",
        ),
    ] {
        let error = client.call(&caller("eu-west-1"), service, operation, &params).await.unwrap_err();
        assert!(matches!(error, Error::Validation { .. }));
        assert_eq!(error.to_string(), expect);
    }
}

/// A server whose clock is an hour ahead refuses signatures of our time, and takes those of its own.
#[tokio::test]
async fn a_wrong_clock_is_set_by_the_answer() {
    let ahead = Duration::from_secs(3600);
    let time = StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let theirs = http_date(time.now() + ahead);
    let (url, count) = serve(move |_, request| {
        // One hour after 2023-11-14T22:13:20Z.
        Some(if request.to_ascii_lowercase().contains("x-amz-date: 20231114t231320z") {
            http("200 OK", "", r#"{"Keys":[]}"#)
        } else {
            let date = format!("date: {theirs}\r\n");
            http("400 Bad Request", &date, r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#)
        })
    })
    .await;
    let client = Client::new(ClientConfig { time: SharedTimeSource::new(time), ..quick(&url) });
    for _ in 0..2 {
        let found = client.call(&caller("eu-west-1"), "kms", "ListKeys", &json!({})).await.unwrap();
        assert_eq!(found, json!({ "Keys": [] }));
    }
    // Refused once, and never again.
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

fn http_date(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::HttpDate).unwrap()
}
