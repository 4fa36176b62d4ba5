//! `driftline.toml`: every setting with its default, parsed whole. `driftline.example.toml` shows them all.

mod bus;
mod identity;
mod reader;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use bus::Sasl;
use driftline_bus::Tls;
use driftline_identity::{ClientFiles, GateFiles};
use reader::Section;
pub(crate) use reader::{Problem, SecretRef};

/// The whole file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) folder: PathBuf,
    pub(crate) accounts: Accounts,
    pub(crate) secrets: Secrets,
    pub(crate) catalogue: Vec<PathBuf>,
    pub(crate) ignore: Option<PathBuf>,
    pub(crate) baselines: Vec<BaselineSource>,
    pub(crate) agent: Agent,
    pub(crate) aggregator: Aggregator,
    pub(crate) bus: Bus,
    pub(crate) analyzer: Analyzer,
    pub(crate) store: Store,
    pub(crate) api: Api,
    pub(crate) aws: Aws,
}

/// Which accounts are read, and as whom.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accounts {
    pub(crate) ids: Vec<String>,
    pub(crate) organization: bool,
    pub(crate) file: Option<PathBuf>,
    pub(crate) role_name: Option<String>,
    pub(crate) external_id: Option<SecretRef>,
    pub(crate) session_name: String,
    pub(crate) session_policy: Option<PathBuf>,
    pub(crate) regions: Vec<String>,
    pub(crate) types: Vec<String>,
}

/// The organization's key for secrets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Secrets {
    pub(crate) key_id: String,
    pub(crate) key: Option<SecretRef>,
}

/// A baseline that is watched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BaselineSource {
    pub(crate) source: String,
    pub(crate) account: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) every: Duration,
}

/// The agent role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) aggregator: Option<String>,
    pub(crate) tls: Option<ClientFiles>,
    pub(crate) interval: Duration,
    pub(crate) max_age: Duration,
    pub(crate) parallel: usize,
    pub(crate) drain: Duration,
    pub(crate) spool: u64,
}

/// The aggregator role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregator {
    pub(crate) listen: String,
    pub(crate) tls: Option<GateFiles>,
    pub(crate) window: u64,
    pub(crate) held: u64,
    pub(crate) idle: Duration,
    pub(crate) drain: Duration,
}

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BusKind {
    Embedded,
    Kafka,
}

/// The log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bus {
    pub(crate) kind: BusKind,
    pub(crate) bootstrap: String,
    pub(crate) partitions: u32,
    pub(crate) replication: u16,
    pub(crate) min_insync: u16,
    pub(crate) tls: Option<Tls>,
    pub(crate) sasl: Option<Sasl>,
    pub(crate) plaintext: bool,
    pub(crate) settings: BTreeMap<String, String>,
}

/// The analyzer role, with the writer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Analyzer {
    pub(crate) group: String,
    pub(crate) drain: Duration,
}

/// Which ClickHouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Embedded,
    Clickhouse,
}

/// Where drifts are stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Store {
    pub(crate) kind: StoreKind,
    pub(crate) library: Option<PathBuf>,
    pub(crate) url: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Option<SecretRef>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) plaintext: bool,
}

/// The local API of `up`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Api {
    pub(crate) listen: String,
    pub(crate) tokens: Option<PathBuf>,
}

