"""Random units with random relations: as data, as unit files, and how they stand on a host.

For whoever wants to know whether something is worked out as systemd does it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.host import UnitNode
from reconciler.host.systemd.unit_relations import FLAGS, parse
from reconciler.host.systemd.unit_relations import RELATIONS as SHOWN
from reconciler.host.systemd.unit_results import blocks
from tests.booted.truth import Truth

UNITS = "/etc/systemd/system"
RELATIONS = (
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "PropagatesStopTo",
    "StopPropagatedFrom",
    "PropagatesReloadTo",
    "ReloadPropagatedFrom",
    "OnSuccess",
)
"""The relations to another unit that a unit file can have, beside the order."""

VERBS = ("start", "stop", "restart", "reload")
_SHOWN = ("Id", "Names", "LoadState", "ActiveState", *SHOWN, *FLAGS, "InvocationID", "ExecReload")
_SERVICE = """[Service]
Type={type}
RemainAfterExit={remains}
ExecStart={start}
ExecReload=/bin/true
"""


@dataclass(frozen=True)
class Drawn:
    """One unit of a graph."""

    relations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    type: str = "exec"
    """exec, simple, oneshot, or `stays` for a oneshot with RemainAfterExit=."""
    unneeded: bool = False
    """StopWhenUnneeded=."""
    masked: bool = False

    @property
    def text(self) -> str:
        """The unit file."""
        lines = ["[Unit]", "DefaultDependencies=no", "StartLimitIntervalSec=0"]
        lines += [f"{relation}={' '.join(names)}" for relation, names in self.relations.items() if names]
        lines += ["StopWhenUnneeded=yes"] * self.unneeded
        once = self.type in ("oneshot", "stays")
        start = "/bin/true" if once else "/usr/bin/sleep infinity"
        remains = "yes" if self.type == "stays" else "no"
        return (
            "\n".join(lines)
            + "\n"
            + _SERVICE.format(type="oneshot" if once else self.type, remains=remains, start=start)
        )


@dataclass(frozen=True)
class Graph:
    """Units, how they come to stand, and what is done to them."""

    seed: int
    units: Mapping[str, Drawn]
    running: Sequence[str]
    """Started with all that belongs to them."""
    forced: Sequence[str]
    """Started without regard to their relations: what an administrator or a crash may leave."""
    verb: str
    named: Sequence[str]

    def __str__(self) -> str:
        units = {
            name: {**unit.relations, "type": unit.type, "unneeded": unit.unneeded}
            for name, unit in self.units.items()
        }
        return (
            f"RECONCILER_SEED={self.seed}: {self.verb} {' '.join(self.named)}\n{json.dumps(units, indent=1)}"
        )


@dataclass(frozen=True)
class Standing:
    """How one unit stands."""

    active: str
    invocation: str
    reloaded: str
    """A value that tells one reload from the next."""


def draw(seed: int, prefix: str = "g", most: int = 8) -> Graph:
    """A graph of two to eight services; the same for the same seed."""
    lot = random.Random(seed)  # noqa: S311  # a lot, no secret
    names = [f"{prefix}{seed}-{letter}.service" for letter in "abcdefgh"[: lot.randint(2, most)]]
    types = {name: lot.choices(("exec", "simple", "stays", "oneshot"), (6, 2, 1, 1))[0] for name in names}
    relations: dict[str, dict[str, set[str]]] = {name: {} for name in names}
    for _ in range(lot.randint(1, 2 * len(names))):
        one, other = lot.sample(names, 2)
        relation = lot.choice(RELATIONS)
        if relation == "Upholds" and types[other] == "oneshot":
            continue  # it would be started for ever
        relations[one].setdefault(relation, set()).add(other)
        if lot.random() < 0.4:
            relations[one].setdefault(lot.choice(("After", "After", "Before")), set()).add(other)
    missing = lot.random()
    if missing < 0.1:
        relations[lot.choice(names)].setdefault(lot.choice(("Requires", "Wants", "BindsTo")), set()).add(
            f"{prefix}{seed}-none.service"
        )
    units = {
        name: Drawn(
            {key: sorted(value) for key, value in relations[name].items()}, types[name], lot.random() < 0.08
        )
        for name in names
    }
    some = [name for name in names if lot.random() < 0.5]
    forced = [name for name in names if lot.random() < 0.3]
    named = lot.sample(names, 1 if lot.random() < 0.7 else min(2, len(names)))
    return Graph(seed, units, some, forced, lot.choice(VERBS), named)


def write(host: Truth, graphs: Iterable[Graph], outside: Path, pin: str = "pin.target") -> None:
    """Write the units of all graphs and load them.

    A target that is behind them all keeps systemd from forgetting what is down.
    """
    names: list[str] = []
    for graph in graphs:
        for name, unit in graph.units.items():
            (outside / name).write_text(unit.text)
            names.append(name)
    (outside / pin).write_text(f"[Unit]\nDefaultDependencies=no\nAfter={' '.join(names)}\n")
    host.copy_in(outside, UNITS)  # type: ignore[attr-defined]  # only booted hosts run units
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "start", pin)


def bring_up(host: Truth, graph: Graph) -> bool:
    """As the graph says that its units stand, as far as systemd lets them.

    False: they do not come to rest.
    """
    if graph.running:
        host.run("systemctl", "start", "--no-block", "--", *graph.running, check=False)
        settle(host)
    if graph.forced:
        host.run(
            "systemctl",
            "start",
            "--no-block",
            "--job-mode=ignore-dependencies",
            "--",
            *graph.forced,
            check=False,
        )
    return settle(host)


def take_down(host: Truth, graph: Graph) -> None:
    """No unit of the graph is left running."""
    host.run("systemctl", "stop", "--job-mode=ignore-dependencies", "--", *graph.units, check=False)
    host.run("systemctl", "stop", "--job-mode=ignore-dependencies", "--", *graph.units, check=False)


def settle(host: Truth) -> bool:
    """Until systemd has nothing more to do: twice in a row no job. False: it does not come to rest."""
    quiet = 0
    for _ in range(100):
        quiet = quiet + 1 if not host.run("systemctl", "list-jobs", "--no-legend").stdout.strip() else 0
        if quiet == 2:
            return True
    return False


def look(host: Truth, names: Iterable[str]) -> tuple[dict[str, UnitNode], dict[str, Standing]]:
    """The units as systemd has them loaded, and how they stand."""
    said = host.run(
        "systemctl", "show", "--no-pager", f"--property={','.join(_SHOWN)}", "--", *names
    ).stdout.encode()
    shown = blocks(said)
    standing = {
        block["Id"]: Standing(
            block["ActiveState"], block.get("InvocationID", ""), block.get("ExecReload", "")
        )
        for block in shown
    }
    return parse(said), standing


def done(before: Mapping[str, Standing], after: Mapping[str, Standing], graph: Graph) -> dict[str, str]:
    """The verb that has happened to each unit: stop, start, restart or reload; stop as well to one that was
    started and stopped again.
    """
    ending = {name for name, unit in graph.units.items() if unit.type == "oneshot"}
    happened = {name: _done(before[name], after[name], ends=name in ending) for name in before}
    return {name: verb for name, verb in happened.items() if verb}


def _done(before: Standing, after: Standing, *, ends: bool) -> str:
    was, now = before.active not in ("inactive", "failed"), after.active not in ("inactive", "failed")
    if was and not now:
        return "stop"
    if before.invocation != after.invocation and after.invocation:
        return "restart" if was else "start" if now or ends else "stop"
    return "reload" if was and before.reloaded != after.reloaded else ""
