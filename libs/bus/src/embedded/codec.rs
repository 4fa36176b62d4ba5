//! How records and keys lie in the store. Numbers are big-endian, so that keys sort by topic, partition, offset.

use std::sync::Arc;

use crate::{Error, Outgoing, Record};

/// A partition of a topic in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

impl Place {
    pub(super) fn prefix(self) -> [u8; 8] {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&self.topic.to_be_bytes());
        key[4..].copy_from_slice(&self.partition.to_be_bytes());
        key
    }

    pub(super) fn at(self, offset: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.prefix());
        key[8..].copy_from_slice(&offset.to_be_bytes());
        key
    }

    pub(super) fn with(self, key: &[u8]) -> Vec<u8> {
        [&self.prefix(), key].concat()
    }

    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        let (topic, rest) = key.split_first_chunk::<4>()?;
        let partition = rest.first_chunk::<4>()?;
        Some(Self { topic: u32::from_be_bytes(*topic), partition: u32::from_be_bytes(*partition) })
    }
}

/// The last eight bytes: an offset.
pub(super) fn number(bytes: &[u8]) -> Result<u64, Error> {
    bytes.last_chunk::<8>().map(|b| u64::from_be_bytes(*b)).ok_or_else(damaged)
}

pub(super) fn damaged() -> Error {
    Error::Misconfigured("the embedded log is damaged: a record can't be read".to_owned())
}

const HAS_VALUE: u8 = 1;

/// Time, flags, key, headers, and the value last: it needs no length.
pub(super) fn encode(record: &Outgoing, now: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.size());
    out.extend(now.to_be_bytes());
    out.push(if record.value.is_some() { HAS_VALUE } else { 0 });
    put(&mut out, &record.key);
    out.extend(u32::try_from(record.headers.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (name, value) in &record.headers {
        put(&mut out, name.as_bytes());
        put(&mut out, value);
    }
    out.extend(record.value.as_deref().unwrap_or_default());
    out
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

/// When the log took the record.
pub(super) fn time(bytes: &[u8]) -> Result<i64, Error> {
    bytes.first_chunk::<8>().map(|b| i64::from_be_bytes(*b)).ok_or_else(damaged)
}

pub(super) fn decode(topic: &Arc<str>, partition: u32, offset: u64, bytes: &[u8]) -> Result<Record, Error> {
    let whole = || {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (flags, rest) = rest.split_first()?;
        let (key, rest) = take(rest)?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        let mut headers = Vec::with_capacity(count.min(crate::MAX_HEADERS));
        for _ in 0..count {
            let (name, after) = take(rest)?;
            let (value, after) = take(after)?;
            headers.push((String::from_utf8(name.to_vec()).ok()?, value.to_vec()));
            rest = after;
        }
        Some(Record {
            topic: topic.clone(),
            partition,
            offset: i64::try_from(offset).ok()?,
            key: key.to_vec(),
            value: (flags & HAS_VALUE != 0).then(|| rest.to_vec()),
            headers,
            timestamp_ms: i64::from_be_bytes(*time),
        })
    };
    whole().ok_or_else(damaged)
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_went_and_a_cut_one_never_panics(
            key in proptest::collection::vec(any::<u8>(), 0..40),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
            headers in proptest::collection::vec((".{0,9}", proptest::collection::vec(any::<u8>(), 0..9)), 0..4),
            now in any::<i64>(),
            cut in 0_usize..300,
        ) {
            let topic: Arc<str> = "t".into();
            let sent = Outgoing { topic: "t".to_owned(), partition: 3, key, value, headers };
            let bytes = encode(&sent, now);
            let back = decode(&topic, 3, 9, &bytes).unwrap();
            prop_assert_eq!(
                (&back.key, &back.value, &back.headers, back.timestamp_ms, back.offset),
                (&sent.key, &sent.value, &sent.headers, now, 9)
            );
            let _ = decode(&topic, 3, 9, &bytes[..cut.min(bytes.len())]);
        }
    }
}
