//! The fleet on moto: its states tell what the server answers, its changes can be seen.

#![allow(clippy::expect_used, reason = "helpers of tests are tests")]

use driftline_fleet::{Account, Expected, Fleet};
use driftline_model::Severity;
use serde_json::{Value, json};

async fn build() -> (driftline_dev::moto::Moto, Fleet) {
    let moto = driftline_dev::moto::start(None).expect("moto");
    let fleet = Fleet::build(&moto.url(), 7).await.expect("fleet");
    (moto, fleet)
}

/// All instances of a type in a state: address and attributes.
fn instances<'a>(state: &'a Value, kind: &str) -> Vec<&'a Value> {
    let resources = state["resources"].as_array().expect("resources");
    let of_kind = resources.iter().filter(|resource| resource["type"] == kind);
    of_kind
        .flat_map(|resource| resource["instances"].as_array().expect("instances"))
        .map(|i| &i["attributes"])
        .collect()
}

#[tokio::test]
async fn each_state_has_every_type_in_the_shape_of_its_provider() {
    let (_moto, fleet) = build().await;
    let folder = tempfile::tempdir().expect("folder");
    let files = fleet.write_states(folder.path()).expect("states");
    assert_eq!(files.len(), 3);
    for (account, file) in fleet.accounts.iter().zip(&files) {
        let state: Value = serde_json::from_slice(&std::fs::read(file).expect("file")).expect("JSON");
        assert_eq!(state, account.state);
        for kind in [
            "aws_s3_bucket",
            "aws_security_group",
            "aws_instance",
            "aws_ebs_volume",
            "aws_vpc",
            "aws_subnet",
            "aws_db_instance",
            "aws_iam_role",
            "aws_iam_user",
            "aws_iam_policy",
            "aws_iam_account_password_policy",
            "aws_cloudtrail",
            "aws_kms_key",
        ] {
            let found = instances(&state, kind);
            assert!(!found.is_empty(), "{}: no {kind}", account.name);
            assert!(found.iter().all(|attributes| attributes["id"].is_string()), "{}: {kind} without id", account.name);
        }
        let database = instances(&state, "aws_db_instance")[0];
        assert_eq!(database["id"] == database["identifier"], account.provider == 4);
        assert_eq!((&database["multi_az"], &database["backup_retention_period"]), (&json!(true), &json!(14)));
        assert_eq!(database["tags"]["Owner"], "shop");
        assert_eq!(database["tags"]["ManagedBy"], Value::Null);
        assert_eq!(database["tags_all"]["ManagedBy"], "terraform");
        assert_eq!(instances(&state, "aws_vpc")[0].get("region").is_some(), account.provider == 6);
        assert!(account.unmanaged.len() >= 5);
    }
    let kinds = |account: &Account| {
        ["aws_security_group_rule", "aws_vpc_security_group_ingress_rule"]
            .map(|k| !instances(&account.state, k).is_empty())
    };
    let shapes: Vec<_> = fleet.accounts.iter().map(kinds).collect();
    assert_eq!(shapes, [[true, true], [true, false], [false, true]]);
}

#[tokio::test]
async fn the_same_seed_builds_the_same_fleet() {
    let (_one, first) = build().await;
    let (_two, second) = build().await;
    for (a, b) in first.accounts.iter().zip(&second.accounts) {
        let strip = |state: &Value| {
            let mut text = state.to_string();
            // times of creation differ
            for role in instances(state, "aws_iam_role") {
                text = text.replace(role["create_date"].as_str().expect("date"), "");
            }
            text
        };
        assert_eq!(strip(&a.state), strip(&b.state), "{}", a.name);
    }
}

