//! What Driftline knows and decides about resources: keys, snapshots, baselines, the canonical form, the
//! catalogue and the diff. Pure: no I/O, no async, no clock, no transport.

pub mod catalogue;
pub mod drift;
pub mod driftignore;
pub mod expr;
pub mod glob;
pub mod record;
pub mod resource;
pub mod snapshot;
pub mod transform;

pub use catalogue::Catalogue;
pub use drift::{
    Drift, DriftKind, Finding, Origin, Severity, Subject, Transition, TransitionKind, drift_id, finding_id,
    transition_id,
};
pub use resource::{ResourceKey, Scope};
pub use serde_json::Value;
pub use snapshot::{Baseline, Coverage, CoverageStatus, Declared, Snapshot};
