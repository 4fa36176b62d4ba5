//! `check-config`: what each role would do with these settings. Touches nothing.

use anyhow::Result;
use driftline_identity::ClientFiles;

use crate::args::{Format, Global};
use crate::config::{BusKind, Config, StoreKind};
use crate::output;

/// Reads the settings and says what follows.
pub(crate) fn run(global: &Global) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let mut missing: Vec<String> = references(&config)
        .into_iter()
        .filter_map(|(what, r)| r.resolve().err().map(|e| format!("{what}: {e}")))
        .collect();
    if config.bus.kind == BusKind::Kafka && missing.is_empty() {
        missing.extend(crate::setup::kafka(&config).err().map(|e| format!("bus: {e:#}")));
    }
    let roles = roles(&config);
    if global.format == Format::Json {
        let roles: serde_json::Map<_, _> = roles.into_iter().map(|(r, t)| (r.to_owned(), t.into())).collect();
        output::json(&serde_json::json!({ "roles": roles, "unresolved": missing }))?;
    } else {
        for (role, text) in roles {
            output::print(&format!("{role:<11} {text}"));
        }
        for line in &missing {
            output::note(&format!("unresolved: {line}"));
        }
    }
    Ok(u8::from(!missing.is_empty()))
}

fn references(config: &Config) -> Vec<(&'static str, &crate::config::SecretRef)> {
    let all = [
        ("accounts.external_id", &config.accounts.external_id),
        ("secrets.key", &config.secrets.key),
        ("store.password", &config.store.password),
    ];
    let sasl = config.bus.sasl.as_ref().map(|sasl| ("bus.sasl.password", &sasl.password));
    all.into_iter().filter_map(|(name, r)| r.as_ref().map(|r| (name, r))).chain(sasl).collect()
}

fn roles(config: &Config) -> Vec<(&'static str, String)> {
    let accounts = &config.accounts;
    let which = if accounts.organization {
        "every active account of the organization".to_owned()
    } else if let Some(file) = &accounts.file {
        format!("the accounts of {}", file.display())
    } else if accounts.ids.is_empty() {
        "the account of its credentials".to_owned()
    } else {
        format!("{} account(s)", accounts.ids.len())
    };
    let as_whom = match &accounts.role_name {
        Some(role) => format!("as role {role} assumed in each"),
        None => "with its credentials as they are".to_owned(),
    };
    let list = |items: &[String], all: &str| if items.is_empty() { all.to_owned() } else { items.join(", ") };
    let regions = list(&accounts.regions, "every enabled region");
    let types = list(&accounts.types, "every type");
    let agent = &config.agent;
    let to = agent.aggregator.clone().unwrap_or_else(|| format!("http://{}", config.aggregator.listen));
    let log = match config.bus.kind {
        BusKind::Embedded => format!("the embedded log in {}", config.folder.join("log").display()),
        BusKind::Kafka => {
            let over = if config.bus.tls.is_some() { "over TLS" } else { "in plaintext" };
            let whom = config.bus.sasl.as_ref().map(|s| format!(" as {}", s.username)).unwrap_or_default();
            format!("Kafka at {} {over}{whom} ({} partitions)", config.bus.bootstrap, config.bus.partitions)
        }
    };
    let store = match config.store.kind {
        StoreKind::Embedded => format!("the embedded ClickHouse engine in {}", config.folder.join("store").display()),
        StoreKind::Clickhouse => format!("ClickHouse at {}, database {}", config.store.url, config.store.database),
    };
    let baselines: Vec<_> = config.baselines.iter().map(|b| b.source.as_str()).collect();
    let baselines = if baselines.is_empty() { "no baseline".to_owned() } else { baselines.join(", ") };
    let key = match &config.secrets.key {
        Some(_) => format!("key `{}`", config.secrets.key_id),
        None => "a key that `up` and the roles make in their folder; `scan` takes one of its own".to_owned(),
    };
    vec![
        (
            "agent",
            format!(
                "reads {which} {as_whom}; {regions}; {types}; every {:?}, {} at a time; streams to {to} {}; at most {} MB wait on disk",
                agent.interval,
                agent.parallel,
                identity(config),
                agent.spool >> 20
            ),
        ),
        ("aggregator", format!("listens on {} and publishes to {log}; {}", config.aggregator.listen, takes(config))),
        ("analyzer", format!("reads {log} as group {} and writes to {store}", config.analyzer.group)),
        ("baselines", format!("watches {baselines}")),
        ("secrets", format!("are hashed under {key}")),
        ("api", format!("of `up` listens on {}", config.api.listen)),
    ]
}

/// Who the agent is to the aggregator.
fn identity(config: &Config) -> String {
    match &config.agent.tls {
        Some(ClientFiles { own: Some(pair), .. }) => format!("as its certificate {} says", pair.certificate.display()),
        Some(_) => "proving each account by STS".to_owned(),
        None => "in plaintext".to_owned(),
    }
}

/// Whom the aggregator takes.
fn takes(config: &Config) -> String {
    let Some(files) = &config.aggregator.tls else { return "takes any agent, on loopback only".to_owned() };
    let by_certificate = files.ca.as_ref().map(|ca| format!("by certificates of {}", ca.display()));
    let by_proof = files.proofs.as_ref().map(|rules| {
        let regions = if rules.regions.is_empty() { "any region".to_owned() } else { rules.regions.join(", ") };
        format!("by proofs of roles at STS of {regions}, {:?} old at most", rules.max_age)
    });
    let ways: Vec<_> = by_certificate.into_iter().chain(by_proof).collect();
    format!("takes agents {}, for what {} grants", ways.join(" or "), files.grants.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_told_per_role() {
        let text: Vec<_> = roles(&Config::defaults()).into_iter().map(|(r, t)| format!("{r}: {t}")).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
