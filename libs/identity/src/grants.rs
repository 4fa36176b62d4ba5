//! The grants: which agent may speak for which accounts, by its certificate's name or by the role that it proves. TOML:
//!
//! ```toml
//! [[agents]]
//! id = "spiffe://driftline/agent/eu"
//! accounts = ["111122223333"]            # these
//! units = ["/Root/Production"]           # and those in and below these organizational units, by path; `/` is all
//!
//! [[roles]]
//! name = "DriftlineRead"                # whoever proves to be this role, for the account that it is assumed in
//! units = ["/Root"]                      # if it is one of these
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use crate::agent_id::AgentId;

/// The organization's accounts, each with its path of units from the root down, `/Root/Production/Payments`. It comes from
/// AWS Organizations itself, never from an agent.
pub type Inventory = BTreeMap<String, String>;

/// Grants by agent and by role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    agents: HashMap<AgentId, Grant>,
    roles: HashMap<String, Grant>,
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
    agents: Vec<AgentEntry>,
    #[serde(default)]
    roles: Vec<RoleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentEntry {
    id: String,
    #[serde(default)]
    accounts: Vec<String>,
    #[serde(default)]
    units: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    name: String,
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
        for AgentEntry { id: shown, accounts, units } in file.agents {
            let grant = Grant::read(&shown, accounts, &units, &mut wrong);
            match AgentId::parse(&shown) {
                Ok(id) => {
                    if grants.agents.insert(id, grant).is_some() {
                        wrong.push(format!("{shown}: named twice"));
                    }
                }
                Err(reason) => wrong.push(format!("{shown}: {reason}")),
            }
        }
        for RoleEntry { name, accounts, units } in file.roles {
            let grant = Grant::read(&name, accounts, &units, &mut wrong);
            if !role_like(&name) {
                wrong.push(format!("{name}: it is no role's name, without path: 1 to 64 letters, digits or _+=,.@-"));
            }
            if grants.roles.insert(name.clone(), grant).is_some() {
                wrong.push(format!("{name}: named twice"));
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
        self.agents.get(agent).is_some_and(|grant| grant.allows(account, inventory))
    }

    /// Whether that role, or any if none is given, may speak for the account that it is proven in.
    pub fn allow_role(&self, role: Option<&str>, account: &str, inventory: &Inventory) -> bool {
        match role {
            Some(name) => self.roles.get(name).is_some_and(|grant| grant.allows(account, inventory)),
            None => self.roles.values().any(|grant| grant.allows(account, inventory)),
        }
    }
}

impl Grant {
    fn read(shown: &str, accounts: Vec<String>, units: &[String], wrong: &mut Vec<String>) -> Self {
        for account in accounts.iter().filter(|a| a.len() != 12 || !a.bytes().all(|b| b.is_ascii_digit())) {
            wrong.push(format!("{shown}: `{account}` is no account id: 12 digits"));
        }
        for unit in units.iter().filter(|u| !unit_like(u)) {
            wrong.push(format!("{shown}: `{unit}` is no unit's path (`/Root/Production`)"));
        }
        if accounts.is_empty() && units.is_empty() {
            wrong.push(format!("{shown}: it is granted nothing: give `accounts` or `units`"));
        }
        Self { accounts: accounts.into_iter().collect(), units: units.iter().map(|u| unit(u)).collect() }
    }

    fn allows(&self, account: &str, inventory: &Inventory) -> bool {
        self.accounts.contains(account) || inventory.get(account).is_some_and(|path| self.covers(path))
    }

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

fn role_like(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
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
        [[roles]]
        name = "Read"
        accounts = ["111111111111"]
        units = ["/Root/Sandbox"]
        [[roles]]
        name = "Other"
        accounts = ["222222222222"]
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
        for (role, account, expect) in [
            (Some("Read"), "111111111111", true),
            (Some("Read"), "555555555555", true),
            (Some("Read"), "222222222222", false),
            (Some("Read"), "333333333333", false),
            (Some("read"), "111111111111", false),
            (Some("Other"), "222222222222", true),
            (Some("spiffe://d/agent/all"), "222222222222", false),
            (None, "222222222222", true),
            (None, "333333333333", false),
        ] {
            assert_eq!(grants.allow_role(role, account, &inventory), expect, "{role:?} {account}");
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
            [[roles]]
            name = "path/Read"
            units = ["/"]
        "#;
        let wrong = Grants::parse(text).unwrap_err();
        assert_eq!(wrong.len(), 6, "{wrong:#?}");
        assert!(Grants::parse("[[agents]]\nid = \"spiffe://d/a\"\naccuonts = []").is_err());
    }
}
