//! The command line. The words of the design are its nouns; each subcommand's help begins with an example.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use driftline_model::Severity;

/// Tells what has drifted in your cloud accounts, how bad it is, and what it breaks.
#[derive(Debug, Parser)]
#[command(name = "driftline", version, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  driftline scan --baseline terraform.tfstate
  driftline up --config driftline.toml
  driftline drifts list --severity HIGH";

/// Understood by every subcommand.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Output for people or as JSON.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) format: Format,
    /// Settings; by default driftline.toml of the current folder, if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Logs as JSON lines.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,
    /// More logs (-v: progress, -vv: details).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read the accounts once, compare with the baselines, judge, print. Nothing to deploy.
    #[command(before_help = "Example: driftline scan --baseline terraform.tfstate --fail-on HIGH")]
    Scan(Box<Scan>),
    /// Run every role in one process on embedded defaults, continuously.
    #[command(before_help = "Example: driftline up --config driftline.toml")]
    Up(Up),
    /// Run the agent role: read accounts and stream to an aggregator.
    #[command(before_help = "Example: driftline agent --config agent.toml")]
    Agent,
    /// Run the aggregator role: take agents' records and publish them to the log.
    #[command(before_help = "Example: driftline aggregator --config aggregator.toml")]
    Aggregator,
    /// Run the analyzer role: join, diff, judge; and write to ClickHouse.
    #[command(before_help = "Example: driftline analyzer --config analyzer.toml")]
    Analyzer(Analyzer),
    /// Bring in and see what was agreed.
    #[command(subcommand, before_help = "Example: driftline baseline import terraform.tfstate")]
    Baseline(Baseline),
    /// Look at the drifts that were found.
    #[command(subcommand, before_help = "Example: driftline drifts list --severity HIGH")]
    Drifts(Drifts),
    /// Look at the posture findings.
    #[command(before_help = "Example: driftline findings --account 111111111111")]
    Findings(Filter),
    /// Ask the org-wide tables in SQL (read-only).
    #[command(before_help = "Example: driftline query \"SELECT severity, count() FROM drifts GROUP BY severity\"")]
    Query(Query),
    /// One read call to AWS, its answer as the aws CLI prints it.
    #[command(before_help = "Example: driftline api ec2 DescribeVpcs --params '{\"MaxResults\": 5}'")]
    Api(Api),
    /// What is known of resource types.
    #[command(subcommand, before_help = "Example: driftline catalogue permissions")]
    Catalogue(Catalogue),
    /// Check the settings and say what each role would do.
    #[command(before_help = "Example: driftline check-config --config driftline.toml")]
    CheckConfig,
    /// A private CA for a trial, and certificates for the aggregator and agents.
    #[command(
        subcommand,
        before_help = "Example: driftline certs init --host aggregator.internal && driftline certs agent eu"
    )]
    Certs(Certs),
    /// Who may ask the local API of `up`, and for which accounts.
    #[command(subcommand, before_help = "Example: driftline tokens add alice --role viewer --account 111111111111")]
    Tokens(Tokens),
    /// The least rights that the user of each role needs at a Kafka cluster, as lines of kafka-acls.sh.
    #[command(before_help = "Example: driftline kafka-acls --role aggregator")]
    KafkaAcls(KafkaAcls),
    /// Make the topics of a Kafka cluster, or check them.
    #[command(before_help = "Example: driftline kafka-topics --config admin.toml")]
    KafkaTopics,
    /// Completions for a shell.
    #[command(before_help = "Example: driftline completions bash > /etc/bash_completion.d/driftline")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// The embedded ClickHouse engine, a child process of `up`.
    #[command(hide = true)]
    Engine(Engine),
}

