//! How far an analyzer has come, for `status`, health checks and tests.

use std::collections::BTreeMap;

/// All partitions that a process owns.
pub type Status = BTreeMap<u32, PartitionStatus>;

/// How far one partition is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PartitionStatus {
    /// The next offset to judge; all before it is judged, told and remembered.
    pub next: i64,
    /// The offset after the last one in the log when that was last asked.
    pub end: i64,
    /// Own time of the last judged record, milliseconds since 1970 UTC: the watermark.
    pub at_ms: i64,
    /// The state is being rebuilt; nothing is told meanwhile.
    pub rebuilding: bool,
    /// Records judged since the partition was taken.
    pub records: u64,
    /// Transitions told since then.
    pub transitions: u64,
    /// Winners published again since then.
    pub republished: u64,
    /// Dead letters since then.
    pub dead_letters: u64,
}
