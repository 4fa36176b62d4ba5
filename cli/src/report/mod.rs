//! The scan's report for people: summary, posture, critical issues in full, the rest in lines, what was not seen and why.
//! Pure: what it prints depends on the report, the width and whether there is colour.

mod style;

use std::collections::BTreeMap;
use std::fmt::Write;

use driftline_assess::scan::ScanReport;
use driftline_model::{Control, CoverageStatus, Drift, DriftKind, Severity, Value};

use crate::output::safe;
pub(crate) use style::Style;

/// What beside the report is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// Ignored by `.driftignore`: rule and count.
    pub(crate) ignored: Vec<(String, u64)>,
    /// What of the baselines was not understood: address and reason.
    pub(crate) skipped: Vec<(String, String)>,
    /// States and stacks that were seen but not given.
    pub(crate) hints: Vec<String>,
    /// Unmanaged resources and findings in full.
    pub(crate) all: bool,
}

/// Findings and unmanaged resources shown without `--all`.
const FEW: usize = 10;

/// The whole report.
pub(crate) fn render(report: &ScanReport, notes: &Notes, style: Style) -> String {
    let mut out = String::new();
    summary(&mut out, report, style);
    posture(&mut out, report, style);
    drifts(&mut out, report, style);
    findings(&mut out, report, notes, style);
    unmanaged(&mut out, report, notes, style);
    unseen(&mut out, report, notes, style);
    out
}

fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}"); // writing to a String can't fail
}

fn summary(out: &mut String, report: &ScanReport, style: Style) {
    let s = &report.summary;
    line(out, &style.title("Driftline scan"));
    line(out, &style.dim(&format!("{} to {}", report.started_at, report.finished_at)));
    line(out, "");
    let counts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .map(|sev| style.severity(*sev, &format!("{} {}", s.by_severity.of(*sev), sev.as_str())))
        .collect();
    line(out, &format!("{} drifts   {}", style.bold(&s.drifts.to_string()), counts.join("  ")));
    line(
        out,
        &format!(
            "{} resources: {} managed ({} % of what should be), {} drifted, {} missing, {} unmanaged; {} posture findings",
            s.resources, s.managed, s.iac_coverage, s.drifted, s.missing, s.unmanaged, s.findings
        ),
    );
}

fn posture(out: &mut String, report: &ScanReport, style: Style) {
    let score = &report.score;
    line(
        out,
        &format!(
            "Security posture: {} of 100, {} risk {}",
            style.bold(&score.value.to_string()),
            score.risk_level.as_str(),
            style.dim("(a first plain score over drifts and findings; not comparable between tools)")
        ),
    );
}

fn drifts(out: &mut String, report: &ScanReport, style: Style) {
    let mut counted: Vec<&Drift> = report.drifts.iter().filter(|d| d.kind != DriftKind::Unmanaged).collect();
    counted.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| place(a).cmp(&place(b))));
    if counted.is_empty() {
        line(out, "");
        line(
            out,
            &style.good(if report.summary.managed > 0 { "No drift." } else { "No drift: nothing has a baseline." }),
        );
        return;
    }
    let critical: Vec<&&Drift> = counted.iter().filter(|d| d.severity == Severity::Critical).collect();
    if !critical.is_empty() {
        line(out, "");
        line(out, &style.title("Critical issues"));
        for drift in &critical {
            in_full(out, drift, report, style);
        }
    }
    let rest: Vec<&&Drift> = counted.iter().filter(|d| d.severity != Severity::Critical).collect();
    if !rest.is_empty() {
        line(out, "");
        line(out, &style.title(if critical.is_empty() { "Drifts" } else { "Other drifts" }));
        for drift in rest {
            short(out, drift, style);
        }
    }
    affected(out, &counted, style);
}

fn place(d: &Drift) -> (&str, &str, &str, &str, &str) {
    (&d.account, &d.region, &d.type_name, &d.resource, &d.path)
}

fn named(type_name: &str, resource: &str) -> String {
    format!("{} {}", safe(type_name, 80), safe(resource, 120))
}

fn title(drift: &Drift) -> String {
    let path = if drift.path.is_empty() { drift.kind.as_str().to_owned() } else { safe(&drift.path, 120) };
    format!("{}  {}", named(&drift.type_name, &drift.resource), path)
}

fn in_full(out: &mut String, drift: &Drift, report: &ScanReport, style: Style) {
    let field = |out: &mut String, name: &str, text: &str| {
        let indent = 14;
        let lines = style.wrap(text, indent);
        for (n, part) in lines.iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            line(out, &format!("  {}{part}", style.dim(&format!("{name:<12}"))));
        }
    };
    line(out, "");
    line(out, &format!("{} {}", style.severity(drift.severity, "●"), style.bold(&title(drift))));
    field(out, "why", &drift.reason);
    field(out, "where", &format!("account {}, {}", drift.account, safe(&drift.region, 40)));
    if drift.kind == DriftKind::Modified {
        field(out, "baseline", &value(&drift.expected, 400));
        field(out, "current", &value(&drift.actual, 400));
    }
    if let Some(origin) = &drift.baseline {
        field(out, "agreed in", &agreed_in(origin));
    }
    if !drift.controls.is_empty() {
        field(out, "breaks", &controls(&drift.controls));
    }
    field(out, "detected", &report.finished_at);
}

fn agreed_in(origin: &driftline_model::Origin) -> String {
    let at = origin.line.map_or_else(String::new, |l| format!(":{l}"));
    format!("{} ({}{at})", safe(&origin.address, 200), safe(&origin.source, 200))
}

