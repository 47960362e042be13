"""The file systems that a test host boots from, in layers, each built once and cached.

1. a minimal Debian with the programs that the tool works with,
2. a virtual environment in /opt/reconciler with the locked dependencies,
3. our own wheel in it, rebuilt when the source changes (about two seconds).

The tool is installed as an administrator would: a wheel, pip, no index, a link in /usr/local/bin.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.booted import cache, support

REPOSITORY = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
"""The version of python3 in each suite: wheels are fetched for it, whatever Python runs the tests."""

PACKAGES = (
    *(
        "systemd",
        "systemd-sysv",
        "dbus",
        "cron",
        "logrotate",
        "openssh-server",
        "rsync",
        "restic",
        "quota",
        "sudo",
        "acl",
    ),
    *("python3", "python3-venv", "iproute2", "procps", "strace", "git"),
)
HOSTNAME = "testhost"

_RECIPE = "1"
"""Raise it when the functions below build something else from the same inputs."""
_IN_LAYER = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
mkdir -p "$4/mnt/in"
mount --bind "$5" "$4/mnt/in"
shift 3
merged=$1
shift 2
exec chroot "$merged" "$@"
"""


def _must(argv: Sequence[object], what: str, **options: Any) -> None:
    done = subprocess.run(
        list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise support.HarnessError(f"{what} failed (exit {done.returncode}):\n{tail}")


def root(suite: str = SUITE) -> Path:
    """Layer 1, of this Debian. About 25 seconds and 300 MB the first time."""
    mirror = os.environ.get("RECONCILER_TEST_MIRROR", "")

    def build(target: Path) -> None:
        tree = target / "tree"
        command = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--include=" + ",".join(PACKAGES),
            suite,
            tree,
            *filter(None, [mirror]),
        ]
        _must(command, "Building the Debian root file system")
        (tree / "etc/hostname").write_text(HOSTNAME + "\n")
        (tree / "etc/hosts").write_text(
            f"127.0.0.1\tlocalhost\n127.0.1.1\t{HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        )
        # Every boot is another machine.
        (tree / "etc/machine-id").write_text("")
        (tree / "etc/resolv.conf").write_text("")
        (tree / "run/sshd").mkdir(parents=True, exist_ok=True)

    return cache.built(f"root-{cache.key_of(_RECIPE, suite, mirror, *PACKAGES)}", build) / "tree"


def _run_in_layer(below: Sequence[Path], target: Path, bind: Path, *argv: str) -> None:
    """Run `argv` in a chroot of the layers `below` with `bind` at /mnt/in, and keep what it changes as
    `target`/tree.

    The mounts live in a mount namespace of their own and go with its last process.
    """
    for name in ("tree", "work", "merged"):
        (target / name).mkdir(exist_ok=True)
    script = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _IN_LAYER, "layer"]
    places = [lowerdir(below), target / "tree", target / "work", target / "merged", bind]
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
    }
    _must([*script, *places, *argv], f"{argv[0]} in the layer {target.name}", env=environment, umask=0o022)
    _must(["rm", "-rf", target / "work", target / "merged", target / "tree/mnt/in"], "Tidying up")


def lowerdir(layers: Sequence[Path]) -> str:
    """overlayfs wants the topmost layer first."""
    return ":".join(str(path) for path in reversed(layers))


def _dependencies(base: Path, suite: str) -> Path:
    """Layer 2."""
    python = PYTHON[suite]
    lock = REPOSITORY / "requirements.lock"

    def fetch(target: Path) -> None:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "-qq",
            "download",
            "--require-hashes",
            "--only-binary=:all:",
        ]
        _must([*pip, "--python-version", python, "--dest", target, "-r", lock], "Fetching the locked wheels")

    def build(target: Path) -> None:
        install = (
            "pip install -q --disable-pip-version-check --no-index --find-links /mnt/in --require-hashes -r"
            " /mnt/in/requirements.lock"
        )
        link = "ln -s /opt/reconciler/bin/reconciler /usr/local/bin/reconciler"
        commands = f"python3 -m venv /opt/reconciler && /opt/reconciler/bin/{install} && {link}"
        (wheels / "requirements.lock").write_bytes(lock.read_bytes())
        _run_in_layer([base], target, wheels, "/bin/sh", "-euc", commands)

    wheels = cache.built(f"wheels-{cache.key_of(_RECIPE, python, lock.read_bytes())}", fetch)
    return cache.built(f"deps-{cache.key_of(_RECIPE, base.parent.name, lock.read_bytes())}", build) / "tree"


def _source_files() -> Iterator[Path]:
    """Everything that the wheel is made of."""
    for name in ("reconciler", "schemas"):
        yield from (
            path
            for path in sorted((REPOSITORY / name).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        )
    yield from (REPOSITORY / name for name in ("pyproject.toml", "README.md", "LICENSE"))


def source_key() -> str:
    """A key over the names and bytes of everything that the wheel is made of."""
    return cache.key_of(
        *(item for path in _source_files() for item in (str(path.relative_to(REPOSITORY)), path.read_bytes()))
    )


def _wheel(base: Path, dependencies: Path) -> Path:
    """Layer 3."""

    def build(target: Path) -> None:
        wheel = target / "wheel"
        _must(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheel],
            "Building the wheel",
            cwd=REPOSITORY,
        )
        commands = (
            "/opt/reconciler/bin/pip install -q --disable-pip-version-check --no-index --no-deps"
            " /mnt/in/*.whl"
        )
        _run_in_layer([base, dependencies], target, wheel, "/bin/sh", "-euc", commands)

    name = f"tool-{cache.key_of(_RECIPE, dependencies.parent.name, source_key())}"
    made = cache.built(name, build)
    cache.forget_all_but("tool-", keep=6)
    return made / "tree"


def _packages(base: Path, names: Sequence[str]) -> Path:
    """A layer with more packages of the same Debian, without what they recommend."""

    def build(target: Path) -> None:
        network = target / "network"
        network.mkdir()
        (network / "resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
        (network / "policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (network / "policy-rc.d").chmod(0o755)
        install = (
            "DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends"
            f" {' '.join(names)}"
        )
        prepare = (
            "cp /mnt/in/resolv.conf /etc/resolv.conf; cp /mnt/in/policy-rc.d /usr/sbin/policy-rc.d; apt-get"
            " update -qq"
        )
        tidy = "rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/*.bin; : > /etc/resolv.conf"
        _run_in_layer([base], target, network, "/bin/sh", "-euc", f"{prepare}; {install}; {tidy}")

    return cache.built(f"packages-{cache.key_of(_RECIPE, base.parent.name, *names)}", build) / "tree"


def layers(*, tool: bool = True, suite: str = SUITE, packages: Sequence[str] = ()) -> list[Path]:
    """The layers of a host with this Debian, lowest first; `tool=False` leaves out ours.

    `packages` are more than every host has.
    """
    base = root(suite)
    more = [_packages(base, packages)] if packages else []
    if not tool:
        return [base, *more]
    dependencies = _dependencies(base, suite)
    return [base, *more, dependencies, _wheel(base, dependencies)]
