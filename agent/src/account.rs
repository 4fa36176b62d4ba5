//! One round over an account: what changed goes to its queue, and the cycle record closes it.

use std::sync::Arc;

use driftline_model::CoverageStatus;
use driftline_model::record::{AccountFacts, Cycle, InputKey, Listing};
use driftline_proto::v1::Record;
use tokio::sync::{mpsc, watch};

use crate::delta::{self, Entry, Remember};
use crate::run::{Error, Reached, Shared};
use crate::seen::ScopeSeen;
use crate::sender::Standing;
use crate::spool::Queue;

/// Most ids of a scope and round that are looked up: of more that is gone at once, the next listing is the second proof.
const LOOK_UPS: usize = 100;

pub(crate) struct Account<'a> {
    shared: &'a Shared,
    account: &'a str,
    queue: &'a Arc<Queue>,
    standing: watch::Receiver<Standing>,
    /// How the account stood when the round began: of another epoch, the next round begins anew.
    began: Standing,
}

impl<'a> Account<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        account: &'a str,
        queue: &'a Arc<Queue>,
        mut standing: watch::Receiver<Standing>,
    ) -> Self {
        let began = *standing.borrow_and_update();
        Self { shared, account, queue, standing, began }
    }

    pub(crate) async fn round(&mut self, facts: &AccountFacts) -> Result<(), Error> {
        let began_ms = (self.shared.clock)();
        self.facts(facts).await?;
        let (out, mut scopes) = mpsc::channel(8);
        let reader = Arc::clone(&self.shared.reader);
        let (link, account) = (self.shared.link.clone(), self.account.to_owned());
        let at_start = link.reached(&account);
        let asked = account.clone();
        let reached: Reached = Arc::new(move || link.reached(&asked));
        let reading = async move { reader.round(&account, reached, out).await };
        let mut listings = Vec::new();
        let storing = async {
            while let Some(seen) = scopes.recv().await {
                listings.extend(self.scope(seen).await?);
            }
            Ok::<_, Error>(())
        };
        let (round, stored) = tokio::join!(reading, storing);
        stored?;
        self.shared.known.persist()?;
        let cycle = Cycle {
            catalogue: round.catalogue,
            regions: round.regions,
            types: round.types,
            listings,
            began_ms,
            ended_ms: (self.shared.clock)(),
            after_offset: at_start,
        };
        self.store(vec![delta::plain(&InputKey::Cycle(self.account.to_owned()), &cycle, Remember::Nothing)]).await
    }

    async fn facts(&mut self, facts: &AccountFacts) -> Result<(), Error> {
        let key = InputKey::Account(self.account.to_owned());
        let entry = delta::plain(&key, facts, Remember::Other);
        if self.shared.known.other(&entry.key)?.as_deref() == Some(&entry.hash) {
            return Ok(());
        }
        self.store(vec![entry]).await
    }

    /// Stores what changed in a scope; its line in the cycle, unless it was complete and empty.
    async fn scope(&mut self, mut seen: ScopeSeen) -> Result<Option<Listing>, Error> {
        debug_assert!(seen.scope.account == self.account, "a reader stays within its account");
        let gone = delta::left_out(&seen, &self.shared.known)?;
        if !gone.is_empty() {
            let asked = &gone[..gone.len().min(LOOK_UPS)];
            for (id, answer) in self.shared.reader.look_up(&seen.scope, asked).await {
                seen.looked_up(id, &answer);
            }
        }
        self.store(delta::plan(&seen, &gone, &self.shared.known)?).await?;
        let quiet = seen.status == CoverageStatus::Complete && seen.ids.is_empty() && seen.not_found.is_empty();
        Ok(if quiet { None } else { Some(delta::listing(&seen, &self.shared.known)?) })
    }

    /// Stores in order, waiting for room, and remembers what is stored. A round that lost its epoch stores nothing more: what
    /// counts as sent has changed under it.
    async fn store(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() || *self.standing.borrow() != self.began {
            return Ok(());
        }
        let records = entries.iter().map(|entry| self.record(entry)).collect();
        let next = self.queue.append(records).await;
        let known = &self.shared.known;
        known.stored(self.account, next)?;
        for entry in &entries {
            match &entry.remember {
                Remember::Snapshot => known.snapshot_stored(&entry.key, Some(&entry.hash))?,
                Remember::Gone => known.snapshot_stored(&entry.key, None)?,
                Remember::Manifest(scope, digest, parts) => known.manifest_stored(scope, digest, *parts)?,
                Remember::Other => known.other_stored(&entry.key, &entry.hash)?,
                Remember::Nothing => {}
            }
        }
        Ok(())
    }

    /// Its number is the queue's to give, its epoch and sequence are the sender's and the link's.
    fn record(&self, entry: &Entry) -> Record {
        Record {
            sequence: 0,
            key: entry.key.clone(),
            epoch: 0,
            number: 0,
            time_ms: (self.shared.clock)(),
            hash: entry.hash.clone().into(),
            tombstone: entry.body.is_none(),
            body: entry.body.clone().unwrap_or_default().into(),
            arn: entry.arn.clone(),
            version: 1,
        }
    }
}
