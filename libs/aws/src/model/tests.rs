//! The models that the crate carries, and what is asked of them.

use super::*;

#[test]
fn every_model_can_be_used_whole() {
    let names: Vec<&str> = Service::names().collect();
    assert!(names.len() > 60 && names.is_sorted());
    for name in names {
        let service = Service::load(name).unwrap();
        assert!(std::ptr::eq(service, Service::load(name).unwrap()));
        assert!(service.operations().count() > 0);
        for operation in service.operations() {
            let operation = service.operation(operation).unwrap();
            operation.request_schema(service);
            let Some(paginator) = &operation.paginator else { continue };
            assert_eq!(paginator.input_tokens.len(), paginator.output_tokens.len(), "{name}:{}", operation.name);
            for token in &paginator.input_tokens {
                assert!(service.parameter(operation.name, token).is_some(), "{name}:{} {token}", operation.name);
            }
            for key in &paginator.result_keys {
                assert!(service.output(operation.name, key).is_some(), "{name}:{} {key}", operation.name);
            }
        }
        // A schema that can't be built panics or never ends.
        for shape in service.shapes() {
            shape.schemas(service, Direction::Request);
            shape.schemas(service, Direction::Answer);
            let headers = shape.members.iter().filter(|m| m.place == Place::PrefixHeaders);
            assert!(
                headers.into_iter().all(|m| service.shape(m.target).kind == Kind::Map),
                "prefixed headers are a map"
            );
        }
    }
}

#[test]
fn paths_lead_where_the_model_says() {
    for (service, operation, path, expect) in [
        ("ec2", "DescribeInstances", "", Some(Kind::Structure)),
        ("ec2", "DescribeInstances", "Reservations", Some(Kind::List)),
        ("ec2", "DescribeInstances", "Reservations[*].Instances[*].InstanceId", Some(Kind::String)),
        ("ec2", "DescribeInstances", "Reservations[0].Instances[-1].LaunchTime", Some(Kind::Timestamp)),
        ("ec2", "DescribeInstances", "Reservations[].Instances[].Tags[]", Some(Kind::Structure)),
        ("ec2", "DescribeInstances", "Reservations.Instances", None),
        ("ec2", "DescribeInstances", "Reservations[x]", None),
        ("ec2", "DescribeInstances", "Reservations[*].", None),
        ("ec2", "DescribeInstances", ".Reservations", None),
        ("ec2", "DescribeInstances", "reservations", None),
        ("lambda", "GetFunctionConfiguration", "Environment.Variables.PASSWORD", Some(Kind::String)),
        ("iam", "GetRole", "Role.AssumeRolePolicyDocument", Some(Kind::Document)),
        ("iam", "GetRole", "Role.AssumeRolePolicyDocument.Statement[0].Effect", Some(Kind::Document)),
        ("s3", "GetBucketPolicy", "Policy", Some(Kind::String)),
        ("s3", "GetBucketPolicy", "Policy.Statement", None),
        ("s3", "NoSuchOperation", "", None),
    ] {
        assert_eq!(Service::load(service).unwrap().output(operation, path), expect, "{service}:{operation} {path}");
    }
    let s3 = Service::load("s3").unwrap();
    let key = "ServerSideEncryptionConfiguration.Rules[*].BucketKeyEnabled";
    assert_eq!(s3.parameter("PutBucketEncryption", key), Some(Kind::Boolean));
    assert_eq!(s3.required("PutBucketEncryption"), ["Bucket", "ServerSideEncryptionConfiguration"]);
    assert!(s3.is_paged("ListObjectsV2") && !s3.is_paged("GetBucketAcl"));
    assert!(s3.has_operation("GetBucketAcl") && !s3.has_operation("getBucketAcl"));
}

#[test]
fn a_region_may_lack_a_service() {
    for (service, partition, region, expect) in [
        ("ec2", "aws", "eu-west-1", false),
        ("ec2", "aws", "xx-nowhere-1", true),
        ("kms", "aws-cn", "cn-north-1", false),
        ("iam", "aws", "xx-nowhere-1", false),
    ] {
        assert_eq!(Service::load(service).unwrap().is_missing(partition, region), expect, "{service} {region}");
    }
}
