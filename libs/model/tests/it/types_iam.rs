//! Roles, users, policies and the password policy.

use serde_json::{Value, json};

use crate::world::{agreed, compared, drifting, seen, skipped, with};

const ROLE: &str = "aws_iam_role";
const USER: &str = "aws_iam_user";
const POLICY: &str = "aws_iam_policy";
const PASSWORDS: &str = "aws_iam_account_password_policy";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const OWN: &str = "arn:aws:iam::111122223333:policy/x/p1";

fn read_one() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*" }] })
}

fn trust(service: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }] })
}

fn attached(arns: &[&str]) -> Value {
    arns.iter().map(|arn| json!({ "PolicyName": arn.rsplit('/').next(), "PolicyArn": arn })).collect()
}

fn role() -> Value {
    json!({
        "Path": "/", "RoleName": "r1", "RoleId": "AROAEXAMPLE", "Arn": "arn:aws:iam::111122223333:role/r1", "CreateDate": "2026-01-01T00:00:00Z",
        "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"), "InstanceProfileList": [], "RoleLastUsed": {},
        "RolePolicyList": [{ "PolicyName": "in", "PolicyDocument": read_one() }], "AttachedManagedPolicies": attached(&[OWN]),
        "PermissionsBoundary": { "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": OWN },
        "Tags": [{ "Key": "Owner", "Value": "x" }]
    })
}

fn roles() -> Value {
    json!({ "roles": [{ "Path": "/", "RoleName": "r1", "Description": "desc", "MaxSessionDuration": 7200 }] })
}

fn role_state() -> Value {
    json!({
        "id": "r1", "name": "r1", "arn": "arn:aws:iam::111122223333:role/r1", "path": "/", "description": "desc", "max_session_duration": 7200, "name_prefix": "",
        "assume_role_policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Action\":[\"sts:AssumeRole\"],\"Effect\":\"Allow\",\"Sid\":\"\",\"Principal\":{\"Service\":[\"ec2.amazonaws.com\"]}}]}",
        "create_date": "2026-01-01T00:00:00Z", "force_detach_policies": false, "permissions_boundary": OWN, "unique_id": "AROAEXAMPLE",
        "inline_policy": [{ "name": "in", "policy": read_one().to_string() }], "managed_policy_arns": [OWN],
        "tags": { "Owner": "x" }, "tags_all": { "Owner": "x" }
    })
}

fn role_split() -> Vec<(&'static str, Value)> {
    vec![
        (ROLE, with(&role_state(), &json!({ "inline_policy": [], "managed_policy_arns": [] }))),
        (
            "aws_iam_role_policy",
            json!({ "id": "r1:in", "name": "in", "name_prefix": "", "policy": read_one().to_string(), "role": "r1" }),
        ),
        ("aws_iam_role_policy_attachment", json!({ "id": "r1-1", "policy_arn": OWN, "role": "r1" })),
    ]
}

