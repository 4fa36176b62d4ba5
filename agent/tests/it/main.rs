//! The agent against servers that are played: AWS's EC2, and an aggregator.

#![allow(clippy::unwrap_used, clippy::expect_used)] // in tests a panic is the report

mod aggregator;
mod aws;
mod collected;
mod spooled;
mod streamed;
