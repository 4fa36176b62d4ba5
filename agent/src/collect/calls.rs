//! The calls of one account's round. Listings and contexts are made once and shared: one answer may yield several types.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use driftline_aws::{Client, Error, PageLimit};
use driftline_model::catalogue::Call;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Target, caller};

type Shared = Arc<OnceCell<Result<Arc<Value>, Arc<Error>>>>;

/// A call that is made once, and how many still want its answer; where that is not known it is kept as long as the round.
#[derive(Default)]
struct Once {
    cell: Shared,
    wanted: Option<usize>,
}

/// Makes calls in one account.
pub(crate) struct Calls {
    client: Client,
    target: Target,
    shared: Mutex<HashMap<String, Once>>,
}

impl Calls {
    pub(crate) fn new(client: Client, target: &Target) -> Self {
        Self { client, target: target.clone(), shared: Mutex::default() }
    }

    /// Announces one more [`Self::once`] of this call: whoever is the last to ask has the answer for itself.
    pub(crate) fn expect(&self, region: &str, call: &Call, params: &Value) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        *shared.entry(name(region, call, params)).or_default().wanted.get_or_insert(0) += 1;
    }

    /// A call with all its pages, made once per round for the same parameters.
    pub(crate) async fn once(&self, region: &str, call: &Call, params: Value) -> Result<Arc<Value>, Arc<Error>> {
        let cell = self.cell(name(region, call, &params));
        let make = || async { self.make(region, call, &params).await.map(Arc::new).map_err(Arc::new) };
        cell.get_or_init(make).await.clone()
    }

    fn cell(&self, name: String) -> Shared {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let once = shared.entry(name.clone()).or_default();
        let cell = Arc::clone(&once.cell);
        if let Some(wanted) = &mut once.wanted {
            *wanted = wanted.saturating_sub(1);
            if *wanted == 0 {
                shared.remove(&name);
            }
        }
        cell
    }

    /// A call with all its pages.
    pub(crate) async fn make(&self, region: &str, call: &Call, params: &Value) -> Result<Value, Error> {
        let caller = caller(&self.target, region);
        self.client.pages(&caller, &call.service, &call.operation, params, PageLimit::default()).await
    }
}

fn name(region: &str, call: &Call, params: &Value) -> String {
    format!("{region} {}:{} {params}", call.service, call.operation)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use driftline_aws::{ClientConfig, Partition};
    use driftline_model::record::AccountFacts;

    use super::*;

    fn calls() -> Calls {
        let target = Target {
            account: "111122223333".to_owned(),
            credentials: SharedCredentialsProvider::new(Credentials::new("id", "secret", None, None, "test")),
            partition: Partition::Aws,
            regions: Vec::new(),
            global: true,
            types: Vec::new(),
            facts: AccountFacts::default(),
        };
        Calls::new(Client::new(ClientConfig::default()), &target)
    }

    #[test]
    fn an_answer_is_kept_until_all_have_it_who_want_it() {
        let calls = calls();
        let call = Call { service: "iam".to_owned(), operation: "ListRoles".to_owned(), ..Call::default() };
        let (mine, other) = (Value::Null, Value::from("other"));
        for params in [&mine, &mine, &other] {
            calls.expect("global", &call, params);
        }
        let cell = |params: &Value| calls.cell(name("global", &call, params));
        let first = cell(&mine);
        let last = cell(&mine);
        assert!(Arc::ptr_eq(&first, &last), "both wait for one call");
        drop(first);
        assert!(Arc::into_inner(last).is_some(), "nobody else holds it");
        assert!(Arc::into_inner(cell(&other)).is_some());
        let unannounced = cell(&mine);
        assert!(Arc::ptr_eq(&unannounced, &cell(&mine)), "kept for whoever asks next");
    }
}
