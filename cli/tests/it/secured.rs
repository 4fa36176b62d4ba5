//! Every role a process and a user of its own at a broker that asks for passwords over TLS and keeps rights: the whole way from
//! an account to a drift goes with the published rights, and each role is kept from the work of another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use driftline_dev::kafka::{Secured, SecuredKafka};
use driftline_identity::{Authority, Lifetime};
use driftline_store::StoreConfig;
use serde_json::Value;

use crate::cluster::{PARTITIONS, open, settings, store};
use crate::rig::{Rig, eventually, is};

const ROLES: [&str; 5] = ["aggregator", "analyzer", "writer", "import", "topics"];

struct World {
    kafka: SecuredKafka,
    rig: Rig,
    ca: PathBuf,
    store: StoreConfig,
    listen: std::net::SocketAddr,
}

impl World {
    async fn start(store: StoreConfig) -> Self {
        let lifetime = Lifetime { now: time::OffsetDateTime::now_utc(), valid: Duration::from_secs(86_400) };
        let (authority, ca) = Authority::create("brokers", lifetime).unwrap();
        let broker = authority.server(&["localhost".to_owned()], lifetime).unwrap();
        let users = ROLES.map(|r| (format!("driftline-{r}"), format!("pw-{r}"))).to_vec();
        let secured =
            Secured { identity: format!("{}{}", broker.certificate, broker.key), ca: ca.certificate.clone(), users };
        let kafka = tokio::task::spawn_blocking(move || driftline_dev::kafka::start_secured(&secured).unwrap());
        let (rig, kafka) = tokio::join!(Rig::start(), kafka);
        let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ca = rig.write("brokers.pem", &ca.certificate);
        Self { kafka: kafka.unwrap(), rig, ca, store, listen }
    }

    /// The settings of a role that is `user` to the brokers.
    fn config(&self, user: &str, password: &str) -> PathBuf {
        let password = self.rig.write(&format!("{user}.password"), password);
        let text = format!(
            "{}[agent]\ninterval = \"1s\"\n[aggregator]\nlisten = \"{}\"\n[bus]\nkind = \"kafka\"\nbootstrap = \"{}\"\n\
             partitions = {PARTITIONS}\nreplication = 1\nmin_insync = 1\ntls = {{ ca = \"{}\" }}\n\
             sasl = {{ mechanism = \"scram-sha-512\", username = \"driftline-{user}\", password = {{ file = \"{}\" }} }}\n",
            self.rig.accounts(),
            self.listen,
            self.kafka.bootstrap(),
            self.ca.display(),
            password.display(),
        );
        settings(&self.rig, user, &text, &self.store)
    }

    fn refused(&self, config: &Path, arguments: &[&str], words: &str) {
        let (code, _, err) = self.rig.run(config, arguments);
        assert!(code == 1 && err.contains(words), "{arguments:?}: {code}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_runs_with_a_user_and_the_least_rights_per_role() {
    let (tables, store) = store().await;
    let world = World::start(store).await;
    let [aggregator, analyzer, writer, import, topics] = ROLES.map(|r| world.config(r, &format!("pw-{r}")));
    let rig = &world.rig;

    let (code, lines, err) = rig.run(&topics, &["kafka-acls"]);
    assert_eq!(code, 0, "{err}");
    let lines: Vec<String> = lines.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect();
    // Without its rights a role says what it lacks; with them, that nobody has made the topics.
    world.refused(&aggregator, &["aggregator"], "kafka-acls");
    world.kafka.acls(&lines).unwrap();
    world.refused(&aggregator, &["aggregator"], "driftline kafka-topics");
    let (code, _, err) = rig.run(&topics, &["kafka-topics"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = rig.run(&topics, &["check-config"]);
    assert_eq!(code, 0, "{err}");

    // Each is kept from the work of another.
    world.refused(&aggregator, &["analyzer", "--only", "judge"], "kafka-acls");
    world.refused(&import, &["analyzer", "--only", "writer"], "kafka-acls");
    let wrong = world.config("aggregator", "pw-of-another");
    world.refused(&wrong, &["aggregator"], "do not know this user and password");
    let aggregator = world.config("aggregator", "pw-aggregator");

    let _aggregator = rig.role(&aggregator, "aggregator", &["aggregator"]);
    let (code, out, err) = rig.run(&import, &["baseline", "import", &rig.states(), "--format", "json"]);
    let imported: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
    assert!(code == 0 && imported["baselines"].as_u64() >= Some(60), "{imported}");
    let _judging = rig.role(&analyzer, "judge", &["analyzer", "--only", "judge"]);
    let _writing = rig.role(&writer, "writer", &["analyzer", "--only", "writer"]);
    let expected = rig.fleet.drift().await.unwrap();
    let _agent = rig.role(&aggregator, "agent", &["agent"]);
    eventually("all ten changes", || async {
        let found = open(&tables).await;
        expected.iter().all(|e| found.iter().any(|d| is(d, e)))
    })
    .await;
    assert_eq!(open(&tables).await.len(), expected.len(), "one drift per change");
}
