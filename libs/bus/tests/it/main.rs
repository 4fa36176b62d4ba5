//! Tests of the log, the same for both forms where both promise the same.

// Clippy's leave for tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod conformance;
mod crash;
mod embedded;
mod hosts;
mod kafka;
mod outage;
mod rig;
mod secured;
