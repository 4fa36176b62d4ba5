//! moto's server: AWS API answers from someone else's code. AssumeRole into any account id gives that account's world.

use std::process::Command;
use std::time::Duration;

use crate::process::{Guard, free_port};

/// A running moto server; ends when dropped.
#[derive(Debug)]
pub struct Moto {
    guard: Guard,
    port: u16,
    _folder: tempfile::TempDir,
}

/// Starts one on a free port. `auth`: verify signatures and policies after this many unauthenticated calls.
pub fn start(auth: Option<u32>) -> anyhow::Result<Moto> {
    start_on(free_port()?, auth)
}

/// As [`start`], on a given port.
pub fn start_on(port: u16, auth: Option<u32>) -> anyhow::Result<Moto> {
    let program = crate::tool("DRIFTLINE_MOTO", "python/bin/moto_server")?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    if let Some(count) = auth {
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", count.to_string());
    }
    let mut guard = Guard::start(&mut command, &folder.path().join("moto.log"))?;
    guard.wait_for_port(port, Duration::from_secs(60))?;
    Ok(Moto { guard, port, _folder: folder })
}

impl Moto {
    /// `http://127.0.0.1:PORT`, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Process id, for measurements.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }
}
