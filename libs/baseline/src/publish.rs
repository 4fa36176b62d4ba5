//! What an import changes in the log: parts that are new or other than before, tombstones for what left the source, and
//! the source's list of keys, written so that a crash in between leaves no key that nobody knows of.

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::record::{InputKey, Keys, Part};

use crate::import::Import;

/// One record for `driftline.inputs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Key, which names the account and so the partition.
    pub key: InputKey,
    /// Body; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Why an import must not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody has an old copy of the state.
    #[error("serial {given} is older than serial {published}, which was published from `{source_name}`")]
    Older {
        /// The source.
        source_name: String,
        /// What is to be published.
        given: u64,
        /// What was published.
        published: u64,
    },
    /// Another state under the same name: its resources would all vanish.
    #[error(
        "`{source_name}` held another state (lineage {published}, now {given}): give the source another name, or withdraw it first"
    )]
    OtherLineage {
        /// The source.
        source_name: String,
        /// What is to be published.
        given: String,
        /// What was published.
        published: String,
    },
    /// What was a baseline is none now: most likely a mistake, and no reason to forget what was agreed.
    #[error("`{0}` held a baseline and holds none now")]
    Emptied(String),
    /// A record can't be written as JSON.
    #[error("{0}")]
    Unwritable(String),
}

/// How to publish.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that one record's body may have.
    pub max_bytes: usize,
    /// Whether another lineage under the same name takes the place of the one before.
    pub replace: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 900 * 1024, replace: false }
    }
}

/// The records that bring the log from `previous` (all lists that this source has published, of every account and part)
/// to what `import` says, in the order in which they must be written. Parts that did not change are left out.
pub fn publication(previous: &[(InputKey, Keys)], import: &Import, limits: Limits) -> Result<Vec<Publish>, Refused> {
    check(previous, import, limits)?;
    let mut accounts: BTreeMap<&str, Account<'_>> = BTreeMap::new();
    for (key, list) in previous {
        let account = accounts.entry(key.account()).or_default();
        account.lists.insert(key.encode(), list);
        for (i, part) in list.keys.iter().enumerate() {
            let hash = list.hashes.get(i).map_or("", String::as_str);
            // Lists that a crash left side by side may disagree: then the part is written again.
            account.before.entry(part).and_modify(|h| *h = if *h == hash { hash } else { "" }).or_insert(hash);
        }
    }
    for (key, part) in &import.parts {
        let body = serde_json::to_vec(part).map_err(|e| Refused::Unwritable(e.to_string()))?;
        let after = After { key, hash: content_hash(part)?, body };
        accounts.entry(key.account()).or_default().after.insert(key.encode(), after);
    }
    let mut out = Vec::new();
    for (id, account) in accounts {
        account.publish(id, import, limits, &mut out)?;
    }
    Ok(out)
}

/// The records that withdraw a source: tombstones for its parts, then for its lists, so that a crash in between leaves no
/// part that no list names.
pub fn withdrawal(previous: &[(InputKey, Keys)]) -> Vec<Publish> {
    let parts: BTreeSet<&String> = previous.iter().flat_map(|(_, list)| &list.keys).collect();
    let parts = parts.into_iter().filter_map(|key| InputKey::decode(key));
    let keys = parts.chain(previous.iter().map(|(key, _)| key.clone()));
    keys.map(|key| Publish { key, value: None }).collect()
}

fn check(previous: &[(InputKey, Keys)], import: &Import, limits: Limits) -> Result<(), Refused> {
    if !import.is_baseline && !previous.is_empty() {
        return Err(Refused::Emptied(import.source.clone()));
    }
    for (_, list) in previous.iter().filter(|(_, l)| !l.lineage.is_empty() && !import.lineage.is_empty()) {
        if list.lineage != import.lineage && !limits.replace {
            return Err(Refused::OtherLineage {
                source_name: import.source.clone(),
                given: import.lineage.clone(),
                published: list.lineage.clone(),
            });
        }
        if list.lineage == import.lineage && list.serial > import.serial {
            return Err(Refused::Older {
                source_name: import.source.clone(),
                given: import.serial,
                published: list.serial,
            });
        }
    }
    Ok(())
}

/// Hash of what a part says, whatever the serial: a state that was written again without a change publishes nothing.
fn content_hash(part: &Part) -> Result<String, Refused> {
    let mut hasher = blake3::Hasher::new();
    let content = (&part.origin, &part.lineage, &part.revision, &part.instances);
    serde_json::to_writer(&mut hasher, &content).map_err(|e| Refused::Unwritable(e.to_string()))?;
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// One account's side of a publication.
#[derive(Default)]
struct Account<'a> {
    /// Lists that stand in the log.
    lists: BTreeMap<String, &'a Keys>,
    /// Keys that stand in the log, with the hash of what they hold; empty where that isn't known.
    before: BTreeMap<&'a str, &'a str>,
    after: BTreeMap<String, After<'a>>,
}

