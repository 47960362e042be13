"""Import over the units of hundreds of packages: each is taken over with nothing to do, or left out with its
reason.

The packages are fetched with apt-get into the cache of the tests; only their unit files, bus names and udev
rules are unpacked.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.booted import cache
from tests.booted.booted import BootedHost
from tests.cli.command import run
from tests.faults import figures

pytestmark = [pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get"), pytest.mark.slow]

NAMES = Path(__file__).with_name("packages_with_units.txt")
SUFFIXES = (".service", ".timer", ".socket", ".path", ".target", ".mount", ".automount", ".slice")
WHOLE = ("lib/systemd/system", "usr/lib/systemd/system")
BESIDE = {
    "usr/share/dbus-1/system-services": "usr/share/dbus-1/system-services",
    "lib/udev/rules.d": "usr/lib/udev/rules.d",
    "usr/lib/udev/rules.d": "usr/lib/udev/rules.d",
}
STEP = 1 if figures.full() else 12
"""The short form takes every twelfth package: those of all would be fetched for minutes."""
LEAST = 200 // STEP
"""So many services have to be taken over, or something is wrong with the list of
packages or with the import.
"""


def _names() -> list[str]:
    return NAMES.read_text().split()[::STEP]


def _fetch(target: Path) -> None:
    """Packages that the archive does not have any more are passed over, one by one."""
    debs = target / "debs"
    debs.mkdir()
    names = _names()
    if subprocess.run(
        ["apt-get", "download", "-qq", names[0]], cwd=debs, capture_output=True, check=False
    ).returncode:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
    for start in range(0, len(names), 20):
        some = names[start : start + 20]
        if subprocess.run(
            ["apt-get", "download", "-qq", *some], cwd=debs, capture_output=True, check=False
        ).returncode:
            for name in some:
                subprocess.run(
                    ["apt-get", "download", "-qq", name], cwd=debs, capture_output=True, check=False
                )
    wanted = [f"./{place}/*" for place in (*WHOLE, *BESIDE)]
    for deb in sorted(debs.glob("*.deb")):
        tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
        extract = ["tar", "-x", "--no-same-owner", "--wildcards", "-C", str(target), *wanted]
        subprocess.run(extract, input=tar, capture_output=True, check=False)  # one without any of them fails
    shutil.rmtree(debs)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The unpacked files."""
    return cache.built(f"package-units-{cache.key_of('2', *_names())}", _fetch)


def _units(packages: Path) -> dict[str, bytes]:
    """Unit files by name, without links."""
    found = {}
    for place in WHOLE:
        for path in sorted((packages / place).glob("*")):
            if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink() and path.stat().st_size:
                found[path.name] = path.read_bytes()
    return found


def _wanted_by(text: bytes) -> list[str]:
    return [word for line in re.findall(rb"(?m)^WantedBy=(.*)$", text) for word in line.decode().split()]


def _tree(packages: Path, root: Path, units: Mapping[str, bytes], *, enabled: bool) -> None:
    """A host where these units are the administrator's own."""
    place = root / "etc/systemd/system"
    place.mkdir(parents=True)
    for name, text in {
        "hostname": "h\n",
        "passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "group": "root:x:0:\n",
    }.items():
        (root / "etc" / name).write_text(text)
    for name, content in units.items():
        (place / name).write_bytes(content)
        for target in (
            _wanted_by(content) if enabled and name.endswith(".service") and "@" not in name else ()
        ):
            (place / f"{target}.wants").mkdir(exist_ok=True)
            (place / f"{target}.wants" / name).symlink_to(f"/etc/systemd/system/{name}")
    for source, target in BESIDE.items():
        if (packages / source).is_dir():
            shutil.copytree(packages / source, root / target, dirs_exist_ok=True)
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _facts(root: Path) -> dict[str, Any]:
    return {
        str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns, path.lstat().st_mode)
        for path in sorted(root.rglob("*"))
    }


