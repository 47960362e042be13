"""Try a plan on a simulated host: planning again on the result must give nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.core.address import Address
from reconciler.core.host import Executor, HostError, NotInSnapshot, Receipt, TakenAlong, Unreadable
from reconciler.core.steps import Step
from reconciler.engine.compare import only_reported
from reconciler.engine.diff import differences
from reconciler.engine.inputs import Request, Situation, look_again
from reconciler.engine.units.dependents import Trial, as_tried


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
    for address, (reason, closed) in _differing(readable, situation, request, host).items():
        (unseen if closed else failures).setdefault(address, reason)
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


def not_converged(
    addresses: Collection[Address], situation: Situation, request: Request, host: Executor
) -> dict[Address, str]:
    """Observe and compare again: the addresses that still differ, and in what."""
    return {
        address: reason for address, (reason, _) in _differing(addresses, situation, request, host).items()
    }


def _differing(
    addresses: Collection[Address], situation: Situation, request: Request, host: Executor
) -> dict[Address, tuple[str, bool]]:
    """The same, each with whether it only may not be looked at."""
    result: dict[Address, tuple[str, bool]] = {}
    for address, seen in look_again(situation, addresses, request.kinds, host, request.memory.key).items():
        part = situation.parts.get(address)
        if part is None:
            if seen.document is not None:
                result[address] = ("is still there", False)
            continue
        row = situation.rows.get(address)
        paths = differences(
            seen.document,
            part.document,
            whole=request.kinds[address.kind].whole,
            ours=row.document if row else None,
        )
        if paths:
            by_hand = only_reported(address, situation, request.kinds, request.tool)
            paths = [path for path in paths if path not in by_hand]
        if seen.unreadable or paths:
            result[address] = (seen.unreadable or _why(paths, seen.refusal), seen.hidden)
    return result


def _why(paths: Iterable[tuple[str, ...]], refusal: str) -> str:
    words = "did not converge: " + ", ".join(".".join(path) for path in paths)
    return f"{words}: {refusal}" if refusal else words
