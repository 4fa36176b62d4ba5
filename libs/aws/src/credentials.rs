//! Whose credentials sign a call: the SDK's chain for the process's own, then a role per account, assumed through the
//! region's own STS and renewed well before it expires.

mod cached;
mod role;

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::time::SharedTimeSource;
use serde_json::{Value, json};

use self::cached::{Cached, Fetch};
use self::role::Assume;
pub use self::role::{RoleArn, RoleConfig};
use crate::{Caller, Client, Partition};

/// Why there are no credentials for an account. Cheap to clone: a refusal is remembered for a while, not asked for again
/// with every call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Nothing in the SDK's chain (environment, profile, SSO, container, instance) gave credentials.
    #[error("no credentials found in environment, profile, container or instance: {0}")]
    NotFound(String),
    /// The chain's source failed.
    #[error("the credentials can't be loaded: {0}")]
    Unavailable(String),
    /// STS refused the role.
    #[error("role {role} of account {account} was refused to {caller}: {code}: {message}")]
    Refused {
        /// ARN of the role.
        role: String,
        /// Account of the role.
        account: String,
        /// ARN of who asked.
        caller: String,
        /// STS's error code.
        code: String,
        /// STS's words, and what to look at where that is known.
        message: String,
    },
    /// STS did not answer, or not in time.
    #[error("role {role} of account {account} can't be assumed: {reason}")]
    Unreachable {
        /// ARN of the role.
        role: String,
        /// Account of the role.
        account: String,
        /// What went wrong.
        reason: String,
    },
    /// STS would not say who the caller is.
    #[error("the caller's identity can't be asked for: {0}")]
    Identity(String),
    /// A setting that STS would refuse.
    #[error("{setting} `{value}`: {reason}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another account than the caller's own, and no role to assume there.
    #[error("account {account} is not the caller's own ({own}): name a role to assume in it")]
    NoRole {
        /// The account asked for.
        account: String,
        /// The account of the caller's credentials.
        own: String,
    },
}

impl AccessError {
    /// Whether asking again soon may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, AccessError::Unavailable(_) | AccessError::Unreachable { .. } | AccessError::Identity(_))
    }
}

/// Who the caller is, as `sts:GetCallerIdentity` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Account id, 12 digits.
    pub account: String,
    /// ARN of the user or the assumed role.
    pub arn: String,
}

/// Where the process's own credentials come from. What is not said here, the SDK's environment says (`AWS_PROFILE`,
/// `AWS_REGION` ...).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// Profile of the shared configuration files.
    pub profile: Option<String>,
    /// The region whose STS is asked, and whose partition all is in.
    pub region: Option<String>,
}

/// The process's own credentials, and the way to those of other accounts.
#[derive(Debug, Clone)]
pub struct Access {
    sdk: SdkConfig,
    client: Client,
    region: String,
    own: SharedCredentialsProvider,
    identity: Arc<tokio::sync::OnceCell<Identity>>,
    clock: SharedTimeSource,
}

/// Where nothing names a region.
const DEFAULT_REGION: &str = "us-east-1";

