"""`hold`: resources that an apply leaves alone for a time, with who asked for it and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.app.specs import Loaded
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.core.host import HostError
from reconciler.core.state import Hold, Memory
from reconciler.formats.systemd.timespan import seconds
from reconciler.host.hosts import machine_id, open_host, state_directory
from reconciler.host.process.environment import is_root, now, started_by
from reconciler.host.state.hold_clock import begin, clock
from reconciler.host.state.lock import Lock, LockBusy
from reconciler.host.state.open import recover
from reconciler.host.state.read import read_memory
from reconciler.host.state.store import Store
from reconciler.kinds import discover

MOST_DAYS = 30
"""A hold is for the time of a piece of work.

A resource that is to be left alone for good is not declared, or has `drift: ignore`.
"""
_LONGEST_WHY = 500


@frozen
class HoldRequest:
    """A hold as the command line asks for it, checked."""

    address: Address
    seconds: int
    why: str


@frozen
class Answer:
    """The outcome of a request."""

    hold: Hold | None = None
    """The hold that is in force now."""
    before: Hold | None = None
    """The hold that was in force for the same address."""
    problem: Diagnostic | None = None
    busy: bool = False
    """Whether an apply is running."""


def hold_request(address: str, span: str, why: str) -> tuple[HoldRequest | None, list[Diagnostic]]:
    """The hold that these texts ask for, or None with everything that is wrong with them."""
    problems: list[Diagnostic] = []
    parsed, length = None, 0
    try:
        parsed = Address.parse(address)
    except ValueError as problem:
        problems.append(error("not an address", str(problem)))
    try:
        length = _length(span)
    except (ValueError, OverflowError):
        problems.append(
            error(
                "not a time span",
                f"--for {span[:40]!r}: from 1s to {MOST_DAYS}d, as systemd.time(7) has it: 8h, 2d, 1h 30min",
            )
        )
    reason = why.strip()
    if not reason or not reason.isprintable() or len(reason) > _LONGEST_WHY:
        problems.append(
            error(
                "not a reason",
                f"--why: one line of at most {_LONGEST_WHY} characters; everybody reads it in each plan",
            )
        )
    return (None if problems or parsed is None else HoldRequest(parsed, length, reason)), problems


def _length(span: str) -> int:
    length = seconds(span.strip())
    if not 1 <= length <= MOST_DAYS * 86_400:
        raise ValueError(span)
    return int(length)


def add(request: HoldRequest, loaded: Loaded, root: str | None, lock_timeout: float) -> Answer:
    """Put a resource on hold from now on. A hold that is in force for the same address is replaced."""

    def check(memory: Memory) -> Diagnostic | None:
        addresses = set(_addresses(loaded, memory, running=open_host(root).running))
        return (
            None
            if any(_at(request.address).covers(address) for address in addresses)
            else _no_such_resource(request.address, addresses, loaded)
        )

    def write(store: Store, memory: Memory) -> Answer:
        hold = begin(request.address, request.seconds, request.why, started_by().get("user", ""), clock())
        store.hold([hold])
        return Answer(hold, _hold_on(memory, request.address))

    return _written(root, lock_timeout, check, write)


def remove(text: str, root: str | None, lock_timeout: float) -> Answer:
    """End a hold before its time."""
    try:
        address = Address.parse(text)
    except ValueError as problem:
        return Answer(problem=error("not an address", str(problem)))

    def check(memory: Memory) -> Diagnostic | None:
        return None if _hold_on(memory, address) else _not_held(address, memory)

    def write(store: Store, memory: Memory) -> Answer:
        before = _hold_on(memory, address)
        store.release([hold for hold in store.holds() if hold.address == address])
        return Answer(before=before)

    return _written(root, lock_timeout, check, write)


def held(root: str | None) -> Memory:
    """The memory of the host; its holds are those in force.

    Raises HostError.
    """
    return read_memory(state_directory(root), machine_id(open_host(root)))


def _written(
    root: str | None,
    timeout: float,
    check: Callable[[Memory], Diagnostic | None],
    write: Callable[[Store, Memory], Answer],
) -> Answer:
    """Check, and then check and write under the lock that every apply takes.

    No state is made for an address that the first check refuses.
    """
    if root is None and not is_root():
        return Answer(
            problem=error("hold needs root", "Run it as root, or try it on a tree with --root DIR.")
        )
    try:
        directory, machine = state_directory(root), machine_id(open_host(root))
        problem = _unusable(read_memory(directory, machine)) or check(read_memory(directory, machine))
        if problem is not None:
            return Answer(problem=problem)
        with Lock(directory, command="reconciler hold", timeout_seconds=timeout):
            recover(directory)
            memory = read_memory(directory, machine)
            problem = _unusable(memory) or check(memory)
            if problem is not None:
                return Answer(problem=problem)
            # The next apply cleans up after a run that was killed.
            with Store.open(directory, machine, now=now, close_interrupted=False) as store:
                return write(store, memory)
    except LockBusy as busy:
        return Answer(problem=error("an apply is running", str(busy)), busy=True)
    except HostError as problem:
        return Answer(problem=error(problem.summary, problem.detail))


def _unusable(memory: Memory) -> Diagnostic | None:
    if memory.unreadable:
        return error("the state cannot be read", f"{memory.unreadable}.")
    if memory.damaged:
        detail = (
            f"{memory.damaged}. The next apply begins a new one; `apply --exclude ADDRESS` does so without"
            " touching what is to be held."
        )
        return error("the state is damaged", detail)
    return None


def _addresses(loaded: Loaded, memory: Memory, *, running: bool) -> Iterator[Address]:
    """Yield the addresses of the spec and the ledger: resources, and their parts.

    A spec that cannot be read declares nothing.
    """
    kinds = discover()
    for declared in loaded.spec.resources if loaded.spec is not None else ():
        yield declared.address
        yield from (part.address for part in kinds[declared.address.kind].expand(declared, running))
    yield from memory.rows


def _no_such_resource(address: Address, addresses: Iterable[Address], loaded: Loaded) -> Diagnostic:
    from reconciler.spec.phrases import suggestion

    names = dict.fromkeys(
        str(name) for known_address in sorted(addresses) for name in (known_address.resource, known_address)
    )
    unread = "" if loaded.ok else " The spec could not be read, so only what was applied is known."
    detail = (
        f"{address} is neither in the spec nor among what was applied"
        f" here.{suggestion(str(address), names)}{unread}"
    )
    return error("no such resource", detail)


def _not_held(address: Address, memory: Memory) -> Diagnostic:
    above = next((hold for hold in memory.holds if hold.covers(address)), None)
    names = ", ".join(str(hold.address) for hold in memory.holds)
    hint = (
        f" It is held as a part of {above.address}."
        if above
        else f" On hold: {names}."
        if names
        else " Nothing is."
    )
    return error("not on hold", f"{address} is not on hold.{hint}")


def _at(address: Address) -> Hold:
    return Hold(address, "")


def _hold_on(memory: Memory, address: Address) -> Hold | None:
    return next((hold for hold in memory.holds if hold.address == address), None)
