"""Accounts that their age shuts out though all is as declared: for a plan, for the short way to "No changes",
and for `doctor`.
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
    """Those that the spec wants in, on the host that a plan leaves behind.

    `name` is the host's; what cannot be read tells nothing.
    """
    from reconciler.host.process.environment import now
    from reconciler.policy.access.ageing import ageing_warnings, shut_out, wanted_accounts

    names = wanted_accounts((address, part.document) for address, part in parts.items())
    try:
        if sides is not None:
            after = sides.after
            found = list(shut_out(after.people, names, now() // _SECONDS_A_DAY, lambda: after))
        else:
            found = _on_host(view, names, name)
    except HostError:
        return []
    return ageing_warnings(found, _places(parts))


def aged_of(documents: Mapping[Address, Document | None], view: HostView, name: str) -> list[Aged]:
    """The same of a host as it is, by what the ledger says. Raises HostError for what cannot be read."""
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
    """The function that asks the host when somebody is to be told of, and once for all."""
    asked: list[HostAccess] = []

    def ask() -> HostAccess:
        if not asked:
            from reconciler.host.process.environment import now
            from reconciler.policy.access.host_access import HostAccess
            from reconciler.policy.lockout.guard import Doors, Question

            asked.append(HostAccess(Doors(view, Question(name, now())), now()))
        return asked[0]

    return ask


def _places(parts: Mapping[Address, Part]) -> Callable[[str], tuple[Address, Source | None]]:
    """The function that finds the account's own block, or that of its keys.

    There may be thousands of accounts.
    """
    known: dict[str, tuple[Address, Source | None]] = {}
    for address, part in parts.items():
        if address.kind == "users" and not address.part:
            known[address.name] = address, part.declared.source
        elif address.kind == "ssh_keys":
            known.setdefault(address.name, (address.resource, part.declared.source))
    return lambda account: known[account]
