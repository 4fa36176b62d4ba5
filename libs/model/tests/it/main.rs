//! Tests of the model: behaviour, data-driven.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails here says enough")]
#![recursion_limit = "256"]

mod bucket;
mod canonical;
mod catalogue;
mod complete;
mod general;
mod instance;
mod listing;
mod policy;
mod rules;
mod security_group;
mod types_data;
mod types_iam;
mod types_network;
mod world;
