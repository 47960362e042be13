"""Containers: ways from one to the host."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.areas.filesystem import shown
from reconciler.audit.areas.network import listeners, socket_of
from reconciler.audit.areas.processes import hidden_owner
from reconciler.audit.facts import Facts
from reconciler.audit.model import RUNNING, Fail, Finding, NotKnown, Severity
from reconciler.audit.registry import check
from reconciler.core.host import Entry, HostError
from reconciler.formats.audit.containers import Container, parse_containers

_SOCKETS = (
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
)
_GROUPS = ("root", "docker", "buildkit")
"""Groups whose members are known to be root: the areas of accounts and groups look at those."""
_AS_ROOT = frozenset(("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF"))
_PLAIN_API = ("tcp", 2375)
_WRITTEN = ("/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sys", "/usr", "/var")
"""Directories of the host by which whoever writes them is root."""
_READ = ("/etc", "/proc", "/root")
"""Directories of the host with keys and hashes in them."""


def containers(facts: Facts) -> list[Container]:
    """The containers of Docker that run. Raises HostError."""
    return facts.parsed("docker-containers", parse_containers)


@check(
    "container-socket",
    severity=Severity.CRITICAL,
    title="Only root and the group docker talk to the daemon of containers",
    rationale="Whoever talks to it starts a container that has all files of the host, as root.",
    remediation="Close it: chown root:docker SOCKET, chmod o-rwx SOCKET, and SocketMode=0660 in its unit.",
)
def sockets_of_daemons_are_closed(facts: Facts) -> Iterator[Finding]:
    """Owner, group and mode of the sockets of docker, containerd, podman, crio and buildkit."""
    for path in _SOCKETS:
        try:
            entry = facts.entry(path)
        except HostError as problem:
            yield NotKnown(path, problem.detail or problem.summary)
            continue
        if entry is not None and _is_open(entry):
            actual = f"{entry.mode} {entry.owner}:{entry.group}"
            yield Fail(path, "at most 0660 root:docker", actual, path)


def _is_open(entry: Entry) -> bool:
    """Whether somebody else may write to a socket: that is the right to connect."""
    mode = int(entry.mode, 8)
    by_group = bool(mode & 0o020) and entry.group not in _GROUPS
    return bool(mode & 0o002) or by_group or entry.owner != "root"


@check(
    "docker-api",
    severity=Severity.CRITICAL,
    title="Docker's interface is on no port without keys",
    rationale="Whoever reaches the port is root of the host without a password, and many search for it.",
    remediation=(
        "Take the -H tcp:// out of dockerd's options and of hosts in /etc/docker/daemon.json; from afar use"
        " docker -H ssh://USER@HOST."
    ),
    needs=(RUNNING, "ss"),
)
def docker_is_on_no_port(facts: Facts) -> Iterator[Finding]:
    """The port 2375 and, but for the one with keys (2376), each port of dockerd: on 127.0.0.1 every account
    of this host reaches it.
    """
    for listener in listeners(facts):
        is_daemon = listener.process == "dockerd" and listener.protocol == "tcp"
        is_swarm = listener.port in (2376, 2377, 7946)
        if (listener.protocol, listener.port) == _PLAIN_API or (is_daemon and not is_swarm):
            by = listener.process or "a process that is not known"
            yield Fail(socket_of(listener), "a socket of the file system", f"{by} listens", "ss -tlnp")
        elif listener.protocol == "tcp" and (hidden := hidden_owner(facts, listener)) is not None:
            yield hidden


@check(
    "container-privileged",
    severity=Severity.HIGH,
    title="No container may do whatever root of the host may",
    rationale="In a privileged container, or with such a capability, root is root of the host.",
    remediation=(
        "Start it without --privileged, --pid=host and --cap-add, and give it the devices that it needs:"
        " --gpus or --device."
    ),
    needs=(RUNNING, "docker"),
)
def containers_are_confined(facts: Facts) -> Iterator[Finding]:
    """Privileged containers of Docker, and those with capabilities by which they leave it."""
    for container in containers(facts):
        reasons = [f"capability {name}" for name in container.capabilities if name in _AS_ROOT]
        if container.privileged:
            reasons = ["privileged"]
        elif container.host_processes:
            reasons.append("the host's processes")
        if reasons:
            yield Fail(shown(container.name), "confined", ", ".join(reasons), "docker inspect")


@check(
    "container-mounts",
    severity=Severity.HIGH,
    title="No container has the host's own directories",
    rationale="Whoever writes them from within is root of the host; keys and hashes are read in them.",
    remediation=(
        "Mount the directory that it needs, and no more, with :ro where it only reads; for Docker's socket"
        " use a proxy that lets the needed calls through."
    ),
    needs=(RUNNING, "docker"),
)
def containers_have_their_own_files(facts: Facts) -> Iterator[Finding]:
    """Containers of Docker with the root of the host, a directory of the system or a daemon's socket."""
    for container in containers(facts):
        paths = [path for path, writes in container.mounts if _is_hosts(path, writes=writes)]
        if paths:
            inside = ", ".join(shown(path) for path in paths)
            yield Fail(shown(container.name), "directories of its own", inside, "docker inspect")


def _is_hosts(path: str, *, writes: bool) -> bool:
    """Whether a directory of the host gives the host away."""
    plain = path.removeprefix("/var") if path.startswith("/var/run/") else path
    return plain == "/" or plain in _SOCKETS or plain in (_WRITTEN if writes else _READ)
