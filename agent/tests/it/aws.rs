//! A server that answers for EC2's VPCs as a test says, and a collector that reads it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use driftline_agent::ScopeSeen;
use driftline_agent::collect::{Budget, Collector, Target};
use driftline_aws::{Client, ClientConfig, EndpointConfig, Partition, RetryConfig};
use driftline_model::record::AccountFacts;
use driftline_model::{Catalogue, Scope, SecretKey};
use tokio::sync::mpsc;

pub(crate) const ACCOUNT: &str = "111111111111";
const REGION: &str = "eu-west-1";

/// What is in the account, and how it answers.
#[derive(Default)]
pub(crate) struct World {
    /// Ids that the listing shows, with a word that makes the item.
    pub(crate) listed: Mutex<BTreeMap<String, String>>,
    /// What looking up an id answers: status and body; else that there is none.
    pub(crate) by_id: Mutex<BTreeMap<String, (u16, String)>>,
    /// Further calls that were made, by id.
    pub(crate) read: Mutex<BTreeMap<String, usize>>,
    /// Milliseconds since 1970.
    pub(crate) now: Arc<AtomicI64>,
}

pub(crate) fn item(id: &str, word: &str) -> String {
    format!("<item><vpcId>{id}</vpcId><ownerId>{ACCOUNT}</ownerId><dhcpOptionsId>{word}</dhcpOptionsId></item>")
}

pub(crate) fn vpcs(items: &str) -> String {
    format!("<DescribeVpcsResponse><vpcSet>{items}</vpcSet></DescribeVpcsResponse>")
}

pub(crate) fn error(code: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>"
    )
}

impl World {
    pub(crate) fn list(&self, ids: &[(&str, &str)]) {
        *self.listed.lock().unwrap() = ids.iter().map(|(id, word)| ((*id).to_owned(), (*word).to_owned())).collect();
    }

    /// Which resources were read in full since the last time this was asked.
    pub(crate) fn read(&self) -> Vec<String> {
        std::mem::take(&mut *self.read.lock().unwrap()).into_keys().collect()
    }

    fn answer(&self, form: &str) -> (u16, String) {
        let field = |name: &str| form.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        match (field("Action"), field("VpcId.1"), field("VpcId")) {
            (Some("DescribeVpcs"), None, _) => {
                let items = self.listed.lock().unwrap();
                (200, vpcs(&items.iter().map(|(id, word)| item(id, word)).collect::<String>()))
            }
            (Some("DescribeVpcs"), Some(id), _) => {
                let by_id = self.by_id.lock().unwrap();
                by_id.get(id).cloned().unwrap_or_else(|| (400, error("InvalidVpcID.NotFound")))
            }
            (Some("DescribeVpcAttribute"), _, Some(id)) => {
                *self.read.lock().unwrap().entry(id.to_owned()).or_default() += 1;
                (200, format!("<DescribeVpcAttributeResponse><vpcId>{id}</vpcId></DescribeVpcAttributeResponse>"))
            }
            (Some(action), ..) => (200, format!("<{action}Response></{action}Response>")),
            (None, ..) => (400, error("MissingAction")),
        }
    }

    /// Serves it; a collector of its one account, whose only type is the VPC.
    pub(crate) async fn collector(self: &Arc<Self>, budget: Budget) -> Collector {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = |State(world): State<Arc<Self>>, form: String| async move {
            let (status, body) = world.answer(&form);
            (StatusCode::from_u16(status).unwrap(), [("content-type", "text/xml")], body)
        };
        let router = Router::new().fallback(answer).with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::new(ClientConfig {
            endpoint: EndpointConfig { url: Some(url), ..EndpointConfig::default() },
            retry: RetryConfig {
                attempts: 2,
                base: Duration::from_millis(1),
                throttled_base: Duration::from_millis(1),
                ..RetryConfig::default()
            },
            ..ClientConfig::default()
        });
        let target = Target {
            account: ACCOUNT.to_owned(),
            credentials: SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")),
            partition: Partition::Aws,
            regions: vec![REGION.to_owned()],
            global: false,
            types: vec!["aws_vpc".to_owned()],
            facts: AccountFacts::default(),
        };
        let secret = SecretKey::new("k1", *b"not a secret");
        let now = Arc::clone(&self.now);
        let clock = Arc::new(move || now.load(Ordering::SeqCst));
        Collector::new(client, Arc::new(Catalogue::embedded().unwrap()), secret, clock, vec![target], budget)
    }
}

pub(crate) fn scope() -> Scope {
    Scope { account: ACCOUNT.to_owned(), region: REGION.to_owned(), kind: "aws_vpc".to_owned() }
}

/// One round over the account's only scope.
pub(crate) async fn round(collector: &Collector) -> ScopeSeen {
    let (out, mut seen) = mpsc::channel(8);
    let target = collector.targets().next().unwrap();
    collector.read(target, &(Arc::new(|| 0i64) as driftline_agent::run::Reached), &out).await;
    seen.recv().await.unwrap()
}
