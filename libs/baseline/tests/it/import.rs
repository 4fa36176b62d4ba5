//! Import on states made here.
