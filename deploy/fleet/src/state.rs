//! A Terraform state of version 4, as the provider's major version writes it.

use serde_json::{Value, json};

use crate::plan::Plan;

#[derive(Debug)]
pub(crate) struct State {
    provider: u8,
    lineage: String,
    serial: u64,
    resources: Vec<Value>,
}

/// One resource block of a configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    pub(crate) module: Option<&'a str>,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Address<'a> {
    pub(crate) fn root(kind: &'a str, name: &'a str) -> Self {
        Address { module: None, kind, name }
    }

    pub(crate) fn within(module: &'a str, kind: &'a str, name: &'a str) -> Self {
        Address { module: Some(module), kind, name }
    }
}

impl State {
    pub(crate) fn new(plan: &Plan, seed: u64) -> Self {
        let account: u64 = plan.account.parse().unwrap_or_default();
        // the form of a UUID, made of seed and account
        let bits =
            (u128::from(seed) << 64 | u128::from(account)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let hex = format!("{bits:032x}");
        let lineage = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        State { provider: plan.provider, lineage, serial: 1, resources: Vec::new() }
    }

    /// A resource with one instance.
    pub(crate) fn add(&mut self, address: Address<'_>, attributes: Value) {
        self.add_instances(address, None, vec![(Value::Null, attributes)]);
    }

    /// A resource with `count`.
    pub(crate) fn add_counted(&mut self, address: Address<'_>, attributes: Vec<Value>) {
        let numbered = attributes.into_iter().enumerate().map(|(index, attributes)| (json!(index), attributes));
        self.add_instances(address, Some("list"), numbered.collect());
    }

    /// A resource with `for_each`.
    pub(crate) fn add_keyed(&mut self, address: Address<'_>, attributes: Vec<(String, Value)>) {
        let keyed = attributes.into_iter().map(|(key, attributes)| (json!(key), attributes));
        self.add_instances(address, Some("map"), keyed.collect());
    }

    fn add_instances(&mut self, address: Address<'_>, each: Option<&str>, instances: Vec<(Value, Value)>) {
        self.serial += 1;
        let schema = schema_version(address.kind, self.provider);
        let instance = |(key, attributes): (Value, Value)| {
            let mut instance =
                json!({ "schema_version": schema, "attributes": attributes, "sensitive_attributes": [] });
            if !key.is_null() {
                instance["index_key"] = key;
            }
            instance
        };
        let mut resource = json!({
            "mode": "managed",
            "type": address.kind,
            "name": address.name,
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": instances.into_iter().map(instance).collect::<Vec<_>>(),
        });
        if let Some(module) = address.module {
            resource["module"] = json!(module);
        }
        if let Some(each) = each {
            resource["each"] = json!(each);
        }
        self.resources.push(resource);
    }

    pub(crate) fn finish(self) -> Value {
        let terraform = match self.provider {
            4 => "1.3.9",
            5 => "1.9.8",
            _ => "1.13.4",
        };
        json!({
            "version": 4,
            "terraform_version": terraform,
            "serial": self.serial,
            "lineage": self.lineage,
            "outputs": {},
            "resources": self.resources,
            "check_results": null,
        })
    }
}

/// The schema version that the provider notes with a resource.
fn schema_version(kind: &str, provider: u8) -> u8 {
    match kind {
        "aws_instance" if provider >= 6 => 2,
        "aws_db_instance" if provider >= 5 => 2,
        "aws_security_group_rule" => 2,
        "aws_db_instance" | "aws_instance" | "aws_security_group" | "aws_subnet" | "aws_vpc" => 1,
        "aws_s3_bucket_lifecycle_configuration" if provider >= 6 => 1,
        _ => 0,
    }
}
