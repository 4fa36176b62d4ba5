#!/usr/bin/env python3
"""Makes libs/assess/data/{controls,requirements}.tsv: which requirements of compliance frameworks each rule of
the catalogue is evidence for, and the requirements' titles.

    python3 xtask/controls.py FOLDER

FOLDER holds controls.tsv (rule, ..., framework, version, requirement, title, source, note) and frameworks.tsv. Only
rules that stand in the catalogue are taken. The mappings come from prowler's compliance files (Apache-2.0), see
libs/assess/data/NOTICE, and for frameworks that those do not cover from the class of the rule."""
import collections
import csv
import pathlib
import re
import sys

# our name of a framework, by the tables' name and version
NAMES = {
    ("CIS AWS Foundations", "3.0"): "CIS 3.0",
    ("CIS AWS Foundations", "5.0"): "CIS 5.0",
    ("GDPR", "2016/679"): "GDPR",
    ("HIPAA Security Rule", "45 CFR 164"): "HIPAA",
    ("ISO 27001", "2022"): "ISO 27001",
    ("NIST 800-53", "r5"): "NIST 800-53",
    ("NIST CSF", "2.0"): "NIST CSF",
    ("PCI-DSS", "4.0.1"): "PCI-DSS",
    ("SOC 2", "TSC 2017"): "SOC 2",
}
LIBS = pathlib.Path(__file__).resolve().parent.parent / "libs"
CRATE, CATALOGUE = LIBS / "assess", LIBS / "model" / "catalogue"


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def main(folder):
    folder = pathlib.Path(folder)
    known = set()
    for file in CATALOGUE.glob("**/*.toml"):
        text = file.read_text()
        known.update(re.findall(r'\brule = "([^"]+)"', text) + re.findall(r'^"(\w+\.\d+)" = \{ ', text, re.M))
    rules, used = collections.defaultdict(set), set()
    for row in table(folder / "controls.tsv"):
        name = NAMES.get((row["framework"], row["version"]))
        if row["rule"] in known and name:
            control = f"{name}:{row['requirement']}"
            assert ";" not in control and "\t" not in control, control
            rules[row["rule"]].add(control)
            used.add(control)
    titles = {}
    for row in table(folder / "frameworks.tsv"):
        name = NAMES.get((row["framework"], row["version"]))
        if name:
            titles[f"{name}:{row['requirement']}"] = row["title"]
    head = "# made by xtask/controls.py; see NOTICE\n"
    lines = [f"{rule}\t{';'.join(sorted(controls))}\n" for rule, controls in sorted(rules.items())]
    (CRATE / "data" / "controls.tsv").write_text(head + "".join(lines))
    lines = [f"{control}\t{titles[control]}\n" for control in sorted(used)]
    (CRATE / "data" / "requirements.tsv").write_text(head + "".join(lines))
    bare = sorted(known - set(rules))
    print(f"{len(rules)} rules, {len(used)} controls; rules without any: {', '.join(bare) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1])
