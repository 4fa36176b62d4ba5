//! Written any number of times, in any batches: there once, in the last state.

use std::collections::BTreeMap;

use driftline_model::record::{AccountFacts, Cycle, Listing};
use driftline_model::{
    Coverage, CoverageStatus, DriftKind, ResourceKey, Severity, Snapshot, Subject, Transition, TransitionKind,
};
use driftline_store::{AccountRow, CycleRow, Filter, Order, SnapshotRow, Status, Store, TransitionRow, WatermarkRow};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{column, drift, finding, row, store, transition};

const A: &str = "000000000001";
const B: &str = "000000000002";

/// The lives of some drifts and findings: every cause an offset of the inputs.
fn lives() -> Vec<Transition> {
    let mut all = Vec::new();
    for (i, account) in [A, A, B, B, B].into_iter().enumerate() {
        let severity = Severity::ALL[i % 4];
        let subject = |text: &str| {
            let mut d = drift(account, &format!("bucket-{i}"), "versioning.enabled", severity);
            d.actual = json!(text);
            Subject::Drift(d)
        };
        let at = 10 * i64::try_from(i).unwrap();
        all.push(transition(subject("first"), TransitionKind::Opened, at));
        all.push(transition(subject("second"), TransitionKind::Changed, at + 1));
        if i % 2 == 1 {
            all.push(transition(subject("second"), TransitionKind::Resolved, at + 2));
        }
        let found = Subject::Finding(finding(account, &format!("user-{i}"), "iam_user.01"));
        all.push(transition(found, TransitionKind::Opened, at + 3));
    }
    all
}

/// Everything that a reader sees.
async fn seen(store: &Store) -> Vec<Value> {
    let mut all = Vec::new();
    for sql in [
        "SELECT * EXCEPT (partition, offset) FROM drift_events ORDER BY id",
        "SELECT * EXCEPT (version) FROM drifts ORDER BY id",
        "SELECT * EXCEPT (version) FROM findings ORDER BY id",
        "SELECT * FROM drift_activity ORDER BY ALL",
        "SELECT * FROM posture ORDER BY account",
    ] {
        all.push(json!(store.query(sql, &Default::default()).await.unwrap()));
    }
    all
}

#[tokio::test]
async fn batches_and_repeats_make_no_difference() {
    let lives = lives();
    let rows: Vec<TransitionRow> = (0..).zip(&lives).map(|(offset, t)| row(t, offset)).collect();
    let once = store().await;
    once.insert_transitions(&rows).await.unwrap();
    let expect = seen(&once).await;
    let again: Vec<TransitionRow> = (1000..).zip(&lives).map(|(offset, t)| row(t, offset)).collect();
    // each case: the batches in order, as ranges of the rows; `true`: read again at later offsets, as after a crash
    // of the analyzer between its transitions and its own position
    let all = rows.len();
    let cases: [&[(usize, usize, bool)]; 5] = [
        &[(0, all, false), (0, all, false)],
        &[(0, 5, false), (3, 9, false), (2, all, false)],
        &[(0, all, false), (2, 7, true)],
        &[(0, 9, false), (0, all, true), (4, 6, false)],
        &[(9, all, false), (0, 9, false)],
    ];
    for case in cases {
        let store = store().await;
        for (from, to, late) in case {
            let source = if *late { &again } else { &rows };
            store.insert_transitions(&source[*from..*to]).await.unwrap();
        }
        assert_eq!(seen(&store).await, expect, "{case:?}");
    }
    let one_by_one = store().await;
    for row in rows.iter().rev().chain(&rows) {
        one_by_one.insert_transitions(std::slice::from_ref(row)).await.unwrap();
    }
    assert_eq!(seen(&one_by_one).await, expect, "backwards, one by one");
}

