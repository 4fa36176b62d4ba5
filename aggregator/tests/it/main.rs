//! The aggregator and the agent's side of the stream, over real gRPC and the embedded log.

#![allow(clippy::unwrap_used)] // in tests a panic is the report

mod hostile;
mod identity;
mod memory;
mod organization;
mod proof;
mod rig;
mod stream;
