//! The grants: which agent may speak for which accounts. TOML:
//!
//! ```toml
//! [[agents]]
//! id = "spiffe://driftline/agent/eu"
//! accounts = ["111122223333"]            # these
//! units = ["/Root/Production"]           # and those in and below these organizational units, by path; `/` is all
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use crate::agent_id::AgentId;

/// The organization's accounts, each with its path of units from the root down, `/Root/Production/Payments`. It comes from
/// AWS Organizations itself, never from an agent.
pub type Inventory = BTreeMap<String, String>;

/// Grants by agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    agents: HashMap<AgentId, Grant>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Grant {
    accounts: BTreeSet<String>,
    units: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    agents: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    units: Vec<String>,
}

impl Grants {
    /// Reads the file whole; everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|e| vec![e.to_string()])?;
        let (mut grants, mut wrong) = (Self::default(), Vec::new());
        for entry in file.agents {
            let shown = entry.id.clone();
            for account in entry.accounts.iter().filter(|a| a.len() != 12 || !a.bytes().all(|b| b.is_ascii_digit())) {
                wrong.push(format!("{shown}: `{account}` is no account id: 12 digits"));
            }
            for unit in entry.units.iter().filter(|u| !unit_like(u)) {
                wrong.push(format!("{shown}: `{unit}` is no unit's path (`/Root/Production`)"));
            }
            if entry.accounts.is_empty() && entry.units.is_empty() {
                wrong.push(format!("{shown}: it is granted nothing: give `accounts` or `units`"));
            }
            match AgentId::parse(&entry.id) {
                Ok(id) => {
                    let units = entry.units.iter().map(|u| unit(u)).collect();
                    let grant = Grant { accounts: entry.accounts.into_iter().collect(), units };
                    if grants.agents.insert(id, grant).is_some() {
                        wrong.push(format!("{shown}: named twice"));
                    }
                }
                Err(reason) => wrong.push(format!("{shown}: {reason}")),
            }
        }
        if wrong.is_empty() { Ok(grants) } else { Err(wrong) }
    }

    /// Whether any grant names the agent.
    pub fn knows(&self, agent: &AgentId) -> bool {
        self.agents.contains_key(agent)
    }

    /// Whether the agent may speak for the account.
    pub fn allow(&self, agent: &AgentId, account: &str, inventory: &Inventory) -> bool {
        let Some(grant) = self.agents.get(agent) else { return false };
        grant.accounts.contains(account) || inventory.get(account).is_some_and(|path| grant.covers(path))
    }
}

impl Grant {
    fn covers(&self, path: &str) -> bool {
        let inside =
            |unit: &String| path.strip_prefix(unit.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        self.units.iter().any(|unit| unit == "/" || inside(unit))
    }
}

/// Without the slash at its end, but for the root.
fn unit(text: &str) -> String {
    text.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(text).to_owned()
}

fn unit_like(text: &str) -> bool {
    text.starts_with('/') && !text.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[agents]]
        id = "spiffe://d/agent/a"
        accounts = ["111111111111"]
        units = ["/Root/Production/", "/Root/Sandbox"]
        [[agents]]
        id = "spiffe://d/agent/b"
        accounts = ["222222222222"]
        [[agents]]
        id = "spiffe://d/agent/all"
        units = ["/"]
    "#;

    #[test]
    fn an_agent_speaks_for_what_it_is_granted_and_no_more() {
        let grants = Grants::parse(FILE).unwrap();
        let inventory = Inventory::from([
            ("333333333333".into(), "/Root/Production/Payments".into()),
            ("444444444444".into(), "/Root/ProductionOld".into()),
            ("555555555555".into(), "/Root/Sandbox".into()),
            ("666666666666".into(), String::new()),
        ]);
        let cases = [
            ("a", "111111111111", true),
            ("a", "222222222222", false),
            ("a", "333333333333", true),
            ("a", "444444444444", false),
            ("a", "555555555555", true),
            ("a", "666666666666", false),
            ("a", "777777777777", false),
            ("b", "222222222222", true),
            ("b", "333333333333", false),
            ("all", "666666666666", true),
            ("all", "777777777777", false),
            ("c", "111111111111", false),
            ("A", "111111111111", false),
        ];
        for (agent, account, expect) in cases {
            let id = AgentId::parse(&format!("spiffe://d/agent/{agent}")).unwrap();
            assert_eq!(grants.allow(&id, account, &inventory), expect, "{agent} {account}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = r#"
            [[agents]]
            id = "agent-a"
            accounts = ["1"]
            units = ["Production", "/", "/a//b"]
            [[agents]]
            id = "spiffe://d/agent/b"
        "#;
        let wrong = Grants::parse(text).unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:#?}");
        assert!(Grants::parse("[[agents]]\nid = \"spiffe://d/a\"\naccuonts = []").is_err());
    }
}
