//! `catalogue list|show|check|permissions`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use driftline_model::catalogue::{self, Catalogue, Type};
use serde_json::json;

use crate::args::{self, Format, Global};
use crate::config::Config;
use crate::{output, setup};

/// Runs the subcommand.
pub(crate) fn run(global: &Global, command: &args::Catalogue) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    match command {
        args::Catalogue::List => list(global, setup::catalogue(&config)?.as_ref()),
        args::Catalogue::Show { kind } => show(global, setup::catalogue(&config)?.as_ref(), kind),
        args::Catalogue::Check { dir } => check(global, dir),
        args::Catalogue::Permissions { types } => permissions(setup::catalogue(&config)?.as_ref(), types),
    }
}

fn calls(kind: &Type) -> BTreeSet<String> {
    kind.read.calls().map(|(_, call)| format!("{}:{}", call.service, call.operation)).collect()
}

fn list(global: &Global, catalogue: &Catalogue) -> Result<u8> {
    if global.format == Format::Json {
        let types: Vec<_> = catalogue
            .types()
            .map(|t| json!({ "type": t.name, "aliases": t.aliases, "cloudformation": t.cloudformation, "attributes": t.attributes.len(), "calls": calls(t), "revision": t.revision }))
            .collect();
        output::json(&types)?;
        return Ok(0);
    }
    for kind in catalogue.types() {
        let compared = kind.attributes.values().filter(|a| a.uncompared.is_none()).count();
        output::print(&format!("{:<36} {compared:>3} attributes compared, calls: {}", kind.name, calls(kind).len()));
    }
    Ok(0)
}

fn show(global: &Global, catalogue: &Catalogue, name: &str) -> Result<u8> {
    let Some(kind) = catalogue.get(name) else {
        anyhow::bail!("type `{name}` is not in the catalogue: `driftline catalogue list` shows them");
    };
    let compared: Vec<_> =
        kind.attributes.values().filter(|a| a.uncompared.is_none()).map(|a| a.path.as_str()).collect();
    let observed: Vec<(&str, &str)> =
        kind.attributes.values().filter_map(|a| Some((a.path.as_str(), a.uncompared.as_deref()?))).collect();
    let folds: BTreeSet<&str> = kind.folds.iter().map(|f| f.kind.as_str()).collect();
    if global.format == Format::Json {
        output::json(&json!({
            "type": kind.name, "aliases": kind.aliases, "cloudformation": kind.cloudformation, "revision": kind.revision,
            "compared": compared, "observed": observed, "excluded": kind.excluded, "folds": folds,
            "calls": calls(kind), "permissions": kind.read.permissions(),
        }))?;
        return Ok(0);
    }
    output::print(&format!("{}  (also: {})", kind.name, kind.aliases.join(", ")));
    output::print(&format!("folds in: {}", folds.into_iter().collect::<Vec<_>>().join(", ")));
    output::print(&format!("reads by: {}", calls(kind).into_iter().collect::<Vec<_>>().join(", ")));
    output::print("compared:");
    compared.iter().for_each(|path| output::print(&format!("  {path}")));
    output::print("observed only:");
    observed.iter().for_each(|(path, reason)| output::print(&format!("  {path}: {reason}")));
    output::print("not compared:");
    kind.excluded.iter().for_each(|(path, reason)| output::print(&format!("  {path}: {reason}")));
    Ok(0)
}

fn check(global: &Global, dir: &Path) -> Result<u8> {
    let files = setup::catalogue_files(dir)?;
    anyhow::ensure!(!files.is_empty(), "{}: no catalogue file (*.toml) there", dir.display());
    let problems = match Catalogue::with(&files) {
        Ok(catalogue) => catalogue::check(&catalogue, &driftline_aws::model::Models),
        Err(problems) => problems.0,
    };
    if global.format == Format::Json {
        let all: Vec<_> =
            problems.iter().map(|p| json!({ "file": p.file, "line": p.line, "message": p.message })).collect();
        output::json(&all)?;
    } else {
        problems.iter().for_each(|p| output::print(&p.to_string()));
        output::note(&format!("{} files, {} problems", files.len(), problems.len()));
    }
    Ok(u8::from(!problems.is_empty()))
}

/// The least policy: the reads of the types, and what finding accounts and regions needs.
fn permissions(catalogue: &Catalogue, types: &[String]) -> Result<u8> {
    for name in types {
        anyhow::ensure!(catalogue.get(name).is_some(), "type `{name}` is not in the catalogue");
    }
    let wanted = catalogue.types().filter(|t| types.is_empty() || types.iter().any(|n| t.is(n)));
    let mut actions: BTreeSet<String> = wanted.flat_map(|t| t.read.permissions()).collect();
    actions.insert("ec2:DescribeRegions".to_owned());
    output::json(&json!({
        "Version": "2012-10-17",
        "Statement": [{ "Sid": "DriftlineRead", "Effect": "Allow", "Action": actions, "Resource": "*" }],
    }))?;
    Ok(0)
}
