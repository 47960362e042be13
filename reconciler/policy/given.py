"""Nobody but root is given a directory of the system, our program, another account's home, or a directory
that one of these lies in.

Whoever owns a directory can replace everything in it. `validate` refuses what the spec shows, the plan
refuses the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from reconciler.core.basics.frozen import frozen
from reconciler.core.changes import Change
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.host import FileType, HostError, HostView
from reconciler.core.kind import Kinds
from reconciler.core.model.places import Place, Use
from reconciler.core.spec import Declared, Spec
from reconciler.formats import reconcile
from reconciler.formats.accounts import account_files
from reconciler.policy.access.linked import Linked
from reconciler.policy.paths import Table, reason, table
from reconciler.policy.system_trees import AS_SHIPPED, PROGRAM, TOPS, root_runs, system_tree

_HOMES = "/home"
_PERSONS = range(1000, 65534)
_GROUP_WRITES, _OTHERS_WRITE, _STICKY = 0o020, 0o002, 0o1000

_INSTEAD = "Write a place of its own, such as /srv/NAME, /var/lib/NAME or /opt/NAME."
_ROOTS_INSTEAD = "Leave it to root, with a mode by which nobody else can write."


@frozen
class _Gift:
    """A directory that somebody besides root shall own or write to."""

    declared: Declared
    path: str
    owner: str
    """The account that shall own it: it may have it already."""
    who: str
    """The owner or writers, as the end of a sentence."""
    home: bool
    """It is the account's home."""
    real: str
    """The path without links, as far as they are known."""

    @property
    def name(self) -> str:
        """The account that gets it; empty where a group or everybody does."""
        return "" if self.owner == "root" else self.owner

    @property
    def advice(self) -> str:
        """The advice on what to write instead of a directory of the system."""
        if self.home:
            return (
                f"{_INSTEAD} If it is to stay as it is and only the account names it: `home: {{path:"
                f" {self.path}, manage: false}}`."
            )
        return _INSTEAD if self.name else _ROOTS_INSTEAD

    def refused(self, rule: str, why: str, advice: str) -> Diagnostic:
        """The refusal of this gift."""
        detail = f"{self.path} would be {self.who}: {why}. {advice} There is no flag that overrides this."
        where = (self.declared.address, self.declared.source)
        return Diagnostic(
            Severity.ERROR, "path must not be given away", detail, *where, rule=rule, refusal=True
        )


@frozen
class _Home:
    """The home of an account. `service`: what is in it may belong to others."""

    name: str
    path: str
    service: bool
    real: str


def _gifts(named: Table) -> Iterator[_Gift]:
    for declared, places in named:
        if declared.address.kind == "files":
            # a file is given with its content: who becomes root by it is asked of everything at once
            continue
        for place in places:
            who = _who(place)
            if who:
                yield _Gift(declared, place.path, place.owner, who, place.use is Use.GIVES, place.path)


def _who(place: Place) -> str:
    """The owner or writers of a place besides root, as the end of a sentence; empty for nobody."""
    if place.use not in (Use.MANAGES, Use.GIVES, Use.OWNED):
        return ""
    if place.owner != "root":
        return f"{place.owner}'s own"
    bits = int(place.mode or "0", 8)
    if (place.path, place.mode, place.group) in AS_SHIPPED:
        return ""
    if bits & _OTHERS_WRITE:
        return f"writable for everybody (mode {place.mode})"
    if bits & _GROUP_WRITES and place.group != "root":
        return f"writable for group {place.group} (mode {place.mode})"
    return ""


# ------------------------------------------------------------------------------------------ by the spec alone