#[test]
fn an_untouched_role_is_silent_in_every_shape() {
    let refreshed = [vec![(ROLE, role_state())], role_split()[1..].to_vec()].concat();
    let exclusive = [
        role_split(),
        vec![
            ("aws_iam_role_policies_exclusive", json!({ "role_name": "r1", "policy_names": ["in"] })),
            ("aws_iam_role_policy_attachments_exclusive", json!({ "role_name": "r1", "policy_arns": [OWN] })),
        ],
    ]
    .concat();
    let only_exclusive = [role_split()[..2].to_vec(), exclusive[4..].to_vec()].concat();
    let many = [
        role_split()[..2].to_vec(),
        vec![(
            "aws_iam_policy_attachment",
            json!({ "name": "all", "policy_arn": OWN, "roles": ["r0", "r1"], "users": [], "groups": [] }),
        )],
    ]
    .concat();
    let mut old = role_split();
    for name in ["inline_policy", "managed_policy_arns"] {
        old[0].1.as_object_mut().unwrap().remove(name);
    }
    let shapes = [
        ("inline", vec![(ROLE, role_state())]),
        ("split", role_split()),
        ("split, refreshed", refreshed),
        ("exclusive", exclusive),
        ("attached by the exclusive alone", only_exclusive),
        ("attached by the policy", many),
        ("provider 2", old),
    ];
    for (name, instances) in shapes {
        assert_eq!(drifting(ROLE, &role(), &roles(), &instances), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_role_read_alone_is_the_same_role() {
    let mut item = with(&role(), &roles()["roles"][0]);
    for name in ["RolePolicyList", "AttachedManagedPolicies", "InstanceProfileList"] {
        item.as_object_mut().unwrap().remove(name);
    }
    let answers = json!({
        "names": { "PolicyNames": ["in"] },
        "inline": [{ "each": "in", "answer": { "RoleName": "r1", "PolicyName": "in", "PolicyDocument": read_one() } }],
        "attached": { "AttachedPolicies": attached(&[OWN]) }
    });
    let (listed, alone) = (seen(ROLE, &role(), &roles()), seen(ROLE, &item, &answers));
    assert_eq!((alone.attributes, alone.arn), (listed.attributes, listed.arn));
}

#[test]
fn each_change_of_a_role_is_one_drift() {
    let all = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let inline = |list: &[(&str, &Value)]| -> Value {
        let policies = list.iter().map(|(name, document)| json!({ "PolicyName": name, "PolicyDocument": document }));
        json!({ "RolePolicyList": policies.collect::<Value>() })
    };
    let cases: &[(&str, Value)] = &[
        ("managed_policy_arns", json!({ "AttachedManagedPolicies": attached(&[OWN, ADMIN]) })),
        ("managed_policy_arns", json!({ "AttachedManagedPolicies": [] })),
        ("inline_policy", inline(&[("in", &read_one()), ("more", &all)])),
        ("inline_policy", inline(&[("in", &all)])),
        ("inline_policy", inline(&[])),
        ("assume_role_policy", json!({ "AssumeRolePolicyDocument": trust("lambda.amazonaws.com") })),
        ("permissions_boundary", json!({ "PermissionsBoundary": null })),
        ("tags.Owner", json!({ "Tags": [] })),
    ];
    for (path, change) in cases {
        for instances in [vec![(ROLE, role_state())], role_split()] {
            let found = drifting(ROLE, &with(&role(), change), &roles(), &instances);
            assert_eq!(found, [*path], "{change} {instances:?}");
        }
    }
    for (path, change) in [
        ("description", json!({ "Description": "other" })),
        ("max_session_duration", json!({ "MaxSessionDuration": 3600 })),
    ] {
        let changed = json!({ "roles": [with(&roles()["roles"][0], &change)] });
        assert_eq!(drifting(ROLE, &role(), &changed, &role_split()), [path]);
    }
}

#[test]
fn rights_given_by_hand_show_on_a_role_of_which_nobody_declares_any() {
    let bare =
        json!({ "id": "r1", "name": "r1", "path": "/", "assume_role_policy": trust("ec2.amazonaws.com").to_string() });
    assert_eq!(drifting(ROLE, &role(), &roles(), &[(ROLE, bare)]), ["inline_policy", "managed_policy_arns"]);
}

#[test]
fn service_linked_roles_are_aws_and_say_only_what_they_hold() {
    let made = json!({
        "Path": "/aws-service-role/autoscaling.amazonaws.com/", "RoleName": "AWSServiceRoleForAutoScaling",
        "AssumeRolePolicyDocument": trust("autoscaling.amazonaws.com"), "RolePolicyList": [], "AttachedManagedPolicies": attached(&["arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy"])
    });
    let answers = json!({ "roles": [{ "Description": "made by Auto Scaling", "MaxSessionDuration": 3600 }] });
    let state = json!({
        "id": "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "name": "AWSServiceRoleForAutoScaling", "custom_suffix": "",
        "aws_service_name": "autoscaling.amazonaws.com", "path": "/aws-service-role/autoscaling.amazonaws.com/", "description": "made by Auto Scaling", "tags": {}, "tags_all": {}
    });
    assert_eq!(drifting(ROLE, &made, &answers, &[("aws_iam_service_linked_role", state)]), Vec::<String>::new());
    assert_eq!(seen(ROLE, &made, &answers).owner.as_deref(), Some("aws"));
    let sso = with(
        &role(),
        &json!({ "Path": "/aws-reserved/sso.amazonaws.com/eu-west-1/", "RoleName": "AWSReservedSSO_Admin_0123456789abcdef" }),
    );
    assert_eq!(seen(ROLE, &sso, &roles()).owner.as_deref(), Some("aws"));
    let posing = with(&role(), &json!({ "RoleName": "AWSReservedSSO_Admin_0123456789abcdef" }));
    assert_eq!(seen(ROLE, &posing, &roles()).owner, None, "a name is free to choose, such a path is not");
}

fn user() -> Value {
    json!({
        "Path": "/team/", "UserName": "u1", "UserId": "AIDAEXAMPLE", "Arn": "arn:aws:iam::111122223333:user/team/u1", "CreateDate": "2026-01-01T00:00:00Z",
        "UserPolicyList": [{ "PolicyName": "in", "PolicyDocument": read_one() }], "GroupList": ["g2", "g1"], "AttachedManagedPolicies": attached(&[OWN]),
        "PermissionsBoundary": { "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": OWN }, "Tags": [{ "Key": "Owner", "Value": "x" }]
    })
}

fn user_state() -> Value {
    json!({
        "id": "u1", "name": "u1", "arn": "arn:aws:iam::111122223333:user/team/u1", "path": "/team/", "force_destroy": false, "permissions_boundary": OWN, "unique_id": "AIDAEXAMPLE",
        "tags": { "Owner": "x" }, "tags_all": { "Owner": "x" }
    })
}

fn user_split() -> Vec<(&'static str, Value)> {
    vec![
        (USER, user_state()),
        ("aws_iam_user_policy", json!({ "id": "u1:in", "name": "in", "policy": read_one().to_string(), "user": "u1" })),
        ("aws_iam_user_policy_attachment", json!({ "id": "u1-1", "policy_arn": OWN, "user": "u1" })),
        ("aws_iam_user_group_membership", json!({ "id": "m", "groups": ["g1", "g2"], "user": "u1" })),
    ]
}

fn login() -> Value {
    json!({ "login": { "UserName": "u1", "CreateDate": "2026-01-01T00:00:00Z", "PasswordResetRequired": false }, "mfa": { "MFADevices": [] } })
}

#[test]
fn an_untouched_user_is_silent_in_every_shape() {
    let by_group =
        |group: &str| ("aws_iam_group_membership", json!({ "name": "m", "group": group, "users": ["u0", "u1"] }));
    let groups = [user_split()[..3].to_vec(), vec![by_group("g1"), by_group("g2")]].concat();
    let mixed = [
        user_split()[..3].to_vec(),
        vec![by_group("g1"), ("aws_iam_user_group_membership", json!({ "groups": ["g2"], "user": "u1" }))],
    ]
    .concat();
    let exclusive = [
        user_split(),
        vec![
            ("aws_iam_user_policies_exclusive", json!({ "user_name": "u1", "policy_names": ["in"] })),
            ("aws_iam_user_policy_attachments_exclusive", json!({ "user_name": "u1", "policy_arns": [OWN] })),
        ],
    ]
    .concat();
    let mut only_exclusive = exclusive.clone();
    only_exclusive.remove(2);
    let by_policy = [
        user_split()[..2].to_vec(),
        vec![
            user_split()[3].clone(),
            (
                "aws_iam_policy_attachment",
                json!({ "name": "all", "policy_arn": OWN, "roles": [], "users": ["u1"], "groups": ["g"] }),
            ),
        ],
    ]
    .concat();
    let with_login = [
        user_split(),
        vec![("aws_iam_user_login_profile", json!({ "id": "u1", "user": "u1", "password_length": 20, "password_reset_required": true, "encrypted_password": "x", "pgp_key": "keybase:x" }))],
    ]
    .concat();
    let with_key = [
        user_split(),
        vec![("aws_iam_user_ssh_key", json!({ "id": "APKA1", "username": "u1", "ssh_public_key_id": "APKA1", "status": "Active", "encoding": "SSH", "public_key": "ssh-rsa AAAA" }))],
    ]
    .concat();
    let key = json!({ "ssh_keys": { "SSHPublicKeys": [{ "UserName": "u1", "SSHPublicKeyId": "APKA1", "Status": "Active" }] } });
    let shapes = [
        ("split", json!({}), user_split()),
        ("members of groups", json!({}), groups),
        ("members both ways", json!({}), mixed),
        ("exclusive", json!({}), exclusive),
        ("attached by the exclusive alone", json!({}), only_exclusive),
        ("attached by the policy", json!({}), by_policy),
        ("password", login(), with_login),
        ("password nobody declares", login(), user_split()),
        ("ssh key", key.clone(), with_key),
        ("ssh key nobody declares", key, user_split()),
    ];
    for (name, answers, instances) in shapes {
        assert_eq!(drifting(USER, &user(), &answers, &instances), Vec::<String>::new(), "{name}");
    }
    let bare = with(&user(), &json!({ "UserPolicyList": [], "GroupList": [], "AttachedManagedPolicies": [] }));
    let none = [
        (USER, user_state()),
        ("aws_iam_user_policies_exclusive", json!({ "user_name": "u1", "policy_names": [] })),
        ("aws_iam_user_policy_attachments_exclusive", json!({ "user_name": "u1", "policy_arns": [] })),
    ];
    assert_eq!(drifting(USER, &bare, &json!({}), &none), Vec::<String>::new());
    assert_eq!(drifting(USER, &bare, &json!({}), &none[..1]), Vec::<String>::new());
}

#[test]
fn each_change_of_a_user_is_one_drift() {
    let cases: &[(&str, Value)] = &[
        ("policy_attachment", json!({ "AttachedManagedPolicies": attached(&[ADMIN, OWN]) })),
        ("policy_attachment", json!({ "AttachedManagedPolicies": [] })),
        ("group_membership.groups", json!({ "GroupList": ["g1", "g2", "admins"] })),
        ("group_membership.groups", json!({ "GroupList": ["g1"] })),
        ("inline_policy", json!({ "UserPolicyList": [] })),
        ("permissions_boundary", json!({ "PermissionsBoundary": null })),
        ("path", json!({ "Path": "/" })),
        ("tags.Owner", json!({ "Tags": [] })),
    ];
    for (path, change) in cases {
        assert_eq!(drifting(USER, &with(&user(), change), &json!({}), &user_split()), [*path], "{change}");
    }
    assert_eq!(
        drifting(USER, &user(), &json!({}), &[(USER, user_state())]),
        ["group_membership.groups", "inline_policy", "policy_attachment"],
        "a user of whom nobody declares any rights"
    );
    let with_login = [user_split(), vec![("aws_iam_user_login_profile", json!({ "user": "u1" }))]].concat();
    assert_eq!(drifting(USER, &user(), &json!({}), &with_login), ["login_profile"]);
}

#[test]
fn a_user_read_alone_is_the_same_user() {
    let mut item = user();
    for name in ["UserPolicyList", "GroupList", "AttachedManagedPolicies"] {
        item.as_object_mut().unwrap().remove(name);
    }
    let answers = json!({
        "names": { "PolicyNames": ["in"] },
        "inline": [{ "each": "in", "answer": { "UserName": "u1", "PolicyName": "in", "PolicyDocument": read_one() } }],
        "attached": { "AttachedPolicies": attached(&[OWN]) },
        "groups": { "Groups": [{ "GroupName": "g1" }, { "GroupName": "g2" }] }
    });
    assert_eq!(seen(USER, &item, &answers).attributes, seen(USER, &user(), &json!({})).attributes);
}

fn policy() -> Value {
    let version = |id: &str, default: bool, document: Value| json!({ "VersionId": id, "IsDefaultVersion": default, "Document": document });
    json!({
        "PolicyName": "p1", "PolicyId": "ANPAEXAMPLE", "Arn": OWN, "Path": "/x/", "DefaultVersionId": "v2", "AttachmentCount": 2, "IsAttachable": true,
        "PolicyVersionList": [version("v3", false, trust("x")), version("v2", true, read_one()), version("v1", false, trust("x"))]
    })
}

fn details() -> Value {
    json!({ "details": { "PolicyName": "p1", "Arn": OWN, "Path": "/x/", "DefaultVersionId": "v2", "Description": "d", "Tags": [{ "Key": "a", "Value": "b" }] } })
}

fn policy_state() -> Value {
    json!({
        "id": OWN, "arn": OWN, "name": "p1", "name_prefix": "", "path": "/x/", "description": "d", "policy_id": "ANPAEXAMPLE", "attachment_count": 0,
        "policy": "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": {\"Resource\": [\"arn:aws:s3:::a/*\"], \"Effect\": \"Allow\", \"Action\": [\"s3:getobject\"]}\n}",
        "tags": { "a": "b" }, "tags_all": { "a": "b" }
    })
}

#[test]
fn a_policy_is_its_default_version() {
    let state = [(POLICY, policy_state())];
    assert_eq!(drifting(POLICY, &policy(), &details(), &state), Vec::<String>::new());
    let mut alone = with(&policy(), &details()["details"]);
    alone.as_object_mut().unwrap().remove("PolicyVersionList");
    let answers = with(
        &details(),
        &json!({ "version": { "VersionId": "v2", "IsDefaultVersion": true, "Document": read_one() } }),
    );
    assert_eq!(drifting(POLICY, &alone, &answers, &state), Vec::<String>::new());

    let mut other = policy();
    for (i, default) in [true, false, false].into_iter().enumerate() {
        other["PolicyVersionList"][i]["IsDefaultVersion"] = json!(default);
    }
    assert_eq!(drifting(POLICY, &other, &details(), &state), ["policy"]);
    let detail = |change: Value| json!({ "details": with(&details()["details"], &change) });
    assert_eq!(drifting(POLICY, &policy(), &detail(json!({ "Tags": [] })), &state), ["tags.a"]);
    assert_eq!(drifting(POLICY, &policy(), &detail(json!({ "Description": null })), &state), ["description"]);
    let denied = json!({ "details": { "failed": "AccessDenied" } });
    assert_eq!(drifting(POLICY, &policy(), &denied, &state), ["unknown description", "unknown tags"]);
    assert_eq!(skipped(POLICY, &json!({ "Arn": ADMIN })).as_deref(), Some("made by AWS for everybody"));
}

#[test]
fn the_password_policy() {
    let live = json!({
        "MinimumPasswordLength": 14, "RequireSymbols": true, "RequireNumbers": true, "RequireUppercaseCharacters": true, "RequireLowercaseCharacters": true,
        "AllowUsersToChangePassword": true, "ExpirePasswords": false
    });
    let state = json!({
        "id": "iam-account-password-policy", "allow_users_to_change_password": true, "expire_passwords": false, "hard_expiry": false, "max_password_age": 0, "minimum_password_length": 14,
        "password_reuse_prevention": 0, "require_lowercase_characters": true, "require_numbers": true, "require_symbols": true, "require_uppercase_characters": true
    });
    let zeros = with(&live, &json!({ "MaxPasswordAge": 0, "HardExpiry": false, "PasswordReusePrevention": null }));
    let state = [(PASSWORDS, state)];
    for same in [&live, &zeros] {
        assert_eq!(drifting(PASSWORDS, same, &json!({}), &state), Vec::<String>::new());
    }
    for (path, change) in [
        ("minimum_password_length", json!({ "MinimumPasswordLength": 8 })),
        ("require_symbols", json!({ "RequireSymbols": false })),
        ("require_numbers", json!({ "RequireNumbers": false })),
        ("require_lowercase_characters", json!({ "RequireLowercaseCharacters": false })),
        ("require_uppercase_characters", json!({ "RequireUppercaseCharacters": false })),
        ("allow_users_to_change_password", json!({ "AllowUsersToChangePassword": false })),
        ("max_password_age", json!({ "MaxPasswordAge": 90, "ExpirePasswords": true })),
        ("password_reuse_prevention", json!({ "PasswordReusePrevention": 24 })),
        ("hard_expiry", json!({ "HardExpiry": true })),
    ] {
        assert_eq!(drifting(PASSWORDS, &with(&live, &change), &json!({}), &state), [path]);
    }
    let snapshot = seen(PASSWORDS, &live, &json!({}));
    assert_eq!((snapshot.key.region.as_str(), snapshot.key.id.as_str()), ("global", "iam-account-password-policy"));
    let strict = compared(
        PASSWORDS,
        &snapshot,
        &agreed(PASSWORDS, &[(PASSWORDS, with(&state[0].1, &json!({ "max_password_age": 90 })))]),
    );
    assert_eq!(strict, ["max_password_age: 90 -> null"]);
}

#[test]
fn of_a_role_that_others_declare_only_the_own_parts_must_be_there() {
    let mut more = role();
    more["AttachedManagedPolicies"] = attached(&[OWN, ADMIN]);
    let parts = role_split().split_off(1);
    assert_eq!(drifting(ROLE, &more, &roles(), &parts), Vec::<String>::new());
    assert_eq!(drifting(ROLE, &more, &roles(), &role_split()), ["managed_policy_arns"]);
    let mut less = role();
    less["AttachedManagedPolicies"] = attached(&[ADMIN]);
    assert_eq!(drifting(ROLE, &less, &roles(), &parts), ["managed_policy_arns"]);
    let whole = vec![("aws_iam_role_policy_attachments_exclusive", json!({ "role_name": "r1", "policy_arns": [OWN] }))];
    assert_eq!(drifting(ROLE, &more, &roles(), &whole), ["managed_policy_arns"]);
}
