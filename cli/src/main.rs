//! The `driftline` binary: parses the command line, runs one subcommand, turns its end into an exit code.

mod api;
mod args;
mod baselines;
mod commands;
mod config;
mod join;
mod output;
mod remote;
mod report;
mod scan;
mod secret;
mod setup;
mod time;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help that was asked for is no error; a slip must not read as drift, which 2 stands for.
            let code = u8::from(told.use_stderr());
            let _ = told.print();
            return ExitCode::from(code);
        }
    };
    if let args::Command::Engine(engine) = cli.command {
        // Alone in its process: it leaves without running destructors.
        driftline_store::engine::main_like(engine.arguments.into_iter().map(Into::into));
    }
    output::logging(&cli.global);
    let runtime = match runtime(&cli.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::anyhow!("starting the runtime: {error}")),
    };
    let result = runtime.block_on(Box::pin(commands::run(cli)));
    // A listing under way must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => output::fail(&error),
    }
}

/// A scan waits for the network: one thread does what there is to do between two answers, and no call is handed from core
/// to core. While calls wait for their turn anyway, answers are taken together. All else may have work for several threads.
fn runtime(command: &args::Command) -> tokio::runtime::Builder {
    match command {
        args::Command::Scan(_) => {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.on_thread_park(rest);
            runtime
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

/// Lets answers gather while calls wait for their turn: far less than a beat of the limiter, so that none goes out later.
#[allow(clippy::disallowed_methods, reason = "it waits for answers to gather, whichever they are")]
fn rest() {
    if setup::calls_wait() {
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
}
