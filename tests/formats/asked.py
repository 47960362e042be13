"""systemd's own tools, asked in the file systems of Debian 12 and Debian 13: what they say of units.

No test by itself.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from reconciler.formats.systemd import directives
from tests.booted import rootfs

SUITES = {directives.OLDEST: "bookworm", directives.NEWEST: "trixie"}
RELEASES = tuple(SUITES)

_SCRIPT = """
mount -t tmpfs units "$1/mnt"
cp "$2"/* "$1/mnt/"
shift_root=$1
shift 2
exec chroot "$shift_root" "$@"
"""
_SUFFIX = {"Unit": "service", "Install": "service"}
_FIXED = {"mount": "mnt-x.mount", "automount": "mnt-x.automount", "swap": "dev-x.swap"}
"""Units whose name says what they mount: there is only one of them at a time."""
_MANY = 1500

Assignment = tuple[str, str, str]


@cache
def _tree(release: int) -> Path:
    return rootfs.root(SUITES[release])


def run(release: int, *argv: str, files: Mapping[str, str] | None = None) -> str:
    """The output of a program of that Debian on both streams, with these files in /mnt."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / ".keep").touch()
        for name, text in (files or {"none": ""}).items():
            (Path(place) / name).write_bytes(text.encode())
        wrapper = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-euc",
            _SCRIPT,
            "asked",
            str(_tree(release)),
            place,
        ]
        done = subprocess.run(
            [*wrapper, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
    return done.stdout.decode("utf-8", "replace")


def items(release: int) -> dict[str, set[str]]:
    """{section: directives} that this systemd says it has."""
    found: dict[str, set[str]] = defaultdict(set)
    section = ""
    for line in filter(None, run(release, "/lib/systemd/systemd", "--dump-configuration-items").splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        else:
            found[section].add(line.partition("=")[0])
    return {name: names for name, names in found.items() if names}


def _verify(release: int, files: Mapping[str, str]) -> dict[str, set[int]]:
    """The lines of each file about which `systemd-analyze verify` has something to say."""
    said = run(release, "sh", "-c", "exec systemd-analyze verify --man=no /mnt/*.*", files=files)
    found: dict[str, set[int]] = {name: set() for name in files}
    for match in re.finditer(r"^/mnt/([^:\n]+):(\d+): ", said, re.MULTILINE):
        if match[1] in found:
            found[match[1]].add(int(match[2]))
    return found


def refused(release: int, assignments: Sequence[Assignment]) -> set[Assignment]:
    """Those that systemd complains about. A file at which it gives up is cut at the place and asked again."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for section, name, value in assignments:
        groups[section, name].append(value)
    found: set[Assignment] = set()
    todo = [(section, name, values) for (section, name), values in groups.items()]
    while todo:
        batch: dict[str, tuple[str, str, list[str]]] = {}
        later = []
        for number, (section, name, values) in enumerate(todo):
            suffix = _SUFFIX.get(section, section.lower())
            file = _FIXED.get(suffix, f"t{number}.{suffix}")
            if file in batch or len(batch) > _MANY:
                later.append((section, name, values))
            else:
                batch[file] = (section, name, values)
        texts = {file: _text(section, name, values) for file, (section, name, values) in batch.items()}
        for file, lines in _verify(release, texts).items():
            section, name, values = batch[file]
            whole = len(values) + 2 in lines  # it has read down to the line that is no directive
            found |= {(section, name, value) for line, value in enumerate(values, 2) if line in lines}
            if whole:
                continue
            if len(values) == 1:
                found.add((section, name, values[0]))
                continue
            last = max(lines, default=0)
            rest = [values[last - 1 :]] if last >= 2 else [[value] for value in values]
            later += [(section, name, some) for some in rest if some]
        todo = later
    return found


def _text(section: str, name: str, values: Iterable[str]) -> str:
    return f"[{section}]\n" + "".join(f"{name}={value}\n" for value in values) + "NoSuchDirective=1\n"
