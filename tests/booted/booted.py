"""A pristine Debian that has booted systemd as PID 1, for one test.

```python
with BootedHost() as host:
    host.write("/root/host.yaml", spec)
    host.reconciler("apply", "/root/host.yaml", "--auto-approve")
    assert host.show("ml-api.service", "ActiveState") == {"ActiveState": "active"}
```

It stands on an overlay over the cached layers in a mount namespace of its own, and systemd-nspawn in a
cgroup of its own (without that, two hosts would share /payload and stop each other's services). Whatever
happens to the test, nothing stays: everything in the cgroup is killed, and the mounts go with the last
process. If the test process itself is killed, a watcher that holds the other end of a pipe does the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.booted import cache, cgroup, rootfs
from tests.booted.support import HarnessError
from tests.booted.truth import Truth

LOGIN = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "LOGNAME": "root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL": "/bin/bash",
    "USER": "root",
}
"""The environment of a command inside: root's, and nothing of the machine that runs the tests."""

_BOOT_SECONDS = 60
_NUMBERS = itertools.count(1)

_BOOT = """
name=$1; merged=$2; overlay=$3; groups=$4
shift 4
for group in $groups; do echo $$ > "$group/cgroup.procs"; done
mount -t overlay overlay -o "$overlay" "$merged"
exec systemd-nspawn --quiet --directory="$merged" --boot --machine="$name" --register=no --keep-unit --console=pipe --private-network \
    --link-journal=no --resolv-conf=off --timezone=off "$@"
"""


class CommandError(HarnessError):
    """A command inside a host did not exit 0; the text has what it printed."""


