//! What the catalogue says of one attribute: where it comes from, how it compares, how it is judged.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kind::Source;
use super::secure::Secure;
use crate::Severity;
use crate::expr::{Condition, Expr};

/// How a value is brought into canonical form and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One scalar.
    Scalar(Scalar),
    /// Scalars without order.
    Set(Scalar),
    /// Scalars in order.
    List(Scalar),
    /// Keys to scalars; each key is a drift path of its own (`tags.Owner`).
    Map(Scalar),
    /// Blocks without order, each an object of [`Attribute::fields`].
    Blocks,
    /// Blocks in order.
    BlockList,
    /// An IAM policy document, compared by meaning.
    Policy,
    /// JSON, compared by value.
    Json,
    /// Security group rules: sets of ranges per protocol and source.
    Rules,
}

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Text as it is.
    String,
    /// Text without regard to case.
    Caseless,
    /// Number, also as text.
    Number,
    /// Boolean, also as text.
    Bool,
    /// A version of which fewer parts may be declared than are live: `8.0` is `8.0.35`.
    Version,
    /// KMS key: id, ARN or alias of the same key.
    Kms,
    /// Name or ARN of the same thing (a trailing `:*` aside).
    Ref,
    /// Address range; host bits and spelling don't matter.
    Cidr,
    /// Point in time, ISO 8601.
    Time,
    /// Weekly or daily window of time, `Mon:03:00-Mon:04:00`.
    Window,
    /// IAM policy document inside a block.
    Policy,
    /// JSON inside a block.
    Json,
}

/// What a secret is before it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secret {
    /// Its text.
    Text,
    /// The SHA-1 of its bytes, base64 decoded where it is that (user data; older states hold only this).
    Sha1OfBytes,
}

/// A change that somebody else owns, as long as `when` holds for the live resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Mute {
    /// Conditions on the snapshot; all must hold.
    pub when: Vec<Condition>,
    /// Which change.
    pub change: Change,
    /// Of [`Change::Newer`]: how many leading parts of the version must stay (2 for MySQL: 8.0 and 8.4 are majors).
    pub major: usize,
    /// Who owns it, for the report.
    pub why: String,
}

/// Kinds of change that can be muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Whatever.
    Any,
    /// A number grew.
    Increase,
    /// A later version of the same major, see [`Mute::major`].
    Newer,
}

/// One attribute, or one field of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Canonical path: Terraform's; within a block relative to it.
    pub path: String,
    /// How it compares.
    pub kind: Kind,
    /// Where in the answers; the first that is not null.
    pub from: Vec<Expr>,
    /// Words of the API or a source to canonical values, by their text.
    pub values: BTreeMap<String, Value>,
    /// Places in Terraform's own type whose first non-null value counts (maps are merged); by default `path`.
    pub terraform: Vec<Source>,
    /// What absent means, in canonical form; `None`: as the kind has it (false, 0, empty).
    pub default: Option<Value>,
    /// Values that mean the same as absent.
    pub unset: Vec<Value>,
    /// Fields of a block, by relative path.
    pub fields: BTreeMap<String, Attribute>,
    /// Field that names a block.
    pub key: Option<String>,
    /// Field that may hold a list: such a block is several.
    pub explode: Option<String>,
    /// Path that reports changes of several attributes as one; `None` stands alone.
    pub group: Option<String>,
    /// Keys with these prefixes are nobody's configuration (`aws:`).
    pub ignore_keys: Vec<String>,
    /// A secret, and its normal form.
    pub secret: Option<Secret>,
    /// Why it is observed but never compared (`runtime`).
    pub uncompared: Option<String>,
    /// AWS fills it in: what a state holds was not agreed.
    pub owned_by_aws: bool,
    /// AWS fills it in (optional and computed): inside blocks null in a source says nothing; of a path into a single block
    /// that the block is not there says nothing.
    pub computed: bool,
    /// An empty list or text in a source says nothing either.
    pub empty_unsaid: bool,
    /// AWS always tells it: of an answer without it nothing is known.
    pub absent_unknown: bool,
    /// Only what was declared must be there; more may be.
    pub subset: bool,
    /// Split resources add to the inline form instead of replacing it.
    pub joins: bool,
    /// Only split resources declare it: a resource without any of them has none.
    pub alone_none: bool,
    /// Conditions on the snapshot without which it means nothing.
    pub when: Vec<Condition>,
    /// Not compared where one of these attributes is declared (another form of the same).
    pub yields_to: Vec<String>,
    /// Changes that others own.
    pub muted: Vec<Mute>,
    /// What is secure.
    pub secure: Vec<Secure>,
    /// Severity of a drift that `secure` doesn't decide.
    pub severity: Option<Severity>,
}

impl Attribute {
    /// The named answers that it is read from.
    pub fn answers(&self) -> Vec<&str> {
        let inner = self.fields.values().flat_map(Self::answers);
        self.from.iter().flat_map(Expr::answers).chain(inner).collect()
    }

    /// What absent means: the declared default, else what the kind has (false, 0, empty list, empty map, null).
    pub fn absent(&self) -> Value {
        if let Some(value) = &self.default {
            return value.clone();
        }
        match self.kind {
            Kind::Scalar(Scalar::Bool) => false.into(),
            Kind::Scalar(Scalar::Number) => 0.into(),
            Kind::Set(_) | Kind::List(_) | Kind::Blocks | Kind::BlockList | Kind::Rules => Value::Array(Vec::new()),
            Kind::Map(_) => Value::Object(serde_json::Map::new()),
            Kind::Scalar(_) | Kind::Policy | Kind::Json => Value::Null,
        }
    }
}
