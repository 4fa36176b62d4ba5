//! Tests of the model: behaviour, data-driven.

mod bucket;
mod catalogue;
mod complete;
mod policy;
mod rules;
mod security_group;
mod world;
