"""Which drift belongs to which case, whether it is what was expected, and what of the denominator was covered."""

import fnmatch
import functools
import os

from .state import HERE, settable, table

ALARMS = ("modified", "missing", "moved")


@functools.cache
def severities(type_):
    """The hand-written table of a type."""
    return table(os.path.join("severities", f"{type_}.tsv"))


def expected_severity(case):
    """The first line whose path and words fit; empty where none does."""
    for severity, path, what, *_ in severities(case.type):
        if fnmatch.fnmatchcase(case.path or "-", path) and fnmatch.fnmatchcase(case.what, what):
            return severity
    return ""


def attribute(cases, report, into):
    """Hands each drift to the case of its resource (`into`: before or drifts); what belongs to none comes back."""
    by_resource = {(case.account, case.type, case.resource): case for case in cases}
    left = []
    for drift in report["drifts"]:
        if drift["kind"] not in ALARMS:
            continue
        case = by_resource.get((drift["account"], drift["type"], drift["resource"]))
        if case:
            getattr(case, into).append(drift)
        else:
            left.append(drift)
    return left


def names(case, drift):
    """Whether a drift's path names what the case changed: the path itself, a block around it, or one named by the case."""
    path = drift["path"]
    return path in case.reported or case.path == path or case.path.startswith(f"{path}.")


def judge(case):
    """Sets the case's verdict: `right`, or what is wrong."""
    shown = "; ".join(f"{d['kind']} {d['path']} {d['severity']}" for d in case.drifts)
    if case.error:
        case.verdict = f"could not be done: {case.error}"
    elif case.before:
        case.verdict = f"drift before anything was changed: {case.before[0]['path']}"
    elif case.kind == "silent":
        case.verdict = f"false alarm: {shown}" if case.drifts else "right"
    elif not case.drifts:
        case.verdict = "not found"
    elif len(case.drifts) > 1:
        case.verdict = f"{len(case.drifts)} drifts: {shown}"
    elif case.kind == "gone" and case.drifts[0]["kind"] != "missing":
        case.verdict = f"not missing: {shown}"
    elif case.kind == "change" and not names(case, case.drifts[0]):
        case.verdict = f"another path: {shown}"
    else:
        case.verdict = "right"
    if case.kind != "silent":
        case.expected = expected_severity(case)


def severity_is_right(case):
    return len(case.drifts) == 1 and case.drifts[0]["severity"] == case.expected


def reasons(type_):
    """Why attributes are not mutated: path (or glob) -> (whose limit it is: moto's or AWS's; the reason)."""
    name = os.path.join("reasons", f"{type_}.tsv")
    if not os.path.exists(os.path.join(HERE, "data", name)):
        return {}
    found = {path: (whose, why) for path, whose, why in table(name)}
    if wrong := [path for path, (whose, _) in found.items() if whose not in ("moto", "AWS")]:
        raise ValueError(f"{name}: neither moto's nor AWS's limit: {wrong}")
    return found


def coverage(type_, cases):
    """(mutated paths, path -> reason, unexplained paths, reasons that explain nothing), of the denominator of the type."""
    found = {path for c in cases if c.kind != "silent" and c.type == type_ and c.verdict == "right" for path in c.covers}
    every = settable(type_)
    mutated = set(every) & found
    why, used = {}, set()
    given = reasons(type_)
    for path in every:
        for pattern, reason in given.items():
            if path not in mutated and fnmatch.fnmatchcase(path, pattern):
                why[path] = reason
                used.add(pattern)
                break
    return mutated, why, set(every) - mutated - set(why), set(given) - used
