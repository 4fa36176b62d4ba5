//! Engines, rows and waiting.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use driftline_model::{
    Drift, DriftKind, Finding, Origin, ResourceKey, Severity, Subject, Transition, TransitionKind, drift_id,
    finding_id, transition_id,
};
use driftline_store::engine::{Child, ChildConfig};
use driftline_store::{Position, Store, StoreConfig, TransitionRow, testing};
use serde_json::json;

pub(crate) fn library() -> PathBuf {
    driftline_dev::chdb().unwrap()
}

/// A migrated store in a database of its own.
pub(crate) async fn store() -> Store {
    testing::start(&library()).await.unwrap()
}

/// An engine of one's own, to be killed.
pub(crate) async fn child(path: &std::path::Path) -> Child {
    let config = ChildConfig::new(testing::program().unwrap(), Vec::new(), library(), path.to_owned());
    Child::spawn(config).await.unwrap()
}

pub(crate) async fn connect(child: &Child, database: &str) -> Store {
    let config = StoreConfig::new(child.url(), database).with_credentials("", child.token());
    Store::connect(config).await.unwrap()
}

/// Waits until `condition` holds; fails after half a minute.
pub(crate) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn drift(account: &str, resource: &str, path: &str, severity: Severity) -> Drift {
    let key = ResourceKey::new(account, "eu-west-1", "aws_s3_bucket", resource);
    Drift {
        id: drift_id(&key, DriftKind::Modified, path),
        account: account.to_owned(),
        region: key.region,
        type_name: key.kind,
        resource: resource.to_owned(),
        arn: Some(format!("arn:aws:s3:::{resource}")),
        kind: DriftKind::Modified,
        path: path.to_owned(),
        expected: json!({"a": [1, "x"]}),
        actual: json!(null),
        severity,
        reason: "encryption is off".to_owned(),
        controls: vec!["PCI-DSS:3.5.1".into(), "GDPR:32".into()],
        baseline: Some(Origin {
            origin: "terraform".to_owned(),
            source: "s3://states/prod.tfstate".to_owned(),
            address: "module.a.aws_s3_bucket.b[0]".to_owned(),
            line: Some(7),
        }),
        remediation: None,
        waiver: None,
    }
}

pub(crate) fn finding(account: &str, resource: &str, rule: &str) -> Finding {
    let key = ResourceKey::new(account, "global", "aws_iam_user", resource);
    Finding {
        id: finding_id(&key, rule, "mfa"),
        account: account.to_owned(),
        region: key.region,
        type_name: key.kind,
        resource: resource.to_owned(),
        arn: None,
        path: "mfa".to_owned(),
        actual: json!(false),
        severity: Severity::High,
        rule: rule.to_owned(),
        reason: "no second factor".to_owned(),
        controls: Vec::new(),
    }
}

/// A transition caused by the record at `input`.
pub(crate) fn transition(subject: Subject, kind: TransitionKind, input: i64) -> Transition {
    let cause = format!("o{input}");
    Transition {
        id: transition_id(subject.id(), kind, &cause),
        transition: kind,
        cause,
        input_offset: input,
        at_ms: 1_760_000_000_000 + input,
        opened_ms: 1_760_000_000_000,
        subject,
    }
}

pub(crate) fn row(transition: &Transition, offset: i64) -> TransitionRow {
    TransitionRow::new(transition, Position { partition: 3, offset })
}

/// Runs SQL and gives the first column's texts or numbers.
pub(crate) async fn column(store: &Store, sql: &str) -> Vec<serde_json::Value> {
    let result = store.query(sql, &driftline_store::QueryLimits::default()).await.unwrap();
    result.rows.into_iter().filter_map(|row| row.into_iter().next()).collect()
}
