//! Who an agent is, and which accounts it may speak for: certificates of a private CA whose URI names the agent, or per
//! account a signed request to STS; a file of grants, a deny list. All files are read anew when they change; a connection is
//! judged again whenever one did.

mod agent_id;
mod authority;
mod client;
mod deny;
mod error;
mod files;
mod gate;
mod grants;
pub mod proof;

pub use agent_id::AgentId;
pub use authority::{Authority, Issued, Lifetime, hosts};
pub use client::{ClientFiles, ClientTls, Pair};
pub use deny::DenyList;
pub use error::{Error, Refused};
pub use gate::{Clock, Gate, GateFiles, Peer, Previous};
pub use grants::{Grants, Inventory};
