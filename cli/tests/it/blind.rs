//! What was not seen is never inferred: denied, throttled, broken and cut answers end in coverage, not in drift.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use driftline_fleet::Account;
use serde_json::Value;

use crate::faulty::{Fault, Faults, Proxy};
use crate::pages::{LISTINGS, Listing, PAGES};
use crate::rig::{Rig, declared};

const SETTINGS: &str = "[aws]\ntimeout = \"5s\"\ndeadline = \"2s\"\n";

fn scan(rig: &Rig, config: &Path, more: &[&str]) -> (i32, Value, String) {
    scan_at(rig, rig.sees(), config, more)
}

/// A scan that finds AWS elsewhere.
fn scan_at(rig: &Rig, endpoint: &str, config: &Path, more: &[&str]) -> (i32, Value, String) {
    let states = rig.states();
    let mut arguments = vec!["scan", "--baseline", &states, "--format", "json"];
    arguments.extend(more);
    let (code, out, err) = rig.run_at(endpoint, config, &arguments);
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

/// Listings of an account that are struck at the same time: each but every fourth.
fn is_struck(listing: usize, run: usize, account: usize) -> bool {
    !(listing + run + account).is_multiple_of(4)
}

/// Every fault at every page of every listing, dealt over runs and accounts.
fn bad_days(accounts: &[String]) -> Vec<Faults> {
    let cells = |l: &Listing| {
        let pages = l.pages();
        let sense =
            move |(fault, _): &(Fault, usize)| pages > 1 || !matches!(fault, Fault::EmptyPage | Fault::RepeatedToken);
        let all = Fault::ALL.into_iter().flat_map(move |fault| (1..=pages).map(move |page| (fault, page)));
        all.filter(sense).collect::<VecDeque<_>>()
    };
    let mut open: Vec<VecDeque<(Fault, usize)>> = LISTINGS.iter().map(cells).collect();
    let mut days = Vec::new();
    while open.iter().any(|cells| !cells.is_empty()) {
        let mut day = Faults::new();
        for (l, listing) in LISTINGS.iter().enumerate() {
            for (a, account) in accounts.iter().enumerate() {
                if is_struck(l, days.len(), a)
                    && let Some(cell) = open[l].pop_front()
                {
                    day.insert((account.clone(), listing.operation), cell);
                }
            }
        }
        days.push(day);
    }
    days
}

/// What coverage may say of a scope whose listing went so.
fn told(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::Denied => &["denied"],
        Fault::Throttled => &["throttled"],
        Fault::ExpiredToken => &["denied"],
        Fault::RegionOff => &["unsupported", "denied"],
        Fault::EmptyPage => &["complete"],
        // Where a resource is found by its id although no listing shows it the scope is doubted; others were empty indeed.
        Fault::EmptyEnd => &["complete", "partial"],
        _ => &["failed"],
    }
}

/// Declares one more resource of each type that has an id of its own, which nobody has: to every API it is one that was
/// deleted. The account's state, and the resources as `missing type id`.
fn with_deleted(account: &Account) -> (Value, BTreeSet<String>) {
    let mut state = account.state.clone();
    let (mut deleted, mut more) = (BTreeSet::new(), Vec::new());
    for kind in LISTINGS.iter().flat_map(|l| l.kinds) {
        let mut declared = state["resources"].as_array().unwrap().iter();
        let Some(like) = declared.find(|r| r["type"] == *kind && *kind != "aws_iam_account_password_policy") else {
            continue;
        };
        let mut resource = like.clone();
        resource["name"] = "deleted".into();
        let instances = resource["instances"].as_array_mut().unwrap();
        instances.truncate(1);
        let mut text = instances[0]["attributes"].to_string();
        for name in ["id", "identifier", "bucket", "name", "key_id"] {
            let Some(old) = like["instances"][0]["attributes"][name].as_str() else { continue };
            let new = format!("{}dead", &old[..old.len().saturating_sub(4)]);
            // Whole words: a short name may be a part of others.
            text = text.replace(&format!("{old}\""), &format!("{new}\""));
        }
        instances[0]["attributes"] = serde_json::from_str(&text).unwrap();
        let attributes = &instances[0]["attributes"];
        let id = match *kind {
            "aws_db_instance" => &attributes["identifier"],
            "aws_cloudtrail" => &attributes["arn"],
            _ => &attributes["id"],
        };
        deleted.insert(format!("missing {kind} {}", id.as_str().unwrap()));
        more.push(resource);
    }
    state["resources"].as_array_mut().unwrap().extend(more);
    (state, deleted)
}

