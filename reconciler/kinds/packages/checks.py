"""The transaction of a plan, as apt simulates it: what comes along, and what it would take away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from reconciler.core.actions import ChangePackages
from reconciler.core.basis import TreeBasis
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import HostView, Transaction, Unreadable, UnsafePath
from reconciler.core.spec import Declared, Spec
from reconciler.formats.packages import version
from reconciler.kinds.packages.observe import installed
from reconciler.kinds.packages.steps import actions

_SOURCES = "/etc/apt/"
_LISTS = "/var/lib/apt/lists"
_NEEDED = re.compile(
    r"openssh-s(?:erver|ftp-server)|sudo(?:-ldap)?|systemd(?:-sysv|-resolved|-timesyncd)?|udev|dbus|libpam-.*"
    r"|login|passwd|apt|dpkg|bash|dash|coreutils|util-linux|mount|init|libc6|base-files|python3(?:-minimal)?"
    r"|ifupdown|netplan\.io|network-manager|linux-image-.*|grub-.*"
)
"""Packages by which people get in and become root, and a host starts and reaches its network."""
_NAMED = 30
"""Names that a warning tells; the others are counted."""


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Objections to the transaction as a whole, and what else it does."""
    own = [
        change for change in changes if change.address.kind == "packages" and change.verb is not Verb.FORGET
    ]
    action = _transaction_of(own)
    yield from _broken(view, own)
    if not (action.install or action.remove):
        return
    try:
        foreseen = view.transaction(action.install, action.remove)
    except Unreadable as hidden:
        foreseen = Transaction(refusal=str(hidden))
    sources = [change for change in changes if change.address.name.startswith(_SOURCES)]
    if foreseen is None or sources:
        why = "its sources change in this plan" if sources else "apt does not answer here"
        detail = f"{why}; the apply asks it, and refuses if a package would go that is not declared."
        yield warning(
            "what comes along with the packages is not known", detail, **_at(own[0], "packages-unknown")
        )
        return
    yield from _judged(view, foreseen, action, own)


def _transaction_of(changes: Sequence[Change]) -> ChangePackages:
    steps = [step.action for step in chain.from_iterable(map(actions, changes))]
    transactions = [action for action in steps if isinstance(action, ChangePackages)]
    return ChangePackages(
        tuple(name for action in transactions for name in action.install),
        tuple(name for action in transactions for name in action.remove),
    )


def _judged(
    view: HostView, foreseen: Transaction, action: ChangePackages, own: Sequence[Change]
) -> Iterator[Diagnostic]:
    if foreseen.refusal:
        yield from _refused(view, foreseen.refusal, own)
        return
    names = {change.address.name.partition(":")[0]: change for change in own}
    unasked = [name for name in foreseen.removed if name.partition(":")[0] not in names]
    if unasked:
        detail = (
            f"With it would go: {_listed(unasked)}. Declare those `state: absent` too if they may go, or"
            " leave this package out."
        )
        for change in own:
            yield error("packages would go that are not declared", detail, **_at(change, "packages-removed"))
        return
    come = [f"{name} {text}" for name, text in foreseen.new if name not in names]
    come += [f"{name} {before} -> {after}" for name, before, after in foreseen.upgraded if name not in names]
    if come:
        yield warning(_along(len(come)), f"{_listed(come)}.", **_at(own[0], "packages-along"))
    coming = {**dict(foreseen.new), **{name: after for name, _, after in foreseen.upgraded}}
    for wanted in action.install:
        name, _, wish = wanted.partition(">=")
        if wish and not version.at_least(coming.get(name, ""), wish):
            detail = f"apt would install {coming.get(name, 'nothing')}. A source with {wish} is missing."
            yield warning(
                f"no source has {name} {wish}", detail, **_at(names[name.partition(":")[0]], "packages-old")
            )


def _refused(view: HostView, refusal: str, own: Sequence[Change]) -> Iterator[Diagnostic]:
    """An error for each package that apt refuses by itself; a warning where the lists are still to come, or
    only all of them together are refused.
    """
    lists = any(name.endswith("Packages") for name in view.names(_LISTS))
    alone = [(change, _alone(view, change)) for change in own if change.verb is not Verb.DELETE and lists]
    for change, words in alone:
        if words:
            detail = f"{words}. Is its name right? `apt-get update` fetches newer lists."
            yield error("apt does not have this package", detail, **_at(change, "packages-unknown-name"))
    if not any(words for _, words in alone):
        detail = f"{refusal}. An apply fetches the lists of packages and tries again."
        yield warning("apt cannot do this as its lists are now", detail, **_at(own[0], "packages-refused"))


def _alone(view: HostView, change: Change) -> str:
    """Why apt refuses this package by itself; empty if it does not."""
    names = _transaction_of([change]).install
    try:
        foreseen = view.transaction(names, ()) if names else None
    except Unreadable:
        return ""
    return foreseen.refusal if foreseen is not None else ""


def _along(number: int) -> str:
    return "1 more package comes along" if number == 1 else f"{number} more packages come along"


def _broken(view: HostView, own: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of packages that are half installed: the transaction begins with them."""
    try:
        packages = installed(view).values()
    except (Unreadable, UnsafePath):
        return
    broken = sorted({package.name for package in packages if not package.installed and not package.gone})
    if broken and own:
        detail = f"{_listed(broken)}: the transaction finishes them first. `dpkg --audit` says what is wrong."
        yield warning("packages are half installed", detail, **_at(own[0], "packages-broken"))


def objections(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Warn of the packages that a tree lacks: nothing is installed there."""
    if not isinstance(view.basis, TreeBasis) or view.running:
        return
    try:
        packages = installed(view)
    except (Unreadable, UnsafePath):
        return
    declared = [declaration for declaration in spec.resources if declaration.address.kind == "packages"]
    for declaration in declared:
        name, package = declaration.address.name, packages.get(declaration.address.name)
        wanted = getattr(declaration.resource, "state", "") == "present"
        if wanted != (package is not None and package.installed):
            where = {"address": declaration.address, "source": declaration.source, "rule": "packages-tree"}
            verb = "installed" if wanted else "removed"
            yield warning(f"{name} is not {verb} in a tree", "The apply on the host itself does it.", **where)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _at(change: Change, rule: str) -> dict[str, object]:
    declared = change.part.declared if change.part else change.declared
    return {"address": change.address, "source": declared.source if declared else None, "rule": rule}


def lint(declared: Declared) -> Iterator[Diagnostic]:
    """An error where a package would go without which nobody gets in, or nothing can be mended."""
    name = declared.address.name.partition(":")[0]
    if getattr(declared.resource, "state", "") != "absent" or not _NEEDED.fullmatch(name):
        return
    detail = "Without it nobody gets in or becomes root, or the host does not start. Remove it by hand."
    yield error(
        f"{name} is not removed here",
        detail,
        address=declared.address,
        source=declared.source,
        rule="packages-needed",
    )
