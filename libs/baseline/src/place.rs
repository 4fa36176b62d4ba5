//! Which account and region an instance belongs to: from what it says itself, else from what all else under the same
//! provider configuration says. A guess is never made: where evidence disagrees, the place is unknown.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::Parent;
use serde_json::{Map, Value};

use crate::arn;
use crate::terraform::Hint;

/// What is known of where a resource is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// AWS account id.
    pub(crate) account: Option<String>,
    /// Region name.
    pub(crate) region: Option<String>,
}

impl Place {
    /// What the catalogue's rules tell of a resource: its id may be an ARN.
    pub(crate) fn of(parent: &Parent) -> Self {
        let region = parent.region.as_deref().filter(|r| arn::is_region(r));
        Self::default().or(parent.account.as_deref().filter(|a| arn::is_account(a)), region)
    }

    /// Fills what is not known yet.
    pub(crate) fn or(self, account: Option<&str>, region: Option<&str>) -> Self {
        Self {
            account: self.account.or_else(|| account.map(str::to_owned)),
            region: self.region.or_else(|| region.map(str::to_owned)),
        }
    }
}

/// Places that an instance's own attributes prove (`firm`: identity, ARN, owner) or suggest (`region` and zone: for a
/// bucket, its own region need not be its provider's).
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) firm: Place,
    loose_region: Option<String>,
}

impl Evidence {
    /// What an instance says of itself.
    pub(crate) fn of(attributes: &Map<String, Value>, identity: Option<&Map<String, Value>>) -> Self {
        let text = |name: &str| attributes.get(name).and_then(Value::as_str);
        let stated = |name: &str| identity.and_then(|i| i.get(name)).and_then(Value::as_str);
        let own = text("arn").or_else(|| stated("arn"));
        let account = [stated("account_id"), own.and_then(arn::account), text("owner_id")];
        let region = [stated("region"), own.and_then(arn::region)];
        let loose = [text("region"), text("availability_zone").and_then(arn::region_of_zone)];
        Self {
            firm: Place {
                account: account.into_iter().flatten().find(|a| arn::is_account(a)).map(str::to_owned),
                region: region.into_iter().flatten().find(|r| arn::is_region(r)).map(str::to_owned),
            },
            loose_region: loose.into_iter().flatten().find(|r| arn::is_region(r)).map(str::to_owned),
        }
    }

    /// What is known of the instance by itself.
    pub(crate) fn own(&self) -> Place {
        self.firm.clone().or(None, self.loose_region.as_deref())
    }
}

/// What each provider configuration's instances say, taken together.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    stated: Place,
    accounts: BTreeSet<String>,
    regions: BTreeSet<String>,
    loose_regions: BTreeSet<String>,
}

impl Providers {
    /// Takes what the source says of its provider configurations outright.
    pub(crate) fn new(hints: &[Hint]) -> Self {
        let mut providers = Self::default();
        for hint in hints {
            let seen = providers.seen.entry(hint.provider.clone()).or_default();
            let account = hint.account.as_deref().filter(|a| arn::is_account(a));
            let region = hint.region.as_deref().filter(|r| arn::is_region(r));
            seen.stated = std::mem::take(&mut seen.stated).or(account, region);
        }
        providers
    }

    /// Takes what one instance says.
    pub(crate) fn add(&mut self, provider: &str, evidence: &Evidence) {
        let seen = match self.seen.get_mut(provider) {
            Some(seen) => seen,
            None => self.seen.entry(provider.to_owned()).or_default(),
        };
        seen.accounts.extend(evidence.firm.account.clone());
        seen.regions.extend(evidence.firm.region.clone());
        seen.loose_regions.extend(evidence.loose_region.clone());
    }

    /// Where a provider configuration works, as far as all that is known agrees.
    pub(crate) fn place(&self, provider: &str) -> Place {
        let mut place = Place::default();
        let mut outer = Some(provider.to_owned());
        while let Some(key) = outer {
            if let Some(seen) = self.seen.get(&key) {
                place = place.or(seen.stated.account.as_deref(), seen.stated.region.as_deref());
            }
            outer = enclosing(&key);
        }
        let Some(seen) = self.seen.get(provider) else { return place };
        let regions = if seen.regions.is_empty() { &seen.loose_regions } else { &seen.regions };
        place.or(only(&seen.accounts), only(regions))
    }
}

/// The configuration that a module's own inherits from where it sets nothing: of `module.a.module.b:aws` that is
/// `module.a:aws`, of that `aws`.
fn enclosing(key: &str) -> Option<String> {
    let (path, name) = key.split_once(':')?;
    Some(match path.rsplit_once(".module.") {
        Some((outer, _)) => format!("{outer}:{name}"),
        None => name.to_owned(),
    })
}

/// The element of a set of one.
pub(crate) fn only(set: &BTreeSet<String>) -> Option<&str> {
    match set.len() {
        1 => set.first().map(String::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evidence(attributes: &Value, identity: &Value) -> Evidence {
        Evidence::of(attributes.as_object().unwrap(), identity.as_object())
    }

    #[test]
    fn an_instance_tells_its_place_in_several_ways() {
        let none = Value::Null;
        for (attributes, identity, account, region) in [
            (
                json!({"arn": "arn:aws:ec2:eu-west-1:123456789012:vpc/v"}),
                &none,
                Some("123456789012"),
                Some("eu-west-1"),
            ),
            (json!({"arn": "arn:aws:s3:::b", "region": "eu-west-1"}), &none, None, Some("eu-west-1")),
            (json!({"owner_id": "123456789012"}), &none, Some("123456789012"), None),
            (json!({"owner_id": "amazon"}), &none, None, None),
            (json!({"availability_zone": "us-east-1b"}), &none, None, Some("us-east-1")),
            (
                json!({"arn": "arn:aws:s3:::b"}),
                &json!({"account_id": "123456789012", "region": "us-east-2"}),
                Some("123456789012"),
                Some("us-east-2"),
            ),
            (json!({"arn": 7, "region": "somewhere"}), &none, None, None),
        ] {
            let place = evidence(&attributes, identity).own();
            assert_eq!((place.account.as_deref(), place.region.as_deref()), (account, region), "{attributes}");
        }
    }

    #[test]
    fn a_provider_configuration_is_where_all_its_instances_are() {
        let mut providers = Providers::default();
        let at = |region: &str| json!({"arn": format!("arn:aws:ec2:{region}:123456789012:vpc/v")});
        providers.add("p", &evidence(&at("eu-west-1"), &Value::Null));
        providers.add("p", &evidence(&json!({"region": "eu-west-3"}), &Value::Null));
        assert_eq!(providers.place("p").region.as_deref(), Some("eu-west-1"));
        providers.add("p", &evidence(&at("eu-west-2"), &Value::Null));
        assert_eq!(providers.place("p").region, None, "two regions prove neither");
        assert_eq!(providers.place("p").account.as_deref(), Some("123456789012"));
        assert_eq!(providers.place("q"), Place::default());
        let hint = |provider: &str, account: Option<&str>, region: Option<&str>| Hint {
            provider: provider.to_owned(),
            account: account.map(str::to_owned),
            region: region.map(str::to_owned),
        };
        let stated = Providers::new(&[
            hint("aws", Some("123456789012"), Some("eu-west-1")),
            hint("module.a:aws", None, Some("eu-west-2")),
        ]);
        let inner = stated.place("module.a.module.b:aws");
        assert_eq!((inner.account.as_deref(), inner.region.as_deref()), (Some("123456789012"), Some("eu-west-2")));
    }
}
