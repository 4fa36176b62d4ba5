"""Terraform state files as three major versions of the AWS provider leave them."""

import csv
import functools
import json
import os
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
PROVIDERS = (4, 5, 6)


def table(name):
    """Rows of a file of `data/`, as lists of cells; its first line names the columns. `#` begins a comment line."""
    with open(os.path.join(HERE, "data", name), newline="", encoding="utf-8") as file:
        rows = csv.reader((line for line in file if line.strip() and not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return list(rows)


@functools.cache
def schemas():
    """Terraform type -> path -> (kind, mode), of provider 6; paths have dots between blocks."""
    names = sorted(os.listdir(os.path.join(HERE, "data", "schemas")))
    return {name.removesuffix(".tsv"): {path: (kind, mode) for path, kind, mode in table(os.path.join("schemas", name))} for name in names}


@functools.cache
def settable(type_):
    """The denominator: path -> (kind, the Terraform type that declares it), in folded form."""
    return {path: (kind, via) for of, path, kind, via in table("settable.tsv") if of == type_}


def complete(type_, given, provider):
    """All attributes of the type's schema: those not given as that provider leaves them when nobody wrote them.

    Versions before 6 keep the zero values of Go inside blocks, and version 4 after a refresh at the top level as well,
    where the provider does not fill in what AWS chose. Blocks are given as a dict (one of them) or a list of dicts.
    """
    schema = schemas()[type_]
    whole = _filled(schema, "", given, provider)
    if provider < 6 and type_ != "aws_s3_bucket":
        whole.pop("region", None)
    unknown = set(given) - set(whole) - {"region"}
    whole.update({name: given[name] for name in unknown if provider < 6})  # what version 6 no longer has
    return whole


def _filled(schema, prefix, given, provider):
    names = [path[len(prefix) :] for path in schema if path.startswith(prefix)]
    whole = {}
    for name in (name for name in names if "." not in name):
        kind, mode = schema[prefix + name]
        if kind.startswith("block"):
            blocks = given.get(name) or []
            blocks = blocks if isinstance(blocks, list) else [blocks]
            whole[name] = [_filled(schema, f"{prefix}{name}.", block, provider) for block in blocks]
        elif name in given:
            whole[name] = given[name]
        else:
            whole[name] = _unset(kind, mode, prefix, provider)
    return whole


def _unset(kind, mode, prefix, provider):
    if provider == 6 or mode == "computed" or (mode == "optional+computed" and not prefix):
        return None
    if prefix:
        zero = {"string": "", "number": 0, "bool": False}
        return zero[kind] if kind in zero else {} if kind.startswith("map") else []
    if provider == 4:
        return "" if kind == "string" else None
    return None


class State:
    """One state file: everything of one provider version in one account and region."""

    def __init__(self, path, provider, account, region):
        self.path, self.provider, self.account, self.region = path, provider, account, region
        self.resources = {}

    def add(self, type_, attributes, name, index=None, module=None):
        """Adds an instance; those of the same module, type and name are one resource with several of them."""
        instance = {"schema_version": 0, "attributes": attributes, "sensitive_attributes": [], "private": "bnVsbA=="}
        if index is not None:
            instance["index_key"] = index
        self.resources.setdefault((module, type_, name), []).append(instance)

    def write(self):
        resources = []
        for (module, type_, name), instances in self.resources.items():
            resource = {"module": module} if module else {}
            each = "map" if isinstance(instances[0].get("index_key"), str) else "list" if "index_key" in instances[0] else None
            resource |= {"mode": "managed", "type": type_, "name": name}
            resource |= {"each": each} if each and self.provider == 4 else {}
            resource |= {"provider": 'provider["registry.terraform.io/hashicorp/aws"]', "instances": instances}
            resources.append(resource)
        lineage = str(uuid.uuid5(uuid.NAMESPACE_URL, os.path.basename(self.path)))
        version = {4: "1.3.9", 5: "1.7.5", 6: "1.13.4"}[self.provider]
        whole = {"version": 4, "terraform_version": version, "serial": 7, "lineage": lineage, "outputs": {}}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(whole | {"resources": resources, "check_results": None}, file, indent=2)
