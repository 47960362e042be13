"""The files and directories that a service names: without some it does not start (systemd.exec(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.kind import RequirementType
from reconciler.core.model.places import Place, Use
from reconciler.formats.systemd.specifiers import expanded
from reconciler.kinds.services.model import Hardening, Service

_COMES_LATER = ("/run/", "/proc/", "/sys/", "/dev/", "/tmp/", "/var/tmp/")  # noqa: S108  # not looked for
_OF_SYSTEMD = {
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
"""Directories that systemd makes at the start of a service (systemd.exec(5))."""
_OWNED = {**{name: top for name, top in _OF_SYSTEMD.items() if top != "/etc"}, "RuntimeDirectory": "/run"}
"""The ones that it gives to the service's account with all that is in them; configuration stays root's."""
_NO = ("", "no", "false", "0", "off")
_OUTPUTS = ("file:", "append:", "truncate:")
_NAMESPACE = (
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "BindPaths",
    "BindReadOnlyPaths",
    "ReadWriteDirectories",
    "ReadOnlyDirectories",
    "InaccessibleDirectories",
)
"""Directives whose paths must exist, but for those with `-` in front."""


def needed(service: Service) -> Iterator[tuple[RequirementType, str | None]]:
    """Yield the files and directories without which it does not start, except those of a running host."""
    directives = service.directives.get("Service", {})
    files = [
        path for path in service.environment_file if not path.startswith("-") and not set("*?[") & set(path)
    ]
    files += [
        *service.load_credential.values(),
        str(directives.get("StandardInput", "")).removeprefix("file:"),
    ]
    yield from ((RequirementType.FILE, path) for path in files if _is_looked_for(path))
    root = str(directives.get("RootDirectory", ""))
    if root or "RootImage" in directives:
        yield RequirementType.DIRECTORY, root.rstrip("/") if _is_looked_for(root) else None
        return
    made_by_systemd = [
        f"{top}/{word}" for name, top in _OF_SYSTEMD.items() for word in str(directives.get(name, "")).split()
    ]
    work = service.working_directory or ""
    directories = (*_directories_of_outputs(service), "" if work in made_by_systemd else work)
    yield from (
        (RequirementType.DIRECTORY, path.rstrip("/"))
        for path in dict.fromkeys(directories)
        if _is_looked_for(path)
    )
    named = (word.partition(":")[0] for name in _NAMESPACE for word in _words(directives.get(name, "")))
    yield from (
        (RequirementType.PATH, path.rstrip("/"))
        for path in named
        if _is_looked_for(path) and path not in made_by_systemd
    )


def places(service: Service, name: str) -> Iterator[Place]:
    """Yield the paths given to the account of a service, and those that other files cover for its processes.

    Yields none for a package's unit without `user`.
    """
    directives = service.directives.get("Service", {})
    dynamic = str(directives.get("DynamicUser", "no")) not in _NO
    account = service.user or (name if dynamic else "")
    if account in ("", "root", "0") or not directives:
        return
    for directive, top in _OWNED.items():
        for word in _words(directives.get(directive, "")):
            yield from (
                Place(_below(top, part), Use.OWNED, account, account, named=True)
                for part in expanded(word, f"{name}.service").split(":")
                if part and part != "ro"
            )
    hardened = "yes" if service.hardening is not Hardening.NONE or dynamic else "no"
    no_new_privileges = str(directives.get("NoNewPrivileges", hardened)) not in _NO
    if no_new_privileges or "RootDirectory" in directives or "RootImage" in directives:
        return  # su and sudo have no power there, or are not there
    for directive in ("BindPaths", "BindReadOnlyPaths"):
        for word in _words(directives.get(directive, "")):
            source, _, rest = expanded(word, f"{name}.service").removeprefix("-").partition(":")
            covered = rest.partition(":")[0]
            if covered.startswith("/") and covered != source:
                yield Place(covered.rstrip("/") or "/", Use.COVERED, account, account, named=True)


def _below(top: str, path: str) -> str:
    """A directory below another one, in its plain form."""
    return "/".join((top, *(step for step in path.split("/") if step not in ("", "."))))


def _directories_of_outputs(service: Service) -> Iterator[str]:
    """Yield the directories of the files that a service's output goes to.

    systemd opens these files before it makes the directories of LogsDirectory= and the like.
    """
    for output in (service.standard_output or "", service.standard_error or ""):
        path = output.partition(":")[2] if output.startswith(_OUTPUTS) else ""
        yield path.rpartition("/")[0]


def _words(value: str | Sequence[str]) -> list[str]:
    return value.split() if isinstance(value, str) else [word for line in value for word in line.split()]


def _is_looked_for(path: str) -> bool:
    return path.startswith("/") and "%" not in path and not f"{path}/".startswith(_COMES_LATER)
