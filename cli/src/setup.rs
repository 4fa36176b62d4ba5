//! Builds what the subcommands use from settings and flags: the AWS client, targets, catalogue, log, store.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use driftline_agent::collect::{self, Target};
use driftline_aws::accounts::{self, AccountSetting, AccountsConfig, Found};
use driftline_aws::credentials::{Access, AccessConfig, AccessError, RoleConfig};
use driftline_aws::{Client, ClientConfig, EndpointConfig, Limiter, LimiterConfig, Limits, RetryConfig};
use driftline_bus::{EmbeddedConfig, EmbeddedLog, KafkaConfig, KafkaLog, Log, Role, Sasl, Security};
use driftline_model::CoverageStatus;
use driftline_model::catalogue::Catalogue;
use driftline_model::driftignore::DriftIgnore;
use driftline_store::engine::{Child, ChildConfig};
use driftline_store::{Store, StoreConfig};

use crate::args::Targets;
use crate::config::{BusKind, Config, StoreKind};

/// What somebody without credentials does next.
const NO_CREDENTIALS: &str = "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, sign in with `aws sso login`, or run where a role is attached";

/// The way to AWS.
pub(crate) struct Aws {
    pub(crate) client: Client,
    pub(crate) access: Access,
    /// For the SDK's own clients (states in S3).
    pub(crate) sdk: aws_config::SdkConfig,
}

/// The limiter of the process's calls, once there is one.
static LIMITER: OnceLock<Limiter> = OnceLock::new();

/// Whether calls to AWS wait for their turn.
pub(crate) fn calls_wait() -> bool {
    LIMITER.get().is_some_and(|limiter| limiter.usage().waiting > 0)
}

/// The AWS client as the settings and the SDK's environment say.
pub(crate) async fn aws(config: &Config) -> Aws {
    let mut endpoint = EndpointConfig::from_env();
    endpoint.fips |= config.aws.fips;
    endpoint.dual_stack |= config.aws.dual_stack;
    let limiter = Limiter::new(LimiterConfig { requests: config.aws.requests, ..LimiterConfig::default() });
    let limits = Limits { timeout: config.aws.timeout, ..Limits::default() };
    let client = Client::new(ClientConfig {
        endpoint,
        limits,
        retry: RetryConfig { deadline: config.aws.deadline, ..RetryConfig::default() },
        limiter: limiter.clone(),
        ..ClientConfig::from_env()
    });
    let access = Access::load(&AccessConfig::default(), client.clone()).await;
    // a second client in one process has a limiter of its own, and does not count here
    let _ = LIMITER.set(limiter);
    let sdk = access.sdk().clone();
    Aws { client, access, sdk }
}

/// The catalogue: what is shipped, and the user's files.
pub(crate) fn catalogue(config: &Config) -> Result<Arc<Catalogue>> {
    let mut files = Vec::new();
    for folder in &config.catalogue {
        files.extend(catalogue_files(folder)?);
    }
    let catalogue = Catalogue::with(&files).map_err(|problems| anyhow::anyhow!("catalogue:\n{problems}"))?;
    Ok(Arc::new(catalogue))
}

/// Rules of a `.driftignore`.
pub(crate) fn ignore_rules(text: &str) -> Result<DriftIgnore> {
    DriftIgnore::parse(text).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", lines.join("\n"))
    })
}

