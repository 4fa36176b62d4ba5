//! Grants by organizational unit: where an account stands is what AWS Organizations says (moto), never what an agent does.

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use driftline_aws::accounts::places;
use driftline_aws::limiter::Rate;
use driftline_aws::{Access, Caller, Client, ClientConfig, Limiter, LimiterConfig, Partition};
use driftline_identity::Inventory;
use driftline_identity::proof::ProofRules;
use driftline_proto::v1::Reason;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::identity::{Certs, now};
use crate::proof::{Talk, endpoint, proof, role, sts};
use crate::rig::Rig;

const GRANTS: &str = "[[roles]]\nname = \"DriftlineRead\"\nunits = [\"/Root/Workloads\"]\n";

/// An organization with units: Root, Workloads, Production below it, and WorkloadsOld beside it.
struct Organization {
    client: Client,
    access: Access,
    root: String,
    units: BTreeMap<&'static str, String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Organization {
    async fn new(url: &str) -> Self {
        // As fast as moto answers, not as AWS would.
        let fast = Rate { per_second: 1000.0, burst: 1000.0 };
        let rates = BTreeMap::from([("organizations".to_owned(), fast)]);
        let limiter = Limiter::new(LimiterConfig { rates, ..LimiterConfig::default() });
        let client = Client::new(ClientConfig { endpoint: endpoint(url), limiter, ..ClientConfig::default() });
        let own = SharedCredentialsProvider::new(Credentials::for_tests());
        let access = Access::with_credentials(own, "eu-west-1", client.clone());
        let mut made = Self { client, access, root: String::new(), units: BTreeMap::new() };
        made.call("CreateOrganization", json!({ "FeatureSet": "ALL" })).await;
        made.root = text(&made.call("ListRoots", json!({})).await["Roots"][0]["Id"]);
        for (name, parent) in [("Workloads", None), ("Production", Some("Workloads")), ("WorkloadsOld", None)] {
            let parent = parent.map_or(&made.root, |name| &made.units[name]);
            let unit = made.call("CreateOrganizationalUnit", json!({ "ParentId": parent, "Name": name })).await;
            made.units.insert(name, text(&unit["OrganizationalUnit"]["Id"]));
        }
        made
    }

    async fn call(&self, operation: &str, params: Value) -> Value {
        let caller = Caller {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            credentials: self.access.own(),
            partition: Partition::Aws,
        };
        self.client.call(&caller, "organizations", operation, &params).await.unwrap()
    }

    /// A new account in a unit.
    async fn account(&self, unit: &str) -> String {
        let params = json!({ "AccountName": unit, "Email": format!("{unit}@b.c") });
        let account = text(&self.call("CreateAccount", params).await["CreateAccountStatus"]["AccountId"]);
        self.shift(&account, &self.root, &self.units[unit]).await;
        account
    }

    async fn shift(&self, account: &str, from: &str, to: &str) {
        let params = json!({ "AccountId": account, "SourceParentId": from, "DestinationParentId": to });
        self.call("MoveAccount", params).await;
    }

    async fn places(&self) -> Inventory {
        places(&self.client, &self.access).await.unwrap()
    }
}

#[tokio::test]
async fn an_account_is_spoken_for_while_organizations_has_it_in_the_unit() {
    let moto = driftline_dev::moto::start(None).unwrap();
    let organization = Organization::new(&moto.url()).await;
    let inside = organization.account("Production").await;
    let outside = organization.account("WorkloadsOld").await;
    let (inventory, known) = watch::channel(Inventory::new());
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::with(folder.path(), Some(ProofRules::default()), known);
    certs.write("grants.toml", GRANTS);
    certs.gate.reload().unwrap();
    let rig = Rig::asking(folder, Some(certs.gate.clone()), sts(&moto.url())).await;
    let mut talk = Talk::start(&rig, &certs, &[&inside, &outside]).await;
    let prove = async |account: &str, challenge: &[u8]| {
        let by = role(&moto, account, "DriftlineRead").await;
        proof(&by, "eu-west-1", account, challenge, now()).await
    };
    let challenge = talk.challenge.clone();
    let unknown = talk.claim(&inside, prove(&inside, &challenge).await).await.expect("nothing is known yet");
    assert_eq!(unknown.reason(), Reason::Forbidden);

    let found = organization.places().await;
    assert_eq!(
        (found[&inside].as_str(), found[&outside].as_str()),
        ("/Root/Workloads/Production", "/Root/WorkloadsOld")
    );
    inventory.send_replace(found);
    assert_eq!(talk.claim(&inside, prove(&inside, &challenge).await).await, None);
    let refused = talk.claim(&outside, prove(&outside, &challenge).await).await.expect("of another unit");
    assert_eq!(refused.reason(), Reason::Forbidden, "a unit whose name begins alike");

    // The account leaves the unit: its stream ends at the next look.
    organization.shift(&inside, &organization.units["Production"], &organization.units["WorkloadsOld"]).await;
    inventory.send_replace(organization.places().await);
    certs.gate.reload().unwrap();
    let ended = talk.end().await;
    assert_eq!(ended.code(), tonic::Code::PermissionDenied);
    let mut talk = Talk::start(&rig, &certs, &[&inside]).await;
    let proven = prove(&inside, &talk.challenge).await;
    assert_eq!(talk.claim(&inside, proven).await.unwrap().reason(), Reason::Forbidden);
}
