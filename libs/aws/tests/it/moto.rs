//! Real answers, from moto: every protocol, written and read back.

use driftline_aws::{Client, Error, PageLimit};
use serde_json::{Value, json};

use crate::{caller, config};

struct World {
    client: Client,
    _moto: driftline_dev::moto::Moto,
}

impl World {
    fn new() -> Self {
        let moto = driftline_dev::moto::start(None).expect("moto starts");
        World { client: Client::new(config(&moto.url())), _moto: moto }
    }

    async fn call(&self, service: &str, operation: &str, params: Value) -> Value {
        let result = self.client.call(&caller("eu-west-1"), service, operation, &params).await;
        result.unwrap_or_else(|e| panic!("{service}:{operation}: {e}"))
    }

    async fn error(&self, service: &str, operation: &str, params: Value) -> Error {
        let result = self.client.call(&caller("eu-west-1"), service, operation, &params).await;
        result.expect_err("an error")
    }
}

#[tokio::test]
async fn s3_buckets_are_written_and_read_back() {
    let world = World::new();
    let bucket = "my.logs-1";
    let place = json!({ "Bucket": bucket, "CreateBucketConfiguration": { "LocationConstraint": "eu-west-1" } });
    world.call("s3", "CreateBucket", place).await;
    let listed = world.call("s3", "ListBuckets", json!({})).await;
    assert_eq!(listed["Buckets"][0]["Name"], bucket);
    let location = world.call("s3", "GetBucketLocation", json!({ "Bucket": bucket })).await;
    assert_eq!(location, json!({ "LocationConstraint": "eu-west-1" }));

    let tags = json!([{ "Key": "a & <b>", "Value": "ü" }, { "Key": "env", "Value": "prod" }]);
    world.call("s3", "PutBucketTagging", json!({ "Bucket": bucket, "Tagging": { "TagSet": tags } })).await;
    assert_eq!(world.call("s3", "GetBucketTagging", json!({ "Bucket": bucket })).await["TagSet"], tags);

    let rules = json!({ "Rules": [{
        "ApplyServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k" }, "BucketKeyEnabled": true,
    }] });
    let params = json!({ "Bucket": bucket, "ServerSideEncryptionConfiguration": rules });
    world.call("s3", "PutBucketEncryption", params).await;
    let found = world.call("s3", "GetBucketEncryption", json!({ "Bucket": bucket })).await;
    assert_eq!(found["ServerSideEncryptionConfiguration"], rules);

    let lifecycle = json!({ "Rules": [{
        "ID": "old", "Status": "Enabled", "Filter": { "Prefix": "x/" }, "Expiration": { "Days": 30 },
        "Transitions": [{ "Days": 7, "StorageClass": "GLACIER" }],
    }] });
    let params = json!({ "Bucket": bucket, "LifecycleConfiguration": lifecycle });
    world.call("s3", "PutBucketLifecycleConfiguration", params).await;
    let found = world.call("s3", "GetBucketLifecycleConfiguration", json!({ "Bucket": bucket })).await;
    assert_eq!(found["Rules"][0]["Transitions"], lifecycle["Rules"][0]["Transitions"]);

    let policy = json!({ "Version": "2012-10-17", "Statement": [] }).to_string();
    world.call("s3", "PutBucketPolicy", json!({ "Bucket": bucket, "Policy": policy })).await;
    assert_eq!(world.call("s3", "GetBucketPolicy", json!({ "Bucket": bucket })).await["Policy"], policy);

    world.call("s3", "DeleteBucketPolicy", json!({ "Bucket": bucket })).await;
    let error = world.error("s3", "GetBucketPolicy", json!({ "Bucket": bucket })).await;
    assert_eq!(error.code(), Some("NoSuchBucketPolicy"));
    assert!(error.is_not_found() && !error.is_denied() && !error.is_throttled());
    let error = world.error("s3", "HeadBucket", json!({ "Bucket": "nobody-has-this" })).await;
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn s3_objects_keep_their_bytes_and_names() {
    let world = World::new();
    let place = json!({ "Bucket": "things", "CreateBucketConfiguration": { "LocationConstraint": "eu-west-1" } });
    world.call("s3", "CreateBucket", place).await;
    let names = ["a b/c+d", "ü/%41", "x&y=<z>", "plain"];
    for name in names {
        let params = json!({ "Bucket": "things", "Key": name, "Body": "AAEC/w==", "Metadata": { "owner": "me" } });
        world.call("s3", "PutObject", params).await;
    }
    for limit in [1, 1000] {
        let params = json!({ "Bucket": "things", "MaxKeys": limit });
        let caller = caller("eu-west-1");
        for operation in ["ListObjectsV2", "ListObjects"] {
            let found = world.client.pages(&caller, "s3", operation, &params, PageLimit::default()).await.unwrap();
            let mut found: Vec<&str> =
                found["Contents"].as_array().unwrap().iter().map(|o| o["Key"].as_str().unwrap()).collect();
            found.sort_unstable();
            let mut names = names;
            names.sort_unstable();
            assert_eq!(found, names, "{operation} by {limit}");
        }
    }
    let object = world.call("s3", "GetObject", json!({ "Bucket": "things", "Key": "a b/c+d" })).await;
    assert_eq!(object["Body"], "AAEC/w==");
    assert_eq!(object["Metadata"], json!({ "owner": "me" }));
    assert_eq!(object["ContentLength"], 4);
    assert!(object["LastModified"].as_str().unwrap().ends_with("+00:00"));
}