impl Access {
    /// The SDK's chain. Reads the environment and the shared configuration files; credentials are only fetched at first use.
    /// STS is asked by `client`.
    pub async fn load(config: &AccessConfig, client: Client) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &config.region {
            loader = loader.region(Region::new(region.clone()));
        }
        Self::from_sdk(loader.load().await, client, SharedTimeSource::default())
    }

    /// Given credentials instead of the chain.
    pub fn with_credentials(credentials: SharedCredentialsProvider, region: &str, client: Client) -> Self {
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .time_source(SharedTimeSource::default())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .build();
        Self::from_sdk(sdk, client, SharedTimeSource::default())
    }

    fn from_sdk(sdk: SdkConfig, client: Client, clock: SharedTimeSource) -> Self {
        let region = sdk.region().map_or(DEFAULT_REGION, Region::as_ref).to_owned();
        let own = SharedCredentialsProvider::new(Cached::new(Own(sdk.credentials_provider()), clock.clone()));
        Access { sdk, client, region, own, identity: Arc::default(), clock }
    }

    /// The process's own credentials, fetched once and renewed before they expire.
    pub fn own(&self) -> SharedCredentialsProvider {
        self.own.clone()
    }

    /// The SDK's configuration, for its own clients.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The region of the SDK's configuration; `us-east-1` where there is none.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The partition of [`Self::region`].
    pub fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }

    /// Who the process's own credentials are. Asked once; a failure is not remembered.
    pub async fn whoami(&self) -> Result<&Identity, AccessError> {
        let ask = || async {
            self.own.provide_credentials().await.map_err(|error| own_error(&error))?;
            let answer = self.client.call(&self.caller(""), "sts", "GetCallerIdentity", &json!({})).await;
            let answer = answer.map_err(|error| AccessError::Identity(error.to_string()))?;
            let text = |name| answer.get(name).and_then(Value::as_str).map(str::to_owned);
            match (text("Account"), text("Arn")) {
                (Some(account), Some(arn)) => Ok(Identity { account, arn }),
                _ => Err(AccessError::Identity("the answer names no account".to_owned())),
            }
        };
        self.identity.get_or_try_init(ask).await
    }

    /// The process itself, as its calls to STS are signed and counted.
    fn caller(&self, account: &str) -> Caller {
        Caller {
            account: account.to_owned(),
            region: self.region.clone(),
            credentials: self.own.clone(),
            partition: self.partition(),
        }
    }

    /// Credentials of an account: its role assumed, at first use and again before it expires. Shares everything with its
    /// clones, so make one per account and keep it.
    pub async fn assume(&self, account: &str, config: &RoleConfig) -> Result<SharedCredentialsProvider, AccessError> {
        let role = RoleArn::resolve(&config.role, account, self.partition())?;
        config.check()?;
        let caller = self.whoami().await?.clone();
        let assume = Assume {
            client: self.client.clone(),
            by: self.caller(&caller.account),
            role,
            config: config.clone(),
            caller,
        };
        Ok(SharedCredentialsProvider::new(Cached::new(assume, self.clock.clone())))
    }

    /// Credentials for an account as a user means it: a role of its own where it has one, else nothing but the caller's own
    /// credentials in the caller's own account (a management account has no role for itself), else the common role.
    pub async fn for_account(
        &self,
        account: &str,
        own_role: Option<&RoleConfig>,
        common_role: Option<&RoleConfig>,
    ) -> Result<SharedCredentialsProvider, AccessError> {
        if let Some(role) = own_role {
            return self.assume(account, role).await;
        }
        let identity = self.whoami().await?;
        if identity.account == account {
            return Ok(self.own());
        }
        match common_role {
            Some(role) => self.assume(account, role).await,
            None => Err(AccessError::NoRole { account: account.to_owned(), own: identity.account.clone() }),
        }
    }
}

/// The SDK's chain as a source.
#[derive(Debug)]
struct Own(Option<SharedCredentialsProvider>);

impl Fetch for Own {
    async fn fetch(&self) -> Result<aws_credential_types::Credentials, AccessError> {
        let Some(chain) = &self.0 else { return Err(AccessError::NotFound("none configured".to_owned())) };
        chain.provide_credentials().await.map_err(|error| own_error(&error))
    }
}

/// The typed reason inside of a provider's error.
pub fn access_error(error: &aws_credential_types::provider::error::CredentialsError) -> Option<&AccessError> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<AccessError>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

fn own_error(error: &aws_credential_types::provider::error::CredentialsError) -> AccessError {
    use aws_credential_types::provider::error::CredentialsError as E;
    if let Some(known) = access_error(error) {
        return known.clone();
    }
    let text = crate::send::chain(error);
    match error {
        E::CredentialsNotLoaded(_) => AccessError::NotFound(text),
        _ => AccessError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests;
