//! Tests of the model: behaviour, data-driven.

mod bucket;
mod catalogue;
mod security_group;
mod world;
