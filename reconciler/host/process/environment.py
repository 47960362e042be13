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


def terminal_columns(descriptor: int) -> int | None:
    """The columns of a terminal; None for what is none, or does not know."""
    try:
        return os.get_terminal_size(descriptor).columns or None
    except OSError:
        return None


def now() -> int:
    """Seconds since the epoch, for display only: nothing is ordered or expires by them."""
    return int(time.time())


def throwaway_key() -> bytes:
    """A key for keyed digests where the host has none yet; its digests can be compared in one plan only."""
    return os.urandom(32)


def monotonic() -> float:
    """Seconds of a clock that never jumps, for durations."""
    return time.monotonic()


def microseconds() -> int:
    """Microseconds since the epoch, only to tell apart events of the same second."""
    return time.time_ns() // 1000


def nanoseconds() -> int:
    """Nanoseconds since the epoch, to be compared with the times of files."""
    return time.time_ns()


def random_hex(count: int) -> str:
    """So many random hex digits; `count` is even."""
    return os.urandom(count // 2).hex()


def started_by() -> dict[str, str]:
    """The origin of this process as far as it can be told: `user`, the person behind sudo or the login, and
    `unit`, the service or session.
    """
    user = variable("SUDO_USER") or _login_user()
    unit = next(reversed(own_units()), "")
    return {name: value for name, value in (("user", user), ("unit", unit)) if value}


def _login_user() -> str:
    """The name of the user who logged in, or whose process this is; empty when neither has one."""
    import pwd

    for number in (_read_small("/proc/self/loginuid"), str(os.getuid())):
        try:
            return pwd.getpwuid(int(number)).pw_name
        except (ValueError, KeyError, OverflowError):
            continue
    return ""


def own_units() -> tuple[str, ...]:
    """The services and scopes of systemd that we run in, the innermost last."""
    units: list[str] = []
    for line in _read_small("/proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))] or units
    return tuple(units)


def _read_small(path: str) -> str:
    """The text of a small file, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(4096).strip()
    except OSError:
        return ""


def refuse_plugins() -> None:
    """Keep pydantic from importing the plugins of installed packages: a program of root's must not, and it
    takes time.

    The variable is the documented way. The module that reads it first imports `importlib.metadata`, a tenth
    of a short command: so a module without plugins takes its place. If a later pydantic does not look there,
    the variable still holds.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules.setdefault(loader.__name__, loader)
