//! The engine's server: who may speak to it, what it lets through, how it lives and dies.

use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::time::Duration;

use clickhouse::{Client, Compression, Row};
use driftline_store::engine::{Child, ChildConfig, Error};
use driftline_store::{Store, StoreConfig, testing};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use crate::support::{child, connect, eventually, library};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Line {
    text: String,
    tags: Vec<String>,
    note: Option<String>,
    big: u128,
    number: u64,
}

/// A plain client of the crate, past the store's own guards.
async fn client() -> (Client, StoreConfig) {
    let config = tokio::task::spawn_blocking(|| testing::config(&library())).await.unwrap().unwrap();
    let client = Client::default().with_url(&config.url).with_password(&config.password);
    client.query(&format!("CREATE DATABASE {}", config.database)).execute().await.unwrap();
    (client.with_database(&config.database), config)
}

#[tokio::test]
async fn only_the_token_opens_it() {
    let (client, config) = client().await;
    client.query("SELECT 1").fetch_one::<u8>().await.unwrap();
    let cut = &config.password[1..];
    for wrong in ["", "x", cut] {
        let stranger = Client::default().with_url(&config.url).with_password(wrong);
        let error = stranger.query("SELECT 1").fetch_one::<u8>().await.unwrap_err().to_string();
        assert!(error.contains("Code: 516"), "{error}");
    }
    let bearer = Client::default().with_url(&config.url).with_access_token(&config.password);
    bearer.query("SELECT 1").fetch_one::<u8>().await.unwrap();
}

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let (client, _) = client().await;
    let hostile =
        ["", "\0", "a\n\nDROP TABLE t;\n", "'; DROP TABLE t; --", "{x: String}", "?", "ä\u{202e}\u{10ffff}", "\\"];
    let lines: Vec<Line> = hostile
        .iter()
        .enumerate()
        .map(|(i, text)| Line {
            text: (*text).to_owned(),
            tags: vec![(*text).to_owned(); i],
            note: (i % 2 == 0).then(|| (*text).to_owned()),
            big: u128::MAX - u128::try_from(i).unwrap(),
            number: u64::try_from(i).unwrap(),
        })
        .collect();
    for (i, (compression, validation)) in
        [(Compression::Lz4, true), (Compression::Lz4, false), (Compression::None, true), (Compression::None, false)]
            .into_iter()
            .enumerate()
    {
        let client = client.clone().with_compression(compression).with_validation(validation);
        let create = format!(
            "CREATE TABLE t{i} (text String, tags Array(LowCardinality(String)), note Nullable(String), big UInt128, \
             number UInt64) ENGINE = MergeTree ORDER BY number"
        );
        client.query(&create).execute().await.unwrap();
        let mut insert = client.insert::<Line>(&format!("t{i}")).await.unwrap();
        for line in &lines {
            insert.write(line).await.unwrap();
        }
        insert.end().await.unwrap();
        let read =
            client.query(&format!("SELECT ?fields FROM t{i} ORDER BY number")).fetch_all::<Line>().await.unwrap();
        assert_eq!(read, lines);
        for line in &lines {
            let sql = format!("SELECT number FROM t{i} WHERE text = {{x:String}} AND has({{all:Array(String)}}, text)");
            let query = client.query(&sql).param("x", &line.text).param("all", hostile.as_slice());
            assert_eq!(query.fetch_all::<u64>().await.unwrap(), [line.number]);
        }
    }
}

#[tokio::test]
async fn data_after_values_are_data() {
    let (client, _) = client().await;
    client.query("CREATE TABLE t (a String, b UInt8) ENGINE = MergeTree ORDER BY b").execute().await.unwrap();
    client.query("INSERT INTO t VALUES ('x;\n\nDROP TABLE t', 1), ('y', 2);").execute().await.unwrap();
    client.query("INSERT INTO t SELECT 'z', 3").execute().await.unwrap();
    let rows = client.query("SELECT a FROM t ORDER BY b").fetch_all::<String>().await.unwrap();
    assert_eq!(rows, ["x;\n\nDROP TABLE t", "y", "z"]);
}

