//! `baseline import|remove|list`: brings in what was agreed, or withdraws it, through a running `up` where one answers.

use std::sync::Arc;

use anyhow::Result;
use driftline_baseline::Import;
use driftline_bus::Role;
use serde_json::{Value, json};

use crate::args::{Baseline, Format, Global};
use crate::baselines::{Baselines, absolute};
use crate::config::{BusKind, Config};
use crate::output::{self, safe};
use crate::remote::{self, Data, Server};
use crate::secret;
use crate::setup;

/// Runs the subcommand.
pub(crate) async fn run(global: &Global, command: &Baseline) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    match command {
        Baseline::Import { sources, dry_run, server } => {
            import(global, &config, sources, *dry_run, server.as_deref()).await
        }
        Baseline::Remove { sources, server } => remove(global, &config, sources, server.as_deref()).await,
        Baseline::List { server } => list(global, &config, server.as_deref()).await,
    }
}

async fn import(
    global: &Global,
    config: &Config,
    sources: &[String],
    dry_run: bool,
    server: Option<&str>,
) -> Result<u8> {
    let server = if dry_run { None } else { running(config, server).await? };
    if let Some(server) = server {
        let places: Vec<String> = sources.iter().map(|s| absolute(s)).collect();
        let total = server.post("/api/v1/baselines", &json!({ "places": places })).await?;
        return told(global, &total, "published through the running `driftline up`");
    }
    let catalogue = setup::catalogue(config)?;
    let sdk = match sources.iter().any(|s| s.starts_with("s3://")) {
        true => Some(setup::aws(config).await.sdk),
        false => None,
    };
    // Only where something can follow the log is it worth writing to: a folder of `up`, or Kafka.
    let publishes = !dry_run && (config.bus.kind == BusKind::Kafka || config.folder.join("log").exists());
    let (baselines, where_to) = if publishes {
        let log = setup::open_log(config, &[Role::Import]).await?;
        let secret = secret::of_folder(&config.secrets, &config.folder)?;
        let baselines =
            Baselines::publishing(Arc::clone(&catalogue), secret, sdk.as_ref(), log.as_ref(), config.bus.partitions)
                .await?;
        (baselines, "published to the log")
    } else {
        let secret = secret::of_process(&config.secrets)?;
        (Baselines::reading(Arc::clone(&catalogue), secret, sdk.as_ref()), "read only: nothing was published")
    };
    let mut total = Import::empty();
    for place in sources {
        baselines.import(place).await?.iter().for_each(|i| total.count_in(i));
    }
    told(global, &serde_json::to_value(total)?, where_to)
}

fn told(global: &Global, total: &Value, where_to: &str) -> Result<u8> {
    if global.format == Format::Json {
        output::json(total)?;
        return Ok(0);
    }
    output::print(&format!(
        "{} resource instances read, {} baselines ({where_to})",
        total["instances"], total["baselines"]
    ));
    for (kind, count) in total["by_type"].as_object().into_iter().flatten() {
        output::print(&format!("  {count:>5} {}", safe(kind, 80)));
    }
    for skipped in total["skipped"].as_array().into_iter().flatten() {
        let text = |field: &str| safe(skipped[field].as_str().unwrap_or_default(), 200);
        output::print(&format!("  skipped {}: {}", text("address"), text("reason")));
    }
    Ok(0)
}

/// The running `up`: the one that was named, or the one of the settings if it answers.
async fn running(config: &Config, server: Option<&str>) -> Result<Option<Server>> {
    match server {
        Some(_) => match Data::open(config, server).await? {
            Data::Server(server) => Ok(Some(server)),
            Data::Store(_) => Ok(None),
        },
        None => remote::running(config).await,
    }
}

/// The baselines of the log, where no `up` answers for it.
async fn of_log(config: &Config) -> Result<Baselines> {
    anyhow::ensure!(
        config.bus.kind == BusKind::Kafka || config.folder.join("log").exists(),
        "no `driftline up` answers and there is no log in {}: nothing was imported here",
        config.folder.display()
    );
    let log = setup::open_log(config, &[Role::Import]).await?;
    let secret = secret::of_folder(&config.secrets, &config.folder)?;
    let catalogue = setup::catalogue(config)?;
    Baselines::publishing(catalogue, secret, None, log.as_ref(), config.bus.partitions).await
}

async fn remove(global: &Global, config: &Config, sources: &[String], server: Option<&str>) -> Result<u8> {
    let removed = match running(config, server).await? {
        Some(server) => server.post("/api/v1/baselines/remove", &json!({ "sources": sources })).await?,
        None => json!({ "baselines": of_log(config).await?.remove(sources).await? }),
    };
    if global.format == Format::Json {
        output::json(&removed)?;
        return Ok(0);
    }
    output::print(&format!("{} baselines of {} sources withdrawn", removed["baselines"], sources.len()));
    Ok(0)
}

async fn list(global: &Global, config: &Config, server: Option<&str>) -> Result<u8> {
    let all = match running(config, server).await? {
        Some(server) => server.get("/api/v1/baselines", &()).await?,
        None => {
            let baselines = of_log(config).await?;
            baselines.list().await.into_iter().map(|(s, n, k)| json!({ "source": s, "serial": n, "keys": k })).collect()
        }
    };
    if global.format == Format::Json {
        output::json(&all)?;
        return Ok(0);
    }
    for source in all.as_array().into_iter().flatten() {
        let keys = source["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        output::print(&format!(
            "{} (serial {}): {} resources",
            safe(source["source"].as_str().unwrap_or_default(), 200),
            source["serial"],
            keys.len()
        ));
        for key in keys.iter().filter_map(Value::as_str) {
            let mut parts = key.splitn(6, '/').skip(1);
            let (account, region, kind) = (parts.next(), parts.next(), parts.next());
            let id = parts.nth(1).unwrap_or_default();
            output::print(&format!(
                "  {} {} {} {}",
                account.unwrap_or_default(),
                region.unwrap_or_default(),
                kind.unwrap_or_default(),
                safe(id, 120)
            ));
        }
    }
    Ok(0)
}
