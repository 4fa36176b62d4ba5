//! The models that the crate carries: one gzip per service, unpacked and read on first use.

use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;

use super::Service;
use super::schema::leak;
use crate::error::Error;

/// Bytes that are taken for a model before it is unpacked, whatever it says of its size.
const MAX_MODEL: u32 = 8 << 20;

/// A model file, and what came of it.
struct Entry {
    name: &'static str,
    packed: &'static [u8],
    service: OnceLock<Result<&'static Service, String>>,
}

macro_rules! models {
    ($($name:literal)*) => {
        static MODELS: [Entry; [$($name),*].len()] = [$(Entry {
            name: $name,
            packed: include_bytes!(concat!("../../models/", $name, ".json.gz")),
            service: OnceLock::new(),
        }),*];
    };
}

models! {
    "accessanalyzer" "account" "acm" "apigateway" "apigatewayv2" "application-autoscaling" "appsync" "athena"
    "autoscaling" "backup" "batch" "cloudformation" "cloudfront" "cloudtrail" "cloudwatch" "codebuild" "cognito-idp"
    "config" "dax" "dms" "docdb" "dynamodb" "ec2" "ecr" "ecs" "efs" "eks" "elasticache" "elasticbeanstalk" "elb"
    "elbv2" "emr" "events" "firehose" "fsx" "glue" "guardduty" "iam" "inspector2" "kafka" "kinesis" "kms" "lambda"
    "logs" "macie2" "mq" "neptune" "network-firewall" "opensearch" "organizations" "rds" "redshift"
    "resourcegroupstaggingapi" "route53" "s3" "s3control" "sagemaker" "secretsmanager" "securityhub" "sns" "sqs"
    "ssm" "stepfunctions" "sts" "transfer" "wafv2" "workspaces"
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|entry| entry.name)
}

pub(super) fn load(name: &str) -> Result<&'static Service, Error> {
    let unknown =
        || Error::Validation { path: name.to_owned(), reason: "there is no model of this service".to_owned() };
    let place = MODELS.binary_search_by(|entry| entry.name.cmp(name)).map_err(|_| unknown())?;
    let entry = &MODELS[place];
    entry.service.get_or_init(|| read(entry)).clone().map_err(|reason| Error::Validation {
        path: name.to_owned(),
        reason: format!("the model can't be read: {reason}"),
    })
}

fn read(entry: &Entry) -> Result<&'static Service, String> {
    // A gzip ends with the size of what is packed (RFC 1952); it is kept, so none of it should be spare.
    let size = entry.packed.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
    let mut text = String::with_capacity(size.min(MAX_MODEL) as usize);
    GzDecoder::new(entry.packed).read_to_string(&mut text).map_err(|e| e.to_string())?;
    Service::parse(entry.name, text.leak()).map(leak)
}
