//! Where what was found is kept and asked for: ClickHouse's schema, its migrations, writing that may be repeated and
//! reading that shows each thing once. On a cluster and on the embedded [`engine`] alike, through one client.

pub mod engine;
mod error;
mod migrations;
mod query;
mod reach;
mod read;
mod rows;
mod sql;
mod store;
pub mod testing;
mod transport;

pub use error::Error;
pub use migrations::{SCHEMA, Schema, statements};
pub use query::{Column, QueryLimits, QueryResult};
pub use reach::Reach;
pub use read::{Filter, Page, Status, StoredCoverage, StoredDrift, StoredFinding, Watermark};
pub use rows::{AccountRow, CycleRow, Order, Position, SnapshotRow, TransitionRow, WatermarkRow};
pub use sql::Refused;
pub use store::{Store, StoreConfig};
