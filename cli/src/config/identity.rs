//! `[agent.tls]` and `[aggregator.tls]`: the files that say who is who.

use std::path::PathBuf;

use driftline_identity::{ClientFiles, GateFiles, Previous};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::reader::Section;

/// The agent's files, if there is such a section.
pub(super) fn client(agent: &Section<'_>) -> Option<ClientFiles> {
    let given = agent.has("tls");
    let files = agent.section("tls", |s| {
        let (certificate, key, ca) = (file(s, "certificate", given), file(s, "key", given), file(s, "ca", given));
        Some(ClientFiles { certificate: certificate?, key: key?, ca: ca? })
    });
    files.filter(|_| given)
}

/// The aggregator's files, if there is such a section.
pub(super) fn gate(aggregator: &Section<'_>) -> Option<GateFiles> {
    let given = aggregator.has("tls");
    let files = aggregator.section("tls", |s| {
        let needed = ["certificate", "key", "ca", "grants"].map(|key| file(s, key, given));
        let (deny, former) = (file(s, "deny", false), file(s, "previous_ca", false));
        let until = s.text("previous_ca_until").and_then(|text| {
            let read = OffsetDateTime::parse(&text, &Rfc3339);
            if read.is_err() {
                s.wrong("previous_ca_until", "must be a time such as \"2026-12-31T00:00:00Z\"");
            }
            read.ok()
        });
        if former.is_some() && !s.has("previous_ca_until") {
            s.wrong("previous_ca", "until when? give `previous_ca_until` as well");
        }
        let previous = former.zip(until).map(|(ca, until)| Previous { ca, until: until.into() });
        let [Some(certificate), Some(key), Some(ca), Some(grants)] = needed else { return None };
        Some(GateFiles { certificate, key, ca, previous, grants, deny })
    });
    files.filter(|_| given)
}

fn file(section: &Section<'_>, key: &str, needed: bool) -> Option<PathBuf> {
    let path = section.text(key).map(PathBuf::from);
    if needed && !section.has(key) {
        section.wrong(key, "missing: a file in PEM, or of grants");
    }
    path
}
