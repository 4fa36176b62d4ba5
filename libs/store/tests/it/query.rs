//! SQL of people: what it may do, what it may cost, what comes back.

use std::time::Duration;

use driftline_model::{Severity, Subject, TransitionKind};
use driftline_store::{Error, QueryLimits};
use serde_json::json;

use crate::support::{column, drift, row, store, transition};

#[tokio::test]
async fn an_answer_has_columns_and_json_values() {
    let store = store().await;
    let sql = "SELECT toUInt64(18446744073709551615) AS a, toInt64(-9007199254740993) AS b, 'x\ny' AS c, [1, 2] AS d, \
               NULL AS e, toUInt128('340282366920938463463374607431768211455') AS f, toDecimal64(1.5, 2) AS g, 1/0 AS h, \
               [toUInt64(7)] AS i, '12' AS j, toNullable(toUInt64(8)) AS k, 0.5 AS l, true AS m -- done\n;";
    let result = store.query(sql, &QueryLimits::default()).await.unwrap();
    let names: Vec<&str> = result.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"]);
    let expect = json!([
        18_446_744_073_709_551_615_u64,
        -9_007_199_254_740_993_i64,
        "x\ny",
        [1, 2],
        null,
        "340282366920938463463374607431768211455",
        "1.5",
        "inf",
        [7],
        "12",
        8,
        0.5,
        true
    ]);
    assert_eq!(json!(result.rows), json!([expect]));
    let none = store.query("SELECT 1 AS a WHERE 0", &QueryLimits::default()).await.unwrap();
    assert_eq!((none.columns.len(), none.rows.len()), (1, 0));
    for sql in ["SHOW TABLES", "DESCRIBE TABLE drifts", "EXPLAIN SELECT 1", "WITH 1 AS a SELECT a", "(SELECT 1)"] {
        assert!(!store.query(sql, &QueryLimits::default()).await.unwrap().rows.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn nothing_is_cut_short() {
    let store = store().await;
    let limits = QueryLimits { rows: 100, bytes: 10_000, time: Duration::from_secs(1), memory: 50 << 20 };
    let exactly = store.query("SELECT number FROM numbers(100)", &limits).await.unwrap();
    assert_eq!(exactly.rows.len(), 100);
    for sql in [
        "SELECT number FROM numbers(101)",
        "SELECT repeat('x', 20000)",
        "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
        "SELECT number FROM numbers(200) SETTINGS max_result_rows = 1000",
        "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1 SETTINGS max_execution_time = 100",
        "SELECT groupArray(toString(number)) FROM numbers(100000000) FORMAT Null",
        "SELECT length(groupArray(toString(number))) FROM numbers(100000000)",
    ] {
        assert!(store.query(sql, &limits).await.is_err(), "answered: {sql}");
    }
    let error = store.query("SELECT number FROM numbers(101)", &limits).await.unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
}

#[tokio::test]
async fn nothing_is_changed() {
    let store = store().await;
    let subject = Subject::Drift(drift("000000000001", "b", "tags.a", Severity::High));
    store.insert_transitions(&[row(&transition(subject, TransitionKind::Opened, 1), 1)]).await.unwrap();
    for sql in [
        "DROP TABLE drift_rows",
        "TRUNCATE TABLE drift_rows",
        "ALTER TABLE drift_rows DELETE WHERE 1",
        "INSERT INTO drift_rows SELECT * FROM drift_rows",
        "SELECT 1; TRUNCATE TABLE drift_rows",
        "CREATE TEMPORARY TABLE a (b String)",
        "OPTIMIZE TABLE drift_rows FINAL",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "SYSTEM STOP MERGES",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT 1 INTO OUTFILE 'x'",
        "exit",
        "",
    ] {
        assert!(store.query(sql, &QueryLimits::default()).await.is_err(), "let through: {sql}");
    }
    assert_eq!(column(&store, "SELECT count() FROM drifts").await, [json!(1)]);
    let error = store.query("SELECT nothing FROM drifts", &QueryLimits::default()).await.unwrap_err();
    assert!(matches!(&error, Error::Database(e) if e.code == 47), "{error}");
}
