//! A proxy in front of moto that plays every listing in pages and answers chosen accounts' calls as a bad day at AWS would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode, header};
use futures::stream;

use crate::pages::{LATE, Listing, Page};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Refused.
    Denied,
    /// Too many calls, for ever.
    Throttled,
    /// Nothing is answered at all.
    Timeout,
    /// 500, for ever.
    Broken,
    /// A page is empty and names the next one: what AWS may do at any time.
    EmptyPage,
    /// A page is empty and says that it is the last: a shorter list that looks whole.
    EmptyEnd,
    /// The page names itself as the next one.
    RepeatedToken,
    /// The connection ends in the middle of the body.
    CutBody,
    /// Half of the body, as if it were the whole.
    HalfBody,
    /// Well-formed HTML with status 200, as a gateway in between says it.
    WrongType,
    /// The session has run out.
    ExpiredToken,
    /// The account has not this region.
    RegionOff,
    /// A byte now and then.
    SlowBody,
    /// No document at all.
    Malformed,
    /// Status 200 and no body.
    Blank,
}

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Denied,
        Self::Throttled,
        Self::Timeout,
        Self::Broken,
        Self::EmptyPage,
        Self::EmptyEnd,
        Self::RepeatedToken,
        Self::CutBody,
        Self::HalfBody,
        Self::WrongType,
        Self::ExpiredToken,
        Self::RegionOff,
        Self::SlowBody,
        Self::Malformed,
        Self::Blank,
    ];
}

