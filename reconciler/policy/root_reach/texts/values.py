"""The answers of a reader of texts: what root uses, and what makes somebody root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.policy.access.ways import Rank

POWERFUL = frozenset(
    (
        "adm",
        "disk",
        "docker",
        "incus-admin",
        "kmem",
        "libvirt",
        "lxd",
        "podman",
        "root",
        "shadow",
        "sudo",
        "wheel",
    )
)
"""Groups whose members are root, or one step from it."""
CAPABILITIES = frozenset(
    (
        *(
            "cap_sys_admin",
            "cap_sys_module",
            "cap_sys_ptrace",
            "cap_sys_rawio",
            "cap_dac_override",
            "cap_dac_read_search",
        ),
        *(
            "cap_setuid",
            "cap_setgid",
            "cap_setfcap",
            "cap_setpcap",
            "cap_chown",
            "cap_fowner",
            "cap_mknod",
            "cap_bpf",
            "cap_sys_boot",
        ),
    )
)
"""Capabilities from which root is one step (capabilities(7))."""


@frozen
class Use:
    """Root runs or loads what is at a path: whoever can write it becomes root."""

    path: str
    verb: str = "runs"
    """The words between the account and the path: `runs`, `loads what is in`."""
    only: str = ""
    """The one account that gains by it, where what is read goes to that account; empty: any that can write
    it.
    """
    by: str = "root"
    """The subject of the verb: root, or a program whose word root takes."""
    likely: bool = False
    """Whoever can write the path may become root; that they do is not certain."""
    account: str = ""
    """The account or `%GROUP` whose process does it, empty for root; it counts if that one becomes root."""
    named: bool = False
    """The text only names the path, for an unknown program: only people count, and files."""
    runs: bool = False
    """A directory counts as well, for a path that is only named."""
    at_login: bool = False
    """Only a shell that the account logs in to does it: an account without one never does."""


@frozen
class Grant:
    """The text itself makes somebody root. `who` is an account, `%GROUP`, or EVERYBODY; `by` as in a Way."""

    who: str
    by: str
    rank: int = Rank.LIKELY
    likely: bool = False


@frozen
class Mention:
    """Root runs a text that hands out access: the accounts that it names by their names become root."""

    text: str


Reading = Use | Grant | Mention


def as_account(readings: Iterable[Reading], account: str) -> Iterator[Reading]:
    """Yield the same as done by another account's process: it grants nothing, but whoever has a hand in what
    it runs is that account.
    """
    for reading in readings:
        if account in ("", "root", "0"):
            yield reading
        elif isinstance(reading, Use) and not reading.account:
            yield replace(reading, account=account)
