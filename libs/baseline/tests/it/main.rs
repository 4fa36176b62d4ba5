//! Tests of `driftline-baseline`: on states that others made, on states made here, and on S3 as moto serves it.

#![allow(clippy::unwrap_used)]

mod import;
mod publication;
mod rough;
mod sources;
mod states;
mod terraform;

use driftline_baseline::{Error, Import, Options};
use driftline_model::catalogue::Catalogue;
use driftline_model::secret::SecretKey;

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: std::sync::OnceLock<Catalogue> = std::sync::OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::embedded().unwrap())
}

fn secrets() -> &'static SecretKey {
    static KEY: std::sync::OnceLock<SecretKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| SecretKey::new("test", *b"0123456789abcdef0123456789abcdef"))
}

fn options(source: &str) -> Options<'_> {
    Options { source, account: None, region: None, secrets: secrets(), max_part_bytes: 900 * 1024 }
}

fn import(text: &str) -> Result<Import, Error> {
    driftline_baseline::import(catalogue(), text.as_bytes(), options("test.tfstate"))
}

fn import_at(text: &str, account: &str, region: Option<&str>) -> Import {
    let options = Options { account: Some(account), region, ..options("test.tfstate") };
    driftline_baseline::import(catalogue(), text.as_bytes(), options).unwrap()
}

/// A state of version 4 around these resources.
fn state(resources: &str) -> String {
    format!(
        r#"{{"version": 4, "terraform_version": "1.9.0", "serial": 7, "lineage": "a-lineage", "outputs": {{}},
"resources": [{resources}]}}"#
    )
}

/// One managed resource with one instance in a state.
fn resource(kind: &str, name: &str, attributes: &str) -> String {
    format!(
        r#"{{"mode": "managed", "type": "{kind}", "name": "{name}", "provider": "provider[\"example.test/hashicorp/aws\"]",
"instances": [{{"schema_version": 0, "attributes": {attributes}}}]}}"#
    )
}
