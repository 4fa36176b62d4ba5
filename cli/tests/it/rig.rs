//! A fleet on moto, and the binary with the environment to read it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use driftline_dev::moto::Moto;
use driftline_fleet::{Account, EXTERNAL_ID, Expected, Fleet, ROLE};
use serde_json::Value;

pub(crate) struct Rig {
    pub(crate) fleet: Fleet,
    pub(crate) folder: tempfile::TempDir,
    moto: Moto,
    /// Where the binary finds AWS.
    endpoint: String,
}

/// A test that failed shows the last that its roles said.
impl Drop for Rig {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        let files = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let names = files.filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".log")?.to_owned()));
        for name in names.filter(|_| std::thread::panicking()) {
            let log = self.log(&name);
            let from = log.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
            eprintln!("--- {name}:\n{}", &log[from..]);
        }
    }
}

/// A role as a process; killed when dropped.
pub(crate) struct Role(Child);

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Role {
    /// Tells it to drain and end, and waits for it.
    pub(crate) async fn end(mut self) {
        let told = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status().unwrap();
        assert!(told.success());
        let mut ended = None;
        eventually("a role to end", || {
            ended = self.0.try_wait().unwrap();
            std::future::ready(ended.is_some())
        })
        .await;
        assert!(ended.unwrap().success(), "{ended:?}");
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let moto = driftline_dev::moto::start(None).unwrap();
        let fleet = Fleet::build(&moto.url(), 1).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        fleet.write_states(&folder.path().join("states")).unwrap();
        let endpoint = moto.url();
        Self { fleet, folder, moto, endpoint }
    }

    /// moto's own address.
    pub(crate) fn endpoint(&self) -> String {
        self.moto.url()
    }

    /// From now on the binary finds AWS there.
    pub(crate) fn through(&mut self, endpoint: String) {
        self.endpoint = endpoint;
    }

    pub(crate) fn states(&self) -> String {
        self.folder.path().join("states").display().to_string()
    }

    /// `[accounts]` of a configuration that reads the fleet.
    pub(crate) fn accounts(&self) -> String {
        let ids: Vec<_> = self.fleet.accounts.iter().map(|a| format!("\"{}\"", a.id)).collect();
        let mut regions: Vec<_> =
            self.fleet.accounts.iter().flat_map(|a| &a.regions).map(|r| format!("\"{r}\"")).collect();
        regions.sort();
        regions.dedup();
        format!(
            "[accounts]\nids = [{}]\nregions = [{}]\nrole_name = \"{ROLE}\"\nexternal_id = {{ env = \"E2E_EXTERNAL_ID\" }}\n",
            ids.join(", "),
            regions.join(", ")
        )
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Where the binary finds AWS.
    pub(crate) fn sees(&self) -> &str {
        &self.endpoint
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
        command.arg("--config").arg(config).current_dir(self.folder.path()).stdin(Stdio::null());
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("E2E_EXTERNAL_ID", EXTERNAL_ID)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN");
        command
    }

    /// Runs a command to its end: exit code and stdout; stderr is in the panic's message of whoever looks.
    pub(crate) fn run(&self, config: &Path, arguments: &[&str]) -> (i32, String, String) {
        self.run_at(&self.endpoint, config, arguments)
    }

    /// As [`Self::run`], with AWS elsewhere.
    pub(crate) fn run_at(&self, endpoint: &str, config: &Path, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(config).env("AWS_ENDPOINT_URL", endpoint).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Starts a role; its output goes to a file of its name.
    pub(crate) fn role(&self, config: &Path, name: &str, arguments: &[&str]) -> Role {
        let log = self.folder.path().join(format!("{name}.log"));
        let out = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.command(config);
        command.args(arguments).arg("-v").stdout(out.try_clone().unwrap()).stderr(out);
        Role(command.spawn().unwrap())
    }

    /// What a role has said.
    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

/// The id of a resource that an account's state declares under that name.
pub(crate) fn declared(account: &Account, kind: &str, name: &str) -> String {
    let mut resources = account.state["resources"].as_array().unwrap().iter();
    let found = resources.find(|r| r["type"] == kind && r["name"] == name).unwrap();
    found["instances"][0]["attributes"]["id"].as_str().unwrap().to_owned()
}

/// Waits for a condition, at most two minutes.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(120);
    while !done().await {
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether a drift's JSON is what was expected.
pub(crate) fn is(drift: &Value, e: &Expected) -> bool {
    drift["account"] == e.account.as_str()
        && drift["type"] == e.kind.as_str()
        && drift["resource"] == e.resource.as_str()
        && drift["path"] == e.path.as_str()
        && drift["severity"] == e.severity.as_str()
}
