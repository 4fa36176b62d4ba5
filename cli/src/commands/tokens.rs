//! `tokens add|list|revoke`: who may ask the local API. Writes the file that a running `up` reads anew.

use anyhow::Result;
use serde_json::json;

use crate::args::{Format, Global, Tokens};
use crate::config::Config;
use crate::output::{self, safe};
use crate::secret::private_folder;
use crate::tokens::{self, Token};

/// Runs the subcommand.
pub(crate) fn run(global: &Global, command: &Tokens) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let path = config.tokens();
    let mut known = tokens::read(&path)?;
    match command {
        Tokens::Add { name, role, accounts, units } => {
            anyhow::ensure!(!name.is_empty() && name != "local", "`{name}` can't be the name of a token");
            let taken = known.iter().any(|token| token.name == *name);
            anyhow::ensure!(!taken, "there is a token of `{name}`: `driftline tokens revoke {name}` first");
            let relative = units.iter().find(|unit| !unit.starts_with('/'));
            anyhow::ensure!(relative.is_none(), "a unit is a path, as /Root/Production");
            let token = tokens::fresh();
            let (accounts, units) = (accounts.iter().cloned().collect(), units.iter().cloned().collect());
            known.push(Token { name: name.clone(), hash: tokens::hash(&token), role: *role, accounts, units });
            if let Some(folder) = path.parent() {
                private_folder(folder)?;
            }
            tokens::write(&path, known)?;
            match global.format {
                Format::Json => output::json(&json!({ "name": name, "token": token }))?,
                Format::Text => {
                    output::print(&token);
                    output::note("shown once; whoever has it sets DRIFTLINE_TOKEN");
                }
            }
        }
        Tokens::List if global.format == Format::Json => {
            let hashless = known
                .iter()
                .map(|t| json!({ "name": t.name, "role": t.role, "accounts": t.accounts, "units": t.units }));
            output::json(&hashless.collect::<Vec<_>>())?;
        }
        Tokens::List => {
            for token in &known {
                let within: Vec<_> = token.accounts.iter().chain(&token.units).map(String::as_str).collect();
                let within = if token.sees_all() { "all accounts".to_owned() } else { within.join(", ") };
                let (name, role) = (safe(&token.name, 80), token.role.name());
                output::print(&format!("{name}  {role}  {}", safe(&within, 400)));
            }
        }
        Tokens::Revoke { name } => {
            let before = known.len();
            known.retain(|token| token.name != *name);
            anyhow::ensure!(known.len() < before, "no token of `{name}`: `driftline tokens list` names them");
            tokens::write(&path, known)?;
            output::note(&format!("the token of {} is forgotten", safe(name, 80)));
        }
    }
    Ok(0)
}
