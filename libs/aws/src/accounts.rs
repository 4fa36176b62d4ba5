//! Which accounts are read, with what credentials and in which regions: named one by one, from a file, or found in AWS
//! Organizations. What can't be had of one account is that account's error, never the others'.

mod file;
mod organization;

use std::collections::BTreeMap;

use driftline_model::record::AccountFacts;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

pub use self::file::{FileError, parse_accounts};
use crate::credentials::{Access, AccessError, RoleConfig};
use crate::{Caller, Client, Error, PageLimit, Partition};

/// One account as a user names it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountSetting {
    /// Account id, 12 digits.
    pub id: String,
    /// Role to assume in this account instead of the common one: name or ARN.
    pub role: Option<String>,
    /// External id for this account instead of the common one.
    pub external_id: Option<String>,
    /// Regions to read; none means every enabled one.
    pub regions: Vec<String>,
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountsConfig {
    /// Accounts by name. With `organization`, settings for accounts found there, and accounts outside of it.
    pub accounts: Vec<AccountSetting>,
    /// All active accounts of the caller's organization.
    pub organization: bool,
    /// The role to assume in each account but the caller's own.
    pub role: Option<RoleConfig>,
    /// Regions to read in accounts that name none; none means every enabled one.
    pub regions: Vec<String>,
}

/// An account, ready to be read.
#[derive(Debug, Clone)]
pub struct AccountTarget {
    /// Account id, 12 digits.
    pub id: String,
    /// Name, status, organization, path and tags, as far as known.
    pub facts: AccountFacts,
    /// Sign calls into this account.
    pub credentials: aws_credential_types::provider::SharedCredentialsProvider,
    /// Regions to read, sorted; or why they are not known.
    pub regions: Result<Vec<String>, Error>,
    /// A region to call global services in.
    pub home_region: String,
}

impl AccountTarget {
    /// For calls into this account.
    pub fn caller(&self, region: &str) -> Caller {
        Caller {
            account: self.id.clone(),
            region: region.to_owned(),
            credentials: self.credentials.clone(),
            partition: Partition::of_region(region),
        }
    }
}

/// An account that is not read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedAccount {
    /// Account id.
    pub id: String,
    /// Display name, where it is known.
    pub name: String,
    /// Why.
    pub reason: String,
    /// It is suspended or closing: nothing is there to be read. Else it should be read and can't be.
    pub closed: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Accounts to read, by id.
    pub targets: Vec<AccountTarget>,
    /// Accounts that are not read: suspended, or without a usable role.
    pub skipped: Vec<SkippedAccount>,
    /// Facts that could not be read (paths, tags); nothing else suffers from that.
    pub warnings: Vec<String>,
}

/// Why no accounts were found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The caller's own credentials don't work.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The organization's accounts could not be listed.
    #[error("the organization's accounts can't be listed by {caller}: {error}")]
    Organization {
        /// ARN of the caller.
        caller: String,
        /// What went wrong.
        error: Error,
    },
}

/// Accounts asked side by side; the limiter has the last word.
const SIDE_BY_SIDE: usize = 64;

/// The organization's accounts with their paths of units; accounts whose path can't be read have an empty one.
pub async fn places(client: &Client, access: &Access) -> Result<BTreeMap<String, String>, AccountsError> {
    let identity = access.whoami().await?.clone();
    let listed = organization::list(client, &own_caller(access, &identity.account)).await;
    let listed = listed.map_err(|error| AccountsError::Organization { caller: identity.arn, error })?;
    Ok(listed.accounts.into_iter().map(|(id, facts)| (id, facts.ou_path)).collect())
}

