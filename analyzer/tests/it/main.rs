//! What the analyzer promises, one module per promise.

mod cases;
mod plain;
mod script;
mod seeded;
mod world;
