//! Credentials and accounts, on moto: AssumeRole gives each account's own world, Organizations has the tree.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use driftline_aws::accounts::{AccountSetting, AccountsConfig, enabled_regions, find};
use driftline_aws::credentials::access_error;
use driftline_aws::{Access, AccessError, Client, Limiter, LimiterConfig, RoleConfig};
use serde_json::{Value, json};

use crate::misbehaving::{http, serve};
use crate::{caller, config};

const MANAGEMENT: &str = "123456789012";

fn access(client: &Client) -> Access {
    let own = SharedCredentialsProvider::new(Credentials::for_tests());
    Access::with_credentials(own, "eu-west-1", client.clone())
}

/// The client, and the way to accounts by it.
fn both(url: &str) -> (Client, Access) {
    let client = Client::new(config(url));
    let access = access(&client);
    (client, access)
}

#[tokio::test]
async fn a_role_leads_into_its_account() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let (client, access) = both(&moto.url());
    assert_eq!(access.whoami().await.unwrap().account, MANAGEMENT);
    let role = RoleConfig {
        external_id: Some("ours".to_owned()),
        session_policy: Some(json!({ "Version": "2012-10-17", "Statement": [] }).to_string()),
        ..RoleConfig::new("path/reader")
    };
    let wanted = AccountsConfig {
        accounts: ["111122223333", MANAGEMENT].map(|id| AccountSetting { id: id.into(), ..Default::default() }).into(),
        role: Some(role),
        ..AccountsConfig::default()
    };
    let found = find(&client, &access, &wanted).await.unwrap();
    assert!(found.skipped.is_empty() && found.warnings.is_empty(), "{found:?}");
    assert_eq!(found.targets.len(), 2);
    let mut arns = Vec::new();
    for target in &found.targets {
        assert!(target.regions.as_ref().unwrap().contains(&"eu-central-1".to_owned()), "{:?}", target.regions);
        let identity = client.call(&target.caller("eu-west-1"), "sts", "GetCallerIdentity", &json!({})).await.unwrap();
        assert_eq!(identity["Account"], target.id.as_str());
        arns.push(identity["Arn"].as_str().unwrap().to_owned());
    }
    assert!(arns[0].ends_with("reader/driftline"), "the role, and the session's name: {arns:?}");
    assert!(!arns[1].contains("reader"), "no role is assumed in the caller's own account: {arns:?}");
}

#[tokio::test]
async fn roles_are_assumed_also_where_only_one_call_fits() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let limiter = Limiter::new(LimiterConfig { requests: 1, ..LimiterConfig::default() });
    let client = Client::new(driftline_aws::ClientConfig { limiter, ..config(&moto.url()) });
    let access = access(&client);
    let role = RoleConfig::new("reader");
    let calls = ["111122223333", "444455556666", "777788889999"].map(async |account| {
        let credentials = access.assume(account, &role).await.unwrap();
        let caller = driftline_aws::Caller { account: account.to_owned(), credentials, ..caller("eu-west-1") };
        let identity = client.call(&caller, "sts", "GetCallerIdentity", &json!({})).await.unwrap();
        assert_eq!(identity["Account"], account);
    });
    let all = futures::future::join_all(calls);
    tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("nobody waits for the other");
}

#[tokio::test]
async fn a_refused_role_is_named_with_account_caller_and_reason() {
    // moto checks signatures after the first call: the caller is known, its keys are not
    let moto = driftline_dev::moto::start(Some(1)).unwrap();
    let (client, access) = both(&moto.url());
    let credentials = access.assume("111122223333", &RoleConfig::new("reader")).await.unwrap();
    let error = credentials.provide_credentials().await.expect_err("refused");
    let Some(AccessError::Refused { role, account, caller, code, .. }) = access_error(&error).cloned() else {
        panic!("{error:?}");
    };
    assert_eq!((role.as_str(), account.as_str()), ("arn:aws:iam::111122223333:role/reader", "111122223333"));
    assert!(caller.contains(MANAGEMENT), "{caller}");
    // moto answers STS with EC2's form of an error
    assert_eq!(code, "InvalidClientTokenId");

    // and a call with such credentials says so
    let mut refused = crate::caller("eu-west-1");
    refused.credentials = credentials;
    let error = client.call(&refused, "ec2", "DescribeVpcs", &json!({})).await.expect_err("refused").to_string();
    assert!(error.contains("role/reader of account 111122223333 was refused") && error.contains(&code), "{error}");
}