#[tokio::test]
async fn nothing_reaches_outside_the_database() {
    let (client, _) = client().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.display();
    std::fs::write(folder.path().join("secret"), "hidden").unwrap();
    let secret = folder.path().join("secret");
    let secret = secret.display();
    client.query("CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
    for sql in [
        format!("SELECT 1 INTO OUTFILE '{path}'"),
        format!("SELECT 1 INTO/**/OUTFILE '{path}'"),
        format!("INSERT INTO t FROM INFILE '{secret}' FORMAT LineAsString"),
        format!("INSERT INTO FUNCTION file('{path}', 'CSV', 'a String') SELECT 'x'"),
        format!("SELECT * FROM file('{secret}', 'LineAsString')"),
        format!("SELECT file('{secret}')"),
        format!("SELECT `file`('{secret}')"),
        format!("SELECT * APPLY(file) FROM (SELECT '{secret}')"),
        format!("CREATE TABLE f (a String) ENGINE = File(CSV, '{path}')"),
        format!("CREATE DATABASE f ENGINE = Filesystem('{}')", folder.path().display()),
        format!("CREATE TABLE f (a String) ENGINE = SQLite('{path}', 'x')"),
        format!("BACKUP TABLE t TO File('{path}')"),
        "CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:1/', 'CSV')".to_owned(),
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')".to_owned(),
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV')".to_owned(),
        "SELECT * FROM remote('127.0.0.1:1', system.one)".to_owned(),
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')".to_owned(),
        "SELECT * FROM executable('x', 'TSV', 'a String')".to_owned(),
        "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://127.0.0.1:1/')) LAYOUT(FLAT()) LIFETIME(0)"
            .to_owned(),
        "CREATE USER u".to_owned(),
        "CREATE FUNCTION f AS (a) -> a".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        "SYSTEM SHUTDOWN".to_owned(),
        "SET readonly = 0".to_owned(),
        "EXPLAIN AST INSERT INTO t FORMAT CSV\n\nDROP TABLE t".to_owned(),
    ] {
        let done = client.query_raw(&sql).execute().await;
        assert!(done.is_err(), "let through: {sql}");
        let text = done.unwrap_err().to_string();
        assert!(!text.contains("hidden"), "{sql}: {text}");
        assert!(text.contains("refused") || text.contains("privileges"), "{sql}: refused for another reason: {text}");
    }
    assert!(!out.exists());
    assert_eq!(client.query("SELECT count() FROM t").fetch_one::<u64>().await.unwrap(), 0);
}

#[tokio::test]
async fn a_query_ends_with_its_client_or_its_time() {
    let (client, _) = client().await;
    let long = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 7";
    let timed = client.query(long).with_setting("max_execution_time", "1").fetch_one::<u64>().await;
    assert!(timed.unwrap_err().to_string().contains("Code: 159"));
    let running = || async {
        let sql = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number) = 8%' AND query NOT LIKE '%LIKE%'";
        client.query(sql).fetch_one::<u64>().await.unwrap()
    };
    let second = client.query("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 8");
    let task = tokio::spawn(second.fetch_one::<u64>());
    eventually("the query runs", async || running().await == 1).await;
    task.abort();
    eventually("the abandoned query is killed", async || running().await == 0).await;
}

#[tokio::test]
async fn a_folder_has_one_engine() {
    let folder = tempfile::tempdir().unwrap();
    let first = child(folder.path()).await;
    let mut config = ChildConfig::new(testing::program().unwrap(), Vec::new(), library(), folder.path().to_owned());
    config.lock_within = Duration::from_millis(100);
    let error = Child::spawn(config).await.unwrap_err();
    assert!(matches!(&error, Error::Locked { holder, .. } if *holder == first.pid().unwrap().to_string()), "{error}");
    assert!(error.to_string().contains("is in use by process"), "{error}");
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_crashed_engine_comes_back_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let engine = child(folder.path()).await;
    let store = connect(&engine, "d").await;
    store.migrate().await.unwrap();
    let (url, first) = (engine.url(), engine.pid().unwrap());
    kill(first);
    eventually("a new process runs", async || engine.pid().is_some_and(|pid| pid != first)).await;
    assert_eq!(engine.url(), url);
    store.check_schema().await.unwrap();
    let second = engine.pid().unwrap();
    engine.stop().await.unwrap();
    assert!(!alive(second), "stopped means ended");
    // and once more on the same folder, at once
    let engine = child(folder.path()).await;
    connect(&engine, "d").await.check_schema().await.unwrap();
    let third = engine.pid().unwrap();
    drop(engine);
    eventually("a dropped engine ends", async || !alive(third)).await;
}

#[tokio::test]
async fn an_engine_ends_with_its_parent_and_not_with_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let mut command = tokio::process::Command::new(testing::program().unwrap());
    command.arg("--library").arg(library()).arg("--path").arg(&path).args(["--lock-ms", "0", "--remove"]);
    command.arg("--listener").arg(listener.as_raw_fd().to_string()).stdin(Stdio::piped()).kill_on_drop(true);
    let mut engine = command.spawn().unwrap();
    let mut pipe = engine.stdin.take().unwrap();
    pipe.write_all(b"token\n").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let config = StoreConfig::new(url, "d").with_credentials("", "token");
    let store = Store::connect(config).await.unwrap();
    // a supervisor signals the whole group: the parent still has to drain
    signal(engine.id().unwrap(), "-TERM");
    store.migrate().await.unwrap();
    assert!(path.exists());
    // what the kernel does to a parent that is killed
    drop(pipe);
    let status = tokio::time::timeout(Duration::from_secs(30), engine.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(!path.exists(), "a temporary folder stayed");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let config = |program, library| ChildConfig::new(program, Vec::new(), library, folder.path().join("x"));
    let missing = Child::spawn(config(folder.path().join("no-program"), library())).await.unwrap_err().to_string();
    assert!(missing.contains("no-program"), "{missing}");
    let missing = Child::spawn(config(testing::program().unwrap(), folder.path().join("no.so"))).await.unwrap_err();
    assert!(missing.to_string().contains("no.so"), "{missing}");
}

pub(crate) fn kill(pid: u32) {
    signal(pid, "-KILL");
}

fn signal(pid: u32, name: &str) {
    assert!(std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

fn alive(pid: u32) -> bool {
    // a zombie that its parent has not read yet counts as ended
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
