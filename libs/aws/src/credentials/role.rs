//! A role in an account: its ARN, what it is assumed with, and the call that assumes it.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::cached::Fetch;
use super::{AccessError, Identity};
use crate::{Limiter, Outcome, Partition};

/// What a role is assumed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleConfig {
    /// Name (with its path, if it has one) or ARN. `{account}` in an ARN stands for the account's id.
    pub role: String,
    /// What the role's trust policy asks for, against the confused deputy.
    pub external_id: Option<String>,
    /// Name of the session, as CloudTrail shows it.
    pub session_name: String,
    /// A policy that narrows the role for this session: JSON.
    pub session_policy: Option<String>,
    /// How long a session lasts; AWS allows 15 minutes to 12 hours, one hour where the caller is a role itself.
    pub duration: Duration,
}

impl RoleConfig {
    /// A role with usual settings: session `driftline`, one hour.
    pub fn new(role: impl Into<String>) -> Self {
        RoleConfig {
            role: role.into(),
            external_id: None,
            session_name: "driftline".to_owned(),
            session_policy: None,
            duration: Duration::from_secs(3600),
        }
    }

    /// Refuses what STS would refuse (API reference of AssumeRole), before anything is sent.
    pub fn check(&self) -> Result<(), AccessError> {
        let bad = |setting, value: &str, reason: String| {
            let value = value.chars().take(100).collect();
            Err(AccessError::Setting { setting, value, reason })
        };
        let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if !(2..=64).contains(&self.session_name.len()) || !plain(&self.session_name, "_+=,.@-") {
            return bad("session name", &self.session_name, "must be 2 to 64 letters, digits or _+=,.@-".to_owned());
        }
        if let Some(id) = &self.external_id
            && (!(2..=1224).contains(&id.len()) || !plain(id, "_+=,.@:/-"))
        {
            return bad("external id", id, "must be 2 to 1224 letters, digits or _+=,.@:/-".to_owned());
        }
        if !(900..=43_200).contains(&self.duration.as_secs()) {
            let value = format!("{} s", self.duration.as_secs());
            return bad("session duration", &value, "must be 900 to 43200 seconds".to_owned());
        }
        if let Some(policy) = &self.session_policy {
            if policy.len() > 2048 {
                return bad("session policy", policy, format!("has {} characters, 2048 are allowed", policy.len()));
            }
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(policy) {
                return bad("session policy", policy, format!("is no JSON: {error}"));
            }
        }
        Ok(())
    }
}

/// ARN of a role, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    account: String,
    arn: String,
}

impl RoleArn {
    /// A name becomes the ARN in this account and partition; an ARN must be of this account.
    pub fn resolve(role: &str, account: &str, partition: Partition) -> Result<Self, AccessError> {
        let bad = |setting, value: &str, reason: &str| AccessError::Setting {
            setting,
            value: value.chars().take(100).collect(),
            reason: reason.to_owned(),
        };
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad("account", account, "must be 12 digits"));
        }
        let name_ok = |name: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
            !name.is_empty() && name.len() <= 512 + 64 && name.chars().all(plain) && !name.ends_with('/')
        };
        let arn = if role.starts_with("arn:") {
            let arn = role.replace("{account}", account);
            let mut parts = arn.splitn(6, ':');
            let (_, _, service) = (parts.next(), parts.next(), parts.next());
            let (region, owner, name) = (parts.next(), parts.next(), parts.next());
            let name = name.and_then(|n| n.strip_prefix("role/"));
            if service != Some("iam") || region != Some("") || !name.is_some_and(name_ok) {
                return Err(bad("role", role, "is no ARN of a role (arn:aws:iam::ACCOUNT:role/NAME)"));
            }
            if owner != Some(account) {
                return Err(bad("role", role, &format!("is not in account {account}")));
            }
            arn
        } else {
            let name = role.trim_start_matches('/');
            if !name_ok(name) {
                return Err(bad("role", role, "must be a role's name or ARN"));
            }
            format!("arn:{}:iam::{account}:role/{name}", partition.as_str())
        };
        Ok(RoleArn { account: account.to_owned(), arn })
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

