//! One file per subcommand.

mod api;
mod baseline;
mod catalogue;
mod certs;
mod check_config;
mod kafka;
mod look;
mod roles;
mod scan;
mod tokens;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::output;

/// Runs the subcommand; its exit code.
pub(crate) async fn run(cli: Cli) -> Result<u8> {
    let global = cli.global;
    match cli.command {
        Command::Scan(args) => scan::run(&global, &args).await,
        Command::Up(args) => Box::pin(roles::up(&global, &args)).await,
        Command::Agent => roles::agent(&global).await,
        Command::Aggregator => roles::aggregator(&global).await,
        Command::Analyzer(args) => roles::analyzer(&global, args.only).await,
        Command::Baseline(command) => baseline::run(&global, &command).await,
        Command::Drifts(command) => look::drifts(&global, &command).await,
        Command::Findings(filter) => look::findings(&global, &filter).await,
        Command::Query(args) => look::query(&global, &args).await,
        Command::Api(args) => api::run(&global, &args).await,
        Command::Catalogue(command) => catalogue::run(&global, &command),
        Command::Certs(command) => certs::run(&global, &command),
        Command::Tokens(command) => tokens::run(&global, &command),
        Command::KafkaAcls(args) => kafka::acls(&global, &args),
        Command::KafkaTopics => kafka::topics(&global).await,
        Command::CheckConfig => check_config::run(&global),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "driftline", &mut script);
            output::print(&String::from_utf8_lossy(&script));
            Ok(0)
        }
        Command::Engine(_) => anyhow::bail!("the engine runs before anything else of the process"),
    }
}
