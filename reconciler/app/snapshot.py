"""Snapshots: a host's facts as a document, and a plan from such a document instead of from the host."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from reconciler._version import __version__
from reconciler.app.plan.started import read_started
from reconciler.core.actions import WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import machine_digest
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change, Origin, Verb
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.kind import Impossible
from reconciler.core.spec import Spec
from reconciler.core.state import Memory
from reconciler.host.documents import read_document
from reconciler.host.hosts import machine_id, open_host, state_directory, static_hostname
from reconciler.host.snapshot.ledger import memory_of
from reconciler.host.snapshot.view import SnapshotView
from reconciler.host.state.read import read_memory
from reconciler.kinds import discover

MAJOR = "1"
OTHER_HOST = "other-host"
"""The guard's name, with which it is overridden."""


@frozen
class Loaded:
    """A snapshot to plan from, or the problem because of which it is not one."""

    view: SnapshotView | None = None
    memory: Memory | None = None
    problem: Diagnostic | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole snapshot."""


def take_snapshot(root: str | None, now: str) -> dict[str, Any]:
    """The facts of the host, or of a tree. Raises HostError."""
    from reconciler.app.audit.snapshot import recorded
    from reconciler.host.snapshot.facts import versions
    from reconciler.host.snapshot.recorder import Recorder
    from reconciler.host.snapshot.take import take

    host = open_host(root)
    machine = machine_id(host)
    memory = read_memory(state_directory(root), machine)
    more = {"versions": versions() if root is None else {}}
    who = {"name": static_hostname(host), "machine": machine_digest(machine)}
    remembered = read_started(state_directory(root), memory.key) if host.running else None
    started = remembered.started if remembered is not None else {}
    recorder = Recorder(host)
    answers = recorded(recorder, now)
    return take(
        recorder,
        discover(),
        memory,
        who=who,
        units=host.loaded_units(),
        now=now,
        tool_version=__version__,
        started=started,
        audit=answers,
        **more,
    )


def load_snapshot(path: str, spec: Spec, allow: Collection[str]) -> Loaded:
    """The snapshot in a file, checked against the published schema; or the problem."""
    content, problem = read_document(path)
    if problem:
        return _no(problem)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return _no(
            f"{path} is not JSON; it is damaged, or something else than a snapshot. Take it again with"
            " `reconciler snapshot`"
        )
    return open_snapshot(data, spec, path, allow)


def open_snapshot(data: Any, spec: Spec, path: str, allow: Collection[str] = ()) -> Loaded:
    """The snapshot that was read from `path`, to plan this spec from; or the problem."""
    version = data.get("format_version") if isinstance(data, dict) else None
    if (
        isinstance(version, str)
        and version.partition(".")[0].isdecimal()
        and version.partition(".")[0] != MAJOR
    ):
        return _no(
            f"{path} has format {version[:20]}, this version of the tool reads {MAJOR}.x. Use the version"
            " that the host has"
        )
    from jsonschema import Draft202012Validator  # only needed here

    from reconciler.render.snapshot_schema import snapshot_schema

    misfit = next(iter(Draft202012Validator(snapshot_schema()).iter_errors(data)), None)
    if misfit is not None:
        field = "/".join(str(step) for step in misfit.absolute_path) or "the document"
        return _no(
            f"{path} is not a snapshot: {field} is not as its schema says (see `reconciler schema snapshot`)"
        )
    name = data["host"]["name"]
    if name and name != spec.host and OTHER_HOST not in allow:
        detail = (
            f"{path} was taken on {name}, the spec is for host {spec.host}. If it is meant: --allow"
            f" {OTHER_HOST}."
        )
        return Loaded(problem=error("snapshot of another host", detail, rule=OTHER_HOST, refusal=True))
    try:
        memory = memory_of(data["memory"])
        datetime.fromisoformat(data["taken"])
    except ValueError as wrong:
        return _no(f"{path} is not a snapshot: {wrong}")
    declared = _declared_contents(spec, running=data["running"])
    try:
        memory = _with_seen(memory, data.get("withheld", {}), SnapshotView(data, declared))
    except ValueError as wrong:
        return _no(f"{path} is not a snapshot: {wrong}")
    return Loaded(SnapshotView(data, declared), memory, document=data)


def _with_seen(memory: Memory, withheld: Mapping[str, bool], view: SnapshotView) -> Memory:
    """The ledger, with the documents that the snapshot withholds, where the host is as applied and the spec
    declares the same.

    Raises ValueError for a text that is no address.
    """
    kinds, rows = discover(), dict(memory.rows)
    for address in (Address.parse(text) for text, is_applied in withheld.items() if is_applied):
        row = rows.get(address)
        if row is None or address.kind not in kinds:
            continue
        parts = [other for other in memory.rows if other.resource == address.resource]
        observed = kinds[address.kind].observe(view, parts)[address]
        if not observed.unreadable and observed.document is not None:
            rows[address] = replace(row, document=observed.document)
    return replace(memory, rows=rows)


def _declared_contents(spec: Spec, *, running: bool) -> dict[str, bytes]:
    """The contents of files by path, as the spec declares them.

    They are the host's own, where its digest is the same.
    """
    from reconciler.host.simulation.host import EmptyView

    kinds, nowhere = discover(), EmptyView(running=running)
    parts = [
        part for resource in spec.resources for part in kinds[resource.address.kind].expand(resource, running)
    ]
    contents: dict[str, bytes] = {}
    for name in {part.address.kind for part in parts}:
        # On an empty host every declared file is written, so the actions have all contents.
        observed_by_address = kinds[name].observe(
            nowhere, [part.address for part in parts if part.address.kind == name]
        )
        for part in (part for part in parts if part.address.kind == name):
            change = Change(
                part.address,
                Verb.CREATE,
                Origin.INTENT,
                part=part,
                observed=observed_by_address[part.address],
            )
            with suppress(Impossible):
                steps = kinds[name].actions(change)
                contents |= {
                    step.action.path: step.action.content
                    for step in steps
                    if isinstance(step.action, WriteFile)
                }
    return contents


def _no(problem: str) -> Loaded:
    return Loaded(problem=error("cannot use the snapshot", f"{problem}."))