/// The call that assumes the role.
#[derive(Debug)]
pub(super) struct Assume {
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) role: RoleArn,
    pub(super) config: RoleConfig,
    pub(super) caller: Identity,
    pub(super) region: String,
    pub(super) limiter: Limiter,
}

impl Fetch for Assume {
    async fn fetch(&self) -> Result<Credentials, AccessError> {
        let seconds = i32::try_from(self.config.duration.as_secs()).unwrap_or(3600);
        let call = self
            .sts
            .assume_role()
            .role_arn(self.role.as_str())
            .role_session_name(&self.config.session_name)
            .duration_seconds(seconds)
            .set_external_id(self.config.external_id.clone())
            .set_policy(self.config.session_policy.clone());
        let permit = self.limiter.permit(&self.caller.account, &self.region, "sts").await;
        let answer = call.send().await;
        permit.done(outcome(&answer));
        let answer = answer.map_err(|error| self.error(&error))?;
        let Some(given) = answer.credentials else {
            return Err(self.unreachable("STS answered without credentials".to_owned()));
        };
        let expiry = std::time::SystemTime::try_from(given.expiration)
            .map_err(|error| self.unreachable(format!("STS gave an expiry that is no time: {error}")))?;
        Ok(Credentials::builder()
            .access_key_id(given.access_key_id)
            .secret_access_key(given.secret_access_key)
            .session_token(given.session_token)
            .expiry(expiry)
            .provider_name("AssumeRole")
            .build())
    }
}

impl Assume {
    fn error<E>(&self, error: &SdkError<E>) -> AccessError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error.as_service_error() {
            Some(service) => {
                let status = || error.raw_response().map(|raw| format!("HTTP {}", raw.status().as_u16()));
                let code = service.code().map(str::to_owned).or_else(status).unwrap_or_default();
                AccessError::Refused {
                    role: self.role.arn.clone(),
                    account: self.role.account.clone(),
                    caller: self.caller.arn.clone(),
                    message: format!("{}{}", service.message().unwrap_or_default(), self.hint(&code)),
                    code,
                }
            }
            None => self.unreachable(reason(error)),
        }
    }

    /// STS says AccessDenied for a role that is not there as for one that does not trust the caller.
    fn hint(&self, code: &str) -> &'static str {
        match code {
            "AccessDenied" | "AccessDeniedException" if self.config.external_id.is_some() => {
                "; the role may be missing, or not trust this caller or external id"
            }
            "AccessDenied" | "AccessDeniedException" => {
                "; the role may be missing, not trust this caller, or ask for an external id"
            }
            "RegionDisabledException" => "; STS is turned off in this region, name another one",
            "ValidationError" => "; a caller that is a role itself may have sessions of one hour at most",
            _ => "",
        }
    }

    fn unreachable(&self, reason: String) -> AccessError {
        AccessError::Unreachable { role: self.role.arn.clone(), account: self.role.account.clone(), reason }
    }
}

/// As the limiter sees an SDK's answer.
pub(super) fn outcome<T, E: ProvideErrorMetadata>(answer: &Result<T, SdkError<E>>) -> Outcome {
    match answer.as_ref().err().map(|error| error.as_service_error().and_then(ProvideErrorMetadata::code)) {
        None => Outcome::Ok,
        Some(Some(code)) if code.starts_with("Throttl") || code == "RequestLimitExceeded" => Outcome::Throttled,
        Some(Some(_)) => Outcome::Ok,
        Some(None) => Outcome::Failed,
    }
}

/// The service's code and words, else the whole chain of causes.
pub(super) fn reason<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.as_service_error() {
        Some(service) => {
            format!("{}: {}", service.code().unwrap_or("unknown error"), service.message().unwrap_or_default())
        }
        None => crate::send::chain(error),
    }
}
