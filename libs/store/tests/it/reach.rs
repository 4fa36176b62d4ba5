//! Somebody who may see one account asks for another's rows, in every way that could be thought of.

use std::collections::BTreeSet;

use driftline_model::record::AccountFacts;
use driftline_model::{ResourceKey, Severity, Subject, TransitionKind};
use driftline_store::{AccountRow, Error, Order, QueryLimits, Reach, SnapshotRow, Store, WatermarkRow};
use serde_json::json;

use crate::support::{drift, finding, row, store, transition};

const A: &str = "000000000001";
const B: &str = "000000000002";
/// Stands in every row of the other account and nowhere else; in ours a number stands there.
const MARK: &str = "zebra";

/// Rows of these accounts in every table.
async fn filled(accounts: &[&str]) -> Store {
    let store = store().await;
    let named = [(A, "1001"), (B, MARK)].into_iter().filter(|(account, _)| accounts.contains(account));
    for (n, (account, name)) in named.enumerate() {
        let n = i64::try_from(n).unwrap();
        let drifted = Subject::Drift(drift(account, name, "tags.a", Severity::High));
        let found = Subject::Finding(finding(account, name, "iam_user.01"));
        let rows = [drifted, found].map(|subject| row(&transition(subject, TransitionKind::Opened, n), n));
        store.insert_transitions(&rows).await.unwrap();
        let order = Order { epoch: 1, number: u64::try_from(n).unwrap() };
        let key = ResourceKey::new(account, "eu-west-1", "aws_s3_bucket", name);
        let snapshot = crate::storing::snapshot(&key, name);
        store.insert_snapshots(&[SnapshotRow::new(&key, Some(&snapshot), order, n, name)]).await.unwrap();
        let facts = AccountFacts { name: name.to_owned(), ..AccountFacts::default() };
        store.insert_accounts(&[AccountRow::new(account, &facts, order, n)]).await.unwrap();
    }
    store.insert_watermarks(&[WatermarkRow::new("driftline.inputs", 0, 7, 1)]).await.unwrap();
    store
}

fn only(account: &str) -> Reach {
    Reach::Accounts(BTreeSet::from([account.to_owned()]))
}

const TABLES: &[&str] = &[
    "drift_event_rows",
    "drift_events",
    "drift_rows",
    "drifts",
    "finding_rows",
    "findings",
    "snapshot_rows",
    "snapshots",
    "resource_rows",
    "resources",
    "account_rows",
    "accounts",
    "drift_activity",
    "posture",
    "drifts_from_events",
];

#[tokio::test]
async fn one_sees_all_of_ones_own_and_nothing_else() {
    let store = filled(&[A, B]).await;
    let ask = async |sql: &str, reach: &Reach| store.query_within(sql, &QueryLimits::default(), reach).await;
    for table in TABLES {
        let sql = format!("SELECT count(), uniqExact(account), any(account) FROM {table}");
        let all = ask(&sql, &Reach::Everything).await.unwrap().rows;
        assert_eq!(all[0][1], json!(2), "{table} has both: {all:?}");
        for account in [A, B] {
            let own = ask(&sql, &only(account)).await.unwrap().rows;
            assert!(
                own[0][0] == json!(all[0][0].as_u64().unwrap() / 2) && own[0][2] == json!(account),
                "{table}: {own:?}"
            );
        }
        let none = ask(&format!("SELECT count() FROM {table}"), &Reach::Accounts(BTreeSet::new())).await.unwrap();
        assert_eq!(none.rows[0][0], json!(0), "{table}");
    }
    // What a person asks for goes as it is.
    for (sql, rows) in [
        ("SELECT severity, count() FROM drifts GROUP BY severity ORDER BY 2 DESC LIMIT 5", 1),
        (
            "WITH worst AS (SELECT * FROM drifts WHERE severity = 'HIGH') SELECT w.resource, f.rule FROM worst AS w JOIN findings AS f USING (account)",
            1,
        ),
        ("SELECT toStartOfDay(at) AS day, countIf(transition = 'opened') FROM drift_events GROUP BY day", 1),
        (
            "SELECT JSONExtractString(attributes, 'tags.Owner') FROM resources WHERE account IN ('000000000001', '000000000002')",
            1,
        ),
        ("SELECT row_number() OVER (PARTITION BY account ORDER BY at) FROM snapshots", 1),
        ("DESCRIBE TABLE drifts", 24),
        ("SELECT * FROM watermarks", 0),
    ] {
        let answer = ask(sql, &only(A)).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(answer.rows.len(), rows, "{sql}");
    }
}