#[tokio::test]
async fn ec2_lists_and_pages() {
    let world = World::new();
    let vpc = world.call("ec2", "CreateVpc", json!({ "CidrBlock": "10.0.0.0/16" })).await;
    let vpc = vpc["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let params = json!({ "GroupName": "web", "Description": "d", "VpcId": vpc });
    let group = world.call("ec2", "CreateSecurityGroup", params).await["GroupId"].clone();
    let permissions = json!([{
        "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{ "CidrIp": "0.0.0.0/0", "Description": "all" }],
    }]);
    let params = json!({ "GroupId": group, "IpPermissions": permissions });
    world.call("ec2", "AuthorizeSecurityGroupIngress", params).await;
    let found = world.call("ec2", "DescribeSecurityGroups", json!({ "GroupIds": [group] })).await;
    let found = &found["SecurityGroups"][0]["IpPermissions"][0];
    assert_eq!(found["FromPort"], 22);
    assert_eq!(found["IpRanges"], permissions[0]["IpRanges"]);
    // An empty list is none, not a list with an empty name in it.
    let all = world.call("ec2", "DescribeVpcs", json!({ "VpcIds": [] })).await;
    assert!(all["Vpcs"].as_array().unwrap().len() > 1);

    for n in 0..7 {
        let params = json!({ "GroupName": format!("g{n}"), "Description": "d", "VpcId": vpc });
        world.call("ec2", "CreateSecurityGroup", params).await;
    }
    let filter = json!([{ "Name": "vpc-id", "Values": [vpc] }]);
    let params = json!({ "Filters": filter, "MaxResults": 5 });
    let caller = caller("eu-west-1");
    let paged =
        world.client.pages(&caller, "ec2", "DescribeSecurityGroups", &params, PageLimit::default()).await.unwrap();
    assert_eq!(paged["SecurityGroups"].as_array().unwrap().len(), 9);
    assert_eq!(paged.get("NextToken"), None);
    let error = world.error("ec2", "DescribeInstances", json!({ "InstanceIds": ["i-00000000"] })).await;
    assert!(error.is_not_found(), "{error}");
    let Error::Service { request_id, .. } = error else { panic!("a service error") };
    assert!(!request_id.is_empty());
}

#[tokio::test]
async fn iam_policies_are_documents() {
    let world = World::new();
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole",
    }] });
    for n in 0..3 {
        let params = json!({ "RoleName": format!("r{n}"), "AssumeRolePolicyDocument": trust.to_string() });
        world.call("iam", "CreateRole", params).await;
    }
    let role = world.call("iam", "GetRole", json!({ "RoleName": "r0" })).await;
    assert_eq!(role["Role"]["AssumeRolePolicyDocument"], trust);
    let caller = caller("ap-southeast-2");
    let params = json!({ "Filter": ["Role"], "MaxItems": 1 });
    let details = world
        .client
        .pages(&caller, "iam", "GetAccountAuthorizationDetails", &params, PageLimit::default())
        .await
        .unwrap();
    let roles = details["RoleDetailList"].as_array().unwrap();
    assert_eq!(roles.len(), 3);
    assert_eq!(roles[2]["AssumeRolePolicyDocument"], trust);
    assert_eq!(details.get("IsTruncated"), None);
    let error = world.error("iam", "GetRole", json!({ "RoleName": "nobody" })).await;
    assert!(error.is_not_found(), "{error}");
    let error = world.error("iam", "GetAccountPasswordPolicy", json!({})).await;
    assert_eq!(error.code(), Some("NoSuchEntity"));
}

