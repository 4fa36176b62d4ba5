//! From a source's bytes to baseline parts: every instance finds its resource, account and region, loses what must not
//! leave, and is grouped with what belongs to the same resource. What could not be used is listed with its reason.

mod grouping;
mod prepare;

use std::collections::{BTreeMap, BTreeSet};

use driftline_model::catalogue::Catalogue;
use driftline_model::record::{InputKey, Instance, Part};
use driftline_model::secret::SecretKey;
use driftline_model::{Origin, parents};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::arn;
use crate::error::Error;
use crate::json::{self, Document};
use crate::limits::MAX_BYTES;
use crate::marks;
use crate::place::{Evidence, Place, Providers};
use crate::publish::source_hash;
use crate::sources::Fetched;
use crate::terraform::{self, Managed, Reading};
use grouping::{Draft, Group};

/// Region of a part's key where it isn't known.
pub const UNPLACED: &str = "-";

/// What an import needs to know beside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Name of the source: path or URL, the same from import to import.
    pub source: &'a str,
    /// Account of what the source itself doesn't place.
    pub account: Option<&'a str>,
    /// Region of what the source itself doesn't place.
    pub region: Option<&'a str>,
    /// The organization's key that secrets are hashed with.
    pub secrets: &'a SecretKey,
    /// Bytes that one part may have.
    pub max_part_bytes: usize,
}

/// What a source says. As JSON: what `baseline import --format json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Import {
    /// Managed resource instances read.
    pub instances: u64,
    /// The same by Terraform's type.
    pub by_type: BTreeMap<String, u64>,
    /// Resources after folding.
    pub baselines: u64,
    /// What could not be used.
    pub skipped: Vec<Skipped>,
    /// Name of the source.
    #[serde(skip)]
    pub source: String,
    /// Lineage of the source; empty where it has none.
    #[serde(skip)]
    pub lineage: String,
    /// Serial within the lineage.
    #[serde(skip)]
    pub serial: u64,
    /// Whether the source was a baseline at all; of what merely lay in a folder that is no error.
    #[serde(skip)]
    pub is_baseline: bool,
    /// The parts, by key. The region is [`UNPLACED`] where the source doesn't tell it.
    #[serde(skip)]
    pub parts: Vec<(InputKey, Part)>,
}

/// Something that was read and could not be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// Its address in the source.
    pub address: String,
    /// Why.
    pub reason: String,
}

impl Import {
    /// Adds another source's numbers, for a report over several; its parts are not taken.
    pub fn count_in(&mut self, other: &Self) {
        self.instances += other.instances;
        self.baselines += other.baselines;
        for (kind, count) in &other.by_type {
            *self.by_type.entry(kind.clone()).or_default() += count;
        }
        self.skipped.extend(other.skipped.iter().cloned());
    }

    /// Nothing, read from nowhere.
    pub fn empty() -> Self {
        Self {
            instances: 0,
            by_type: BTreeMap::new(),
            baselines: 0,
            skipped: Vec::new(),
            source: String::new(),
            lineage: String::new(),
            serial: 0,
            is_baseline: true,
            parts: Vec::new(),
        }
    }
}

/// Reads what was fetched. A file that merely lay in a folder and is no baseline is an empty import with one line under
/// `skipped`; one that was named is an error.
pub fn read(
    catalogue: &Catalogue,
    fetched: &Fetched,
    secrets: &SecretKey,
    max_part_bytes: usize,
) -> Result<Import, Error> {
    let source = &fetched.source;
    let (account, region) = (source.account.as_deref(), source.region.as_deref());
    let options = Options { source: &source.name, account, region, secrets, max_part_bytes };
    match import(catalogue, &fetched.bytes, options) {
        Err(Error::NotABaseline(reason)) if source.found => {
            let skipped = vec![Skipped { address: source.name.clone(), reason }];
            Ok(Import { source: source.name.clone(), is_baseline: false, skipped, ..Import::empty() })
        }
        other => other,
    }
}

/// What every step of an import needs.
struct Context<'a> {
    catalogue: &'a Catalogue,
    options: &'a Options<'a>,
}

