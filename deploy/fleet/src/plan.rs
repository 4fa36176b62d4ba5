//! What each account is: its purpose, region and the provider that wrote its state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// One account's plan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) account: &'static str,
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
    pub(crate) second_region: Option<&'static str>,
    /// Major version of the AWS provider.
    pub(crate) provider: u8,
    pub(crate) network: u8,
    pub(crate) instances: usize,
}

pub(crate) const PLANS: &[Plan] = &[
    Plan {
        account: "111122223333",
        name: "production",
        region: "eu-central-1",
        second_region: None,
        provider: 5,
        network: 10,
        instances: 3,
    },
    Plan {
        account: "444455556666",
        name: "staging",
        region: "us-east-1",
        second_region: None,
        provider: 4,
        network: 20,
        instances: 2,
    },
    Plan {
        account: "777788889999",
        name: "platform",
        region: "eu-west-1",
        second_region: Some("us-west-2"),
        provider: 6,
        network: 30,
        instances: 2,
    },
];

/// Tags by name, as a state has them.
pub(crate) type Tags = BTreeMap<String, String>;

impl Plan {
    /// What the provider's `default_tags` add to every resource.
    fn default_tags(&self) -> Tags {
        tags(&[("ManagedBy", "terraform"), ("Environment", self.name)])
    }

    /// What the cloud shows of a resource that declares `own`.
    pub(crate) fn all_tags(&self, own: &Tags) -> Tags {
        let mut all = self.default_tags();
        all.extend(own.clone());
        all
    }

    /// Puts `tags`, `tags_all` and what the provider's version adds to a regional resource into its attributes.
    pub(crate) fn finish(&self, mut attributes: Value, own: &Tags, region: Option<&str>) -> Value {
        if self.provider >= 6
            && let Some(region) = region
        {
            attributes["region"] = json!(region);
        }
        attributes["tags"] = if own.is_empty() { Value::Null } else { json!(own) };
        attributes["tags_all"] = json!(self.all_tags(own));
        attributes
    }
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