def in_spec(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """The refusals that the spec alone shows."""
    command = str(spec.settings.get("command", ""))
    gifts = [gift for gift in _gifts(named) if not reason(gift.path, command)]
    homes = _Homes(_declared_homes(named) if gifts else iter(()))
    for gift in gifts:
        yield from _first(
            _of_the_system(gift), _around(gift, {command: "Reconciler's own command"}), homes.around(gift)
        )


def _first(*rules: Iterator[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield the first refusal of all these rules: one reason is enough."""
    for diagnostics in rules:
        for diagnostic in diagnostics:
            yield diagnostic
            return


def _of_the_system(gift: _Gift) -> Iterator[Diagnostic]:
    tree = system_tree(gift.path) or root_runs(gift.path)
    if not tree and gift.path not in TOPS:
        return
    why = (
        "it is a directory of the system"
        if tree in ("", gift.path)
        else f"it is in {tree}, and what is there is the system's"
    )
    if tree == PROGRAM:
        why = "it is where Reconciler itself is installed"
    yield gift.refused("system-directory", why, gift.advice)


def _around(gift: _Gift, paths: Mapping[str, str]) -> Iterator[Diagnostic]:
    for path, why in paths.items():
        if path.startswith(f"{gift.path}/"):
            yield gift.refused("system-directory", f"{why}, {path}, is in it", gift.advice)


def _declared_homes(named: Table) -> Iterator[_Home]:
    for declared, places in named:
        for place in places:
            if place.use is Use.GIVES:
                yield _Home(
                    declared.address.name,
                    place.path,
                    bool(getattr(declared.resource, "system", False)),
                    place.path,
                )


class _Homes:
    """The homes of accounts, by their paths and by the directories that they lie in."""

    def __init__(self, homes: Iterator[_Home]) -> None:
        self._at: dict[str, list[_Home]] = {}
        self._in: dict[str, list[_Home]] = {}
        for home in homes:
            self._at.setdefault(home.real, []).append(home)
            for parent in _above(home.real):
                # two of different accounts are enough to find one of another account
                homes_below = self._in.setdefault(parent, [])
                if len(homes_below) < 2 and all(home.name != other.name for other in homes_below):
                    homes_below.append(home)

    def same(self, gift: _Gift) -> Iterator[Diagnostic]:
        """Yield refusals of another account's home itself; the spec alone shows that as one path declared
        twice.
        """
        for home in self._others(self._at.get(gift.real, ()), gift):
            yield gift.refused(
                "anothers-home",
                f"it is the home of {home.name}",
                "Two accounts cannot have one home: write another path.",
            )

    def around(self, gift: _Gift) -> Iterator[Diagnostic]:
        """Yield a refusal for each home of another account that the path lies in, or that lies in it."""
        for parent in _above(gift.real):
            for home in self._others(self._at.get(parent, ()), gift):
                if gift.home or not home.service or gift.real[len(parent) + 1 :].startswith("."):
                    yield gift.refused(
                        "anothers-home",
                        f"it is in {home.path}, the home of {home.name}",
                        "Write a path outside of it.",
                    )
        for home in self._others(self._in.get(gift.real, ()), gift):
            why = f"{home.path}, the home of {home.name}, is in it, and could be replaced"
            yield gift.refused("anothers-home", why, "Leave this directory to root, or move the home.")

    @staticmethod
    def _others(homes: Collection[_Home], gift: _Gift) -> Iterator[_Home]:
        return (home for home in homes if home.name != gift.name)


def _above(path: str) -> Iterator[str]:
    while (path := path.rpartition("/")[0]) != "":
        yield path


# ------------------------------------------------------------------------------------------------ by the host


def on_host(
    changes: Collection[Change],
    spec: Spec,
    kinds: Kinds,
    view: HostView,
    program: Collection[str],
    linked: Linked | None = None,
) -> Iterator[Diagnostic]:
    """The refusals that only the host shows, about what a plan changes.

    The host shows its accounts, what its root has on PATH, and where our program is (`program`).
    """
    changing = {change.address.resource for change in changes}
    gifts = list(
        _gifts(table([declared for declared in spec.resources if declared.address in changing], kinds))
    )
    if not gifts:
        return
    linked = linked or Linked(view)
    led = _homes_elsewhere(view, linked)
    gifts = [replace(gift, real=led(gift.path)) for gift in gifts]
    leaving = {
        declared.address.name
        for declared in spec.resources
        if declared.address.kind == "users" and _leaves(declared)
    }
    homes = _Homes(home for home in _homes_of_host(view, gifts, led) if home.name not in leaving)
    systems = {
        **dict.fromkeys(_sudos_path(view), "sudo looks there for programs (secure_path)"),
        **dict.fromkeys(_roots_path(view), "root looks there for programs"),
        **dict.fromkeys(program, "Reconciler itself is there"),
        **dict.fromkeys(_specification(view), "root applies it by the clock (reconciler install)"),
    }
    for gift in gifts:
        if not _owns_already(view, gift):
            yield from _first(
                _by_link(gift, linked), _on_the_way(gift, systems), homes.same(gift), homes.around(gift)
            )


def _by_link(gift: _Gift, linked: Linked) -> Iterator[Diagnostic]:
    """Yield refusals of a path that is the system's since one of its directories is a link there, or that has
    such a path in it.
    """
    for way, name in linked.names(gift.path):
        if reason(name, "") or any(True for _ in _of_the_system(replace(gift, path=name))):
            yield gift.refused(
                "system-directory", f"by a {way} it is {name}, and that is the system's", gift.advice
            )
    for real, name in linked.below(gift.path):
        yield gift.refused("system-directory", f"{real} is in it, to which {name} leads", gift.advice)


def _leaves(declared: Declared) -> bool:
    return str(getattr(declared.resource, "state", "")) == "absent"


def _on_the_way(gift: _Gift, systems: Mapping[str, str]) -> Iterator[Diagnostic]:
    for path, why in systems.items():
        if path == gift.path or path.startswith(f"{gift.path}/") or gift.path.startswith(f"{path}/"):
            where = (
                ""
                if path == gift.path
                else (
                    f"{path} is in it, and " if path.startswith(f"{gift.path}/") else f"it is in {path}, and "
                )
            )
            yield gift.refused("system-directory", f"{where}{why}", gift.advice)


def _owns_already(view: HostView, gift: _Gift) -> bool:
    try:
        entry = view.entry(gift.path)
    except HostError:
        return False
    return entry is not None and entry.type is FileType.DIRECTORY and gift.name == entry.owner


def _homes_elsewhere(view: HostView, linked: Linked) -> Callable[[str], str]:
    """A function from a path to where it leads, for a host whose /home is a link to another disk, or whose
    homes have a second name by a mount.
    """
    try:
        entry = view.entry(_HOMES)
    except HostError:
        entry = None
    target = f"/{entry.target.strip('/')}" if entry is not None and entry.type is FileType.LINK else _HOMES
    return lambda path: linked.first_name(
        f"{target}{path.removeprefix(_HOMES)}" if path.startswith(f"{_HOMES}/") else path
    )


def _homes_of_host(view: HostView, gifts: Collection[_Gift], led: Callable[[str], str]) -> Iterator[_Home]:
    """Yield the homes of persons, and those that a service's account really owns (daemon's is /usr/sbin)."""
    try:
        users = account_files.users(view)
    except (HostError, FileNotFoundError):
        return
    paths = {gift.real for gift in gifts} | {parent for gift in gifts for parent in _above(gift.real)}
    reals = {gift.real for gift in gifts}
    for user in users:
        path = user.home.rstrip("/")
        if not path.startswith("/") or path == "/nonexistent":
            continue
        person = user.uid in _PERSONS
        near = led(path) in paths or any(parent in reals for parent in _above(led(path)))
        if near and (person or _owner(view, path) == user.name):
            yield _Home(user.name, path, not person, led(path))


def _owner(view: HostView, path: str) -> str:
    try:
        entry = view.entry(path)
    except HostError:
        return ""
    return entry.owner if entry is not None else ""


def _specification(view: HostView) -> Iterator[str]:
    """Yield the path of the spec that `install` has set up to be applied."""
    try:
        settings = reconcile.parse(view.read(reconcile.PATH).decode("utf-8", "replace"))
    except (HostError, FileNotFoundError, reconcile.NotSettings):
        return
    yield from [settings.spec] if settings.spec else []


def _sudos_path(view: HostView) -> Iterator[str]:
    """Yield the directories of secure_path (sudoers(5)), in which sudo looks for programs."""
    from reconciler.policy.access.login_accounts import People
    from reconciler.policy.access.sudo.root import SudoRoot
    from reconciler.policy.symlinks import Followed

    files = Followed(view)
    try:
        yield from SudoRoot(files, People(files), "").search_path
    except HostError:
        return


def _roots_path(view: HostView) -> Iterator[str]:
    """Yield the directories of ENV_SUPATH (login.defs(5)), the PATH of a login of root's."""
    try:
        text = view.read("/etc/login.defs").decode("utf-8", "replace")
    except (HostError, FileNotFoundError):
        return
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "ENV_SUPATH":
            yield from (
                path.rstrip("/")
                for path in words[1].removeprefix("PATH=").split(":")
                if path.startswith("/") and path != "/"
            )
