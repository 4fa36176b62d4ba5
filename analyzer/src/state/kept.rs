//! The winning record of a key, as it was read: its body is judged, and published again where a lower record came later.

use driftline_bus::Record;
use driftline_model::record::{H_EPOCH, H_NUMBER, H_TIME};
use serde::{Deserialize, Serialize};

use super::{Order, State, StateError, names};

/// Headers that are kept, so that a hostile record's thousand headers are not.
const HEADERS: usize = 16;

/// The winning record of a key. `value` is `None` for a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) head: Head,
    pub(crate) value: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) order: Option<Order>,
    headers: Vec<(String, String)>,
    gone: bool,
}

impl Kept {
    pub(crate) fn of(record: &Record, order: Option<Order>) -> Self {
        let text = |(n, v): &(String, Vec<u8>)| String::from_utf8(v.clone()).ok().map(|v| (n.clone(), v));
        let headers = record.headers.iter().filter_map(text).take(HEADERS).collect();
        Self { head: Head { order, headers, gone: record.value.is_none() }, value: record.value.clone() }
    }

    /// A tombstone that the analyzer itself has proof for.
    pub(crate) fn tombstone(order: Order, at_ms: i64) -> Self {
        let headers =
            [(H_EPOCH, order.epoch.to_string()), (H_NUMBER, order.number.to_string()), (H_TIME, at_ms.to_string())];
        let headers = headers.map(|(n, v)| (n.to_owned(), v)).to_vec();
        Self { head: Head { order: Some(order), headers, gone: true }, value: None }
    }

    pub(crate) fn headers(&self) -> Vec<(String, Vec<u8>)> {
        self.head.headers.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect()
    }

    pub(crate) fn load(state: &State, key: &str) -> Result<Option<Self>, StateError> {
        let Some(bytes) = state.get(&names::kept(key))? else { return Ok(None) };
        let broken = || StateError(format!("kept record of {key} is broken"));
        let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(broken)?;
        let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|_| broken())?;
        let value = (!head.gone).then(|| bytes[end + 1..].to_vec());
        Ok(Some(Self { head, value }))
    }

    pub(crate) fn save(&self, state: &mut State, key: &str) -> Result<(), StateError> {
        let mut bytes = serde_json::to_vec(&self.head).map_err(|e| StateError(e.to_string()))?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.value.as_deref().unwrap_or_default());
        state.put(names::kept(key), bytes);
        Ok(())
    }
}
