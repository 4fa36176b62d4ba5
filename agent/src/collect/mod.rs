//! Reading accounts as the catalogue says: lists scopes, makes the further calls per resource under the limiter, and turns
//! the answers into snapshots. What was not seen is told as coverage, never inferred.

mod calls;
mod look_up;
mod resource;
mod schedule;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftline_aws::{Caller, Client, Partition};
use driftline_identity::proof::Subject;
use driftline_model::catalogue::{Catalogue, Type};
use driftline_model::record::AccountFacts;
use driftline_model::resource::GLOBAL;
use driftline_model::secret::SecretKey;
use driftline_model::{CoverageStatus, Scope};
use futures::stream::{self, StreamExt};
use tokio::sync::{Mutex, mpsc};

pub use look_up::LookUps;
pub use schedule::{Budget, Rounds};

use crate::prove;
use crate::run::{Clock, Reached, Reader, Round};
use crate::seen::{LookedUp, ScopeSeen};
use calls::Calls;
use schedule::Memory;

/// Scopes of one account that are read at the same time; the limiter holds the calls.
const SCOPES: usize = 8;

/// An account to read.
#[derive(Clone)]
pub struct Target {
    /// Account id.
    pub account: String,
    /// Who to be in it.
    pub credentials: SharedCredentialsProvider,
    /// Its partition.
    pub partition: Partition,
    /// Regions to read, without `global`.
    pub regions: Vec<String>,
    /// Whether types without a region are read too.
    pub global: bool,
    /// Types to read; empty is all.
    pub types: Vec<String>,
    /// What is known of the account.
    pub facts: AccountFacts,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("account", &self.account).field("regions", &self.regions).finish_non_exhaustive()
    }
}

/// Reads accounts.
pub struct Collector {
    client: Client,
    catalogue: Arc<Catalogue>,
    secret: SecretKey,
    clock: Clock,
    targets: BTreeMap<String, Target>,
    budget: Budget,
    memory: Mutex<BTreeMap<String, Arc<Mutex<Memory>>>>,
}

impl Collector {
    /// A collector for these accounts. `budget` bounds the further calls of a round; a scan has none.
    pub fn new(
        client: Client,
        catalogue: Arc<Catalogue>,
        secret: SecretKey,
        clock: Clock,
        targets: Vec<Target>,
        budget: Budget,
    ) -> Self {
        let targets = targets.into_iter().map(|t| (t.account.clone(), t)).collect();
        Self { client, catalogue, secret, clock, targets, budget, memory: Mutex::default() }
    }

    /// The scopes of an account: every type in every region it is read in.
    pub fn scopes(&self, target: &Target) -> Vec<(Arc<Type>, Scope)> {
        let mut scopes = Vec::new();
        for kind in self.catalogue.types() {
            if !target.types.is_empty() && !target.types.iter().any(|t| kind.is(t)) {
                continue;
            }
            let regions: Vec<&str> = match kind.scope {
                driftline_model::catalogue::Scope::Global if target.global => vec![GLOBAL],
                driftline_model::catalogue::Scope::Global => Vec::new(),
                driftline_model::catalogue::Scope::Regional => target.regions.iter().map(String::as_str).collect(),
            };
            for region in regions {
                let scope = Scope { account: target.account.clone(), region: region.into(), kind: kind.name.clone() };
                scopes.push((Arc::clone(kind), scope));
            }
        }
        scopes
    }

    /// Reads every scope of an account; each goes to `out` as it is complete.
    pub async fn read(&self, target: &Target, reached: &Reached, out: &mpsc::Sender<ScopeSeen>) {
        let memory = Arc::clone(self.memory.lock().await.entry(target.account.clone()).or_default());
        let mut memory = memory.lock().await;
        let now = (self.clock)();
        let calls = Calls::new(self.client.clone(), target);
        let shared = std::sync::Mutex::new(&mut *memory);
        let reader = |(kind, scope)| scope::Reader {
            calls: &calls,
            kind,
            scope,
            target,
            secret: &self.secret,
            began_ms: (self.clock)(),
            after_offset: reached(),
        };
        let scopes = self.scopes(target);
        scopes.iter().cloned().map(reader).for_each(|reader| reader.announce());
        let reads = stream::iter(scopes).map(|scope| {
            let reader = reader(scope);
            let (budget, shared) = (&self.budget, &shared);
            async move {
                let seen = reader.read(|items| schedule::choose(items, shared, budget, now)).await;
                // Nobody listens any more: the round is given up.
                let _ = out.send(seen).await;
            }
        });
        reads.buffer_unordered(SCOPES).collect::<()>().await;
        memory.end_round(now);
    }

    /// The accounts.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values()
    }
}

#[async_trait]
impl Reader for Collector {
    fn accounts(&self) -> BTreeMap<String, AccountFacts> {
        self.targets.iter().map(|(id, t)| (id.clone(), t.facts.clone())).collect()
    }

    async fn round(&self, account: &str, reached: Reached, out: mpsc::Sender<ScopeSeen>) -> Round {
        let Some(target) = self.targets.get(account) else { return Round::default() };
        self.read(target, &reached, &out).await;
        let scopes = self.scopes(target);
        let unique = |pick: fn(&Scope) -> &String| {
            let set: std::collections::BTreeSet<String> = scopes.iter().map(|(_, s)| pick(s).clone()).collect();
            set.into_iter().collect()
        };
        Round {
            catalogue: self.catalogue.revision().to_owned(),
            regions: unique(|s| &s.region),
            types: unique(|s| &s.kind),
        }
    }

    async fn look_up(&self, scope: &Scope, ids: &[String]) -> Vec<(String, LookedUp)> {
        let by_id = self.catalogue.get(&scope.kind).is_some_and(|kind| kind.read.one.is_some());
        match self.look_ups(&scope.account).filter(|_| by_id) {
            Some(look_ups) => look_ups.find_all(scope, ids).await,
            None => Vec::new(),
        }
    }

    async fn prove(&self, account: &str, challenge: &[u8]) -> Result<Vec<u8>, String> {
        let target = self.targets.get(account).ok_or("no such account is read")?;
        let region = target.regions.first().map_or(GLOBAL, String::as_str);
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from((self.clock)()).unwrap_or_default());
        let subject = Subject { account, challenge };
        prove::by_credentials(&target.credentials, call_region(target, region), subject, now).await
    }
}

/// The region that calls go to: its own, or of what has none the partition's home.
fn call_region<'a>(target: &Target, region: &'a str) -> &'a str {
    match (region, target.partition) {
        (GLOBAL, Partition::Aws) => "us-east-1",
        (GLOBAL, Partition::AwsCn) => "cn-north-1",
        (GLOBAL, Partition::AwsUsGov) => "us-gov-west-1",
        (region, _) => region,
    }
}

fn caller(target: &Target, region: &str) -> Caller {
    Caller {
        account: target.account.clone(),
        region: call_region(target, region).to_owned(),
        credentials: target.credentials.clone(),
        partition: target.partition,
    }
}

/// What an error of a listing means for coverage.
pub fn status(error: &driftline_aws::Error) -> CoverageStatus {
    if error.is_denied() {
        CoverageStatus::Denied
    } else if error.is_throttled() {
        CoverageStatus::Throttled
    } else if error.is_region_unsupported() {
        CoverageStatus::Unsupported
    } else {
        CoverageStatus::Failed
    }
}
