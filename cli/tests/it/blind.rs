//! What was not seen is never inferred: denied, throttled, broken and cut answers end in coverage, not in drift.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::faulty::{Fault, Faults, LISTINGS, Proxy};
use crate::rig::{Rig, declared};

const SETTINGS: &str = "[aws]\ntimeout = \"5s\"\ndeadline = \"2s\"\n";

fn scan(rig: &Rig, config: &Path, more: &[&str]) -> (i32, Value, String) {
    let states = rig.states();
    let mut arguments = vec!["scan", "--baseline", &states, "--format", "json"];
    arguments.extend(more);
    let (code, out, err) = rig.run(config, &arguments);
    let report = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    (code, report, err)
}

/// Drifts but what nobody declared, as `kind type resource`.
fn drifts(report: &Value) -> BTreeSet<String> {
    let all = report["drifts"].as_array().unwrap().iter().filter(|d| d["kind"] != "unmanaged");
    let text = |d: &Value, name: &str| d[name].as_str().unwrap().to_owned();
    all.map(|d| format!("{} {} {}", text(d, "kind"), text(d, "type"), text(d, "resource"))).collect()
}

/// Statuses of an account's scopes of a type; errors must go with all but complete ones.
fn statuses(report: &Value, account: &str, kind: &str) -> BTreeSet<String> {
    let coverage = report["coverage"].as_array().unwrap().iter();
    let scopes = coverage.filter(|c| c["account"] == account && (kind.is_empty() || c["type"] == kind));
    let status = |c: &Value| {
        let complete = c["status"] == "complete";
        assert!(complete || c["error"].as_str().is_some_and(|e| !e.is_empty()), "without a reason: {c}");
        c["status"].as_str().unwrap().to_owned()
    };
    scopes.map(status).collect()
}

fn only(status: &str) -> BTreeSet<String> {
    BTreeSet::from([status.to_owned()])
}