#[tokio::test]
async fn drifts_are_found_worst_first_with_their_history() {
    let store = store().await;
    let lives = lives();
    let rows: Vec<TransitionRow> = (0..).zip(&lives).map(|(offset, t)| row(t, offset)).collect();
    store.insert_transitions(&rows).await.unwrap();
    let summary = |page: driftline_store::Page<driftline_store::StoredDrift>| {
        let rows: Vec<String> =
            page.rows.iter().map(|d| format!("{} {}", d.drift.severity, d.drift.resource)).collect();
        (rows.join(", "), page.total)
    };
    let open = Filter::default();
    for (filter, expect, total) in [
        (open.clone(), "MEDIUM?", 3),
        (Filter { status: None, limit: 2, ..open.clone() }, "2", 5),
        (Filter { status: None, offset: 4, ..open.clone() }, "1", 5),
        (Filter { status: Some(Status::Resolved), ..open.clone() }, "2", 2),
        (Filter { at_least: Severity::High, status: None, ..open.clone() }, "2", 2),
        (Filter { accounts: vec![A.into()], status: None, ..open.clone() }, "2", 2),
        (Filter { accounts: vec![A.into(), B.into()], regions: vec!["mars".into()], ..open.clone() }, "0", 0),
        (Filter { types: vec!["aws_s3_bucket".into()], resources: vec!["bucket-2".into()], ..open.clone() }, "1", 1),
        (Filter { kinds: vec![DriftKind::Modified], status: None, ..open.clone() }, "5", 5),
        (Filter { kinds: vec![DriftKind::Unmanaged, DriftKind::Moved], status: None, ..open.clone() }, "0", 0),
        (Filter { resources: vec!["') OR 1 -- ".into()], ..open.clone() }, "0", 0),
    ] {
        let (text, found) = summary(store.drifts(&filter).await.unwrap());
        let count = if text.is_empty() { 0 } else { text.split(", ").count() };
        assert_eq!(found, total, "{filter:?}: {text}");
        if let Ok(expect) = expect.parse::<usize>() {
            assert_eq!(count, expect, "{filter:?}: {text}");
        }
    }
    let (text, _) = summary(store.drifts(&Filter { status: None, ..open.clone() }).await.unwrap());
    assert_eq!(text, "CRITICAL bucket-3, HIGH bucket-2, MEDIUM bucket-1, LOW bucket-0, LOW bucket-4");
    assert_eq!(store.findings(&open).await.unwrap().total, 5);
    let findings = store.findings(&Filter { kinds: vec![DriftKind::Moved], ..open.clone() }).await.unwrap();
    assert_eq!(findings.total, 5, "a finding has no kind");
    // a drift's whole history equals what was sent, and its state the last of it
    let ids: Vec<&str> = lives.iter().map(|t| t.subject.id()).collect();
    for id in ids {
        let sent: Vec<&Transition> = lives.iter().filter(|t| t.subject.id() == id).collect();
        let last = sent.last().unwrap();
        let history = match &last.subject {
            Subject::Drift(d) => {
                let (stored, history) = store.drift(id).await.unwrap().unwrap();
                assert_eq!(store.drift(&id[..12]).await.unwrap().unwrap().0, stored, "by its beginning");
                assert!(store.drift(&id[..4]).await.unwrap().is_none(), "too short to be meant");
                assert_eq!(stored.drift, *d);
                assert_eq!((stored.opened_ms, stored.changed_ms), (last.opened_ms, last.at_ms));
                assert_eq!(stored.status == Status::Resolved, last.transition == TransitionKind::Resolved);
                history
            }
            Subject::Finding(f) => {
                let (stored, history) = store.finding(id).await.unwrap().unwrap();
                assert_eq!(stored.finding, *f);
                history
            }
        };
        assert_eq!(history.iter().collect::<Vec<_>>(), sent);
    }
    assert_eq!(store.drift("no such").await.unwrap(), None);
}

pub(crate) fn snapshot(key: &ResourceKey, value: &str) -> Snapshot {
    Snapshot {
        key: key.clone(),
        arn: None,
        revision: "r1".to_owned(),
        attributes: BTreeMap::from([("tags.Owner".to_owned(), json!(value))]),
        unread: BTreeMap::new(),
        relations: BTreeMap::new(),
        owner: None,
    }
}

