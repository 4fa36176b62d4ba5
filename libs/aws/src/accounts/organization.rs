//! AWS Organizations: all accounts, their path through the units, their tags. Listing the accounts must succeed; paths and
//! tags are facts that may be missing, with a warning.

use std::collections::BTreeMap;

use driftline_model::record::AccountFacts;
use futures::stream::{self, StreamExt};
use serde_json::json;

use super::{SIDE_BY_SIDE, SkippedAccount, items, text};
use crate::{Caller, Client, Error, PageLimit};

pub(super) struct Listed {
    pub(super) accounts: Vec<(String, AccountFacts)>,
    pub(super) skipped: Vec<SkippedAccount>,
    pub(super) warnings: Vec<String>,
}

/// Organizational units that are walked; AWS allows 2,000 by default.
const MOST_UNITS: usize = 10_000;
/// AWS nests units five deep below the root; more is a loop in an answer.
const DEEPEST: usize = 8;
/// Accounts whose tags are read: one call each, eight a second.
const MOST_TAGGED: usize = 2_000;

/// All accounts of the caller's organization.
pub(super) async fn list(client: &Client, caller: &Caller) -> Result<Listed, Error> {
    let limit = PageLimit::default();
    let described = client.call(caller, "organizations", "DescribeOrganization", &json!({})).await;
    if let Err(error) = &described
        && error.code() == Some("AWSOrganizationsNotInUseException")
    {
        return Err(error.clone());
    }
    let answer = client.pages(caller, "organizations", "ListAccounts", &json!({}), limit).await?;
    let mut listed = Listed { accounts: Vec::new(), skipped: Vec::new(), warnings: Vec::new() };
    let organization = match described {
        Ok(answer) => text(&answer["Organization"], "Id"),
        Err(error) => {
            listed.warnings.push(format!("organizations:DescribeOrganization: {error}"));
            String::new()
        }
    };
    let paths = match paths(client, caller).await {
        Ok(paths) => paths,
        Err(error) => {
            listed.warnings.push(format!("organizational units are not known: {error}"));
            BTreeMap::new()
        }
    };
    for account in items(&answer, "Accounts") {
        let (id, name) = (text(account, "Id"), text(account, "Name"));
        // `State` took the place of `Status` in 2025; older endpoints answer the latter alone
        let status = [text(account, "State"), text(account, "Status")].into_iter().find(|s| !s.is_empty());
        let status = status.unwrap_or_default();
        if status == "ACTIVE" || status.is_empty() {
            let ou_path = paths.get(&id).cloned().unwrap_or_default();
            let organization = organization.clone();
            let facts = AccountFacts { name, status, organization, ou_path, tags: BTreeMap::new() };
            listed.accounts.push((id, facts));
        } else {
            listed.skipped.push(SkippedAccount { id, name, reason: format!("its status is {status}"), closed: true });
        }
    }
    tags(client, caller, &mut listed).await;
    Ok(listed)
}

/// Account id to path (`/Root/Prod`): down from the roots, which costs two calls per unit instead of several per account.
async fn paths(client: &Client, caller: &Caller) -> Result<BTreeMap<String, String>, Error> {
    let limit = PageLimit::default();
    let roots = client.pages(caller, "organizations", "ListRoots", &json!({}), limit).await?;
    let mut level: Vec<(String, String)> =
        items(&roots, "Roots").iter().map(|root| (text(root, "Id"), format!("/{}", text(root, "Name")))).collect();
    let (mut paths, mut walked) = (BTreeMap::new(), 0);
    for _ in 0..DEEPEST {
        walked += level.len();
        if walked > MOST_UNITS {
            return Err(Error::TooLarge { limit: MOST_UNITS, unit: "organizational units" });
        }
        let children = stream::iter(std::mem::take(&mut level))
            .map(|(id, path)| async move {
                let params = json!({ "ParentId": id });
                let accounts = client.pages(caller, "organizations", "ListAccountsForParent", &params, limit).await?;
                let call = "ListOrganizationalUnitsForParent";
                let units = client.pages(caller, "organizations", call, &params, limit).await?;
                Ok::<_, Error>((path, accounts, units))
            })
            .buffered(SIDE_BY_SIDE)
            .collect::<Vec<_>>()
            .await;
        for child in children {
            let (path, accounts, units) = child?;
            paths.extend(items(&accounts, "Accounts").iter().map(|account| (text(account, "Id"), path.clone())));
            let below = |unit| (text(unit, "Id"), format!("{path}/{}", text(unit, "Name")));
            level.extend(items(&units, "OrganizationalUnits").iter().map(below));
        }
        if level.is_empty() {
            break;
        }
    }
    Ok(paths)
}

async fn tags(client: &Client, caller: &Caller, listed: &mut Listed) {
    let total = listed.accounts.len();
    if total > MOST_TAGGED {
        let rest = total - MOST_TAGGED;
        listed.warnings.push(format!("tags of {rest} accounts are not read: more than {MOST_TAGGED} accounts"));
    }
    let ids: Vec<String> = listed.accounts.iter().take(MOST_TAGGED).map(|(id, _)| id.clone()).collect();
    let answers = stream::iter(ids)
        .map(|id| async move {
            let params = json!({ "ResourceId": id });
            client.pages(caller, "organizations", "ListTagsForResource", &params, PageLimit::default()).await
        })
        .buffered(SIDE_BY_SIDE)
        .collect::<Vec<_>>()
        .await;
    let mut failed = 0;
    let mut first = None;
    for ((_, facts), answer) in listed.accounts.iter_mut().zip(answers) {
        match answer {
            Ok(answer) => {
                facts.tags = items(&answer, "Tags").iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
            }
            Err(error) => {
                failed += 1;
                first.get_or_insert(error);
            }
        }
    }
    if let Some(error) = first {
        listed.warnings.push(format!("tags of {failed} accounts could not be read: {error}"));
    }
}