#[tokio::test]
async fn ten_changes_are_visible_through_the_sdk() {
    let (_moto, fleet) = build().await;
    let before = look(&fleet).await;
    let changes = fleet.drift().await.expect("changes");
    let after = look(&fleet).await;
    assert_eq!(changes.len(), 10);
    let seen: Vec<_> =
        changes.iter().map(|change| (change.path.as_str(), value(change, &before), value(change, &after))).collect();
    for (path, before, after) in &seen {
        assert_ne!(before, after, "{path} did not change");
    }
    let expect = [
        ("aws_security_group", "ingress", Severity::Critical),
        (
            "aws_s3_bucket",
            "server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.sse_algorithm",
            Severity::Critical,
        ),
        ("aws_instance", "tags.Owner", Severity::Low),
        ("aws_db_instance", "multi_az", Severity::High),
        ("aws_db_instance", "backup_retention_period", Severity::High),
        ("aws_db_instance", "deletion_protection", Severity::High),
        ("aws_s3_bucket", "versioning.enabled", Severity::Medium),
        ("aws_s3_bucket", "policy", Severity::Critical),
        ("aws_db_instance", "enabled_cloudwatch_logs_exports", Severity::Medium),
        ("aws_iam_role", "inline_policy", Severity::Critical),
    ];
    let got: Vec<_> = changes.iter().map(|c| (c.kind.as_str(), c.path.as_str(), c.severity)).collect();
    assert_eq!(got, expect);
}

/// What the SDK says of every account: by account and path of the changes.
async fn look(fleet: &Fleet) -> Value {
    let mut seen = json!({});
    for account in &fleet.accounts {
        seen[&account.id] = look_at(account).await;
    }
    seen
}

async fn look_at(account: &Account) -> Value {
    let c = &account.clients;
    let groups = c.ec2.describe_security_groups().send().await.expect("groups");
    let instances = c.ec2.describe_instances().send().await.expect("instances");
    let databases = c.rds.describe_db_instances().send().await.expect("databases");
    let buckets = c.s3.list_buckets().send().await.expect("buckets");
    let mut seen = json!({});
    for group in groups.security_groups() {
        seen["ingress"][group.group_id().expect("id")] = json!(format!("{:?}", group.ip_permissions()));
    }
    for instance in instances.reservations().iter().flat_map(|r| r.instances()) {
        let owner = instance.tags().iter().find(|tag| tag.key() == Some("Owner")).and_then(|tag| tag.value());
        seen["tags.Owner"][instance.instance_id().expect("id")] = json!(owner);
    }
    for database in databases.db_instances() {
        let id = database.db_instance_identifier().expect("id");
        seen["multi_az"][id] = json!(database.multi_az());
        seen["backup_retention_period"][id] = json!(database.backup_retention_period());
        seen["deletion_protection"][id] = json!(database.deletion_protection());
        seen["enabled_cloudwatch_logs_exports"][id] = json!(database.enabled_cloudwatch_logs_exports());
    }
    for name in buckets.buckets().iter().filter_map(|bucket| bucket.name()) {
        let encryption = c.s3.get_bucket_encryption().bucket(name).send().await.is_ok();
        seen["server_side_encryption_configuration.rule.apply_server_side_encryption_by_default.sse_algorithm"][name] =
            json!(encryption);
        // moto names the answer's root wrongly, which the SDK refuses; the answer itself is whole
        let versioning = c.s3.get_bucket_versioning().bucket(name).send().await;
        let body = versioning.as_ref().err().and_then(|error| error.raw_response()).and_then(|raw| raw.body().bytes());
        let body = body.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        seen["versioning.enabled"][name] = json!(body.is_some_and(|body| body.contains("<Status>Enabled</Status>")));
        let policy = c.s3.get_bucket_policy().bucket(name).send().await.ok().and_then(|answer| answer.policy);
        seen["policy"][name] = json!(policy);
    }
    let policies = c.iam.list_role_policies().role_name("shop-deploy").send().await.expect("role policies");
    seen["inline_policy"]["shop-deploy"] = json!(policies.policy_names());
    seen
}

fn value<'a>(change: &Expected, seen: &'a Value) -> &'a Value {
    let value = &seen[&change.account][&change.path];
    assert!(value.get(&change.resource).is_some(), "{} of {} was not looked at", change.path, change.resource);
    &value[&change.resource]
}