/// Reads a source. The result depends on the arguments alone, order included.
pub fn import(catalogue: &Catalogue, bytes: &[u8], options: Options<'_>) -> Result<Import, Error> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge(format!("{}: larger than {MAX_BYTES} bytes", options.source)));
    }
    if options.account.is_some_and(|a| !arn::is_account(a)) || options.region.is_some_and(|r| !arn::is_region(r)) {
        return Err(Error::Location(
            options.source.to_owned(),
            "an account has 12 digits, a region a name like `eu-west-1`",
        ));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(Error::Unsupported(
            "a plan in Terraform's own form: give the output of `terraform show -json`".to_owned(),
        ));
    }
    let text = json::decode(bytes)?;
    if text.trim_start().starts_with("[command]") {
        return Err(Error::Unsupported(
            "the first line is a wrapper's around terraform, as CI systems install: turn it off".to_owned(),
        ));
    }
    let document = Document::parse(&text)?;
    let reading = terraform::read(&document)?;
    let mut import = Import {
        instances: reading.instances.len() as u64,
        source: options.source.to_owned(),
        lineage: reading.lineage.clone(),
        serial: reading.serial,
        ..Import::empty()
    };
    for (address, reason) in &reading.skipped {
        import.skip(address, reason.clone());
    }
    let context = Context { catalogue, options: &options };
    let (drafts, providers) = drafts(&context, &reading, &mut import)?;
    let (groups, unplaced) = grouping::groups(&context, drafts, &providers);
    for group in groups {
        import.take(&context, group, &reading)?;
    }
    for address in unplaced {
        import.skip(&address, "its account is not known: add `@ACCOUNT` to the source");
    }
    import.parts.sort_by_cached_key(|(key, _)| key.encode());
    import.baselines = import.parts.len() as u64;
    import.skipped.sort();
    import.skipped.dedup();
    Ok(import)
}

/// First pass: counts, and finds each instance's resource and what it tells of its place.
fn drafts(context: &Context<'_>, reading: &Reading<'_>, import: &mut Import) -> Result<(Vec<Draft>, Providers), Error> {
    let mut providers = Providers::new(&reading.hints);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut drafts = Vec::new();
    for managed in &reading.instances {
        *import.by_type.entry(managed.kind.clone()).or_default() += 1;
        if !managed.kind.starts_with("aws_") {
            import.skip(&managed.address, format!("the provider `{}` is not read", managed.provider.name));
            continue;
        }
        let Some(attributes) = managed.attributes else {
            import.skip(&managed.address, FLAT);
            continue;
        };
        let attributes: Map<String, Value> = attributes.read()?;
        let identity: Option<Map<String, Value>> = managed.identity.map(|n| n.read()).transpose()?;
        let evidence = Evidence::of(&attributes, identity.as_ref());
        providers.add(&managed.provider.key, &evidence);
        if !seen.insert(&managed.address) {
            import.skip(&managed.address, "it stands there twice: the first one counts");
            continue;
        }
        draft(context, managed, attributes, evidence.own(), import, &mut drafts);
    }
    Ok((drafts, providers))
}

const FLAT: &str =
    "its attributes are in the flat form of Terraform 0.11: `terraform apply -refresh-only` rewrites them";

fn draft(
    context: &Context<'_>,
    managed: &Managed<'_>,
    mut attributes: Map<String, Value>,
    own: Place,
    import: &mut Import,
    drafts: &mut Vec<Draft>,
) {
    if managed.sensitive.iter().chain(&managed.unknown).any(Vec::is_empty) {
        return import.skip(&managed.address, "all of it is marked as sensitive or known only after apply");
    }
    let mut ignore_changes: BTreeSet<String> = BTreeSet::new();
    for path in &managed.unknown {
        ignore_changes.extend(marks::take_out(&mut attributes, path));
    }
    let mut instance = Instance {
        kind: managed.kind.clone(),
        address: managed.address.clone(),
        line: Some(managed.node.line()),
        attributes,
        ignore_changes: ignore_changes.into_iter().collect(),
    };
    let parents = match parents(context.catalogue, &instance) {
        Ok(parents) => parents,
        Err(reason) => return import.skip(&managed.address, reason.to_string()),
    };
    for path in prepare::seal_instance(context, &mut instance, &managed.sensitive) {
        import.skip(&managed.address, format!("`{path}` is marked as sensitive: it is neither published nor compared"));
    }
    for parent in parents {
        drafts.push(Draft {
            own: Place::of(&parent).or(own.account.as_deref(), own.region.as_deref()),
            ty: parent.ty,
            id: parent.id,
            provider: managed.provider.key.clone(),
            instance: instance.clone(),
        });
    }
}

impl Import {
    fn skip(&mut self, address: &str, reason: impl Into<String>) {
        self.skipped.push(Skipped { address: address.to_owned(), reason: reason.into() });
    }

    fn take(&mut self, context: &Context<'_>, group: Group, reading: &Reading<'_>) -> Result<(), Error> {
        let Some(first) = group.instances.first() else { return Ok(()) };
        let part = Part {
            origin: Origin {
                origin: reading.origin.to_owned(),
                source: self.source.clone(),
                address: first.address.clone(),
                line: first.line,
            },
            lineage: self.lineage.clone(),
            serial: self.serial,
            revision: group.revision,
            instances: group.instances,
        };
        let size = serde_json::to_vec(&part).map_err(|e| Error::Unsupported(e.to_string()))?.len();
        let max = context.options.max_part_bytes;
        if size > max {
            for instance in &part.instances {
                self.skip(&instance.address, format!("its baseline of {size} bytes is larger than the limit of {max}"));
            }
            return Ok(());
        }
        self.parts.push((InputKey::Part(group.key, source_hash(&self.source)), part));
        Ok(())
    }
}
