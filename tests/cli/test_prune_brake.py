"""The prune brake: whatever is wrong with the spec or with what we remember, nothing is removed because of
it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import apply as applying
from reconciler.app.plan import plan as planning
from reconciler.cli.main import run
from reconciler.core.state import Memory
from reconciler.engine import compare
from reconciler.host.state.read import read_memory
from reconciler.kinds import discover
from reconciler.policy import guards
from tests import worlds
from tests.case import HOST, document
from tests.cli.samples import BASES

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGuGsnP/NPzhnWuATv9aP1dHraTqoi8dScAeUt23h1tL"
FIVE = tuple("abcde")

OF: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "groups": lambda one: (f"ml-{one}", {}),
    "users": lambda one: (f"u-{one}", {"sudo": [{"run": ["/usr/bin/true"]}]}),
    "ssh_keys": lambda one: (f"k-{one}", {"keys": [KEY]}),
    "directories": lambda one: (f"/srv/{one}", {"mode": "0755"}),
    "files": lambda one: (f"/etc/rt-{one}", {"content": f"{one}\n", "mode": "0644"}),
    "services": lambda one: (f"rt-{one}", {"exec_start": ["/usr/bin/sleep", "9"]}),
    "timers": lambda one: (f"rt-{one}", {"exec_start": ["/usr/bin/true"], "schedule": "daily"}),
    "logrotate": lambda one: (f"rt-{one}", {"paths": [f"/var/log/rt-{one}.log"], "frequency": "daily"}),
    "backups": lambda one: (
        f"rt-{one}",
        {"sources": ["/srv"], "destinations": [f"/var/lib/{one}"], "schedule": "daily", "keep": {"daily": 7}},
    ),
}
"""A name and a declaration for each kind where the name of its sample with a letter behind it does not do."""

of_each_kind = pytest.mark.parametrize(
    "kind", [name for name, kind in discover().items() if not kind.single and not kind.unowned]
)
"""All kinds of which there can be five that go when they leave the spec."""


def of(kind: str, one: str) -> tuple[str, dict[str, Any]]:
    """A name and a declaration of the kind, another for each letter."""
    name, fields = BASES[kind]
    return OF[kind](one) if kind in OF else (f"{name}{one}", fields)


def spec(kind: str, names: tuple[str, ...] = FIVE) -> dict[str, Any]:
    """Five of a kind, or some of them, with what they need and one directory that is always there."""
    found: dict[str, Any] = {"users": {f"k-{one}": {} for one in FIVE}} if kind == "ssh_keys" else {}
    found.setdefault("directories" if kind != "directories" else "files", {}).update(
        {"/srv/always": {"mode": "0755"}}
        if kind != "directories"
        else {"/etc/always": {"content": "", "mode": "0644"}}
    )
    return {**found, kind: {**found.get(kind, {}), **dict(of(kind, one) for one in names)}}


class Site:
    """A tree on which five of a kind were applied, and a way to apply something else."""

    def __init__(self, place: Path, kind: str) -> None:
        worlds.tree(place)
        self.kind, self.place, self.root, self.file = kind, place, place / "tree", place / "host.yaml"
        (self.root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        self.state = place / "tree.reconciler"
        assert self.apply(document(spec(kind, FIVE[:3]))) == 0
        self.older = place / "older"
        shutil.copytree(self.state, self.older)
        assert self.apply(document(spec(kind))) == 0

    def apply(self, text: str, *options: str) -> int:
        """Apply a text; the exit code."""
        self.file.write_text(text)
        return run(["apply", str(self.file), "--root", str(self.root), "--auto-approve", *options])

    def manifest(self) -> dict[str, tuple[Any, ...]]:
        """Everything, to the byte and the inode; of our own state all but the lock."""
        return dict(
            map(
                fact,
                (
                    path
                    for top in (self.root, self.state)
                    for path in sorted(top.rglob("*"))
                    if path.name != "lock"
                ),
            )
        )

    def there(self) -> dict[str, bytes]:
        """Every path on the host, with the content of files."""
        return {
            str(path): path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            for path in self.root.rglob("*")
        }


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Site]:
    """The site of a kind as it is after the two applies, which are made once: each asker has it afresh, in
    the same place.
    """
    base = tmp_path_factory.mktemp("sites")

    @cache
    def made(kind: str) -> Site:
        site = Site(base / kind, kind)
        subprocess.run(["/bin/cp", "-a", site.place, base / f"{kind}.kept"], check=True)
        return site

    def afresh(kind: str) -> Site:
        site = made(kind)
        shutil.rmtree(site.place)
        subprocess.run(["/bin/cp", "-a", base / f"{kind}.kept", site.place], check=True)
        return site

    return afresh


def fact(path: Path) -> tuple[str, tuple[Any, ...]]:
    """All that can be said of a path."""
    found = path.lstat()
    content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
    return str(path), (found.st_mode, found.st_uid, found.st_gid, found.st_ino, found.st_mtime_ns, content)


def refused(site: Site, text: str) -> None:
    """The apply fails, and nothing at all is changed."""
    before = site.manifest()
    code = site.apply(text)
    after = site.manifest()

    assert code in (1, 3)
    assert before == after


BAD: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "comments only": lambda text: "".join(f"# {line}\n" for line in text.splitlines()),
    "an empty mapping": lambda _: "{}\n",
    "nothing declared": lambda _: document({}),
    "empty sections": lambda _: document({kind: {} for kind in discover()}),
    "another host": lambda text: text.replace(f'"{HOST}"', '"elsewhere"'),
    "an include that fails": lambda text: text.replace(
        '"version": 1', '"version": 1, "include": ["missing.yaml"]'
    ),
    "not YAML": lambda text: text[: len(text) // 2],
    "zeros": lambda text: "\0" * len(text),
}


@of_each_kind
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_spec_removes_nothing(kind: str, bad: str, applied: Callable[[str], Site]) -> None:
    """Empty, emptied, of another host, unreadable: refused before the first effect, and the host and our
    state are as they were.
    """
    site = applied(kind)
    refused(site, BAD[bad](document(spec(kind))))


@of_each_kind
def test_too_much_at_once_removes_nothing(kind: str, applied: Callable[[str], Site]) -> None:
    """Four of five are more than three and more than 30 %: refused, whatever the kind; three of five are what
    somebody meant.
    """
    site = applied(kind)
    refused(site, document(spec(kind, FIVE[:1])))

    assert site.apply(document(spec(kind, FIVE[:2]))) == 0


@of_each_kind
def test_a_truncated_spec_removes_no_more_than_the_brake_lets_through(
    kind: str, applied: Callable[[str], Site]
) -> None:
    """Cut at any line, where each line is one resource: refused and nothing changed, or at most three of a
    kind are gone; never more.
    """
    site = applied(kind)
    lines = ["version: 1", f"host: {HOST}"]
    for section, named in spec(kind).items():
        lines += [f"{section}:", *(f"  {name}: {json.dumps(said)}" for name, said in named.items())]
    for cut in range(len(lines)):
        assert site.apply("".join(f"{line}\n" for line in lines)) == 0
        before, text = site.manifest(), "".join(f"{line}\n" for line in lines[:cut])
        code = site.apply(text)
        gone = len(FIVE) - sum(f"  {of(kind, one)[0]}: " in text for one in FIVE)

        assert (code in (1, 3) and before == site.manifest()) or (code == 0 and gone <= guards.NUMBER), (
            f"cut at line {cut}: {gone} are gone"
        )


# ------------------------------------------------------------------------------------------- what we remember


def _flipped(site: Site) -> None:
    data = bytearray((site.state / "state.db").read_bytes())
    for at in range(5000, len(data), 499):  # so many that some hit what counts, wherever that is
        data[at] ^= 0xFF
    (site.state / "state.db").write_bytes(data)


def _older(site: Site) -> None:
    shutil.copy(site.older / "state.db", site.state / "state.db")


def _truncated(site: Site) -> None:
    with (site.state / "state.db").open("r+b") as stream:
        stream.truncate(5000)


HARMS: dict[str, Callable[[Site], object]] = {
    "absent": lambda site: shutil.rmtree(site.state),
    "the database absent": lambda site: (site.state / "state.db").unlink(),
    "empty": lambda site: (site.state / "state.db").write_bytes(b""),
    "zeros": lambda site: (site.state / "state.db").write_bytes(b"\0" * 4096),
    "flipped": _flipped,
    "truncated": _truncated,
    "older": _older,
    "without its witness": lambda site: (site.state / "witness").unlink(),
    "of another machine": lambda site: (site.root / "etc/machine-id").write_text("f" * 32 + "\n"),
}


@of_each_kind
@pytest.mark.parametrize("harm", HARMS)
def test_a_ledger_that_cannot_be_trusted_removes_nothing(
    kind: str, harm: str, applied: Callable[[str], Site]
) -> None:
    """Two of five leave the spec while the ledger is damaged, old, another's or gone: they stay, the rest
    converges.
    """
    untrusted(applied(kind), harm)


def untrusted(site: Site, harm: str) -> None:
    """Everything that was there is there afterwards, to the byte."""
    HARMS[harm](site)
    before = site.there()
    code = site.apply(document(spec(site.kind, FIVE[:3])))
    after = site.there()

    assert code == 0
    assert before == {path: after.get(path) for path in before}
    assert run(["plan", str(site.file), "--root", str(site.root), "--detailed-exitcode"]) == 0


@pytest.mark.parametrize("harm", [harm for harm in HARMS if "absent" not in harm])
def test_an_empty_spec_on_a_damaged_ledger_is_refused(harm: str, applied: Callable[[str], Site]) -> None:
    """Nothing declared, and a ledger that cannot be trusted: it is not begun again with nothing in it."""
    site = applied("files")
    HARMS[harm](site)
    refused(site, document({}))


# ------------------------------------------------------------------------------------------- the sweep itself


@pytest.mark.parametrize("bad", ["nothing declared", "another host"])
def test_the_sweep_sees_a_missing_guard(
    bad: str, applied: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the guards taken out the sweep above fails."""
    site = applied("files")
    monkeypatch.setattr(guards, "GUARDS", ())
    text = document({**spec("files", ()), "files": {}}) if bad == "another host" else document({})
    with pytest.raises(AssertionError):
        refused(site, text.replace(f'"{HOST}"', '"elsewhere"') if bad == "another host" else text)


@pytest.mark.parametrize("harm", ["without its witness", "of another machine"])
def test_the_sweep_sees_a_ledger_that_is_believed(
    harm: str, applied: Callable[[str], Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a damaged ledger taken for a whole one the sweep above fails."""
    site = applied("files")

    def believed(*args: Any, **options: Any) -> Memory:
        return replace(whole(*args, **options), damaged="")

    whole = read_memory
    healthy = whole(str(site.state), "")
    monkeypatch.setattr(planning, "read_memory", believed)
    monkeypatch.setattr(applying, "read_memory", lambda *_: replace(healthy, damaged=""))
    monkeypatch.setattr(applying, "_merged", lambda _remembered, _memory: replace(healthy, damaged=""))
    monkeypatch.setattr(compare, "unrecorded", lambda *_, **__: ())
    with pytest.raises(AssertionError):
        untrusted(site, harm)
