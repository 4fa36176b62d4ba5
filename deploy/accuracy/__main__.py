"""`python -m accuracy`: builds, scans, changes, scans again, judges, and writes docs/accuracy.md."""

import argparse
import os
import shutil
import sys
import tempfile
import time

from . import report, types, verdict
from .goals import Outcome, goals
from .lab import Lab
from .world import World, at_once


def arguments():
    parser = argparse.ArgumentParser(prog="./dev accuracy", description=__doc__)
    parser.add_argument("--driftline", required=True, help="the binary")
    parser.add_argument("--moto", required=True, help="moto_server")
    parser.add_argument("--out", help="the page to write; none with --type")
    parser.add_argument("--type", action="append", default=[], help="only this type (many)")
    parser.add_argument("--keep", action="store_true", help="keep states and reports, and say where")
    return parser.parse_args()


def say(text):
    print(f"[accuracy] {text}", file=sys.stderr, flush=True)


def build(lab, chosen):
    """All estates. Families don't share types, so that they can be built side by side."""
    jobs = []
    for family in types.modules():
        if wanted := [type_ for type_ in family.TYPES if not chosen or type_ in chosen]:
            jobs.append(lambda family=family, wanted=wanted: family.build(lab, wanted))
    began = time.monotonic()
    for error in at_once(jobs):
        if error:
            raise error
    say(f"{len(lab.managed)} declared resources, {len(lab.cases)} cases: built in {time.monotonic() - began:.0f} s")


def experiment(world, chosen):
    """The whole experiment; its outcome."""
    lab = Lab(world)
    build(lab, chosen)
    for state in lab.states.values():
        state.write()
    ignore = os.path.join(world.folder, ".driftignore")
    with open(ignore, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lab.ignore)

    def scan(name):
        began = time.monotonic()
        scanned = world.scan(lab.accounts, lab.regions, lab.states.values(), chosen, ignore, name)
        say(f"scan of {scanned['summary']['resources']} resources: {time.monotonic() - began:.0f} s")
        return scanned

    before = scan("untouched")
    outside = verdict.attribute(lab.cases, before, "before")
    changes = [case for case in lab.cases if case.run]
    say(f"{len(changes)} changes")
    for case, error in zip(changes, at_once([case.run for case in changes]), strict=True):
        case.error = f"{type(error).__name__}: {error}" if error else ""
    after = scan("changed")
    outside += verdict.attribute(lab.cases, after, "drifts")
    for case in lab.cases:
        verdict.judge(case)
    return Outcome(lab, before, after, outside, chosen)


def main():
    options = arguments()
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix="driftline-accuracy-")
    try:
        with World(folder, options.moto, options.driftline) as world:
            outcome = experiment(world, options.type)
    finally:
        if options.keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder)
    took = time.monotonic() - began
    for line in report.failures(outcome):
        print(line)
    reached = goals(outcome)
    for goal in reached:
        print(f"{'met   ' if goal.met else 'MISSED'} {goal.text}: {goal.figure}")
    say(f"{took:.0f} s")
    if options.out and not options.type:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(report.page(outcome, reached))
    return 0 if all(goal.met for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
