//! Apache Kafka in KRaft mode, one node: broker and controller in one JVM, on free ports and in a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use crate::process::{Guard, free_port};

/// Any 16 bytes in base64url: the cluster lives as long as its folder.
const CLUSTER: &str = "ZHJpZnRsaW5lLXRlc3RzIQ";
const START_LIMIT: Duration = Duration::from_secs(90);

/// A running broker; ends when dropped.
#[derive(Debug)]
pub struct Kafka {
    guard: Guard,
    jars: PathBuf,
    port: u16,
    folder: tempfile::TempDir,
}

/// Starts a broker with Kafka's defaults, but for what one node needs, and without creating topics by itself.
pub fn start() -> anyhow::Result<Kafka> {
    start_with(&[])
}

/// As [`start`], with further settings of the broker (`log.cleaner.backoff.ms` ...), which win.
pub fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Kafka> {
    let jars = crate::tool("DRIFTLINE_KAFKA", "kafka-4.3.1")?.join("libs");
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    std::fs::write(folder.path().join("server.properties"), properties(folder.path(), port, settings)?)?;
    format(&jars, folder.path())?;
    let guard = launch(&jars, folder.path(), port)?;
    Ok(Kafka { guard, jars, port, folder })
}

impl Kafka {
    /// `127.0.0.1:PORT`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the broker at once, as a crash does; its folder stays.
    pub fn kill(&mut self) {
        self.guard.kill();
    }

    /// Starts it again on the same folder and port.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.guard.kill();
        self.guard = launch(&self.jars, self.folder.path(), self.port)?;
        Ok(())
    }

    /// Process id, for measurements.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }
}

fn properties(folder: &Path, port: u16, settings: &[(&str, &str)]) -> anyhow::Result<String> {
    let controller = free_port()?;
    let mut text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         log.cleaner.dedupe.buffer.size=16777216\n",
        folder.join("data").display()
    );
    for (name, value) in settings {
        text.push_str(&format!("{name}={value}\n"));
    }
    Ok(text)
}

fn java(jars: &Path, heap: &str, class: &str) -> Command {
    let mut command = Command::new("java");
    command.args([heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(jars.join("*")).arg(class).env_remove("KAFKA_OPTS").env_remove("CLASSPATH");
    command
}

fn format(jars: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut command = java(jars, "-Xmx128m", "kafka.tools.StorageTool");
    command.args(["format", "-t", CLUSTER, "-c"]).arg(folder.join("server.properties")).stdin(Stdio::null());
    let output = command.output().context("starting java, which Kafka needs: run `./dev setup`")?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "formatting Kafka's folder: {}\n{text}", output.status);
    Ok(())
}

fn launch(jars: &Path, folder: &Path, port: u16) -> anyhow::Result<Guard> {
    let mut command = java(jars, "-Xmx256m", "kafka.Kafka");
    command.arg(folder.join("server.properties"));
    let mut guard = Guard::start(&mut command, &folder.join("kafka.log"))?;
    guard.wait_for_port(port, START_LIMIT)?;
    Ok(guard)
}
