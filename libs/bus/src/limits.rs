//! What a record may be, the same in both logs, checked before a record is taken.

use crate::{Error, Keep, Outgoing, Topic};

/// Limit of a key in bytes.
pub const MAX_KEY_BYTES: usize = 16 << 10;
/// Limit of the headers of a record.
pub const MAX_HEADERS: usize = 64;
/// What a record costs beside its bytes.
const RECORD_OVERHEAD: usize = 128;

impl Outgoing {
    /// Size in bytes that counts against a topic's limit and a producer's window.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(n, v)| n.len() + v.len() + 8).sum();
        self.key.len() + self.value.as_ref().map_or(0, Vec::len) + headers + RECORD_OVERHEAD
    }

    /// Whether `topic` can take this record at all.
    pub(crate) fn admit(&self, topic: &Topic) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Rejected(format!("{}: {reason}", topic.name)));
        let (size, limit) = (self.size(), usize::try_from(topic.max_message_bytes).unwrap_or(usize::MAX));
        if self.partition >= topic.partitions {
            return refuse(format!("partition {} of {}", self.partition, topic.partitions));
        }
        if size > limit {
            return refuse(format!("{size} bytes, the limit is {limit}"));
        }
        if self.key.len() > MAX_KEY_BYTES {
            return refuse(format!("a key of {} bytes, the limit is {MAX_KEY_BYTES}", self.key.len()));
        }
        if self.headers.len() > MAX_HEADERS {
            return refuse(format!("{} headers, the limit is {MAX_HEADERS}", self.headers.len()));
        }
        if self.headers.iter().any(|(name, _)| name.contains('\0')) {
            return refuse("a header's name with a zero byte".to_owned());
        }
        match topic.keep {
            Keep::Compacted | Keep::CompactedAfter(_) if self.key.is_empty() => {
                refuse("a compacted topic needs keys".to_owned())
            }
            _ => Ok(()),
        }
    }
}
