//! What the binary does without any server: its command line, and `baseline import|list|remove` on the embedded log.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn driftline(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
    command.args(args).args(["--format", "json"]).current_dir(folder).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn told(folder: &Path, args: &[&str]) -> Value {
    let output = driftline(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A state with one network.
fn state(folder: &Path, name: &str, id: &str) {
    let arn = format!("arn:aws:ec2:eu-west-1:111111111111:vpc/{id}");
    let attributes = json!({ "id": id, "arn": arn, "cidr_block": "10.0.0.0/16", "owner_id": "111111111111" });
    let resource = json!({
        "mode": "managed", "type": "aws_vpc", "name": "main",
        "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
        "instances": [{ "schema_version": 1, "attributes": attributes }],
    });
    let state = json!({
        "version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": name, "outputs": {}, "resources": [resource],
    });
    std::fs::write(folder.join(name), serde_json::to_vec(&state).unwrap()).unwrap();
}

#[test]
fn a_source_is_listed_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // A log is what tells that something here follows it.
    std::fs::create_dir_all(folder.join(".driftline/log")).unwrap();
    state(folder, "a.tfstate", "vpc-0a");
    state(folder, "b.tfstate", "vpc-0b");
    let imported = told(folder, &["baseline", "import", "a.tfstate", "b.tfstate"]);
    assert_eq!((&imported["instances"], &imported["baselines"]), (&json!(2), &json!(2)), "{imported}");

    let sources = |list: &Value| -> Vec<(String, usize)> {
        let one = |s: &Value| (s["source"].as_str().unwrap().to_owned(), s["keys"].as_array().unwrap().len());
        list.as_array().unwrap().iter().map(one).collect()
    };
    let list = told(folder, &["baseline", "list"]);
    assert_eq!(sources(&list), [("a.tfstate".to_owned(), 1), ("b.tfstate".to_owned(), 1)]);

    // One that isn't there: nothing is removed, and it says where to look.
    let refused = driftline(folder, &["baseline", "remove", "b.tfstate", "c.tfstate"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && text.contains("`c.tfstate`") && text.contains("baseline list"),
        "{text}"
    );
    assert_eq!(sources(&told(folder, &["baseline", "list"])).len(), 2);

    assert_eq!(told(folder, &["baseline", "remove", "a.tfstate"]), json!({ "baselines": 1 }));
    assert_eq!(sources(&told(folder, &["baseline", "list"])), [("b.tfstate".to_owned(), 1)]);
    // What was withdrawn may come again.
    told(folder, &["baseline", "import", "a.tfstate"]);
    assert_eq!(sources(&told(folder, &["baseline", "list"])).len(), 2);
}

#[test]
fn a_private_ca_is_made_rotated_and_revokes() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let read = |name: &str| std::fs::read_to_string(folder.join("certs").join(name)).unwrap();
    told(folder, &["certs", "init", "--host", "aggregator.internal", "--host", "10.0.0.7"]);
    told(folder, &["certs", "agent", "eu", "--account", "111111111111"]);
    told(folder, &["certs", "agent", "us", "--unit", "/Root/US"]);
    for key in ["ca.key", "aggregator.key", "agents/eu.key"] {
        let mode = std::fs::metadata(folder.join("certs").join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let grants = driftline_identity::Grants::parse(&read("grants.toml")).unwrap();
    let eu = driftline_identity::AgentId::parse("spiffe://driftline/agent/eu").unwrap();
    assert!(grants.allow(&eu, "111111111111", &driftline_identity::Inventory::new()));
    // Neither a second CA in the same place, nor a name that leaves the folder, nor the same grant twice.
    for wrong in
        [&["certs", "init"][..], &["certs", "agent", "../eu"], &["certs", "agent", "eu", "--account", "222222222222"]]
    {
        let output = driftline(folder, wrong);
        assert_eq!(output.status.code(), Some(1), "{wrong:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let before = (read("ca.pem"), read("agents/eu.pem"));
    told(folder, &["certs", "rotate"]);
    assert!(read("ca.pem") != before.0 && read("agents/eu.pem") != before.1);
    assert_eq!(read("ca-before.pem"), before.0);
    assert_eq!(read("trust.pem"), format!("{}{}", read("ca.pem"), before.0), "agents trust both");
    let hosts = driftline_identity::hosts(&folder.join("certs/aggregator.pem")).unwrap();
    assert_eq!(hosts, ["aggregator.internal", "10.0.0.7"]);
    told(folder, &["certs", "revoke", "eu"]);
    assert!(driftline_identity::DenyList::parse(&read("deny.txt")).unwrap().denies(&eu, b""));
}

#[test]
fn a_slip_on_the_command_line_is_an_error_and_no_drift() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&["scan", "--account", "123"][..], 1),
        (&["scna"], 1),
        (&[], 1),
        (&["--version"], 0),
        (&["scan", "--help"], 0),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_driftline")).args(args).current_dir(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
