//! What the analyzer promises, one module per promise.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod assessed;
mod bench;
mod cases;
mod plain;
mod runtime;
mod script;
mod seeded;
mod stored;
mod whole;
mod world;