/// Finds the accounts, gives each its credentials and asks each for its regions.
pub async fn find(client: &Client, access: &Access, config: &AccountsConfig) -> Result<Found, AccountsError> {
    let identity = access.whoami().await?.clone();
    let mut found = Found::default();
    let mut wanted: Vec<(AccountSetting, AccountFacts)> = Vec::new();
    if config.organization {
        let caller = own_caller(access, &identity.account);
        let listed = organization::list(client, &caller)
            .await
            .map_err(|error| AccountsError::Organization { caller: identity.arn.clone(), error })?;
        found.skipped = listed.skipped;
        found.warnings = listed.warnings;
        for (id, facts) in listed.accounts {
            let setting = config.accounts.iter().find(|a| a.id == id).cloned();
            wanted.push((setting.unwrap_or(AccountSetting { id, ..Default::default() }), facts));
        }
    }
    for setting in &config.accounts {
        let known = wanted.iter().any(|(a, _)| a.id == setting.id) || found.skipped.iter().any(|s| s.id == setting.id);
        if !known {
            wanted.push((setting.clone(), AccountFacts::default()));
        }
    }
    if config.accounts.is_empty() && !config.organization {
        let own = AccountSetting { id: identity.account.clone(), ..Default::default() };
        wanted.push((own, AccountFacts::default()));
    }
    wanted.sort_by(|a, b| a.0.id.cmp(&b.0.id));

    let mut targets = stream::iter(wanted)
        .map(|(setting, facts)| target(client, access, config, setting, facts))
        .buffered(SIDE_BY_SIDE);
    while let Some(target) = targets.next().await {
        match target {
            Ok(target) => found.targets.push(target),
            Err(skipped) => found.skipped.push(skipped),
        }
    }
    drop(targets);
    found.skipped.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

fn own_caller(access: &Access, account: &str) -> Caller {
    Caller {
        account: account.to_owned(),
        region: access.region().to_owned(),
        credentials: access.own(),
        partition: access.partition(),
    }
}

async fn target(
    client: &Client,
    access: &Access,
    config: &AccountsConfig,
    setting: AccountSetting,
    facts: AccountFacts,
) -> Result<AccountTarget, SkippedAccount> {
    let common = config.role.as_ref().map(|role| RoleConfig {
        external_id: setting.external_id.clone().or_else(|| role.external_id.clone()),
        ..role.clone()
    });
    let own = setting.role.as_ref().map(|name| match &common {
        Some(common) => RoleConfig { role: name.clone(), ..common.clone() },
        None => RoleConfig { external_id: setting.external_id.clone(), ..RoleConfig::new(name) },
    });
    let credentials = match access.for_account(&setting.id, own.as_ref(), common.as_ref()).await {
        Ok(credentials) => credentials,
        Err(error) => {
            let reason = error.to_string();
            return Err(SkippedAccount { id: setting.id, name: facts.name, reason, closed: false });
        }
    };
    let home_region = access.region().to_owned();
    let mut target = AccountTarget { id: setting.id, facts, credentials, regions: Ok(Vec::new()), home_region };
    let named = if setting.regions.is_empty() { &config.regions } else { &setting.regions };
    target.regions = if named.is_empty() {
        enabled_regions(client, &target.caller(&target.home_region)).await
    } else {
        let mut regions = named.clone();
        regions.sort();
        regions.dedup();
        Ok(regions)
    };
    Ok(target)
}

/// The regions that are enabled in the caller's account, sorted: `ec2:DescribeRegions`, and where that is refused
/// `account:ListRegions`. The first error is told if both fail.
pub async fn enabled_regions(client: &Client, caller: &Caller) -> Result<Vec<String>, Error> {
    let first = match client.call(caller, "ec2", "DescribeRegions", &json!({})).await {
        Ok(answer) => return Ok(names(&answer, "Regions")),
        Err(error) => error,
    };
    let params = json!({ "RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"] });
    match client.pages(caller, "account", "ListRegions", &params, PageLimit::default()).await {
        Ok(answer) => Ok(names(&answer, "Regions")),
        Err(_) => Err(first),
    }
}

fn names(answer: &Value, list: &str) -> Vec<String> {
    let mut names: Vec<String> =
        items(answer, list).iter().filter_map(|region| region["RegionName"].as_str()).map(str::to_owned).collect();
    names.sort();
    names
}

fn items<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer[list].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}