/// Each is refused, or answered as if there were no other account.
const EVASIONS: &[&str] = &[
    "SELECT * FROM drifts",
    "SELECT * FROM drifts WHERE account = '000000000002'",
    "SELECT * FROM drifts WHERE account != '' OR 1",
    "SELECT * FROM drift_rows FINAL WHERE 1 OR account IN ('000000000002')",
    "SELECT a.resource, b.resource FROM drifts AS a CROSS JOIN drifts AS b",
    "SELECT b.* FROM (SELECT 1 AS one) AS a LEFT JOIN drift_rows AS b ON a.one = 1",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM drift_rows))",
    "WITH x AS (SELECT * FROM drift_rows) SELECT * FROM x UNION ALL SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT resource FROM drift_rows UNION ALL SELECT resource FROM x WHERE 0) SELECT * FROM x",
    "SELECT (SELECT groupArray(resource) FROM drift_rows)",
    "SELECT '000000000001' AS account, resource FROM drift_rows",
    "SELECT resource FROM drift_rows AS drifts",
    "SELECT account.* FROM drift_rows AS account",
    "SELECT resource FROM drift_rows AS \"drift_rows\" WHERE account = account",
    "SELECT groupArray(resource) FROM drift_rows GROUP BY ALL WITH TOTALS",
    "SELECT arrayMap(x -> x, groupArray(resource)) FROM drift_event_rows",
    "SELECT * FROM drift_rows WHERE resource IN (SELECT resource FROM finding_rows)",
    "SELECT 1 FROM drifts WHERE 'zebra' IN (SELECT resource FROM finding_rows)",
    "SELECT name FROM account_rows INTERSECT SELECT name FROM accounts",
    "SELECT DISTINCT ON (account) resource FROM resource_rows",
    "SELECT resource FROM drifts_from_events",
    "SELECT * FROM drifts SETTINGS additional_table_filters = {}",
    "SELECT * FROM (SELECT * FROM drift_rows SETTINGS additional_table_filters = {})",
    "SELECT * FROM drift_rows PREWHERE resource = 'zebra'",
    "SELECT * FROM merge('.*')",
    "SELECT * FROM merge(currentDatabase(), '^drift_rows$')",
    "SELECT * FROM remote('127.0.0.1', currentDatabase(), drift_rows)",
    "SELECT * FROM cluster('default', currentDatabase(), 'drift_rows')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/a/b', 'LineAsString')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM view(SELECT * FROM drift_rows)",
    "SELECT * FROM viewIfPermitted(SELECT * FROM drift_rows ELSE null('a String'))",
    "SELECT * FROM loop(drift_rows)",
    "SELECT * FROM mergeTreeIndex(currentDatabase(), drift_rows)",
    "SELECT * FROM mergeTreeProjection(currentDatabase(), drift_rows, p)",
    "SELECT * FROM dictionary('x')",
    "SELECT joinGet('drift_rows', 'resource', '1')",
    "SELECT dictGet('x', 'y', 1)",
    "SELECT * FROM numbers(10)",
    "SELECT * FROM system.parts",
    "SELECT * FROM `system`.`parts_columns`",
    "SELECT * FROM SYSTEM.tables",
    "SELECT query FROM system.processes",
    "SELECT query FROM system . query_log",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "SELECT 1 WHERE 'x' IN system.databases",
    "SELECT count() FROM drift_rows WHERE resource IN finding_rows",
    "SHOW TABLES",
    "SHOW CREATE TABLE drifts",
    "SHOW PROCESSLIST",
    "SHOW DATABASES",
    "EXPLAIN ESTIMATE SELECT * FROM drift_rows",
    "EXPLAIN indexes = 1 SELECT * FROM drift_rows WHERE account = '000000000002'",
    "DESCRIBE (SELECT * FROM drift_rows)",
    "DESCRIBE TABLE system.processes",
    "SELECT * FROM {t:Identifier}",
    "SELECT @@version",
    "SELECT getSetting('additional_table_filters')",
    "SELECT * APPLY(toString) FROM drift_rows",
    "SELECT COLUMNS('resource') FROM drift_rows",
    "SELECT drift_rows.* REPLACE ('zebras' AS account) FROM drift_rows",
    "SELECT hostName(), currentUser(), version()",
    "SELECT toUInt64(resource) FROM drift_rows",
    "SELECT count() FROM drift_rows WHERE toUInt64(resource) > 0",
    "SELECT count() FROM drifts WHERE toUInt64(resource) > 0",
    "SELECT count() FROM account_rows WHERE toUInt64(name) > 0",
    "SELECT count() FROM (SELECT toUInt64(name) AS n FROM accounts) WHERE n > 0",
    "SELECT sum(toUInt64(a.name)) FROM account_rows AS a JOIN drift_rows AS d ON toUInt64(a.name) = toUInt64(d.resource)",
    "SELECT max(toUInt64(JSONExtractString(attributes, 'tags.Owner'))) FROM resources",
    "SELECT max(account), min(account), count() FROM drift_rows",
    "SELECT min(_part), max(_partition_id), count() FROM drift_rows",
    "SELECT uniqExactMerge(ids) FROM drift_activity_rows WHERE account = '000000000002'",
    "SELECT * FROM drifts LIMIT 1 BY account",
    "SELECT * FROM drifts ORDER BY account DESC LIMIT 1",
    "SELECT resource FROM drifts /* FROM */ -- x\n WHERE 1",
    "SELECT lead(resource) OVER (ORDER BY account ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM drift_rows",
    "INSERT INTO drift_rows SELECT * FROM drift_rows",
    "SELECT 1; SELECT * FROM drift_rows",
    "SELECT * FROM drift_rows INTO OUTFILE 'x'",
    "CREATE VIEW v AS SELECT * FROM drift_rows",
];

