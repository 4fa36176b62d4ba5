//! What reaches the log.

use driftline_model::record::{Cycle, H_EPOCH, H_NUMBER};

use crate::rig::{ACCOUNT, Rig};

const A: &str = "s/111111111111/eu-west-1/aws_vpc/vpc-a";
const B: &str = "s/111111111111/eu-west-1/aws_vpc/vpc-b";
const MANIFEST: &str = "m/111111111111/eu-west-1/aws_vpc/0";

#[tokio::test]
async fn only_what_changed_is_sent() {
    let mut rig = Rig::start().await;
    rig.set(&[("vpc-a", "10.0.0.0/16"), ("vpc-b", "10.1.0.0/16")]);
    rig.start_agent();
    rig.cycles(2).await;
    assert_eq!(rig.observations().await, [A, B, MANIFEST]);
    rig.set(&[("vpc-a", "10.9.0.0/16"), ("vpc-b", "10.1.0.0/16")]);
    rig.cycles(rig.cycles_now().await + 2).await;
    assert_eq!(rig.observations().await[3..], [A]);
    rig.set(&[("vpc-a", "10.9.0.0/16")]);
    rig.cycles(rig.cycles_now().await + 2).await;
    assert_eq!(rig.observations().await[4..], [format!("-{B}"), MANIFEST.to_owned()]);
    rig.stop_agent().await;
}

#[tokio::test]
async fn a_denied_listing_removes_nothing() {
    let mut rig = Rig::start().await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    rig.start_agent();
    rig.cycles(1).await;
    *rig.world.denied.lock().unwrap() = true;
    rig.cycles(rig.cycles_now().await + 2).await;
    assert_eq!(rig.observations().await, [A, MANIFEST]);
    let cycle = rig.records().await.into_iter().rfind(|r| r.key.starts_with(b"c/")).unwrap();
    let cycle: Cycle = serde_json::from_slice(&cycle.value.unwrap()).unwrap();
    assert_eq!(cycle.listings[0].coverage.error.as_deref(), Some("AccessDenied"));
    rig.stop_agent().await;
}

#[tokio::test]
async fn a_restarted_agent_keeps_its_epoch_and_resends_nothing() {
    let mut rig = Rig::start().await;
    rig.set(&[("vpc-a", "10.0.0.0/16")]);
    rig.start_agent();
    rig.cycles(1).await;
    rig.stop_agent().await;
    let before = rig.cycles_now().await;
    rig.start_agent();
    rig.cycles(before + 2).await;
    rig.stop_agent().await;
    assert_eq!(rig.observations().await, [A, MANIFEST]);
    let header =
        |r: &driftline_bus::Record, name| r.header(name).map(|v| String::from_utf8_lossy(v).parse::<i64>().unwrap());
    let records = rig.records().await;
    let orders: Vec<_> = records.iter().filter_map(|r| Some((header(r, H_EPOCH)?, header(r, H_NUMBER)?))).collect();
    assert!(orders.is_sorted_by(|a, b| a < b), "{orders:?}");
    let sessions: Vec<_> = records.iter().filter(|r| r.key == format!("e/{ACCOUNT}").into_bytes()).collect();
    assert_eq!(sessions.last().unwrap().offset, orders[0].0, "the session record's offset is the epoch");
}

#[tokio::test]
async fn an_aggregator_that_went_away_and_came_back_loses_and_doubles_nothing() {
    let mut rig = Rig::start().await;
    let vpcs: Vec<(String, String)> = (0..200).map(|n| (format!("vpc-{n:03}"), format!("10.{n}.0.0/16"))).collect();
    let all: Vec<(&str, &str)> = vpcs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    rig.set(&all[..100]);
    rig.start_agent();
    rig.cycles(1).await;
    rig.stop_aggregator().await;
    rig.set(&all);
    let rounds = rig.cycles_now().await;
    rig.start_aggregator().await;
    rig.cycles(rounds + 2).await;
    rig.stop_agent().await;
    let mut keys: Vec<String> = rig.observations().await.into_iter().filter(|k| k.starts_with("s/")).collect();
    let sent = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), sent), (200, 200));
}
