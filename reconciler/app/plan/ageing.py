"""Accounts that are shut out by expiry or password age, though all is as declared; for a plan, for the no-op
fast path, and for `doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.changes import Document, Part
from reconciler.core.diagnostic import Diagnostic, Source
from reconciler.core.host import HostError, HostView

if TYPE_CHECKING:
    from reconciler.policy.access.ageing import Aged
    from reconciler.policy.access.changes import Sides
    from reconciler.policy.access.host_access import HostAccess

_SECONDS_A_DAY = 86_400


def aged_accounts(
    parts: Mapping[Address, Part], view: HostView, sides: Sides | None, name: str
) -> list[Diagnostic]:
    """A warning for each account of the spec that is shut out on the host that a plan leaves behind.

    `name` is the host's; nothing is said if the account files cannot be read.
    """
    from reconciler.host.process.environment import now
    from reconciler.policy.access.ageing import ageing_warnings, shut_out, wanted_accounts

    names = wanted_accounts((address, part.document) for address, part in parts.items())
    try:
        if sides is not None:
            after = sides.after
            aged = list(shut_out(after.people, names, now() // _SECONDS_A_DAY, lambda: after))
        else:
            aged = _on_host(view, names, name)
    except HostError:
        return []
    return ageing_warnings(aged, _places(parts))


def aged_of(documents: Mapping[Address, Document | None], view: HostView, name: str) -> list[Aged]:
    """The accounts of the ledger that are shut out on a host as it is; `name` is the host's.

    Raises HostError.
    """
    from reconciler.policy.access.ageing import wanted_accounts

    return _on_host(view, wanted_accounts(documents.items()), name)


def _on_host(view: HostView, names: Mapping[str, str], name: str) -> list[Aged]:
    from reconciler.core.basis import in_vain
    from reconciler.host.process.environment import now
    from reconciler.policy.access.ageing import shut_out
    from reconciler.policy.access.login_accounts import People
    from reconciler.policy.symlinks import Followed

    if not names:
        return []
    with in_vain(view.basis):
        return list(shut_out(People(Followed(view)), names, now() // _SECONDS_A_DAY, _once(view, name)))


def _once(view: HostView, name: str) -> Callable[[], HostAccess]:
    """A function that reads the host's access when it is called first, and returns the same after that."""
    host_access: list[HostAccess] = []

    def ask() -> HostAccess:
        if not host_access:
            from reconciler.host.process.environment import now
            from reconciler.policy.access.host_access import HostAccess
            from reconciler.policy.lockout.guard import Doors, Question

            host_access.append(HostAccess(Doors(view, Question(name, now())), now()))
        return host_access[0]

    return ask


def _places(parts: Mapping[Address, Part]) -> Callable[[str], tuple[Address, Source | None]]:
    """A function that returns the block of an account in the spec, or that of its keys."""
    blocks: dict[str, tuple[Address, Source | None]] = {}
    for address, part in parts.items():
        if address.kind == "users" and not address.part:
            blocks[address.name] = address, part.declared.source
        elif address.kind == "ssh_keys":
            blocks.setdefault(address.name, (address.resource, part.declared.source))
    return lambda account: blocks[account]
