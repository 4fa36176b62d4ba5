//! Terraform's three JSON forms, told apart by what stands in them: the state file (version 4), `terraform show -json`
//! of a state, and of a plan. All three become one [`Reading`]; what its instances mean is left to the import.

mod address;
mod configuration;
mod provider;
mod show;
mod state;

use crate::error::Error;
use crate::json::{Document, Fields, Node};
use crate::marks::Path;

pub(crate) use provider::Provider;

/// What a source says, before the catalogue is asked.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// `terraform` or `plan`, for [`driftline_model::Origin`].
    pub(crate) origin: &'static str,
    /// Lineage of the state; empty where the form has none.
    pub(crate) lineage: String,
    /// Serial within the lineage.
    pub(crate) serial: u64,
    /// Managed resource instances, in the order of the file.
    pub(crate) instances: Vec<Managed<'a>>,
    /// What was passed over and is worth a line: address and reason.
    pub(crate) skipped: Vec<(String, String)>,
    /// What the source says of its provider configurations' accounts and regions.
    pub(crate) hints: Vec<Hint>,
}

/// One managed resource instance.
#[derive(Debug)]
pub(crate) struct Managed<'a> {
    /// Terraform's type.
    pub(crate) kind: String,
    /// Whole address, with modules and index.
    pub(crate) address: String,
    /// Where it stands.
    pub(crate) node: Node<'a>,
    /// The provider configuration that manages it.
    pub(crate) provider: Provider,
    /// Its attributes; `None` where the state has them in the flat form of Terraform 0.11 only.
    pub(crate) attributes: Option<Node<'a>>,
    /// Terraform 1.12's resource identity.
    pub(crate) identity: Option<Node<'a>>,
    /// Attributes that the source marks as sensitive.
    pub(crate) sensitive: Vec<Path>,
    /// Attributes whose values a plan knows only after apply.
    pub(crate) unknown: Vec<Path>,
}

/// A provider configuration's account or region, from where the source says it outright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// [`Provider::key`].
    pub(crate) provider: String,
    /// AWS account id.
    pub(crate) account: Option<String>,
    /// Region name.
    pub(crate) region: Option<String>,
}

/// Tells the form and reads it.
pub(crate) fn read<'a>(document: &'a Document<'a>) -> Result<Reading<'a>, Error> {
    let root = document.root();
    if !root.is_object() {
        return Err(Error::NotABaseline("JSON, but not an object".to_owned()));
    }
    let fields = root.fields("a source")?;
    if fields.has("encrypted_data") {
        return Err(Error::Unsupported("an encrypted OpenTofu state: give the output of `tofu show -json`".to_owned()));
    }
    if fields.has("version") && !fields.has("format_version") {
        return state::read(&fields);
    }
    if show::is_plan(&fields) {
        return show::read_plan(&fields);
    }
    if show::is_state(&fields) {
        return show::read_state(&fields);
    }
    Err(Error::NotABaseline(format!(
        "JSON, but neither a Terraform state nor the output of `terraform show -json`{}",
        guess(&fields)
    )))
}

/// Names what it probably is instead.
fn guess(fields: &Fields<'_>) -> &'static str {
    if fields.has("AWSTemplateFormatVersion") {
        " (a CloudFormation template)"
    } else if fields.has("deployment") {
        " (a Pulumi export)"
    } else if fields.has("resource_changes") {
        " (a plan without `planned_values`)"
    } else {
        ""
    }
}

/// Whether a data source tells about the caller: its account or region holds for the provider configuration.
fn hint(kind: &str, provider: &Provider, values: Option<Node<'_>>) -> Option<Hint> {
    let names: (&[&str], &[&str]) = match kind {
        "aws_caller_identity" => (&["account_id"], &[]),
        "aws_region" => (&[], &["region", "name"]),
        _ => return None,
    };
    let fields = values?.fields("attributes").ok()?;
    let first = |names: &[&str]| names.iter().find_map(|n| fields.read::<String>(n).ok().flatten());
    Some(Hint { provider: provider.key.clone(), account: first(names.0), region: first(names.1) })
}
