//! The named transforms that expressions may end in. A closed set: a catalogue file can't compute anything else.

mod acl;

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::expr::{Sight, Template, scalar_text};

/// One transform; `parse` shows how each is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Transform {
    /// `tags`: a list of `Key`/`Value` pairs, in any of AWS's spellings, as a map.
    Tags,
    /// `pairs(Name,Value)`: a list of objects as a map from one member to another.
    Pairs(String, String),
    /// `json`: text as the JSON that it holds.
    Json,
    /// `url_decode`: percent-decoding.
    UrlDecode,
    /// `base64_decode`: as text; null if it is not UTF-8.
    Base64Decode,
    /// `lower`.
    Lower,
    /// `upper`.
    Upper,
    /// `count`: length of a list or map; null counts 0.
    Count,
    /// `exists`: whether it is there and not empty.
    Exists,
    /// `present`: whether it is there, be it empty.
    Present,
    /// `not`: the opposite of a boolean.
    Not,
    /// `number`: text as a number.
    Number,
    /// `is(x)`: whether its text is x, which may be a variable (`is({account})`); null stays null.
    Is(Template),
    /// `first`: the first element.
    First,
    /// `keys`: the names of a map's members.
    Keys,
    /// `split(,)`.
    Split(String),
    /// `after(/)`: what follows the last separator, all of it where there is none.
    After(String),
    /// `before(:)`: what stands before the first separator, all of it where there is none.
    Before(String),
    /// `only(field,x)`: of a list the elements whose field has the text x.
    Only(String, String),
    /// `default(x)`: x in place of null.
    Default(Value),
    /// `bucket_region`: S3's location constraint as a region.
    BucketRegion,
    /// `grants`: the grants of an S3 ACL in Terraform's shape.
    Grants,
    /// `canned_acl`: the canned ACL that an S3 ACL equals.
    CannedAcl,
}