/// How AWS is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aws {
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
    pub(crate) requests: usize,
    /// One attempt.
    pub(crate) timeout: Duration,
    /// One call, all its attempts and the waits between them.
    pub(crate) deadline: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl Config {
    /// Parses the whole file; every problem at once.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        reader::read(text, Self::read)
    }

    /// The file of tokens of the local API.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.api.tokens.clone().unwrap_or_else(|| self.folder.join("tokens.toml"))
    }

    /// All defaults.
    pub(crate) fn defaults() -> Self {
        Self::parse("").unwrap_or_else(|_| unreachable!("an empty file has no problem"))
    }

    /// Reads `path`, or `driftline.toml` of the current folder if it is there, or all defaults.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let found = path.map(Path::to_owned).or_else(|| Some(PathBuf::from("driftline.toml")).filter(|p| p.exists()));
        let Some(path) = found else { return Ok(Self::defaults()) };
        let text = std::fs::read_to_string(&path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        Self::parse(&text).map_err(|problems| {
            let lines: Vec<_> =
                problems.iter().map(|p| format!("{}:{}: {}", path.display(), p.line, p.message)).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })
    }

    fn read(s: &Section<'_>) -> Self {
        Self {
            folder: s.path("folder", ".driftline"),
            accounts: s.section("accounts", accounts),
            secrets: s.section("secrets", |s| Secrets {
                key_id: s.text("key_id").unwrap_or_else(|| "default".into()),
                key: s.secret("key"),
            }),
            catalogue: s.texts("catalogue").into_iter().map(PathBuf::from).collect(),
            ignore: s.text("ignore").map(PathBuf::from),
            baselines: s.sections("baselines", |s| {
                if !s.has("source") {
                    s.wrong("source", "missing: a file, a folder or s3://BUCKET/KEY");
                }
                BaselineSource {
                    source: s.text("source").unwrap_or_default(),
                    account: account_id(s, "account"),
                    region: s.text("region"),
                    every: s.duration("every", 30 * SECOND),
                }
            }),
            agent: s.section("agent", |s| Agent {
                name: s.text("name").unwrap_or_else(|| "agent".into()),
                aggregator: s.text("aggregator"),
                tls: identity::client(s),
                interval: s.duration("interval", 300 * SECOND),
                max_age: s.duration("max_age", 6 * 3600 * SECOND),
                parallel: usize_of(s.number("parallel", 16, 1..=10_000)),
                drain: s.duration("drain", 20 * SECOND),
                spool: s.bytes("spool", 256 << 20),
            }),
            aggregator: s.section("aggregator", |s| Aggregator {
                listen: s.text("listen").unwrap_or_else(|| "127.0.0.1:7420".into()),
                tls: identity::gate(s),
                window: s.bytes("window", 4 << 20),
                held: s.bytes("held", 96 << 20),
                idle: s.duration("idle", 90 * SECOND),
                drain: s.duration("drain", 10 * SECOND),
            }),
            bus: s.section("bus", |s| Bus {
                kind: s
                    .choice("kind", &[("embedded", BusKind::Embedded), ("kafka", BusKind::Kafka)])
                    .unwrap_or(BusKind::Embedded),
                bootstrap: s.text("bootstrap").unwrap_or_else(|| "127.0.0.1:9092".into()),
                partitions: u32::try_from(s.number("partitions", 12, 1..=10_000)).unwrap_or(12),
                replication: u16::try_from(s.number("replication", 3, 1..=9)).unwrap_or(3),
                min_insync: u16::try_from(s.number("min_insync", 2, 1..=9)).unwrap_or(2),
                tls: bus::tls(s),
                sasl: bus::sasl(s),
                plaintext: s.flag("plaintext", false),
                settings: s.map("settings"),
            }),
            analyzer: s.section("analyzer", |s| Analyzer {
                group: s.text("group").unwrap_or_else(|| "driftline-analyzer".into()),
                drain: s.duration("drain", 20 * SECOND),
            }),
            store: s.section("store", |s| Store {
                kind: s
                    .choice("kind", &[("embedded", StoreKind::Embedded), ("clickhouse", StoreKind::Clickhouse)])
                    .unwrap_or(StoreKind::Embedded),
                library: s.text("library").map(PathBuf::from),
                url: s.text("url").unwrap_or_else(|| "http://127.0.0.1:8123".into()),
                database: s.text("database").unwrap_or_else(|| "driftline".into()),
                user: s.text("user").unwrap_or_else(|| "default".into()),
                password: s.secret("password"),
                ca: s.text("ca").map(PathBuf::from),
                plaintext: s.flag("plaintext", false),
            }),
            api: s.section("api", |s| Api {
                listen: s.text("listen").unwrap_or_else(|| "127.0.0.1:7421".into()),
                tokens: s.text("tokens").map(PathBuf::from),
            }),
            aws: s.section("aws", |s| Aws {
                fips: s.flag("fips", false),
                dual_stack: s.flag("dual_stack", false),
                requests: usize_of(s.number("requests", 64, 1..=10_000)),
                timeout: s.duration("timeout", 60 * SECOND),
                deadline: s.duration("deadline", 120 * SECOND),
            }),
        }
    }
}

