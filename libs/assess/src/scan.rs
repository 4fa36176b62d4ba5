//! The scan's JSON, `driftline.scan/1`: a contract. Fields are added, never renamed or removed; a schema stands in
//! `schema/scan-1.json`. How it is printed for people is the command line's.

use std::collections::BTreeSet;

use driftline_model::{Coverage, Drift, DriftKind, Finding};
use serde::{Deserialize, Serialize};

use crate::posture::{BySeverity, counts};

pub use crate::posture::Score;

/// Name and version of the form.
pub const SCHEMA: &str = "driftline.scan/1";

/// The JSON Schema of the form.
pub const JSON_SCHEMA: &str = include_str!("../schema/scan-1.json");

/// All that a scan says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the scan began, RFC 3339, UTC.
    pub started_at: String,
    /// When it ended, RFC 3339, UTC.
    pub finished_at: String,
    /// Counts.
    pub summary: Summary,
    /// Security posture.
    pub score: Score,
    /// What was seen, and how completely.
    pub coverage: Vec<Coverage>,
    /// Drifts, unmanaged resources among them.
    pub drifts: Vec<Drift>,
    /// Posture findings.
    pub findings: Vec<Finding>,
}

/// Counts of a scan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Resources observed.
    pub resources: u64,
    /// Observed resources that have a baseline.
    pub managed: u64,
    /// Observed resources that have none and need one.
    pub unmanaged: u64,
    /// Resources of the baseline that are gone.
    pub missing: u64,
    /// Resources with at least one modified or moved path.
    pub drifted: u64,
    /// Drifts: modified, missing and moved; unmanaged resources are counted apart.
    pub drifts: u64,
    /// Posture findings.
    pub findings: u64,
    /// Per cent of the observed resources that need a baseline and have one, to one decimal; 100 where none needs one.
    pub iac_coverage: f64,
    /// The drifts by severity.
    pub by_severity: BySeverity,
}

impl Summary {
    /// Counts what was found. `resources` were observed, `managed` of them have a baseline.
    pub fn count(resources: u64, managed: u64, drifts: &[Drift], findings: &[Finding]) -> Self {
        let of_kind = |kind: DriftKind| drifts.iter().filter(|d| d.kind == kind).count() as u64;
        let mut by_severity = BySeverity::default();
        drifts.iter().filter(|d| counts(d)).for_each(|d| by_severity.add(d.severity));
        let changed = drifts.iter().filter(|d| matches!(d.kind, DriftKind::Modified | DriftKind::Moved));
        let drifted: BTreeSet<_> = changed.map(|d| (&d.account, &d.region, &d.type_name, &d.resource)).collect();
        let unmanaged = of_kind(DriftKind::Unmanaged);
        Self {
            resources,
            managed,
            unmanaged,
            missing: of_kind(DriftKind::Missing),
            drifted: drifted.len() as u64,
            drifts: drifts.iter().filter(|d| counts(d)).count() as u64,
            findings: findings.len() as u64,
            iac_coverage: share(managed, managed + unmanaged),
            by_severity,
        }
    }
}

/// Per cent to one decimal.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 100.0;
    }
    let tenths = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    f64::from(u32::try_from(tenths).unwrap_or(1000)) / 10.0
}
