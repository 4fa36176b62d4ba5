//! What a policy allows too much of: everything, whole services, ways to raise one's own rights, named actions.

use super::policy::{Statement, only_stars};
use crate::text::printable;

/// Sets of actions that, allowed together on every resource, let their holder gain rights that were not given: by
/// rewriting policies, by minting credentials of others, or by running code under a role that is passed on.
const ESCALATIONS: &[&[&str]] = &[
    &["iam:CreatePolicyVersion"],
    &["iam:SetDefaultPolicyVersion"],
    &["iam:AttachUserPolicy"],
    &["iam:AttachGroupPolicy"],
    &["iam:AttachRolePolicy"],
    &["iam:PutUserPolicy"],
    &["iam:PutGroupPolicy"],
    &["iam:PutRolePolicy"],
    &["iam:AddUserToGroup"],
    &["iam:CreateAccessKey"],
    &["iam:CreateLoginProfile"],
    &["iam:UpdateLoginProfile"],
    &["iam:UpdateAssumeRolePolicy", "sts:AssumeRole"],
    &["iam:DeleteRolePermissionsBoundary"],
    &["iam:DeleteUserPermissionsBoundary"],
    &["iam:PassRole", "ec2:RunInstances"],
    &["iam:PassRole", "ec2:RequestSpotInstances"],
    &["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"],
    &["iam:PassRole", "lambda:CreateFunction", "lambda:CreateEventSourceMapping"],
    &["iam:PassRole", "lambda:CreateFunction", "lambda:AddPermission"],
    &["iam:PassRole", "cloudformation:CreateStack"],
    &["iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"],
    &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"],
    &["iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:CreateService"],
    &["iam:PassRole", "glue:CreateDevEndpoint"],
    &["iam:PassRole", "glue:CreateJob", "glue:StartJobRun"],
    &["iam:PassRole", "datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"],
    &["iam:PassRole", "sagemaker:CreateNotebookInstance", "sagemaker:CreatePresignedNotebookInstanceUrl"],
    &["iam:PassRole", "sagemaker:CreateTrainingJob"],
    &["iam:PassRole", "ssm:StartAutomationExecution"],
    &["lambda:UpdateFunctionCode"],
    &["glue:UpdateDevEndpoint"],
    &["codestar:CreateProject", "iam:PassRole"],
    &["sso:CreateAccountAssignment"],
    &["sso:AttachManagedPolicyToPermissionSet"],
];

/// Statements that allow everything on everything.
pub(super) fn administrator(statements: &[Statement]) -> Vec<String> {
    let admin = |s: &&Statement| s.allow && s.actions.iter().any(|a| only_stars(a)) && s.on_everything();
    statements.iter().filter(admin).map(Statement::describe).collect()
}

/// Whole services allowed on everything: `ec2:*` on `*`.
pub(super) fn whole_services(statements: &[Statement]) -> Vec<String> {
    let wide = statements.iter().filter(|s| s.allow && s.on_everything());
    let whole = |a: &&String| only_stars(a) || a.split_once(':').is_some_and(|(_, call)| only_stars(call));
    wide.flat_map(|s| s.actions.iter().filter(whole)).map(|a| printable(a, 80)).collect()
}

/// Ways to raise one's own rights.
pub(super) fn escalations(statements: &[Statement]) -> Vec<String> {
    let open = |set: &&&[&str]| set.iter().all(|a| granted(statements, a, true));
    ESCALATIONS.iter().filter(open).map(|set| set.join(" + ")).collect()
}

/// Which of the actions are allowed.
pub(super) fn allowed(statements: &[Statement], actions: &[String], on_all: bool) -> Vec<String> {
    actions.iter().filter(|a| granted(statements, a, on_all)).cloned().collect()
}

/// Whether an Allow gives the action and no plain Deny takes it.
fn granted(statements: &[Statement], action: &str, on_all: bool) -> bool {
    let denied = |s: &Statement| !s.allow && s.conditions.is_empty() && s.on_everything() && s.covers(action);
    let given = |s: &Statement| s.allow && s.covers(action) && (!on_all || s.everywhere());
    statements.iter().any(given) && !statements.iter().any(denied)
}
