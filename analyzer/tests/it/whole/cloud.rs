//! The truth: what is in the account's cloud, what was agreed, and what must be open once all is known.

use std::collections::{BTreeMap, BTreeSet};

use driftline_agent::{LookedUp, ScopeSeen};
use driftline_model::{CoverageStatus, ResourceKey, Scope, Snapshot, Value};

use crate::script::ACCOUNT;
use crate::world::Dice;

pub(crate) const REGIONS: [&str; 2] = ["eu", "us"];
pub(crate) const KIND: &str = "t";
const IDS: [&str; 3] = ["a", "b", "c"];

#[derive(Default)]
pub(crate) struct Cloud {
    /// Attributes by `region/t/id`.
    there: BTreeMap<String, (usize, bool)>,
    /// What was agreed of `x`.
    pub(crate) agreed: BTreeMap<String, usize>,
    /// What some whole listing, or a look-up, did not see although it was asked: only that may be told to be missing.
    pub(crate) absent: BTreeSet<String>,
    /// Whether everything can be seen.
    pub(crate) clear: bool,
}

pub(crate) fn any_key(dice: &mut Dice) -> String {
    let region = REGIONS[dice.below(REGIONS.len())];
    format!("{region}/{KIND}/{region}-{}", IDS[dice.below(IDS.len())])
}

pub(crate) fn scope(region: &str) -> Scope {
    Scope { account: ACCOUNT.to_owned(), region: region.to_owned(), kind: KIND.to_owned() }
}

impl Cloud {
    pub(crate) fn change(&mut self, dice: &mut Dice) {
        let key = any_key(dice);
        if dice.one_in(3) {
            self.there.remove(&key);
        } else {
            self.there.insert(key, (dice.below(3), dice.one_in(4)));
        }
    }

    fn snapshot(&self, key: &str, unread: bool) -> Snapshot {
        let (x, open) = self.there[key];
        let mut attributes = BTreeMap::from([("open".to_owned(), Value::from(open.to_string()))]);
        let mut unread_paths = BTreeMap::new();
        if unread {
            unread_paths.insert("x".to_owned(), "denied".to_owned());
        } else {
            attributes.insert("x".to_owned(), Value::from(x.to_string()));
        }
        Snapshot {
            key: ResourceKey::parse(&format!("{ACCOUNT}/{key}")).unwrap(),
            arn: None,
            revision: "1".to_owned(),
            attributes,
            unread: unread_paths,
            relations: BTreeMap::new(),
            owner: None,
        }
    }

    /// A listing of one region as an agent's collector gives it; not all of them see everything.
    pub(crate) fn list(&mut self, region: &str, reached: i64, dice: &mut Dice) -> ScopeSeen {
        let prefix = format!("{region}/{KIND}/");
        let mut keys: Vec<String> = self.there.keys().filter(|k| k.starts_with(&prefix)).cloned().collect();
        let mut seen = ScopeSeen {
            scope: scope(region),
            revision: "1".to_owned(),
            status: CoverageStatus::Complete,
            error: None,
            began_ms: 0,
            after_offset: reached,
            listed: true,
            ids: Vec::new(),
            snapshots: Vec::new(),
            not_found: Vec::new(),
        };
        if !self.clear && dice.one_in(6) {
            let statuses = [CoverageStatus::Denied, CoverageStatus::Throttled, CoverageStatus::Failed];
            (seen.status, seen.listed, seen.error) = (statuses[dice.below(3)], false, Some("played".to_owned()));
            return seen;
        }
        // One is left out although it is there: the listing looks whole.
        if !self.clear && !keys.is_empty() && dice.one_in(8) {
            keys.remove(dice.below(keys.len()));
        }
        for key in &keys {
            seen.ids.push(key[prefix.len()..].to_owned());
            // What the round's budget does not allow is listed all the same.
            if self.clear || !dice.one_in(5) {
                let unread = !self.clear && dice.one_in(6);
                if unread {
                    (seen.status, seen.error) = (CoverageStatus::Partial, Some("played".to_owned()));
                }
                seen.snapshots.push(self.snapshot(key, unread));
            }
        }
        for id in IDS {
            let key = format!("{prefix}{region}-{id}");
            if !keys.contains(&key) {
                self.absent.insert(key);
            }
        }
        seen
    }

    pub(crate) fn look_up(&self, region: &str, id: &str, dice: &mut Dice) -> LookedUp {
        let key = format!("{region}/{KIND}/{id}");
        if !self.clear && dice.one_in(5) {
            LookedUp::Unknown("played".to_owned())
        } else if self.there.contains_key(&key) {
            LookedUp::Found(Box::new(self.snapshot(&key, false)))
        } else {
            LookedUp::NotFound
        }
    }

    /// What is open once all is known, as a script writes it.
    pub(crate) fn open(&self) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        for (key, x) in &self.agreed {
            match self.there.get(key) {
                None => open.insert(format!("missing:{key}")),
                Some((actual, _)) if actual != x => open.insert(format!("modified:{key}:x")),
                Some(_) => false,
            };
        }
        for (key, (_, insecure)) in &self.there {
            if !self.agreed.contains_key(key) {
                open.insert(format!("unmanaged:{key}"));
            }
            if *insecure {
                open.insert(format!("open:{key}:open"));
            }
        }
        open
    }
}
