//! What decides whether something is a drift: behind a trait, since the analyzer only knows when to ask, and of what.

use driftline_model::record::Part;
use driftline_model::{Drift, Finding, ResourceKey, Snapshot};

/// What is known of the resource in the cloud.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// It is there.
    Seen(&'a Snapshot),
    /// It is proven gone.
    Gone,
    /// It is proven gone where it was agreed, and there in another region.
    Moved(&'a Snapshot),
}

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// Drifts, at most one per path.
    pub drifts: Vec<Drift>,
    /// Posture findings.
    pub findings: Vec<Finding>,
    /// Paths of which nothing can be said: not read, or unknown to one side's catalogue. What is open there stays open.
    /// An empty path stands for all.
    pub unknown: Vec<String>,
    /// Paths that the baseline declares.
    pub declared: Vec<String>,
}

/// Judges one resource. Pure: equal arguments, equal answer.
pub trait Judge: Send + Sync {
    /// Changes whenever answers may: all that is known is judged again then.
    fn revision(&self) -> &str;

    /// `parts` are what the sources agree on, in the order of the sources' hashes; none: there is no baseline. With
    /// neither snapshot nor parts nothing is asked.
    fn judge(&self, key: &ResourceKey, sight: Sight<'_>, parts: &[Part]) -> Judged;
}