/// Controls by framework, shortened: the JSON has all.
fn controls(controls: &[Control]) -> String {
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for control in controls {
        let (framework, requirement) = control.split_once(':').unwrap_or((control, ""));
        by.entry(framework).or_default().push(requirement);
    }
    let shown = by.iter().map(|(framework, requirements)| {
        let first = requirements.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = requirements.len().saturating_sub(3);
        format!("{framework} {first}{}", if more > 0 { format!(" +{more}") } else { String::new() })
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn short(out: &mut String, drift: &Drift, style: Style) {
    let tag = style.severity(drift.severity, &format!("{:<8}", drift.severity.as_str()));
    line(out, &format!("{tag} {}", style.bold(&title(drift))));
    let what = match drift.kind {
        DriftKind::Modified => format!("{} → {}", value(&drift.expected, 60), value(&drift.actual, 60)),
        _ => drift.reason.clone(),
    };
    line(out, &format!("         {}", style.cut(&what, 9)));
    let mut at = format!("{} {}", drift.account, safe(&drift.region, 40));
    if let Some(origin) = &drift.baseline {
        let _ = write!(at, "  {}", agreed_in(origin));
    }
    line(out, &format!("         {}", style.dim(&style.cut(&at, 9))));
}

/// A value on one line.
pub(crate) fn value(value: &Value, width: usize) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::String(s) => safe(s, width),
        other => safe(&other.to_string(), width),
    }
}

fn affected(out: &mut String, drifts: &[&Drift], style: Style) {
    let mut by: BTreeMap<(&str, &str), (std::collections::BTreeSet<&str>, u64)> = BTreeMap::new();
    for drift in drifts {
        let entry = by.entry((&drift.account, &drift.type_name)).or_default();
        entry.0.insert(&drift.resource);
        entry.1 += 1;
    }
    line(out, "");
    line(out, &style.title("Affected resources"));
    for ((account, kind), (resources, drifts)) in by {
        let shown: Vec<String> = resources.iter().take(4).map(|r| safe(r, 60)).collect();
        let more = resources.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("{account}  {:<34} {drifts:>3} drifts in {}{more}", safe(kind, 60), shown.join(", "));
        line(out, &style.cut(&text, 0));
    }
}

fn findings(out: &mut String, report: &ScanReport, notes: &Notes, style: Style) {
    if report.findings.is_empty() {
        return;
    }
    let mut sorted: Vec<_> = report.findings.iter().collect();
    sorted.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| (&a.account, &a.resource, &a.rule).cmp(&(&b.account, &b.resource, &b.rule)))
    });
    let shown = if notes.all { sorted.len() } else { FEW };
    line(out, "");
    line(out, &style.title("Posture findings, whatever the baseline says"));
    for finding in sorted.iter().take(shown) {
        let tag = style.severity(finding.severity, &format!("{:<8}", finding.severity.as_str()));
        let text = format!("{}  {}", named(&finding.type_name, &finding.resource), safe(&finding.reason, 200));
        line(out, &format!("{tag} {}", style.cut(&text, 9)));
    }
    more(out, sorted.len(), shown, style);
}

fn more(out: &mut String, all: usize, shown: usize, style: Style) {
    if all > shown {
        line(out, &style.dim(&format!("         and {} more: --all, or --format json", all - shown)));
    }
}

fn unmanaged(out: &mut String, report: &ScanReport, notes: &Notes, style: Style) {
    let found: Vec<&Drift> = report.drifts.iter().filter(|d| d.kind == DriftKind::Unmanaged).collect();
    if found.is_empty() {
        return;
    }
    let shown = if notes.all { found.len() } else { FEW };
    line(out, "");
    line(out, &style.title("Unmanaged: nobody has declared these"));
    for drift in found.iter().take(shown) {
        let text =
            format!("{} {}  {}", drift.account, safe(&drift.region, 40), named(&drift.type_name, &drift.resource));
        line(out, &style.cut(&text, 0));
    }
    more(out, found.len(), shown, style);
}

fn unseen(out: &mut String, report: &ScanReport, notes: &Notes, style: Style) {
    let gaps: Vec<_> = report.coverage.iter().filter(|c| c.status != CoverageStatus::Complete).collect();
    let complete = report.coverage.len() - gaps.len();
    line(out, "");
    line(out, &style.title("What was not seen"));
    line(out, &format!("{complete} of {} scopes were read completely.", report.coverage.len()));
    // The same error of many regions is one line.
    let mut by: BTreeMap<(String, String, String, String), Vec<&str>> = BTreeMap::new();
    for gap in gaps {
        let status =
            serde_json::to_value(gap.status).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
        let key = (gap.account.clone(), gap.kind.clone(), status, gap.error.clone().unwrap_or_default());
        by.entry(key).or_default().push(&gap.region);
    }
    for ((account, kind, status, error), regions) in by {
        let text = format!("{account} {kind} in {}: {status}: {}", regions.join(", "), safe(&error, 300));
        for part in style.wrap(&text, 2) {
            line(out, &format!("  {part}"));
        }
    }
    for (rule, count) in &notes.ignored {
        line(out, &format!("  {count} ignored by `{}`", safe(rule, 120)));
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (address, reason) in &notes.skipped {
        reasons.entry(reason).or_default().push(address);
    }
    for (reason, addresses) in reasons {
        let first: Vec<String> = addresses.iter().take(3).map(|a| safe(a, 80)).collect();
        let rest = addresses.len().saturating_sub(3);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        line(out, &format!("  baseline skipped: {}{rest}: {}", first.join(", "), safe(reason, 160)));
    }
    for hint in &notes.hints {
        line(out, &format!("  {}", safe(hint, 300)));
    }
}
