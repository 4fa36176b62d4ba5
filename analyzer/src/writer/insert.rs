//! Inserting records. One that the database refuses for good is found by halving and is a dead letter; a database that
//! takes none at all has another trouble, which is the caller's to tell.

use driftline_bus::Record;
use driftline_store::{Error as StoreError, Store};

use super::batch::Rows;

/// Single records refused, with none taken, after which the fault is not theirs.
const SUSPECTS: usize = 8;

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
        Err(error) if away(&error) || sound.len() == 1 => return Err(error),
        Err(_) => refused.extend(halve(store, &sound).await?),
    }
    Ok(refused)
}

/// Finds out which of sound records the database refuses.
async fn halve<'a>(store: &Store, records: &[&'a Record]) -> Result<Refused<'a>, StoreError> {
    let (first, second) = records.split_at(records.len() / 2);
    let mut parts = vec![second, first];
    let (mut taken, mut refused) = (false, Refused::new());
    while let Some(part) = parts.pop() {
        let mut rows = Rows::default();
        // They have been read before.
        part.iter().for_each(|r| drop(rows.add(r)));
        match (rows.insert(store).await, part) {
            (Ok(()), _) => taken = true,
            (Err(error), _) if away(&error) => return Err(error),
            (Err(error), [record]) => {
                if !taken && (refused.len() >= SUSPECTS || parts.is_empty()) {
                    return Err(error);
                }
                refused.push((record, error.to_string()));
            }
            (Err(_), part) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
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
