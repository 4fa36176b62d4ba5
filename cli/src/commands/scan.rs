//! `scan`: reads the accounts once, compares, judges, prints. Nothing to deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use driftline_agent::collect::{Budget, Collector};
use driftline_agent::run::Reached;
use driftline_agent::{LookedUp, ScopeSeen};
use driftline_assess::Assessor;
use driftline_baseline::Import;
use driftline_model::catalogue::{self, Catalogue};
use driftline_model::driftignore::DriftIgnore;
use driftline_model::resource::GLOBAL;
use driftline_model::{CoverageStatus, ResourceKey, Scope};
use futures::stream::{self, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use crate::args::{self, Format, Global};
use crate::baselines::Baselines;
use crate::config::Config;
use crate::join::join;
use crate::output;
use crate::report::{self, Notes, Style};
use crate::scan::{Ignored, Scan, Verdict};
use crate::secret;
use crate::setup::{self, Unread};
use crate::time::{clock, now_ms, rfc3339};

/// Accounts read at the same time; the limiter holds the calls.
const ACCOUNTS: usize = 32;
/// Look-ups under way at the same time.
const LOOK_UPS: usize = 16;
/// The region of what was not read in any: which there are is not known.
const EVERY_REGION: &str = "*";

/// Runs the scan; its exit code.
pub(crate) async fn run(global: &Global, args: &args::Scan) -> Result<u8> {
    let config = Config::load(global.config.as_deref())?;
    let started = now_ms();
    let catalogue = setup::catalogue(&config)?;
    let assessor = Assessor::new(&catalogue)?;
    let ignore = ignore_rules(&config, args)?;
    let secret = secret::of_process(&config.secrets)?;
    let aws = setup::aws(&config).await;
    let found = setup::accounts(&config, &args.targets, &aws).await?;
    let setup::Readable { targets, unread, types, notes: mut hints } =
        setup::targets(&config, &args.targets, &catalogue, found)?;
    let nobody = targets.is_empty() && unread.is_empty();
    anyhow::ensure!(!nobody, "there is no account to read:\n  {}", hints.join("\n  "));
    let only = match targets.as_slice() {
        [one] => Some(one.account.clone()),
        _ => None,
    };
    let imports = agreed(
        &config,
        args,
        &Baselines::reading(Arc::clone(&catalogue), secret.clone(), Some(&aws.sdk)),
        only.as_deref(),
    )
    .await?;
    if imports.is_empty() {
        hints.push(
            "No baseline was given: only posture is judged. Give --baseline FILE, FOLDER or s3://BUCKET/KEY."
                .to_owned(),
        );
    }
    let accounts: BTreeSet<String> =
        targets.iter().map(|t| &t.account).chain(unread.iter().map(|u| &u.account)).cloned().collect();
    let collector = Collector::new(aws.client.clone(), Arc::clone(&catalogue), secret, clock(), targets, Budget::All);
    let mut seen = read(&collector, global).await;
    seen.extend(unread.iter().flat_map(|account| unseen(&catalogue, &types, account, started)));
    let mut skipped: Vec<(String, String)> =
        imports.iter().flat_map(|i| &i.skipped).map(|s| (s.address.clone(), s.reason.clone())).collect();
    let joined = join(imports, seen.iter().flat_map(|s| &s.snapshots).map(|s| &s.key));
    skipped.extend(joined.unplaced.into_iter().map(|s| (s.address, s.reason)));
    let agreed = joined.parts;
    let outside: BTreeSet<&str> =
        agreed.keys().map(|k| k.account.as_str()).filter(|a| !accounts.contains(*a)).collect();
    for account in outside {
        hints.push(format!("The baselines name account {account}, which is not read: --account {account}"));
    }
    let mut scan = Scan { catalogue: &catalogue, assessor: &assessor, agreed: &agreed, seen, accounts: &accounts };
    let (gone, unsure) = look_up(&collector, &scan).await;
    doubt(&mut scan.seen, &unsure);
    hints.extend(unsure.into_iter().map(|(_, why)| why));
    let (report, ignored) = scan.report(&gone, ignore.as_ref(), (rfc3339(started), rfc3339(now_ms())));
    match global.format {
        Format::Json => output::json(&report)?,
        Format::Text => {
            let notes = Notes { ignored: counts(&ignored), skipped, hints, all: args.all };
            output::print(&report::render(&report, &notes, Style::of_stdout()));
        }
    }
    if args.show_ignored {
        output::note(&serde_json::to_string_pretty(
            &serde_json::json!({ "drifts": ignored.drifts, "findings": ignored.findings }),
        )?);
    }
    let verdict = Verdict {
        fail_on: args.fail_on,
        findings: args.fail_on_findings,
        unmanaged: args.fail_on_unmanaged,
        allow_partial: args.allow_partial,
    };
    Ok(verdict.exit_code(&report))
}

fn counts(ignored: &Ignored) -> Vec<(String, u64)> {
    let text = |line: usize| ignored.rules.get(&line).cloned().unwrap_or_default();
    ignored.tally.by_line().map(|(line, count)| (text(line), count)).collect()
}

fn ignore_rules(config: &Config, args: &args::Scan) -> Result<Option<DriftIgnore>> {
    let named = args.ignore_file.clone().or_else(|| config.ignore.clone());
    let path = named.or_else(|| Some(PathBuf::from(".driftignore")).filter(|p| p.exists()));
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Some(setup::ignore_rules(&text).with_context(|| path.display().to_string())?))
}