/// Scans under way at the same time: most of one is waiting for those who do not answer.
const SIDE_BY_SIDE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_failing_in_twelve_ways_at_every_page_hides_no_deletion_and_makes_none() {
    let rig = Rig::start().await;
    let ids: Vec<String> = rig.fleet.accounts.iter().map(|a| a.id.clone()).collect();
    let mut deleted = BTreeMap::new();
    for account in &rig.fleet.accounts {
        let (state, gone) = with_deleted(account);
        rig.write(&format!("states/{}.tfstate", account.name), &state.to_string());
        deleted.insert(account.id.clone(), gone);
    }
    let types: BTreeSet<&str> = deleted.values().flatten().map(|d| d.split(' ').nth(1).unwrap()).collect();
    assert_eq!(types.len(), 12, "of each type but the one without an id: {types:?}");
    let config = rig.write("blind.toml", &format!("{}{SETTINGS}", rig.accounts()));
    let days = bad_days(&ids);
    let cells: usize = days.iter().map(Faults::len).sum();
    assert_eq!(cells, Fault::ALL.len() * (9 * PAGES + 2) - 4, "every fault at every page");
    let proxies = Proxy::several(&rig.endpoint(), SIDE_BY_SIDE).await;
    // The first learns what moto says, and that all is seen.
    let (code, report, err) = scan_at(&rig, &proxies[0].1, &config, &[]);
    let blind = report["coverage"].as_array().unwrap().iter().filter(|c| c["status"] != "complete");
    assert_eq!(blind.collect::<Vec<_>>(), Vec::<&Value>::new());
    assert_eq!((code, drifts(&report)), (2, deleted.values().flatten().cloned().collect()), "{err}");

    let doubted = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for (n, (proxy, url)) in proxies.iter().enumerate() {
            let (days, deleted, rig, config, doubted) = (&days, &deleted, &rig, &config, &doubted);
            threads.spawn(move || {
                for faults in days.iter().skip(n).step_by(SIDE_BY_SIDE) {
                    proxy.set(faults.clone());
                    let (_, report, err) = scan_at(rig, url, config, &[]);
                    let missed: Vec<_> = faults.iter().filter(|(place, _)| !proxy.struck().contains(*place)).collect();
                    assert!(missed.is_empty(), "not met: {missed:?}");
                    let mut expected = BTreeSet::new();
                    for (account, gone) in deleted {
                        for listing in &LISTINGS {
                            let fault = faults.get(&(account.clone(), listing.operation)).map(|(fault, _)| *fault);
                            for kind in listing.kinds {
                                let found = statuses(&report, account, kind);
                                let allowed = fault.map_or(&["complete"][..], told);
                                // What another type's listing tells of it may be unread.
                                let known = |s: &String| {
                                    allowed.contains(&s.as_str())
                                        || (s == "partial" && *kind == "aws_instance" && fault.is_none())
                                };
                                assert!(found.iter().all(known), "{account} {fault:?} {kind}: {found:?}");
                                doubted.fetch_add(
                                    usize::from(fault == Some(Fault::EmptyEnd) && found.contains("partial")),
                                    std::sync::atomic::Ordering::Relaxed,
                                );
                                let seen = matches!(fault, None | Some(Fault::EmptyPage | Fault::EmptyEnd));
                                let of_kind = |d: &&String| d.split(' ').nth(1) == Some(kind);
                                expected.extend(gone.iter().filter(|d| seen && of_kind(d)).cloned());
                            }
                        }
                    }
                    assert_eq!(drifts(&report), expected, "{faults:?} {err}");
                }
            });
        }
    });
    let doubted = doubted.into_inner();
    assert!(doubted >= LISTINGS.len(), "only {doubted} answers that were cut short unseen were doubted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_seen_is_never_missing() {
    let mut rig = Rig::start().await;
    let (proxy, url) = Proxy::start(&rig.endpoint()).await;
    rig.through(url);
    let config = rig.write("blind.toml", &format!("{}{SETTINGS}", rig.accounts()));
    let ids: Vec<String> = rig.fleet.accounts.iter().map(|a| a.id.clone()).collect();

    // A role refused, listings refused and throttled, and in the third account a group that is gone for sure.
    let gone = declared(&rig.fleet.accounts[2], "aws_security_group", "bastion");
    rig.fleet.accounts[2].clients.ec2.delete_security_group().group_id(&gone).send().await.unwrap();
    let refused = [
        ((ids[0].clone(), "AssumeRole"), (Fault::Denied, 1)),
        ((ids[1].clone(), "ListBuckets"), (Fault::Denied, 1)),
        ((ids[1].clone(), "DescribeSecurityGroups"), (Fault::Throttled, 1)),
        ((ids[1].clone(), "GetAccountAuthorizationDetails"), (Fault::Denied, 1)),
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
    let refused = ids.iter().map(|id| ((id.clone(), "AssumeRole"), (Fault::Denied, 1)));
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