#[tokio::test]
async fn observations_are_a_history_and_an_inventory() {
    let store = store().await;
    let key = ResourceKey::new(A, "eu-west-1", "aws_vpc", "vpc/1");
    let at = |epoch, number, value: Option<&str>| {
        let (order, ms) = (Order { epoch, number }, 1_760_000_000_000 + i64::try_from(number).unwrap());
        SnapshotRow::new(&key, value.map(|v| snapshot(&key, v)).as_ref(), order, ms, value.unwrap_or_default())
    };
    let rows = [at(5, 1, Some("a")), at(5, 2, Some("b")), at(9, 1, Some("b")), at(9, 2, Some("a"))];
    // an older agent's late record comes last, and all of it twice
    for batch in [&rows[1..], &rows[..1], &rows[..]] {
        store.insert_snapshots(batch).await.unwrap();
    }
    let history =
        "SELECT concat(toString(epoch), '.', toString(number), ' ', hash) FROM snapshots ORDER BY epoch, number";
    assert_eq!(column(&store, history).await, [json!("5.1 a"), json!("5.2 b"), json!("9.2 a")]);
    let now = "SELECT JSONExtractString(attributes, 'tags.Owner') FROM resources";
    assert_eq!(column(&store, now).await, [json!("a")]);
    store.insert_snapshots(&[at(9, 3, None)]).await.unwrap();
    assert_eq!(column(&store, now).await, Vec::<Value>::new());
    assert_eq!(
        column(&store, "SELECT gone FROM snapshots ORDER BY epoch DESC, number DESC LIMIT 1").await,
        [json!(true)]
    );
    // epochs and numbers at their ends keep their order
    store.insert_snapshots(&[at(i64::MAX, u64::from(u32::MAX), Some("z")), at(9, 1 << 40, Some("y"))]).await.unwrap();
    assert_eq!(column(&store, now).await, [json!("z")]);
}

fn cycle(types: &[(&str, CoverageStatus)], ended_ms: i64) -> Cycle {
    let listing = |(kind, status): &(&str, CoverageStatus)| Listing {
        coverage: Coverage {
            account: A.to_owned(),
            region: "eu-west-1".to_owned(),
            kind: (*kind).to_owned(),
            status: *status,
            resources: 3,
            error: (*status != CoverageStatus::Complete).then(|| "AccessDenied: no".to_owned()),
        },
        began_ms: ended_ms - 5,
        whole: false,
        after_offset: 7,
        not_found: Vec::new(),
        digest: "d".to_owned(),
    };
    Cycle {
        catalogue: "c1".to_owned(),
        regions: vec!["eu-west-1".to_owned()],
        types: types.iter().map(|(t, _)| (*t).to_owned()).collect(),
        after_offset: 7,
        listings: types.iter().map(listing).collect(),
        began_ms: ended_ms - 10,
        ended_ms,
    }
}

#[tokio::test]
async fn coverage_is_that_of_the_last_round() {
    use CoverageStatus::{Complete, Denied};
    let store = store().await;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let first = CycleRow::new(
        A,
        &cycle(&[("aws_vpc", Denied), ("aws_subnet", Complete)], now - 60_000),
        Order { epoch: 3, number: 8 },
    );
    let second = CycleRow::new(A, &cycle(&[("aws_subnet", Denied)], now), Order { epoch: 4, number: 1 });
    for batch in [vec![second.clone()], vec![first.clone(), second], vec![first]] {
        store.insert_coverage(&batch).await.unwrap();
    }
    let rows = store.coverage(&[]).await.unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].coverage, cycle(&[("aws_subnet", Denied)], 0).listings[0].coverage);
    assert_eq!((rows[0].began_ms, rows[0].ended_ms), (now - 5, now));
    assert_eq!(store.coverage(&[B.to_owned()]).await.unwrap(), []);
    assert_eq!(column(&store, "SELECT count() FROM coverage_history").await, [json!(3)]);
}

