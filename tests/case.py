r"""Cases: files that say what the host was like, what the spec says, and what must come of it.

```yaml
about: One sentence, what must hold.
given:                                  # the host before we came
  paths: {/etc/x: {content: "old\n", mode: "0600"}, /srv/data: {}, /etc/l: {target: /etc/x}}
  groups: {ml-users: 2000}
applied: {files: {...}}                 # a spec that was applied before: these things are ours
meanwhile:                              # what somebody did by hand since; null removes
  paths: {/etc/x: null}
  groups: {ml-users: null}
  units: {ml-api.service: stop}
spec: {files: {...}}                    # `version` and `host` are added
sources: {serve: "#!/bin/sh\n"}         # files in the spec's own tree
options: {adopt: true, allow: [...], unprotect: [...], targets: [...]}
changes: {'files["/etc/x"]': update (drift)}
steps: [write /etc/x, (held) restart ml-api.service]
blocked: {'files["/etc/x"]': part of the reason}
unreadable: {'files["/etc/x"]': part of the reason}
refused: [rule]
owed: [(held) restart ml-api.service]   # what is still due afterwards
effects: [restart web.service along with db.service]    # what systemd does of its own accord
secret: a text that nobody may see
offline: {changes: {...}, steps: [...]} # where a tree differs: there no unit runs
booted: true                            # also on a booted Debian; kinds that call the host's own programs
    (`Kind.programs`) are anyway
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from reconciler.app.plan.options import PlanOptions
from reconciler.app.specs import Loaded
from reconciler.core.spec_source import SourceError
from reconciler.kinds import discover
from reconciler.policy.lint import lint
from reconciler.spec.load import load

FOLDER = Path(__file__).parent / "cases"
HOST = "testhost"
_UNIT_VERBS = ("stop", "daemon-reload", "reset-failed", "reload", "restart", "start", "gate", "(held)")


@dataclass(frozen=True, slots=True)
class Host:
    """The objects that are on a host, or the changes made to it: by path, by group, by unit. None removes."""

    paths: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    groups: Mapping[str, int | None] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """The changes and steps that a plan must have."""

    changes: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One case file. `running` is what is expected where a systemd answers, `offline` in a tree."""

    name: str
    about: str
    spec: Mapping[str, Any]
    running: Expected
    offline: Expected
    given: Host = Host()
    applied: Mapping[str, Any] | None = None
    meanwhile: Host = Host()
    sources: Mapping[str, str] = field(default_factory=dict)
    options: PlanOptions = field(default_factory=PlanOptions)
    blocked: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    secret: str = ""
    booted: bool = False

    @property
    def kind(self) -> str:
        """The kind that the case is about: its folder."""
        return self.name.split("/")[0]

    def expected(self, *, running: bool) -> Expected:
        """The plan that must come out with a running systemd, or in a tree."""
        return self.running if running else self.offline

    def loaded(self, spec: Mapping[str, Any] | None = None) -> Loaded:
        """The case's spec, or another one over the same sources, through the loader and the lint."""
        return _loaded(document(self.spec if spec is None else spec), tuple(self.sources.items()))


@dataclass(slots=True)
class Reader:
    """A SourceReader over one text and the files beside it."""

    text: str
    sources: Mapping[str, str] = field(default_factory=dict)
    entry: str = "host.yaml"
    commit: str = ""

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        if name == self.entry:
            return self.text.encode()
        if name not in self.sources:
            raise SourceError(f"{name} does not exist")
        return self.sources[name].encode()

    def display(self, name: str) -> str:
        """The name itself."""
        return name


@lru_cache(maxsize=64)
def _loaded(text: str, sources: tuple[tuple[str, str], ...]) -> Loaded:
    """The spec of this text, not loaded again for each of the hundreds of kills of a case while it does not
    change.
    """
    reader = Reader(text, dict(sources))
    found, diagnostics = load(reader, discover())
    return Loaded(found, (*diagnostics, *(lint(found, discover()) if found else ())), reader)


def full(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with what every spec has."""
    return {"version": 1, "host": HOST, **spec}


def document(spec: Mapping[str, Any]) -> str:
    """The spec as a file: JSON is YAML."""
    return json.dumps(full(spec), indent=1, ensure_ascii=False) + "\n"


def read(path: Path) -> dict[str, Any]:
    """A case file as data. Raises for duplicate keys."""
    yaml = YAML(typ="safe", pure=False)
    data: dict[str, Any] = yaml.load(path.read_text())
    return data


def parse(name: str, data: Mapping[str, Any]) -> Case:
    """A case from its data. Raises TypeError for a key that is none of a case's."""
    rest = dict(data)
    running = Expected(rest.pop("changes", None) or {}, tuple(rest.pop("steps", None) or ()))
    tree = Expected(
        running.changes, tuple(step for step in running.steps if not step.startswith(_UNIT_VERBS))
    )
    other = rest.pop("offline", {})
    offline = Expected(other.get("changes", tree.changes), tuple(other.get("steps", tree.steps)))
    said: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in rest.pop("options", {}).items()
    }
    options = PlanOptions(**said)
    for key in ("given", "meanwhile"):
        rest[key] = Host(**rest.get(key, {}))
    for key in ("refused", "owed", "effects"):
        rest[key] = tuple(rest.get(key, ()))
    rest["booted"] = rest.get("booted", bool(discover()[name.partition("/")[0]].programs))
    return Case(
        name=name,
        running=running,
        offline=offline,
        options=options,
        spec=rest.pop("spec", None) or {},
        **rest,
    )


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case file, by kind and name."""
    return tuple(
        parse(f"{path.parent.name}/{path.stem}", read(path)) for path in sorted(FOLDER.rglob("*.yaml"))
    )