/// Faults by account and operation, each at one page of a listing.
pub(crate) type Faults = BTreeMap<(String, &'static str), (Fault, usize)>;

/// A call that is answered the same as long as nothing changes behind the proxy.
type Question = (String, String, String);
type Answer = (StatusCode, String, Bytes);

#[derive(Default)]
struct Day {
    faults: Faults,
    /// Accounts by the access key of an assumed role.
    keys: BTreeMap<String, String>,
    /// What has struck: account and operation.
    struck: BTreeSet<(String, &'static str)>,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    behind: String,
    client: reqwest::Client,
    day: Arc<Mutex<Day>>,
    /// What is behind it has said, once nothing changes there any more.
    known: Option<Arc<Mutex<BTreeMap<Question, Answer>>>>,
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
        let proxy = Self { behind: behind.to_owned(), client, day: Arc::default(), known: None };
        let url = proxy.serve().await;
        (proxy, url)
    }

    /// Several in front of a server that nothing changes: each with faults of its own, and what one has learnt all know.
    pub(crate) async fn several(behind: &str, many: usize) -> Vec<(Self, String)> {
        let known = Some(Arc::default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut all = Vec::new();
        for _ in 0..many {
            let (known, client) = (known.clone(), client.clone());
            let proxy = Self { behind: behind.to_owned(), client, day: Arc::default(), known };
            let url = proxy.serve().await;
            all.push((proxy, url));
        }
        all
    }

    async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
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

    /// The account that a call is for.
    fn account(&self, call: &Call, body: &str) -> Option<String> {
        if call.operation == "AssumeRole" {
            return body.split("arn%3Aaws%3Aiam%3A%3A").nth(1)?.get(..12).map(str::to_owned);
        }
        self.day.lock().unwrap().keys.get(&call.key).cloned()
    }

    /// What is wrong with a call for a page.
    fn fault(&self, account: &str, call: &Call, page: usize) -> Option<Fault> {
        let mut day = self.day.lock().unwrap();
        let mut faults = day.faults.iter();
        let ((_, operation), (fault, at)) = faults.find(|((a, o), _)| a == account && *o == call.operation)?;
        if page != *at {
            return None;
        }
        let (operation, fault) = (*operation, *fault);
        day.struck.insert((account.to_owned(), operation));
        Some(fault)
    }
}

async fn answer(State(proxy): State<Proxy>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    let call = call(&head, &text);
    let account = proxy.account(&call, &text).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let listing = Listing::of(&call.service, &call.operation, &text);
    let in_question = call.operation == "AssumeRole" || listing.is_some();
    let (page, path, question) = match listing {
        Some(listing) if call.service == "s3" => {
            let (page, path) = listing.asked(path);
            (page, path, text.clone())
        }
        Some(listing) => {
            let (page, question) = listing.asked(&text);
            (page, path.to_owned(), question)
        }
        None => (1, path.to_owned(), text.clone()),
    };
    let fault = in_question.then(|| proxy.fault(&account, &call, page)).flatten();
    if fault == Some(Fault::Timeout) {
        return std::future::pending().await;
    }
    let (status, kind, whole) = proxy.ask(&account, &call, &head, &path, &question).await;
    if call.operation == "AssumeRole" {
        proxy.remember(&text, &whole);
    }
    let play = |page: Page| match listing.filter(|_| status == StatusCode::OK) {
        Some(listing) => listing.page(&String::from_utf8_lossy(&whole), page).into(),
        None => whole.clone(),
    };
    let shows = page % LATE;
    let next = listing.and_then(|l| (shows < l.pages()).then_some(shows + 1));
    let sound: Bytes = play(Page { shows: Some(shows), next });
    let Some(fault) = fault else { return plain(status, &kind, sound) };
    match fault {
        Fault::Denied => {
            refusal(&call, 403, if call.service == "ec2" { "UnauthorizedOperation" } else { "AccessDenied" })
        }
        Fault::Throttled => match call.service.as_str() {
            "ec2" => refusal(&call, 503, "RequestLimitExceeded"),
            "s3" => refusal(&call, 503, "SlowDown"),
            "kms" | "cloudtrail" => refusal(&call, 400, "ThrottlingException"),
            _ => refusal(&call, 400, "Throttling"),
        },
        Fault::Broken => refusal(&call, 500, "InternalError"),
        Fault::ExpiredToken => match call.service.as_str() {
            "ec2" => refusal(&call, 400, "RequestExpired"),
            "kms" | "cloudtrail" => refusal(&call, 400, "ExpiredTokenException"),
            _ => refusal(&call, 403, "ExpiredToken"),
        },
        Fault::RegionOff => match call.service.as_str() {
            "ec2" | "s3" => refusal(&call, 401, "OptInRequired"),
            "kms" | "cloudtrail" => refusal(&call, 400, "UnrecognizedClientException"),
            _ => refusal(&call, 403, "InvalidClientTokenId"),
        },
        Fault::EmptyPage => plain(status, &kind, play(Page { shows: None, next: Some(LATE + page) })),
        Fault::EmptyEnd => plain(status, &kind, play(Page { shows: None, next: None })),
        Fault::RepeatedToken => plain(status, &kind, play(Page { shows: Some(page), next: Some(page) })),
        Fault::HalfBody => plain(status, &kind, sound.slice(..sound.len() / 2)),
        Fault::CutBody => {
            let end = std::io::Error::other("the line is dead");
            endless(&kind, stream::iter([Ok(sound.slice(..sound.len() / 2)), Err(end)]), sound.len())
        }
        Fault::SlowBody => {
            let length = sound.len();
            let drip = stream::unfold(0, move |at| {
                let byte = (at < length).then(|| sound.slice(at..at + 1));
                async move {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    byte.map(|byte| (Ok::<_, std::io::Error>(byte), at + 1))
                }
            });
            endless(&kind, drip, length)
        }
        Fault::WrongType => plain(StatusCode::OK, "text/html", Bytes::from_static(GATEWAY)),
        Fault::Malformed => plain(status, &kind, Bytes::from_static(b"\x00<<Instances{\"Keys\":[")),
        Fault::Blank => plain(status, &kind, Bytes::new()),
        Fault::Timeout => std::future::pending().await,
    }
}

const GATEWAY: &[u8] = b"<html><head><title>Sign in</title></head><body><p>Accept the terms</p></body></html>";

fn endless<S>(kind: &str, body: S, length: usize) -> Response<Body>
where
    S: futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
{
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

impl Proxy {
    /// What is behind it says; asked once as long as nothing changes there.
    async fn ask(&self, account: &str, call: &Call, head: &Parts, path: &str, body: &str) -> Answer {
        let place = format!("{account} {} {} {}", call.region, call.service, call.operation);
        let question = (place, format!("{} {path}", head.method), body.to_owned());
        // Who assumes a role has credentials of its own.
        let known = self.known.as_ref().filter(|_| call.operation != "AssumeRole");
        if let Some(answer) = known.and_then(|k| k.lock().unwrap().get(&question).cloned()) {
            return answer;
        }
        let mut headers = head.headers.clone();
        headers.remove(header::CONTENT_LENGTH);
        let request = self.client.request(head.method.clone(), format!("{}{path}", self.behind)).headers(headers);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let kind =
            answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let answer = (answer.status(), kind, answer.bytes().await.unwrap());
        if let Some(known) = known {
            known.lock().unwrap().insert(question, answer.clone());
        }
        answer
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
    let operation = match (action, text("x-amz-target").rsplit_once('.')) {
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
        "kms" | "cloudtrail" => {
            ("application/x-amz-json-1.1", format!(r#"{{"__type":"{code}","message":"not today"}}"#))
        }
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