fn accounts(s: &Section<'_>) -> Accounts {
    let ids = s.texts("ids");
    if let Some(bad) = ids.iter().find(|id| !is_account(id)) {
        s.wrong("ids", &format!("`{bad}` is no account id: 12 digits, as a text"));
    }
    let ways = [!ids.is_empty(), s.flag("organization", false), s.has("file")];
    if ways.iter().filter(|w| **w).count() > 1 {
        s.wrong("organization", "give one of `ids`, `file` and `organization`, not several");
    }
    Accounts {
        ids,
        organization: s.flag("organization", false),
        file: s.text("file").map(PathBuf::from),
        role_name: s.text("role_name"),
        external_id: s.secret("external_id"),
        session_name: s.text("session_name").unwrap_or_else(|| "driftline".into()),
        session_policy: s.text("session_policy").map(PathBuf::from),
        regions: s.texts("regions"),
        types: s.texts("types"),
    }
}

fn account_id(s: &Section<'_>, key: &str) -> Option<String> {
    let id = s.text(key)?;
    if !is_account(&id) {
        s.wrong(key, &format!("`{id}` is no account id: 12 digits, as a text"));
    }
    Some(id)
}

/// Whether a text is an AWS account id.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl SecretRef {
    /// Reads the secret, now. The error names the reference, never the value.
    pub(crate) fn resolve(&self) -> anyhow::Result<String> {
        match self {
            Self::Env(name) => std::env::var(name)
                .map_err(|_| anyhow::anyhow!("environment variable {name} is not set (a secret refers to it)")),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| anyhow::anyhow!("secret file {}: {e}", path.display()))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_shows_every_setting_with_its_default() {
        let example = include_str!("../../../driftline.example.toml");
        let uncommented: String =
            example.lines().map(|l| l.strip_prefix("#: ").map_or_else(|| l.to_owned(), str::to_owned) + "\n").collect();
        let all = Config::parse(&uncommented).expect("the example with every line uncommented parses");
        assert!(all.baselines.len() == 1 && all.secrets.key.is_some() && all.store.password.is_some());
        assert!(all.bus.tls.is_some() && all.bus.sasl.is_some());
        assert_eq!(Config::parse(example), Ok(Config::defaults()), "what stands uncommented is the default");
    }

    #[test]
    fn the_settings_of_the_compose_file_parse() {
        let config = Config::parse(include_str!("../../../deploy/roles.toml")).expect("deploy/roles.toml");
        assert!(config.accounts.organization && config.bus.kind == BusKind::Kafka);
    }

    #[test]
    fn nonsense_that_parses_is_a_problem_too() {
        let text = "[accounts]\nids = [\"123\"]\norganization = true\n[[baselines]]\naccount = \"x\"\n";
        let problems = Config::parse(text).expect_err("three problems");
        let text: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
        insta::assert_snapshot!(text.join("\n"), @"
        `baselines.source`: missing: a file, a folder or s3://BUCKET/KEY
        `accounts.ids`: `123` is no account id: 12 digits, as a text
        `accounts.organization`: give one of `ids`, `file` and `organization`, not several
        `baselines.account`: `x` is no account id: 12 digits, as a text
        ");
    }
}
