//! Reading a record's key and headers. Whatever is not as agreed is a reason, never a panic: records come from afar.

use driftline_bus::Record;
use driftline_model::record::{H_EPOCH, H_NUMBER, H_TIME, H_VERSION, InputKey};
use serde::de::DeserializeOwned;

use super::Refusal;
use crate::state::{Kept, Order, State, StateError};

/// The newest form of bodies that is known here.
const VERSION: u32 = 1;
/// Header of what an analyzer published again: it was accepted before, whatever fence has risen since.
pub(crate) const H_WINNER: &str = "winner";

/// A record whose key and headers are understood.
pub(crate) struct Input<'a> {
    pub(crate) record: &'a Record,
    pub(crate) key: InputKey,
    /// The key as it was read.
    pub(crate) name: &'a str,
    pub(crate) order: Option<Order>,
    pub(crate) at_ms: i64,
}

impl<'a> Input<'a> {
    pub(crate) fn read(record: &'a Record) -> Result<Self, String> {
        let name = std::str::from_utf8(&record.key).map_err(|_| "key is not UTF-8".to_owned())?;
        let key = InputKey::decode(name).ok_or_else(|| "key is of no known form".to_owned())?;
        let version: u32 = header(record, H_VERSION)?.unwrap_or(VERSION);
        if version != VERSION {
            return Err(format!("version {version} of the body is not known here (this is version {VERSION})"));
        }
        let order = match (header(record, H_EPOCH)?, header(record, H_NUMBER)?) {
            (Some(epoch), Some(number)) => Some(Order { epoch, number }),
            (None, None) => None,
            _ => return Err("one of the headers `epoch` and `number` without the other".to_owned()),
        };
        let at_ms = header(record, H_TIME)?.unwrap_or(record.timestamp_ms);
        Ok(Self { record, key, name, order, at_ms })
    }

    /// Whether an analyzer published it, having accepted it before.
    pub(crate) fn winner(&self) -> bool {
        self.record.header(H_WINNER).is_some()
    }

    /// Observations have an order; a record without one is no observation.
    pub(crate) fn ordered(&self) -> Result<Order, Refusal> {
        self.order.ok_or_else(|| Refusal::Poison("headers `epoch` and `number` are missing".to_owned()))
    }

    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let bytes = self.record.value.as_deref().unwrap_or_default();
        serde_json::from_slice(bytes).map_err(|e| Refusal::Poison(format!("body: {e}")))
    }

    /// Hash of the body.
    pub(crate) fn hash(&self) -> String {
        let hash = blake3::hash(self.record.value.as_deref().unwrap_or_default());
        hash.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
    }

    /// Makes it the key's winner.
    pub(crate) fn keep(&self, state: &mut State) -> Result<(), StateError> {
        Kept::of(self.record, self.order).save(state, self.name)
    }
}

fn header<T: std::str::FromStr>(record: &Record, name: &str) -> Result<Option<T>, String> {
    let Some(bytes) = record.header(name) else { return Ok(None) };
    let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| format!("header `{name}` is no number"))
}