/// Types that an operation lists.
fn kinds(operation: &str) -> &'static [&'static str] {
    match operation {
        "ListBuckets" => &["aws_s3_bucket"],
        "DescribeSecurityGroups" => &["aws_security_group"],
        "DescribeInstances" => &["aws_instance"],
        "DescribeVolumes" => &["aws_ebs_volume"],
        "DescribeDBInstances" => &["aws_db_instance"],
        "GetAccountAuthorizationDetails" => &["aws_iam_role", "aws_iam_user", "aws_iam_policy"],
        "ListKeys" => &["aws_kms_key"],
        _ => unreachable!("{operation}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_seen_is_never_missing() {
    let mut rig = Rig::start().await;
    let (proxy, url) = Proxy::start(&rig.endpoint()).await;
    rig.through(url);
    let config = rig.write("blind.toml", &format!("{}{SETTINGS}", rig.accounts()));
    let ids: Vec<String> = rig.fleet.accounts.iter().map(|a| a.id.clone()).collect();

    // Every fault of every listing, in one account or another: nothing was changed, so nothing may be found.
    let kinds_of_fault = [
        Fault::Denied,
        Fault::Throttled,
        Fault::Broken,
        Fault::Cut,
        Fault::Half,
        Fault::SamePage,
        Fault::EmptyPage,
        Fault::EmptyOnce,
    ];
    let mut doubted = 0;
    for round in 0..3 {
        let mut faults = Faults::new();
        for (l, listing) in LISTINGS.iter().enumerate() {
            for (a, id) in ids.iter().enumerate() {
                faults.insert((id.clone(), listing.operation), kinds_of_fault[(l + round * 3 + a) % 8]);
            }
        }
        proxy.set(faults.clone());
        let (code, report, err) = scan(&rig, &config, &[]);
        assert_eq!(proxy.struck().len(), faults.len(), "not all faults were met");
        assert_eq!((code, drifts(&report)), (1, BTreeSet::new()), "{faults:?} {err}");
        for ((account, operation), fault) in &faults {
            for kind in kinds(operation) {
                let found = statuses(&report, account, kind);
                let expected = match fault {
                    Fault::Denied => only("denied"),
                    Fault::Throttled => only("throttled"),
                    Fault::Broken | Fault::Cut | Fault::Half | Fault::SamePage => only("failed"),
                    Fault::EmptyPage => only("complete"),
                    // Found by id although no listing shows it: that scope is doubted, others were empty indeed.
                    Fault::EmptyOnce => {
                        doubted += usize::from(found.contains("partial"));
                        found.iter().filter(|s| *s == "complete" || *s == "partial").cloned().collect()
                    }
                };
                assert_eq!(found, expected, "{account} {operation} {fault:?}: {kind}");
            }
        }
    }

    assert!(doubted >= LISTINGS.len(), "only {doubted} empty answers were doubted");

    // A role refused, listings refused and throttled, and in the third account a group that is gone for sure.
    let gone = declared(&rig.fleet.accounts[2], "aws_security_group", "bastion");
    rig.fleet.accounts[2].clients.ec2.delete_security_group().group_id(&gone).send().await.unwrap();
    let refused = [
        ((ids[0].clone(), "AssumeRole"), Fault::Denied),
        ((ids[1].clone(), "ListBuckets"), Fault::Denied),
        ((ids[1].clone(), "DescribeSecurityGroups"), Fault::Throttled),
        ((ids[1].clone(), "GetAccountAuthorizationDetails"), Fault::Denied),
    ];
    proxy.set(Faults::from(refused));
    let (code, report, err) = scan(&rig, &config, &[]);
    let expected = BTreeSet::from([format!("missing aws_security_group {gone}")]);
    assert_eq!((code, drifts(&report)), (1, expected.clone()), "{err}");
    assert_eq!(report["summary"]["missing"], 1);
    assert_eq!(statuses(&report, &ids[0], ""), only("denied"));
    assert_eq!(statuses(&report, &ids[1], "aws_s3_bucket"), only("denied"));
    assert_eq!(statuses(&report, &ids[1], "aws_security_group"), only("throttled"));
    assert_eq!(statuses(&report, &ids[1], "aws_iam_role"), only("denied"));
    assert_eq!(statuses(&report, &ids[1], "aws_instance"), only("complete"));
    assert_eq!(statuses(&report, &ids[2], ""), only("complete"));
    let (code, report, _) = scan(&rig, &config, &["--allow-partial"]);
    assert_eq!((code, drifts(&report)), (2, expected));

    // Its regions can't even be asked for: the account stands in the report, and in the exit code.
    let whole = rig.accounts();
    let unknown: Vec<&str> = whole.lines().filter(|l| !l.starts_with("regions")).collect();
    let config = rig.write("regions.toml", &format!("{}\n{SETTINGS}", unknown.join("\n")));
    let few = ["--type", "aws_iam_user", "--type", "aws_ebs_volume"];
    let (code, report, _) = scan(&rig, &config, &few);
    assert_eq!((code, drifts(&report)), (1, BTreeSet::new()));
    assert_eq!(statuses(&report, &ids[0], "aws_iam_user"), only("denied"));
    assert_eq!(statuses(&report, &ids[0], "aws_ebs_volume"), only("denied"));
    assert_eq!(statuses(&report, &ids[2], ""), only("complete"));

    // No account at all: what was not seen is told as ever.
    let refused = ids.iter().map(|id| ((id.clone(), "AssumeRole"), Fault::Denied));
    proxy.set(refused.collect());
    let (code, report, err) = scan(&rig, &config, &few);
    assert_eq!((code, drifts(&report)), (1, BTreeSet::new()), "{err}");
    assert_eq!(report["coverage"].as_array().unwrap().len(), ids.len() * 2, "one scope per account and type");
    for id in &ids {
        assert_eq!(statuses(&report, id, ""), only("denied"));
    }
    let (code, report, _) = scan(&rig, &config, &[few.as_slice(), &["--allow-partial"]].concat());
    assert_eq!((code, drifts(&report)), (0, BTreeSet::new()));
}
