//! One file per subcommand.

mod check_config;

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::output;

/// Runs the subcommand; its exit code.
pub(crate) async fn run(cli: Cli) -> Result<u8> {
    let global = cli.global;
    match cli.command {
        Command::CheckConfig => check_config::run(&global),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "driftline", &mut script);
            output::print(&String::from_utf8_lossy(&script));
            Ok(0)
        }
        _ => anyhow::bail!("not built yet"),
    }
}
