//! The AWS client: service models as data, on the crates that AWS's own SDK for Rust runs on. One plain JSON value
//! goes in, one comes out, with the names and nesting that `aws SERVICE OPERATION --output json` prints.

pub mod accounts;
mod address;
pub mod client;
pub mod credentials;
pub mod endpoint;
pub mod error;
mod foreign;
pub mod limiter;
pub mod model;
mod pages;
pub mod retry;
mod send;
mod wire;

pub use client::{Caller, Client, ClientConfig, Limits, PageLimit};
pub use credentials::{Access, AccessConfig, AccessError, Identity, RoleConfig};
pub use endpoint::{EndpointConfig, Partition};
pub use error::Error;
pub use limiter::{Limiter, LimiterConfig, Outcome, Permit};
pub use retry::RetryConfig;
