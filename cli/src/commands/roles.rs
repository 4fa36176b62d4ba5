//! `up`, `agent`, `aggregator`, `analyzer`: builds a role's parts, binds, spawns, drains at SIGTERM or Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use driftline_agent::collect::{Budget, Collector, Rounds};
use driftline_analyzer::{AnalyzerConfig, WriterConfig};
use driftline_bus::{Log, Role};
use driftline_identity::{Gate, Inventory};
use driftline_model::catalogue::Catalogue;
use driftline_model::secret::SecretKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::args::{AnalyzerHalf, Global, Targets, Up};
use crate::baselines::{Baselines, absolute};
use crate::config::{BaselineSource, Config};
use crate::secret;
use crate::setup::{self, OpenStore};
use crate::time::clock;
use crate::tokens::{self, Tokens};
use crate::{output, time};

/// How often the organization's units are read for grants.
const ORGANIZATION: Duration = Duration::from_secs(600);

/// Roles of one process. When one ends, the others are told to.
struct Roles {
    tasks: JoinSet<(&'static str, Result<()>)>,
    shutdown: CancellationToken,
}

impl Roles {
    fn new() -> Self {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            ended().await;
            tracing::info!("draining");
            stop.cancel();
        });
        Self { tasks: JoinSet::new(), shutdown }
    }

    fn spawn(&mut self, name: &'static str, role: impl Future<Output = Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, role.await) });
    }

    /// Waits for all; the first error is the process's.
    async fn join(mut self) -> Result<u8> {
        let mut failed = None;
        while let Some(ended) = self.tasks.join_next().await {
            let (name, result) = ended.context("a role panicked")?;
            if let Err(error) = result {
                tracing::error!("{name}: {error:#}");
                failed.get_or_insert(error.context(name));
            } else if !self.shutdown.is_cancelled() {
                tracing::error!("{name} ended by itself");
            }
            self.shutdown.cancel();
        }
        failed.map_or(Ok(0), Err)
    }
}

/// SIGTERM or Ctrl-C.
async fn ended() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = interrupt.await; // no signals to be had: the process is killed some other way
        }
    }
}

/// Reads accounts with the pipeline's budget: what the interval leaves of AWS's rates.
async fn collector(
    config: &Config,
    flags: &Targets,
    catalogue: &Arc<Catalogue>,
    secret: &SecretKey,
) -> Result<Arc<Collector>> {
    let aws = setup::aws(config).await;
    let found = setup::accounts(config, flags, &aws).await?;
    let setup::Readable { targets, notes, .. } = setup::targets(config, flags, catalogue, found)?;
    notes.iter().for_each(|note| output::note(note));
    anyhow::ensure!(!targets.is_empty(), "no account can be read");
    // Half of the rate of a common service (20 calls/s) over the interval, and of a minute at least: the rest is for listings
    // and retries. The limiter has the last word.
    let calls = usize::try_from(config.agent.interval.as_secs().max(60) * 10).unwrap_or(usize::MAX);
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (interval_ms, max_age_ms) = (ms(config.agent.interval), ms(config.agent.max_age));
    Ok(Arc::new(Collector::new(
        aws.client,
        Arc::clone(catalogue),
        secret.clone(),
        clock(),
        targets,
        Budget::Round(Rounds { calls, interval_ms, max_age_ms }),
    )))
}

fn agent_config(config: &Config, aggregator: String) -> driftline_agent::Config {
    driftline_agent::Config {
        aggregator,
        tls: config.agent.tls.clone(),
        name: config.agent.name.clone(),
        folder: config.folder.join("agent"),
        spool: config.folder.join("spool"),
        spool_bytes: config.agent.spool,
        interval: config.agent.interval,
        parallel: config.agent.parallel,
        drain: config.agent.drain,
    }
}

fn aggregator_config(config: &Config, gate: Option<Gate>) -> driftline_aggregator::Config {
    let aggregator = &config.aggregator;
    driftline_aggregator::Config {
        gate,
        sts: driftline_aggregator::StsConfig { client: driftline_aws::ClientConfig::from_env() },
        partitions: config.bus.partitions,
        window_bytes: aggregator.window,
        held_bytes: usize::try_from(aggregator.held).unwrap_or(usize::MAX),
        idle: aggregator.idle,
        drain: aggregator.drain,
        ..driftline_aggregator::Config::default()
    }
}

