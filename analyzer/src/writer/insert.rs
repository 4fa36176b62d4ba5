//! Inserting records. One that the database refuses for good is found by halving and is a dead letter; a database that
//! takes not even what it holds already has another trouble, which is the caller's to tell.

use driftline_bus::Record;
use driftline_store::{Error as StoreError, Store};

use super::batch::Rows;

/// Records that can never be stored, and why.
pub(crate) type Refused<'a> = Vec<(&'a Record, String)>;

/// Inserts all that can be. An error is about the database, and all of it is to be repeated.
pub(crate) async fn insert<'a>(store: &Store, records: &'a [Record]) -> Result<Refused<'a>, StoreError> {
    let (mut rows, mut sound, mut refused) = (Rows::default(), Vec::new(), Refused::new());
    for record in records {
        match rows.add(record) {
            Ok(()) => sound.push(record),
            Err(reason) => refused.push((record, reason)),
        }
    }
    match rows.insert(store).await {
        Ok(()) => {}
        Err(error) => refused.extend(blame(store, error, &sound).await?),
    }
    Ok(refused)
}

/// Finds out which of sound records the database refuses, if it is they that are the trouble.
async fn blame<'a>(store: &Store, error: StoreError, records: &[&'a Record]) -> Result<Refused<'a>, StoreError> {
    if away(&error) || !matches!(error, StoreError::Database(_)) || store.takes_rows().await.is_err() {
        return Err(error);
    }
    let (mut parts, mut refused) = (vec![(records, error)], Refused::new());
    while let Some((part, error)) = parts.pop() {
        if let [record] = part {
            refused.push((record, error.to_string()));
            continue;
        }
        let (first, second) = part.split_at(part.len() / 2);
        for half in [second, first] {
            let mut rows = Rows::default();
            // They have been read before.
            half.iter().for_each(|r| drop(rows.add(r)));
            match rows.insert(store).await {
                Ok(()) => {}
                Err(error @ StoreError::Database(_)) if !away(&error) => parts.push((half, error)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(refused)
}

/// Whether waiting helps.
pub(crate) fn away(error: &StoreError) -> bool {
    error.is_transient() || matches!(error, StoreError::Limit(_))
}

impl Rows {
    async fn insert(&self, store: &Store) -> Result<(), StoreError> {
        store.insert_transitions(&self.transitions).await?;
        store.insert_snapshots(&self.snapshots).await?;
        store.insert_coverage(&self.cycles).await?;
        store.insert_accounts(&self.accounts).await
    }
}
