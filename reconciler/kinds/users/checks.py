"""Checks of accounts against the host: a shell that cannot be run, no sudo, a number taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.address import Address
from reconciler.core.changes import Change, Verb
from reconciler.core.diagnostic import Diagnostic, error, warning
from reconciler.core.host import FileType, HostView, Unreadable, UnsafePath
from reconciler.core.paths import link_walk
from reconciler.core.spec import Spec
from reconciler.formats.disks import Disks
from reconciler.kinds.shared import account_numbers, elsewhere
from reconciler.kinds.users import remainders, root_files
from reconciler.kinds.users.constants import NOLOGIN
from reconciler.kinds.users.model import User, has_home, home_of, shell_of

_NO_SHELLS = (NOLOGIN, "/sbin/nologin", "/bin/false", "/usr/bin/false")


def check(view: HostView, spec: Spec, changes: Sequence[Change]) -> Iterator[Diagnostic]:
    """Yield the problems that accounts have with what is on the host."""
    yield from account_numbers.taken_over(view, "users", "uid", changes)
    yield from remainders.remainders(view, changes)
    declared = {block.address for block in spec.resources}
    disks = Disks(view)
    for change in changes:
        if change.address.kind != "users" or change.part is None or change.verb is Verb.NONE:
            continue
        if not change.address.part and change.verb is Verb.CREATE:
            yield from elsewhere.taken(view, change, group=False)
            yield from _unreachable_home(view, disks, change)
        if not change.address.part and (change.verb is Verb.CREATE or change.touches("shell")):
            yield from _shell_problems(view, change, _shell(change), declared)
        elif (
            change.address.part == root_files.SUDO
            and Address("directories", root_files.SUDOERS) not in declared
        ):
            yield from _sudo_problems(view, change)


def _unreachable_home(view: HostView, disks: Disks, change: Change) -> Iterator[Diagnostic]:
    """Yield why the home cannot be made: no account is made before its home can be."""
    assert change.part is not None and isinstance(change.part.declared.resource, User)
    user, name = change.part.declared.resource, change.address.name
    if not has_home(user, name):
        return
    where = {"address": change.address, "source": change.part.declared.source, "rule": "home"}
    if why := disks.bare((home_of(user, name),)):
        yield error("the home cannot be made", why, **where)
        return
    try:
        view.entry(home_of(user, name))
    except Unreadable:
        return
    except UnsafePath as problem:
        yield error("the home cannot be made", f"{problem.detail}, in `home`.", **where)


def _shell_problems(
    view: HostView, change: Change, shell: str, declared: set[Address]
) -> Iterator[Diagnostic]:
    source = change.part.declared.source if change.part else None
    if Address("files", shell) in declared or shell in _NO_SHELLS:
        return
    if not _executable(view, shell):
        detail = (
            f"{shell} is not there or cannot be run: nobody could log in as {change.address.name}. Install"
            " it, or write another shell."
        )
        yield error("the shell cannot be run", detail, address=change.address, source=source, rule="shell")
    elif shell not in _listed_shells(view, shell):
        detail = f"{shell} is not in /etc/shells: some programs take its users for restricted ones."
        yield warning(
            "the shell is not in /etc/shells", detail, address=change.address, source=source, rule="shell"
        )


def _listed_shells(view: HostView, shell: str) -> Sequence[str]:
    try:
        return view.read("/etc/shells").decode("utf-8", "replace").split("\n")
    except (FileNotFoundError, Unreadable, UnsafePath):
        return (shell,)


def _executable(view: HostView, path: str) -> bool:
    """Whether a file that can be run is at a path; also true where that cannot be looked at."""
    try:
        entry, _ = link_walk.reached(view, path)
    except Unreadable:
        return True
    return entry is not None and entry.type is FileType.FILE and int(entry.mode, 8) & 0o111 != 0


def _sudo_problems(view: HostView, change: Change) -> Iterator[Diagnostic]:
    try:
        installed = view.entry(root_files.SUDOERS) is not None
    except (Unreadable, UnsafePath):
        installed = True
    if not installed:
        source = change.part.declared.source if change.part else None
        detail = f"{root_files.SUDOERS} does not exist: sudo is not installed (apt-get install sudo)."
        yield error("sudo is not installed", detail, address=change.address, source=source, rule="sudo")


def _shell(change: Change) -> str:
    assert change.part is not None and isinstance(change.part.declared.resource, User)
    return shell_of(change.part.declared.resource)
