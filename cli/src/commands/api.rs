//! `api SERVICE OPERATION`: one read call, as a person debugging permissions wants it.

use anyhow::{Context, Result};
use driftline_aws::credentials::RoleConfig;
use driftline_aws::{Caller, PageLimit, Partition};

use crate::args::{Api, Global};
use crate::config::Config;
use crate::{output, setup};

/// Verbs of operations that read. Others are refused: changing a cloud needs an approved plan.
const READS: [&str; 9] = ["Describe", "Get", "List", "Head", "Lookup", "BatchGet", "Search", "Query", "Scan"];

/// Makes the call and prints its answer.
pub(crate) async fn run(global: &Global, args: &Api) -> Result<u8> {
    anyhow::ensure!(
        READS.iter().any(|verb| args.operation.starts_with(verb)),
        "{} is no read operation: `api` only reads ({})",
        args.operation,
        READS.join(", ")
    );
    let params: serde_json::Value = serde_json::from_str(&args.params).context("--params is no JSON")?;
    let config = Config::load(global.config.as_deref())?;
    let aws = setup::aws(&config).await;
    let region = args.region.clone().unwrap_or_else(|| aws.access.region().to_owned());
    let own = aws.access.whoami().await?.account.clone();
    let account = args.account.clone().unwrap_or(own);
    let role = args
        .role_name
        .as_ref()
        .map(|name| RoleConfig { external_id: args.external_id.clone(), ..RoleConfig::new(name) });
    let caller = Caller {
        credentials: aws.access.for_account(&account, None, role.as_ref()).await?,
        partition: Partition::of_region(&region),
        account,
        region,
    };
    let answer = if args.no_paginate {
        aws.client.call(&caller, &args.service, &args.operation, &params).await?
    } else {
        aws.client.pages(&caller, &args.service, &args.operation, &params, PageLimit::default()).await?
    };
    output::json(&answer)?;
    Ok(0)
}
