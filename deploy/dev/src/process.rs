//! A child process that ends with its guard, and waiting for its port.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// Kills the process when dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    log: PathBuf,
}

impl Guard {
    /// Starts `command`, its output going to `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let out = std::fs::File::create(log)?;
        let err = out.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until the port takes connections; the error carries the end of the log.
    pub(crate) fn wait_for_port(&mut self, port: u16, limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("ended with {status}:\n{}", self.tail());
            }
            anyhow::ensure!(Instant::now() < end, "port {port} not open after {limit:?}:\n{}", self.tail());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.char_indices().rev().nth(2000).map_or(0, |(i, _)| i);
        text[from..].to_owned()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
