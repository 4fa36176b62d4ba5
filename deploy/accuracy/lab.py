"""The experiment: what was built, what will be changed, and what must come of it."""

import dataclasses
import os
import threading
from collections.abc import Callable

from .state import PROVIDERS, State, complete, schemas
from .world import REGION

ACCOUNTS = tuple(f"{210000000000 + n:012}" for n in range(1, 9))  # share the work, as API limits count per account
OWN_TAGS = {"Owner": "platform", "Environment": "prod", "Name": "accuracy"}
DEFAULT_TAGS = {"ManagedBy": "terraform"}


@dataclasses.dataclass
class Case:
    """One change to one resource of its own."""

    kind: str  # change, silent, gone
    type: str
    account: str
    resource: str
    path: str
    what: str
    run: Callable | None = None
    covers: tuple = ()
    reported: tuple = ()  # other paths under which the change may be reported
    provider: int = 6
    shape: str = ""  # in which shape the baseline has it, where there are several
    error: str = ""
    before: list = dataclasses.field(default_factory=list)
    drifts: list = dataclasses.field(default_factory=list)
    expected: str = ""
    verdict: str = ""

    @property
    def name(self):
        shape = f" ({self.shape})" if self.shape else ""
        return f"{self.type} {self.path or 'whole'}: {self.what}{shape}, provider {self.provider}"


class Lab:
    """Collects states and cases while the estates are built."""

    def __init__(self, world):
        self.world = world
        self.states = {}
        self.cases = []
        self.managed = set()
        self.ignore = []  # lines of .driftignore
        self.ignored = 0  # drifts that they hide
        self.accounts = set()
        self.regions = {REGION}
        self.counts = {}
        self.number = 0
        self.lock = threading.Lock()  # families are built side by side

    def site(self, type_, provider=None, account=None, region=REGION):
        """The place of the next resource of that type: provider versions and accounts take turns."""
        with self.lock:
            turn = self.counts[type_] = self.counts.get(type_, -1) + 1
            self.number += 1
            number = self.number
        provider = provider or PROVIDERS[turn % len(PROVIDERS)]
        account = account or ACCOUNTS[turn // len(PROVIDERS) % len(ACCOUNTS)]
        self.accounts.add(account)
        self.regions.add(region)
        return Site(self, type_, number, turn, provider, account, region)

    def free_account(self, type_):
        """An account without any resource of that type, for what an account has only one of: first the shared ones."""
        used = self.counts.get(type_, -1) + 1
        return ACCOUNTS[used] if used < len(ACCOUNTS) else f"{220000000000 + used:012}"

    def state(self, provider, account, region):
        key = provider, account, region
        with self.lock:
            if key not in self.states:
                path = os.path.join(self.world.folder, f"provider{provider}-{account}-{region}.tfstate")
                self.states[key] = State(path, provider, account, region)
            return self.states[key]


@dataclasses.dataclass
class Site:
    """Where one resource of an experiment stands, and by which provider version it is managed."""

    lab: Lab
    type: str
    number: int
    turn: int
    provider: int
    account: str
    region: str

    def client(self, service, region=None):
        return self.lab.world.client(service, self.account, region or self.region)

    def name(self, stem="accuracy"):
        return f"{stem}-{self.number:04}"

    def tags(self, own=None):
        """Tags as the configuration has them and as the resource has them: every second provider has default tags."""
        own = dict(OWN_TAGS if own is None else own)
        return own, ({**DEFAULT_TAGS, **own} if self.turn % 2 else own)

    def declare(self, attributes, type_=None, managed=None, name="this", index=None, module=None):
        """Adds an instance to the state of this place, completed as its provider leaves it. `managed` is the id that a
        scan gives to the resource (of the thirteen types only; parts of it have none). Some stand in modules, some are
        counted or made for each."""
        type_ = type_ or self.type
        whole = complete(type_, attributes, self.provider)
        if self.provider == 6 and "region" in schemas()[type_]:
            whole["region"] = attributes.get("region", self.region)
        state = self.lab.state(self.provider, self.account, self.region)
        module = module or (None, None, "module.estate", 'module.team["red"].module.estate[0]')[self.number % 4]
        index = (None, 0, "one", None, None)[self.number % 5] if index is None else index
        state.add(type_, whole, f"{name}_{self.number}", index, module)
        if managed is not None:
            self.lab.managed.add((self.account, self.type, managed))

    def change(self, resource, path, what, run, covers=None, **more):
        """`path` is the schema's, as is `covers`: by default that path alone; tags are named `tags.KEY` and cover `tags`."""
        covers = ("tags" if path.startswith("tags.") else path,) if covers is None else tuple(covers)
        self._case("change", resource, path, what, run, covers=covers, **more)

    def silent(self, resource, path, what, run=None, **more):
        """A change that means nothing; without `run` the baseline and the resource differ from the beginning."""
        self._case("silent", resource, path, what, run, **more)

    def gone(self, resource, run, **more):
        self._case("gone", resource, "", "deleted", run, **more)

    def _case(self, kind, resource, path, what, run, **more):
        more.setdefault("provider", self.provider)
        self.lab.cases.append(Case(kind, self.type, self.account, resource, path, what, run, **more))


def pairs(mapping, key="Key", value="Value"):
    """A map as AWS's list of pairs."""
    return [{key: k, value: v} for k, v in mapping.items()]


def word(value):
    """A value in a case's name."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (dict, list)):
        return f"{len(value)} given" if value else "empty"
    text = str(value)
    return text if len(text) < 40 else text[:18] + "..." + text[-18:]


def turn(before, after):
    """What a case does, in words: `on to off`, `90 to none`."""
    return f"{word(before)} to {word(after)}"
