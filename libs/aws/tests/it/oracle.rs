//! The oracle: on the fleet's world, what our client answers equals what AWS's own SDK answers, member by member.

mod compare;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Debug;

use driftline_aws::{Caller, Client, Partition};
use driftline_fleet::{Clients, Fleet};
use serde_json::{Value, json};

use self::compare::Comparison;
use crate::config;

struct Oracle<'a> {
    client: Client,
    caller: Caller,
    sdk: &'a Clients,
    operations: BTreeSet<String>,
    comparison: Comparison,
}

/// One operation: our call and the SDK's, with the same parameters.
macro_rules! same {
    ($oracle:ident, $service:ident $operation:ident $params:tt, $method:ident $(, $set:ident ( $value:expr ))*) => {
        let theirs = $oracle.sdk.$service.$method()$(.$set($value))*.send().await;
        $oracle.check(stringify!($service), stringify!($operation), json!($params), theirs).await;
    };
}

impl Oracle<'_> {
    async fn check<T: Debug, E: Debug>(&mut self, service: &str, operation: &str, params: Value, theirs: Result<T, E>) {
        let name = format!("{service}:{operation}");
        let theirs = match theirs {
            Ok(output) => tree::parse(&format!("{output:?}")),
            Err(error) => return self.comparison.differences.push(format!("{name}: the SDK fails: {error:.300?}")),
        };
        self.operations.insert(name.clone());
        match self.client.call(&self.caller, service, operation, &params).await {
            Ok(ours) => self.comparison.compare(&name, &theirs, Some(&ours)),
            Err(error) => self.comparison.differences.push(format!("{name}: ours fails: {error}")),
        }
    }

    async fn prepare(&self, service: &str, operation: &str, params: Value) -> Value {
        let done = self.client.call(&self.caller, service, operation, &params).await;
        done.unwrap_or_else(|error| panic!("{service}:{operation}: {error}"))
    }
}

#[tokio::test]
async fn our_answers_equal_those_of_the_official_sdk() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let fleet = Fleet::build(&moto.url(), 11).await.unwrap();
    let account = &fleet.accounts[0];
    let caller = Caller {
        account: account.id.clone(),
        region: account.clients.region.clone(),
        credentials: account.clients.credentials.clone(),
        partition: Partition::Aws,
    };
    let mut oracle = Oracle {
        client: Client::new(config(&moto.url())),
        caller,
        sdk: &account.clients,
        operations: BTreeSet::new(),
        comparison: Comparison::default(),
    };
    let resource = |kind: &str| {
        let resources = account.state["resources"].as_array().unwrap();
        let found = resources.iter().find(|resource| resource["type"] == kind).expect(kind);
        found["instances"][0]["attributes"].clone()
    };
    ec2(&mut oracle, &resource).await;
    s3(&mut oracle).await;
    iam(&mut oracle, &resource).await;
    rds(&mut oracle, &resource).await;
    kms(&mut oracle, &resource).await;
    cloudtrail(&mut oracle, &resource).await;
    same!(oracle, sts GetCallerIdentity {}, get_caller_identity);

    let Oracle { operations, comparison, .. } = oracle;
    println!("{} operations, {} values", operations.len(), comparison.equal);
    assert!(comparison.differences.is_empty(), "{}", comparison.differences.join("\n"));
    let core = operations.iter().filter(|name| ["ec2:", "s3:", "sts:"].iter().any(|s| name.starts_with(s))).count();
    assert!(core >= 40 && operations.len() >= 80, "{core} and in all {} operations", operations.len());
    assert!(comparison.equal > 10_000, "{} values", comparison.equal);
}

type Resource<'a> = &'a dyn Fn(&str) -> Value;

fn id(attributes: &Value, name: &str) -> String {
    attributes[name].as_str().unwrap().to_owned()
}

