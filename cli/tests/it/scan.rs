//! `driftline scan` on the fleet.

use serde_json::Value;

use crate::rig::{Rig, is};

fn drifts(report: &Value) -> Vec<&Value> {
    report["drifts"].as_array().unwrap().iter().filter(|d| d["kind"] != "unmanaged").collect()
}

#[tokio::test]
async fn a_fleet_as_agreed_shows_no_drift_and_ten_changes_show_as_ten() {
    let rig = Rig::start().await;
    let config = rig.write("scan.toml", &rig.accounts());
    let states = rig.states();
    let scan = ["scan", "--baseline", &states, "--format", "json"];
    let (code, out, err) = rig.run(&config, &scan);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!((code, drifts(&report)), (0, Vec::new()), "{err}");
    assert_eq!(report["schema"], "driftline.scan/1");
    let blind: Vec<&Value> =
        report["coverage"].as_array().unwrap().iter().filter(|c| c["status"] != "complete").collect();
    assert_eq!(blind, Vec::<&Value>::new());
    assert!(report["summary"]["managed"].as_u64().unwrap() >= 60, "{}", report["summary"]);
    let unmanaged: usize = rig.fleet.accounts.iter().map(|a| a.unmanaged.len()).sum();
    assert!(report["summary"]["unmanaged"].as_u64().unwrap() >= unmanaged as u64, "{}", report["summary"]);

    let expected = rig.fleet.drift().await.unwrap();
    assert_eq!(expected.len(), 10);
    let (code, out, err) = rig.run(&config, &scan);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    let found = drifts(&report);
    for change in &expected {
        assert!(found.iter().any(|d| is(d, change)), "{} not found among {found:#?}", change.change);
    }
    assert_eq!((code, found.len()), (2, 10), "one drift per change");
    assert!(found.iter().all(|d| d["baseline"]["line"].is_u64() && !d["controls"].is_null()));

    let (_, text, _) = rig.run(&config, &["scan", "--baseline", &states]);
    for words in ["Critical issues", "Affected resources", "What was not seen", "SSH"] {
        assert!(text.contains(words), "{words} is missing in:\n{text}");
    }
    let (code, _, _) = rig.run(&config, &["scan", "--baseline", &states, "--type", "aws_ebs_volume"]);
    assert_eq!(code, 0, "nothing drifted in that type");
}

#[test]
fn bad_input_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_driftline"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    std::fs::write(folder.path().join("bad.tfstate"), "{\n  \"version\": 4,\n  \"resources\": [,]\n}").unwrap();
    std::fs::write(folder.path().join("bad.toml"), "[agnt]\n[agent]\nparallel = 0\n").unwrap();
    let cases: [(&[&str], &[&str]); 4] = [
        (&["baseline", "import", "bad.tfstate", "--dry-run"], &["bad.tfstate", "line 3, column 17"]),
        (&["baseline", "import", "absent.tfstate", "--dry-run"], &["absent.tfstate"]),
        (&["check-config", "--config", "bad.toml"], &["bad.toml:1", "did you mean `agent`", "bad.toml:3"]),
        (&["api", "ec2", "TerminateInstances"], &["no read operation"]),
    ];
    for (arguments, words) in cases {
        let (code, error) = run(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?} does not say {word}: {error}");
        }
    }
}
