"""The options of a plan, and the check of what cannot be meant by them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.diagnostic import Diagnostic, error
from reconciler.host.hosts import state_directory

if TYPE_CHECKING:
    from reconciler.core.kind import Kinds


@frozen
class PlanOptions:
    """The options of a plan on the command line."""

    root: str | None = None
    """A tree instead of the running host."""
    targets: tuple[str, ...] = ()
    """Only these addresses and kinds are planned; all if empty."""
    excludes: tuple[str, ...] = ()
    """These addresses and kinds are not planned."""
    adopt: bool = False
    """Whether objects that exist and are not ours are taken over."""
    unprotect: tuple[str, ...] = ()
    """Addresses whose protection does not count."""
    allow: tuple[str, ...] = ()
    """Guards that are overridden."""
    fingerprint: bool = False
    """Whether the plan gets a fingerprint, with which it can be approved."""
    snapshot: str | None = None
    """A snapshot's file instead of the running host."""
    kinds: Kinds | None = None
    """The kinds that can be declared; None for those of a spec. `install` has its own."""
    state: str = ""
    """The directory of the state; empty for that of the host or the tree. `install` has its own."""
    retry: bool = False
    """Whether changes are tried again that did not become healthy before."""

    @property
    def state_directory(self) -> str:
        """The directory of the state."""
        return self.state or state_directory(self.root)


def check_options(options: PlanOptions) -> list[Diagnostic]:
    """An error for each option that cannot be meant: a tree, an address, a guard."""
    return [
        *_check_host(options),
        *_check_addresses((*options.targets, *options.excludes, *options.unprotect)),
        *_check_guards(options.allow),
    ]


def _check_host(options: PlanOptions) -> Iterator[Diagnostic]:
    if options.root is not None and not options.root.strip("/"):
        yield error(
            "not a tree",
            f"--root {options.root!r}: name a directory; to work on the running host, leave --root out",
        )
    if options.root is not None and options.snapshot is not None:
        yield error(
            "two hosts", "--root and --snapshot: the facts come from one of them; leave the other out"
        )


def _check_addresses(texts: Collection[str]) -> Iterator[Diagnostic]:
    if not texts:
        return
    from reconciler.kinds import discover  # looks at each kind, for which a plan of everything has no use

    kinds = discover()
    for text in texts:
        if text in kinds:
            continue
        try:
            kind = Address.parse(text).kind
        except ValueError as problem:
            yield error("not an address", str(problem))
            continue
        if kind not in kinds:
            yield error(
                "not an address",
                f"{text!r}: there is no kind {kind!r}; the kinds are {', '.join(kinds)}",
            )


def _check_guards(texts: Collection[str]) -> Iterator[Diagnostic]:
    if not texts:
        return
    from reconciler.policy.guards import ALLOWABLE, LOCK_OUT, OF_ACCESS, is_allowable

    guards = ", ".join((*ALLOWABLE, *OF_ACCESS, f"{LOCK_OUT}:ACCOUNT"))
    for text in texts:
        if not is_allowable(text):
            yield error("not a guard", f"--allow {text!r}: choose from {guards}")
