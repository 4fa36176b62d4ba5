"""Changing one place of a nested value."""

import copy


def put(spec, path, value):
    """A copy of `spec` with another value at a dotted path (numbers are places in lists); `None` takes it out."""
    spec = copy.deepcopy(spec)
    *way, last = path.split(".")
    at = spec
    for step in way:
        at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
    if value is None:
        at.pop(int(last) if last.isdigit() else last)
    elif last.isdigit() and int(last) == len(at):
        at.append(value)
    else:
        at[int(last) if last.isdigit() else last] = value
    return spec


def get(spec, path):
    """What stands at a dotted path, or `None`."""
    at = spec
    for step in path.split("."):
        if isinstance(at, list):
            at = at[int(step)] if int(step) < len(at) else None
        elif isinstance(at, dict):
            at = at.get(step)
        if at is None:
            return None
    return at