/// The `.toml` files of a folder and of those in it.
pub(crate) fn catalogue_files(folder: &std::path::Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("catalogue folder {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "toml") {
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                files.push((path.display().to_string(), text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The accounts to read. Flags win over the settings.
pub(crate) async fn accounts(config: &Config, flags: &Targets, aws: &Aws) -> Result<Found> {
    let settings = &config.accounts;
    let setting = |id: &String| AccountSetting { id: id.clone(), ..AccountSetting::default() };
    let named: Vec<AccountSetting> = if !flags.accounts.is_empty() {
        flags.accounts.iter().map(setting).collect()
    } else if flags.organization {
        Vec::new()
    } else if let Some(file) = &settings.file {
        let text = std::fs::read_to_string(file).with_context(|| format!("accounts file {}", file.display()))?;
        accounts::parse_accounts(&file.display().to_string(), &text)?
    } else {
        settings.ids.iter().map(setting).collect()
    };
    let organization = flags.organization || (settings.organization && flags.accounts.is_empty());
    let role = flags.role_name.clone().or_else(|| settings.role_name.clone());
    let role = role.map(|name| role_config(config, flags, name)).transpose()?;
    let mut named = named;
    if named.is_empty() && !organization {
        let own = aws.access.whoami().await.map_err(|error| {
            let what = match error {
                AccessError::NotFound(_) | AccessError::Unavailable(_) => NO_CREDENTIALS,
                _ => "the credentials do not tell which account they belong to: name it with --account",
            };
            anyhow::Error::new(error).context(what)
        })?;
        named.push(setting(&own.account));
    }
    let regions = if flags.regions.is_empty() { settings.regions.clone() } else { flags.regions.clone() };
    let regions = regions.into_iter().filter(|r| r != driftline_model::resource::GLOBAL).collect();
    let wanted = AccountsConfig { accounts: named, organization, role, regions };
    Ok(accounts::find(&aws.client, &aws.access, &wanted).await?)
}

fn role_config(config: &Config, flags: &Targets, name: String) -> Result<RoleConfig> {
    let external_id = match (&flags.external_id, &config.accounts.external_id) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(reference)) => Some(reference.resolve()?),
        (None, None) => None,
    };
    let policy = config.accounts.session_policy.as_ref();
    let session_policy = policy
        .map(|p| std::fs::read_to_string(p).with_context(|| format!("session policy {}", p.display())))
        .transpose()?;
    Ok(RoleConfig {
        external_id,
        session_name: config.accounts.session_name.clone(),
        session_policy,
        ..RoleConfig::new(name)
    })
}

/// An account that should be read and can't be.
pub(crate) struct Unread {
    pub(crate) account: String,
    pub(crate) status: CoverageStatus,
    pub(crate) reason: String,
}

/// What is read, and what is not.
pub(crate) struct Readable {
    pub(crate) targets: Vec<Target>,
    pub(crate) unread: Vec<Unread>,
    /// The types that are read; none: all.
    pub(crate) types: Vec<String>,
    /// For people: each account that is not read, and facts that are not known.
    pub(crate) notes: Vec<String>,
}

/// What the collector reads of the accounts that were found. An account whose regions are not known is not read, and named.
pub(crate) fn targets(config: &Config, flags: &Targets, catalogue: &Catalogue, found: Found) -> Result<Readable> {
    let types = if flags.types.is_empty() { &config.accounts.types } else { &flags.types };
    for name in types {
        anyhow::ensure!(
            catalogue.get(name).is_some(),
            "type `{name}` is not in the catalogue: `driftline catalogue list` shows them"
        );
    }
    // With regions named and `global` not among them, types without a region are still read: they are in no region.
    let mut notes: Vec<String> =
        found.skipped.iter().map(|s| format!("account {} ({}) is not read: {}", s.id, s.name, s.reason)).collect();
    notes.extend(found.warnings);
    let refused = found.skipped.into_iter().filter(|s| !s.closed);
    let mut unread: Vec<Unread> =
        refused.map(|s| Unread { account: s.id, status: CoverageStatus::Denied, reason: s.reason }).collect();
    let mut targets = Vec::new();
    for account in found.targets {
        match account.regions {
            Ok(regions) => targets.push(Target {
                account: account.id,
                credentials: account.credentials,
                partition: driftline_aws::Partition::of_region(&account.home_region),
                regions,
                global: true,
                types: types.clone(),
                facts: account.facts,
            }),
            Err(error) => {
                let reason = format!("its regions are not known: {error}");
                notes.push(format!("account {} is not read: {reason}", account.id));
                unread.push(Unread { account: account.id, status: collect::status(&error), reason });
            }
        }
    }
    Ok(Readable { targets, unread, types: types.clone(), notes })
}

/// Kafka as the settings say; nothing connects.
pub(crate) fn kafka(config: &Config) -> Result<KafkaLog> {
    let bus = &config.bus;
    let sasl = bus.sasl.as_ref().map(|sasl| {
        let (mechanism, username) = (sasl.mechanism, sasl.username.clone());
        Ok::<_, anyhow::Error>(Sasl { mechanism, username, password: sasl.password.resolve()? })
    });
    let security = Security { tls: bus.tls.clone(), sasl: sasl.transpose()?, plaintext: bus.plaintext };
    let kafka = KafkaConfig {
        security,
        extra: bus.settings.clone(),
        replication: bus.replication,
        min_insync: bus.min_insync,
        ..KafkaConfig::new(&bus.bootstrap)
    };
    Ok(KafkaLog::new(kafka)?)
}

/// The log, opened; in Kafka the topics that these roles use are made or checked, since a role may not look at others.
pub(crate) async fn open_log(config: &Config, roles: &[Role]) -> Result<Arc<dyn Log>> {
    let log: Arc<dyn Log> = match config.bus.kind {
        BusKind::Embedded => {
            let folder = config.folder.join("log");
            crate::secret::private_folder(&folder)?;
            Arc::new(EmbeddedLog::open(EmbeddedConfig::new(folder)).await?)
        }
        BusKind::Kafka => Arc::new(kafka(config)?),
    };
    let mut topics = driftline_bus::topics(config.bus.partitions);
    if config.bus.kind == BusKind::Kafka {
        topics.retain(|topic| roles.iter().any(|role| role.topics(config.bus.partitions).contains(topic)));
    }
    log.ensure(&topics).await?;
    Ok(log)
}

/// A store and, where it is embedded, its engine.
pub(crate) struct OpenStore {
    pub(crate) store: Store,
    engine: Option<Child>,
}

impl OpenStore {
    /// Stops the engine, if there is one.
    pub(crate) async fn close(self) -> Result<()> {
        if let Some(engine) = self.engine {
            engine.stop().await?;
        }
        Ok(())
    }
}

/// The store, its schema brought up to date.
pub(crate) async fn open_store(config: &Config) -> Result<OpenStore> {
    let store = &config.store;
    let (engine, settings) = match store.kind {
        StoreKind::Clickhouse => {
            let password = store.password.as_ref().map(|p| p.resolve()).transpose()?.unwrap_or_default();
            let settings = StoreConfig::new(&store.url, &store.database).with_credentials(&store.user, password);
            (None, StoreConfig { ca: store.ca.clone(), plaintext: store.plaintext, ..settings })
        }
        StoreKind::Embedded => {
            let folder = config.folder.join("store");
            crate::secret::private_folder(&folder)?;
            let program = std::env::current_exe().context("where this program is")?;
            let child = ChildConfig::new(program, vec!["engine".into(), "--".into()], library(config)?, folder);
            let child = Child::spawn(child).await?;
            let settings = StoreConfig::new(child.url(), &store.database).with_credentials("driftline", child.token());
            (Some(child), settings)
        }
    };
    let store = Store::connect(settings).await?;
    // Who finds the tables as they should be needs no right to make them.
    match store.check_schema().await {
        Err(driftline_store::Error::Older { .. }) => _ = store.migrate().await?,
        checked => checked?,
    }
    Ok(OpenStore { store, engine })
}

/// Where `./dev setup` installs the engine.
fn installed() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let package = format!("chdb-26.7.3/node_modules/@chdb/lib-linux-{arch}-gnu/libchdb.so");
    Some(cache.join("driftline/tools").join(package))
}

/// The embedded engine's library: as set, or where `./dev` and the packages put it.
fn library(config: &Config) -> Result<PathBuf> {
    let set = config.store.library.clone().or_else(|| std::env::var_os("DRIFTLINE_CHDB").map(PathBuf::from));
    let beside = std::env::current_exe().ok().and_then(|p| Some(p.parent()?.join("libchdb.so")));
    let found = [set, beside, installed()].into_iter().flatten().find(|p| p.exists());
    found.context(
        "the embedded ClickHouse engine (libchdb.so) is not there: `./dev setup` installs it; or set `store.library` or \
         DRIFTLINE_CHDB to its path, or `store.kind = \"clickhouse\"`",
    )
}
