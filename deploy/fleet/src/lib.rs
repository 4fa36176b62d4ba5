//! The demo's fleet: three accounts with a world of resources, built with the official SDK on a server that speaks AWS's
//! APIs, their Terraform states, and the ten changes by hand that the demo and the end-to-end tests look for.

#![recursion_limit = "256"] // the widest resources have 60 attributes in one `json!`

mod audit;
mod clients;
mod compute;
mod database;
mod drift;
mod identity;
mod network;
mod plan;
mod security_groups;
mod state;
mod storage;
mod unmanaged;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use driftline_model::{ResourceKey, Severity};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::clients::Clients;
use self::plan::{PLANS, Plan};
use self::state::State;

/// The role that Driftline assumes in each account of the fleet.
pub const ROLE: &str = "driftline-reader";
/// What the role's trust policy asks for.
pub const EXTERNAL_ID: &str = "driftline-demo";

/// One change made by hand, and how it must be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// What was done, in a few words.
    pub change: String,
    /// Account id.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Terraform's name of the type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id that Terraform uses for that type.
    pub resource: String,
    /// Terraform's attribute path in folded form.
    pub path: String,
    /// How bad it is.
    pub severity: Severity,
}

/// One account of the fleet.
#[derive(Debug)]
pub struct Account {
    /// Account id.
    pub id: String,
    /// What it is for: `production` ...
    pub name: String,
    /// Regions that hold resources.
    pub regions: Vec<String>,
    /// Major version of the provider that wrote the state.
    pub provider: u8,
    /// Terraform state, version 4.
    pub state: Value,
    /// Resources that no state declares.
    pub unmanaged: Vec<ResourceKey>,
    /// SDK clients with the account's credentials, in its main region.
    pub clients: Clients,
    targets: drift::Targets,
}

/// The fleet.
#[derive(Debug)]
pub struct Fleet {
    /// Its accounts.
    pub accounts: Vec<Account>,
}

impl Fleet {
    /// Builds everything behind an endpoint. The same seed gives the same names, and on a fresh server the same ids.
    pub async fn build(endpoint_url: &str, seed: u64) -> anyhow::Result<Self> {
        clients::seed(endpoint_url, seed).await?;
        let base = clients::base(endpoint_url).await;
        let mut accounts = Vec::new();
        for plan in PLANS {
            let account = build_account(&base, plan, seed).await;
            accounts.push(account.with_context(|| format!("building account {} ({})", plan.account, plan.name))?);
        }
        Ok(Fleet { accounts })
    }

    /// Writes `<account name>.tfstate` for each account into a folder; the files in the accounts' order.
    pub fn write_states(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let write = |account: &Account| {
            let path = folder.join(format!("{}.tfstate", account.name));
            let text = serde_json::to_string_pretty(&account.state)?;
            std::fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))?;
            Ok(path)
        };
        self.accounts.iter().map(write).collect()
    }

    /// Makes the ten changes by hand; each as it must be found.
    pub async fn drift(&self) -> anyhow::Result<Vec<Expected>> {
        drift::make(&self.accounts).await
    }
}

async fn build_account(base: &aws_config::SdkConfig, plan: &Plan, seed: u64) -> anyhow::Result<Account> {
    let clients = Clients::assume(base, plan.account, plan.region).await?;
    let builder = Builder { clients: &clients, plan, suffix: format!("{:04x}", seed & 0xffff) };
    let mut state = State::new(plan, seed);

    let keys = audit::keys(&builder, &mut state).await?;
    let buckets = storage::buckets(&builder, &keys, &mut state).await?;
    audit::trail(&builder, &keys, &buckets, &mut state).await?;
    let roles = identity::build(&builder, &buckets, &mut state).await?;
    let network = network::build(&builder, &mut state).await?;
    let groups = security_groups::build(&builder, &network, &mut state).await?;
    let instances = compute::build(&builder, &network, &groups, &keys, &mut state).await?;
    let database = database::build(&builder, &network, &groups, &keys, &mut state).await?;
    let mut regions = vec![plan.region.to_owned()];
    if let Some(second) = plan.second_region {
        let clients = Clients::assume(base, plan.account, second).await?;
        let builder = Builder { clients: &clients, plan, suffix: builder.suffix.clone() };
        network::build_remote(&builder, &mut state).await?;
        regions.push(second.to_owned());
    }
    let unmanaged = unmanaged::build(&builder, &network).await?;
    let targets = drift::Targets { groups, instances, database, buckets, roles };
    let (id, name) = (plan.account.to_owned(), plan.name.to_owned());
    let state = state.finish();
    Ok(Account { id, name, regions, provider: plan.provider, state, unmanaged, clients, targets })
}

/// What every part of an account is built with.
struct Builder<'a> {
    clients: &'a Clients,
    plan: &'a Plan,
    suffix: String,
}
