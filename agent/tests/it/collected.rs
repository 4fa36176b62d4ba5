//! What the collector makes of answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use driftline_agent::collect::{Budget, Rounds};
use driftline_agent::{LookedUp, Reader};
use driftline_model::CoverageStatus;

use crate::aws::{World, error, item, round, scope, vpcs};

/// An answer as a word: what was found, `none`, or `unknown`.
fn word((_, answer): &(String, LookedUp)) -> &'static str {
    match answer {
        LookedUp::Found(_) => "found",
        LookedUp::NotFound => "none",
        LookedUp::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn not_found_is_only_what_the_api_says_in_words() {
    let shared = item("vpc-1", "d").replace("111111111111", "222222222222");
    let cases = [
        ((400, error("InvalidVpcID.NotFound")), "none"),
        ((200, vpcs(&shared)), "none"), // shown, but as no resource of this account
        ((200, vpcs(&item("vpc-1", "d"))), "found"),
        ((200, vpcs("")), "unknown"),
        ((200, vpcs(&item("vpc-2", "d"))), "unknown"),
        ((403, error("UnauthorizedOperation")), "unknown"),
        ((403, error("AuthFailure")), "unknown"),
        ((503, error("RequestLimitExceeded")), "unknown"),
        ((500, error("InternalError")), "unknown"),
        ((404, String::new()), "unknown"),
        ((400, error("InvalidParameterValue")), "unknown"),
        ((200, "<DescribeVpcsResponse><vpcSet><item>".to_owned()), "unknown"),
    ];
    for (answer, expected) in cases {
        let world = Arc::new(World::default());
        world.by_id.lock().unwrap().insert("vpc-1".to_owned(), answer.clone());
        let collector = world.collector(Budget::All).await;
        let found = collector.look_up(&scope(), &["vpc-1".to_owned()]).await;
        assert_eq!(found.iter().map(word).collect::<Vec<_>>(), [expected], "{answer:?}: {found:?}");
    }
}

#[tokio::test]
async fn where_one_look_up_fails_the_rest_is_not_asked_for() {
    let world = Arc::new(World::default());
    world.by_id.lock().unwrap().insert("vpc-003".to_owned(), (503, error("RequestLimitExceeded")));
    let collector = world.collector(Budget::All).await;
    let ids: Vec<String> = (0..100).map(|n| format!("vpc-{n:03}")).collect();
    let found = collector.look_up(&scope(), &ids).await;
    assert!(found.len() < 20, "{} were asked for", found.len());
    let expected = |id: &str| if id == "vpc-003" { "unknown" } else { "none" };
    assert!(found.iter().all(|answer| word(answer) == expected(&answer.0)), "{found:?}");
}

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn what_is_older_than_promised_is_read_beyond_the_budget_or_named() {
    // Three further calls make a VPC whole; of 12 VPCs a round reads one, or two where that keeps the promise.
    let budget = |max_age_ms| Budget::Round(Rounds { calls: 3, interval_ms: HOUR, max_age_ms });
    for (promise, kept) in [(8 * HOUR, true), (2 * HOUR, false)] {
        let world = Arc::new(World::default());
        let names: Vec<String> = (0..12).map(|n| format!("vpc-{n:02}")).collect();
        world.list(&names.iter().map(|n| (n.as_str(), "d")).collect::<Vec<_>>());
        let collector = world.collector(budget(promise)).await;
        let mut last = BTreeMap::new();
        for hour in 0..16 {
            world.now.store(hour * HOUR, Ordering::SeqCst);
            let seen = round(&collector).await;
            let read = world.read();
            assert!((1..=2).contains(&read.len()) && seen.ids.len() == 12 && seen.listed, "{read:?}");
            last.extend(read.into_iter().map(|id| (id, hour)));
            let age = |id: &String| hour - last.get(id).copied().unwrap_or(0);
            let oldest = names.iter().max_by_key(|id| age(id)).unwrap();
            let due = age(oldest) + 1 > promise / HOUR;
            assert_eq!(seen.status == CoverageStatus::Partial, due, "{hour}: {:?}", seen.error);
            assert!(!(kept && due), "{oldest} is {} hours old", age(oldest));
            let said = seen.error.unwrap_or_default();
            assert!(!due || said.contains(&format!("last read {} h 00 min ago", age(oldest))), "{said}");
        }
        assert!(last.len() == 12, "all were read some time");
    }
}
