//! `[agent.tls]`, `[aggregator.tls]` and `[aggregator.proof]`: what says who is who.

use std::path::PathBuf;
use std::time::Duration;

use driftline_identity::proof::{self, ProofRules};
use driftline_identity::{ClientFiles, GateFiles, Pair, Previous};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::reader::Section;

/// Beyond that AWS takes no signature whoever signed it.
const MAX_AGE: Duration = Duration::from_secs(900);

/// The agent's files, if there is such a section.
pub(super) fn client(agent: &Section<'_>) -> Option<ClientFiles> {
    let given = agent.has("tls");
    let files = agent.section("tls", |s| {
        let ca = file(s, "ca", given);
        let needed = s.has("certificate") || s.has("key");
        let own = file(s, "certificate", needed).zip(file(s, "key", needed));
        Some(ClientFiles { own: own.map(|(certificate, key)| Pair { certificate, key }), ca: ca? })
    });
    files.filter(|_| given)
}

/// The aggregator's files, if there is such a section, and what it takes for a proof by STS.
pub(super) fn gate(aggregator: &Section<'_>) -> Option<GateFiles> {
    let (given, proving) = (aggregator.has("tls"), aggregator.has("proof"));
    if proving && !given {
        aggregator.wrong("proof", "agents must know whom they prove it to: give `tls` as well");
    }
    let proofs = aggregator.section("proof", |s| {
        let regions = s.texts("regions");
        if let Some(bad) = regions.iter().find(|region| proof::partition(region).is_none()) {
            s.wrong("regions", &format!("`{bad}` is no region of aws, aws-cn or aws-us-gov"));
        }
        let max_age = s.duration("max_age", proof::MAX_AGE);
        if max_age > MAX_AGE {
            s.wrong("max_age", "must be 15 minutes at most: AWS takes no older signature");
        }
        ProofRules { regions, max_age }
    });
    let files = aggregator.section("tls", |s| {
        let needed = ["certificate", "key", "grants"].map(|key| file(s, key, given));
        let (deny, former) = (file(s, "deny", false), file(s, "previous_ca", false));
        let ca = file(s, "ca", given && !proving);
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
        if former.is_some() && ca.is_none() {
            s.wrong("previous_ca", "before which one? give `ca` as well");
        }
        let previous = former.zip(until).map(|(ca, until)| Previous { ca, until: until.into() });
        let [Some(certificate), Some(key), Some(grants)] = needed else { return None };
        Some(GateFiles { certificate, key, ca, previous, grants, deny, proofs: proving.then_some(proofs) })
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

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn problems(text: &str) -> Vec<String> {
        Config::parse(text).err().unwrap_or_default().into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn certificates_proofs_or_both() {
        let server = "tls = { certificate = \"a\", key = \"b\", grants = \"g\"";
        let good = [
            format!("[aggregator]\n{server}, ca = \"c\" }}"),
            format!("[aggregator]\nproof = {{}}\n{server} }}"),
            format!("[aggregator]\nproof = {{ regions = [\"eu-west-1\"], max_age = \"1m\" }}\n{server}, ca = \"c\" }}"),
            "[agent]\ntls = { ca = \"c\" }".to_owned(),
            "[agent]\ntls = { ca = \"c\", certificate = \"a\", key = \"b\" }".to_owned(),
        ];
        for text in &good {
            assert_eq!(problems(text), Vec::<String>::new(), "{text}");
        }
        let bad = [
            (format!("[aggregator]\n{server} }}"), "`aggregator.tls.ca`: missing"),
            ("[aggregator]\nproof = {}".to_owned(), "give `tls` as well"),
            (format!("[aggregator]\nproof = {{ regions = [\"eu\"] }}\n{server} }}"), "`eu` is no region"),
            (format!("[aggregator]\nproof = {{ max_age = \"1h\" }}\n{server} }}"), "15 minutes"),
            (format!("[aggregator]\nproof = {{ roles = [] }}\n{server} }}"), "unknown setting"),
            (format!("[aggregator]\nproof = {{}}\n{server}, previous_ca = \"p\" }}"), "before which one"),
            ("[agent]\ntls = { ca = \"c\", certificate = \"a\" }".to_owned(), "`agent.tls.key`: missing"),
            ("[agent]\ntls = { certificate = \"a\", key = \"b\" }".to_owned(), "`agent.tls.ca`: missing"),
        ];
        for (text, expect) in bad {
            let found = problems(&text);
            assert!(found.iter().any(|p| p.contains(expect)), "{text}: {found:?}");
        }
    }
}