#[tokio::test]
async fn every_protocol_answers() {
    let world = World::new();
    let identity = world.call("sts", "GetCallerIdentity", json!({})).await;
    assert_eq!(identity["Account"], "123456789012");
    let params = json!({ "RoleArn": "arn:aws:iam::210987654321:role/r", "RoleSessionName": "s" });
    let assumed = world.call("sts", "AssumeRole", params).await;
    assert!(assumed["Credentials"]["Expiration"].as_str().unwrap().contains('T'));

    let params = json!({
        "DBInstanceIdentifier": "db", "DBInstanceClass": "db.t3.micro", "Engine": "postgres", "MasterUsername": "u",
        "MasterUserPassword": "password", "AllocatedStorage": 20, "BackupRetentionPeriod": 7,
        "Tags": [{ "Key": "k", "Value": "v" }], "EnableCloudwatchLogsExports": ["postgresql"],
    });
    world.call("rds", "CreateDBInstance", params).await;
    let database = world.call("rds", "DescribeDBInstances", json!({})).await["DBInstances"][0].clone();
    assert_eq!(database["BackupRetentionPeriod"], 7);
    assert_eq!(database["MultiAZ"], false);
    assert_eq!(database["TagList"], json!([{ "Key": "k", "Value": "v" }]));
    assert!(world.error("rds", "DescribeDBInstances", json!({ "DBInstanceIdentifier": "x" })).await.is_not_found());

    let key = world.call("kms", "CreateKey", json!({ "Description": "d" })).await["KeyMetadata"]["KeyId"].clone();
    let key = world.call("kms", "DescribeKey", json!({ "KeyId": key })).await;
    assert_eq!(key["KeyMetadata"]["Enabled"], true);
    assert!(key["KeyMetadata"]["CreationDate"].as_str().unwrap().ends_with("+00:00"));
    assert!(
        world
            .error("kms", "DescribeKey", json!({ "KeyId": "12345678-0000-4000-8000-123456789012" }))
            .await
            .is_not_found()
    );

    let place = json!({ "Bucket": "trail", "CreateBucketConfiguration": { "LocationConstraint": "eu-west-1" } });
    world.call("s3", "CreateBucket", place).await;
    world.call("cloudtrail", "CreateTrail", json!({ "Name": "trail", "S3BucketName": "trail" })).await;
    let trails = world.call("cloudtrail", "DescribeTrails", json!({})).await;
    assert_eq!(trails["trailList"][0]["S3BucketName"], "trail");
    let status = world.call("cloudtrail", "GetTrailStatus", json!({ "Name": "trail" })).await;
    assert_eq!(status["IsLogging"], false);

    let queue = world.call("sqs", "CreateQueue", json!({ "QueueName": "q" })).await["QueueUrl"].clone();
    let params = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
    assert_eq!(world.call("sqs", "GetQueueAttributes", params).await["Attributes"]["DelaySeconds"], "0");
    world.call("sns", "CreateTopic", json!({ "Name": "t", "Attributes": { "DisplayName": "d" } })).await;
    assert_eq!(world.call("sns", "ListTopics", json!({})).await["Topics"].as_array().unwrap().len(), 1);

    let table = json!({
        "TableName": "t", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{ "AttributeName": "k", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "k", "AttributeType": "B" }],
    });
    world.call("dynamodb", "CreateTable", table).await;
    let item = json!({ "k": { "B": "AAE=" }, "m": { "M": { "l": { "L": [{ "N": "1" }, { "NULL": true }] } } } });
    world.call("dynamodb", "PutItem", json!({ "TableName": "t", "Item": item })).await;
    let params = json!({ "TableName": "t", "Key": { "k": { "B": "AAE=" } } });
    assert_eq!(world.call("dynamodb", "GetItem", params).await["Item"], item);

    let zone =
        world.call("route53", "CreateHostedZone", json!({ "Name": "example.com", "CallerReference": "1" })).await;
    let id = zone["HostedZone"]["Id"].as_str().unwrap();
    assert!(id.starts_with("/hostedzone/"));
    let records = world.call("route53", "ListResourceRecordSets", json!({ "HostedZoneId": id })).await;
    assert_eq!(records["ResourceRecordSets"][0]["Type"], "NS");

    let api = world.call("apigateway", "CreateRestApi", json!({ "name": "api" })).await;
    let apis = world.call("apigateway", "GetRestApis", json!({})).await;
    assert_eq!(apis["items"][0]["id"], api["id"]);
    let params = json!({ "logGroupName": "/a/b" });
    world.call("logs", "CreateLogGroup", params).await;
    assert_eq!(world.call("logs", "DescribeLogGroups", json!({})).await["logGroups"][0]["logGroupName"], "/a/b");
    assert_eq!(world.call("cloudwatch", "DescribeAlarms", json!({})).await["MetricAlarms"], json!([]));
    let parameters = json!({ "Name": "/p", "Value": "1", "Type": "String" });
    world.call("ssm", "PutParameter", parameters).await;
    assert_eq!(world.call("ssm", "GetParameter", json!({ "Name": "/p" })).await["Parameter"]["Value"], "1");
}