#[tokio::test]
async fn no_text_shows_what_is_anothers() {
    let store = filled(&[A, B]).await;
    let other = filled(&[A, B]).await;
    let reach = only(A);
    let mut texts: Vec<String> = EVASIONS.iter().map(|sql| (*sql).to_owned()).collect();
    let database = database(&other).await;
    texts.push(format!("SELECT * FROM {database}.drift_rows"));
    texts.push(format!("SELECT * FROM \"{database}\".`drift_rows`"));
    let own = self::database(&store).await;
    texts.push(format!("SELECT * FROM {own}.drift_rows AS x"));
    texts.push(format!("SELECT {own}.drift_rows.resource FROM {own}.drift_rows, {own}.drifts AS y"));
    // Of what is ours alone the same text says the same: nothing else has an influence, not even as an error.
    let alone = filled(&[A]).await;
    let (mut answered, mut refused) = (0, 0);
    for sql in &texts {
        let outcome = store.query_within(sql, &QueryLimits::default(), &reach).await;
        let text = match &outcome {
            Ok(answer) => {
                answered += 1;
                format!("{answer:?}")
            }
            Err(error) => {
                refused += 1;
                error.to_string()
            }
        };
        assert!(!text.contains(B), "{sql}: {text}");
        let quoted = sql.contains(MARK) || sql.contains("zebras");
        assert!(quoted || !text.contains(MARK), "{sql}: {text}");
        if !sql.contains(&own) && !sql.contains("_part") {
            let undisturbed = alone.query_within(sql, &QueryLimits::default(), &reach).await;
            let shape = |o: &Result<driftline_store::QueryResult, Error>| match o {
                Ok(answer) => Some(json!(answer.rows)),
                Err(_) => None,
            };
            assert_eq!(shape(&outcome), shape(&undisturbed), "{sql}");
        }
    }
    assert!(answered >= 30 && refused >= 40, "{answered} answered, {refused} refused");
}

async fn database(store: &Store) -> String {
    let name = store.query("SELECT currentDatabase()", &QueryLimits::default()).await.unwrap();
    name.rows[0][0].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_unit_is_its_accounts_and_those_below_it() {
    let store = store().await;
    let places =
        [("000000000001", "/Root/Prod"), ("000000000002", "/Root/Prod/EU"), ("000000000003", "/Root/Production")];
    for (n, (account, place)) in (0..).zip(places.into_iter().chain([("000000000004", "")])) {
        let facts = AccountFacts { ou_path: place.to_owned(), ..AccountFacts::default() };
        store.insert_accounts(&[AccountRow::new(account, &facts, Order { epoch: 1, number: n }, 0)]).await.unwrap();
    }
    for (units, wanted) in [
        (&["/Root/Prod"][..], "1 2"),
        (&["/Root/Prod/"], "1 2"),
        (&["/Root/Prod/EU", "/Root/Production"], "2 3"),
        (&["/"], "1 2 3"),
        (&["/Prod", "/Root/Pro", "/root/prod"], ""),
        (&[], ""),
    ] {
        let units = units.iter().map(|unit| (*unit).to_owned()).collect();
        let found = store.accounts_of_units(&units).await.unwrap();
        let found: Vec<_> = found.iter().map(|account| account.trim_start_matches('0')).collect();
        assert_eq!(found.join(" "), wanted, "{units:?}");
    }
}