struct After<'a> {
    key: &'a InputKey,
    hash: String,
    body: Vec<u8>,
}

impl Account<'_> {
    fn publish(self, id: &str, import: &Import, limits: Limits, out: &mut Vec<Publish>) -> Result<(), Refused> {
        let start = out.len();
        let changed: BTreeSet<&str> = self
            .after
            .iter()
            .filter(|(key, a)| self.before.get(key.as_str()).is_none_or(|h| *h != a.hash))
            .map(|(key, _)| key.as_str())
            .collect();
        let gone: Vec<&str> = self.before.keys().filter(|k| !self.after.contains_key(**k)).copied().collect();
        let last: BTreeMap<&str, &str> = self.after.iter().map(|(k, a)| (k.as_str(), a.hash.as_str())).collect();
        if !changed.is_empty() || !gone.is_empty() {
            // First a list of all that may stand in the log from now on, marked as unknown where it is about to change:
            // whatever a crash leaves behind, the next import knows of it.
            let mut open: BTreeMap<&str, &str> = self.before.clone();
            open.extend(changed.iter().map(|k| (*k, "")));
            out.extend(records(&lists(id, import, &open, limits))?);
        }
        for (key, after) in self.after.iter().filter(|(key, _)| changed.contains(key.as_str())) {
            debug_assert_eq!(*key, after.key.encode());
            out.push(Publish { key: after.key.clone(), value: Some(after.body.clone()) });
        }
        out.extend(gone.iter().filter_map(|k| InputKey::decode(k)).map(|key| Publish { key, value: None }));
        let lists = lists(id, import, &last, limits);
        let kept: BTreeSet<String> = lists.iter().map(|(key, _)| key.encode()).collect();
        let same = lists.len() == self.lists.len()
            && lists.iter().all(|(key, list)| self.lists.get(&key.encode()).is_some_and(|l| *l == list));
        if !same {
            out.extend(records(&lists)?);
            let opened = out[start..].iter().filter(|p| matches!(p.key, InputKey::Keys(..)));
            let opened: BTreeSet<String> = opened.map(|p| p.key.encode()).collect();
            let surplus = self.lists.keys().chain(&opened).filter(|k| !kept.contains(*k)).collect::<BTreeSet<_>>();
            let tombstones: Vec<Publish> = surplus
                .into_iter()
                .filter_map(|k| InputKey::decode(k))
                .map(|key| Publish { key, value: None })
                .collect();
            out.extend(tombstones);
        }
        Ok(())
    }
}

fn records(lists: &[(InputKey, Keys)]) -> Result<Vec<Publish>, Refused> {
    lists
        .iter()
        .map(|(key, list)| {
            let body = serde_json::to_vec(list).map_err(|e| Refused::Unwritable(e.to_string()))?;
            Ok(Publish { key: key.clone(), value: Some(body) })
        })
        .collect()
}

/// One list per account, cut into parts that fit a record.
fn lists(account: &str, import: &Import, keys: &BTreeMap<&str, &str>, limits: Limits) -> Vec<(InputKey, Keys)> {
    // Beside the keys a list holds its source and a few short members.
    let room = limits.max_bytes.saturating_sub(2 * import.source.len() + 512);
    let mut parts: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut used = 0;
    for (key, hash) in keys {
        // An id may hold what JSON writes as six bytes for one.
        let size =
            key.bytes().map(|b| if b < 0x20 { 6 } else { 1 + usize::from(b == b'"' || b == b'\\') }).sum::<usize>();
        let size = size + hash.len() + 6;
        if parts.is_empty() || used + size > room {
            parts.push(Default::default());
            used = 0;
        }
        used += size;
        if let Some((keys, hashes)) = parts.last_mut() {
            keys.push((*key).to_owned());
            hashes.push((*hash).to_owned());
        }
    }
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let source = source_hash(&import.source);
    (0..count)
        .zip(parts)
        .map(|(n, (keys, hashes))| {
            let list = Keys {
                source: import.source.clone(),
                lineage: import.lineage.clone(),
                serial: import.serial,
                parts: count,
                keys,
                hashes,
            };
            (InputKey::Keys(account.to_owned(), source.clone(), n), list)
        })
        .collect()
}

/// What stands for a source's name in keys: 16 hex digits of its BLAKE3.
pub fn source_hash(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..16].to_owned()
}
