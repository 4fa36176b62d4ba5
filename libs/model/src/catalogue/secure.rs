//! What is secure, as data. `libs/assess` evaluates it.

use serde_json::Value;

use crate::Severity;
use crate::expr::Condition;

/// One rule on an attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Secure {
    /// Id that controls are joined by: `s3_bucket.01`.
    pub rule: String,
    /// How bad the insecure value is.
    pub severity: Severity,
    /// Which values are secure.
    pub test: SecureTest,
    /// Conditions on the snapshot without which the rule says nothing.
    pub when: Vec<Condition>,
    /// The path that it looks at; by default the attribute's own (a field of a block: `ingress.cidr_blocks`).
    pub path: String,
    /// What is required, in a few words.
    pub title: String,
}

/// Kinds of test. A kind that needs no parameter is written `kind = true`.
#[derive(Debug, Clone, PartialEq)]
pub enum SecureTest {
    /// This value.
    Equals(Value),
    /// Anything but this value.
    NotEquals(Value),
    /// One of these.
    OneOf(Vec<Value>),
    /// None of these.
    NotOneOf(Vec<Value>),
    /// A number, or as many elements, at least.
    AtLeast(f64),
    /// A number, or as many elements, at most.
    AtMost(f64),
    /// Something is there.
    NonEmpty,
    /// Nothing is there.
    Empty,
    /// All of these are among the values.
    Contains(Vec<Value>),
    /// None of these is.
    NotContains(Vec<Value>),
    /// Every value fits this regular expression.
    Matches(String),
    /// No value does.
    NotMatches(String),
    /// None of these ports is open to the internet.
    NoPublicIngress(Ports),
    /// None of these ports is open towards the internet.
    NoPublicEgress(Ports),
    /// No range wider than this prefix length, private ranges aside.
    NoWideCidr(u8),
    /// TLS of at least this version.
    TlsAtLeast(String),
    /// These tags are there and not empty.
    RequiredTags(Vec<String>),
    /// The policy doesn't allow strangers in.
    PolicyNotPublic,
    /// The policy denies plain HTTP.
    PolicyRequiresTls,
    /// The policy keeps to the organization's accounts.
    PolicyWithinOrganization,
    /// No statement allows everything on everything.
    NoWildcardAdmin,
    /// No statement allows a whole service.
    NoServiceWildcards,
    /// Nothing allowed lets its holder raise its own rights.
    NoPrivilegeEscalation,
    /// None of these actions is allowed (`on_all`: on every resource).
    NoActions {
        /// IAM actions, with wildcards.
        actions: Vec<String>,
        /// Only where the resource is `*`.
        on_all: bool,
    },
    /// A service in the trust policy is bound to a source account or ARN.
    TrustNamesSourceAccount,
    /// Foreign accounts in the trust policy must show an external id.
    ExternalIdForForeignAccount,
    /// Nothing looks like a secret.
    NoSecrets,
}

/// Ports of a network rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Any of these ranges.
    Any(Vec<(u16, u16)>),
    /// Anything but these ranges.
    AllBut(Vec<(u16, u16)>),
    /// Every port at once.
    Whole,
}

/// Kinds without a parameter, by name.
const PLAIN: &[(&str, SecureTest)] = &[
    ("non_empty", SecureTest::NonEmpty),
    ("empty", SecureTest::Empty),
    ("policy_not_public", SecureTest::PolicyNotPublic),
    ("policy_requires_tls", SecureTest::PolicyRequiresTls),
    ("policy_within_organization", SecureTest::PolicyWithinOrganization),
    ("no_wildcard_admin", SecureTest::NoWildcardAdmin),
    ("no_service_wildcards", SecureTest::NoServiceWildcards),
    ("no_privilege_escalation", SecureTest::NoPrivilegeEscalation),
    ("trust_names_source_account", SecureTest::TrustNamesSourceAccount),
    ("external_id_for_foreign_account", SecureTest::ExternalIdForForeignAccount),
    ("no_secrets", SecureTest::NoSecrets),
];

