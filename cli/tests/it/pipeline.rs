//! Every role a process of its own, on Apache Kafka and the ClickHouse engine.

use std::collections::BTreeSet;
use std::path::Path;

use driftline_bus::{EmbeddedConfig, EmbeddedLog, Log, Outgoing};
use driftline_model::CoverageStatus;
use driftline_model::record::{DEAD_LETTERS, EVENTS, INPUTS};
use driftline_store::Store;
use serde_json::Value;

use crate::cluster::{
    ANALYZER, Cluster, PARTITIONS, WRITER, ends, number, open, reached, records, rows, settings, store, told,
};
use crate::faulty::{Fault, Faults, Proxy};
use crate::pages::LISTINGS;
use crate::rig::{Rig, declared, eventually, is};

const JUDGING: [&str; 3] = ["analyzer", "--only", "judge"];
const WRITING: [&str; 3] = ["analyzer", "--only", "writer"];
const FALSE_ALARMS: &str = "SELECT count() FROM drift_events WHERE kind IN ('missing', 'moved')";

fn import(rig: &Rig, config: &Path) {
    let (code, out, err) = rig.run(config, &["baseline", "import", &rig.states(), "--format", "json"]);
    let import: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
    assert!(code == 0 && import["baselines"].as_u64() >= Some(60), "{import}");
}

