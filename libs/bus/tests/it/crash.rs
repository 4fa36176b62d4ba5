//! SIGKILL in the middle of writing: what was acknowledged is there, once, under its offset.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use driftline_bus::{EmbeddedLog, Keep, Log};

use crate::hosts::folder_config;
use crate::rig::{record, table, text, topic, whole};

const FOLDER: &str = "DRIFTLINE_BUS_CRASH_FOLDER";
const ROUNDS: usize = 5;
const TOPIC: &str = "crash";

/// The process that is killed: writes until then and prints each acknowledged offset with its value.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let log = EmbeddedLog::open(folder_config(&PathBuf::from(folder))).await.unwrap();
    log.ensure(&[topic(TOPIC, 2, Keep::CompactedAfter(86_400_000))]).await.unwrap();
    let producer = log.producer().await.unwrap();
    for round in 0_u64.. {
        let mut deliveries = Vec::new();
        for n in 0..50_u32 {
            let value = format!("{}-{round}-{n}-{}", std::process::id(), "x".repeat(2000));
            let sent = record(TOPIC, n % 2, &(n % 7).to_string(), &value);
            deliveries.push((n % 2, value, producer.send(sent).await.unwrap()));
        }
        for (partition, value, delivery) in deliveries {
            println!("acknowledged {partition} {} {value}", delivery.await.unwrap());
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(write_and_kill(folder.path(), 300 + round * 170));
    }
    let log = EmbeddedLog::open(folder_config(folder.path())).await.unwrap();
    let log: Arc<dyn Log> = Arc::new(log);
    let partitions = [whole(&log, TOPIC, 0).await, whole(&log, TOPIC, 1).await];
    for records in &partitions {
        assert!(records.iter().map(|r| r.offset).eq(0..i64::try_from(records.len()).unwrap()), "no gap, none twice");
    }
    for (partition, offset, value) in &acknowledged {
        let found = &partitions[*partition][usize::try_from(*offset).unwrap()];
        assert_eq!(text(found.value.as_deref().unwrap()), *value, "{partition}/{offset}");
    }
    assert!(acknowledged.len() > 300 * ROUNDS);
    let keys: usize = partitions.iter().map(|p| table(p).len()).sum();
    assert_eq!(keys, 14);
}

/// Starts the child, reads `count` acknowledgements, kills it, and returns all that it had printed.
fn write_and_kill(folder: &std::path::Path, count: usize) -> Vec<(usize, i64, String)> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::child", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let parse = |line: String| {
        // The last line may be cut.
        let mut words = line.strip_prefix("acknowledged ")?.splitn(3, ' ');
        let (partition, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let value = words.next().filter(|v| v.len() > 2000)?;
        Some((partition, offset, value.to_owned()))
    };
    while acknowledged.len() < count {
        let line = lines.next().expect("the child ended by itself").unwrap();
        acknowledged.extend(parse(line));
    }
    child.kill().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(parse));
    child.wait().unwrap();
    acknowledged
}
