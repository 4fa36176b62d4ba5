//! The second way to say who an agent is, for agents without certificates: per account, an `sts:GetCallerIdentity` request
//! that the role assumed there signed, over a challenge of this very stream. What comes from an agent are the parts of a
//! signature alone; the request is built here from what is known, so that nobody's host, header or body ever reaches STS. Pure.

mod arn;
mod region;

use std::time::{Duration, SystemTime};

use time::PrimitiveDateTime;
use time::macros::format_description;

pub use arn::AssumedRole;
pub use region::{host, partition};

/// What is posted to STS.
pub const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// Bytes of a challenge: nobody guesses one, and none comes twice.
pub const CHALLENGE: usize = 32;
/// How old a signature may be, unless set otherwise: as long as AWS takes one (Signature Version 4, five minutes).
pub const MAX_AGE: Duration = Duration::from_secs(300);

/// All headers that are signed, in the order that the signature names them.
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-security-token;x-driftline-account;x-driftline-challenge";
const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
/// Longest id of an access key (IAM's API reference of `AccessKey`).
const MAX_KEY: usize = 128;
/// Longest session token, bytes. AWS gives no limit and calls 4,096 large.
const MAX_TOKEN: usize = 8192;
/// `20260131T235959Z`.
const TIME: usize = 16;
/// Hex digits of a SHA-256.
const SIGNATURE: usize = 64;

/// What an aggregator takes for a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofRules {
    /// Regions whose STS may be asked; none is every region of the known partitions.
    pub regions: Vec<String>,
    /// How far the signature's time may be from ours, either way.
    pub max_age: Duration,
}

impl Default for ProofRules {
    fn default() -> Self {
        Self { regions: Vec::new(), max_age: MAX_AGE }
    }
}

/// What a proof is about: it is of no use for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Account id, 12 digits.
    pub account: &'a str,
    /// The challenge that the stream gave for it.
    pub challenge: &'a [u8],
}

/// The parts of a signature, as an agent sends them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Id of the temporary key that signed.
    pub access_key_id: String,
    /// The session token that belongs to it.
    pub session_token: String,
    /// When it was signed: `20260131T235959Z`.
    pub signed_at: String,
    /// The region whose STS it is for.
    pub region: String,
    /// 64 hex digits.
    pub signature: String,
}

/// Without token and signature: it goes into logs.
impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Proof");
        shown.field("access_key_id", &self.access_key_id).field("region", &self.region);
        shown.field("signed_at", &self.signed_at).finish_non_exhaustive()
    }
}

/// Why a proof is none. The text is for the operator and the agent alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// A part is not of the form that it has to have.
    #[error("the proof's {0} is not of its form")]
    Form(&'static str),
    /// Its region is of no known partition, or not among those that are allowed; or what it is for is no account.
    #[error("the proof's region is not one that is asked, or its account is none")]
    Region,
    /// Signed too long ago, or in the future.
    #[error("the proof's time is {0} s from the aggregator's; at most {1} s are allowed")]
    Age(u64, u64),
    /// STS says that it is another account's.
    #[error("the proof is of account {0}")]
    OtherAccount(String),
    /// STS says that it is a user, the account itself, a federated user.
    #[error("the proof is not of an assumed role")]
    NoRole,
}

/// A request to STS but for its signature: all of it follows from the subject, the region and who signs when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// STS of the region: `sts.eu-west-1.amazonaws.com`.
    pub host: String,
    /// The region, whose partition is known.
    pub region: String,
    /// All headers, those of the signature included once there is one.
    pub headers: Vec<(&'static str, String)>,
}

impl Request {
    /// What an agent signs, before the signer adds time and token. None if the region is of no known partition, or the account is
    /// none.
    pub fn unsigned(subject: Subject<'_>, region: &str) -> Option<Self> {
        if subject.account.len() != 12 || !subject.account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let host = host(region)?;
        let headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", host.clone()),
            ("x-driftline-account", subject.account.to_owned()),
            ("x-driftline-challenge", hex(subject.challenge)),
        ];
        Some(Self { host, region: region.to_owned(), headers })
    }
}

impl Proof {
    /// The request that this proof can only be the signature of, or why it is none.
    pub fn request(&self, rules: &ProofRules, subject: Subject<'_>, now: SystemTime) -> Result<Request, Unproven> {
        self.form()?;
        let allowed = rules.regions.is_empty() || rules.regions.contains(&self.region);
        let request = Request::unsigned(subject, &self.region).filter(|_| allowed);
        let mut request = request.ok_or(Unproven::Region)?;
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let signed = PrimitiveDateTime::parse(&self.signed_at, format).map_err(|_| Unproven::Form("time"))?;
        let away = (signed.assume_utc() - time::OffsetDateTime::from(now)).unsigned_abs();
        if away > rules.max_age {
            return Err(Unproven::Age(away.as_secs(), rules.max_age.as_secs()));
        }
        let (key, date, region) = (&self.access_key_id, &self.signed_at[..8], &self.region);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/{date}/{region}/sts/aws4_request, SignedHeaders={SIGNED}, Signature={}",
            self.signature
        );
        request.headers.extend([
            ("x-amz-date", self.signed_at.clone()),
            ("x-amz-security-token", self.session_token.clone()),
            ("authorization", authorization),
        ]);
        Ok(request)
    }

    /// Every part by its length and alphabet: nothing that ends a header or a part of one passes.
    fn form(&self) -> Result<(), Unproven> {
        let all = |text: &str, is: fn(u8) -> bool| text.bytes().all(is);
        let key = &self.access_key_id;
        // ASIA is what temporary credentials begin with (IAM's guide, unique identifiers): a role's are never others.
        let key = key.starts_with("ASIA")
            && (16..=MAX_KEY).contains(&key.len())
            && all(key, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let token = (1..=MAX_TOKEN).contains(&self.session_token.len())
            && all(&self.session_token, |b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b));
        let time = self.signed_at.len() == TIME
            && self.signed_at.bytes().enumerate().all(|(at, b)| match at {
                8 => b == b'T',
                15 => b == b'Z',
                _ => b.is_ascii_digit(),
            });
        let signature = self.signature.len() == SIGNATURE
            && all(&self.signature, |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let parts = [(key, "access key"), (token, "session token"), (time, "time"), (signature, "signature")];
        parts.into_iter().find(|(good, _)| !good).map_or(Ok(()), |(_, part)| Err(Unproven::Form(part)))
    }
}

/// The role that STS's answer names, if it is one of the account, in the partition whose STS was asked.
pub fn judge(subject: Subject<'_>, region: &str, account: &str, arn: &str) -> Result<AssumedRole, Unproven> {
    let role = AssumedRole::parse(arn).ok_or(Unproven::NoRole)?;
    if partition(region) != Some(role.partition.as_str()) {
        return Err(Unproven::Region);
    }
    for found in [account, &role.account] {
        if found != subject.account {
            return Err(Unproven::OtherAccount(found.to_owned()));
        }
    }
    Ok(role)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}"); // a String takes it
        out
    })
}
