"""Docker's containers. Podman is not asked: it writes into its own state when it is."""

from __future__ import annotations

from reconciler.core.answers import NotInstalled
from reconciler.core.host import Unreadable
from reconciler.host.audit.question import Files, Reader
from reconciler.host.process.run import ProgramMissing, run

_FIELDS = (
    '{"name":{{json .Name}},"privileged":{{json .HostConfig.Privileged}},"capabilities":{{json'
    ' .HostConfig.CapAdd}},"pid":{{json .HostConfig.PidMode}},"mounts":{{json .Mounts}}}'
)
"""Only what confines it: the environment and the command of a container may hold secrets."""
_DAEMON = "unix:///run/docker.sock"


def containers(files: Files, _: str) -> str:
    """The containers that run, one in a line; none where no daemon runs."""
    if files.entry("/run/docker.sock") is None:
        return ""
    ids = _docker("ps", "--quiet", "--no-trunc").split()
    return _docker("inspect", "--type", "container", "--format", _FIELDS, *ids) if ids else ""


def _docker(*words: str) -> str:
    """The output of Docker's own program. Raises NotInstalled, HostError."""
    try:
        result = run(["docker", "--host", _DAEMON, *words], timeout=10)
    except ProgramMissing:
        raise NotInstalled("docker") from None
    if result.rc != 0:
        raise Unreadable("a program failed", f"docker {words[0]}: {result.message}")
    return result.out.decode("utf-8", "replace")


QUESTIONS = {"docker-containers": Reader(containers, live=True)}