async fn ec2(o: &mut Oracle<'_>, resource: Resource<'_>) {
    let vpc = id(&resource("aws_vpc"), "id");
    let instance = id(&resource("aws_instance"), "id");
    let group = id(&resource("aws_security_group"), "id");
    let volume = id(&resource("aws_ebs_volume"), "id");
    o.prepare("ec2", "CreateKeyPair", json!({ "KeyName": "people" })).await;
    let gateway = o.prepare("ec2", "CreateInternetGateway", json!({})).await;
    let gateway = id(&gateway["InternetGateway"], "InternetGatewayId");
    o.prepare("ec2", "AttachInternetGateway", json!({ "InternetGatewayId": gateway, "VpcId": vpc })).await;
    o.prepare("ec2", "AllocateAddress", json!({ "Domain": "vpc" })).await;
    o.prepare("ec2", "CreateSnapshot", json!({ "VolumeId": volume, "Description": "ü & <x>" })).await;
    let service = "com.amazonaws.eu-central-1.s3";
    o.prepare("ec2", "CreateVpcEndpoint", json!({ "VpcId": vpc, "ServiceName": service })).await;

    same!(o, ec2 DescribeVpcs {}, describe_vpcs);
    same!(o, ec2 DescribeSubnets {}, describe_subnets);
    same!(o, ec2 DescribeSecurityGroups {}, describe_security_groups);
    same!(o, ec2 DescribeSecurityGroups { "GroupIds": [group] }, describe_security_groups, group_ids(&group));
    same!(o, ec2 DescribeSecurityGroupRules {}, describe_security_group_rules);
    same!(o, ec2 DescribeInstances {}, describe_instances);
    same!(o, ec2 DescribeInstances { "MaxResults": 5 }, describe_instances, max_results(5));
    same!(o, ec2 DescribeInstanceStatus {}, describe_instance_status);
    let attribute = |name: &str| (json!({ "InstanceId": instance, "Attribute": name }), name.to_owned());
    for name in ["userData", "disableApiTermination", "instanceType", "sourceDestCheck", "groupSet"] {
        let (params, name) = attribute(name);
        let attribute = name.as_str().into();
        let theirs = o.sdk.ec2.describe_instance_attribute().instance_id(&instance).attribute(attribute).send().await;
        o.check("ec2", "DescribeInstanceAttribute", params, theirs).await;
    }
    for name in ["enableDnsSupport", "enableDnsHostnames"] {
        let theirs = o.sdk.ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(name.into()).send().await;
        o.check("ec2", "DescribeVpcAttribute", json!({ "VpcId": vpc, "Attribute": name }), theirs).await;
    }
    same!(o, ec2 DescribeInstanceCreditSpecifications { "InstanceIds": [instance] },
          describe_instance_credit_specifications, instance_ids(&instance));
    same!(o, ec2 DescribeVolumes {}, describe_volumes);
    same!(o, ec2 DescribeSnapshots { "OwnerIds": ["self"] }, describe_snapshots, owner_ids("self"));
    same!(o, ec2 DescribeNetworkAcls {}, describe_network_acls);
    same!(o, ec2 DescribeRouteTables {}, describe_route_tables);
    same!(o, ec2 DescribeNetworkInterfaces {}, describe_network_interfaces);
    same!(o, ec2 DescribeInternetGateways {}, describe_internet_gateways);
    same!(o, ec2 DescribeAddresses {}, describe_addresses);
    same!(o, ec2 DescribeKeyPairs {}, describe_key_pairs);
    same!(o, ec2 DescribeDhcpOptions {}, describe_dhcp_options);
    same!(o, ec2 DescribeVpcEndpoints {}, describe_vpc_endpoints);
    same!(o, ec2 DescribeTags {}, describe_tags);
    same!(o, ec2 DescribeRegions {}, describe_regions);
    same!(o, ec2 DescribeAvailabilityZones {}, describe_availability_zones);
    same!(o, ec2 DescribeImages { "Owners": ["amazon"] }, describe_images, owners("amazon"));
    same!(o, ec2 GetEbsEncryptionByDefault {}, get_ebs_encryption_by_default);
}

