//! `./dev demo`: three simulated accounts, `driftline up` on them, ten changes by hand, and what Driftline says of them.
//! Everything but the cloud is real: the program asks only the `driftline` binary, as a person would.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use driftline_fleet::{EXTERNAL_ID, Expected, Fleet, ROLE};
use serde_json::Value;

/// How long the pipeline may take to show what it is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

struct Demo {
    driftline: PathBuf,
    config: PathBuf,
    endpoint: String,
}

/// `driftline up`; asked to drain when dropped.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}"); // nobody to tell if stdout is gone
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let driftline = PathBuf::from(arguments.next().context("usage: demo DRIFTLINE-BINARY [--keep]")?);
    let keep = arguments.next().as_deref() == Some("--keep");
    let folder = tempfile::Builder::new().prefix("driftline-demo-").tempdir()?;
    say("Simulating three accounts: moto answers as AWS does; the official SDK builds what is in them ...");
    let moto = driftline_dev::moto::start(None)?;
    let fleet = Fleet::build(&moto.url(), 1).await?;
    fleet.write_states(&folder.path().join("states"))?;
    for account in &fleet.accounts {
        say(&format!(
            "  {} {:<12} {} (Terraform provider {})",
            account.id,
            account.name,
            account.regions.join(", "),
            account.provider
        ));
    }
    let demo = Demo { driftline, config: folder.path().join("driftline.toml"), endpoint: moto.url() };
    std::fs::write(&demo.config, settings(&fleet, folder.path()))?;
    let log = folder.path().join("up.log");
    let up = demo.up(&log)?;
    let result = story(&demo, &fleet, keep).await;
    if result.is_err() {
        say(&format!("driftline up said:\n{}", std::fs::read_to_string(&log).unwrap_or_default()));
    }
    drop(up);
    result
}

async fn story(demo: &Demo, fleet: &Fleet, keep: bool) -> Result<()> {
    say(
        "Starting `driftline up`: agent, aggregator, log, analyzer, ClickHouse in one process; baselines from three Terraform states ...",
    );
    demo.wait("the baseline to be taken", || demo.settled(fleet.accounts.len()))?;
    let resources = demo.query("SELECT count() FROM resources")?;
    say(&format!("Baseline taken: {} resources watched, no drift.\n", first(&resources)));
    say("Ten changes by hand, with the official SDK:");
    let changed = Instant::now();
    let expected = fleet.drift().await?;
    expected.iter().for_each(|e| say(&format!("  - {}", e.change)));
    let applied = changed.elapsed();
    demo.wait("all ten changes to be found", || Ok(expected.iter().all(|e| demo.found(e).unwrap_or(false))))?;
    say(&format!(
        "\nAll ten found {:.1} s after the last change (accounts are read every 2 s here).\n",
        (changed.elapsed() - applied).as_secs_f64()
    ));
    let listed = demo.run(&["drifts", "list"], false)?;
    say(&listed);
    let rows = demo.drifts()?;
    let wrong: Vec<_> = expected.iter().filter(|e| severity(&rows, e) != Some(e.severity.as_str())).collect();
    for e in &wrong {
        say(&format!("unexpected severity: {} {:?}, expected {}", e.change, severity(&rows, e), e.severity));
    }
    anyhow::ensure!(wrong.is_empty(), "severities differ");
    anyhow::ensure!(rows.len() == expected.len(), "{} drifts for {} changes", rows.len(), expected.len());
    let config = demo.config.display();
    say("\nGo on with (while `./dev demo --keep` runs):");
    for sql in [
        "SELECT account, severity, count() AS drifts FROM drifts WHERE status = 'open' GROUP BY ALL ORDER BY drifts DESC",
        "SELECT at, transition, type, resource, path FROM drift_events WHERE subject = 'drift' AND kind = 'modified' ORDER BY at DESC LIMIT 20",
        "SELECT arrayJoin(controls) AS control, count() AS broken FROM findings WHERE status = 'open' GROUP BY control ORDER BY broken DESC LIMIT 10",
    ] {
        say(&format!("  {} --config {config} query \"{sql}\"", demo.driftline.display()));
    }
    if keep {
        let address =
            std::fs::read_to_string(demo.config.with_file_name("data").join("api.address")).unwrap_or_default();
        say(&format!("\nLeft running: API at http://{address}, simulated AWS at {}. Ctrl-C ends it.", demo.endpoint));
        tokio::signal::ctrl_c().await?;
    }
    Ok(())
}