/// Who may speak for what, where certificates are configured; its files are watched, and so is the organization.
fn gate(config: &Config, roles: &mut Roles) -> Result<Option<Gate>> {
    let Some(files) = &config.aggregator.tls else { return Ok(None) };
    let (inventory, known) = watch::channel(Inventory::new());
    let gate = Gate::open(files.clone(), known, Arc::new(|| time::now().into()))?;
    let (watching, shutdown) = (gate.clone(), roles.shutdown.clone());
    roles.spawn("identity", async move {
        watching.watch(shutdown).await;
        Ok(())
    });
    if config.accounts.organization {
        let (config, shutdown) = (config.clone(), roles.shutdown.clone());
        roles.spawn("organization", async move {
            let aws = setup::aws(&config).await;
            loop {
                match driftline_aws::accounts::places(&aws.client, &aws.access).await {
                    Ok(places) => _ = inventory.send_replace(places),
                    Err(error) => tracing::warn!("grants of organizational units wait: {error}"),
                }
                if shutdown.run_until_cancelled(tokio::time::sleep(ORGANIZATION)).await.is_none() {
                    return Ok(());
                }
            }
        });
    }
    Ok(Some(gate))
}

async fn bind(address: &str, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{what}: can't listen on {address}"))
}

/// The whole in one process.
pub(crate) async fn up(global: &Global, args: &Up) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    secret::private_folder(&config.folder)?;
    let tokens = Arc::new(Tokens::open(config.tokens(), &tokens::local(&config.folder)?)?);
    let catalogue = setup::catalogue(&config)?;
    let secret = secret::of_folder(&config.secrets, &config.folder)?;
    let api_listener = bind(&config.api.listen, "api.listen").await?;
    let address = api_listener.local_addr()?;
    anyhow::ensure!(address.ip().is_loopback(), "api.listen: {address} is not on loopback, and the API speaks no TLS");
    let listener = bind(&config.aggregator.listen, "aggregator.listen").await?;
    let scheme = if config.aggregator.tls.is_some() { "https" } else { "http" };
    let aggregator = format!("{scheme}://{}", listener.local_addr()?);
    let log = setup::open_log(&config, &Role::EACH).await?;
    let OpenStoreParts { store, opened } = open(&config).await?;
    let mut roles = Roles::new();
    let aws = setup::aws(&config).await;
    let baselines = Baselines::publishing(
        Arc::clone(&catalogue),
        secret.clone(),
        Some(&aws.sdk),
        log.as_ref(),
        config.bus.partitions,
    )
    .await?;
    let baselines = Arc::new(baselines);
    let analyzer = AnalyzerConfig {
        group: config.analyzer.group.clone(),
        drain: config.analyzer.drain,
        partitions: config.bus.partitions,
        state: config.folder.join("analyzer"),
        ..AnalyzerConfig::default()
    };
    let status = analyzer.status.subscribe();
    spawn_analyzer(&mut roles, analyzer, &log, &catalogue, config.ignore.as_deref())?;
    spawn_writer(&mut roles, &log, &store);
    let collector = collector(&config, &args.targets, &catalogue, &secret).await?;
    {
        let gate = gate(&config, &mut roles)?;
        let (config, log, shutdown) = (aggregator_config(&config, gate), Arc::clone(&log), roles.shutdown.clone());
        roles.spawn("aggregator", async move { Ok(driftline_aggregator::run(config, listener, log, shutdown).await?) });
    }
    let sources = sources(&config, args);
    {
        let (baselines, shutdown) = (Arc::clone(&baselines), roles.shutdown.clone());
        roles.spawn("baselines", async move {
            baselines.watch(sources, shutdown.clone()).await;
            shutdown.cancelled().await;
            Ok(())
        });
    }
    {
        let (config, shutdown) = (agent_config(&config, aggregator.clone()), roles.shutdown.clone());
        roles.spawn("agent", async move { Ok(driftline_agent::run(config, collector, clock(), shutdown).await?) });
    }
    {
        let started = time::now_ms();
        let status = Arc::new(
            move || serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "started_ms": started, "analyzer": *status.borrow() }),
        );
        let api = Api { store: store.clone(), baselines, tokens, status };
        let shutdown = roles.shutdown.clone();
        roles.spawn("api", async move { Ok(api::serve(api, api_listener, shutdown).await?) });
    }
    let file = config.folder.join("api.address");
    std::fs::write(&file, address.to_string()).with_context(|| file.display().to_string())?;
    output::note(&format!(
        "driftline is up: http://{address} (`driftline drifts list` asks it); Ctrl-C drains and ends"
    ));
    let code = roles.join().await;
    let _ = std::fs::remove_file(&file); // a stale address is only asked and not believed
    opened.close().await?;
    code
}

