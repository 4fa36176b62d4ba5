//! The calls of one account's round. Listings and contexts are made once and shared: one answer may yield several types.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use driftline_aws::{Client, Error, PageLimit};
use driftline_model::catalogue::Call;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Target, caller};

type Shared = Arc<OnceCell<Result<Arc<Value>, Arc<Error>>>>;

/// Makes calls in one account.
pub(crate) struct Calls {
    client: Client,
    target: Target,
    shared: Mutex<HashMap<String, Shared>>,
}

impl Calls {
    pub(crate) fn new(client: Client, target: &Target) -> Self {
        Self { client, target: target.clone(), shared: Mutex::default() }
    }

    /// A call with all its pages, made once per round for the same parameters.
    pub(crate) async fn once(&self, region: &str, call: &Call, params: Value) -> Result<Arc<Value>, Arc<Error>> {
        let name = format!("{region} {}:{} {params}", call.service, call.operation);
        let cell = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shared.entry(name).or_default())
        };
        cell.get_or_init(|| async { self.make(region, call, &params).await.map(Arc::new).map_err(Arc::new) })
            .await
            .clone()
    }

    /// A call with all its pages.
    pub(crate) async fn make(&self, region: &str, call: &Call, params: &Value) -> Result<Value, Error> {
        let caller = caller(&self.target, region);
        self.client.pages(&caller, &call.service, &call.operation, params, PageLimit::default()).await
    }
}