#[tokio::test]
async fn a_broken_sts_is_no_refusal() {
    let me = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>\
              <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let throttled = "<ErrorResponse><Error><Code>Throttling</Code><Message>slower</Message></Error></ErrorResponse>";
    for (status, body) in [("503 Service Unavailable", ""), ("400 Bad Request", throttled)] {
        let (url, _) = serve(move |_, request| {
            let known = request.contains("GetCallerIdentity");
            Some(if known { http("200 OK", "", me) } else { http(status, "", body) })
        })
        .await;
        let (_, access) = both(&url);
        let credentials = access.assume("111122223333", &RoleConfig::new("reader")).await.unwrap();
        let error = credentials.provide_credentials().await.expect_err("no answer");
        let known = access_error(&error).unwrap();
        assert!(known.is_transient() && known.to_string().contains("role/reader"), "{status}: {known:?}");
    }
}

#[tokio::test]
async fn another_account_without_a_role_is_skipped_with_the_reason() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let (client, access) = both(&moto.url());
    let named = |id: &str, role: Option<&str>| AccountSetting {
        id: id.into(),
        role: role.map(str::to_owned),
        regions: vec!["eu-west-1".into()],
        ..Default::default()
    };
    let wanted = AccountsConfig {
        accounts: vec![
            named("111122223333", None),
            named("444455556666", Some("arn:aws:iam::444455556666:role/special")),
            named("777788889999", Some("arn:aws:iam::111122223333:role/elsewhere")),
        ],
        ..AccountsConfig::default()
    };
    let found = find(&client, &access, &wanted).await.unwrap();
    assert_eq!(found.targets.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), ["444455556666"]);
    assert_eq!(found.targets[0].regions.as_deref().unwrap(), ["eu-west-1"], "named regions are not asked for");
    let reasons: Vec<_> = found.skipped.iter().map(|s| (s.id.as_str(), s.reason.as_str())).collect();
    assert_eq!(reasons[0].0, "111122223333");
    assert!(reasons[0].1.contains("name a role to assume"), "{reasons:?}");
    assert!(reasons[1].1.contains("is not in account 777788889999"), "{reasons:?}");
}