class BootedHost(Truth):
    """A context manager: boots on entry, leaves nothing on exit.

    `limit` is the number of seconds after which the host is ended whatever it is doing. `tool` says whether
    the reconciler is installed in it. `binds` maps places outside to places inside, read-only; `shared` likewise, to be written by all. `network` adds
    a veth pair (the outer end is `ve-NAME`). `hostname` is what hostnamectl says. `suite` is the Debian,
    `packages` what is installed in it besides.
    """

    def __init__(
        self,
        *,
        tool: bool = True,
        limit: float = 280,
        binds: Mapping[Path, str] | None = None,
        shared: Mapping[Path, str] | None = None,
        network: bool = False,
        hostname: str = rootfs.HOSTNAME,
        suite: str = rootfs.SUITE,
        packages: Sequence[str] = (),
    ) -> None:
        self.hostname = hostname
        self.leader = 0
        self.name = f"rt{os.getpid()}-{next(_NUMBERS)}"
        self._layers = rootfs.layers(tool=tool, suite=suite, packages=packages)
        self._limit = limit
        self._options = [
            f"--hostname={hostname}",
            *(f"--bind-ro={outside}:{inside}" for outside, inside in (binds or {}).items()),
            *(f"--bind={outside}:{inside}" for outside, inside in (shared or {}).items()),
        ]
        if network:
            self._options.append("--network-veth")
        self._place = Path()
        self._argv: list[str] = []
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._children: list[subprocess.Popen[Any]] = []
        self._cleanup = contextlib.ExitStack()
        self._ended = ""

    # ------------------------------------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        try:
            self._boot()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _boot(self) -> None:
        for layer in self._layers:
            self._cleanup.enter_context(cache.in_use(layer.parent))
        self._place = self._cleanup.enter_context(_place(self.name))
        if self.hostname != rootfs.HOSTNAME:
            (self._place / "upper/etc").mkdir(mode=0o755)
            (self._place / "upper/etc/hostname").write_text(self.hostname + "\n")
        groups = self._cleanup.enter_context(cgroup.private(self.name))
        overlay = f"lowerdir={rootfs.lowerdir(self._layers)},upperdir={self._place}/upper,workdir={self._place}/work"
        wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _BOOT, "boot"]
        self._argv = [
            *wrapper,
            self.name,
            str(self._place / "merged"),
            overlay,
            " ".join(map(str, groups)),
            *self._options,
        ]
        self._cleanup.callback(self._end)
        watchdog = threading.Timer(self._limit, self._out_of_time)
        watchdog.daemon = True
        watchdog.start()
        self._cleanup.callback(watchdog.cancel)
        self._start()

    def _start(self) -> None:
        with (self._place / "console").open("wb") as console:
            nothing, both = subprocess.DEVNULL, subprocess.STDOUT
            self._nspawn = subprocess.Popen(
                self._argv, stdin=nothing, stdout=console, stderr=both, start_new_session=True
            )
        self._wait_until_up(self._nspawn)

    def reboot(self) -> None:
        """Shut it down in order and boot it again: it keeps its files, and nothing of what runs."""
        assert self._nspawn is not None
        self.run("systemctl", "reboot", check=False)
        self._nspawn.wait(_BOOT_SECONDS)
        _forget_propagation(self.name)
        self.leader = 0
        self._start()

    def power_off(self) -> None:
        """End it without a word, as a power cut does; `power_on` boots it again, with its files."""
        self._end()
        self._nspawn = None
        self.leader = 0

    def power_on(self) -> None:
        """Boot it again."""
        self._start()

    def _wait_until_up(self, nspawn: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while time.monotonic() < deadline:
            if nspawn.poll() is not None:
                raise HarnessError(f"systemd-nspawn ended with {nspawn.returncode}:\n{self.console()}")
            self.leader = _leader_of(nspawn.pid)
            # One that waits: to ask again and again takes as much of the processor as the boot.
            if self.leader and Path(f"/proc/{self.leader}/root/run/systemd/private").exists():
                found = self.run(
                    "systemctl", "is-system-running", "--wait", check=False, timeout=_BOOT_SECONDS
                ).stdout.strip()
                if found in ("running", "degraded"):
                    return
            time.sleep(0.01)
        raise HarnessError(f"the host did not come up within {_BOOT_SECONDS} seconds:\n{self.console()}")

    def _out_of_time(self) -> None:
        self._ended = f"its time limit of {self._limit:g} seconds is over"
        self._end()

    def _end(self) -> None:
        """Kill all of it.

        An orderly halt would wait for whatever a test left hanging, and there is nothing to save.
        """
        if self._nspawn is None:
            return
        with contextlib.ExitStack() as handles:
            waited = []
            with contextlib.suppress(OSError):
                waited.append(os.pidfd_open(_leader_of(self._nspawn.pid)))
                handles.callback(os.close, waited[0])
            # By its id too: interrupted early enough, it is not in its cgroup yet.
            self._nspawn.kill()
            cgroup.kill(self.name)
            self._nspawn.wait()
            for child in self._children:
                _kill_group(child)
            # PID 1 goes last: when it is gone, so is every process of the host.
            _wait_for(waited, 60)
        _forget_propagation(self.name)

    def console(self) -> str:
        """The output of the boot."""
        with contextlib.suppress(FileNotFoundError):
            return (self._place / "console").read_text(errors="replace")
        return ""

    # ----------------------------------------------------------------------------------------------- commands

    def _inside(self, argv: Sequence[str], cwd: str | None = None, user: str | None = None) -> list[str]:
        if self._ended:
            raise HarnessError(f"the host is gone: {self._ended}")
        if not self.leader:
            raise HarnessError("the host is not up")
        enter = ["/usr/bin/nsenter", "--target", str(self.leader), "--all", "--root"]
        if cwd:
            enter += ["/usr/bin/env", f"--chdir={cwd}"]
        if user:
            enter += ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*enter, *argv]

    def run(  # type: ignore[override]  # says by name what Truth passes through
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002  # subprocess's own word
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 60,
        cwd: str | None = None,
        user: str | None = None,
        umask: int = 0o022,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root (or `user`) and wait for it; text in, text out, nothing on stdin
        unless given.

        `env` adds to LOGIN. Raises CommandError when it exits other than 0 (unless `check=False`) or when
        `timeout` seconds pass.
        """
        child = subprocess.Popen(
            self._inside(argv, cwd, user),
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**LOGIN, **(env or {})},
            text=True,
            errors="surrogateescape",
            start_new_session=True,
            umask=umask,
        )
        try:
            out, err = child.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill_group(child)
            out, err = child.communicate()
            raise CommandError(f"{' '.join(argv)}: not done after {timeout:g} seconds\n{out}{err}") from None
        except BaseException:
            _kill_group(child)
            raise
        if self._ended:
            raise HarnessError(f"{' '.join(argv)}: the host is gone: {self._ended}")
        if check and child.returncode:
            raise CommandError(f"{' '.join(argv)}: exit {child.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(list(argv), child.returncode, out, err)

    def popen(
        self, *argv: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command inside; it is killed with the host at the latest.

        `options` are Popen's; unless they say otherwise nothing is on stdin, and output goes to pipes.
        """
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "umask": 0o022,
            **options,
        }
        child = subprocess.Popen(
            self._inside(argv), env={**LOGIN, **(env or {})}, text=True, start_new_session=True, **streams
        )
        self._children.append(child)
        return child

    def reconciler(self, *args: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the installed tool; `options` are those of `run`."""
        return self.run("/usr/local/bin/reconciler", *args, check=check, **options)

    # ------------------------------------------------------------------------------------------------ files

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Write a file inside, with the directories above it, in place (same inode), as an administrator's
        `cat >` would.
        """
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'
        self.run("/bin/sh", "-euc", script, "write", path, mode, input=text)

    def read(self, path: str) -> str:
        """The text of a file inside."""
        return self.run("cat", "--", path).stdout

    def copy_in(self, source: Path, destination: str) -> None:
        """Copy a directory of ours (contents, modes; owned by root) to `destination` inside."""
        self.run("mkdir", "-p", destination)
        packer = subprocess.Popen(
            ["tar", "-C", source, "--owner=0", "--group=0", "-c", "."], stdout=subprocess.PIPE
        )
        unpacker = self.popen("tar", "-C", destination, "-x", stdin=packer.stdout or subprocess.DEVNULL)
        _, complaint = unpacker.communicate(timeout=60)
        if packer.stdout:
            packer.stdout.close()
        if packer.wait() or unpacker.returncode:
            raise HarnessError(f"copying {source} to {destination} failed: {complaint}")


def _wait_for(handles: Sequence[int], seconds: float) -> None:
    """Until one of these process handles says that its process is gone. poll(2): select(2) knows no
    descriptor above 1023.
    """
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    if handles:
        poll.poll(seconds * 1000)


def _kill_group(child: subprocess.Popen[Any]) -> None:
    """Kill a command that we started inside, with what it started in its session."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=5)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream and not stream.closed and child.poll() is not None:
            stream.close()


def _leader_of(nspawn: int) -> int:
    """PID 1 of the host, as seen from outside; 0 while there is none.

    nspawn's first child is another one, still in our own namespaces: entering that one would answer for the
    machine that runs the tests.
    """
    with contextlib.suppress(OSError):
        for pid in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
            lines = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            if lines.get("Name") == "systemd" and lines.get("NSpid", "").split()[1:] == ["1"]:
                return int(pid)
    return 0


def _forget_propagation(name: str) -> None:
    """nspawn leaves an empty directory behind when its host was killed."""
    with contextlib.suppress(OSError):
        Path("/run/systemd/nspawn/propagate", name).rmdir()


@contextlib.contextmanager
def _place(name: str) -> Iterator[Path]:
    """A directory for what a host changes.

    Remains of hosts whose process was killed are removed on the way.
    """
    base = cache.directory() / "run"
    base.mkdir(exist_ok=True)
    for old in base.iterdir():
        _sweep(old)
    place = Path(tempfile.mkdtemp(prefix=name + "-", dir=base))
    with (place / "alive").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for part in ("upper", "work", "merged"):
            (place / part).mkdir()
        place.chmod(0o755)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _sweep(place: Path) -> None:
    with contextlib.suppress(OSError), (place / "alive").open("r") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        name = place.name.rpartition("-")[0]
        cgroup.remove(name)
        _forget_propagation(name)
        shutil.rmtree(place, ignore_errors=True)
