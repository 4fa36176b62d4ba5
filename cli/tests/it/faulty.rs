//! A proxy in front of moto that lets everything through, but answers chosen accounts' calls as a bad day at AWS would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode, header};
use futures::stream;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Refused.
    Denied,
    /// Too many calls, for ever.
    Throttled,
    /// 500, for ever.
    Broken,
    /// The connection ends in the middle of the body.
    Cut,
    /// Half of the body, as if it were the whole.
    Half,
    /// Each page names the same next one.
    SamePage,
    /// The first page is empty and names a second one: what AWS may do at any time.
    EmptyPage,
    /// The first answer shows nothing at all, the later ones what is there.
    EmptyOnce,
}

/// A listing: the service, the operation, its empty answer (`{more}` stands for what names the next page) and what names it.
pub(crate) struct Listing {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    empty: &'static str,
    more: &'static str,
    /// How the next page is asked for; left out on the way to moto, which knows no such page.
    asked: &'static str,
}

pub(crate) const LISTINGS: [Listing; 7] = [
    Listing {
        service: "s3",
        operation: "ListBuckets",
        empty: "<ListAllMyBucketsResult><Buckets/>{more}</ListAllMyBucketsResult>",
        more: "<ContinuationToken>again</ContinuationToken>",
        asked: "continuation-token=again",
    },
    Listing {
        service: "ec2",
        operation: "DescribeSecurityGroups",
        empty: "<DescribeSecurityGroupsResponse><securityGroupInfo/>{more}</DescribeSecurityGroupsResponse>",
        more: "<nextToken>again</nextToken>",
        asked: "NextToken=again",
    },
    Listing {
        service: "ec2",
        operation: "DescribeInstances",
        empty: "<DescribeInstancesResponse><reservationSet/>{more}</DescribeInstancesResponse>",
        more: "<nextToken>again</nextToken>",
        asked: "NextToken=again",
    },
    Listing {
        service: "ec2",
        operation: "DescribeVolumes",
        empty: "<DescribeVolumesResponse><volumeSet/>{more}</DescribeVolumesResponse>",
        more: "<nextToken>again</nextToken>",
        asked: "NextToken=again",
    },
    Listing {
        service: "rds",
        operation: "DescribeDBInstances",
        empty: "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances/>{more}</DescribeDBInstancesResult>\
                </DescribeDBInstancesResponse>",
        more: "<Marker>again</Marker>",
        asked: "Marker=again",
    },
    Listing {
        service: "iam",
        operation: "GetAccountAuthorizationDetails",
        empty: "<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult><UserDetailList/>\
                <RoleDetailList/><Policies/>{more}</GetAccountAuthorizationDetailsResult>\
                </GetAccountAuthorizationDetailsResponse>",
        more: "<IsTruncated>true</IsTruncated><Marker>again</Marker>",
        asked: "Marker=again",
    },
    Listing {
        service: "kms",
        operation: "ListKeys",
        empty: r#"{"Keys":[]{more}}"#,
        more: r#","Truncated":true,"NextMarker":"again""#,
        asked: r#""Marker":"again""#,
    },
];

