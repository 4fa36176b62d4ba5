//! A role in an account: its ARN, what it is assumed with, and the call that assumes it.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use serde_json::{Value, json};

use super::cached::Fetch;
use super::{AccessError, Identity};
use crate::{Caller, Client, Error, Partition};

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
    pub(super) client: Client,
    /// Who signs, and where STS is asked.
    pub(super) by: Caller,
    pub(super) role: RoleArn,
    pub(super) config: RoleConfig,
    pub(super) caller: Identity,
}

impl Fetch for Assume {
    async fn fetch(&self) -> Result<Credentials, AccessError> {
        let mut params = json!({
            "RoleArn": self.role.as_str(),
            "RoleSessionName": self.config.session_name,
            "DurationSeconds": self.config.duration.as_secs(),
        });
        for (name, value) in [("ExternalId", &self.config.external_id), ("Policy", &self.config.session_policy)] {
            if let Some(value) = value {
                params[name] = json!(value);
            }
        }
        let answer =
            self.client.call(&self.by, "sts", "AssumeRole", &params).await.map_err(|error| self.error(error))?;
        let text = |name: &str| {
            let given = answer.pointer("/Credentials").and_then(|c| c.get(name)).and_then(Value::as_str);
            given.ok_or_else(|| self.unreachable(format!("STS answered without {name}")))
        };
        let expiry = DateTime::from_str(text("Expiration")?, Format::DateTimeWithOffset)
            .ok()
            .and_then(|time| std::time::SystemTime::try_from(time).ok())
            .ok_or_else(|| self.unreachable("STS gave an expiry that is no time".to_owned()))?;
        Ok(Credentials::builder()
            .access_key_id(text("AccessKeyId")?)
            .secret_access_key(text("SecretAccessKey")?)
            .session_token(text("SessionToken")?)
            .expiry(expiry)
            .provider_name("AssumeRole")
            .build())
    }
}

impl Assume {
    fn error(&self, error: Error) -> AccessError {
        let throttled = error.is_throttled();
        match error {
            Error::Service { code, message, status, .. } if status < 500 && !throttled => AccessError::Refused {
                role: self.role.arn.clone(),
                account: self.role.account.clone(),
                caller: self.caller.arn.clone(),
                message: format!("{message}{}", self.hint(&code)),
                code,
            },
            other => self.unreachable(other.to_string()),
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
