//! Apache Kafka in KRaft mode, one node: broker and controller in one JVM, on free ports and in a temporary folder. In the
//! clear, or secured: TLS, users with passwords, and rights that Kafka's own authorizer keeps.

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
    format(&jars, folder.path(), std::iter::empty())?;
    let guard = launch(&jars, folder.path(), port)?;
    Ok(Kafka { guard, jars, port, folder })
}

/// What a secured broker is made of.
#[derive(Debug, Clone)]
pub struct Secured {
    /// Its certificate for `localhost` and its key, PEM, one after the other.
    pub identity: String,
    /// The CA of clients that show a certificate, PEM.
    pub ca: String,
    /// Users and their passwords, for SCRAM-SHA-512.
    pub users: Vec<(String, String)>,
}

/// A broker that lets nobody do what no rule allows.
#[derive(Debug)]
pub struct SecuredKafka {
    kafka: Kafka,
    inside: u16,
    certificates: u16,
}

/// Starts a broker with `SASL_SSL` on one port, TLS with certificates of clients on a second, and for its operator
/// plaintext on a third, where everything is allowed.
pub fn start_secured(secured: &Secured) -> anyhow::Result<SecuredKafka> {
    let jars = crate::tool("DRIFTLINE_KAFKA", "kafka-4.3.1")?.join("libs");
    let folder = tempfile::tempdir()?;
    let (port, inside, certificates) = (free_port()?, free_port()?, free_port()?);
    let (identity, ca) = (folder.path().join("broker.pem"), folder.path().join("ca.pem"));
    std::fs::write(&identity, &secured.identity)?;
    std::fs::write(&ca, &secured.ca)?;
    let listeners = format!(
        "SASL_SSL://127.0.0.1:{port},TLS://127.0.0.1:{certificates},INSIDE://127.0.0.1:{inside},CONTROLLER://127.0.0.1:"
    );
    let advertised = format!("SASL_SSL://localhost:{port},TLS://localhost:{certificates},INSIDE://127.0.0.1:{inside}");
    let controller = free_port()?;
    let settings = [
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("listeners", format!("{listeners}{controller}")),
        ("advertised.listeners", advertised),
        (
            "listener.security.protocol.map",
            "SASL_SSL:SASL_SSL,TLS:SSL,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("inter.broker.listener.name", "INSIDE".to_owned()),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512,PLAIN".to_owned()),
        (
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned(),
        ),
        (
            "listener.name.sasl_ssl.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_plain=\"open sesame\";".to_owned(),
        ),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.location", identity.display().to_string()),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.location", ca.display().to_string()),
        ("listener.name.tls.ssl.client.auth", "required".to_owned()),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
        ("super.users", "User:ANONYMOUS".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    std::fs::write(folder.path().join("server.properties"), properties(folder.path(), port, &settings)?)?;
    let users = secured.users.iter().map(|(name, password)| format!("SCRAM-SHA-512=[name={name},password={password}]"));
    format(&jars, folder.path(), users)?;
    let mut guard = launch(&jars, folder.path(), port)?;
    guard.wait_for_port(certificates, START_LIMIT)?;
    guard.wait_for_port(inside, START_LIMIT)?;
    Ok(SecuredKafka { kafka: Kafka { guard, jars, port, folder }, inside, certificates })
}

impl SecuredKafka {
    /// `localhost:PORT`, where users show passwords within TLS.
    pub fn bootstrap(&self) -> String {
        format!("localhost:{}", self.kafka.port)
    }

    /// `localhost:PORT`, where clients show certificates.
    pub fn with_certificates(&self) -> String {
        format!("localhost:{}", self.certificates)
    }

    /// `127.0.0.1:PORT` in plaintext, where everything is allowed.
    pub fn inside(&self) -> String {
        format!("127.0.0.1:{}", self.inside)
    }

    /// Runs lines of `kafka-acls.sh` by Kafka's own command, as its operator.
    pub fn acls(&self, lines: &[String]) -> anyhow::Result<()> {
        for line in lines {
            let words: Vec<_> = line.split_whitespace().map(|word| word.trim_matches('\'')).collect();
            let Some(("kafka-acls.sh", arguments)) = words.split_first().map(|(first, rest)| (*first, rest)) else {
                anyhow::bail!("no line of kafka-acls.sh: {line}");
            };
            let mut command = java(&self.kafka.jars, "-Xmx96m", "org.apache.kafka.tools.AclCommand");
            command.args(["--bootstrap-server", &self.inside()]).args(arguments).stdin(Stdio::null());
            let output = command.output().context("starting java, which Kafka needs: run `./dev setup`")?;
            let text = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "{line}: {}\n{text}", output.status);
        }
        Ok(())
    }
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

fn format(jars: &Path, folder: &Path, users: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut command = java(jars, "-Xmx128m", "kafka.tools.StorageTool");
    command.args(["format", "-t", CLUSTER, "-c"]).arg(folder.join("server.properties")).stdin(Stdio::null());
    for user in users {
        command.arg("--add-scram").arg(user);
    }
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
