"""Running the tool as somebody who is not root, whoever runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NOBODY = 65534

# The checkout may lie in root's home: reading is allowed everywhere, writing is not.
_AS_NOBODY = [
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]


class Ordinary:
    """An ordinary user with a directory of their own and `reconciler` on PATH. Make it with `ordinary()`."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def copy(self, source: Path) -> Path:
        """A copy of a file or directory in their directory, owned by them."""
        target = self.place / source.name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        self.own()
        return target

    def own(self) -> None:
        """Everything in their directory is theirs."""
        if os.geteuid() == 0:
            for path in (self.place, *self.place.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def run(self, *argv: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command in their directory, without a terminal and with a bare environment; output and
        complaints in one.
        """
        prefix = _AS_NOBODY if os.geteuid() == 0 else []
        environment = {
            "PATH": f"{self.place}/bin:/usr/bin:/bin",
            "HOME": str(self.place),
            "TMPDIR": str(self.place),
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            [*prefix, *map(str, argv)],
            cwd=self.place,
            env={**environment, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def says(self, *argv: str | Path) -> str:
        """The output of a command that must succeed."""
        done = self.run(*argv)

        assert done.returncode == 0, done.stdout
        return done.stdout


@contextmanager
def ordinary() -> Iterator[Ordinary]:
    """An ordinary user; their directory is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/tmp") as place:
        command = Path(place, "bin", "reconciler")
        command.parent.mkdir()
        start = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.argv[0] = 'reconciler'; from"
            " reconciler.cli.main import main; main()"
        )
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -B -c "{start}" "$@"\n')
        command.chmod(0o755)
        user = Ordinary(Path(place))
        user.own()
        yield user


OF_EVERY_DEBIAN = (
    "/etc/apt/apt.conf.d",
    "/etc/default",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/security/limits.d",
    "/etc/sysctl.d",
    "/etc/tmpfiles.d",
    "/etc/udev/rules.d",
)
"""Directories of drop-ins that a bare Debian has, whether a kind writes there yet or not."""
UNITS_OF_EVERY_DEBIAN = {
    f"/usr/lib/systemd/system/systemd-{name}.service": {
        "content": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/true\n"
    }
    for name in ("modules-load", "sysctl", "tmpfiles-setup", "udevd")
}
"""Units of systemd's own that read such directories, as far as a simulated host needs them: path and file."""


def minimal_tree(root: Path, hostname: str = "gpu-01") -> Path:
    """The base that any Linux system has, as far as a spec meets it."""
    for directory in (
        "etc/systemd/system",
        "etc/logrotate.d",
        "etc/cron.d",
        "opt",
        "srv",
        "var/log",
        "home",
        "bin",
        "etc/sudoers.d",
        "etc/profile.d",
        "usr/lib/systemd/system",
        *(path.removeprefix("/") for path in OF_EVERY_DEBIAN),
    ):
        (root / directory).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "bin/bash").touch(0o755)
    (root / "etc/hostname").write_text(f"{hostname}\n")
    (root / "usr/lib/systemd/system/systemd-journald.service").write_text(
        "[Service]\nExecStart=/usr/lib/systemd/systemd-journald\n"
    )
    return root
