//! Roles, users and policies.

use anyhow::Context as _;
use aws_sdk_iam::types::Tag;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};

use crate::plan::{Tags, tags};
use crate::state::{Address, State};
use crate::storage::Buckets;
use crate::{Builder, EXTERNAL_ID, ROLE};

#[derive(Debug)]
pub(crate) struct Roles {
    /// The role of the deployment, which one of the changes gives everything.
    pub(crate) deploy: String,
}

struct Role<'a> {
    block: &'a str,
    name: &'a str,
    description: &'a str,
    trust: Value,
    inline: Option<(&'a str, Value)>,
    attached: Vec<String>,
}

pub(crate) async fn build(b: &Builder<'_>, buckets: &Buckets, state: &mut State) -> anyhow::Result<Roles> {
    let read = policy(
        b,
        state,
        ("assets_read", "shop-assets-read", "Read the shop's assets"),
        &statement(
            &["s3:GetObject", "s3:ListBucket"],
            &[format!("arn:aws:s3:::{}", buckets.assets), format!("arn:aws:s3:::{}/*", buckets.assets)],
        ),
    )
    .await?;
    let mail = policy(
        b,
        state,
        ("mail", "shop-mail", "Send mail to customers"),
        &statement(&["ses:SendEmail"], &["*".to_owned()]),
    )
    .await?;
    let data = format!("arn:aws:s3:::{}/*", buckets.data);
    let app = Role {
        block: "app",
        name: "shop-app",
        description: "Application servers",
        trust: trust(&json!({ "Service": "ec2.amazonaws.com" }), None),
        inline: Some(("data", statement(&["s3:GetObject", "s3:PutObject"], &[data]))),
        attached: vec![read, mail, aws_managed("AmazonSSMManagedInstanceCore")],
    };
    role(b, state, app).await?;
    let root = format!("arn:aws:iam::{}:root", b.plan.account);
    let releases = format!("arn:aws:s3:::{}/releases/*", buckets.assets);
    let deploy = Role {
        block: "deploy",
        name: "shop-deploy",
        description: "Rolls out new versions",
        trust: trust(&json!({ "AWS": root }), None),
        inline: Some(("releases", statement(&["s3:PutObject"], &[releases]))),
        attached: vec![aws_managed("AmazonEC2ReadOnlyAccess")],
    };
    role(b, state, deploy).await?;
    let reader = Role {
        block: "driftline",
        name: ROLE,
        description: "Driftline reads this account",
        trust: trust(&json!({ "AWS": "arn:aws:iam::123456789012:root" }), Some(EXTERNAL_ID)),
        inline: None,
        attached: vec![aws_managed("SecurityAudit")],
    };
    role(b, state, reader).await?;
    for (name, owner) in [("ci", "platform"), ("reporting", "finance")] {
        user(b, state, name, owner).await?;
    }
    Ok(Roles { deploy: "shop-deploy".to_owned() })
}

fn aws_managed(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/{name}")
}

fn statement(actions: &[&str], resources: &[String]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": resources }] })
}

