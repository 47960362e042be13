"""services: a systemd service with a unit file of our own in /etc/systemd/system, its enablement and whether it runs.

Enablement is the links that [Install] asks for (systemd.unit(5)), made and removed one by one: `systemctl enable` reloads systemd at
every call, and a link is something a plan can show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.actions import (
    ABSENT,
    Cause,
    MakeLink,
    RemovePath,
    SetAccess,
    Step,
    Unit,
    UnitVerb,
    WriteFile,
)
from reconciler.core.address import Address
from reconciler.core.changes import Change, Document, Observed, Part, Verb
from reconciler.core.digest import digest
from reconciler.core.host import FileType, HostView, UnitState, Unreadable, UnsafePath
from reconciler.core.kind import Impossible, Kind, Requirement, RequirementType
from reconciler.core.resource import Effect
from reconciler.core.spec import Declared
from reconciler.core.state import OwedRow
from reconciler.formats import unit
from reconciler.kinds import access, service_unit
from reconciler.kinds.service_model import OnChange, Service, ServiceName, State

UNITS = "/etc/systemd/system"
RUNTIME = "/run/systemd/system"
_DEPENDENCIES = (".wants", ".requires", ".upholds")
_FILE = {"type": "file", "mode": "0644", "owner": "root", "group": "root"}
_MASK = {"type": "link", "target": "/dev/null"}
# systemd's ActiveState in our words; activating is looked at more closely in _state.
_STATES = {"active": "running", "reloading": "running", "inactive": "stopped", "deactivating": "stopping", "failed": "failed"}


def _service(declared: Declared) -> Service:
    assert isinstance(declared.resource, Service)
    return declared.resource


def _path(address: Address) -> str:
    return f"{UNITS}/{address.name}.service"


def _header(address: Address) -> tuple[str, ...]:
    return (f"Managed by Reconciler as {address}.", "Change the spec instead: what is changed here is put back.")


def _links(service: Service, name: str) -> list[str]:
    return sorted(
        [f"{UNITS}/{target}.wants/{name}.service" for target in service.wanted_by]
        + [f"{UNITS}/{target}.requires/{name}.service" for target in service.required_by]
    )


def expand(declared: Declared, running: bool) -> Iterator[Part]:
    """One part: unit file, links and state together, because they change together."""
    service, name = _service(declared), declared.address.name
    if service.enabled == "masked":
        document: Document = {**_MASK, "enabled": []}
        content = None
    else:
        sections = service_unit.sections(service)
        document = {**_FILE, "unit": sections, "enabled": _links(service, name) if service.enabled else []}
        content = unit.render(sections, _header(declared.address)).encode()
    if running and not _ends_by_itself(service):
        document["state"] = "stopped" if service.enabled == "masked" else str(service.state)
    yield Part(declared.address, document, declared, content)


def _ends_by_itself(service: Service) -> bool:
    """A oneshot that ran is healthy and not running: its state cannot be converged to."""
    return service.type == "oneshot" and not service.remain_after_exit and service.state is State.RUNNING


def observe(view: HostView, addresses: Sequence[Address]) -> Mapping[Address, Observed]:
    """One directory scan for all links, one question to systemd for all states, one read per unit file."""
    links = _enablement(view, {f"{address.name}.service" for address in addresses})
    states = view.units([f"{address.name}.service" for address in addresses]) if view.running else {}
    return {address: _observe(view, address, links, states) for address in addresses}


def _enablement(view: HostView, units: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for base in (UNITS, RUNTIME):
        for directory in view.names(base):
            if directory.endswith(_DEPENDENCIES):
                for name in view.names(f"{base}/{directory}"):
                    if name in units:
                        found.setdefault(name, []).append(f"{base}/{directory}/{name}")
    return found


def _observe(view: HostView, address: Address, links: Mapping[str, list[str]], states: Mapping[str, UnitState]) -> Observed:
    name = f"{address.name}.service"
    try:
        entry, content = access.read_entry(view, _path(address))
    except (Unreadable, UnsafePath) as error:
        return access.unreadable(error)
    state = _state(states.get(name, UnitState())) if view.running else "stopped"
    if entry is None and name not in links and state == "stopped":
        return Observed(None)
    document: Document = {} if entry is None else access.path_document(entry)
    if entry is not None and entry.type is FileType.FILE:
        document["unit"] = unit.parse(content.decode("utf-8", "replace"))
    document["enabled"] = sorted(links.get(name, []))
    private: dict[str, object] = {"expects": ABSENT if entry is None else access.expects_of(entry, content)}
    private["targets"] = {link: _target(view, link) for link in document["enabled"]}
    if view.running:
        document["state"] = state
    return Observed(document, private)


def _target(view: HostView, link: str) -> str:
    entry = view.entry(link)
    return access.expects_of(entry, b"") if entry is not None and entry.type is FileType.LINK else "something else"


def _state(state: UnitState) -> str:
    if state.active == "activating":
        return "restarting" if state.sub == "auto-restart" else "running"
    return _STATES.get(state.active, state.active)


def actions(change: Change) -> Iterator[Step]:
    """STOP what has to stop, write, tell systemd once, then start, restart or reload as `on_change` allows."""
    if change.verb is Verb.DELETE:
        yield from _remove(change)
        return
    assert change.part is not None
    if (change.before or {}).get("type") == "directory":
        raise Impossible(f"{_path(change.address)} is a directory; move it away by hand, nothing here deletes it")
    yield from _stop(change)
    written = list(_write(change))
    yield from written
    yield from _enable(change, reloads=any(isinstance(step.action, Unit) for step in written))
    yield from _run(change)


def _unit_step(change: Change, verb: UnitVerb, why: str, *, once: bool = False) -> Step:
    name = f"{change.address.name}.service"
    units = () if verb is UnitVerb.DAEMON_RELOAD else (name,)
    return Step(Unit(verb, units), (Cause(change.address, why, units[0] if units else "", once),))


def _remove(change: Change) -> Iterator[Step]:
    path, cause = _path(change.address), (Cause(change.address),)
    before = change.before or {}
    if before.get("state") not in (None, "stopped"):
        yield _unit_step(change, UnitVerb.STOP, "it is no longer in the spec")
    for link in before.get("enabled", []):
        yield Step(RemovePath(link, change.observed.private["targets"][link], prune_parent=True), cause)
    if "type" in before:
        yield Step(RemovePath(path, access.expected(change.observed)), cause)
    yield _unit_step(change, UnitVerb.DAEMON_RELOAD, "its unit file is removed")
    if before.get("state") == "failed":
        yield _unit_step(change, UnitVerb.RESET_FAILED, "its unit file is removed")


def _stop(change: Change) -> Iterator[Step]:
    if change.touches("state") and (change.after or {}).get("state") == "stopped":
        if (change.before or {}).get("state") == "failed":
            yield _unit_step(change, UnitVerb.RESET_FAILED, "it failed and shall be stopped")
        elif change.before is not None:
            yield _unit_step(change, UnitVerb.STOP, "state: stopped")


def _write(change: Change) -> Iterator[Step]:
    assert change.part is not None and change.after is not None
    path, cause, expects = _path(change.address), (Cause(change.address),), access.expected(change.observed)
    absent = "type" not in (change.before or {})
    if change.after["type"] == "link":
        if absent or change.touches("target"):
            yield Step(MakeLink(path, "/dev/null", expects), cause)
            yield _unit_step(change, UnitVerb.DAEMON_RELOAD, "it is masked")
    elif absent or change.touches("unit") or change.touches("type"):
        assert change.part.content is not None
        content = change.part.content
        yield Step(WriteFile(path, content, digest(content), **access.access_of(change.after), expects=expects), cause)
        yield _unit_step(change, UnitVerb.DAEMON_RELOAD, "its unit file is new" if absent else "its unit file changed")
    elif any(change.touches(name) for name in access.ACCESS):
        yield Step(SetAccess(path, **access.access_of(change.after)), cause)


def _enable(change: Change, *, reloads: bool) -> Iterator[Step]:
    """Make and remove links. `reloads`: systemd is told anyway, one reason is enough."""
    if not change.touches("enabled"):
        return
    assert change.after is not None
    cause, before, after = (Cause(change.address),), set((change.before or {}).get("enabled", [])), set(change.after["enabled"])
    for link in sorted(after - before):
        yield Step(MakeLink(link, _path(change.address)), cause)
    for link in sorted(before - after):
        yield Step(RemovePath(link, change.observed.private["targets"][link], prune_parent=True), cause)
    if not reloads:
        yield _unit_step(change, UnitVerb.DAEMON_RELOAD, "its enablement changed")


def _run(change: Change) -> Iterator[Step]:
    assert change.part is not None and change.after is not None
    service, state = _service(change.part.declared), (change.before or {}).get("state")
    if service.state is State.STOPPED or service.enabled == "masked":
        return
    job = _ends_by_itself(service)
    if change.verb is Verb.CREATE:
        yield _unit_step(change, UnitVerb.START, "it is new", once=job)
    elif state == "restarting":
        yield _unit_step(change, UnitVerb.RESTART, "it keeps failing and being restarted")
    elif change.touches("state"):
        yield _unit_step(change, UnitVerb.START, f"it is {state or 'not running'}")
    elif state == "running" or job:
        cost, directive = service_unit.effect(change.fields)
        if state == "running":
            yield from _catch_up(change.address, service, cost, f"{directive} changed")
        elif cost is Effect.RESTART and service.on_change is OnChange.RESTART:
            yield _unit_step(change, UnitVerb.START, f"{directive} changed", once=True)


def _catch_up(address: Address, service: Service, cost: Effect, why: str) -> Iterator[Step]:
    """Bring a running process to its configuration as far as `on_change` allows; what it forbids stays owed."""
    name = f"{address.name}.service"
    verb = {Effect.NONE: None, Effect.RELOAD: UnitVerb.RELOAD, Effect.RESTART: UnitVerb.RESTART}[cost]
    if verb is None:
        return
    allowed = {OnChange.RESTART: (UnitVerb.RELOAD, UnitVerb.RESTART), OnChange.RELOAD: (UnitVerb.RELOAD,), OnChange.NONE: ()}
    if verb is UnitVerb.RELOAD and service.exec_reload is None:
        return
    yield Step(Unit(verb, (name,)), (Cause(address, why, name),), held=verb not in allowed[service.on_change])


def watches(declared: Declared) -> Iterator[str]:
    """Files that are its configuration."""
    service = _service(declared)
    yield from service.watch
    yield from _read_at_start(service)


def _read_at_start(service: Service) -> Iterator[str]:
    yield from (path.removeprefix("-") for path in service.environment_file)
    yield from service.load_credential.values()


def watched(part: Part, observed: Observed, paths: Sequence[str]) -> Iterator[Step]:
    """Restart or reload it, if it runs. Environment files and credentials are read at the start only: a reload is not enough."""
    service = _service(part.declared)
    if (observed.document or {}).get("state") != "running" or part.document.get("state") != "running":
        return
    at_start = set(_read_at_start(service)) if service.on_change is OnChange.RELOAD else set(paths)
    for cost, some in (
        (Effect.RELOAD, [path for path in paths if path not in at_start]),
        (Effect.RESTART, [path for path in paths if path in at_start]),
    ):
        if some:
            why = f"{some[0]} changed" if len(some) == 1 else f"{some[0]} and {len(some) - 1} more changed"
            yield from _catch_up(part.address, service, cost, why)


def catch_up(part: Part, observed: Observed, row: OwedRow) -> Iterator[Step]:
    """What an earlier run still owes, as far as today's `on_change` allows."""
    if row.verb == UnitVerb.START:
        if _ends_by_itself(_service(part.declared)) and part.document["type"] == "file":
            yield Step(Unit(UnitVerb.START, (row.unit,)), (Cause(part.address, row.why, row.unit, once=True),))
        return
    if (observed.document or {}).get("state") == "running" and part.document.get("state") == "running":
        cost = Effect.RELOAD if row.verb == UnitVerb.RELOAD else Effect.RESTART
        yield from _catch_up(part.address, _service(part.declared), cost, row.why)