fn settings(fleet: &Fleet, folder: &Path) -> String {
    let ids: Vec<String> = fleet.accounts.iter().map(|a| format!("\"{}\"", a.id)).collect();
    let mut regions: Vec<String> = fleet.accounts.iter().flat_map(|a| &a.regions).map(|r| format!("\"{r}\"")).collect();
    regions.sort();
    regions.dedup();
    format!(
        "folder = \"{folder}/data\"\n\
         [accounts]\nids = [{ids}]\nrole_name = \"{ROLE}\"\nexternal_id = {{ env = \"DRIFTLINE_DEMO_EXTERNAL_ID\" }}\nregions = [{regions}]\n\
         [[baselines]]\nsource = \"{folder}/states\"\nevery = \"1s\"\n\
         [agent]\ninterval = \"2s\"\n\
         [aggregator]\nlisten = \"127.0.0.1:0\"\n\
         [api]\nlisten = \"127.0.0.1:0\"\n\
         [bus]\npartitions = 4\n",
        folder = folder.display(),
        ids = ids.join(", "),
        regions = regions.join(", "),
    )
}

fn first(result: &Value) -> String {
    result["rows"][0][0].as_str().map_or_else(|| result["rows"][0][0].to_string(), str::to_owned)
}

fn same(row: &Value, e: &Expected) -> bool {
    row["account"] == e.account.as_str()
        && row["type"] == e.kind.as_str()
        && row["resource"] == e.resource.as_str()
        && row["path"] == e.path.as_str()
}

fn severity<'r>(rows: &'r [Value], e: &Expected) -> Option<&'r str> {
    rows.iter().find(|row| same(row, e))?["severity"].as_str()
}

impl Demo {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.driftline);
        command
            .arg("--config")
            .arg(&self.config)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "demo")
            .env("AWS_SECRET_ACCESS_KEY", "demo")
            .env("AWS_REGION", "us-east-1")
            .env("DRIFTLINE_DEMO_EXTERNAL_ID", EXTERNAL_ID)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN");
        command
    }

    fn up(&self, log: &Path) -> Result<Up> {
        let out = std::fs::File::create(log)?;
        let child =
            self.command().arg("up").arg("-v").stdout(out.try_clone()?).stderr(out).stdin(Stdio::null()).spawn();
        Ok(Up(child.with_context(|| self.driftline.display().to_string())?))
    }

    fn run(&self, arguments: &[&str], json: bool) -> Result<String> {
        let format = if json { &["--format", "json"][..] } else { &[] };
        let output = self.command().args(arguments).args(format).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn query(&self, sql: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&["query", sql], true)?)?)
    }

    /// Every account was read whole twice since its baseline stands, and nothing differs.
    fn settled(&self, accounts: usize) -> Result<bool> {
        let sources: Value = serde_json::from_str(&self.run(&["baseline", "list"], true)?)?;
        if sources.as_array().map_or(0, Vec::len) < accounts {
            return Ok(false);
        }
        let sql = "SELECT uniqExact(account) FROM cycles WHERE began_at > now64(3) - INTERVAL 60 SECOND";
        let cycles: usize = first(&self.query(sql)?).parse()?;
        Ok(cycles >= accounts && self.drifts()?.is_empty() && self.caught_up()?)
    }

    /// All that was observed is judged: what has a baseline is no longer counted as unmanaged.
    fn caught_up(&self) -> Result<bool> {
        let sql = "SELECT count() FROM drifts WHERE status = 'open' AND kind = 'unmanaged'";
        let unmanaged: usize = first(&self.query(sql)?).parse()?;
        let resources: usize = first(&self.query("SELECT count() FROM resources")?).parse()?;
        Ok(resources > 0 && unmanaged * 2 < resources)
    }

    /// Open drifts but for unmanaged resources.
    fn drifts(&self) -> Result<Vec<Value>> {
        let rows: Vec<Value> = serde_json::from_str(&self.run(&["drifts", "list"], true)?)?;
        Ok(rows.into_iter().filter(|r| r["kind"] != "unmanaged").collect())
    }

    fn found(&self, e: &Expected) -> Result<bool> {
        Ok(self.drifts()?.iter().any(|row| same(row, e)))
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut last;
        loop {
            match done() {
                Ok(true) => return Ok(()),
                Ok(false) => last = None,
                Err(error) => last = Some(error),
            }
            let reason = last.as_ref().map(|e| format!(": {e:#}")).unwrap_or_default();
            anyhow::ensure!(Instant::now() < end, "waited {PATIENCE:?} for {what}{reason}");
            std::thread::park_timeout(Duration::from_millis(250));
        }
    }
}
