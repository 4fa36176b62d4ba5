//! A broker that goes away and comes back: nothing hangs, nothing acknowledged is lost, memory stays bounded.

use std::time::Duration;

use driftline_bus::{Error, KafkaConfig, KafkaLog, Log, Start};
use std::sync::Arc;

use crate::hosts;
use crate::rig::{DAY, assigned, fresh, limited, made, one, publish, read_until, record, topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_down_is_unavailable_and_then_all_goes_on() {
    let mut broker = hosts::broker().await;
    let config = KafkaConfig {
        window_bytes: 64 << 10,
        delivery_timeout: Duration::from_secs(3),
        request_timeout: Duration::from_secs(2),
        ..hosts::one_broker(&broker.bootstrap())
    };
    let log: Arc<dyn Log> = Arc::new(KafkaLog::new(config).unwrap());
    let name = made(&log, "outage", 1, DAY).await;
    publish(&log, vec![record(&name, 0, "k", "before")]).await;
    let mut consumer = log.consumer(&fresh("g"), &[&name]).await.unwrap();
    assigned(&mut *consumer, 1, Start::Beginning).await;
    let producer = log.producer().await.unwrap();
    limited(producer.send(record(&name, 0, "k", "also")).await.unwrap()).await.unwrap();

    broker.kill();
    let unavailable =
        |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    // The window fills, then `send` waits; what was taken fails as unavailable.
    let value = "x".repeat(2000);
    let mut taken = Vec::new();
    while let Ok(delivery) =
        tokio::time::timeout(Duration::from_millis(200), producer.send(record(&name, 0, "k", &value))).await
    {
        taken.push(delivery.unwrap());
        assert!(taken.len() <= 33, "{} records of 2 KB in a window of 64 KB", taken.len());
    }
    let asked = tokio::time::Instant::now();
    unavailable(producer.flush(Duration::from_millis(300)).await);
    assert!(asked.elapsed() < Duration::from_secs(2));
    unavailable(log.ensure(&[topic(&name, 1, DAY)]).await);
    unavailable(limited(consumer.commit(&one(&name, 0, 1))).await);
    unavailable(log.committed("g", &name).await.map(drop));
    for delivery in taken {
        unavailable(limited(delivery).await.map(drop));
    }

    let mut broker = tokio::task::spawn_blocking(move || broker.restart().map(|()| broker)).await.unwrap().unwrap();
    let again = limited(async {
        loop {
            let delivery = producer.send(record(&name, 0, "k", "after")).await.unwrap();
            if let Ok(offset) = delivery.await {
                break offset;
            }
        }
    })
    .await;
    let read = read_until(&mut *consumer, Start::Committed, |all| all.iter().any(|r| r.offset == again)).await;
    let values: Vec<_> = read.iter().filter_map(|r| r.value.as_deref()).collect();
    assert_eq!((values[0], values[1], *values.last().unwrap()), (&b"before"[..], &b"also"[..], &b"after"[..]));
    limited(async {
        while consumer.commit(&one(&name, 0, again + 1)).await.is_err() {
            // The group comes back with the next polls.
            let _ = tokio::time::timeout(Duration::from_millis(100), consumer.poll()).await;
        }
    })
    .await;

    broker.kill();
    let asked = tokio::time::Instant::now();
    let _ = consumer.close().await;
    drop(producer);
    assert!(asked.elapsed() < Duration::from_secs(12), "closing is bounded: {:?}", asked.elapsed());
}
