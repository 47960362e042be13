"""Paths that no spec may manage: they belong to the account tools, the kernel, or to us.

The rules read one table of all paths that a spec names (`core.model.places`), in whatever field and of
whatever kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.core.basics import globs
from reconciler.core.basics.lazy_regex import Late
from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.host import HostError, HostView
from reconciler.core.kind import Kinds
from reconciler.core.model.places import Place, Use
from reconciler.core.paths.declared_places import places
from reconciler.core.spec import Declared, Spec
from reconciler.formats.accounts import account_files
from reconciler.formats.reconcile import PATH, UNITS, USER
from reconciler.policy.access.linked import Linked
from reconciler.policy.root_reach.secrets_of_host import secret
from reconciler.policy.root_reach.setuid_trust import trusted
from reconciler.policy.system_trees import STATE, TREES, of_usr_local, system_tree

_ACCOUNTS = "it belongs to the account tools (useradd, passwd, visudo); declare users and groups instead"
_KERNEL = "it is not a place for files of a configuration"
_OURS = "it is Reconciler's own state"
_IDENTITY = "it is the host's own identity"
_PAM = "a mistake in it locks everybody out"

_EXACT = {
    **{
        f"/etc/{name}{backup}": _ACCOUNTS
        for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")
        for backup in ("", "-")
    },
    "/etc/sudoers": _ACCOUNTS,
    "/etc/.pwd.lock": _ACCOUNTS,
    "/etc/machine-id": _IDENTITY,
    "/etc/hostname": _IDENTITY,
    "/etc/ld.so.preload": "it is loaded into every program, root's included",
}
_BELOW = {
    "/proc": _KERNEL,
    "/sys": _KERNEL,
    "/dev": _KERNEL,
    "/etc/pam.d": _PAM,
    "/etc/systemd/system": "unit files and enablement are declared under `services:`",
    "/run/systemd": "it is systemd's own",
    STATE: _OURS,
}
_DEVICE = Late(r"/dev/(?:null|full|console|kmsg|tty\w*|pts/\d+)")
"""The devices that a service may write to."""
_PREFIXES = {"/etc/ssh/ssh_host_": _IDENTITY}
_DROP_IN = Late(r"/etc/systemd/system/[^/]+\.d(?:/[^/]+)?")
"""Drop-ins of vendor units and their directories, which are ordinary files; the units themselves are not."""
_WHOLE_SYSTEM = frozenset(
    ("/", "/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/root", "/run", "/sbin", "/usr", "/var")
)
OUR_UNITS = ("reconciler", *UNITS)
_OUR_FILES = Late(
    rf"/etc/(?:systemd/system|cron\.d)/(?:{'|'.join(OUR_UNITS)})(?:\.(?:service|timer)(?:\.d)?)?(?:/.*)?"
)
"""The files of our units, with the drop-ins that could take them out of action."""

_FOLLOWED = (Use.WRITES_INTO, Use.HANDS_ON)

Table = tuple[tuple[Declared, tuple[Place, ...]], ...]
"""Every resource of a spec with the paths that it stands for or names, but for those that it only reads: no
rule is about these.
"""


def table(resources: Iterable[Declared], kinds: Kinds) -> Table:
    """The table of these resources, made once for all rules."""
    return tuple(
        (declared, tuple(places(kinds[declared.address.kind], declared, reads=False)))
        for declared in resources
    )


def reason(path: str, command: str) -> str:
    """Why a path may not be managed; empty if it may. `command` is our own program (`settings.command`)."""
    if path in _EXACT:
        return _EXACT[path]
    if path == command:
        return "it is Reconciler's own command"
    if path == PATH or _OUR_FILES.fullmatch(path):
        return "it is what `reconciler install` writes"
    if path in _WHOLE_SYSTEM:
        return "it is a directory of the system itself"
    for base, why in _BELOW.items():
        if (
            path.startswith(base)
            and path[len(base) : len(base) + 1] in ("", "/")
            and not _DROP_IN.fullmatch(path)
        ):
            return why
    return next((why for prefix, why in _PREFIXES.items() if path.startswith(prefix)), "")


def reason_to_write(path: str, command: str) -> str:
    """Why root's programs may not be made to write, rename or remove there; empty if they may.

    A path may be a pattern of names.
    """
    if _is_private(path):
        return "it is what somebody logs in by, or what a login of root's reads"
    if not globs.is_pattern(path):
        return reason(path, command) or _of_the_system(path)
    for name in (*_EXACT, *_WHOLE_SYSTEM, command, PATH):
        if name and globs.common(path, name):
            return f"it matches {name}, and {reason(name, command)}"
    for base in dict.fromkeys((*_BELOW, *sorted(TREES))):
        if _may_lie_below(path, base) and not of_usr_local(path):
            return f"it can match what is in {base}, {reason(base, command) or _of_the_system(base)}"
    return ""


def _is_private(path: str) -> bool:
    """Whether a path can be in a `.ssh`, or is a hidden file of root's own, such as /root/.profile."""
    parts = path.split("/")
    return any(globs.segment_matches(part, ".ssh") for part in parts) or (
        parts[:2] == ["", "root"] and parts[-1][:1] == "." and len(parts) == 3
    )


def _of_the_system(path: str) -> str:
    """Why a path is the system's; empty if it is not. In /root there may be root's own logs and backups."""
    base = system_tree(path)
    return f"what is in {base} belongs to the system" if base and base != "/root" else ""


