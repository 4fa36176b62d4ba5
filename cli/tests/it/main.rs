//! The `driftline` binary end to end: real moto, real Kafka, the real engine, roles as processes of their own.

// Clippy's leave for tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod blind;
mod cluster;
mod faulty;
mod local;
mod pages;
mod pipeline;
mod rig;
mod scan;
mod secured;
