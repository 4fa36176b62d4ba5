//! What an address says of where it leads.

use std::net::IpAddr;

/// Whether `host` or `host:port` never leaves this machine; an IPv6 address with a port stands in brackets. A name counts only where it
/// is `localhost`, and nothing that has a user in it does.
pub fn is_loopback(authority: &str) -> bool {
    if authority.contains('@') {
        return false;
    }
    if let Ok(address) = authority.parse::<IpAddr>() {
        return address.is_loopback();
    }
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_nothing_else() {
        for here in ["127.0.0.1:9092", "localhost:9092", "LOCALHOST", "[::1]:9092", "[::1]", "::1", "127.3.2.1"] {
            assert!(is_loopback(here), "{here}");
        }
        let away = [
            "kafka:9092",
            "10.0.0.1:9092",
            "localhost.evil.org:1",
            "127.0.0.1.nip.io:1",
            "[::2]:1",
            "",
            "localhost@evil.org",
        ];
        for away in away {
            assert!(!is_loopback(away), "{away}");
        }
    }
}