#[tokio::test]
async fn an_organization_is_found_with_paths_and_tags() {
    let moto = driftline_dev::moto::start(None).unwrap();
    // as fast as moto answers, not as AWS would
    let fast = driftline_aws::limiter::Rate { per_second: 1000.0, burst: 1000.0 };
    let limits =
        LimiterConfig { rates: BTreeMap::from([("organizations".to_owned(), fast)]), ..LimiterConfig::default() };
    let limiter = Limiter::new(limits);
    let client = Client::new(driftline_aws::ClientConfig { limiter, ..config(&moto.url()) });
    let access = access(&client);
    let call = async |operation: &str, params: Value| {
        let answer = client.call(&caller("eu-west-1"), "organizations", operation, &params).await;
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let organization = call("CreateOrganization", json!({ "FeatureSet": "ALL" })).await;
    let organization = text(&organization["Organization"]["Id"]);
    let root = text(&call("ListRoots", json!({})).await["Roots"][0]["Id"]);
    let mut units = vec![root.clone()];
    for name in ["Workloads", "Production"] {
        let parent = units.last().unwrap();
        let unit = call("CreateOrganizationalUnit", json!({ "ParentId": parent, "Name": name })).await;
        units.push(text(&unit["OrganizationalUnit"]["Id"]));
    }
    let mut ids = Vec::new();
    // more than one page
    for n in 0..25 {
        let made = call("CreateAccount", json!({ "AccountName": format!("a{n}"), "Email": format!("a{n}@b.c") })).await;
        ids.push(text(&made["CreateAccountStatus"]["AccountId"]));
    }
    let [deep, shallow, closed] = [&ids[0], &ids[1], &ids[2]];
    for (account, unit) in [(deep, &units[2]), (shallow, &units[1])] {
        let params = json!({ "AccountId": account, "SourceParentId": root, "DestinationParentId": unit });
        call("MoveAccount", params).await;
    }
    let tags = json!([{ "Key": "team", "Value": "shop" }]);
    call("TagResource", json!({ "ResourceId": deep, "Tags": tags })).await;
    call("CloseAccount", json!({ "AccountId": closed })).await;

    let wanted = AccountsConfig {
        organization: true,
        role: Some(RoleConfig::new("reader")),
        regions: vec!["eu-west-1".into()],
        accounts: vec![AccountSetting { id: deep.clone(), regions: vec!["us-east-1".into()], ..Default::default() }],
    };
    let found = find(&client, &access, &wanted).await.unwrap();
    assert!(found.warnings.is_empty(), "{:?}", found.warnings);
    let skipped: Vec<_> = found.skipped.iter().map(|s| (&s.id, s.name.as_str(), s.reason.as_str())).collect();
    assert_eq!(skipped, [(closed, "a2", "its status is SUSPENDED")]);
    assert_eq!(found.targets.len(), 25, "24 active accounts and the management account");
    let targets: BTreeMap<_, _> = found.targets.iter().map(|t| (t.id.as_str(), t)).collect();
    let facts = &targets[deep.as_str()].facts;
    assert_eq!((facts.name.as_str(), facts.status.as_str()), ("a0", "ACTIVE"));
    assert_eq!(
        (facts.organization.as_str(), facts.ou_path.as_str()),
        (organization.as_str(), "/Root/Workloads/Production")
    );
    assert_eq!(facts.tags, BTreeMap::from([("team".to_owned(), "shop".to_owned())]));
    assert_eq!(targets[deep.as_str()].regions.as_deref().unwrap(), ["us-east-1"]);
    assert_eq!(targets[shallow.as_str()].facts.ou_path, "/Root/Workloads");
    assert_eq!(targets[ids[3].as_str()].facts.ou_path, "/Root");
    for id in [MANAGEMENT, deep] {
        let caller = targets[id].caller("eu-west-1");
        let identity = client.call(&caller, "sts", "GetCallerIdentity", &json!({})).await.unwrap();
        assert_eq!(identity["Account"], id);
    }
}

#[tokio::test]
async fn no_organization_is_one_clear_error() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let (client, access) = both(&moto.url());
    let wanted = AccountsConfig { organization: true, ..AccountsConfig::default() };
    let error = find(&client, &access, &wanted).await.expect_err("none").to_string();
    assert!(error.contains("the organization's accounts can't be listed by arn:aws"), "{error}");
    assert!(error.contains("AWSOrganizationsNotInUseException"), "{error}");
}

#[tokio::test]
async fn regions_are_asked_elsewhere_where_ec2_refuses() {
    let denied =
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>m</Message></Error></Errors></Response>";
    let pages = [
        r#"{"NextToken":"t","Regions":[{"RegionName":"us-east-1","RegionOptStatus":"ENABLED_BY_DEFAULT"}]}"#,
        r#"{"Regions":[{"RegionName":"af-south-1","RegionOptStatus":"ENABLED"}]}"#,
    ];
    let (url, count) = serve(move |n, request| {
        Some(match request {
            _ if request.contains("DescribeRegions") => http("403 Forbidden", "", denied),
            _ if request.contains("listRegions") => http("200 OK", "", pages[n.saturating_sub(1).min(1)]),
            _ => http("500 Internal Server Error", "", ""),
        })
    })
    .await;
    let client = Client::new(config(&url));
    let regions = enabled_regions(&client, &caller("eu-west-1")).await.unwrap();
    assert_eq!(regions, ["af-south-1", "us-east-1"]);
    assert_eq!(count.load(Ordering::SeqCst), 3);
}
