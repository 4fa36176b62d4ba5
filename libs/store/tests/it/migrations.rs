//! The schema: from nothing, from every earlier number, after a crash in the middle, and never backwards.

use driftline_model::{Severity, Subject, TransitionKind};
use driftline_store::{Error, SCHEMA, Store, statements, testing};
use serde_json::json;

use crate::support::{column, drift, library, row, transition};

async fn empty() -> Store {
    let config = tokio::task::spawn_blocking(|| testing::config(&library())).await.unwrap().unwrap();
    Store::connect(config).await.unwrap()
}

/// All tables as they were made, without the database's name.
async fn shape(store: &Store) -> Vec<serde_json::Value> {
    let sql = "SELECT concat(name, ': ', replaceAll(create_table_query, concat(currentDatabase(), '.'), '')) \
               FROM system.tables WHERE database = currentDatabase() AND name != 'schema_migrations' ORDER BY name";
    column(store, sql).await
}

#[tokio::test]
async fn every_earlier_schema_becomes_the_last() {
    let fresh = empty().await;
    let names = fresh.migrate().await.unwrap().applied;
    assert_eq!(names.len(), usize::try_from(SCHEMA).unwrap());
    let expect = shape(&fresh).await;
    assert!(expect.len() > 20, "{expect:?}");
    for earlier in 0..=SCHEMA {
        let store = empty().await;
        store.migrate_to(earlier).await.unwrap();
        if earlier < SCHEMA {
            let error = store.check_schema().await.unwrap_err();
            assert!(matches!(error, Error::Older { found, .. } if found == earlier), "{error}");
        }
        let subject = Subject::Drift(drift("000000000001", "b", "tags.a", Severity::High));
        let opened = transition(subject, TransitionKind::Opened, 1);
        if earlier > 0 {
            store.insert_transitions(&[row(&opened, 1)]).await.unwrap();
        }
        let done = store.migrate().await.unwrap();
        assert_eq!(done.applied, names[usize::try_from(earlier).unwrap()..]);
        assert_eq!(shape(&store).await, expect, "from {earlier}");
        store.check_schema().await.unwrap();
        if earlier > 0 {
            assert_eq!(column(&store, "SELECT sum(transitions) FROM drift_activity").await, [json!(1)]);
        }
        assert_eq!(store.migrate().await.unwrap().applied, Vec::<String>::new(), "a second run does nothing");
    }
}

#[tokio::test]
async fn a_crash_in_the_middle_is_mended() {
    let expect = {
        let fresh = empty().await;
        fresh.migrate().await.unwrap();
        shape(&fresh).await
    };
    let all = statements(None).unwrap();
    for done in [1, all.len() / 3, all.len() / 2, all.len() - 1] {
        let store = empty().await;
        store.migrate_to(0).await.unwrap();
        let config = tokio::task::spawn_blocking(|| testing::config(&library())).await.unwrap().unwrap();
        let database = column(&store, "SELECT currentDatabase()").await[0].as_str().unwrap().to_owned();
        let client = clickhouse::Client::default().with_url(config.url).with_password(config.password);
        for statement in &all[..done] {
            client.clone().with_database(&database).query_raw(statement).execute().await.unwrap();
        }
        store.migrate().await.unwrap();
        assert_eq!(shape(&store).await, expect, "after {done} statements");
    }
}

#[tokio::test]
async fn several_may_migrate_at_once() {
    let store = empty().await;
    let runs = (0..3).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap().unwrap();
    }
    store.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_later_or_different_schema_is_refused() {
    for (values, expect) in [
        (format!("({}, 'later', 'x')", SCHEMA + 1), "use the later release"),
        ("(1, '0001_transitions', 'x')".to_owned(), "another form"),
    ] {
        let store = empty().await;
        store.migrate().await.unwrap();
        let config = tokio::task::spawn_blocking(|| testing::config(&library())).await.unwrap().unwrap();
        let database = column(&store, "SELECT currentDatabase()").await[0].as_str().unwrap().to_owned();
        let client = clickhouse::Client::default().with_url(config.url).with_password(config.password);
        let sql = format!("INSERT INTO {database}.schema_migrations (number, name, checksum) VALUES {values}");
        client.query_raw(&sql).execute().await.unwrap();
        let before = shape(&store).await;
        for error in [store.migrate().await.unwrap_err(), store.check_schema().await.unwrap_err()] {
            assert!(error.to_string().contains(expect), "{error}");
        }
        assert_eq!(shape(&store).await, before);
    }
}

#[tokio::test]
async fn a_cluster_gets_replicated_tables() {
    let store = empty().await;
    store.migrate_to(0).await.unwrap();
    let all = statements(Some("main")).unwrap();
    for statement in &all {
        let quoted = statement.replace('\\', "\\\\").replace('\'', "\\'");
        let formatted = column(&store, &format!("SELECT formatQuery('{quoted}')")).await;
        let text = formatted[0].as_str().unwrap();
        if text.starts_with("CREATE") {
            assert!(text.contains("ON CLUSTER main"), "{text}");
        }
        if text.contains("ENGINE = ") {
            assert!(text.contains("ENGINE = Replicated"), "{text}");
        }
        assert!(!text.contains("${"), "{text}");
    }
}
