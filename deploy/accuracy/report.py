"""docs/accuracy.md, and what went wrong in words."""

from . import verdict
from .lab import ACCOUNTS
from .state import PROVIDERS

HEAD = """# Accuracy

What `driftline scan` finds, and what it does not cry wolf about. `./dev accuracy` makes this page: it starts moto (simulated AWS, not ours), builds estates of the
thirteen types on it with boto3 (AWS's client for Python, not ours), and writes the Terraform states that versions 4, 5 and 6 of the AWS provider would have left.
Then it scans, changes one attribute of one resource after another through AWS's API, deletes some, scans again, and compares with what should have come of each.
"""

HOW = """## How it works

- **Estates and states** (`deploy/accuracy/types/`, one module per family of types). Every case has a resource of its own. The three provider versions take turns,
  and with them what they leave behind: zero values inside blocks or nulls, `region` only since 6, `tags` with and without default tags, modules and counted
  resources. Where a type can be declared in several shapes (blocks inside the resource, split resources, rule resources of both kinds) cases exist in each.
- **Denominator** (`data/settable.tsv`): every settable attribute of the types and of the split resources that belong to them, as of provider 6.62. Each was
  changed and found, or stands below with the reason.
- **Found** means: exactly one drift of that resource, at the attribute's path or the block around it.
- **Severity** is compared with `data/severities/`, written by hand from the requirements and not from the catalogue; the first line that fits a change decides.
- **Silent** are changes that mean nothing: other spellings of the same policy, other order, AWS's own tags, runtime values, defaults spelled out, what is
  ignored on purpose.
- moto is not AWS: where it does not store or return an attribute, nothing can be said about it here.

Repeat: `./dev accuracy`; one type: `./dev accuracy --type aws_s3_bucket`; `--keep` leaves states and reports to look at. The exit code is not 0 if any line of
the first table is missed.
"""


def failures(outcome):
    """A line for everything that is not as it should be."""
    for drift in outcome.outside:
        yield f"OUTSIDE {drift['account']} {drift['type']} {drift['resource']} {drift['kind']} {drift['path']}: {drift['expected']!r} -> {drift['actual']!r}"
    for scope in outcome.unread():
        yield f"UNREAD {scope['account']} {scope['region']} {scope['type']}: {scope['status']} {scope['error']}"
    for case in outcome.lab.cases:
        if case.verdict != "right":
            yield f"{case.kind.upper()} {case.name} [{case.account} {case.resource}]: {case.verdict}"
            for drift in case.before or (case.drifts if case.kind == "silent" or len(case.drifts) > 1 else []):
                yield f"    {drift['path']}: {str(drift['expected'])[:400]} -> {str(drift['actual'])[:400]}"
        if case.kind != "silent" and case.drifts and not verdict.severity_is_right(case):
            got = " ".join(drift["severity"] for drift in case.drifts)
            yield f"SEVERITY {case.name}: {got}, by hand {case.expected or 'no line'}"
    for type_ in outcome.types():
        _, _, open_, useless = verdict.coverage(type_, outcome.lab.cases)
        yield from (f"UNEXPLAINED {type_} {path}" for path in sorted(open_))
        yield from (f"USELESS REASON {type_} {path}" for path in sorted(useless))
    if outcome.unseen():
        yield f"UNJOINED {outcome.unseen()} resources of the states"


def page(outcome, goals):
    """The whole page."""
    parts = [HEAD, "## Result\n", table(("", "measured", ""), [(g.text, g.figure, "met" if g.met else "**missed**") for g in goals])]
    summary = outcome.before["summary"]
    accounts, declared, states = len(outcome.lab.accounts), len(outcome.lab.managed), len(outcome.lab.states)
    parts.append(
        f"\n{summary['resources']} resources in {accounts} accounts, {declared} of them declared in {states} states of provider "
        f"{', '.join(map(str, PROVIDERS))}. Most share {len(ACCOUNTS)} accounts; of what an account has only one, each has another account.\n"
    )
    parts += ["## By type\n", by_type(outcome), "", "## By severity\n", by_severity(outcome), ""]
    parts += ["## By version of the provider\n", by_provider(outcome), "", "## What is not as it should be\n"]
    parts += [*(f"- `{line}`" for line in failures(outcome))] or ["Nothing."]
    parts += ["", HOW]
    parts += ["## Not changed, and why\n", *not_changed(outcome)]
    return "\n".join(parts).rstrip() + "\n"


def table(head, rows):
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def by_type(outcome):
    rows = []
    for type_ in outcome.types():
        mutated, why, open_, _ = verdict.coverage(type_, outcome.lab.cases)
        figures = [f"{len(outcome.right(kind, type_))}/{len(outcome.cases(kind, type_))}" for kind in ("change", "silent", "gone")]
        judged = outcome.cases("change", type_) + outcome.cases("gone", type_)
        right = sum(verdict.severity_is_right(case) for case in judged)
        rows.append((f"`{type_}`", *figures, f"{right}/{len(judged)}", len(mutated) + len(why) + len(open_), len(mutated), len(why)))
    return table(("type", "changes found", "silent", "missing found", "severity", "settable", "changed", "with a reason"), rows)


def by_severity(outcome):
    rows = []
    for severity in ("CRITICAL", "HIGH", "MEDIUM", "LOW"):
        judged = [c for c in outcome.cases("change") + outcome.cases("gone") if c.expected == severity]
        rows.append((severity, len(judged), sum(verdict.severity_is_right(case) for case in judged)))
    return table(("by hand", "cases", "the same by the scan"), rows)


def by_provider(outcome):
    rows = []
    for provider in PROVIDERS:
        figures = []
        for kind in ("change", "silent", "gone"):
            cases = [case for case in outcome.cases(kind) if case.provider == provider]
            figures.append(f"{sum(case.verdict == 'right' for case in cases)}/{len(cases)}")
        rows.append((provider, *figures))
    return table(("state of provider", "changes found", "silent", "missing found"), rows)


def not_changed(outcome):
    for type_ in outcome.types():
        _, why, _, _ = verdict.coverage(type_, outcome.lab.cases)
        if not why:
            continue
        together = {}
        for path in sorted(why):
            together.setdefault(why[path], []).append(f"`{path}`")
        yield f"### {type_}\n"
        yield (
            table(("attributes", "limit of", "reason"), [(", ".join(paths), whose, text) for (whose, text), paths in together.items()])
            + "\n"
        )
