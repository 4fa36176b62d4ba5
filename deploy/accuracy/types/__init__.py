"""One module per family of types. Each names its `TYPES`, and its `build(lab, wanted)` fills a Lab with the wanted ones.

A name with `_` in front is a part of another module. A case: `site = lab.site(TYPE)` gives provider version and account, `site.client(SERVICE)` builds, `site.declare(attributes,
managed=ID)` says what the state holds (split resources: `site.declare(attributes, "aws_...")`), and one of `site.change`,
`site.silent`, `site.gone` says what will be done and so what must come of it. Beside it stand `data/severities/TYPE.tsv`
(severity, path, words: globs, the first line that fits; a deletion has the path `-`) and `data/reasons/TYPE.tsv` (path or
glob, `moto` or `AWS`, why no case changes it).
"""

import importlib
import pkgutil


def modules():
    """All families, by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]
