//! The store on the real engine: one process for all tests but those that kill it, one database for each.
#![allow(clippy::unwrap_used)] // a test's helpers fail as the test does

mod crash;
mod engine;
mod migrations;
mod query;
mod reach;
mod storing;
mod support;
mod transport;