#[tokio::test]
async fn accounts_and_watermarks_keep_the_last() {
    let store = store().await;
    let facts = |name: &str| AccountFacts {
        name: name.to_owned(),
        tags: BTreeMap::from([("owner's".to_owned(), "x\ny".to_owned())]),
        ..AccountFacts::default()
    };
    let row = |epoch, number, name| AccountRow::new(A, &facts(name), Order { epoch, number }, 5);
    store.insert_accounts(&[row(2, 0, "late"), row(1, 9, "early")]).await.unwrap();
    store.insert_accounts(&[row(1, 10, "middle"), row(2, 0, "late")]).await.unwrap();
    assert_eq!(column(&store, "SELECT name FROM accounts").await, [json!("late")]);
    assert_eq!(column(&store, "SELECT tags['owner\\'s'] FROM accounts").await, [json!("x\ny")]);
    for next in [10, 30, 20] {
        store.insert_watermarks(&[WatermarkRow::new("driftline.events", 2, next, 1000 + next)]).await.unwrap();
    }
    let marks = store.watermarks().await.unwrap();
    assert_eq!(marks.iter().map(|m| (m.partition, m.offset, m.at)).collect::<Vec<_>>(), [(2, 30, 1030)]);
}

#[tokio::test]
async fn absurd_times_and_large_batches_are_stored() {
    let store = store().await;
    let mut rows = Vec::new();
    for (input, at) in [i64::MIN, -1, 0, i64::MAX].into_iter().chain((0..300).map(|m| m * 31 * 86_400_000)).enumerate()
    {
        let input = i64::try_from(input).unwrap();
        let subject = Subject::Drift(drift(A, &format!("b-{input}"), "p", Severity::Low));
        let t = Transition { at_ms: at, ..transition(subject, TransitionKind::Opened, input) };
        rows.push(row(&t, input));
    }
    // more than one insert, by rows and by bytes
    for input in 1000..12_000 {
        let subject = Subject::Drift(drift(A, &format!("b-{input}"), "p", Severity::Low));
        rows.push(row(&transition(subject, TransitionKind::Opened, input), input));
    }
    for input in 20_000..20_010 {
        let mut d = drift(A, &format!("b-{input}"), "p", Severity::Low);
        d.actual = json!("x".repeat(3 << 20));
        rows.push(row(&transition(Subject::Drift(d), TransitionKind::Opened, input), input));
    }
    store.insert_transitions(&rows).await.unwrap();
    assert_eq!(column(&store, "SELECT count() FROM drift_events").await, [json!(rows.len())]);
    assert_eq!(column(&store, "SELECT count() FROM drifts").await, [json!(rows.len())]);
}

fn hostile() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "'; DROP TABLE drift_rows; --",
        "\\",
        "\\'",
        "\0",
        "\n\n",
        "\r\n\r\n--",
        "?",
        "??",
        "?fields",
        "{id:String}",
        "$$",
        "\u{202e}\u{feff}",
        "Code: 1. DB::Exception: no))\n",
        "\\N",
        "NULL",
    ]);
    prop_oneof![fixed.prop_map(str::to_owned), any::<String>(), "[ -~\\n\\t]{0,40}"]
}

#[test]
fn hostile_texts_come_back_as_they_are() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(store());
    let mut config = ProptestConfig::with_cases(48);
    config.failure_persistence = None;
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let texts = prop::collection::vec(hostile(), 8);
    let outcome = runner.run(&texts, |t| {
        let offset = {
            static NEXT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
            NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
        };
        let mut d = drift(A, &t[0], &t[1], Severity::Critical);
        d.expected = json!({ t[2].clone(): [t[3].clone(), null, true, -7, u64::MAX] });
        d.actual = json!(t[4]);
        d.reason.clone_from(&t[5]);
        d.controls = vec![t[6].clone().into(), t[7].clone().into()];
        let sent = transition(Subject::Drift(d.clone()), TransitionKind::Opened, offset);
        runtime.block_on(async {
            store.insert_transitions(&[row(&sent, offset)]).await.unwrap();
            let (stored, history) = store.drift(&d.id).await.unwrap().unwrap();
            prop_assert_eq!(&stored.drift, &d);
            prop_assert!(history.contains(&sent));
            let filter = Filter { resources: vec![t[0].clone()], ..Filter::default() };
            let page = store.drifts(&filter).await.unwrap();
            prop_assert!(page.rows.iter().any(|r| r.drift == d));
            prop_assert!(page.rows.iter().all(|r| r.drift.resource == t[0]));
            Ok(())
        })
    });
    outcome.unwrap();
}
