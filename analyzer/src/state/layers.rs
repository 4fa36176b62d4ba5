//! Keys and values in layers: the store below, the batch under way above it, the record in hand on top. A record that
//! turns out to be poison is taken back whole; a batch becomes durable whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The store below could not be read, or holds what no version of this program wrote.
#[derive(Debug, thiserror::Error)]
#[error("state: {0}")]
pub struct StateError(pub String);

/// Writes not yet in the store: a value, or `None` for a removal.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The durable layer: one partition's keys and values.
pub trait Base: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// All keys that begin so, in order.
    fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StateError>;
}

/// A layer that lasts as long as the process: for tests and for `scan`-like one-shot runs.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl Base for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StateError> {
        let from = self.0.range(prefix.to_vec()..);
        Ok(from.map(|(k, _)| k).take_while(|k| k.starts_with(prefix)).cloned().collect())
    }
}

/// One partition's state.
pub struct State {
    base: Arc<dyn Base>,
    batch: Writes,
    record: Writes,
}

impl State {
    /// A state over a durable layer.
    pub fn new(base: Arc<dyn Base>) -> Self {
        Self { base, batch: Writes::new(), record: Writes::new() }
    }

    /// What is to be made durable, together with the input's offset.
    pub fn writes(&self) -> &Writes {
        &self.batch
    }

    /// The batch is durable: reads find it in the layer below from now on.
    pub fn written(&mut self) {
        self.batch.clear();
    }

    /// The record in hand was taken: its writes belong to the batch.
    pub(crate) fn keep(&mut self) {
        self.batch.append(&mut self.record);
    }

    /// The record in hand was refused: as if it had not been read.
    pub(crate) fn discard(&mut self) {
        self.record.clear();
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.record.get(key).or_else(|| self.batch.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.base.get(key),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.record.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.record.insert(key, None);
    }

    pub(crate) fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StateError> {
        let mut keys: BTreeSet<Vec<u8>> = self.base.keys(prefix)?.into_iter().collect();
        for layer in [&self.batch, &self.record] {
            for (key, value) in layer.range(prefix.to_vec()..).take_while(|(k, _)| k.starts_with(prefix)) {
                match value {
                    Some(_) => keys.insert(key.clone()),
                    None => keys.remove(key),
                };
            }
        }
        Ok(keys.into_iter().collect())
    }

    pub(crate) fn load<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StateError> {
        let Some(bytes) = self.get(key)? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|e| StateError(format!("{}: {e}", String::from_utf8_lossy(key))))
    }

    pub(crate) fn save<T: Serialize>(&mut self, key: Vec<u8>, value: &T) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(value).map_err(|e| StateError(e.to_string()))?;
        self.put(key, bytes);
        Ok(())
    }
}