async fn s3(o: &mut Oracle<'_>) {
    let listed = o.prepare("s3", "ListBuckets", json!({})).await;
    let names: Vec<String> = listed["Buckets"].as_array().unwrap().iter().map(|b| id(b, "Name")).collect();
    let find = |part: &str| names.iter().find(|name| name.contains(part)).unwrap().as_str();
    let (bucket, objects) = (find("-exports-"), find("scratch-"));
    for key in ["plain", "a b/ü+&<>", "x/y/z"] {
        o.prepare("s3", "PutObject", json!({ "Bucket": objects, "Key": key, "Body": "AAEC/w==" })).await;
    }
    o.prepare("s3", "PutObject", json!({ "Bucket": objects, "Key": "plain", "Body": "", "Tagging": "a=b" })).await;
    let cors = json!({ "CORSRules": [{ "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://a.example"],
                                       "MaxAgeSeconds": 60, "ExposeHeaders": ["ETag"] }] });
    o.prepare("s3", "PutBucketCors", json!({ "Bucket": bucket, "CORSConfiguration": cors })).await;
    let website = json!({ "IndexDocument": { "Suffix": "index.html" }, "ErrorDocument": { "Key": "error.html" } });
    o.prepare("s3", "PutBucketWebsite", json!({ "Bucket": bucket, "WebsiteConfiguration": website })).await;

    same!(o, s3 ListBuckets {}, list_buckets);
    same!(o, s3 GetBucketLocation { "Bucket": bucket }, get_bucket_location, bucket(bucket));
    same!(o, s3 GetBucketAcl { "Bucket": bucket }, get_bucket_acl, bucket(bucket));
    same!(o, s3 GetBucketTagging { "Bucket": bucket }, get_bucket_tagging, bucket(bucket));
    same!(o, s3 GetBucketEncryption { "Bucket": bucket }, get_bucket_encryption, bucket(bucket));
    same!(o, s3 GetPublicAccessBlock { "Bucket": bucket }, get_public_access_block, bucket(bucket));
    same!(o, s3 GetBucketOwnershipControls { "Bucket": bucket }, get_bucket_ownership_controls, bucket(bucket));
    same!(o, s3 GetBucketPolicy { "Bucket": bucket }, get_bucket_policy, bucket(bucket));
    same!(o, s3 GetBucketPolicyStatus { "Bucket": bucket }, get_bucket_policy_status, bucket(bucket));
    same!(o, s3 GetBucketLogging { "Bucket": bucket }, get_bucket_logging, bucket(bucket));
    same!(o, s3 GetBucketLifecycleConfiguration { "Bucket": bucket },
          get_bucket_lifecycle_configuration, bucket(bucket));
    same!(o, s3 GetBucketCors { "Bucket": bucket }, get_bucket_cors, bucket(bucket));
    same!(o, s3 GetBucketWebsite { "Bucket": bucket }, get_bucket_website, bucket(bucket));
    // versioning, notifications, acceleration and payer: moto names the answers' roots wrongly, which the SDK refuses
    same!(o, s3 HeadBucket { "Bucket": bucket }, head_bucket, bucket(bucket));
    same!(o, s3 ListObjects { "Bucket": objects }, list_objects, bucket(objects));
    same!(o, s3 ListObjectsV2 { "Bucket": objects }, list_objects_v2, bucket(objects));
    same!(o, s3 ListObjectsV2 { "Bucket": objects, "Delimiter": "/" }, list_objects_v2, bucket(objects), delimiter("/"));
    same!(o, s3 ListObjectVersions { "Bucket": objects }, list_object_versions, bucket(objects));
    same!(o, s3 HeadObject { "Bucket": objects, "Key": "a b/ü+&<>" }, head_object, bucket(objects), key("a b/ü+&<>"));
    same!(o, s3 GetObjectTagging { "Bucket": objects, "Key": "plain" }, get_object_tagging, bucket(objects), key("plain"));
    same!(o, s3 GetObjectAcl { "Bucket": objects, "Key": "plain" }, get_object_acl, bucket(objects), key("plain"));
}

async fn iam(o: &mut Oracle<'_>, resource: Resource<'_>) {
    let policy = id(&resource("aws_iam_policy"), "arn");
    let role = "shop-app";
    o.prepare("iam", "CreateAccountAlias", json!({ "AccountAlias": "shop" })).await;
    o.prepare("iam", "CreateGroup", json!({ "GroupName": "people" })).await;
    o.prepare("iam", "AddUserToGroup", json!({ "GroupName": "people", "UserName": "ci" })).await;
    o.prepare("iam", "CreateInstanceProfile", json!({ "InstanceProfileName": role })).await;
    o.prepare("iam", "AddRoleToInstanceProfile", json!({ "InstanceProfileName": role, "RoleName": role })).await;
    o.prepare("iam", "CreateAccessKey", json!({ "UserName": "ci" })).await;

    same!(o, iam ListRoles {}, list_roles);
    same!(o, iam GetRole { "RoleName": role }, get_role, role_name(role));
    same!(o, iam ListRolePolicies { "RoleName": role }, list_role_policies, role_name(role));
    same!(o, iam GetRolePolicy { "RoleName": role, "PolicyName": "data" },
          get_role_policy, role_name(role), policy_name("data"));
    same!(o, iam ListAttachedRolePolicies { "RoleName": role }, list_attached_role_policies, role_name(role));
    same!(o, iam ListRoleTags { "RoleName": role }, list_role_tags, role_name(role));
    same!(o, iam ListInstanceProfiles {}, list_instance_profiles);
    same!(o, iam ListInstanceProfilesForRole { "RoleName": role }, list_instance_profiles_for_role, role_name(role));
    same!(o, iam ListUsers {}, list_users);
    same!(o, iam GetUser { "UserName": "ci" }, get_user, user_name("ci"));
    same!(o, iam ListGroups {}, list_groups);
    same!(o, iam ListGroupsForUser { "UserName": "ci" }, list_groups_for_user, user_name("ci"));
    same!(o, iam ListAccessKeys { "UserName": "ci" }, list_access_keys, user_name("ci"));
    same!(o, iam ListMFADevices { "UserName": "ci" }, list_mfa_devices, user_name("ci"));
    same!(o, iam ListPolicies { "Scope": "Local" }, list_policies, scope("Local".into()));
    same!(o, iam GetPolicy { "PolicyArn": policy }, get_policy, policy_arn(&policy));
    same!(o, iam GetPolicyVersion { "PolicyArn": policy, "VersionId": "v1" },
          get_policy_version, policy_arn(&policy), version_id("v1"));
    same!(o, iam ListPolicyVersions { "PolicyArn": policy }, list_policy_versions, policy_arn(&policy));
    same!(o, iam ListEntitiesForPolicy { "PolicyArn": policy }, list_entities_for_policy, policy_arn(&policy));
    same!(o, iam GetAccountAuthorizationDetails { "Filter": ["Role", "User", "Group", "LocalManagedPolicy"] },
          get_account_authorization_details, filter("Role".into()), filter("User".into()), filter("Group".into()),
          filter("LocalManagedPolicy".into()));
    same!(o, iam GetAccountPasswordPolicy {}, get_account_password_policy);
    same!(o, iam GetAccountSummary {}, get_account_summary);
    same!(o, iam ListAccountAliases {}, list_account_aliases);
}

