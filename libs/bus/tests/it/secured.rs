//! A broker with TLS, users and rights: each role does all of its work with the published rights and nothing else, and what
//! is wrong with a connection is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftline_bus::{
    Error, Groups, KafkaConfig, KafkaLog, Log, Mechanism, Polled, Resource, Role, Sasl, Security, Start, Tls, topics,
};
use driftline_dev::kafka::{Secured, SecuredKafka};
use driftline_identity::{AgentId, Authority, Issued, Lifetime};
use driftline_model::record::{DEAD_LETTERS, DRIFTS, EVENTS, INPUTS};
use time::OffsetDateTime;

use crate::hosts;
use crate::rig::{limited, next, one, record};

const PARTITIONS: u32 = 2;

struct World {
    kafka: SecuredKafka,
    folder: tempfile::TempDir,
}

fn lifetime() -> Lifetime {
    Lifetime { now: OffsetDateTime::now_utc(), valid: Duration::from_secs(86_400) }
}

fn groups() -> Groups {
    Groups { analyzer: "driftline-analyzer".to_owned(), writer: "driftline-writer".to_owned() }
}

fn user(role: Role) -> String {
    format!("driftline-{}", role.name())
}

impl World {
    async fn start() -> Self {
        let (authority, ca) = Authority::create("brokers", lifetime()).unwrap();
        let Issued { certificate, key } = authority.server(&["localhost".to_owned()], lifetime()).unwrap();
        let mut users: Vec<_> = Role::EACH.map(|r| (user(r), format!("pw-{}", r.name()))).to_vec();
        users.push(("driftline-nobody".to_owned(), "pw-nobody".to_owned()));
        let secured = Secured { identity: format!("{certificate}{key}"), ca: ca.certificate.clone(), users };
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("ca.pem", &ca.certificate);
        let agent = authority.agent(&AgentId::parse("spiffe://driftline/agent/a").unwrap(), lifetime()).unwrap();
        write("client.pem", &agent.certificate);
        write("client.key", &agent.key);
        let (_, other) = Authority::create("others", lifetime()).unwrap();
        write("other.pem", &other.certificate);
        let start = move || driftline_dev::kafka::start_secured(&secured).unwrap();
        let kafka = tokio::task::spawn_blocking(start).await.unwrap();
        Self { kafka, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn security(&self, ca: &Path, name: &str, password: &str) -> Security {
        let sasl = Sasl { mechanism: Mechanism::ScramSha512, username: name.to_owned(), password: password.to_owned() };
        Security { tls: Some(Tls { ca: Some(ca.to_owned()), identity: None }), sasl: Some(sasl), plaintext: false }
    }

    fn log_with(&self, bootstrap: &str, security: Security) -> KafkaLog {
        let request_timeout = Duration::from_secs(3);
        KafkaLog::new(KafkaConfig { security, request_timeout, ..hosts::one_broker(bootstrap) }).unwrap()
    }

    fn log(&self, role: Role) -> Arc<dyn Log> {
        let security = self.security(&self.path("ca.pem"), &user(role), &format!("pw-{}", role.name()));
        Arc::new(self.log_with(&self.kafka.bootstrap(), security))
    }

    async fn refused(&self, bootstrap: &str, security: Security, words: &[&str]) {
        let error = limited(self.log_with(bootstrap, security).ensure(&topics(PARTITIONS))).await.unwrap_err();
        assert!(matches!(error, Error::Misconfigured(_)), "{error:?}");
        for word in words {
            assert!(error.to_string().contains(word), "{word}: {error}");
        }
    }
}

/// Whether a right was missing: named as such, with what to do.
fn denied<T>(outcome: Result<T, Error>) -> bool {
    match outcome {
        Err(Error::Misconfigured(text)) => {
            assert!(text.contains("kafka-acls") || text.contains("kafka-topics"), "{text}");
            true
        }
        Err(error) => panic!("{error}"),
        Ok(_) => false,
    }
}

async fn may_write(log: &Arc<dyn Log>, topic: &str) -> bool {
    let producer = log.producer().await.unwrap();
    match producer.send(record(topic, 0, "k", "v")).await {
        Ok(delivery) => !denied(limited(delivery).await),
        Err(error) => !denied::<()>(Err(error)),
    }
}

async fn may_read(log: &Arc<dyn Log>, topic: &str) -> bool {
    use futures::TryStreamExt;
    match limited(log.read(topic, 0)).await {
        Ok(stream) => !denied(limited(stream.try_collect::<Vec<_>>()).await),
        Err(error) => !denied::<()>(Err(error)),
    }
}

/// Joins, reads from the beginning and commits.
async fn may_follow(log: &Arc<dyn Log>, group: &str, topic: &str) -> bool {
    let mut consumer = match log.consumer(group, &[topic]).await {
        Ok(consumer) => consumer,
        Err(error) => return !denied::<()>(Err(error)),
    };
    let joined = limited(async {
        loop {
            match consumer.poll().await {
                Ok(Polled::Assigned(partitions)) => break Ok(partitions),
                Ok(_) | Err(Error::Unavailable(_)) => {}
                Err(error) => break Err(error),
            }
        }
    })
    .await;
    let Ok(partitions) = joined else { return !denied(joined) };
    for (topic, partition) in partitions {
        consumer.start(&topic, partition, Start::Beginning).await.unwrap();
    }
    let Polled::Records(_) = limited(next(&mut *consumer)).await else { panic!("no records") };
    consumer.commit(&one(topic, 0, 1)).await.unwrap();
    consumer.close().await.unwrap();
    limited(log.committed(group, topic)).await.unwrap();
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_published_rights_each_role_does_its_work_and_nothing_else() {
    let world = World::start().await;
    // Nothing is there and nobody may do anything: what is missing is named.
    assert!(denied(limited(world.log(Role::Aggregator).ensure(&Role::Aggregator.topics(PARTITIONS))).await));
    let lines: Vec<String> =
        Role::EACH.iter().flat_map(|role| role.commands(&format!("User:{}", user(*role)), &groups())).collect();
    let world = tokio::task::spawn_blocking(move || world.kafka.acls(&lines).map(|()| world)).await.unwrap().unwrap();
    // Who may not make topics says who may.
    let error = limited(world.log(Role::Aggregator).ensure(&Role::Aggregator.topics(PARTITIONS))).await.unwrap_err();
    assert!(error.to_string().contains("`driftline kafka-topics`"), "{error}");
    limited(world.log(Role::Topics).ensure(&Role::Topics.topics(PARTITIONS))).await.unwrap();
    let everything: Arc<dyn Log> = Arc::new(KafkaLog::new(hosts::one_broker(&world.kafka.inside())).unwrap());
    for topic in [INPUTS, EVENTS, DRIFTS, DEAD_LETTERS] {
        assert!(may_write(&everything, topic).await);
    }

    let reads = |role: Role, name: &str| allowed(role, name, driftline_bus::Operation::Read);
    let writes = |role: Role, name: &str| allowed(role, name, driftline_bus::Operation::Write);
    for role in Role::EACH {
        let log = world.log(role);
        limited(log.ensure(&role.topics(PARTITIONS))).await.unwrap();
        for topic in [INPUTS, EVENTS, DRIFTS, DEAD_LETTERS] {
            assert_eq!(may_write(&log, topic).await, writes(role, topic), "{role:?} writes {topic}");
            assert_eq!(may_read(&log, topic).await, reads(role, topic), "{role:?} reads {topic}");
        }
        for group in ["driftline-analyzer", "driftline-writer"] {
            let may = reads(role, group) && reads(role, INPUTS);
            assert_eq!(may_follow(&log, group, INPUTS).await, may, "{role:?} follows as {group}");
        }
    }
    // A user without rights, and topics of others.
    let nobody = world.security(&world.path("ca.pem"), "driftline-nobody", "pw-nobody");
    let nobody: Arc<dyn Log> = Arc::new(world.log_with(&world.kafka.bootstrap(), nobody));
    assert!(!may_read(&nobody, INPUTS).await && !may_write(&nobody, INPUTS).await);
    let other = crate::rig::topic("somebody.elses", 1, crate::rig::DAY);
    assert!(denied(limited(world.log(Role::Topics).ensure(&[other])).await));
}

fn allowed(role: Role, name: &str, operation: driftline_bus::Operation) -> bool {
    let named = |r: &Resource| matches!(r, Resource::Topic(n) | Resource::Group(n) if n == name);
    role.rights(&groups()).iter().any(|r| named(&r.resource) && r.operations.contains(&operation))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_connection_is_named() {
    let world = World::start().await;
    let (bootstrap, ca) = (world.kafka.bootstrap(), world.path("ca.pem"));
    let name = user(Role::Topics);
    let good = world.security(&ca, &name, "pw-topics");
    let with = |change: fn(&mut Security)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let password = ["do not know this user and password", "bus.sasl"];
    world.refused(&bootstrap, world.security(&ca, &name, "pw-writer"), &password).await;
    world.refused(&bootstrap, world.security(&ca, "driftline-strangers", "pw-topics"), &password).await;
    let plain = with(|s| s.sasl.as_mut().unwrap().mechanism = Mechanism::Plain);
    world.refused(&bootstrap, plain, &password).await;
    let sha256 = with(|s| s.sasl.as_mut().unwrap().mechanism = Mechanism::ScramSha256);
    world.refused(&bootstrap, sha256, &["bus.sasl.mechanism"]).await;
    let other = world.security(&world.path("other.pem"), &name, "pw-topics");
    world.refused(&bootstrap, other, &["bus.tls.ca"]).await;
    // The certificate is for `localhost`, which the address is not.
    let address = bootstrap.replace("localhost", "127.0.0.1");
    world.refused(&address, good.clone(), &["bus.tls.ca", "not for their name"]).await;
    // With certificates: none is refused, one is let in, and then has no rights.
    let tls = Security { sasl: None, ..good.clone() };
    world.refused(&world.kafka.with_certificates(), tls.clone(), &["bus.tls.certificate"]).await;
    let identity = Some((world.path("client.pem"), world.path("client.key")));
    let known = Security { tls: Some(Tls { ca: Some(ca.clone()), identity }), ..tls };
    world.refused(&world.kafka.with_certificates(), known.clone(), &["kafka-acls"]).await;
    let lines = Role::Topics.commands("User:CN=driftline agent", &groups());
    assert!(lines.iter().all(|l| l.contains("'User:CN=driftline agent'")), "{lines:?}");
    // TLS to a port without: no answer, and why. The other way there is none to tell.
    for (bootstrap, security, why) in
        [(world.kafka.inside(), good, "Disconnected"), (bootstrap, Security::default(), "")]
    {
        let error = limited(world.log_with(&bootstrap, security).ensure(&topics(PARTITIONS))).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)) && error.to_string().contains(why), "{error}");
    }
}
