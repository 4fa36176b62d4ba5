//! The deny list: certificates and agents that are turned away though the CA vouches for them. One entry a line: an agent's
//! URI, or `sha256:` and the certificate's fingerprint in hex (colons as `openssl x509 -fingerprint` prints them are fine).

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::agent_id::AgentId;

/// Who is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenyList {
    agents: HashSet<AgentId>,
    fingerprints: HashSet<[u8; 32]>,
}

impl DenyList {
    /// Reads the list; every line that can't be read, with its number. A list with a bad line is not used: it may be the one
    /// that matters.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut list, mut wrong) = (Self::default(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let entry = line.split_once(" #").map_or(line, |(entry, _)| entry).trim();
            if entry.is_empty() || entry.starts_with('#') {
                continue;
            }
            let read = match entry.split_once(':') {
                Some((word, hex)) if word.eq_ignore_ascii_case("sha256") => match fingerprint(hex) {
                    Some(found) => Ok(_ = list.fingerprints.insert(found)),
                    None => Err("a fingerprint has 64 hex digits".to_owned()),
                },
                _ => AgentId::parse(entry).map(|agent| _ = list.agents.insert(agent)),
            };
            if let Err(reason) = read {
                wrong.push(format!("line {number}: {reason}"));
            }
        }
        if wrong.is_empty() { Ok(list) } else { Err(wrong) }
    }

    /// Whether the agent or this very certificate (DER) is denied.
    pub fn denies(&self, agent: &AgentId, certificate: &[u8]) -> bool {
        self.agents.contains(agent)
            || (!self.fingerprints.is_empty() && self.fingerprints.contains(&*Sha256::digest(certificate)))
    }
}

fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.trim().chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |n, d| n * 16 + *d as u8)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_and_fingerprints_are_denied() {
        let print: String = Sha256::digest(b"certificate").iter().map(|b| format!("{b:02X}:")).collect();
        let text =
            format!("# lost laptops\n\nspiffe://d/agent/a # since May\nSHA256:{}\n", print.trim_end_matches(':'));
        let list = DenyList::parse(&text).unwrap();
        let (a, b) = (AgentId::parse("spiffe://d/agent/a").unwrap(), AgentId::parse("spiffe://d/agent/b").unwrap());
        assert!(list.denies(&a, b"any") && list.denies(&b, b"certificate") && !list.denies(&b, b"any"));
    }

    #[test]
    fn a_line_that_does_not_read_spoils_the_list() {
        let wrong = DenyList::parse("spiffe://d/agent/a\nsha256:00\nagent-b\nsha256:zz\n").unwrap_err();
        assert_eq!(wrong.iter().map(|w| &w[..7]).collect::<Vec<_>>(), ["line 2:", "line 3:", "line 4:"]);
    }
}
