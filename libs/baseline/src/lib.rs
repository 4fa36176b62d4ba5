//! Terraform states and plans -> baselines: reads what was agreed, says of each part where it stands, and what it could
//! not understand. How values compare is the catalogue's; sending is the caller's.

mod arn;
mod error;
mod import;
mod json;
pub mod limits;
mod marks;
mod place;
mod publish;
pub mod sources;
mod terraform;

pub use error::{Error, Position};
pub use import::{Import, Options, Skipped, UNPLACED, import, read};
pub use publish::{Limits, Publish, Refused, publication, source_hash, withdrawal};
