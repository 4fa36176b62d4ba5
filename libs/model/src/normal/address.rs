//! Address ranges in one spelling.

use std::net::IpAddr;

use ipnet::IpNet;

/// `10.0.0.1/8` as `10.0.0.0/8`, `2001:DB8:0::/32` as `2001:db8::/32`, an address as a range of one. What is no range
/// stays as it is, in lower case.
pub(super) fn range(text: &str) -> String {
    let text = text.trim();
    if let Ok(net) = text.parse::<IpNet>() {
        return net.trunc().to_string();
    }
    match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address).to_string(),
        Err(_) => text.to_lowercase(),
    }
}
