//! The analyzer: follows `driftline.inputs`, joins what was observed with what was agreed, and tells every change of
//! what is found, once. `step` decides and is pure; `store` remembers; `run` moves. The writer beside it follows what
//! was told into ClickHouse.

mod assessor;
pub mod judge;
mod outbox;
mod patience;
mod rebuild;
mod run;
pub mod state;
mod status;
pub mod step;
pub mod store;
mod worker;
pub mod writer;

pub use assessor::CatalogueJudge;
pub use judge::{Judge, Judged, Sight};
pub use outbox::{H_CUT, H_INPUT_OFFSET, H_ORIGIN, H_REASON};
pub use run::{AnalyzerConfig, Error, run};
pub use state::{State, StateError};
pub use status::{PartitionStatus, Status};
pub use step::{Cause, Effect, Pass};
pub use writer::WriterConfig;
