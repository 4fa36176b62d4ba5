//! What the analyzer promises, one module per promise.

mod bench;
mod cases;
mod plain;
mod runtime;
mod script;
mod seeded;
mod world;
