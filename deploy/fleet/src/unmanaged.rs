//! What people made by hand before anybody declared anything.

use anyhow::Context as _;
use aws_sdk_ec2::types::ResourceType;
use driftline_model::ResourceKey;
use driftline_model::resource::GLOBAL;
use serde_json::json;

use crate::Builder;
use crate::compute::image;
use crate::network::{Network, tagged};
use crate::plan::tags;
use crate::storage;

pub(crate) async fn build(b: &Builder<'_>, network: &Network) -> anyhow::Result<Vec<ResourceKey>> {
    let (ec2, iam) = (&b.clients.ec2, &b.clients.iam);
    let (account, region) = (b.plan.account, b.clients.region.as_str());
    let mut found = Vec::new();

    let name = format!("scratch-{}-{}", b.plan.name, b.suffix);
    storage::create(b, &name, &tags(&[])).await?;
    found.push(ResourceKey::new(account, region, "aws_s3_bucket", name));

    let group = ec2
        .create_security_group()
        .group_name("tmp-debug")
        .description("temporary")
        .vpc_id(&network.vpc)
        .send()
        .await?
        .group_id
        .context("a security group without id")?;
    found.push(ResourceKey::new(account, region, "aws_security_group", &group));

    let run = ec2.run_instances().image_id(image(b).await?).min_count(1).max_count(1).security_group_ids(&group);
    let run = run.subnet_id(&network.public[0]);
    let made = run.tag_specifications(tagged(b, ResourceType::Instance, &tags(&[]))).send().await?;
    let instance = made.instances().first().and_then(|i| i.instance_id()).context("an instance without id")?;
    found.push(ResourceKey::new(account, region, "aws_instance", instance));

    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole",
                        "Principal": { "Service": "lambda.amazonaws.com" } }] });
    iam.create_role().role_name("old-import").assume_role_policy_document(trust.to_string()).send().await?;
    found.push(ResourceKey::new(account, GLOBAL, "aws_iam_role", "old-import"));
    iam.create_user().user_name("contractor").send().await?;
    found.push(ResourceKey::new(account, GLOBAL, "aws_iam_user", "contractor"));
    Ok(found)
}