impl SecureTest {
    /// Names of all kinds.
    pub const NAMES: [&str; 28] = [
        "equals",
        "not_equals",
        "one_of",
        "not_one_of",
        "at_least",
        "at_most",
        "contains",
        "not_contains",
        "matches",
        "not_matches",
        "no_public_ingress",
        "no_public_egress",
        "no_wide_cidr",
        "tls_at_least",
        "required_tags",
        "no_actions",
        "no_actions_on_all",
        "non_empty",
        "empty",
        "policy_not_public",
        "policy_requires_tls",
        "policy_within_organization",
        "no_wildcard_admin",
        "no_service_wildcards",
        "no_privilege_escalation",
        "trust_names_source_account",
        "external_id_for_foreign_account",
        "no_secrets",
    ];

    /// Builds a test from its name and parameter.
    pub fn parse(name: &str, value: &Value) -> Result<Self, String> {
        if let Some((_, test)) = PLAIN.iter().find(|(n, _)| *n == name) {
            return (*value == Value::Bool(true)).then(|| test.clone()).ok_or_else(|| format!("write `{name} = true`"));
        }
        let list = || match value {
            Value::Array(a) => a.clone(),
            one => vec![one.clone()],
        };
        let number = || value.as_f64().ok_or_else(|| format!("`{name}` needs a number"));
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` needs text"));
        let texts = || -> Result<Vec<String>, String> {
            let one =
                |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` needs a list of texts"));
            list().iter().map(one).collect()
        };
        Ok(match name {
            "equals" => Self::Equals(value.clone()),
            "not_equals" => Self::NotEquals(value.clone()),
            "one_of" => Self::OneOf(list()),
            "not_one_of" => Self::NotOneOf(list()),
            "at_least" => Self::AtLeast(number()?),
            "at_most" => Self::AtMost(number()?),
            "contains" => Self::Contains(list()),
            "not_contains" => Self::NotContains(list()),
            "matches" => Self::Matches(text()?),
            "not_matches" => Self::NotMatches(text()?),
            "no_public_ingress" => Self::NoPublicIngress(Ports::parse(&list())?),
            "no_public_egress" => Self::NoPublicEgress(Ports::parse(&list())?),
            "no_wide_cidr" => {
                let bits = value.as_u64().and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 128);
                Self::NoWideCidr(bits.ok_or("`no_wide_cidr` needs a prefix length")?)
            }
            "tls_at_least" => Self::TlsAtLeast(text()?),
            "required_tags" => Self::RequiredTags(texts()?),
            "no_actions" => Self::NoActions { actions: texts()?, on_all: false },
            "no_actions_on_all" => Self::NoActions { actions: texts()?, on_all: true },
            _ => return Err(format!("`{name}` is no kind of `secure`")),
        })
    }
}

impl Ports {
    /// Reads `[22, "137-139"]`, `["all but", 80, 443]` or `"all"`.
    fn parse(list: &[Value]) -> Result<Self, String> {
        if list == [Value::from("all")] {
            return Ok(Self::Whole);
        }
        let (but, list) = match list.split_first() {
            Some((first, rest)) if first.as_str() == Some("all but") => (true, rest),
            _ => (false, list),
        };
        let range = |v: &Value| -> Option<(u16, u16)> {
            if let Some(n) = v.as_u64() {
                let n = u16::try_from(n).ok()?;
                return Some((n, n));
            }
            let (a, b) = v.as_str()?.split_once('-')?;
            let (a, b) = (a.parse().ok()?, b.parse().ok()?);
            (a <= b).then_some((a, b))
        };
        let one = |v| range(v).ok_or_else(|| format!("`{v}` is neither a port nor a range of ports"));
        let ranges = list.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(if but { Self::AllBut(ranges) } else { Self::Any(ranges) })
    }
}
