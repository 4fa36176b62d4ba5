//! What only Kafka has: settings of topics, settings of clients, static members.

use std::time::Duration;

use driftline_bus::{Error, KafkaConfig, KafkaLog, Keep, Log, Polled, Start, Topic, topics};
use std::sync::Arc;

use crate::hosts;
use crate::rig::{DAY, assigned, fresh, limited, made, next, one, publish, read_count, record, topic};

#[test]
fn settings_that_would_lose_records_are_refused() {
    let with = |key: &str, value: &str| KafkaConfig {
        extra: [(key.to_owned(), value.to_owned())].into(),
        ..hosts::one_broker("127.0.0.1:1")
    };
    for (config, word) in [
        (with("acks", "1"), "acks"),
        (with("enable.auto.commit", "true"), "enable.auto.commit"),
        (with("no.such.setting", "1"), "no.such.setting"),
        (with("security.protocol", "nonsense"), "security.protocol"),
        (KafkaConfig { bootstrap: String::new(), ..with("ssl.ca.location", "/x") }, "bootstrap"),
        (KafkaConfig { min_insync: 2, ..hosts::one_broker("h:1") }, "min_insync"),
    ] {
        let error = KafkaLog::new(config).unwrap_err();
        assert!(matches!(&error, Error::Misconfigured(m) if m.contains(word)), "{error}");
    }
    let secret = with("sasl.password", "swordfish");
    assert!(!format!("{secret:?}").contains("swordfish"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_static_members() {
    let broker = hosts::broker().await;
    let config = hosts::one_broker(&broker.bootstrap());
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(config.clone()).unwrap());
    wrong_settings_are_named(&log, &config).await;
    a_static_member_comes_back_to_its_partitions(&log, &config).await;
    readers_end_and_leave_nothing(&log).await;
}

async fn wrong_settings_are_named(log: &Arc<dyn Log>, config: &KafkaConfig) {
    let ours = topics(2);
    log.ensure(&ours).await.unwrap();
    log.ensure(&ours).await.unwrap();
    let name = fresh("settings");
    let small = Topic { max_message_bytes: 100_000, ..topic(&name, 1, Keep::CompactedAfter(1000)) };
    log.ensure(std::slice::from_ref(&small)).await.unwrap();
    let timed = made(log, "timed", 1, Keep::Milliseconds(1000)).await;
    let strict = KafkaConfig { replication: 3, min_insync: 2, ..config.clone() };
    let strict: Arc<dyn Log> = Arc::new(KafkaLog::new(strict).unwrap());
    for (log, wanted, words) in [
        (
            log,
            Topic { max_message_bytes: 200_000, ..small.clone() },
            "max.message.bytes is 100000, wanted at least 200000",
        ),
        (
            log,
            Topic { keep: Keep::CompactedAfter(9000), ..small.clone() },
            "min.compaction.lag.ms is 1000, wanted at least 9000",
        ),
        (log, topic(&timed, 1, DAY), "retention.ms is 1000, wanted at least 86400000"),
        (&strict, small.clone(), "min.insync.replicas is 1, wanted at least 2"),
        (&strict, small, "replication factor is 1, wanted at least 3"),
    ] {
        let error = log.ensure(&[wanted]).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = strict.ensure(&[topic(&fresh("three"), 1, DAY)]).await.unwrap_err();
    assert!(matches!(error, Error::Misconfigured(_)), "three replicas on one broker: {error}");
}

async fn a_static_member_comes_back_to_its_partitions(log: &Arc<dyn Log>, config: &KafkaConfig) {
    let (name, group) = (made(log, "static", 4, DAY).await, fresh("g"));
    publish(log, (0..8).map(|n| record(&name, n % 4, "k", "v")).collect()).await;
    let member = |id: &str| {
        let config = KafkaConfig { group_instance_id: Some(id.to_owned()), ..config.clone() };
        KafkaLog::new(config).unwrap()
    };
    let mut stays = member("stays").consumer(&group, &[&name]).await.unwrap();
    assigned(&mut *stays, 4, Start::Committed).await;
    let mut goes = member("goes").consumer(&group, &[&name]).await.unwrap();
    let mut got = 0;
    limited(async {
        while got < 2 {
            for consumer in [&mut stays, &mut goes] {
                let Ok(polled) = tokio::time::timeout(Duration::from_millis(50), next(&mut **consumer)).await else {
                    continue;
                };
                if let Polled::Assigned(new) = polled {
                    got += new.len();
                }
            }
        }
    })
    .await;
    goes.close().await.unwrap();
    let mut back = member("goes").consumer(&group, &[&name]).await.unwrap();
    limited(async {
        let mut got = 0;
        while got < 2 {
            tokio::select! {
                polled = next(&mut *back) => if let Polled::Assigned(new) = polled { got += new.len() },
                polled = next(&mut *stays) => assert!(!matches!(polled, Polled::Revoked(_) | Polled::Assigned(_))),
            }
        }
    })
    .await;
    back.close().await.unwrap();
    stays.close().await.unwrap();
}

/// Every reader of librdkafka has threads of its own: these must be gone with it.
async fn readers_end_and_leave_nothing(log: &Arc<dyn Log>) {
    let name = made(log, "threads", 1, DAY).await;
    publish(log, vec![record(&name, 0, "k", "v")]).await;
    let before = threads();
    for _ in 0..8 {
        assert_eq!(crate::rig::whole(log, &name, 0).await.len(), 1);
        drop(log.read(&name, 0).await.unwrap());
        let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
        read_count(&mut *consumer, Start::Beginning, 1).await;
        consumer.commit(&one(&name, 0, 1)).await.unwrap();
        drop(consumer);
    }
    limited(async {
        while threads() > before + 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Of librdkafka, in this process.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter(|t| std::fs::read_to_string(t.path().join("comm")).is_ok_and(|c| c.starts_with("rdk:"))).count()
}
