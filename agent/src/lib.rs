//! The agent: reads accounts, turns answers into canonical snapshots, and streams what changed to the aggregator.
//! `collect` reads (and is all that `driftline scan` needs), `delta` decides what to send, `spool` keeps it, `link` carries it.

mod account;
pub mod collect;
mod connect;
pub mod delta;
pub mod known;
pub mod link;
pub mod prove;
pub mod run;
pub mod seen;
mod sender;
pub mod spool;
pub mod window;

pub use run::{Config, Reader, Round, run};
pub use seen::{LookedUp, ScopeSeen};
