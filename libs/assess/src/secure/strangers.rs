//! Who a policy lets in: everybody, other organizations, other accounts, services on anybody's behalf. A condition
//! closes a statement only if it fixes who or where from; see "The meaning of public" in the Amazon S3 User Guide.

use std::collections::BTreeSet;
use std::net::IpAddr;

use driftline_model::glob;
use ipnet::IpNet;

use super::network::internet;
use super::policy::{Condition, Principal, Statement, account_of, only_stars};

/// Condition keys that say who calls or where from.
const CALLER: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpcsourceip",
    "kms:calleraccount",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:resourceaccount",
];

/// Condition keys that bind a service to the account it acts for.
const ON_BEHALF: &[&str] = &["aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths"];

/// Identity providers that anybody can get a token from: a trust in one of these must fix the subject.
const SHARED_ISSUERS: &[&str] = &["token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io"];

/// Services whose calls never name a source account, so a condition on it would lock them out.
const WITHOUT_SOURCE: &[&str] = &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"];

/// Statements that let everybody in.
pub(super) fn everybody(statements: &[Statement]) -> Vec<String> {
    let open = |s: &&Statement| s.allow && (admits_anyone(s) || trusts_shared_issuer(s)) && !closed(s, statements);
    statements.iter().filter(open).map(|s| format!("{} to everybody", s.describe())).collect()
}

fn admits_anyone(statement: &Statement) -> bool {
    let anyone = statement.not_principal || statement.principals.contains(&Principal::Anyone);
    anyone && !statement.conditions.iter().any(fixes_caller)
}

fn trusts_shared_issuer(statement: &Statement) -> bool {
    let issuer = |name: &str| SHARED_ISSUERS.iter().find(|i| name.ends_with(*i));
    statement.principals.iter().any(|p| match p {
        Principal::Federated(name) => issuer(name).is_some_and(|issuer| {
            let subject = |c: &Condition| {
                c.key.starts_with(issuer)
                    && c.key.ends_with(":sub")
                    && positive(c)
                    && c.values.iter().all(|v| !v.starts_with('*'))
            };
            !statement.conditions.iter().any(subject)
        }),
        _ => false,
    })
}

/// Whether a Deny of the same policy keeps everybody but named callers away from all that the statement allows.
fn closed(statement: &Statement, all: &[Statement]) -> bool {
    let keeps_out = |d: &&Statement| {
        !d.allow
            && (d.principals.contains(&Principal::Anyone) || d.not_principal)
            && !d.conditions.is_empty()
            && d.conditions
                .iter()
                .all(|c| negative(c) && CALLER.contains(&c.key.as_str()) && c.values.iter().all(|v| fixed(&c.key, v)))
    };
    all.iter().filter(keeps_out).any(|d| {
        let actions = statement.actions.iter().all(|a| d.covers(a));
        let on = |r: &String| d.resources.iter().any(|x| glob::covers(x, r));
        actions && !statement.actions.is_empty() && (d.on_everything() || statement.resources.iter().all(on))
    })
}

/// Whether a condition fixes who calls or where from.
fn fixes_caller(condition: &Condition) -> bool {
    positive(condition)
        && CALLER.contains(&condition.key.as_str())
        && condition.values.iter().all(|v| fixed(&condition.key, v))
        && !condition.values.is_empty()
}

/// Operators that require a value; `...IfExists` and `ForAllValues` also hold where the key is not there.
fn positive(condition: &Condition) -> bool {
    let operator = condition.operator.strip_prefix("foranyvalue:").unwrap_or(&condition.operator);
    matches!(operator, "stringequals" | "stringequalsignorecase" | "stringlike" | "arnequals" | "arnlike" | "ipaddress")
}

fn negative(condition: &Condition) -> bool {
    let operator = condition.operator.strip_suffix("ifexists").unwrap_or(&condition.operator);
    matches!(
        operator,
        "stringnotequals"
            | "stringnotequalsignorecase"
            | "stringnotlike"
            | "arnnotequals"
            | "arnnotlike"
            | "notipaddress"
    )
}

/// Whether a value leaves no room for strangers: an ARN must fix account or name, an address must not be the internet.
fn fixed(key: &str, value: &str) -> bool {
    if key.ends_with("sourceip") {
        let net = value.parse::<IpNet>().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
        return net.is_some_and(|n| !internet(&n));
    }
    if value.starts_with("arn:") {
        let mut parts = value.splitn(6, ':').skip(4);
        let (account, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        return account_of(account).is_some()
            || (account.is_empty() && !name.is_empty() && !name.starts_with(['*', '?']));
    }
    !only_stars(value) && !value.starts_with(['*', '?'])
}

/// What keeps a bucket from refusing plain HTTP: no Deny of everything to everybody where the transport isn't secure.
pub(super) fn plain_http(statements: &[Statement]) -> Vec<String> {
    let refuses = |s: &Statement| {
        let insecure = s.conditions.iter().any(|c| {
            (c.operator == "bool"
                && c.key == "aws:securetransport"
                && c.values.iter().any(|v| v.eq_ignore_ascii_case("false")))
                || (c.operator.starts_with("numericlessthan") && c.key == "s3:tlsversion")
        });
        let objects = s.not_resource || s.resources.iter().any(|r| r.ends_with('*'));
        !s.allow
            && s.principals.contains(&Principal::Anyone)
            && s.covers("s3:*")
            && objects
            && insecure
            && s.conditions.len() == 1
    };
    if statements.iter().any(refuses) { Vec::new() } else { vec!["no statement denies it".to_owned()] }
}

/// Accounts let in that are neither `own` nor of the organization.
pub(super) fn outside(statements: &[Statement], own: &str, organization: &BTreeSet<String>) -> Vec<String> {
    let allowed = statements.iter().filter(|s| s.allow && !s.conditions.iter().any(within_organization));
    let foreign = allowed.flat_map(|s| s.foreign_accounts(own));
    foreign.filter(|a| !organization.contains(*a)).map(|a| format!("account {a}")).collect()
}

fn within_organization(condition: &Condition) -> bool {
    matches!(condition.key.as_str(), "aws:principalorgid" | "aws:principalorgpaths") && fixes_caller(condition)
}

/// Services let in for whoever they act for.
pub(super) fn unbound_services(statements: &[Statement]) -> Vec<String> {
    let bound = |s: &Statement| {
        s.conditions.iter().any(|c| ON_BEHALF.contains(&c.key.as_str()) && c.values.iter().all(|v| !only_stars(v)))
    };
    let services = statements.iter().filter(|s| s.allow && !bound(s)).flat_map(|s| &s.principals);
    let name = |p: &Principal| match p {
        Principal::Service(name) if !WITHOUT_SOURCE.contains(&name.as_str()) => Some(crate::text::printable(name, 80)),
        _ => None,
    };
    services.filter_map(name).collect()
}

/// Accounts outside the organization that are let in without an external id.
pub(super) fn without_external_id(
    statements: &[Statement],
    own: &str,
    organization: Option<&BTreeSet<String>>,
) -> Vec<String> {
    let shown = |s: &Statement| {
        s.conditions.iter().any(|c| {
            (c.key == "sts:externalid" && positive(c) && c.values.iter().all(|v| !only_stars(v)))
                || within_organization(c)
        })
    };
    let foreign = statements.iter().filter(|s| s.allow && !shown(s)).flat_map(|s| s.foreign_accounts(own));
    foreign.filter(|a| !organization.is_some_and(|o| o.contains(*a))).map(|a| format!("account {a}")).collect()
}