/// Which accounts, as whom, which regions and types.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Targets {
    /// An account to read (many); none: the account of the current credentials.
    #[arg(long = "account", value_name = "ID", value_parser = account)]
    pub(crate) accounts: Vec<String>,
    /// Every account of the organization.
    #[arg(long, conflicts_with = "accounts")]
    pub(crate) organization: bool,
    /// Role assumed in each account; default: the credentials as they are.
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,
    /// ExternalId for that role.
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// A region (many); none: every enabled one.
    #[arg(long = "region", value_name = "R")]
    pub(crate) regions: Vec<String>,
    /// A resource type (many); none: all.
    #[arg(long = "type", value_name = "T")]
    pub(crate) types: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// What was agreed (many): Terraform state, `terraform show -json` output, a folder of these, s3://...; with @ACCOUNT or
    /// @ACCOUNT/REGION where the file does not tell.
    #[arg(long = "baseline", value_name = "PATH-OR-URL[@ACCOUNT/REGION]")]
    pub(crate) baselines: Vec<String>,
    /// Lowest severity that makes the exit code 2.
    #[arg(long, value_name = "SEVERITY", default_value = "LOW")]
    pub(crate) fail_on: Severity,
    /// Posture findings count for the exit code too.
    #[arg(long)]
    pub(crate) fail_on_findings: bool,
    /// Resources without a baseline count for the exit code too.
    #[arg(long)]
    pub(crate) fail_on_unmanaged: bool,
    /// Scopes that could not be read at all do not make the exit code 1.
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// File of gitignore rules over account/region/type/id/path; by default .driftignore, if it is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) ignore_file: Option<PathBuf>,
    /// List what was ignored.
    #[arg(long)]
    pub(crate) show_ignored: bool,
    /// Resources without a baseline and findings in full, not only counted.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Baselines to watch, besides those of the settings.
    #[arg(long = "baseline", value_name = "PATH-OR-URL[@ACCOUNT/REGION]")]
    pub(crate) baselines: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Analyzer {
    /// Only one half of the role.
    #[arg(long, value_enum)]
    pub(crate) only: Option<AnalyzerHalf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzerHalf {
    /// Inputs to drifts.
    Judge,
    /// Drifts to ClickHouse.
    Writer,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Baseline {
    /// Import sources; prints what was read, mapped and skipped. Published where a log is configured or `up` runs.
    #[command(before_help = "Example: driftline baseline import s3://states/prod.tfstate")]
    Import {
        /// Files, folders or URLs, each with @ACCOUNT/REGION where the file does not tell.
        #[arg(required = true, value_name = "PATH-OR-URL[@ACCOUNT/REGION]")]
        sources: Vec<String>,
        /// Only read and say what would be published.
        #[arg(long)]
        dry_run: bool,
        /// Address of a running `driftline up`.
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
    /// Withdraw what a source has said: its resources are agreed by nobody then, and their drifts are resolved.
    #[command(before_help = "Example: driftline baseline remove states/old.tfstate")]
    Remove {
        /// Sources, as `baseline list` names them.
        #[arg(required = true, value_name = "SOURCE")]
        sources: Vec<String>,
        /// Address of a running `driftline up`.
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
    /// The resources that a baseline is known of.
    #[command(before_help = "Example: driftline baseline list")]
    List {
        /// Address of a running `driftline up`.
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    /// Make the CA, the aggregator's certificate, and empty files of grants and of denied certificates.
    #[command(before_help = "Example: driftline certs init --host aggregator.internal --host 10.0.0.7")]
    Init {
        #[command(flatten)]
        common: CertsCommon,
        /// A name or address by which agents reach the aggregator (many).
        #[arg(long = "host", value_name = "NAME", default_values = ["localhost", "127.0.0.1"])]
        hosts: Vec<String>,
    },
    /// Make an agent's certificate, and say what grants it what.
    #[command(before_help = "Example: driftline certs agent eu --account 111122223333")]
    Agent {
        /// The agent's name: spiffe://driftline/agent/NAME.
        name: String,
        #[command(flatten)]
        common: CertsCommon,
        /// An account it may speak for (many).
        #[arg(long = "account", value_name = "ID", value_parser = account)]
        accounts: Vec<String>,
        /// An organizational unit it may speak for (many), as /Root/Production; / is the whole organization.
        #[arg(long = "unit", value_name = "PATH")]
        units: Vec<String>,
    },
    /// Make a new CA and new certificates of all that are there; the CA of before stays beside it for as long as you trust it.
    #[command(before_help = "Example: driftline certs rotate")]
    Rotate {
        #[command(flatten)]
        common: CertsCommon,
    },
    /// Deny an agent's certificate: a running aggregator cuts it within seconds.
    #[command(before_help = "Example: driftline certs revoke eu")]
    Revoke {
        /// The agent's name.
        name: String,
        #[command(flatten)]
        common: CertsCommon,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Make a token and print it, once: only its hash is kept.
    #[command(before_help = "Example: driftline tokens add alice --role viewer --account 111111111111")]
    Add {
        /// Whose it is.
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value = "viewer")]
        role: crate::tokens::Role,
        /// An account it may see (many); neither these nor units: all.
        #[arg(long = "account", value_name = "ID", value_parser = account)]
        accounts: Vec<String>,
        /// An organizational unit whose accounts it may see (many), as /Root/Production.
        #[arg(long = "unit", value_name = "PATH")]
        units: Vec<String>,
    },
    /// The tokens that are known.
    #[command(before_help = "Example: driftline tokens list")]
    List,
    /// Forget a token: a running `up` turns it away from the next request on.
    #[command(before_help = "Example: driftline tokens revoke alice")]
    Revoke {
        /// Whose it is.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KafkaAcls {
    /// Only this role (many).
    #[arg(long = "role", value_name = "ROLE", value_parser = ["aggregator", "analyzer", "writer", "import", "topics"])]
    pub(crate) roles: Vec<String>,
    /// Who it is to the brokers; by default User:driftline-ROLE.
    #[arg(long, value_name = "TYPE:NAME")]
    pub(crate) principal: Option<String>,
}

/// Where certificates are kept, and for how long they hold.
#[derive(Debug, Clone, Args)]
pub(crate) struct CertsCommon {
    /// Folder of the CA, the certificates, grants.toml and deny.txt.
    #[arg(long, value_name = "FOLDER", default_value = "certs")]
    pub(crate) folder: PathBuf,
    /// Days that new certificates hold; the CA holds ten times as long.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Drifts {
    /// Open drifts, worst first.
    #[command(before_help = "Example: driftline drifts list --account 111111111111 --severity HIGH")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// Resources without a baseline too.
        #[arg(long)]
        unmanaged: bool,
    },
    /// One drift with its history.
    #[command(before_help = "Example: driftline drifts show 3f6c...")]
    Show {
        /// The drift's id, or its first eight characters and more.
        id: String,
        /// Address of a running `driftline up`.
        #[arg(long, value_name = "URL")]
        server: Option<String>,
    },
}

/// What is listed.
#[derive(Debug, Clone, Args)]
pub(crate) struct Filter {
    /// One account.
    #[arg(long, value_name = "ID", value_parser = account)]
    pub(crate) account: Option<String>,
    /// One resource type.
    #[arg(long = "type", value_name = "T")]
    pub(crate) kind: Option<String>,
    /// At least this severity.
    #[arg(long)]
    pub(crate) severity: Option<Severity>,
    /// At most so many lines.
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: u32,
    /// Address of a running `driftline up`.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// One SELECT (or SHOW, DESCRIBE, EXPLAIN).
    pub(crate) sql: String,
    /// At most so many rows.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) max_rows: u64,
    /// Address of a running `driftline up`.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Api {
    /// Service, as in the aws CLI: ec2, s3, iam ...
    pub(crate) service: String,
    /// Operation, as in the API: DescribeVpcs.
    pub(crate) operation: String,
    /// Parameters, as in `--cli-input-json`.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub(crate) params: String,
    /// Region.
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Account: the role is assumed in it.
    #[arg(long, value_parser = account)]
    pub(crate) account: Option<String>,
    /// Role assumed in the account.
    #[arg(long, value_name = "NAME")]
    pub(crate) role_name: Option<String>,
    /// ExternalId for that role.
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Only the first page.
    #[arg(long)]
    pub(crate) no_paginate: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Catalogue {
    /// The types, with how they are read.
    #[command(before_help = "Example: driftline catalogue list")]
    List,
    /// One type: its attributes, rules and what is not compared, and why.
    #[command(before_help = "Example: driftline catalogue show aws_s3_bucket")]
    Show {
        /// Terraform's name of the type.
        kind: String,
    },
    /// Check a folder of catalogue files against the schema and AWS's models.
    #[command(before_help = "Example: driftline catalogue check ./catalogue")]
    Check {
        /// The folder.
        dir: PathBuf,
    },
    /// The least IAM policy that reading needs.
    #[command(before_help = "Example: driftline catalogue permissions --type aws_s3_bucket > policy.json")]
    Permissions {
        /// Only for these types (many).
        #[arg(long = "type", value_name = "T")]
        types: Vec<String>,
    },
}

/// Arguments of the engine's process; given by its parent.
#[derive(Debug, Args)]
pub(crate) struct Engine {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

fn account(text: &str) -> Result<String, String> {
    if crate::config::is_account(text) { Ok(text.to_owned()) } else { Err("an account id has 12 digits".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