def _program(service: Service) -> str:
    words = service.exec_start if isinstance(service.exec_start, list) else service.exec_start.lstrip("-@:+!|").split()
    return words[0] if words else ""


def references(declared: Declared) -> Iterator[Address]:
    """Its accounts, its files, and the directories above them."""
    service = _service(declared)
    yield from access.owners(service.user or "root", service.group or "root")
    files = (*watches(declared), _program(service))
    directory = (service.working_directory or "").removeprefix("-")
    yield from (Address("files", path) for path in files)
    yield from access.above(*files)
    if directory.startswith("/"):
        yield Address("directories", directory)
        yield from access.above(directory)


def requires(declared: Declared) -> Iterable[Requirement]:
    """A service that cannot start is a failed service, not a refused plan: these are warnings."""
    service = _service(declared)
    needed = [(RequirementType.USER, service.user), (RequirementType.GROUP, service.group)]
    if service.enabled != "masked":
        needed.append((RequirementType.PROGRAM, _program(service)))
    return [Requirement(what, name, fatal=False) for what, name in needed if name]


KIND = Kind(
    name="services",
    model=Service,
    name_type=ServiceName,
    expand=expand,
    observe=observe,
    actions=actions,
    carries=("type", "unit"),
    references=references,
    requires=requires,
    watches=watches,
    watched=watched,
    catch_up=catch_up,
    paths=lambda address: (_path(address),),
)
