//! S3 access control lists: a canned name stands for a list of grants.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>

use serde_json::{Value, json};

use crate::expr::scalar_text;

const ALL: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const SIGNED_IN: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
const EC2_BUNDLES: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// The grants of `{Owner, Grants}` in Terraform's shape.
pub(super) fn grants(acl: &Value) -> Value {
    let Some(list) = acl.get("Grants").and_then(Value::as_array) else { return Value::Null };
    let one = |grant: &Value| {
        let grantee = grant.get("Grantee")?;
        let member = |name: &str| grantee.get(name).map(scalar_text).unwrap_or_default();
        let mut out = json!({ "type": member("Type") });
        for (name, value) in [("id", member("ID")), ("uri", member("URI")), ("email_address", member("EmailAddress"))] {
            if !value.is_empty() {
                out[name] = value.into();
            }
        }
        Some(json!({ "grantee": out, "permission": grant.get("Permission").map(scalar_text).unwrap_or_default() }))
    };
    list.iter().filter_map(one).collect()
}

/// The canned name of `{Owner, Grants}`. A list that equals none is `custom`, or the public name that it amounts to, so
/// that the judgement of canned names covers hand-made lists.
pub(super) fn canned(acl: &Value) -> Value {
    let owner = acl.pointer("/Owner/ID").map(scalar_text).unwrap_or_default();
    let Some(list) = acl.get("Grants").and_then(Value::as_array) else { return Value::Null };
    let mut held: Vec<(String, String)> = Vec::new();
    for grant in list {
        let member = |name: &str| grant.pointer(&format!("/Grantee/{name}")).map(scalar_text).unwrap_or_default();
        let who = Some(member("URI")).filter(|u| !u.is_empty()).unwrap_or_else(|| member("ID"));
        held.push((who, grant.get("Permission").map(scalar_text).unwrap_or_default()));
    }
    held.sort();
    held.dedup();
    let is = |wanted: &[(&str, &str)]| {
        let mut wanted: Vec<(String, String)> =
            wanted.iter().map(|(w, p)| ((*w).to_owned(), (*p).to_owned())).collect();
        wanted.push((owner.clone(), "FULL_CONTROL".to_owned()));
        wanted.sort();
        held == wanted
    };
    let any = |who: &str, what: &[&str]| held.iter().any(|(w, p)| w == who && what.contains(&p.as_str()));
    let name = if is(&[]) {
        "private"
    } else if is(&[(ALL, "READ")]) {
        "public-read"
    } else if is(&[(ALL, "READ"), (ALL, "WRITE")]) {
        "public-read-write"
    } else if is(&[(SIGNED_IN, "READ")]) {
        "authenticated-read"
    } else if is(&[(LOG_DELIVERY, "READ_ACP"), (LOG_DELIVERY, "WRITE")]) || is(&[(LOG_DELIVERY, "READ_ACP")]) {
        // some servers tell only the first permission of a grantee
        "log-delivery-write"
    } else if is(&[(EC2_BUNDLES, "READ")]) {
        "aws-exec-read"
    } else if any(ALL, &["WRITE", "WRITE_ACP", "FULL_CONTROL"]) {
        "public-read-write"
    } else if any(ALL, &["READ", "READ_ACP"]) {
        "public-read"
    } else if held.iter().any(|(w, _)| w == SIGNED_IN) {
        "authenticated-read"
    } else {
        "custom"
    };
    name.into()
}
