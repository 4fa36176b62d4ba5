//! Tests of the model: behaviour, data-driven.

mod catalogue;