struct OpenStoreParts {
    store: driftline_store::Store,
    opened: OpenStore,
}

async fn open(config: &Config) -> Result<OpenStoreParts> {
    let opened = setup::open_store(config).await?;
    Ok(OpenStoreParts { store: opened.store.clone(), opened })
}

fn sources(config: &Config, args: &Up) -> Vec<BaselineSource> {
    let flags = args.baselines.iter().map(|place| BaselineSource {
        source: absolute(place),
        account: None,
        region: None,
        every: Duration::from_secs(30),
    });
    let settings = config.baselines.iter().map(|b| BaselineSource { source: absolute(&b.source), ..b.clone() });
    settings.chain(flags).collect()
}

fn spawn_analyzer(
    roles: &mut Roles,
    config: AnalyzerConfig,
    log: &Arc<dyn Log>,
    catalogue: &Arc<Catalogue>,
    ignore: Option<&std::path::Path>,
) -> Result<()> {
    let text =
        ignore.map(|path| std::fs::read_to_string(path).with_context(|| path.display().to_string())).transpose()?;
    let rules = text.as_deref().map(setup::ignore_rules).transpose()?;
    let ignore = text.as_deref().zip(rules);
    let judge = Arc::new(driftline_analyzer::CatalogueJudge::new(Arc::clone(catalogue), ignore)?);
    let (log, shutdown) = (Arc::clone(log), roles.shutdown.clone());
    roles.spawn("analyzer", async move { Ok(driftline_analyzer::run(config, log, judge, shutdown).await?) });
    Ok(())
}

fn spawn_writer(roles: &mut Roles, log: &Arc<dyn Log>, store: &driftline_store::Store) {
    let writer = WriterConfig::default();
    let (log, store, shutdown) = (Arc::clone(log), store.clone(), roles.shutdown.clone());
    roles.spawn("writer", async move { Ok(driftline_analyzer::writer::run(writer, log, store, shutdown).await?) });
}

/// The agent alone.
pub(crate) async fn agent(global: &Global) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let catalogue = setup::catalogue(&config)?;
    let secret = secret::of_folder(&config.secrets, &config.folder)?;
    let collector = collector(&config, &Targets::default(), &catalogue, &secret).await?;
    let aggregator = config.agent.aggregator.clone().unwrap_or_else(|| format!("http://{}", config.aggregator.listen));
    let mut roles = Roles::new();
    let (config, shutdown) = (agent_config(&config, aggregator), roles.shutdown.clone());
    roles.spawn("agent", async move { Ok(driftline_agent::run(config, collector, clock(), shutdown).await?) });
    roles.join().await
}

/// The aggregator alone.
pub(crate) async fn aggregator(global: &Global) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let listener = bind(&config.aggregator.listen, "aggregator.listen").await?;
    let log = setup::open_log(&config, &[Role::Aggregator]).await?;
    let mut roles = Roles::new();
    output::note(&format!("aggregator listens on {}", listener.local_addr()?));
    let gate = gate(&config, &mut roles)?;
    let (config, shutdown) = (aggregator_config(&config, gate), roles.shutdown.clone());
    roles.spawn("aggregator", async move { Ok(driftline_aggregator::run(config, listener, log, shutdown).await?) });
    roles.join().await
}

/// The analyzer alone: both halves, or one.
pub(crate) async fn analyzer(global: &Global, only: Option<AnalyzerHalf>) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let catalogue = setup::catalogue(&config)?;
    let halves: &[Role] = match only {
        Some(AnalyzerHalf::Judge) => &[Role::Analyzer],
        Some(AnalyzerHalf::Writer) => &[Role::Writer],
        None => &[Role::Analyzer, Role::Writer],
    };
    let log = setup::open_log(&config, halves).await?;
    let mut roles = Roles::new();
    if only != Some(AnalyzerHalf::Writer) {
        let analyzer = AnalyzerConfig {
            group: config.analyzer.group.clone(),
            drain: config.analyzer.drain,
            partitions: config.bus.partitions,
            state: config.folder.join("analyzer"),
            ..AnalyzerConfig::default()
        };
        spawn_analyzer(&mut roles, analyzer, &log, &catalogue, config.ignore.as_deref())?;
    }
    if only == Some(AnalyzerHalf::Judge) {
        return roles.join().await;
    }
    let OpenStoreParts { store, opened } = open(&config).await?;
    spawn_writer(&mut roles, &log, &store);
    let code = roles.join().await;
    opened.close().await?;
    code
}
