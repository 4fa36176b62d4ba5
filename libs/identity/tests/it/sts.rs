//! An STS that knows some sessions and checks signatures with AWS's own signer; and agents that prove themselves to it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign};
use aws_sigv4::sign::v4;
use driftline_identity::proof::{BODY, CHALLENGE, Proof, ProofRules, Request, Subject, judge};
use driftline_identity::{Grants, Inventory};
use time::PrimitiveDateTime;
use time::macros::format_description;

pub(crate) const VICTIM: &str = "111111111111";
pub(crate) const ATTACKER: &str = "222222222222";
pub(crate) const ROLE: &str = "DriftlineRead";

/// A role's session: its key, and who STS says that it is.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    pub(crate) account: String,
    pub(crate) arn: String,
}

impl Session {
    pub(crate) fn new(n: usize, account: &str, arn: &str) -> Self {
        let (key, secret) = (format!("ASIA{n:016}"), format!("secret/{n}+{account}"));
        let token = format!("FwoGZXIvYXdzE{n:04}{}==", account.repeat(8));
        let credentials = Credentials::new(key, secret, Some(token), None, "test");
        Self { credentials, account: account.to_owned(), arn: arn.to_owned() }
    }

    pub(crate) fn of_role(n: usize, partition: &str, account: &str, role: &str) -> Self {
        Self::new(n, account, &format!("arn:{partition}:sts::{account}:assumed-role/{role}/driftline"))
    }
}

/// One proof, and all that it is judged by.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) proof: Proof,
    pub(crate) account: String,
    pub(crate) challenge: Vec<u8>,
    pub(crate) now: SystemTime,
    pub(crate) rules: ProofRules,
}

/// What signing adds to a request.
fn signed(request: &Request, credentials: Credentials, time: SystemTime) -> (SigningInstructions, String) {
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&request.region)
        .name("sts")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let own = ["x-amz-date", "x-amz-security-token", "authorization"];
    let headers = request.headers.iter().filter(|(name, _)| !own.contains(name)).map(|(n, v)| (*n, v.as_str()));
    let uri = format!("https://{}/", request.host);
    let request = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(BODY.as_bytes())).unwrap();
    sign(request, &params).unwrap().into_parts()
}

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

impl Attempt {
    /// As an honest agent makes it.
    pub(crate) fn honest(session: &Session, region: &str, challenge: [u8; CHALLENGE]) -> Self {
        let account = session.account.clone();
        let request = Request::unsigned(Subject { account: &account, challenge: &challenge }, region).unwrap();
        let (instructions, signature) = signed(&request, session.credentials.clone(), now());
        let date = instructions.headers().find(|(name, _)| *name == "x-amz-date").unwrap().1.to_owned();
        let proof = Proof {
            access_key_id: session.credentials.access_key_id().to_owned(),
            session_token: session.credentials.session_token().unwrap().to_owned(),
            signed_at: date,
            region: region.to_owned(),
            signature,
        };
        Self { proof, account, challenge: challenge.to_vec(), now: now(), rules: ProofRules::default() }
    }

    pub(crate) fn request(&self) -> Result<Request, String> {
        let subject = Subject { account: &self.account, challenge: &self.challenge };
        self.proof.request(&self.rules, subject, self.now).map_err(|e| e.to_string())
    }
}

/// STS, and an aggregator with its grants.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) grants: Grants,
    pub(crate) inventory: Inventory,
}

impl World {
    pub(crate) fn of(sessions: impl IntoIterator<Item = Session>, grants: &str) -> Self {
        let by_key = |s: Session| (s.credentials.access_key_id().to_owned(), s);
        let sessions = sessions.into_iter().map(by_key).collect();
        Self { sessions, grants: Grants::parse(grants).unwrap(), inventory: Inventory::new() }
    }

    /// STS's answer: account and ARN.
    fn ask(&self, request: &Request) -> Result<(String, String), String> {
        let header = |wanted: &str| request.headers.iter().find(|(n, _)| *n == wanted).map(|(_, v)| v.as_str());
        let authorization = header("authorization").ok_or("MissingAuthenticationToken")?;
        let key = authorization.split(['=', '/']).nth(1).unwrap_or_default();
        let session = self.sessions.get(key).ok_or("InvalidClientTokenId")?;
        if header("x-amz-security-token") != session.credentials.session_token() {
            return Err("InvalidClientTokenId".to_owned());
        }
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let date = header("x-amz-date").unwrap_or_default();
        let time = PrimitiveDateTime::parse(date, format).map_err(|_| "IncompleteSignature")?.assume_utc();
        let (instructions, _) = signed(request, session.credentials.clone(), time.into());
        let own = instructions.headers().find(|(name, _)| *name == "authorization");
        if own.map(|(_, value)| value) != Some(authorization) {
            return Err("SignatureDoesNotMatch".to_owned());
        }
        Ok((session.account.clone(), session.arn.clone()))
    }

    /// Whether the aggregator would give the account away: everything that it does, but for the network.
    pub(crate) fn accepts(&self, attempt: &Attempt) -> Result<(), String> {
        let request = attempt.request()?;
        let (account, arn) = self.ask(&request)?;
        let subject = Subject { account: &attempt.account, challenge: &attempt.challenge };
        let role = judge(subject, &request.region, &account, &arn).map_err(|e| e.to_string())?;
        let granted = self.grants.allow_role(Some(&role.role), &role.account, &self.inventory);
        granted.then_some(()).ok_or_else(|| "no grant".to_owned())
    }
}

/// Everything that the official signer makes of the request is what the aggregator sends, byte for byte.
#[test]
fn the_request_that_is_built_anew_is_the_one_that_was_signed() {
    for region in ["eu-west-1", "us-gov-west-1", "cn-north-1"] {
        let session = Session::of_role(1, "aws", VICTIM, ROLE);
        let attempt = Attempt::honest(&session, region, [7; CHALLENGE]);
        let subject = Subject { account: VICTIM, challenge: &[7; CHALLENGE] };
        let unsigned = Request::unsigned(subject, region).unwrap();
        let (instructions, _) = signed(&unsigned, session.credentials.clone(), now());
        let mut wanted: Vec<(String, String)> =
            unsigned.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        wanted.extend(instructions.headers().map(|(n, v)| (n.to_owned(), v.to_owned())));
        let rebuilt = attempt.request().unwrap();
        let mut found: Vec<(String, String)> =
            rebuilt.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
        assert_eq!(rebuilt.host, unsigned.host);
    }
}
