//! Provider configurations as states and plans name them.

/// The provider configuration of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Short name: `aws`.
    pub(crate) name: String,
    /// What tells it from other configurations of the same provider within the source.
    pub(crate) key: String,
}

impl Provider {
    /// From a state's `provider["HOST/NAMESPACE/aws"].alias`, `provider.aws.alias` or `module.m.provider.aws`; without any,
    /// the type's prefix names the provider.
    pub(super) fn of_state(text: Option<&str>, kind: &str) -> Self {
        let Some(text) = text else { return Self::of_type(kind) };
        let rest = match text.strip_prefix("provider") {
            Some(rest) => Some(rest),
            None => text.rsplit_once(".provider").map(|(_, rest)| rest),
        };
        let name = match rest.map(|r| r.split_at_checked(1).unwrap_or((r, ""))) {
            Some((".", rest)) => rest.split('.').next(),
            Some(("[", rest)) => rest.trim_start_matches('"').split('"').next().and_then(|p| p.rsplit('/').next()),
            _ => None,
        };
        match name.filter(|n| !n.is_empty()) {
            Some(name) => Self { name: name.to_owned(), key: text.to_owned() },
            None => Self { key: text.to_owned(), ..Self::of_type(kind) },
        }
    }

    /// From the `provider_name` of `terraform show -json`.
    pub(super) fn of_show(name: Option<&str>, kind: &str) -> Self {
        let Some(name) = name.filter(|n| !n.is_empty()) else { return Self::of_type(kind) };
        Self { name: name.rsplit('/').next().unwrap_or(name).to_owned(), key: name.to_owned() }
    }

    fn of_type(kind: &str) -> Self {
        let name = kind.split('_').next().unwrap_or(kind).to_owned();
        Self { key: name.clone(), name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_its_provider() {
        for (text, name) in [
            (Some("provider.aws"), "aws"),
            (Some("provider.aws.west"), "aws"),
            (Some("module.a.module.b.provider.google"), "google"),
            (Some("provider[\"example.test/hashicorp/aws\"]"), "aws"),
            (Some("module.a.provider[\"example.test/hashicorp/aws\"].west"), "aws"),
            (Some("provider["), "aws"),
            (Some("provider"), "aws"),
            (Some("é"), "aws"),
            (None, "aws"),
        ] {
            assert_eq!(Provider::of_state(text, "aws_vpc").name, name, "{text:?}");
        }
        assert_eq!(Provider::of_show(Some("example.test/hashicorp/google"), "x").name, "google");
    }
}
