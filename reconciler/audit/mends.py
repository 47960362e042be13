"""The lines of a spec that mend findings, where several checks need the same sort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.audit.facts import Facts
from reconciler.audit.model import Snippet
from reconciler.core.host import Entry, FileType, HostError
from reconciler.formats.ssh.sshd_config import Line
from reconciler.policy.paths import reason

_SSHD = "/etc/ssh/sshd_config.d"
_SYSCTL = "/etc/sysctl.d"


def file(
    path: str, content: str, mode: str = "0644", services: Mapping[str, Mapping[str, Any]] | None = None
) -> Snippet:
    """A file of root's, with the services that read it."""
    sections: dict[str, Any] = {"files": {path: {"content": content, "mode": mode}}}
    return Snippet((), sections | ({"services": services} if services else {}))


def directory(path: str, entry: Entry, mode: int, owner: str = "root", group: str = "root") -> Snippet | None:
    """A directory as it should be; None where a spec cannot say it: the directories of the system itself, and
    files, which are declared with their content only.
    """
    if entry.type is not FileType.DIRECTORY or reason(path, ""):
        return None
    return Snippet(("directories", path), {"mode": f"{mode:04o}", "owner": owner, "group": group})


def service(name: str, **fields: Any) -> Snippet:
    """Some fields of a package's service."""
    return Snippet((), {"services": {name: {"unit": "vendor", **fields}}})


def kernel_settings(check: str, settings: Mapping[str, str]) -> Snippet:
    """Kernel settings in a file of its own, which the host's own service loads.

    The file comes behind those of Debian and of administrators: the last one counts.
    """
    content = "".join(f"{name} = {value}\n" for name, value in settings.items())
    loader = {"unit": "vendor", "state": "running", "watch": [_SYSCTL]}
    return file(f"{_SYSCTL}/zz-audit-{check}.conf", content, services={"systemd-sysctl": loader})


def sshd_setting(facts: Facts, name: str, value: str) -> Snippet | None:
    """A setting of sshd in a file of its own; None where another line would win, for the first one counts."""
    path = f"{_SSHD}/00-audit-{name.lower()}.conf"
    try:
        is_first = _is_first(facts.doors.ssh.config or (), name.lower(), path)
    except HostError:
        return None
    if not is_first:
        return None
    if facts.intent.names("services") & {"ssh", "sshd", "ssh.service", "sshd.service"}:
        return file(path, f"{name} {value}\n")
    reader = {"unit": "vendor", "state": "running", "on_change": "reload", "watch": [_SSHD]}
    return file(path, f"{name} {value}\n", services={"ssh": reader})


def _is_first(lines: tuple[Line, ...], keyword: str, path: str) -> bool:
    """Whether a line of a new file at this path would be read before each other one with its keyword."""
    for line in lines:
        if line.keyword == "include" and any(word.startswith(f"{_SSHD}/*") for word in line.arguments):
            earlier = (inside for file in line.included for inside in file if inside.path < path)
            return all(inside.keyword not in (keyword, "match") for inside in earlier)
        if line.keyword in (keyword, "match"):
            return False
    return False
