//! What one look at a scope gave: the collector's result, the scan's and the delta's input.

use driftline_model::{CoverageStatus, Scope, Snapshot};

/// One listing of a scope with what was read of its resources.
#[derive(Debug, Clone, PartialEq)]
pub struct ScopeSeen {
    /// The scope.
    pub scope: Scope,
    /// Revision of the type's catalogue file.
    pub revision: String,
    /// How completely it was seen.
    pub status: CoverageStatus,
    /// What went wrong, if anything.
    pub error: Option<String>,
    /// When the listing began, milliseconds since 1970 UTC.
    pub began_ms: i64,
    /// The account's highest acknowledged offset when the listing began; -1 where there is no pipeline.
    pub after_offset: i64,
    /// Whether `ids` is the whole of the scope: only then may anything be said to be gone.
    pub listed: bool,
    /// The ids that the listing saw, sorted.
    pub ids: Vec<String>,
    /// Snapshots of the resources that were read in this round.
    pub snapshots: Vec<Snapshot>,
    /// Ids that were looked up one by one and are not there.
    pub not_found: Vec<String>,
}
