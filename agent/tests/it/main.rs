//! The agent against servers that are played: AWS's EC2, and an aggregator.

#![allow(clippy::unwrap_used)] // in tests a panic is the report

mod aws;
mod collected;
