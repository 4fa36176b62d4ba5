"""What has to hold, and whether it does."""

import dataclasses

from . import verdict
from .lab import Lab
from .state import table

LEAST = {"change": 150, "silent": 60, "gone": 20}
SEVERITY_SHARE = 0.98


@dataclasses.dataclass
class Outcome:
    """All that an experiment showed. `outside` are drifts of resources that nothing was to happen to."""

    lab: Lab
    before: dict
    after: dict
    outside: list
    chosen: list

    def cases(self, kind, type_=None):
        return [case for case in self.lab.cases if case.kind == kind and type_ in (None, case.type)]

    def right(self, kind, type_=None):
        return [case for case in self.cases(kind, type_) if case.verdict == "right"]

    def types(self):
        return self.chosen or list(dict.fromkeys(row[0] for row in table("settable.tsv")))

    def unread(self):
        return [scope for scope in self.before["coverage"] + self.after["coverage"] if scope["status"] != "complete"]

    def unseen(self):
        """Resources that a state declares and no scan joined with it."""
        return len(self.lab.managed) - self.before["summary"]["managed"]


@dataclasses.dataclass
class Goal:
    """A requirement and what was measured."""

    text: str
    figure: str
    met: bool


def goals(outcome):
    """All goals. Of single types only those that don't speak of how many there are."""
    whole = not outcome.chosen
    false_before = [d for d in outcome.before["drifts"] if d["kind"] in verdict.ALARMS]
    found = [
        Goal("Untouched estates: drifts", str(len(false_before)), not false_before),
        Goal(
            "Declared resources that the scan joined with their state",
            f"{outcome.before['summary']['managed']} of {len(outcome.lab.managed)}",
            not outcome.unseen(),
        ),
        Goal("Scopes that were not read whole", str(len(outcome.unread())), not outcome.unread()),
        Goal("Drifts of resources that nobody touched", str(len(outcome.outside)), not outcome.outside),
    ]
    words = {
        "change": "Changes found, each as exactly one drift at its path",
        "silent": "Changes that mean nothing and were silent",
        "gone": "Deletions found as missing",
    }
    for kind, text in words.items():
        right, every = len(outcome.right(kind)), len(outcome.cases(kind))
        found.append(Goal(text, f"{right} of {every}", right == every and (not whole or every >= LEAST[kind])))
    judged = outcome.cases("change") + outcome.cases("gone")
    right = sum(verdict.severity_is_right(case) for case in judged)
    share = right / len(judged) if judged else 1
    found.append(Goal("Right severity", f"{right} of {len(judged)} ({share:.1%})", share >= SEVERITY_SHARE))
    unexplained, stale = [], []
    settable = mutated = 0
    for type_ in outcome.types():
        done, why, open_, useless = verdict.coverage(type_, outcome.lab.cases)
        settable += len(done) + len(why) + len(open_)
        mutated += len(done)
        unexplained += [f"{type_}.{path}" for path in sorted(open_)]
        stale += [f"{type_}.{path}" for path in sorted(useless)]
    found.append(
        Goal(
            "Settable attributes changed or named with a reason",
            f"{settable - len(unexplained)} of {settable}; {mutated} changed",
            not unexplained,
        )
    )
    found.append(Goal("Reasons given for nothing", str(len(stale)), not stale))
    return found
