//! A judge that needs no catalogue: it compares attribute by attribute, and finds `open = true` insecure.

use std::collections::BTreeMap;

use driftline_analyzer::{Judge, Judged, Sight};
use driftline_model::record::Part;
use driftline_model::{Drift, DriftKind, Finding, ResourceKey, Severity, Snapshot, Value, drift_id, finding_id};

#[derive(Debug, Default)]
pub(crate) struct Plain;

impl Judge for Plain {
    fn revision(&self) -> &str {
        "plain"
    }

    fn judge(&self, key: &ResourceKey, sight: Sight<'_>, parts: &[Part]) -> Judged {
        let mut judged = Judged::default();
        let agreed: BTreeMap<&String, &Value> =
            parts.iter().flat_map(|p| &p.instances).flat_map(|i| &i.attributes).collect();
        judged.declared = agreed.keys().map(|k| (*k).clone()).collect();
        match sight {
            Sight::Gone => judged.drifts.push(drift(key, DriftKind::Missing, "", Value::Null, Value::Null)),
            Sight::Moved(s) => {
                judged.drifts.push(drift(
                    key,
                    DriftKind::Moved,
                    "",
                    key.region.clone().into(),
                    s.key.region.clone().into(),
                ));
            }
            Sight::Seen(snapshot) => {
                assert!(!snapshot.attributes.contains_key("panic"), "told to");
                judged.unknown = snapshot.unread.keys().cloned().collect();
                if parts.is_empty() && snapshot.owner.is_none() {
                    judged.drifts.push(drift(key, DriftKind::Unmanaged, "", Value::Null, Value::Null));
                }
                for (path, expected) in agreed {
                    let actual = snapshot.attributes.get(path).cloned().unwrap_or(Value::Null);
                    if !snapshot.unread.contains_key(path) && actual != *expected {
                        judged.drifts.push(drift(key, DriftKind::Modified, path, expected.clone(), actual));
                    }
                }
                judged.findings.extend(insecure(key, snapshot));
            }
        }
        judged
    }
}

fn insecure(key: &ResourceKey, snapshot: &Snapshot) -> Option<Finding> {
    let actual = snapshot.attributes.get("open").filter(|v| v.as_str() == Some("true"))?;
    Some(Finding {
        id: finding_id(key, "open", "open"),
        account: key.account.clone(),
        region: key.region.clone(),
        type_name: key.kind.clone(),
        resource: key.id.clone(),
        arn: None,
        path: "open".to_owned(),
        actual: actual.clone(),
        severity: Severity::Critical,
        rule: "open".to_owned(),
        reason: "it is open".to_owned(),
        controls: Vec::new(),
    })
}

fn drift(key: &ResourceKey, kind: DriftKind, path: &str, expected: Value, actual: Value) -> Drift {
    Drift {
        id: drift_id(key, kind, path),
        account: key.account.clone(),
        region: key.region.clone(),
        type_name: key.kind.clone(),
        resource: key.id.clone(),
        arn: None,
        kind,
        path: path.to_owned(),
        expected,
        actual,
        severity: Severity::Low,
        reason: "it differs".to_owned(),
        controls: Vec::new(),
        baseline: None,
        remediation: None,
        waiver: None,
    }
}
