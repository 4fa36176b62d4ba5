//! The shell on tokio's paused clock: futures are woken in time, dropped ones leave nothing behind.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::*;

fn limiter(per_second: f64, burst: f64) -> Limiter {
    Limiter::new(LimiterConfig { rates: [("s3".to_owned(), Rate { per_second, burst })].into(), ..Default::default() })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_at_ten_a_second_take_nine_seconds() {
    let limiter = limiter(10.0, 10.0);
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let limiter = limiter.clone();
        tasks.spawn(async move { limiter.permit("a", "r", "s3").await.done(Outcome::Ok) });
    }
    tasks.join_all().await;
    let took = begin.elapsed().as_secs_f64();
    assert!((8.9..9.2).contains(&took), "{took}");
    assert_eq!(limiter.usage().requests, 0);
    assert_eq!(limiter.usage().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_rate_goes_out_in_beats_and_at_the_full_rate() {
    for (per_second, burst) in [(100.0, 20.0), (100.0, 1.0), (7.0, 1.0)] {
        let limiter = limiter(per_second, burst);
        let begin = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..200 {
            let limiter = limiter.clone();
            tasks.spawn(async move {
                limiter.permit("a", "r", "s3").await.done(Outcome::Ok);
                begin.elapsed().as_millis()
            });
        }
        let times: std::collections::BTreeSet<u128> = tasks.join_all().await.into_iter().collect();
        assert!(times.iter().all(|t| t % BEAT.as_millis() <= 2), "{times:?}");
        let wanted = (200.0 - burst) / per_second;
        let took = begin.elapsed().as_secs_f64();
        let near = 2.0 * BEAT.as_secs_f64();
        assert!((wanted - near..wanted + near).contains(&took), "{took} instead of {wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_time_wakes_the_driver() {
    let slow = Limiter::new(LimiterConfig {
        rates: [
            ("s3".to_owned(), Rate { per_second: 0.01, burst: 1.0 }),
            ("ec2".to_owned(), Rate { per_second: 1.0, burst: 1.0 }),
        ]
        .into(),
        ..Default::default()
    });
    for service in ["s3", "ec2"] {
        slow.permit("a", "r", service).await.done(Outcome::Ok);
    }
    let waiting = tokio::spawn({
        let slow = slow.clone();
        async move { slow.permit("a", "r", "s3").await.done(Outcome::Ok) }
    });
    tokio::task::yield_now().await;
    let begin = Instant::now();
    slow.permit("a", "r", "ec2").await.done(Outcome::Ok);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    waiting.await.unwrap();
    assert!(begin.elapsed() > Duration::from_secs(98));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_its_place() {
    let limiter = limiter(0.1, 1.0);
    limiter.permit("a", "r", "s3").await.done(Outcome::Ok);
    assert!(timeout(Duration::from_secs(1), limiter.permit("a", "r", "s3")).await.is_err());
    assert_eq!(limiter.usage().waiting, 0);
    let begin = Instant::now();
    limiter.permit("a", "r", "s3").await.done(Outcome::Ok);
    assert!(begin.elapsed() < Duration::from_secs(10), "the token was not spent on the one who left");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_frees_its_slot_and_bytes() {
    let limiter = Limiter::new(LimiterConfig { requests: 1, ..Default::default() });
    let permit = limiter.permit("a", "r", "s3").await;
    let mut meter = permit.meter().unwrap();
    meter.hold(1 << 20).await;
    assert_eq!(limiter.usage().bytes, 1 << 20);
    let next = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.permit("b", "r", "s3").await.done(Outcome::Ok) }
    });
    tokio::task::yield_now().await;
    assert!(!next.is_finished());
    drop(permit);
    next.await.unwrap();
    meter.hold(1 << 20).await;
    assert_eq!(limiter.usage(), Usage { partitions: 2, ..Usage::default() });
}

#[tokio::test(start_paused = true)]
async fn one_account_that_hangs_holds_up_nobody() {
    let limiter = Limiter::new(LimiterConfig { requests: 8, ..Default::default() });
    let mut hanging = JoinSet::new();
    for _ in 0..50 {
        let limiter = limiter.clone();
        hanging.spawn(async move {
            let permit = limiter.permit("hog", "r", "s3").await;
            std::future::pending::<()>().await;
            drop(permit);
        });
    }
    tokio::task::yield_now().await;
    let begin = Instant::now();
    for i in 0..100 {
        limiter.permit(&format!("account{i}"), "r", "s3").await.done(Outcome::Ok);
    }
    assert!(begin.elapsed() < Duration::from_millis(10));
    hanging.abort_all();
    while hanging.join_next().await.is_some() {}
    assert_eq!((limiter.usage().requests, limiter.usage().waiting), (0, 0));
}

#[test]
fn outlives_the_runtime_it_was_first_used_in() {
    let limiter = limiter(5.0, 1.0);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let both = async {
                for _ in 0..2 {
                    limiter.permit("a", "r", "s3").await.done(Outcome::Ok);
                }
            };
            timeout(Duration::from_secs(20), both).await.expect("woken in time");
            // leaves a driver behind that sleeps when the runtime ends
            let _ = timeout(Duration::from_millis(1), limiter.permit("a", "r", "s3")).await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn large_answers_are_read_one_after_the_other() {
    let bytes = 8 << 20;
    let limiter = Limiter::new(LimiterConfig { bytes, ..Default::default() });
    let mut tasks = JoinSet::new();
    for account in 0..20 {
        let limiter = limiter.clone();
        tasks.spawn(async move {
            let permit = limiter.permit(&account.to_string(), "r", "s3").await;
            let mut meter = permit.meter().unwrap();
            let mut most = 0;
            for _ in 0..100 {
                meter.hold(60_000).await;
                most = most.max(limiter.usage().bytes);
                tokio::task::yield_now().await;
            }
            permit.done(Outcome::Ok);
            most
        });
    }
    let most = timeout(Duration::from_secs(60), tasks.join_all()).await.expect("nobody waits for ever");
    let most = most.into_iter().max().unwrap();
    assert!(most > bytes / 2 && most <= bytes + (7 << 20), "{most}");
    assert_eq!((limiter.usage().bytes, limiter.usage().requests), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_gives_up_waits_for_no_bytes() {
    let limiter = Limiter::new(LimiterConfig { bytes: 1 << 20, ..Default::default() });
    let first = limiter.permit("a", "r", "s3").await;
    let second = limiter.permit("b", "r", "s3").await;
    first.meter().unwrap().hold(2 << 20).await;
    let mut meter = second.meter().unwrap();
    assert!(timeout(Duration::from_secs(1), meter.hold(1 << 20)).await.is_err());
    second.done(Outcome::Failed);
    first.done(Outcome::Ok);
    assert_eq!((limiter.usage().bytes, limiter.usage().requests), (0, 0));
    limiter.permit("c", "r", "s3").await.done(Outcome::Ok);
}