/// Imports every baseline that was named. What a source does not place belongs to the only account that is read.
async fn agreed(config: &Config, args: &args::Scan, baselines: &Baselines, only: Option<&str>) -> Result<Vec<Import>> {
    let configured = config.baselines.iter().map(|b| match (&b.account, &b.region) {
        (Some(account), Some(region)) => format!("{}@{account}/{region}", b.source),
        (Some(account), None) => format!("{}@{account}", b.source),
        _ => b.source.clone(),
    });
    let places: Vec<String> = args.baselines.iter().cloned().chain(configured).collect();
    let mut imports = Vec::new();
    for place in places {
        imports.extend(baselines.import_for(&place, only).await?);
    }
    Ok(imports)
}

/// Reads every account, with a progress bar on a terminal.
async fn read(collector: &Collector, global: &Global) -> Vec<ScopeSeen> {
    let scopes: usize = collector.targets().map(|t| collector.scopes(t).len()).sum();
    let bar = if global.format == Format::Text || global.verbose > 0 {
        ProgressBar::new(scopes as u64)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} reading {pos}/{len} scopes {wide_bar:.dim} {elapsed}") {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    let (out, mut scopes) = mpsc::channel(64);
    let reading = async move {
        let nothing: Reached = Arc::new(|| -1);
        let work = stream::iter(collector.targets()).map(|target| {
            let (out, reached) = (out.clone(), Arc::clone(&nothing));
            async move { collector.read(target, &reached, &out).await }
        });
        work.buffer_unordered(ACCOUNTS).collect::<()>().await;
    };
    let taking = async {
        let mut seen = Vec::new();
        while let Some(scope) = scopes.recv().await {
            bar.inc(1);
            seen.push(scope);
        }
        seen
    };
    let ((), mut seen) = tokio::join!(reading, taking);
    bar.finish_and_clear();
    seen.sort_by(|a, b| a.scope.cmp(&b.scope));
    seen
}

/// Looks up what no listing saw: `missing` is proven twice. What could not be looked up is said, not inferred.
async fn look_up(collector: &Collector, scan: &Scan<'_>) -> (BTreeSet<ResourceKey>, Vec<(ResourceKey, String)>) {
    let suspects = scan.suspects();
    let accounts: BTreeSet<&str> = suspects.iter().map(|s| s.account.as_str()).collect();
    let look_ups: BTreeMap<&str, _> = accounts.into_iter().filter_map(|a| Some((a, collector.look_ups(a)?))).collect();
    let answers = stream::iter(&suspects).map(|suspect| {
        let look_ups = look_ups.get(suspect.account.as_str());
        async move {
            let key = suspect.clone();
            let found = match look_ups {
                Some(look_ups) => look_ups.find(&key.region, &key.kind, &key.id).await,
                None => LookedUp::Unknown("the account is not read".to_owned()),
            };
            (key, found)
        }
    });
    let answers: Vec<(ResourceKey, LookedUp)> = answers.buffer_unordered(LOOK_UPS).collect().await;
    let (mut gone, mut unsure) = (BTreeSet::new(), Vec::new());
    for (key, answer) in answers {
        let why = match answer {
            LookedUp::NotFound => {
                gone.insert(key);
                continue;
            }
            LookedUp::Found(_) => format!("{key} was in no listing, yet it is there: not judged in this scan"),
            LookedUp::Unknown(error) => format!("{key} may be missing; looking it up failed: {error}"),
        };
        unsure.push((key, why));
    }
    unsure.sort();
    (gone, unsure)
}

/// A listing that left out what may be there has not shown its whole scope.
fn doubt(seen: &mut [ScopeSeen], unsure: &[(ResourceKey, String)]) {
    for (key, why) in unsure {
        let scope = key.scope();
        for seen in seen.iter_mut().filter(|s| s.scope == scope && s.status == CoverageStatus::Complete) {
            (seen.status, seen.error) = (CoverageStatus::Partial, Some(why.clone()));
        }
    }
}

/// The scopes of an account that is not read at all, one per type: its regions are not known.
fn unseen(catalogue: &Catalogue, types: &[String], account: &Unread, began_ms: i64) -> Vec<ScopeSeen> {
    let wanted = catalogue.types().filter(|kind| types.is_empty() || types.iter().any(|t| kind.is(t)));
    let scopes = wanted.map(|kind| ScopeSeen {
        scope: Scope {
            account: account.account.clone(),
            region: match kind.scope {
                catalogue::Scope::Global => GLOBAL.to_owned(),
                catalogue::Scope::Regional => EVERY_REGION.to_owned(),
            },
            kind: kind.name.clone(),
        },
        revision: kind.revision.clone(),
        status: account.status,
        error: Some(account.reason.clone()),
        began_ms,
        after_offset: -1,
        listed: false,
        ids: Vec::new(),
        snapshots: Vec::new(),
        not_found: Vec::new(),
    });
    scopes.collect()
}
