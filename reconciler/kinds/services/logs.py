"""Files that the output of services goes to, and that nothing rotates: they grow until the disk is full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.basics import globs
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, warning
from reconciler.core.host import HostView
from reconciler.core.spec import Spec
from reconciler.formats import logrotate
from reconciler.kinds.services.model import Service
from reconciler.kinds.shared.rotation_files import LogrotateHost

_GROWING = ("append:", "file:")
"""Outputs whose file is kept at a start; `truncate:` begins anew."""


def unrotated(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of each file that a changed service writes to and no policy names, of the spec or of the host."""
    files = dict(_written(changes))
    if not files:
        return
    patterns, ours = _declared(spec)
    host = LogrotateHost(view, frozenset(ours))
    for path, (change, source) in files.items():
        if any(globs.matches(pattern, path) for pattern in patterns) or host.rotates(path):
            continue
        name = change.address.name.replace("@", "-")
        detail = (
            "It grows until the disk is full. Leave `standard_output` out, and the journal takes it; or write"
            f" under `logrotate:` `{name}: {{paths: [{path}], rotate: 7, frequency: daily,"
            " copytruncate: true}`."
        )
        where = {"address": change.address, "source": source, "rule": "log-not-rotated"}
        yield warning(f"nothing rotates {path}", detail, **where)


def _written(changes: Sequence[Change]) -> Iterator[tuple[str, tuple[Change, object]]]:
    for change in changes:
        declared = change.part.declared if change.part and change.verb is not Verb.NONE else None
        service = declared.resource if declared else None
        if declared and isinstance(service, Service):
            for output in (service.standard_output or "", service.standard_error or ""):
                path = output.partition(":")[2]
                if output.startswith(_GROWING) and not path.startswith("/dev/"):
                    yield path, (change, declared.source)


def _declared(spec: Spec) -> tuple[list[str], list[str]]:
    """The patterns of the declared policies, and their files."""
    policies: Mapping[str, Sequence[str]] = {
        declared.address.name: getattr(declared.resource, "paths", ())
        for declared in spec.resources
        if declared.address.kind == "logrotate"
    }
    patterns = [pattern for paths in policies.values() for pattern in paths]
    return patterns, [f"{logrotate.DIRECTORY}/{name}" for name in policies]