def _sorted_out(text: str, units: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Names that are in the spec, and those that are left out with the reason; each unit is exactly one of
    them.
    """
    taken = [f"{name}.service" for name in YAML(typ="safe", pure=True).load(text).get("services", {})]
    lines = re.findall(
        r'(?m)^#   services(?:\.([^:\s]+)|\["([^"]+)"\]): (.+)$', text.partition("# Not imported")[2]
    )
    told = {
        name if name.endswith(SUFFIXES) else f"{name}.service": why
        for name, why in ((one or other, why) for one, other, why in lines)
    }

    assert sorted(units) == sorted([*taken, *told])

    return taken, told


def _kind(why: str) -> str:
    """A reason without the names in it."""
    why = re.sub(
        r"[\w@\\.-]+\.(timer|socket|path)( \(and \d+ more\))? starts it.*",
        "a timer, socket or path starts it",
        why,
    )
    why = re.sub(r"the (bus name|udev rules) .* starts it.*", r"a \1 starts it", why)
    why = re.sub(r"it is a job that nothing starts.*", "a job that nothing starts with the host", why)
    why = re.sub(r"whether it runs hangs on.*", "a condition that a tree cannot tell", why)
    why = re.sub(r"^\w+ units are not imported.*", "a unit of another type", why)
    why = re.sub(r"^it starts with the host but.*", "enabled, and does not run", why)
    why = re.sub(r"^an apply would (\w+) it.*", r"an apply would \1 it", why)
    why = re.sub(r"^it does not run now, and.*", "another unit starts it", why)
    why = re.sub(r"^'.*' is not an absolute path.*", "a relative program", why)
    why = re.sub(
        r"^(The prefix).*|.*(stands there) \d+ times.*|.*(has a specifier).*",
        lambda m: next(filter(None, m.groups())),
        why,
    )
    return why[:80]


def _tell(what: str, taken: Collection[str], told: Mapping[str, str]) -> None:
    reasons = Counter(map(_kind, told.values()))
    figures.note(
        f"import of packages units {what}",
        units=len(taken) + len(told),
        taken_over=len(taken),
        left_out=len(told),
    )
    print("".join(f"\n{count:5} {why}" for why, count in reasons.most_common()))


@pytest.mark.parametrize("enabled", [False, True])
def test_every_unit_of_a_tree(enabled: bool, packages: Path, tmp_path: Path) -> None:
    """All units as the administrator's own: none stops the import, the plan of the spec is empty, and an
    apply touches no inode.
    """
    root, spec, units = tmp_path / "tree", tmp_path / "host.yaml", _units(packages)
    _tree(packages, root, units, enabled=enabled)
    before = _facts(root)
    done = run("import", "services", "--root", root, "--out", spec)

    assert 0 == done.code, done.err

    taken, told = _sorted_out(spec.read_text(), units)
    _tell("enabled" if enabled else "not enabled", taken, told)

    assert LEAST <= len(taken) + 60 // STEP * enabled
    for _ in range(2):
        plan = json.loads(run("plan", spec, "--root", root, "--json").out)

        assert [] == [
            row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]
        ]
        assert plan["complete"]
        assert 0 == run("apply", spec, "--root", root, "--auto-approve").code
    assert before == _facts(root)


FACTS = "find /etc/systemd /run/systemd/system -xdev -printf '%p %i %T@ %C@ %m %u %g\\n' | sort"
LIVES = "systemctl show --property=Id,InvocationID,ActiveState,MainPID '*.service' | grep -v '^$'"
STUBS = r"""cd /etc/systemd/system
for unit in "$@"; do
    program=$(sed -n 's/^ExecStart=[-@:]*\([^ ]*\).*/\1/p' "$unit" | head -n 1)
    [ -e "$program" ] || { mkdir -p "${program%/*}" && printf '#!/bin/sh\nexec sleep infinity\n' > "$program" && chmod 755 "$program"; }
done
systemctl enable "$@"
for unit in "$@"; do timeout 5 systemctl start --no-block "$unit"; done
"""
_PLAIN = re.compile(
    rb"(?m)^(Type=(?!simple|exec)|User=|ExecStartPre=|Conflicts=|Requires=|BindsTo=|Requisite=|Alias=|PartOf=)"
)


def test_every_unit_of_a_booted_host(booted: BootedHost, packages: Path, tmp_path: Path) -> None:
    """The same where systemd runs, with a good number of the services running: no process and no inode is
    another one after the apply.
    """
    units, root = _units(packages), tmp_path / "units"
    _tree(packages, root, units, enabled=False)
    booted.copy_in(root / "etc/systemd/system", "/etc/systemd/system")
    booted.run("systemctl", "daemon-reload")
    simple = [
        name
        for name, text in units.items()
        if name.endswith(".service")
        and "@" not in name
        and not name.startswith("systemd-")
        and b"multi-user.target" in text
        if not _PLAIN.search(text) and booted.active(name) != "active"
    ]
    booted.run("sh", "-c", STUBS, "stubs", *simple, check=False)
    booted.until(lambda: "No jobs" in booted.run("systemctl", "list-jobs", check=False).stdout, seconds=60)
    booted.reconciler("import", "services", "--out", "/root/host.yaml", timeout=200)
    before, lives = booted.run("sh", "-c", FACTS).stdout, booted.run("sh", "-c", LIVES).stdout
    taken, told = _sorted_out(booted.read("/root/host.yaml"), units)
    running = [name for name in taken if name in simple]
    _tell("booted", taken, told)
    figures.note("import of running services", running_and_taken_over=len(running))
    plan = json.loads(booted.reconciler("plan", "/root/host.yaml", "--json", timeout=200).stdout)

    assert [] == [row["address"] for row in plan["resource_changes"] if row["change"]["actions"] != ["no-op"]]
    assert [] == plan["steps"], plan["steps"]

    booted.reconciler("apply", "/root/host.yaml", "--auto-approve", timeout=200)

    assert before == booted.run("sh", "-c", FACTS).stdout
    assert lives == booted.run("sh", "-c", LIVES).stdout
    assert len(running) >= 10 // STEP
