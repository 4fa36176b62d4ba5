//! What Driftline knows and decides about resources: keys, snapshots, baselines, the canonical form, the
//! catalogue and the diff. Pure: no I/O, no async, no clock, no transport.

pub mod canonical;
pub mod catalogue;
pub mod diff;
pub mod drift;
pub mod driftignore;
pub mod expr;
pub mod fold;
pub mod glob;
pub mod host;
pub mod normal;
pub mod observe;
pub mod place;
pub mod record;
pub mod resource;
pub mod secret;
mod sight;
pub mod snapshot;
pub mod transform;

pub use catalogue::Catalogue;
pub use diff::{Comparison, Difference, Leaf, compare, examine};
pub use drift::{
    Control, Drift, DriftKind, Finding, Origin, Severity, Subject, Transition, TransitionKind, drift_id, finding_id,
    transition_id,
};
pub use fold::{fold, seal};
pub use observe::{Answer, Answers, ObserveContext, Observed, observe};
pub use place::{Parent, Unplaced, parents};
pub use resource::{ResourceKey, Scope};
pub use secret::SecretKey;
pub use serde_json::Value;
pub use snapshot::{Baseline, Coverage, CoverageStatus, Declared, Snapshot};
