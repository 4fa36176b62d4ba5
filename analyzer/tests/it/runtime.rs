//! The analyzer on a real log: hit in the middle, robbed of its disk, fed with poison, joined by another.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use driftline_analyzer::{AnalyzerConfig, Judge, Judged, Sight};
use driftline_bus::Record;
use driftline_model::ResourceKey;
use driftline_model::record::{DEAD_LETTERS, Part, partition};

use crate::bench::{Bench, PARTITIONS, Running};
use crate::plain::Plain;
use crate::script::{ACCOUNT, parse, transition};
use crate::world::{Dice, World};

/// The world's records as they are published: a record in front, so that offsets are the world's.
pub(crate) fn records(world: &World) -> Vec<Record> {
    let first = Record {
        key: format!("w/{ACCOUNT}/first").into_bytes(),
        value: Some(b"{}".to_vec()),
        headers: Vec::new(),
        ..world.log[0].clone()
    };
    let home = |r: Record| Record { partition: Bench::home(), ..r };
    std::iter::once(first).chain(world.log.iter().cloned()).map(home).collect()
}

/// Starts again and again where the last one's folder is not free yet.
async fn restarted(bench: &Bench) -> Running {
    let limit = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let mut running = bench.analyzer();
        let ended = running.status.wait_for(|s| s.contains_key(&Bench::home())).await.is_err();
        if !ended {
            return running;
        }
        let error = running.failure().await.to_string();
        assert!(error.contains("in use"), "{error}");
        assert!(tokio::time::Instant::now() < limit, "{error}");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn settle(bench: &Bench) {
    let mut running = restarted(bench).await;
    loop {
        let end = bench.end(Bench::home()).await;
        assert!(running.reaches(Bench::home(), end).await);
        if bench.end(Bench::home()).await == end {
            break;
        }
    }
    running.stop().await;
}

async fn same(bench: &Bench) {
    let home = Bench::home();
    let (told, expected) = (bench.told(home).await, bench.expected(home).await);
    assert!(expected.len() > 10, "the world is worth it: {}", expected.len());
    let lines = |told: &[driftline_model::Transition]| -> Vec<String> {
        told.iter().map(|t| format!("{} {} {} {}", transition(t), t.id, t.at_ms, t.opened_ms)).collect()
    };
    assert_eq!(lines(&told), lines(&expected));
    let mut open = BTreeSet::new();
    for t in &expected {
        let id = t.subject.id().to_owned();
        if t.transition == driftline_model::TransitionKind::Resolved {
            open.remove(&id)
        } else {
            open.insert(id)
        };
    }
    let latest: BTreeSet<String> = bench.latest(home).await.into_keys().collect();
    assert_eq!(latest, open);
}

async fn hit_in_the_middle(bench: Bench, seed: u64, lose_disk: bool) {
    let mut dice = Dice(seed);
    let all = records(&World::live(seed, 150));
    let half = all.len() / 2;
    bench.publish(all[..half].iter().cloned()).await;
    let mut next = 0;
    for round in 0..5 {
        if round == 2 {
            bench.publish(all[half..].iter().cloned()).await;
        }
        let mut running = restarted(&bench).await;
        next = (next + 1 + i64::try_from(dice.below(30)).unwrap()).min(bench.end(Bench::home()).await);
        running.reaches(Bench::home(), next).await;
        running.hit().await;
        if lose_disk && round % 2 == 0 {
            lose(&bench).await;
        }
    }
    settle(&bench).await;
    same(&bench).await;
}

/// The state folder is gone, as soon as the analyzer that was hit no longer holds it.
async fn lose(bench: &Bench) {
    restarted(bench).await.hit().await;
    let limit = tokio::time::Instant::now() + Duration::from_secs(30);
    while std::fs::remove_dir_all(bench.state()).is_err() && bench.state().exists() {
        assert!(tokio::time::Instant::now() < limit);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_on_the_embedded_log_tell_the_same() {
    for seed in 0..4 {
        hit_in_the_middle(Bench::embedded().await, seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_disks_on_the_embedded_log_tell_the_same() {
    for seed in 0..4 {
        hit_in_the_middle(Bench::embedded().await, seed, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_and_lost_disks_on_kafka_tell_the_same() {
    hit_in_the_middle(Bench::kafka().await, 7, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_is_away_is_waited_for() {
    let mut bench = Bench::kafka().await;
    let all = records(&World::live(11, 150));
    bench.publish(all[..30].iter().cloned()).await;
    let mut running = bench.analyzer();
    assert!(running.reaches(Bench::home(), 5).await);
    let mut kafka = bench.kafka.take().unwrap();
    let restarted = tokio::task::spawn_blocking(move || {
        kafka.kill();
        kafka.restart().map(|()| kafka)
    });
    bench.kafka = Some(restarted.await.unwrap().unwrap());
    bench.publish(all[30..].iter().cloned()).await;
    let end = bench.end(Bench::home()).await;
    assert!(running.reaches(Bench::home(), end).await, "it did not end");
    running.stop().await;
    settle(&bench).await;
    same(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_a_dead_letter_and_stops_nothing() {
    let bench = Bench::embedded().await;
    let home = Bench::home();
    let at = |line: &str| Record { partition: home, ..parse(line, 0) };
    let mut no_order = at("s eu/t/b @1.1 x=1");
    no_order.headers.retain(|(n, _)| n != "epoch");
    let mut newer = at("s eu/t/b @1.1 x=1");
    newer.headers.push(("version".to_owned(), b"2".to_vec()));
    let other = (0..).map(|n| format!("{n:012}")).find(|a| partition(a, PARTITIONS) != home).unwrap();
    let elsewhere = Record { key: format!("w/{other}/x").into_bytes(), ..at("s eu/t/b @1.1 x=1") };
    let poison = [
        Record { key: b"\xff".to_vec(), ..at("e") },
        Record { key: b"z/what".to_vec(), ..at("e") },
        Record { value: Some(b"{\"key\"".to_vec()), ..at("s eu/t/b @1.1 x=1") },
        Record { value: at("s eu/t/c @1.1 x=1").value, ..at("s eu/t/b @1.1 x=1") },
        no_order,
        newer,
        elsewhere,
    ];
    bench.publish([at("e")]).await;
    bench.publish(poison.iter().cloned()).await;
    bench.publish([at("s eu/t/a @0.1 x=1")]).await;
    let mut running = bench.analyzer();
    assert!(running.reaches(home, 9).await);
    running.stop().await;
    let told: Vec<String> = bench.told(home).await.iter().map(transition).collect();
    assert_eq!(told, ["+unmanaged:eu/t/a"]);
    let letters = bench.read(DEAD_LETTERS, home).await;
    assert_eq!(letters.len(), poison.len());
    for ((offset, letter), record) in (1..).zip(&letters).zip(&poison) {
        let header = |name| String::from_utf8_lossy(letter.header(name).unwrap()).into_owned();
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
        assert!(record.headers.iter().all(|h| letter.headers.contains(h)));
        assert!(!header("reason").is_empty());
        let origin = [header("origin-topic"), header("origin-partition"), header("origin-offset")];
        assert_eq!(origin, ["driftline.inputs".to_owned(), home.to_string(), offset.to_string()]);
    }
}

/// [`Plain`], of another revision: nothing is ever unmanaged.
struct Lenient;

impl Judge for Lenient {
    fn revision(&self) -> &str {
        "lenient"
    }

    fn judge(&self, key: &ResourceKey, sight: Sight<'_>, parts: &[Part]) -> Judged {
        let mut judged = Plain.judge(key, sight, parts);
        judged.drifts.retain(|d| d.kind != driftline_model::DriftKind::Unmanaged);
        judged
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_judge_judges_all_that_is_known_again() {
    let bench = Bench::embedded().await;
    let home = Bench::home();
    let lines = ["e", "s eu/t/a @0.1 x=1", "s eu/t/b @0.2 x=1"];
    bench.publish(lines.map(|l| Record { partition: home, ..parse(l, 0) })).await;
    let mut running = bench.analyzer();
    assert!(running.reaches(home, 3).await);
    running.stop().await;
    let mut running = bench.start(bench.config(), Arc::new(Lenient));
    assert!(running.reaches(home, 3).await);
    running.stop().await;
    let told: Vec<String> = bench.told(home).await.iter().map(transition).collect();
    assert_eq!(told, ["+unmanaged:eu/t/a", "+unmanaged:eu/t/b", "-unmanaged:eu/t/a", "-unmanaged:eu/t/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_analyzer_shares_the_work_and_takes_it_over() {
    let bench = Bench::embedded().await;
    let mut first = bench.analyzer();
    let all = |s: &driftline_analyzer::Status| (0..PARTITIONS).all(|p| s.contains_key(&p));
    first.status.wait_for(all).await.unwrap();
    let config = AnalyzerConfig { state: bench.state().join("second"), ..bench.config() };
    let mut second = bench.start(config, Arc::new(Plain));
    second.status.wait_for(|s| !s.is_empty()).await.unwrap();
    first.status.wait_for(|s| !s.is_empty() && s.len() < PARTITIONS as usize).await.unwrap();
    let lines = ["e", "s eu/t/a @0.1 x=1", "s eu/t/a @0.2 x=1 open=true"];
    bench.publish(lines.map(|l| Record { partition: Bench::home(), ..parse(l, 0) })).await;
    let owner = if first.status.borrow().contains_key(&Bench::home()) { &mut first } else { &mut second };
    assert!(owner.reaches(Bench::home(), 3).await);
    first.hit().await;
    second.status.wait_for(all).await.unwrap();
    assert!(second.reaches(Bench::home(), 3).await);
    second.stop().await;
    let told: Vec<String> = bench.told(Bench::home()).await.iter().map(transition).collect();
    assert_eq!(told, ["+unmanaged:eu/t/a", "+open:eu/t/a:open"]);
}
