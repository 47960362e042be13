"""Which paths of a plan have to do with what root reads or runs.

Small, for every plan that does something imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from reconciler.core.actions import Account, AccountOp, Gate, MakeLink, RemovePath, WriteFile, path_of
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType, HostError
from reconciler.core.kind import Kinds
from reconciler.core.spec import Declared, Spec
from reconciler.core.steps import Step
from reconciler.formats import reconcile
from reconciler.formats.accounts import profile
from reconciler.policy.access.persons import own_file
from reconciler.policy.root_reach.places import PLACES, is_relevant

if TYPE_CHECKING:
    from reconciler.policy.symlinks import Followed

_SETUID, _OTHERS_WRITE, _GROUP_WRITES = 0o4000, 0o002, 0o020
_RUNS = 0o111
_SCRIPTS = (".sh", ".bash", ".py", ".pl", ".rb", ".js", ".pub")
"""Ends of names of what others run or go by, whatever its mode."""
READ_BELOW = ("/etc/", "/run/", "/usr/local/etc/", "/usr/share/", "/usr/local/share/")
"""Directories with texts for programs of root's; everything below /usr/lib and its like is a place itself."""
_ELSEWHERE = Late(r"(?<![\w/.])(?:~[a-z_]|/(?!/|usr/|etc/|s?bin/|lib|dev/|proc/|sys/|boot/|\s))")
"""A path that does not begin as those of the system do."""
_ACCOUNTS = "/etc/passwd"
_MEMBERSHIPS = frozenset((AccountOp.USERADD, AccountOp.USERMOD, AccountOp.RESTORE))


@frozen
class Look:
    """A path to look at, and what the spec says of it."""

    path: str
    address: Address | None = None
    argv: tuple[str, ...] = ()
    """A command that the plan itself runs, as `user`: no file of the host has it."""
    user: str = ""


def looked_at(
    steps: Iterable[Step], spec: Spec, kinds: Kinds, usual: Callable[[str], Iterable[str]] = lambda _: ()
) -> list[Look]:
    """The paths that the steps touch and root reads or runs; where they give anything away, those of
    everything declared too.

    A plan that only restarts, or writes what is root's where root reads nothing, has none. `usual` has the
    usual names of a path to which a directory of the system leads by a link.
    """
    looks: dict[str, Look] = {}
    widely = False
    for step in steps:
        if step.held:
            continue
        path = path_of(step.action)
        widely = widely or _gives(step) or (path is not None and _is_script(path, step))
        for look in _of_step(step, path, usual):
            looks.setdefault(" ".join((look.path, *look.argv)), look)
    if widely:
        looks.setdefault(reconcile.PATH, Look(reconcile.PATH))
        for look in declared_looks(spec, kinds):
            looks.setdefault(look.path, look)
    return list(looks.values())


def _of_step(step: Step, path: str | None, usual: Callable[[str], Iterable[str]]) -> Iterator[Look]:
    action, address = step.action, step.causes[0].address
    if isinstance(action, Gate) and action.probe[:1] == ("command",):
        yield Look(action.probe[1], address, action.probe[1:], action.user)
    elif isinstance(action, Account):
        yield Look(_ACCOUNTS)
    elif path is not None and not isinstance(action, MakeLink):
        names = () if is_relevant(path) else tuple(filter(is_relevant, usual(path)))
        is_named = isinstance(action, WriteFile) and _names(path, action.content)
        if _gives(step) or is_named or _counts(path) or _is_setuid(step):
            yield Look(path, address)
        yield from (Look(name, address) for name in names)


def declared_looks(spec: Spec, kinds: Kinds) -> Iterator[Look]:
    """Every path that the spec declares and root reads or runs."""
    for declared in spec.resources:
        address = declared.address
        paths = kinds[address.kind].paths(address)
        if address.kind == "users":
            paths = (*paths, f"{profile.DIRECTORY}/{address.name}.sh")
        for path in paths:
            if _counts(path) or (address.kind == "files" and _names(path, _content(declared))):
                yield Look(path, address)


def _content(declared: Declared) -> bytes:
    content = getattr(declared.resource, "content", None)
    return (
        content.encode()
        if isinstance(content, str)
        else declared.sources.get(getattr(declared.resource, "source", None) or "", b"")
    )


def _names(path: str, content: bytes) -> bool:
    """Whether a text outside of the places that root reads anyway names what may be somebody's."""
    if not path.startswith(READ_BELOW) or _ELSEWHERE.search(text := content.decode("latin-1")) is None:
        return False
    from reconciler.formats.named_paths import named_paths  # few plans have such texts

    return any(True for _ in named_paths(text))


def host_looks(files: Followed) -> Iterator[Look]:
    """Everything that root reads or runs on a host, whoever has put it there: all places, and what is in
    them.

    A place that cannot be read is left out.
    """
    for place in PLACES:
        try:
            entry = files.entry(place.path)
            is_directory = entry is not None and entry.type is FileType.DIRECTORY
            names = files.names(place.path) if is_directory and place.base.endswith("/") else ()
        except HostError:
            continue
        if entry is not None:
            yield Look(place.path)
            yield from (Look(f"{place.path}/{name}") for name in names)


def _counts(path: str) -> bool:
    """Whether root, or the account that it belongs to, reads or runs it."""
    return is_relevant(path) or own_file(path) is not None


def _is_script(path: str, step: Step) -> bool:
    """Whether a step writes what root may run by another declared text."""
    action = step.action
    return isinstance(action, WriteFile) and (
        path.endswith(_SCRIPTS)
        or action.content.startswith(b"#!")
        or bool(action.mode and int(action.mode, 8) & _RUNS)
    )


def _gives(step: Step) -> bool:
    """Whether a step can put something into other hands than root's: an owner, a mode, a membership; or take
    away what was in the way.
    """
    action = step.action
    if isinstance(action, Account):
        return action.op in _MEMBERSHIPS
    if isinstance(action, RemovePath):
        return True
    owner, group = getattr(action, "owner", "root"), getattr(action, "group", "root")
    bits = int(getattr(action, "mode", "") or "0", 8)
    return (
        owner not in ("", "root")
        or bool(bits & _OTHERS_WRITE)
        or (bool(bits & _GROUP_WRITES) and group != "root")
    )


def _is_setuid(step: Step) -> bool:
    mode = getattr(step.action, "mode", "")
    return bool(mode) and bool(int(mode, 8) & _SETUID)
