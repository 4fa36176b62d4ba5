//! What to send of what was seen: changed snapshots, tombstones of what is gone, a manifest where the set of ids changed.

use driftline_model::record::{InputKey, Listing, Manifest};
use driftline_model::{Coverage, ResourceKey, Snapshot};

use crate::ScopeSeen;
use crate::known::{Error, Known};

/// What was sent before, as far as it decides what to send: on disk for real, in memory in the simulation.
pub trait Sent {
    /// The content hash of a key.
    fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Ids of a scope that are not gone, in order.
    fn ids(&self, scope: &driftline_model::Scope) -> Result<Vec<String>, Error>;
    /// The manifest of a scope: its digest and its number of parts.
    fn manifest(&self, scope: &driftline_model::Scope) -> Result<Option<(String, u32)>, Error>;
}

impl Sent for Known {
    fn hash(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.hash(key)
    }

    fn ids(&self, scope: &driftline_model::Scope) -> Result<Vec<String>, Error> {
        self.ids(scope)
    }

    fn manifest(&self, scope: &driftline_model::Scope) -> Result<Option<(String, u32)>, Error> {
        self.manifest(scope)
    }
}

/// Ids in one manifest part: with ids of up to 2 KB a part stays under a message's limit.
const MANIFEST_IDS: usize = 400;

/// A record to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Encoded input key.
    pub key: String,
    /// JSON; `None` is a tombstone.
    pub body: Option<Vec<u8>>,
    /// Content hash.
    pub hash: Vec<u8>,
    /// The resource's own ARN.
    pub arn: String,
    /// What to remember once it is stored.
    pub remember: Remember,
}

/// What is known once a record is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Remember {
    /// The snapshot's hash.
    Snapshot,
    /// That the snapshot is gone.
    Gone,
    /// A manifest (with its last part): scope, digest, parts.
    Manifest(driftline_model::Scope, String, u32),
    /// Account facts.
    Other,
    /// Nothing.
    Nothing,
}

/// What was there and is not in a whole listing.
pub fn left_out(seen: &ScopeSeen, known: &impl Sent) -> Result<Vec<String>, Error> {
    if !seen.listed {
        return Ok(Vec::new());
    }
    let ids = known.ids(&seen.scope)?;
    Ok(ids.into_iter().filter(|id| seen.ids.binary_search(id).is_err()).collect())
}

/// Plans what to send of a scope, in order: snapshots, tombstones of what is gone, manifest. The latter two only after a
/// whole listing.
pub fn plan(seen: &ScopeSeen, gone: &[String], known: &impl Sent) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for snapshot in &seen.snapshots {
        let entry = snapshot_entry(snapshot);
        if known.hash(&entry.key)?.as_deref() != Some(&entry.hash) {
            entries.push(entry);
        }
    }
    if !seen.listed {
        return Ok(entries);
    }
    for id in gone.iter().filter(|id| seen.ids.binary_search(id).is_err()) {
        let scope = &seen.scope;
        let key = ResourceKey::new(&scope.account, &scope.region, &scope.kind, id);
        let key = InputKey::Snapshot(key).encode();
        entries.push(Entry { key, body: None, hash: Vec::new(), arn: String::new(), remember: Remember::Gone });
    }
    let digest = digest(seen.ids.iter().map(|id| id.as_bytes()));
    let before = known.manifest(&seen.scope)?;
    // A scope that is empty and always was needs no manifest: the cycle says so.
    let unchanged = before.as_ref().map_or(seen.ids.is_empty(), |(d, _)| *d == digest);
    if !unchanged {
        entries.extend(manifest(seen, &digest, before.map_or(0, |(_, parts)| parts)));
    }
    Ok(entries)
}

fn manifest(seen: &ScopeSeen, digest: &str, parts_before: u32) -> Vec<Entry> {
    let chunks: Vec<&[String]> = if seen.ids.is_empty() { vec![&[]] } else { seen.ids.chunks(MANIFEST_IDS).collect() };
    let parts = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    let mut entries: Vec<Entry> = (0..parts)
        .zip(chunks)
        .map(|(part, ids)| {
            let body =
                Manifest { revision: seen.revision.clone(), parts, digest: digest.to_owned(), ids: ids.to_vec() };
            let last = part + 1 == parts;
            let remember =
                if last { Remember::Manifest(seen.scope.clone(), digest.to_owned(), parts) } else { Remember::Nothing };
            plain(&InputKey::Manifest(seen.scope.clone(), part), &body, remember)
        })
        .collect();
    // Parts that the old manifest had beyond the new one's must not come back on a rebuild.
    entries.extend((parts..parts_before).map(|part| Entry {
        key: InputKey::Manifest(seen.scope.clone(), part).encode(),
        body: None,
        hash: Vec::new(),
        arn: String::new(),
        remember: Remember::Nothing,
    }));
    entries
}

fn snapshot_entry(snapshot: &Snapshot) -> Entry {
    let body = json(snapshot);
    Entry {
        key: InputKey::Snapshot(snapshot.key.clone()).encode(),
        hash: hash(&body),
        body: Some(body),
        arn: snapshot.arn.clone().unwrap_or_default(),
        remember: Remember::Snapshot,
    }
}

/// A record that is none of a resource: cycle, manifest, account facts.
pub fn plain(key: &InputKey, body: &impl serde::Serialize, remember: Remember) -> Entry {
    let body = json(body);
    Entry { key: key.encode(), hash: hash(&body), body: Some(body), arn: String::new(), remember }
}

/// The line of a cycle record for a scope.
pub fn listing(seen: &ScopeSeen, known: &impl Sent) -> Result<Listing, Error> {
    let mut hashes = Vec::new();
    for id in &seen.ids {
        let scope = &seen.scope;
        let key = InputKey::Snapshot(ResourceKey::new(&scope.account, &scope.region, &scope.kind, id)).encode();
        hashes.push([id.as_bytes(), &known.hash(&key)?.unwrap_or_default()].concat());
    }
    Ok(Listing {
        coverage: Coverage {
            account: seen.scope.account.clone(),
            region: seen.scope.region.clone(),
            kind: seen.scope.kind.clone(),
            status: seen.status,
            resources: seen.ids.len() as u64,
            error: seen.error.clone(),
        },
        began_ms: seen.began_ms,
        after_offset: seen.after_offset,
        whole: seen.listed,
        not_found: seen.not_found.clone(),
        digest: digest(hashes.iter().map(Vec::as_slice)),
    })
}

/// The types' serialisation has no failing case; an empty body would be rejected by the aggregator, not believed.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    blake3::hash(bytes).as_bytes()[..16].to_vec()
}

fn digest<'a>(items: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for item in items {
        hasher.update(&(item.len() as u64).to_le_bytes());
        hasher.update(item);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