/// The same inputs at the same offsets in a log that nothing disturbs, judged and stored by one process from nothing.
async fn undisturbed(rig: &Rig, disturbed: &dyn Log) -> Vec<Vec<Value>> {
    let (tables, config) = store().await;
    let folder = rig.folder.path().join("undisturbed/log");
    std::fs::create_dir_all(&folder).unwrap();
    let log = EmbeddedLog::open(EmbeddedConfig::new(folder.clone())).await.unwrap();
    log.ensure(&driftline_bus::topics(PARTITIONS)).await.unwrap();
    let producer = log.producer().await.unwrap();
    for record in records(disturbed, INPUTS).await.into_values().flatten() {
        let (partition, key, value, headers) = (record.partition, record.key, record.value, record.headers);
        let out = Outgoing { topic: INPUTS.to_owned(), partition, key, value, headers };
        assert_eq!(producer.send(out).await.unwrap().await.unwrap(), record.offset, "a gap in the inputs");
    }
    let inputs = ends(&log, INPUTS).await;
    drop((producer, log));
    let bus = format!("[bus]\nkind = \"embedded\"\npartitions = {PARTITIONS}\n");
    let config = settings(rig, "undisturbed", &bus, &config);
    let mut run = 0;
    loop {
        let analyzer = rig.role(&config, "undisturbed", &["analyzer"]);
        run += 1;
        eventually("the inputs to be stored", || async {
            let taken = rig.log("undisturbed").matches("partition taken").count();
            let marks = tables.watermarks().await.unwrap();
            let reached = |(partition, end): (&u32, &i64)| {
                let here = marks.iter().find(|w| w.topic == INPUTS && w.partition == *partition);
                here.map_or(0, |w| i64::try_from(w.offset).unwrap()) >= *end
            };
            taken >= run * PARTITIONS as usize && inputs.iter().all(reached)
        })
        .await;
        analyzer.end().await;
        // Only between its runs does the log tell whether judge and writer are through as well.
        let log = EmbeddedLog::open(EmbeddedConfig::new(folder.clone())).await.unwrap();
        let judged = reached(&log, ANALYZER, INPUTS, &inputs).await;
        if judged && reached(&log, WRITER, EVENTS, &ends(&log, EVENTS).await).await {
            return told(&tables).await;
        }
        assert!(run < 20, "it does not come to an end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_changes_arrive_once_each_though_analyzer_and_writer_are_killed_and_the_analyzers_disk_is_lost() {
    let (cluster, rig) = Cluster::start().await;
    let store = &cluster.store;
    let [agent, judge, writer] = ["agent", "judge", "writer"].map(|role| cluster.config(&rig, role));
    let aggregator = rig.role(&agent, "aggregator", &["aggregator"]);
    import(&rig, &agent);
    let roles = || (rig.role(&judge, "judge", &JUDGING), rig.role(&writer, "writer", &WRITING));

    // Killed while all is new: once as it is, once with the disk lost.
    let mut running = roles();
    cluster.caught_up().await;
    let reading = rig.role(&agent, "agent", &["agent"]);
    for lost in [false, true] {
        cluster.progress().await;
        drop(running); // SIGKILL
        if lost {
            std::fs::remove_dir_all(rig.folder.path().join("judge")).unwrap();
        }
        running = roles();
    }
    let watched = "SELECT count() FROM resources";
    eventually("every resource to be judged against its baseline", || async {
        let unmanaged = "SELECT count() FROM drifts WHERE status = 'open' AND kind = 'unmanaged'";
        number(store, watched).await > 100 && number(store, unmanaged).await * 3 < number(store, watched).await
    })
    .await;
    assert_eq!(open(store).await, Vec::<Value>::new(), "{}", rig.log("judge"));

    // And while changes arrive.
    let expected = rig.fleet.drift().await.unwrap();
    cluster.progress().await;
    drop(running);
    std::fs::remove_dir_all(rig.folder.path().join("judge")).unwrap();
    let _running = roles();
    eventually("all ten changes", || async {
        let found = open(store).await;
        expected.iter().all(|e| found.iter().any(|d| is(d, e)))
    })
    .await;
    assert_eq!(open(store).await.len(), expected.len(), "one drift per change");
    let modified = "SELECT transition, count() FROM drift_events WHERE kind = 'modified' GROUP BY transition";
    assert_eq!(rows(store, modified).await.len(), 1, "each was opened, none changed or resolved");
    assert_eq!(number(store, "SELECT count() FROM drift_events WHERE kind = 'modified'").await, 10, "each once");
    assert_eq!(number(store, FALSE_ALARMS).await, 0);
    assert_eq!(rig.log("agent").matches("rejected").count(), 0, "{}", rig.log("agent"));

    drop((reading, aggregator));
    cluster.caught_up().await;
    let disturbed = told(store).await;
    let undisturbed = undisturbed(&rig, &cluster.log).await;
    assert!(disturbed.len() > 100, "only {} transitions", disturbed.len());
    let difference = disturbed.iter().zip(&undisturbed).find(|(a, b)| a != b);
    assert_eq!((disturbed.len(), difference), (undisturbed.len(), None), "as if nothing had happened");
    assert!(records(&cluster.log, DEAD_LETTERS).await.values().all(Vec::is_empty));
}

/// Of each resource that is told to be missing how many rounds it took, from the first that did not see it any more.
const ROUNDS_TO_PROOF: &str = "SELECT e.resource, uniqExact(c.number) FROM drift_events e \
    JOIN snapshots s ON s.account = e.account AND s.id = e.resource JOIN coverage_history c ON c.account = e.account \
    WHERE e.kind = 'missing' AND s.gone AND c.number > s.number AND c.number <= toUInt64(splitByChar('.', e.cause)[2]) \
    GROUP BY e.resource";

fn complete() -> BTreeSet<String> {
    BTreeSet::from(["complete".to_owned()])
}

/// `account type resource` of what is told to be missing, each time that it is told.
async fn missing(store: &Store) -> Vec<String> {
    let sql =
        "SELECT concat(account, ' ', type, ' ', resource) AS r FROM drift_events WHERE kind = 'missing' ORDER BY r";
    rows(store, sql).await.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
}

/// Statuses of an account's last round, of what was not complete with its reason.
async fn statuses(store: &Store, account: &str) -> BTreeSet<String> {
    let coverage = store.coverage(&[account.to_owned()]).await.unwrap();
    let status = |c: driftline_model::Coverage| {
        assert!(c.error.is_some() || c.status == CoverageStatus::Complete, "without a reason: {c:?}");
        serde_json::to_value(c.status).unwrap().as_str().unwrap().to_owned()
    };
    coverage.into_iter().map(|c| status(c.coverage)).collect()
}

/// Waits until an account has been read so many times more.
async fn rounds(store: &Store, account: &str, more: u64) {
    let sql = format!("SELECT uniqExact(epoch, number) FROM coverage_history WHERE account = '{account}'");
    let goal = number(store, &sql).await + more;
    eventually("further rounds", || async { number(store, &sql).await >= goal }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_and_a_throttled_account_miss_nothing_while_a_real_deletion_is_found_at_once() {
    let (cluster, mut rig) = Cluster::start().await;
    let store = &cluster.store;
    let (proxy, url) = Proxy::start(&rig.endpoint()).await;
    rig.through(url);
    let [denied, throttled, sound] = [0, 1, 2].map(|n| rig.fleet.accounts[n].id.clone());
    let refused = ((denied.clone(), "AssumeRole"), (Fault::Denied, 1));
    proxy.set(Faults::from([refused.clone()]));

    let config = cluster.config(&rig, "all");
    let _aggregator = rig.role(&config, "aggregator", &["aggregator"]);
    import(&rig, &config);
    let _judging = rig.role(&config, "judge", &JUDGING);
    let _writing = rig.role(&config, "writer", &WRITING);
    let _agent = rig.role(&config, "agent", &["agent"]);
    for account in [&throttled, &sound] {
        eventually("an account to be read", || async { statuses(store, account).await == complete() }).await;
    }
    rounds(store, &denied, 2).await;
    assert_eq!(statuses(store, &denied).await, BTreeSet::from(["denied".to_owned()]));

    // From now on the second account answers to nothing but that it is asked too much; in the third a bucket and a group go.
    let slow = LISTINGS.iter().map(|l| ((throttled.clone(), l.operation), (Fault::Throttled, 1)));
    proxy.set(slow.chain([refused]).collect());
    rounds(store, &throttled, 1).await;
    let account = &rig.fleet.accounts[2];
    let (bucket, group) =
        (declared(account, "aws_s3_bucket", "data"), declared(account, "aws_security_group", "bastion"));
    account.clients.s3.delete_bucket().bucket(&bucket).send().await.unwrap();
    account.clients.ec2.delete_security_group().group_id(&group).send().await.unwrap();
    let gone = [format!("{sound} aws_s3_bucket {bucket}"), format!("{sound} aws_security_group {group}")];
    eventually("both deletions", || async { missing(store).await.len() >= gone.len() }).await;
    for account in [&denied, &throttled, &sound] {
        rounds(store, account, 2).await;
    }
    cluster.caught_up().await;
    assert!(statuses(store, &throttled).await.contains("throttled"));
    assert_eq!(missing(store).await, gone, "false alarms, or one twice");

    for row in rows(store, ROUNDS_TO_PROOF).await {
        assert_eq!(
            row[1].as_u64(),
            Some(1),
            "{row:?}: the round that did not see it any more looks it up and proves it"
        );
    }

    // All is well again: still nothing but the two.
    proxy.set(Faults::new());
    for account in [&denied, &throttled] {
        eventually("an account to be read again", || async { statuses(store, account).await == complete() }).await;
        rounds(store, account, 2).await;
    }
    cluster.caught_up().await;
    assert_eq!(missing(store).await, gone);
    let found: Vec<Value> = open(store).await;
    assert!(found.iter().all(|d| d["kind"] == "missing") && found.len() == 2, "{found:?}");
}