fn trust(principal: &Value, external_id: Option<&str>) -> Value {
    let mut statement = json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" });
    if let Some(id) = external_id {
        statement["Condition"] = json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

fn iam_tags(b: &Builder<'_>, own: &Tags) -> anyhow::Result<Vec<Tag>> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build();
    Ok(b.plan.all_tags(own).into_iter().map(tag).collect::<Result<Vec<_>, _>>()?)
}

async fn policy(
    b: &Builder<'_>,
    state: &mut State,
    (block, name, description): (&str, &str, &str),
    document: &Value,
) -> anyhow::Result<String> {
    let own = tags(&[("Owner", "shop")]);
    let made = b
        .clients
        .iam
        .create_policy()
        .policy_name(name)
        .description(description)
        .policy_document(document.to_string())
        .set_tags(Some(iam_tags(b, &own)?))
        .send()
        .await?;
    let policy = made.policy.context("no policy in the answer")?;
    let arn = policy.arn().context("a policy without ARN")?.to_owned();
    let mut attributes = json!({
        "arn": arn,
        "description": description,
        "id": arn,
        "name": name,
        "name_prefix": "",
        "path": policy.path(),
        "policy": document.to_string(),
        "policy_id": policy.policy_id(),
    });
    if b.plan.provider >= 5 {
        // noted when the policy was made; roles were attached later
        attributes["attachment_count"] = json!(0);
    }
    if b.plan.provider >= 6 {
        attributes["delay_after_policy_creation_in_ms"] = Value::Null;
    }
    state.add(Address::root("aws_iam_policy", block), b.plan.finish(attributes, &own, None));
    Ok(arn)
}

async fn role(b: &Builder<'_>, state: &mut State, mut plan: Role<'_>) -> anyhow::Result<()> {
    let (iam, name) = (&b.clients.iam, plan.name);
    let own = tags(&[("Owner", if name == ROLE { "security" } else { "shop" })]);
    iam.create_role()
        .role_name(name)
        .description(plan.description)
        .assume_role_policy_document(plan.trust.to_string())
        .max_session_duration(3600)
        .set_tags(Some(iam_tags(b, &own)?))
        .send()
        .await?;
    if let Some((inline, document)) = &plan.inline {
        let put = iam.put_role_policy().role_name(name).policy_name(*inline).policy_document(document.to_string());
        put.send().await?;
    }
    for arn in &plan.attached {
        let attach = iam.attach_role_policy().role_name(name).policy_arn(arn).send().await;
        attach.with_context(|| format!("attaching {arn}"))?;
    }
    plan.attached.sort();
    let role = iam.get_role().role_name(name).send().await?.role.context("the role is not there")?;
    let inline = plan.inline.iter().map(|(name, document)| json!({ "name": name, "policy": document.to_string() }));
    let attributes = json!({
        "arn": role.arn(),
        "assume_role_policy": plan.trust.to_string(),
        "create_date": DateTime::from_secs(role.create_date().secs()).fmt(Format::DateTime)?,
        "description": plan.description,
        "force_detach_policies": false,
        "id": name,
        "inline_policy": inline.collect::<Vec<_>>(),
        "managed_policy_arns": plan.attached,
        "max_session_duration": role.max_session_duration(),
        "name": name,
        "name_prefix": "",
        "path": role.path(),
        "permissions_boundary": "",
        "unique_id": role.role_id(),
    });
    state.add(Address::root("aws_iam_role", plan.block), b.plan.finish(attributes, &own, None));
    if let Some((inline, document)) = &plan.inline {
        let attributes = json!({ "id": format!("{name}:{inline}"), "name": inline, "name_prefix": "",
                                 "policy": document.to_string(), "role": name });
        let block = format!("{}_{inline}", plan.block);
        state.add(Address::root("aws_iam_role_policy", &block), attributes);
    }
    let attachment = |arn: &String| {
        // before provider 5.88 the id was unique by time
        let id =
            if b.plan.provider >= 6 { format!("{name}/{arn}") } else { format!("{name}-20250301101112{}", arn.len()) };
        (arn.clone(), json!({ "id": id, "policy_arn": arn, "role": name }))
    };
    let attachments = plan.attached.iter().map(attachment).collect();
    state.add_keyed(Address::root("aws_iam_role_policy_attachment", plan.block), attachments);
    Ok(())
}

async fn user(b: &Builder<'_>, state: &mut State, name: &str, owner: &str) -> anyhow::Result<()> {
    let iam = &b.clients.iam;
    let own = tags(&[("Owner", owner)]);
    let made = iam.create_user().user_name(name).path("/machines/").set_tags(Some(iam_tags(b, &own)?)).send().await?;
    let user = made.user.context("no user in the answer")?;
    let attributes = json!({
        "arn": user.arn(),
        "force_destroy": false,
        "id": name,
        "name": name,
        "path": user.path(),
        "permissions_boundary": "",
        "unique_id": user.user_id(),
    });
    state.add(Address::root("aws_iam_user", name), b.plan.finish(attributes, &own, None));
    Ok(())
}
