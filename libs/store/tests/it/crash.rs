//! The engine is killed in the middle of inserts; whoever writes repeats what was not acknowledged.

use std::collections::BTreeSet;

use driftline_model::{Severity, Subject, TransitionKind};
use driftline_store::{Store, TransitionRow};

use crate::engine::kill;
use crate::support::{child, column, connect, drift, eventually, row, transition};

const WRITERS: i64 = 3;
const BATCHES: i64 = 30;
const ROWS: i64 = 200;

fn batch(writer: i64, number: i64) -> Vec<TransitionRow> {
    let account = format!("{:012}", writer + 1);
    let rows = (0..ROWS).map(|i| {
        let input = number * ROWS + i;
        let subject = Subject::Drift(drift(&account, &format!("bucket-{input}"), "tags.Owner", Severity::Low));
        row(&transition(subject, TransitionKind::Opened, input), input)
    });
    rows.collect()
}

/// As the writer does: a batch is repeated until it is acknowledged.
async fn write(store: Store, writer: i64) -> u32 {
    let mut repeats = 0;
    for number in 0..BATCHES {
        let rows = batch(writer, number);
        while let Err(error) = store.insert_transitions(&rows).await {
            assert!(error.is_transient(), "{error}");
            repeats += 1;
            assert!(repeats < 100, "{error}");
        }
    }
    repeats
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = child(folder.path()).await;
    let store = connect(&engine, "d").await;
    store.migrate().await.unwrap();
    let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(write(store.clone(), w))).collect();
    for kills in 1..=4 {
        let pid = engine.pid().unwrap();
        let goal = kills * 1000;
        eventually("some rows are there", async || {
            let counted = store.query("SELECT count() FROM drift_event_rows", &Default::default()).await;
            counted.is_ok_and(|r| r.rows[0][0].as_i64() >= Some(goal)) || writers.iter().all(|w| w.is_finished())
        })
        .await;
        kill(pid);
        eventually("a new process runs", async || engine.pid().is_some_and(|new| new != pid)).await;
    }
    let mut repeats = 0;
    for writer in writers {
        repeats += writer.await.unwrap();
    }
    assert!(repeats > 0, "no insert was hit");
    let expect: BTreeSet<String> = (0..WRITERS)
        .flat_map(|w| (0..BATCHES).flat_map(move |b| batch(w, b)))
        .map(|row| serde_json::to_value(row).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    let total = WRITERS * BATCHES * ROWS;
    for (sql, expect) in [
        ("SELECT count() FROM drift_events", total),
        ("SELECT uniqExact(id) FROM drift_events", total),
        ("SELECT count() FROM drifts", total),
        ("SELECT sum(transitions) FROM drift_activity", total),
        ("SELECT sum(low) FROM posture", total),
    ] {
        assert_eq!(column(&store, sql).await, [serde_json::json!(expect)], "{sql} after {repeats} repeats");
    }
    let limits = driftline_store::QueryLimits { rows: 100_000, ..Default::default() };
    let ids = store.query("SELECT id FROM drift_events", &limits).await.unwrap();
    let ids: BTreeSet<String> = ids.rows.iter().map(|r| r[0].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expect);
    engine.stop().await.unwrap();
}