/// Faults by account and operation.
pub(crate) type Faults = BTreeMap<(String, &'static str), Fault>;

#[derive(Default)]
struct Day {
    faults: Faults,
    /// Accounts by the access key of an assumed role.
    keys: BTreeMap<String, String>,
    /// What has struck: account and operation; and of [`Fault::EmptyOnce`] also where.
    struck: BTreeSet<(String, &'static str)>,
    emptied: BTreeSet<(String, String, &'static str)>,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    behind: String,
    client: reqwest::Client,
    day: Arc<Mutex<Day>>,
}

/// The call as far as it matters here.
struct Call {
    service: String,
    operation: String,
    key: String,
    region: String,
}

impl Proxy {
    /// Starts one in front of a server; the proxy and its address. It ends with the test's runtime.
    pub(crate) async fn start(behind: &str) -> (Self, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let proxy = Self { behind: behind.to_owned(), client, day: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (proxy, url)
    }

    /// From now on these faults.
    pub(crate) fn set(&self, faults: Faults) {
        let mut day = self.day.lock().unwrap();
        *day = Day { faults, keys: std::mem::take(&mut day.keys), ..Day::default() };
    }

    /// Which faults were met.
    pub(crate) fn struck(&self) -> BTreeSet<(String, &'static str)> {
        self.day.lock().unwrap().struck.clone()
    }

    fn fault(&self, call: &Call, body: &str) -> Option<(Fault, &'static str, Option<&'static Listing>)> {
        let mut day = self.day.lock().unwrap();
        let account = if call.operation == "AssumeRole" {
            body.split("arn%3Aaws%3Aiam%3A%3A").nth(1)?.get(..12)?.to_owned()
        } else {
            day.keys.get(&call.key)?.clone()
        };
        let ((_, operation), fault) = day
            .faults
            .iter()
            .find(|((a, o), _)| *a == account && *o == call.operation)
            .map(|(k, f)| (k.clone(), *f))?;
        day.struck.insert((account.clone(), operation));
        let listing = LISTINGS.iter().find(|l| l.operation == operation && l.service == call.service);
        let once = fault == Fault::EmptyOnce && !day.emptied.insert((account, call.region.clone(), operation));
        (!once).then_some((fault, operation, listing))
    }
}

async fn answer(State(proxy): State<Proxy>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let call = call(&head, &text);
    let Some((fault, _, listing)) = proxy.fault(&call, &text) else {
        let (status, kind, answer) = proxy.forward(&head, body).await;
        if call.operation == "AssumeRole" {
            proxy.remember(&text, &answer);
        }
        return plain(status, &kind, answer);
    };
    let json = call.service == "kms";
    let kind = if json { "application/x-amz-json-1.1" } else { "text/xml" };
    let page = |more: bool| {
        let listing = listing.unwrap();
        listing.empty.replace("{more}", if more { listing.more } else { "" })
    };
    let second = listing.is_some_and(|l| text.contains(l.asked) || head.uri.to_string().contains(l.asked));
    match fault {
        Fault::Denied => {
            refusal(&call, 403, if call.service == "ec2" { "UnauthorizedOperation" } else { "AccessDenied" })
        }
        Fault::Throttled => match call.service.as_str() {
            "ec2" => refusal(&call, 503, "RequestLimitExceeded"),
            "s3" => refusal(&call, 503, "SlowDown"),
            "kms" => refusal(&call, 400, "ThrottlingException"),
            _ => refusal(&call, 400, "Throttling"),
        },
        Fault::Broken => refusal(&call, 500, "InternalError"),
        Fault::Cut | Fault::Half => {
            let (status, kind, answer) = proxy.forward(&head, body).await;
            let half = answer.slice(..answer.len() / 2);
            if fault == Fault::Half {
                return plain(status, &kind, half);
            }
            let end = std::io::Error::other("the line is dead");
            let mut response = Response::new(Body::from_stream(stream::iter([Ok(half), Err(end)])));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
            response.headers_mut().insert(header::CONTENT_LENGTH, answer.len().into());
            response
        }
        Fault::EmptyPage if second => {
            let without = text.replace(listing.unwrap().asked, "");
            let without = without.replace(",}", "}").replace("{,", "{").replace(",,", ",");
            let (status, kind, answer) = proxy.forward(&head, without.into()).await;
            plain(status, &kind, answer)
        }
        Fault::SamePage | Fault::EmptyPage => plain(StatusCode::OK, kind, page(true).into()),
        Fault::EmptyOnce => plain(StatusCode::OK, kind, page(false).into()),
    }
}

impl Proxy {
    async fn forward(&self, head: &Parts, body: Bytes) -> (StatusCode, String, Bytes) {
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str()).replace("continuation-token=again", "");
        let mut headers = head.headers.clone();
        headers.remove(header::CONTENT_LENGTH);
        let request = self.client.request(head.method.clone(), format!("{}{path}", self.behind)).headers(headers);
        let answer = request.body(body).send().await.unwrap();
        let kind =
            answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        (answer.status(), kind, answer.bytes().await.unwrap())
    }

    /// Whose key it is that an AssumeRole gave.
    fn remember(&self, asked: &str, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        let key = answer.split("<AccessKeyId>").nth(1).and_then(|a| a.split('<').next());
        let account = asked.split("arn%3Aaws%3Aiam%3A%3A").nth(1).and_then(|a| a.get(..12));
        if let (Some(key), Some(account)) = (key, account) {
            self.day.lock().unwrap().keys.insert(key.to_owned(), account.to_owned());
        }
    }
}

/// Reads a call's name from its protocol's place, and who makes it from the signature.
fn call(head: &Parts, body: &str) -> Call {
    let text = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let credential = text("authorization").split("Credential=").nth(1).unwrap_or_default();
    let mut scope = credential.split([',', '/']);
    let key = scope.next().unwrap_or_default().to_owned();
    let region = scope.nth(1).unwrap_or_default().to_owned();
    let service = scope.next().unwrap_or_default().to_owned();
    let action = body.split('&').find_map(|p| p.strip_prefix("Action="));
    let operation = match (action, text("x-amz-target").split_once('.')) {
        (Some(action), _) => action,
        (None, Some((_, operation))) => operation,
        (None, None) if service == "s3" && head.method == "GET" && head.uri.path() == "/" => "ListBuckets",
        (None, None) => "",
    };
    Call { operation: operation.to_owned(), service, key, region }
}

/// An error in the shape of the service's protocol.
fn refusal(call: &Call, status: u16, code: &str) -> Response<Body> {
    let error = format!("<Error><Code>{code}</Code><Message>not today</Message></Error>");
    let (kind, body) = match call.service.as_str() {
        "kms" => ("application/x-amz-json-1.1", format!(r#"{{"__type":"{code}","message":"not today"}}"#)),
        "s3" => ("application/xml", error),
        "ec2" => ("text/xml", format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>")),
        _ => ("text/xml", format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")),
    };
    plain(StatusCode::from_u16(status).unwrap(), kind, body.into())
}

fn plain(status: StatusCode, kind: &str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