impl Transform {
    /// Reads `name` or `name(arguments)`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, argument) = match text.split_once('(') {
            Some((n, rest)) => (n, Some(rest.strip_suffix(')').ok_or_else(|| format!("`{text}`: `)` is missing"))?)),
            None => (text, None),
        };
        let need = || argument.map(str::to_owned).ok_or_else(|| format!("`{name}` needs an argument in parentheses"));
        Ok(match name {
            "pairs" | "only" => {
                let both = need()?;
                let (k, v) = both.split_once(',').ok_or_else(|| format!("`{name}` needs two: {name}(Name,Value)"))?;
                let make = if name == "pairs" { Self::Pairs } else { Self::Only };
                make(k.trim().to_owned(), v.trim().to_owned())
            }
            "is" => Self::Is(Template::parse(&need()?)?),
            "split" => Self::Split(need()?),
            "after" => Self::After(need()?),
            "before" => Self::Before(need()?),
            "default" => {
                let text = need()?;
                Self::Default(serde_json::from_str(&text).unwrap_or(Value::String(text)))
            }
            _ if argument.is_some() => return Err(format!("`{name}` is no transform with an argument")),
            "tags" => Self::Tags,
            "json" => Self::Json,
            "url_decode" => Self::UrlDecode,
            "base64_decode" => Self::Base64Decode,
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "count" => Self::Count,
            "exists" => Self::Exists,
            "present" => Self::Present,
            "not" => Self::Not,
            "number" => Self::Number,
            "first" => Self::First,
            "keys" => Self::Keys,
            "bucket_region" => Self::BucketRegion,
            "grants" => Self::Grants,
            "canned_acl" => Self::CannedAcl,
            _ => return Err(format!("`{name}` is no transform")),
        })
    }

    /// Applies it. A value of another shape than it expects comes out as null, never as a panic.
    pub fn apply(&self, value: Value, sight: &dyn Sight) -> Value {
        match self {
            Self::Tags => tags(&value),
            Self::Pairs(k, v) => pairs(&value, k, v),
            Self::Json => value.as_str().and_then(|s| serde_json::from_str(s).ok()).unwrap_or(Value::Null),
            Self::UrlDecode => {
                text(&value, &|s: &str| percent_encoding::percent_decode_str(s).decode_utf8_lossy().into_owned())
            }
            Self::Base64Decode => {
                let bytes = value.as_str().and_then(|s| base64::engine::general_purpose::STANDARD.decode(s).ok());
                bytes.and_then(|b| String::from_utf8(b).ok()).map_or(Value::Null, Value::String)
            }
            Self::Lower => text(&value, &str::to_lowercase),
            Self::Upper => text(&value, &str::to_uppercase),
            Self::Count => length(&value).into(),
            Self::Exists => match &value {
                Value::Null => false.into(),
                Value::String(s) => (!s.is_empty()).into(),
                Value::Array(_) | Value::Object(_) => (length(&value) > 0).into(),
                _ => true.into(),
            },
            Self::Present => (!value.is_null()).into(),
            Self::Not => value.as_bool().map_or(Value::Null, |b| (!b).into()),
            Self::Number => number(&value),
            Self::Is(wanted) => match wanted.text(sight).filter(|_| !value.is_null()) {
                Some(wanted) => (scalar_text(&value) == wanted).into(),
                None => Value::Null,
            },
            Self::First => value.as_array().and_then(|a| a.first()).cloned().unwrap_or(Value::Null),
            Self::Keys => value.as_object().map_or(Value::Null, |o| o.keys().cloned().collect()),
            Self::Split(by) => value.as_str().map_or(Value::Null, |s| s.split(by.as_str()).collect()),
            Self::After(by) => text(&value, &|s: &str| s.rsplit(by.as_str()).next().unwrap_or(s).to_owned()),
            Self::Before(by) => text(&value, &|s: &str| s.split(by.as_str()).next().unwrap_or(s).to_owned()),
            Self::Only(field, wanted) => match value {
                Value::Array(list) => {
                    let kept = |e: &Value| e.get(field).is_some_and(|v| scalar_text(v) == *wanted);
                    list.into_iter().filter(kept).collect()
                }
                _ => Value::Null,
            },
            Self::Default(other) if value.is_null() => other.clone(),
            Self::Default(_) => value,
            Self::BucketRegion => match value.as_str() {
                None | Some("") => "us-east-1".into(),
                Some("EU") => "eu-west-1".into(),
                Some(region) => region.into(),
            },
            Self::Grants => acl::grants(&value),
            Self::CannedAcl => acl::canned(&value),
        }
    }
}

fn text(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(s) => change(s).into(),
        Value::Array(a) => a.iter().map(|v| text(v, change)).collect(),
        _ => Value::Null,
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(a) => a.len(),
        Value::Object(o) => o.len(),
        Value::Null => 0,
        _ => 1,
    }
}

/// Text as a number where it is one.
pub(crate) fn number(value: &Value) -> Value {
    match value {
        Value::Number(_) => value.clone(),
        Value::String(s) => {
            let s = s.trim();
            let whole = s.parse::<i64>().ok().map(Value::from);
            whole
                .or_else(|| s.parse::<f64>().ok().and_then(|f| serde_json::Number::from_f64(f).map(Value::Number)))
                .unwrap_or(Value::Null)
        }
        _ => Value::Null,
    }
}

fn pairs(value: &Value, key: &str, member: &str) -> Value {
    let Some(list) = value.as_array() else { return Value::Null };
    let entries = list.iter().filter_map(|e| {
        let name = scalar_text(e.get(key)?);
        Some((name, e.get(member).cloned().unwrap_or(Value::Null)))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

fn tags(value: &Value) -> Value {
    let one = [value.clone()];
    let list = match value {
        Value::Array(list) => list.as_slice(),
        Value::Object(o) if ["Key", "key", "TagKey"].iter().any(|k| o.contains_key(*k)) => &one,
        Value::Object(_) => return value.clone(),
        _ => return Value::Null,
    };
    let spelled = |e: &Value, names: [&str; 3]| names.iter().find_map(|n| e.get(n).cloned());
    let entries = list.iter().filter_map(|e| {
        let key = spelled(e, ["Key", "key", "TagKey"])?;
        let value = spelled(e, ["Value", "value", "TagValue"]).filter(|v| !v.is_null());
        Some((scalar_text(&key), value.unwrap_or_else(|| "".into())))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}
