"""The environment that the process was started with, and the clock."""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType


def variable(name: str) -> str:
    """An environment variable, empty when it is not set."""
    return os.environ.get(name, "")


def is_root() -> bool:
    """Whether we run with root's rights."""
    return os.geteuid() == 0


def now() -> int:
    """Seconds since the epoch. For display only: nothing is ordered or expires by it."""
    return int(time.time())


def throwaway_key() -> bytes:
    """A key for keyed digests where the host has none yet: digests made with it are good for one plan and
    tell nobody anything.
    """
    return os.urandom(32)


def monotonic() -> float:
    """Seconds of a clock that never jumps, for durations."""
    return time.monotonic()


def microseconds() -> int:
    """Microseconds since the epoch. To tell apart what happens in one second, and for nothing else."""
    return time.time_ns() // 1000


def nanoseconds() -> int:
    """Nanoseconds since the epoch, to be compared with the times of files."""
    return time.time_ns()


def random_hex(count: int) -> str:
    """This many random hex digits, an even number."""
    return os.urandom(count // 2).hex()


def started_by() -> dict[str, str]:
    """Who began this process, as far as is known: `user`, the person behind sudo or the login, and `unit`,
    the service or session.
    """
    user = variable("SUDO_USER") or _login_user()
    unit = next(reversed(own_units()), "")
    return {name: value for name, value in (("user", user), ("unit", unit)) if value}


def _login_user() -> str:
    import pwd

    for number in (_small("/proc/self/loginuid"), str(os.getuid())):
        try:
            return pwd.getpwuid(int(number)).pw_name
        except (ValueError, KeyError, OverflowError):
            continue
    return ""


def own_units() -> tuple[str, ...]:
    """The services and scopes of systemd that we run in, the innermost last."""
    found: list[str] = []
    for line in _small("/proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers in ("", "name=systemd"):
            found = [part for part in path.split("/") if part.endswith((".service", ".scope"))] or found
    return tuple(found)


def _small(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(4096).strip()
    except OSError:
        return ""


def refuse_plugins() -> None:
    """Keep pydantic from importing whatever installed packages register with it: not in a program of root's,
    and it takes time.

    The variable is the documented way. The module that reads it imports `importlib.metadata` first, a tenth
    of a short command: one that has no plugins stands in its place. Where pydantic no longer asks for it
    there, it is not used, and the variable holds.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules.setdefault(loader.__name__, loader)
