//! What a difference or a value is worth: rules, severities, controls, posture findings, the score, and the scan's JSON.
//! Pure: no I/O, no clock. What is secure per type stands in `rules/*.toml`; code knows no type's name.

pub mod attributes;
pub mod controls;
pub mod judge;
pub mod posture;
pub mod rules;
pub mod scan;
pub mod secure;
pub mod severity;
pub mod text;

pub use controls::Controls;
pub use judge::{Assessor, Context, Judgement};
pub use posture::{RiskLevel, Score};
pub use rules::{Rule, Rules};
pub use secure::Verdict;
pub use severity::Assessment;
