//! Every role a process of its own, on Apache Kafka and the ClickHouse engine.

use driftline_store::{QueryLimits, Store};
use serde_json::Value;

use crate::rig::{Rig, eventually, is};

async fn rows(store: &Store, sql: &str) -> Vec<Vec<Value>> {
    store.query(sql, &QueryLimits::default()).await.unwrap().rows
}

async fn number(store: &Store, sql: &str) -> u64 {
    let value = rows(store, sql).await[0][0].clone();
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

/// Open drifts but for unmanaged resources.
async fn open(store: &Store) -> Vec<Value> {
    let page = store.drifts(&driftline_store::Filter::default()).await.unwrap();
    let drifts = page.rows.iter().map(|row| serde_json::to_value(row).unwrap());
    drifts.filter(|d| d["kind"] != "unmanaged" && d["status"] == "open").collect()
}

const FALSE_ALARMS: &str = "SELECT count() FROM drift_events WHERE kind IN ('missing', 'moved')";

#[tokio::test(flavor = "multi_thread")]
async fn ten_changes_arrive_once_each_though_analyzer_and_writer_are_killed_and_the_analyzers_disk_is_lost() {
    let kafka = tokio::task::spawn_blocking(|| driftline_dev::kafka::start().unwrap());
    let library = driftline_dev::chdb().unwrap();
    let settings = tokio::task::spawn_blocking(move || driftline_store::testing::config(&library).unwrap());
    let (rig, kafka, settings) = tokio::join!(Rig::start(), kafka, settings);
    let (kafka, settings) = (kafka.unwrap(), settings.unwrap());
    let store = Store::connect(settings.clone()).await.unwrap();
    store.migrate().await.unwrap();

    let token = rig.write("token", &settings.password).display().to_string();
    let key = rig.write("key", "an organization's key for its tests").display().to_string();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = |folder: &str| {
        let text = format!(
            "folder = \"{folder}\"\n{}[secrets]\nkey = {{ file = \"{key}\" }}\n[agent]\ninterval = \"1s\"\n\
             [aggregator]\nlisten = \"{listen}\"\n[bus]\nkind = \"kafka\"\nbootstrap = \"{}\"\npartitions = 3\nreplication = 1\nmin_insync = 1\n\
             [store]\nkind = \"clickhouse\"\nurl = \"{}\"\ndatabase = \"{}\"\nuser = \"{}\"\npassword = {{ file = \"{token}\" }}\n",
            rig.accounts(),
            kafka.bootstrap(),
            settings.url,
            settings.database,
            settings.user,
        );
        rig.write(&format!("{folder}.toml"), &text)
    };
    let (agent, judge, writer) = (config("agent"), config("judge"), config("writer"));
    let _aggregator = rig.role(&agent, "aggregator", &["aggregator"]);
    let judging = rig.role(&judge, "judge", &["analyzer", "--only", "judge"]);
    let writing = rig.role(&writer, "writer", &["analyzer", "--only", "writer"]);
    let (code, out, err) = rig.run(&agent, &["baseline", "import", &rig.states(), "--format", "json"]);
    let import: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
    assert!(code == 0 && import["baselines"].as_u64() >= Some(60), "{import}");
    let _agent = rig.role(&agent, "agent", &["agent"]);

    let watched = "SELECT count() FROM resources";
    eventually("every resource to be judged against its baseline", || async {
        let unmanaged = "SELECT count() FROM drifts WHERE status = 'open' AND kind = 'unmanaged'";
        number(&store, watched).await > 100 && number(&store, unmanaged).await * 3 < number(&store, watched).await
    })
    .await;
    assert_eq!(open(&store).await, Vec::<Value>::new(), "{}", rig.log("judge"));

    let expected = rig.fleet.drift().await.unwrap();
    drop((judging, writing)); // SIGKILL
    std::fs::remove_dir_all(rig.folder.path().join("judge")).unwrap();
    let _judging = rig.role(&judge, "judge", &["analyzer", "--only", "judge"]);
    let _writing = rig.role(&writer, "writer", &["analyzer", "--only", "writer"]);
    eventually("all ten changes", || async {
        let found = open(&store).await;
        expected.iter().all(|e| found.iter().any(|d| is(d, e)))
    })
    .await;
    assert_eq!(open(&store).await.len(), expected.len(), "one drift per change");
    let told =
        rows(&store, "SELECT transition, count() FROM drift_events WHERE kind = 'modified' GROUP BY transition").await;
    assert_eq!(told.len(), 1, "each was opened, none changed or resolved: {told:?}");
    assert_eq!(number(&store, "SELECT count() FROM drift_events WHERE kind = 'modified'").await, 10, "each once");
    assert_eq!(number(&store, FALSE_ALARMS).await, 0);
    assert_eq!(rig.log("agent").matches("rejected").count(), 0, "{}", rig.log("agent"));
}