def _may_lie_below(pattern: str, base: str) -> bool:
    """Whether a path that matches the pattern can be in a directory.

    A pattern that ends in `.log` and leads there by wildcards only is taken for one of logs elsewhere.
    """
    steps, directory = pattern.split("/"), base.split("/")
    if base == "/root" or len(steps) < len(directory):
        return False
    above = "/".join(steps[: len(directory)])
    if above == base:
        return True
    return bool(globs.common(above, base)) and (len(directory) == 2 or not pattern.endswith(".log"))


def forbidden(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield every declared path on the deny list, by whatever field, and every service or account that is
    ours.
    """
    command = str(spec.settings.get("command", ""))
    for declared, named_places in named:
        address = declared.address
        if address.kind in ("services", "timers") and address.name in OUR_UNITS:
            yield _denied(declared, address.name, "it is one of Reconciler's own units")
        elif address.kind in ("users", "groups", "ssh_keys") and address.name == USER:
            yield _denied(declared, address.name, "it is the account that Reconciler looks for drift with")
        judged: set[str] = set()
        for place in named_places:
            is_written = place.named and place.use is not Use.READS and not _DEVICE.fullmatch(place.path)
            if not is_written or place.path in judged:
                continue
            judged.add(place.path)
            why, how = _why(place, command)
            if why:
                yield _denied(declared, place.path, why, how)


def forbidden_by_link(
    declared: Declared, named_places: Iterable[Place], linked: Linked, command: str
) -> Iterator[Diagnostic]:
    """Yield paths that are on the deny list by another name: a directory of the system is a link to where
    they are, or is mounted there; or root would follow a link to it.
    """
    for place in named_places:
        if place.named and place.use is not Use.READS:
            for way, name in _other_names(place, linked):
                why, how = _why(replace(place, path=name), command)
                if why:
                    yield _denied(declared, place.path, f"by a {way} it is {name}, and {why}", how)
                    break


def _other_names(place: Place, linked: Linked) -> Iterator[tuple[str, str]]:
    yield from linked.names(place.path)
    if place.use in _FOLLOWED and not globs.is_pattern(place.path):
        # what root's programs write and read for others is opened by its path, with the links on the way
        target = linked.target(place.path)
        yield from [("link", target)] if target != place.path else []


def _why(place: Place, command: str) -> tuple[str, str]:
    """Why a path is on the deny list for its use, empty if it is not; and the use, in words."""
    if place.use is Use.HANDS_ON:
        return "" if place.owner == "root" else secret(place.path, place.owner), f"handed to {place.owner}"
    if place.use is Use.COVERED:
        return trusted(place.path), f"mounted over for {place.owner}"
    if place.use is Use.WRITES_INTO:
        return reason_to_write(place.path, command), "written to"
    return reason(place.path, command), f"given to {place.owner}" if place.use is Use.OWNED else "managed"


def _denied(declared: Declared, name: str, why: str, how: str = "managed") -> Diagnostic:
    detail = f"{name} cannot be {how} here: {why}. There is no flag that overrides this."
    where = (declared.address, declared.source)
    return Diagnostic(
        Severity.ERROR, "path is on the deny list", detail, *where, rule="deny-list", refusal=True
    )


def claimed_twice(spec: Spec, named: Table) -> Iterator[Diagnostic]:
    """Yield two resources that stand for one path: whichever is applied last would win."""
    owners: dict[str, tuple[str, str]] = {}
    for declared, named_places in named:
        name = str(declared.address)
        for place in named_places:
            if place.use not in (Use.MANAGES, Use.GIVES):
                continue
            other, shared = owners.setdefault(place.path, (name, place.shared))
            if other != name and not (shared and shared == place.shared):
                yield _twice(declared, place.path, other)


def claimed_on_host(spec: Spec, view: HostView) -> Iterator[Diagnostic]:
    """Yield paths declared twice that only the host shows: keys in the home that /etc/passwd has for an
    account.
    """
    named = {
        declared.address.name: declared
        for declared in spec.resources
        if declared.address.name.startswith("/")
    }
    listed = (
        [
            declared
            for declared in spec.resources
            if declared.address.kind == "ssh_keys" and not declared.beside
        ]
        if named
        else []
    )
    if not listed:
        return
    from reconciler.kinds.shared.keys import parts as key_parts  # brings what only keys need

    try:
        users = account_files.users(view)
    except (HostError, FileNotFoundError):
        return
    homes = {user.name: user.home for user in users}
    for declared in listed:
        home = homes.get(declared.address.name, "").rstrip("/")
        for path in key_parts.paths(declared.address.name, home) if home else ():
            if path in named and home != f"/home/{declared.address.name}":
                yield _twice(declared, path, str(named[path].address))


def _twice(declared: Declared, path: str, other: str) -> Diagnostic:
    detail = f"{path} is declared by {other} and by {declared.address}. Remove one of them."
    if {other.partition(".")[0], declared.address.kind} >= {"users"} and "directories" in (
        other.partition("[")[0],
        declared.address.kind,
    ):
        detail = (
            f"{detail} A user makes the home, with `home_mode` as its mode, and what is under the user's own"
            " `directories`."
        )
    where = (declared.address, declared.source)
    return Diagnostic(
        Severity.ERROR, "two resources on one path", detail, *where, rule="one-path", refusal=True
    )
