"""Units with a unit file of our own in /etc/systemd/system: the common ground of services, timers and jobs.

Enablement is the links that [Install] asks for (systemd.unit(5)), made and removed one by one: `systemctl
enable` reloads systemd at every call, and a plan can show a link. Functions take the whole name of a unit,
`ml-api.service`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from reconciler.core.actions import Check, MakeLink, RemovePath, SetAccess, Unit, UnitVerb, WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import LOAD, Change, Document, Observed, Part
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.spec import Declared
from reconciler.core.steps import Cause, Step
from reconciler.formats.systemd import unit
from reconciler.formats.systemd.unit_refusals import refusals
from reconciler.kinds.shared import drop_ins, file_part, ownership, unit_files
from reconciler.kinds.shared.unit_facts import UnitFacts

_DROP_IN = "drop-in"
"""The part that is only a drop-in, no whole unit."""
FILE: Document = {"type": "file", "mode": "0644", "owner": "root", "group": "root"}
MASK: Document = {"type": "link", "target": "/dev/null"}
ALIVE = ("running", "starting")
"""The states in which a unit has read a configuration already.

A unit that is starting may yet fail: a start waits for the end of systemd's job.
"""


def links(
    name: str,
    wanted_by: Iterable[str],
    required_by: Iterable[str] = (),
    upheld_by: Iterable[str] = (),
    aliases: Iterable[str] = (),
) -> list[str]:
    """The links that enable a unit."""
    by_directory = {"wants": wanted_by, "requires": required_by, "upholds": upheld_by}
    dependencies = {
        f"{unit_files.DIRECTORY}/{by}.{suffix}/{name}"
        for suffix, units in by_directory.items()
        for by in units
    }
    return sorted(dependencies | {unit_files.path(alias) for alias in aliases if alias != name})


def text(address: Address, sections: unit.Sections) -> bytes:
    """The unit file of a declared part."""
    return unit.render(sections, header(address)).encode()


def header(address: Address) -> tuple[str, str]:
    """The two lines of the comment on top of a file of ours: who manages it, and where to change it.

    Our own units come from no spec.
    """
    if address.kind == "reconcile":
        return unit_files.INSTALLED, "Run that again instead of changing anything here."
    return f"{unit_files.MARK}{address}.", "Change the spec instead: what is changed here is put back."


def would_refuse(part: Part, sections: unit.Sections) -> Iterator[Diagnostic]:
    """Yield an error for each reason why no systemd would load a service of these sections."""
    for reason in refusals(sections):
        yield error(
            "systemd would not load it",
            f"{reason}.",
            address=part.address,
            source=part.declared.source,
            rule="unit-refused",
        )


def would_refuse_together(part: Part, texts: Iterable[str], others: Sequence[str]) -> Iterator[Diagnostic]:
    """Yield an error for each reason why systemd would not load a file with its drop-ins, in this order."""
    for reason in refusals(unit.merge(texts)):
        beside = f" (with {', '.join(others)})" if others else ""
        detail = f"{reason}{beside}."
        yield error(
            "systemd would not load it",
            detail,
            address=part.address,
            source=part.declared.source,
            rule="unit-refused",
        )


def check_together(changes: Iterable[Change]) -> Iterator[Diagnostic]:
    """Yield errors for units of ours that systemd would not load because of a foreign drop-in."""
    for change in changes:
        others: tuple[drop_ins.DropIn, ...] = change.observed.facts(UnitFacts).drop_ins
        if others and change.part is not None and "unit" in change.part.document:
            texts = [
                text(change.address, change.part.document["unit"]).decode(),
                *(drop_in.text for drop_in in others),
            ]
            yield from would_refuse_together(change.part, texts, [drop_in.path for drop_in in others])


def lint(declared: Declared, parts: Callable[[], Iterable[Part]]) -> Iterator[Diagnostic]:
    """Yield errors for values that no unit file can hold, and for units that systemd would not load.

    No unit file can hold a description that ends with a backslash, for example.
    """
    try:
        for part in parts():
            if "unit" in part.document:
                text(part.address, part.document["unit"])
                if "Service" in part.document["unit"] and part.address.part != _DROP_IN:
                    yield from would_refuse(part, part.document["unit"])
    except ValueError as problem:
        yield error(
            "systemd cannot do this",
            str(problem),
            address=declared.address,
            source=declared.source,
            rule="unit",
        )


def why_start(state: str | None) -> str:
    """Why a unit in this state is started."""
    return "it is still starting" if state == "starting" else f"it is {state or 'not running'}"


def refused(part: Part, observed: Observed, name: str) -> Iterator[Diagnostic]:
    """Warn of a unit that systemd has not loaded: it may run on, but nothing starts it, not even a boot."""
    if observed.refusal:
        detail = (
            f"{observed.refusal} Until it is mended nothing can start it, and after the next boot it does not"
            " run."
        )
        where = {"address": part.address, "source": part.declared.source, "rule": "refused-unit"}
        yield warning(f"systemd does not load {name}", detail, **where)


def others(part: Part, observed: Observed) -> Iterator[Diagnostic]:
    """Warn of foreign drop-ins for a unit whose file is ours: they stay, and override the file."""
    facts = observed.facts(UnitFacts)
    yield from refused(part, observed, facts.name or str(part.address))
    for foreign in facts.drop_ins:
        same = drop_ins.both_say(part.document.get("unit", {}), foreign.sections)
        directives = sorted(
            f"{section}.{name}" for section, names in foreign.sections.items() for name in names
        )
        detail = f"{foreign.path} is not ours and stays. "
        detail += (
            f"It says {', '.join(same)} as well, and overrides the spec."
            if same
            else f"It says {', '.join(directives) or 'nothing'}."
        )
        yield warning(
            f"another drop-in for {part.address}",
            detail,
            address=part.address,
            source=part.declared.source,
            rule="other-drop-in",
        )


# ---------------------------------------------------------------------------------------------------- steps


def step(address: Address, verb: UnitVerb, name: str, why: str, *, once: bool = False) -> Step:
    """The step that applies a verb to one unit, with the reason."""
    return Step(Unit(verb, (name,)), (Cause(address, why, name, once),))


def daemon_reload(address: Address, why: str) -> Step:
    """The step that has systemd read its unit files again; equal steps become one."""
    return Step(Unit(UnitVerb.DAEMON_RELOAD), (Cause(address, why),))


def put(change: Change, name: str) -> Iterator[Step]:
    """Write the unit file or the mask, make and remove links, and reload systemd if any of that is done.

    Raises Impossible.
    """
    if (change.before or {}).get("type") == "directory":
        raise file_part.in_the_way(unit_files.path(name), "directory")
    written = list(_write(change, name))
    yield from written
    yield from _enable(change, name, reloads=any(isinstance(step.action, Unit) for step in written))
    yield from load_again(change)


def _write(change: Change, name: str) -> Iterator[Step]:
    assert change.part is not None and change.after is not None
    cause, expects = (Cause(change.address),), ownership.expected(change.observed)
    absent = "type" not in (change.before or {})
    if change.after["type"] == "link":
        if absent or change.touches("target"):
            yield Step(MakeLink(unit_files.path(name), change.after["target"], expects), cause)
            yield daemon_reload(change.address, "it is masked")
    elif absent or change.touches("unit") or change.touches("type"):
        content = text(change.address, change.after["unit"])
        yield Step(
            WriteFile(
                unit_files.path(name),
                content,
                digest(content),
                **ownership.access_of(change.after),
                expects=expects,
                check=Check.SYSTEMD,
            ),
            cause,
        )
        yield daemon_reload(change.address, "its unit file is new" if absent else "its unit file changed")
    elif any(change.touches(key) for key in ownership.ACCESS):
        yield Step(SetAccess(unit_files.path(name), **ownership.access_of(change.after)), cause)


def _enable(change: Change, name: str, *, reloads: bool) -> Iterator[Step]:
    """Make and remove links. With `reloads` another step reloads systemd already, so none is added."""
    if not change.touches("enabled"):
        return
    assert change.after is not None
    cause, before, after = (
        (Cause(change.address),),
        set((change.before or {}).get("enabled", [])),
        set(change.after["enabled"]),
    )
    for link in sorted(after - before):
        yield Step(MakeLink(link, unit_files.path(name)), cause)
    for link in sorted(before - after):
        yield _unlink(change, link)
    if not reloads:
        yield daemon_reload(change.address, "its enablement changed")


def load_again(change: Change) -> Iterator[Step]:
    """Have systemd read its unit files again where it has not loaded this one."""
    if change.touches(LOAD):
        yield daemon_reload(
            change.address, f"systemd has not loaded its unit file ({(change.before or {})[LOAD]})"
        )


def _unlink(change: Change, link: str) -> Step:
    """Remove one link, and the dependency directory with its last one."""
    in_directory = link.rpartition("/")[0].endswith(unit_files.DEPENDENCIES)
    return Step(
        RemovePath(link, change.observed.facts(UnitFacts).targets[link], prune_parent=in_directory),
        (Cause(change.address),),
    )


def remove(change: Change, name: str) -> Iterator[Step]:
    """Stop a unit, remove its links and its file, and have systemd forget it."""
    before, cause = change.before or {}, (Cause(change.address),)
    if before.get("state") not in (None, "stopped"):
        yield step(change.address, UnitVerb.STOP, name, "it is no longer in the spec")
    for link in before.get("enabled", []):
        yield _unlink(change, link)
    if "type" in before:
        yield Step(RemovePath(unit_files.path(name), ownership.expected(change.observed)), cause)
    yield daemon_reload(change.address, "its unit file is removed")
    if before.get("state") == "failed":
        yield step(change.address, UnitVerb.RESET_FAILED, name, "its unit file is removed")
