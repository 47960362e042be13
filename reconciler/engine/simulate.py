"""Try a plan on a simulated host: planning again on the result must give nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable
from typing import Any

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Document, Observed, Part
from reconciler.core.host import Executor, HostError, NotInSnapshot, Receipt, TakenAlong, Unreadable
from reconciler.core.steps import Step
from reconciler.engine.compare import only_reported
from reconciler.engine.diff import differences, value_at
from reconciler.engine.inputs import Request, Situation, look_again
from reconciler.engine.units.dependents import Trial, as_tried

_LONGEST = 80
"""Characters of a value that a reason quotes."""


def simulate(
    steps: Iterable[Step],
    addresses: Collection[Address],
    situation: Situation,
    request: Request,
    host: Executor,
) -> Trial:
    """Carry the plan out on a simulated host: which of these addresses would not converge, and what systemd
    takes along.
    """
    failures: dict[Address, str] = {}
    along: list[tuple[Address, TakenAlong]] = []
    unknown: set[Address] = set()
    unreadable: dict[Address, str] = {}
    tried: list[Step] = []
    for step in steps:
        tried.append(step)
        if step.held:
            continue
        try:
            receipt = host.execute(step.action)
        except NotInSnapshot:
            # Its outcome is not known, and that is not a failure: the plan says that it is
            # incomplete.
            unknown.update(cause.address for cause in step.causes)
        except Unreadable as hidden:
            unreadable.update((cause.address, str(hidden)) for cause in step.causes)
        except HostError as failed:
            failures.update(
                {cause.address: str(failed) for cause in step.causes if cause.address not in failures}
            )
        else:
            failures.update(unit_failures(step, receipt))
            along += [(asked_by(step, taken), taken) for taken in receipt.along]
            tried[-1] = as_tried(step, receipt)
    readable = [address for address in addresses if address not in unknown and address not in unreadable]
    unseen: dict[Address, str] = {}
    failed_before = {address.resource for address in failures}
    for address, part in not_converged(readable, situation, request, host).items():
        if part.hidden:
            unseen.setdefault(address, part.reason)
        elif address.resource in failed_before:
            failures.setdefault(address, part.reason)
        else:
            failures.setdefault(address, f"{part.reason}{advice(address, part, tried, trial=True)}")
    return Trial(host, failures, tuple(along), unreadable, unseen, tuple(tried))


def asked_by(step: Step, taken: TakenAlong) -> Address:
    """The addresses for which the unit was asked for that took another one along."""
    return next((cause.address for cause in step.causes if cause.unit == taken.root), step.causes[0].address)


def unit_failures(step: Step, receipt: Receipt) -> dict[Address, str]:
    """The addresses for which the failed units of a step were asked for."""
    failed = receipt.failed or {}
    return {
        cause.address: f"{cause.unit}: {failed[cause.unit]}" for cause in step.causes if cause.unit in failed
    }


@frozen
class Unconverged:
    """A part that is not as declared after its steps."""

    reason: str
    paths: tuple[tuple[str, ...], ...] = ()
    """The fields that differ."""
    hidden: bool = False
    """Whether it only may not be looked at."""
    explained: bool = False
    """Whether the reason is the host's own: it cannot be read, or is refused."""


def not_converged(
    addresses: Collection[Address], situation: Situation, request: Request, host: Executor
) -> dict[Address, Unconverged]:
    """Observe and compare again: the addresses that still differ, and in what."""
    result: dict[Address, Unconverged] = {}
    for address, observed in look_again(
        situation, addresses, request.kinds, host, request.memory.key
    ).items():
        part = situation.parts.get(address)
        if part is None:
            if observed.document is not None:
                result[address] = Unconverged("is still there")
            continue
        row = situation.rows.get(address)
        paths = differences(
            observed.document,
            part.document,
            whole=request.kinds[address.kind].whole,
            ours=row.document if row else None,
        )
        if paths:
            by_hand = only_reported(address, situation, request.kinds, request.tool)
            paths = [path for path in paths if path not in by_hand]
        if observed.unreadable:
            result[address] = Unconverged(observed.unreadable, hidden=observed.hidden, explained=True)
        elif observed.refusal and paths:
            reason = f"did not converge: {', '.join(map('.'.join, paths))}: {observed.refusal}"
            result[address] = Unconverged(reason, tuple(paths), explained=True)
        elif paths:
            result[address] = Unconverged(f"did not converge: {_fields(paths, observed, part)}", tuple(paths))
    return result


def _fields(paths: Iterable[tuple[str, ...]], observed: Observed, part: Part) -> str:
    """The fields that differ, as declared and as read afterwards."""
    if observed.document is None:
        return "nothing was there afterwards"
    return ", ".join(f"{'.'.join(path)} ({_values(path, observed.document, part)})" for path in paths)


def _values(path: tuple[str, ...], document: Document, part: Part) -> str:
    """Both values, if they are facts about the object: its text may be secret, or somebody else's."""
    declared, read = value_at(part.document, path), value_at(document, path)
    if part.sensitive or not (quotable(path, declared) and quotable(path, read)):
        return "another value was read afterwards than is declared"
    return f"declared {_scalar(declared)}, read afterwards {_scalar(read)}"


def quotable(path: tuple[str, ...], value: Any) -> bool:
    """Whether a value is a short fact about an object: neither text that somebody wrote, nor a secret."""
    from reconciler.core.secrets.masking import holds_secret, names_secret  # only for what did not converge

    if len(path) > 1 or isinstance(value, dict) or path[0] == "unexpected" or names_secret(path[0]):
        return False
    texts = [str(item) for item in (value if isinstance(value, list) else [value])]
    return sum(map(len, texts)) <= _LONGEST and not any(
        text.startswith(("sha256:", "hmac:")) or holds_secret(text) for text in [*texts, " ".join(texts)]
    )


def _scalar(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def advice(address: Address, part: Unconverged, steps: Iterable[Step], *, trial: bool) -> str:
    """The rest of the reason: the cause, as far as it can be told from the steps, and where to look.

    `trial`: the steps were carried out on a simulated host, where nobody else writes.
    """
    if part.explained:
        return ""
    causes = [
        (step, cause)
        for step in steps
        if not step.held
        for cause in step.causes
        if cause.address.resource == address.resource
    ]
    if not causes:
        return f"; no step was made for it: `actions` of the kind {address.kind} yields none"
    written = f"what its `actions` write ({', '.join(dict.fromkeys(_action(step) for step, _ in causes))})"
    if trial:
        return (
            "; the plan was tried in memory, where files, accounts and units change and nothing else does:"
            f" `observe` of the kind {address.kind} does not read there {written}"
        )
    units = dict.fromkeys(cause.unit for _, cause in causes if cause.unit)
    looks = [
        *(f"`systemctl status {unit}`" for unit in units),
        f"`reconciler explain {shlex.quote(str(address))}`",
    ]
    return (
        f"; look at {' and '.join(looks)}: another program has changed it since, or `observe` of the kind"
        f" {address.kind} does not read {written}"
    )


def _action(step: Step) -> str:
    """The name of a step's action, with the path that it writes."""
    return f"{type(step.action).__name__} {getattr(step.action, 'path', '')}".rstrip()
