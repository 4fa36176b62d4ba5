//! Secrets leave a process only as keyed hashes: `hmac:<key id>:<hex>` over type, id, path and the value's normal form.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::ResourceKey;
use crate::catalogue::{Attribute, Kind, Secret};
use crate::expr::scalar_text;

const PREFIX: &str = "hmac:";

/// The organization's key, given by reference to agent and import alike.
#[derive(Clone)]
pub struct SecretKey {
    id: String,
    bytes: Vec<u8>,
}

/// What a secret belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Terraform's name of the type.
    pub kind: &'a str,
    /// The resource's id.
    pub id: &'a str,
    /// Canonical path, a map's key included.
    pub path: &'a str,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// A key and its id. The id may not hold a colon.
    pub fn new(id: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into().replace(':', "_"), bytes: bytes.into() }
    }

    /// The key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The hash of a value in clear. What is hashed already stays as it is; null stays null.
    pub fn hash(&self, place: Place<'_>, form: Secret, value: &Value) -> Value {
        if value.is_null() || hashed(value).is_some() {
            return value.clone();
        }
        // HMAC takes keys of any length
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.bytes) else { return Value::Null };
        for part in [place.kind.as_bytes(), place.id.as_bytes(), place.path.as_bytes(), &normal_form(form, value)] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        format!("{PREFIX}{}:{}", self.id, hex(&mac.finalize().into_bytes())).into()
    }
}

/// The id of the key that a value is hashed with; `None` for a value in clear.
pub fn hashed(value: &Value) -> Option<&str> {
    let (id, hex) = value.as_str()?.strip_prefix(PREFIX)?.split_once(':')?;
    (hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

/// A canonical value with its secrets as keyed hashes: the whole, each value of a map, or fields of blocks.
pub(crate) fn sealed(attribute: &Attribute, value: Value, key: &ResourceKey, secrets: &SecretKey) -> Value {
    seal_at(attribute, &attribute.path, value, key, secrets)
}

fn seal_at(attribute: &Attribute, path: &str, value: Value, key: &ResourceKey, secrets: &SecretKey) -> Value {
    let hash = |path: &str, form, v: &Value| secrets.hash(Place { kind: &key.kind, id: &key.id, path }, form, v);
    match (attribute.secret, value) {
        (Some(form), Value::Object(members)) => {
            members.into_iter().map(|(k, v)| (k.clone(), hash(&format!("{path}.{k}"), form, &v))).collect()
        }
        (Some(form), other) => hash(path, form, &other),
        (None, Value::Array(mut blocks)) if holds_secrets(attribute) => {
            for block in &mut blocks {
                for (name, field) in attribute.fields.iter().filter(|(_, f)| f.secret.is_some() || holds_secrets(f)) {
                    let pointer = format!("/{}", name.replace('.', "/"));
                    if let Some(place) = block.pointer_mut(&pointer) {
                        *place = seal_at(field, &format!("{path}.{name}"), place.take(), key, secrets);
                    }
                }
            }
            if attribute.kind == Kind::Blocks {
                // sorted by what the other side has, too: the hashes
                crate::normal::sort(&mut blocks);
            }
            Value::Array(blocks)
        }
        (None, other) => other,
    }
}

fn holds_secrets(attribute: &Attribute) -> bool {
    attribute.fields.values().any(|f| f.secret.is_some() || holds_secrets(f))
}

/// The bytes that stand for a secret. User data is the SHA-1 of its bytes, base64 decoded where it is that; 40 hex digits
/// are this hash already (older providers kept only it).
fn normal_form(form: Secret, value: &Value) -> Vec<u8> {
    let text = match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        scalar => scalar_text(scalar),
    };
    match form {
        Secret::Text => text.into_bytes(),
        Secret::Sha1OfBytes if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            text.to_ascii_lowercase().into_bytes()
        }
        Secret::Sha1OfBytes => {
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap_or_else(|_| text.into_bytes());
            hex(&Sha1::digest(bytes)).into_bytes()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        for digit in [b >> 4, b & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        out
    })
}
