"""Try a plan on a simulated host: planning again on the result must give nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.core.actions import Step
from reconciler.core.address import Address
from reconciler.core.host import Executor, HostError, NotInSnapshot, Receipt
from reconciler.engine.compare import only_reported
from reconciler.engine.diff import differences
from reconciler.engine.situation import Request, Situation, look_again


def simulate(
    steps: Iterable[Step], addresses: Collection[Address], situation: Situation, request: Request, host: Executor
) -> dict[Address, str]:
    """Which of these addresses would not be as declared after the steps, and why."""
    failures: dict[Address, str] = {}
    unknown: set[Address] = set()
    for step in steps:
        if step.held:
            continue
        try:
            receipt = host.execute(step.action)
        except NotInSnapshot:
            # What it would come to is not known, and that is not a failure: the plan says that it is incomplete.
            unknown.update(cause.address for cause in step.causes)
        except HostError as failed:
            failures.update({cause.address: str(failed) for cause in step.causes if cause.address not in failures})
        else:
            failures.update(unit_failures(step, receipt))
    known = [address for address in addresses if address not in unknown]
    return {**not_converged(known, situation, request, host), **failures}


def unit_failures(step: Step, receipt: Receipt) -> dict[Address, str]:
    """On whose behalf the failed units of a step were asked for."""
    failed = receipt.failed or {}
    return {cause.address: f"{cause.unit}: {failed[cause.unit]}" for cause in step.causes if cause.unit in failed}


def not_converged(addresses: Collection[Address], situation: Situation, request: Request, host: Executor) -> dict[Address, str]:
    """Look again, diff again: which addresses still differ, and in what."""
    result: dict[Address, str] = {}
    for address, seen in look_again(situation, addresses, request.kinds, host, request.memory.key).items():
        part = situation.parts.get(address)
        if part is None:
            if seen.document is not None:
                result[address] = "is still there"
            continue
        row = situation.rows.get(address)
        left = differences(seen.document, part.document, whole=request.kinds[address.kind].whole, ours=row.document if row else None)
        if left:
            by_hand = only_reported(address, situation, request.kinds, request.tool)
            left = [path for path in left if path not in by_hand]
        if seen.unreadable or left:
            result[address] = seen.unreadable or _why(left, seen.refusal)
    return result


def _why(left: Iterable[tuple[str, ...]], refusal: str) -> str:
    words = "did not converge: " + ", ".join(".".join(path) for path in left)
    return f"{words}: {refusal}" if refusal else words
