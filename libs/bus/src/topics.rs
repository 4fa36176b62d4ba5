//! The four topics of Driftline, as every role wants them. All have the same partitions, by account.

use driftline_model::record::{DEAD_LETTERS, DRIFTS, EVENTS, INPUTS};

use crate::{Keep, Topic};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Limit of one record in bytes: that of one gRPC message.
pub const MAX_RECORD_BYTES: u32 = 4 << 20;

/// What [`crate::Log::ensure`] gets. The count of partitions never changes later: one holds whole accounts.
pub fn topics(partitions: u32) -> Vec<Topic> {
    // A dead letter is the record and why it could not be taken.
    let letter = MAX_RECORD_BYTES + (64 << 10);
    [
        (INPUTS, Keep::CompactedAfter(7 * DAY_MS), MAX_RECORD_BYTES),
        (EVENTS, Keep::Milliseconds(30 * DAY_MS), MAX_RECORD_BYTES),
        (DRIFTS, Keep::Compacted, MAX_RECORD_BYTES),
        (DEAD_LETTERS, Keep::Milliseconds(30 * DAY_MS), letter),
    ]
    .map(|(name, keep, max_message_bytes)| Topic { name: name.to_owned(), partitions, keep, max_message_bytes })
    .to_vec()
}
