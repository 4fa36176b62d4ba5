//! What a scan decides once everything is read: joins snapshots with baselines, judges, proves what is missing. Pure but for
//! the look-ups, which are passed in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use driftline_agent::ScopeSeen;
use driftline_assess::judge::{Assessor, Context};
use driftline_assess::posture;
use driftline_assess::scan::{SCHEMA, ScanReport, Summary};
use driftline_model::catalogue::Catalogue;
use driftline_model::driftignore::{DriftIgnore, Tally};
use driftline_model::fold::fold;
use driftline_model::record::Part;
use driftline_model::{Coverage, CoverageStatus, Drift, DriftKind, Finding, ResourceKey, Scope};

/// Parts by the resource that they are of.
pub(crate) type Agreed = BTreeMap<ResourceKey, Vec<Part>>;

/// What was read and what was agreed.
pub(crate) struct Scan<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) assessor: &'a Assessor,
    pub(crate) agreed: &'a Agreed,
    pub(crate) seen: Vec<ScopeSeen>,
    pub(crate) accounts: &'a BTreeSet<String>,
}

impl Scan<'_> {
    /// Resources of the baseline that no listing saw, in scopes that were listed whole: to be looked up before they are
    /// missing. What lies in scopes that were not read is not among them.
    pub(crate) fn suspects(&self) -> Vec<ResourceKey> {
        let ids = self.seen.iter().flat_map(|s| s.ids.iter().map(|id| (&s.scope.account, &s.scope.kind, id)));
        let ids: BTreeSet<_> = ids.collect();
        let whole: BTreeSet<&Scope> = self.seen.iter().filter(|s| s.listed).map(|s| &s.scope).collect();
        let gone =
            |key: &&ResourceKey| !ids.contains(&(&key.account, &key.kind, &key.id)) && whole.contains(&key.scope());
        self.agreed.keys().filter(gone).cloned().collect()
    }

    /// What was agreed, by account, type and id: of several regions the first.
    fn by_id(&self) -> HashMap<Id<'_>, (&ResourceKey, &[Part])> {
        let mut found = HashMap::with_capacity(self.agreed.len());
        for (key, parts) in self.agreed {
            found.entry(id(key)).or_insert((key, parts.as_slice()));
        }
        found
    }

    /// The report. `gone` are the suspects that a look-up by id has not found either. A snapshot that has been judged is
    /// given up at once: a large account's are not held beside all that was found.
    pub(crate) fn report(
        mut self,
        gone: &BTreeSet<ResourceKey>,
        ignore: Option<&DriftIgnore>,
        times: (String, String),
    ) -> (ScanReport, Ignored) {
        let context = Context { organization: (self.accounts.len() > 1).then_some(self.accounts) };
        let (mut drifts, mut findings) = (Vec::new(), Vec::new());
        let (mut resources, mut managed) = (0, 0);
        let mut per_account: BTreeMap<String, u64> = BTreeMap::new();
        let coverage = self.coverage();
        let seen = std::mem::take(&mut self.seen);
        let by_id = self.by_id();
        for snapshot in seen.into_iter().flat_map(|s| s.snapshots) {
            let Some(kind) = self.catalogue.get(&snapshot.key.kind) else { continue };
            resources += 1;
            *per_account.entry(snapshot.key.account.clone()).or_default() += 1;
            // Where it was agreed, if that is another region and nothing was agreed here.
            let (parts, moved) = match self.agreed.get(&snapshot.key) {
                Some(parts) => (parts.as_slice(), None),
                None => by_id.get(&id(&snapshot.key)).map_or((&[][..], None), |(key, p)| (*p, Some(&key.region))),
            };
            let baseline = (!parts.is_empty()).then(|| fold(kind, parts));
            managed += u64::from(baseline.is_some());
            let mut judged = self.assessor.judge(kind, &snapshot.key, Some(&snapshot), baseline.as_ref(), &context);
            if let (Some(region), Some(baseline)) = (moved, &baseline) {
                let agreed = ResourceKey { region: region.clone(), ..snapshot.key.clone() };
                judged.drifts.push(self.assessor.moved(&agreed, baseline, &snapshot.key.region));
            }
            drifts.extend(judged.drifts);
            findings.extend(judged.findings);
        }
        drifts.extend(self.missing(gone));
        let ignored = ignore.map(|rules| Ignored::take(rules, &mut drifts, &mut findings)).unwrap_or_default();
        drifts.sort_unstable_by(order);
        findings.sort_unstable_by(|a, b| (b.severity, &a.id).cmp(&(a.severity, &b.id)));
        let report = ScanReport {
            schema: SCHEMA.to_owned(),
            started_at: times.0,
            finished_at: times.1,
            summary: Summary::count(resources, managed, &drifts, &findings),
            score: posture::score(&self.assessor.rules, &per_account, &drifts, &findings),
            coverage,
            drifts,
            findings,
        };
        (report, ignored)
    }

    fn missing(&self, gone: &BTreeSet<ResourceKey>) -> Vec<Drift> {
        let known = gone.iter().filter_map(|key| Some((key, self.catalogue.get(&key.kind)?, self.agreed.get(key)?)));
        known.map(|(key, kind, parts)| self.assessor.missing(key, &fold(kind, parts))).collect()
    }

    fn coverage(&self) -> Vec<Coverage> {
        let mut all: Vec<Coverage> = self
            .seen
            .iter()
            .map(|s| Coverage {
                account: s.scope.account.clone(),
                region: s.scope.region.clone(),
                kind: s.scope.kind.clone(),
                status: s.status,
                resources: s.ids.len() as u64,
                error: s.error.clone(),
            })
            .collect();
        all.sort_by(|a, b| (&a.account, &a.region, &a.kind).cmp(&(&b.account, &b.region, &b.kind)));
        all
    }
}

