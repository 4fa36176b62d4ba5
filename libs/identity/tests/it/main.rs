//! Certificates of a real CA against the gate, and files that change under it.

// Clippy's leave for tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod files;
mod mutants;
mod peers;
mod proofs;
mod sts;
mod world;
