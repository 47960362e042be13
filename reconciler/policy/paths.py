"""Paths that no spec may manage: they belong to the account tools, the kernel, or to us."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.diagnostic import Diagnostic, Severity
from reconciler.core.kind import Kinds
from reconciler.core.patterns import Late
from reconciler.core.spec import Spec
from reconciler.formats.reconcile import PATH, UNITS, USER

_ACCOUNTS = "it belongs to the account tools (useradd, passwd, visudo); declare users and groups instead"
_KERNEL = "it is not a place for files of a configuration"
_OURS = "it is Reconciler's own state"
_IDENTITY = "it is the host's own identity"
_PAM = "a mistake in it locks everybody out"

_EXACT = {
    **{f"/etc/{name}{backup}": _ACCOUNTS for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid") for backup in ("", "-")},
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
}
_PREFIXES = {"/etc/ssh/ssh_host_": _IDENTITY}
_DROP_IN = Late(r"/etc/systemd/system/[^/]+\.d(?:/[^/]+)?")
"""Drop-ins of vendor units, and the directories they are in, are ordinary files; the units themselves are not."""
STATE = "/var/lib/reconciler"
_WHOLE_SYSTEM = frozenset(("/", "/bin", "/boot", "/etc", "/home", "/lib", "/lib64", "/root", "/run", "/sbin", "/usr", "/var"))
OUR_UNITS = ("reconciler", *UNITS)
_OUR_FILES = Late(rf"/etc/(?:systemd/system|cron\.d)/(?:{'|'.join(OUR_UNITS)})(?:\.(?:service|timer)(?:\.d)?)?(?:/.*)?")
"""Their files, with the drop-ins that could take them out of action."""


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
    for base, why in {**_BELOW, STATE: _OURS}.items():
        if path == base or path.startswith(base + "/"):
            if _DROP_IN.fullmatch(path):
                continue
            return why
    return next((why for prefix, why in _PREFIXES.items() if path.startswith(prefix)), "")


def forbidden(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Every declared path on the list, and every service that is one of ours."""
    command = str(spec.settings.get("command", ""))
    for declared in spec.resources:
        address = declared.address
        if address.kind in ("services", "timers") and address.name in OUR_UNITS:
            why = "it is one of Reconciler's own units"
        elif address.kind in ("users", "groups", "ssh_keys") and address.name == USER:
            why = "it is the account that Reconciler looks for drift with"
        elif address.name.startswith("/"):
            why = reason(address.name, command)
        else:
            continue
        if why:
            detail = f"{address.name} cannot be managed here: {why}. There is no flag that overrides this."
            yield Diagnostic(Severity.ERROR, "path is on the deny list", detail, address, declared.source, rule="deny-list", refusal=True)


def claimed_twice(spec: Spec, kinds: Kinds) -> Iterator[Diagnostic]:
    """Two resources that stand for one path: whichever is applied last would win."""
    owners: dict[str, str] = {}
    for declared in spec.resources:
        for path in kinds[declared.address.kind].paths(declared.address):
            other = owners.setdefault(path, str(declared.address))
            if other != str(declared.address):
                detail = f"{path} is declared by {other} and by {declared.address}. Remove one of them."
                yield Diagnostic(
                    Severity.ERROR, "two resources on one path", detail, declared.address, declared.source, rule="one-path", refusal=True
                )