async fn rds(o: &mut Oracle<'_>, resource: Resource<'_>) {
    let database = resource("aws_db_instance");
    let (arn, name) = (id(&database, "arn"), id(&database, "identifier"));
    let params = json!({ "DBInstanceIdentifier": name, "DBSnapshotIdentifier": "before" });
    o.prepare("rds", "CreateDBSnapshot", params).await;
    let params = json!({ "DBParameterGroupName": "ours", "DBParameterGroupFamily": "postgres16", "Description": "d" });
    o.prepare("rds", "CreateDBParameterGroup", params).await;

    same!(o, rds DescribeDBInstances {}, describe_db_instances);
    same!(o, rds DescribeDBInstances { "DBInstanceIdentifier": name },
          describe_db_instances, db_instance_identifier(&name));
    same!(o, rds DescribeDBSubnetGroups {}, describe_db_subnet_groups);
    same!(o, rds DescribeDBSnapshots {}, describe_db_snapshots);
    same!(o, rds DescribeDBParameterGroups {}, describe_db_parameter_groups);
    same!(o, rds DescribeDBClusters {}, describe_db_clusters);
    same!(o, rds ListTagsForResource { "ResourceName": arn }, list_tags_for_resource, resource_name(&arn));
}

async fn kms(o: &mut Oracle<'_>, resource: Resource<'_>) {
    let key = id(&resource("aws_kms_key"), "key_id");
    let grantee = format!("arn:aws:iam::{}:role/shop-app", o.caller.account);
    let params = json!({ "KeyId": key, "GranteePrincipal": grantee, "Operations": ["Decrypt", "Encrypt"] });
    o.prepare("kms", "CreateGrant", params).await;

    same!(o, kms ListKeys {}, list_keys);
    same!(o, kms DescribeKey { "KeyId": key }, describe_key, key_id(&key));
    same!(o, kms GetKeyPolicy { "KeyId": key, "PolicyName": "default" },
          get_key_policy, key_id(&key), policy_name("default"));
    same!(o, kms ListKeyPolicies { "KeyId": key }, list_key_policies, key_id(&key));
    same!(o, kms GetKeyRotationStatus { "KeyId": key }, get_key_rotation_status, key_id(&key));
    same!(o, kms ListAliases {}, list_aliases);
    same!(o, kms ListResourceTags { "KeyId": key }, list_resource_tags, key_id(&key));
    same!(o, kms ListGrants { "KeyId": key }, list_grants, key_id(&key));
}

async fn cloudtrail(o: &mut Oracle<'_>, resource: Resource<'_>) {
    let arn = id(&resource("aws_cloudtrail"), "arn");
    let selectors = json!([{ "ReadWriteType": "All", "IncludeManagementEvents": true,
                             "DataResources": [{ "Type": "AWS::S3::Object", "Values": ["arn:aws:s3"] }] }]);
    o.prepare("cloudtrail", "PutEventSelectors", json!({ "TrailName": arn, "EventSelectors": selectors })).await;

    same!(o, cloudtrail DescribeTrails {}, describe_trails);
    same!(o, cloudtrail GetTrail { "Name": "account" }, get_trail, name("account"));
    same!(o, cloudtrail GetTrailStatus { "Name": arn }, get_trail_status, name(&arn));
    same!(o, cloudtrail GetEventSelectors { "TrailName": arn }, get_event_selectors, trail_name(&arn));
    same!(o, cloudtrail ListTrails {}, list_trails);
    same!(o, cloudtrail ListTags { "ResourceIdList": [arn] }, list_tags, resource_id_list(&arn));
}
