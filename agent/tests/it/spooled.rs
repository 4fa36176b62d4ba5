//! What the agent does while nobody takes its records.

use driftline_proto::v1::Record;
use driftline_proto::v1::agent_message::Message as FromAgent;

use crate::aggregator::{Play, Talk, keys};

const WIDE: u64 = 1 << 20;

/// The values of `a` that the records tell, in order.
fn values(records: &[Record]) -> Vec<String> {
    let told = records.iter().filter(|r| r.key.ends_with("aws_vpc/a") && !r.tombstone);
    let text = told.map(|r| String::from_utf8_lossy(&r.body).into_owned());
    text.map(|t| t.split("cidr_block\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()).collect()
}

/// Records, each acknowledged, until `a` was told to have that value and the round has closed.
async fn until(talk: &mut Talk, value: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for _ in 0..500 {
        records.extend(talk.round().await);
        if values(&records).last().is_some_and(|v| v == value) {
            return records;
        }
    }
    panic!("{value} never came: {:?}", keys(&records));
}

async fn known() -> (Play, Talk) {
    let mut play = Play::start().await;
    play.set(&[("a", "0"), ("b", "x")]);
    let mut talk = play.talk().await;
    talk.greet(WIDE, 7).await;
    until(&mut talk, "0").await;
    (play, talk)
}

fn in_order(records: &[Record]) {
    let orders: Vec<_> = records.iter().map(|r| (r.epoch, r.number)).collect();
    assert!(orders.is_sorted_by(|a, b| a < b), "{orders:?}");
}

#[tokio::test]
async fn what_changed_while_nobody_listened_is_told_in_order_also_by_the_next_process() {
    let (mut play, talk) = known().await;
    drop(talk);
    // Nobody answers this one, nor the one of the next process.
    let unanswered = play.talk().await;
    for value in ["1", "2"] {
        play.set(&[("a", value), ("b", "x")]);
        play.cloud.read(2).await;
    }
    play.stop_agent().await.unwrap();
    drop(unanswered);
    play.start_agent();
    for value in ["3", "4"] {
        play.set(&[("a", value)]);
        play.cloud.read(2).await;
    }
    let mut talk = play.talk().await;
    let (_, claim) = talk.greet(WIDE, 7).await;
    assert_eq!(claim.epoch, 7, "the epoch is kept");
    let told = until(&mut talk, "4").await;
    assert_eq!(values(&told), ["1", "2", "3", "4"]);
    assert!(keys(&told).contains(&"-s/b".to_owned()) && told.iter().all(|r| r.epoch == 7));
    in_order(&told);
}

#[tokio::test]
async fn who_has_lost_what_was_sent_still_has_what_was_not() {
    let (mut play, talk) = known().await;
    drop(talk);
    let unanswered = play.talk().await;
    for value in ["1", "2", "3"] {
        play.set(&[("a", value), ("b", "x")]);
        play.cloud.read(2).await;
    }
    play.kill_agent().await;
    drop(unanswered);
    std::fs::remove_dir_all(play.store()).unwrap();
    play.start_agent();
    let mut talk = play.talk().await;
    let (_, claim) = talk.greet(WIDE, 9).await;
    assert_eq!(claim.epoch, 0, "nothing is held");
    let mut told = until(&mut talk, "3").await;
    play.set(&[("a", "4"), ("b", "x")]);
    told.extend(until(&mut talk, "4").await);
    let values = values(&told);
    assert!(
        values.starts_with(&["1", "2", "3"].map(str::to_owned)) && values.ends_with(&["4".to_owned()]),
        "{values:?}"
    );
    assert!(keys(&told).contains(&"s/b".to_owned()) && told.iter().all(|r| r.epoch == 9), "all of it again");
    in_order(&told);
}

#[tokio::test]
async fn a_full_spool_stops_the_reading_says_so_and_loses_nothing() {
    let mut play = Play::start().await;
    play.kill_agent().await;
    play.spool_bytes = 6000;
    play.set(&[("a", "0")]);
    play.start_agent();
    let mut talk = play.talk().await;
    let (_, _) = talk.greet(WIDE, 7).await;
    let mut told = until(&mut talk, "0").await;
    // From now on nothing is acknowledged.
    let mut value = 0;
    let full = loop {
        match talk.next().await.expect("the stream goes on") {
            FromAgent::Heartbeat(beat) if beat.spool_full => break beat,
            FromAgent::Heartbeat(_) => {}
            FromAgent::Batch(batch) => told.extend(batch.records),
            other => panic!("{other:?}"),
        }
        value += 1;
        play.set(&[("a", &value.to_string())]);
    };
    assert!((3000..=6000).contains(&full.spooled_bytes), "{full:?}");
    let rounds = *play.cloud.rounds.borrow();
    for _ in 0..2 {
        while !matches!(talk.next().await, Some(FromAgent::Heartbeat(_))) {}
    }
    let more = *play.cloud.rounds.borrow() - rounds;
    assert!(more == 0, "read {more} times with a full spool");
    play.set(&[("a", "end")]);
    talk.acknowledge(told.last().unwrap().sequence).await;
    let rest = until(&mut talk, "end").await;
    told.extend(rest);
    in_order(&told);
    loop {
        match talk.next().await.expect("the stream goes on") {
            FromAgent::Heartbeat(beat) if !beat.spool_full => return,
            FromAgent::Batch(batch) => talk.acknowledge(batch.records.last().unwrap().sequence).await,
            _ => {}
        }
    }
}