fn order(a: &Drift, b: &Drift) -> std::cmp::Ordering {
    fn place(d: &Drift) -> [&str; 6] {
        [&d.account, &d.region, &d.type_name, &d.resource, &d.path, &d.id]
    }
    b.severity.cmp(&a.severity).then_with(|| place(a).cmp(&place(b)))
}

/// Account, type and id of a resource.
type Id<'a> = (&'a str, &'a str, &'a str);

fn id(key: &ResourceKey) -> Id<'_> {
    (&key.account, &key.kind, &key.id)
}

/// What `.driftignore` took out.
#[derive(Debug, Default)]
pub(crate) struct Ignored {
    pub(crate) tally: Tally,
    pub(crate) rules: BTreeMap<usize, String>,
    pub(crate) drifts: Vec<Drift>,
    pub(crate) findings: Vec<Finding>,
}

impl Ignored {
    fn take(rules: &DriftIgnore, drifts: &mut Vec<Drift>, findings: &mut Vec<Finding>) -> Self {
        let mut ignored = Self::default();
        let key = |account: &str, region: &str, kind: &str, id: &str| ResourceKey::new(account, region, kind, id);
        let (kept, out): (Vec<_>, Vec<_>) = std::mem::take(drifts).into_iter().partition(|d| {
            let rule = rules.rule(&key(&d.account, &d.region, &d.type_name, &d.resource), &d.path);
            rule.map(|r| ignored.note(r)).is_none()
        });
        (*drifts, ignored.drifts) = (kept, out);
        let (kept, out): (Vec<_>, Vec<_>) = std::mem::take(findings).into_iter().partition(|f| {
            let rule = rules.rule(&key(&f.account, &f.region, &f.type_name, &f.resource), &f.path);
            rule.map(|r| ignored.note(r)).is_none()
        });
        (*findings, ignored.findings) = (kept, out);
        ignored
    }

    fn note(&mut self, rule: driftline_model::driftignore::Rule<'_>) {
        self.rules.entry(rule.line).or_insert_with(|| rule.text.to_owned());
        self.tally.add(rule);
    }
}

/// What makes the exit code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) fail_on: driftline_model::Severity,
    pub(crate) findings: bool,
    pub(crate) unmanaged: bool,
    pub(crate) allow_partial: bool,
}

impl Verdict {
    /// 0 nothing at or above the bar, 2 something found, 1 a scope that could not be read at all.
    pub(crate) fn exit_code(self, report: &ScanReport) -> u8 {
        let counts = |d: &&Drift| d.waiver.is_none() && (d.kind != DriftKind::Unmanaged || self.unmanaged);
        let drifted = report.drifts.iter().filter(counts).any(|d| d.severity >= self.fail_on);
        let insecure = self.findings && report.findings.iter().any(|f| f.severity >= self.fail_on);
        let blind = |c: &Coverage| {
            matches!(c.status, CoverageStatus::Denied | CoverageStatus::Throttled | CoverageStatus::Failed)
        };
        if !self.allow_partial && report.coverage.iter().any(blind) {
            return 1;
        }
        if drifted || insecure { 2 } else { 0 }
    }
}
