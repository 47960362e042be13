"""Every way in which a plan that was approved is not the plan any more, by kind and by what happened; and
what does not count.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.approval import SEAL, seal
from tests.cli.command import Done, Tree, make_tree, run

pytestmark = pytest.mark.slow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE{} u"
RESOURCES: dict[str, tuple[str, str]] = {
    "files": ("/etc/a", '{content: "WORD\\n", mode: "0644"}'),
    "directories": ("/srv/d", '{mode: "MODE"}'),
    "users": ("u", "{comment: WORD, aliases: {x: WORD}}"),
    "ssh_keys": ("u", "{exactly: [KEY]}"),
    "services": ("s", "{exec_start: [/usr/bin/true], description: WORD}"),
    "timers": ("t", "{schedule: daily, exec_start: [/usr/bin/true], description: WORD}"),
    "logrotate": ("l", "{paths: [/var/log/l.log], rotate: NUMBER}"),
}
"""One resource of each kind; the words in capitals are the values that change."""
NEW: dict[str, tuple[str, str]] = {
    "files": ("/etc/new", '{content: "new\\n", mode: "0644"}'),
    "directories": ("/srv/new", '{mode: "0755"}'),
    "groups": ("new", "{gid: 3000}"),
    "users": ("new", "{comment: new}"),
    "services": ("new", "{exec_start: [/usr/bin/true]}"),
    "timers": ("new", "{schedule: daily, exec_start: [/usr/bin/true]}"),
    "logrotate": ("new", "{paths: [/var/log/new.log], rotate: 3}"),
}
VALUES = {
    "one": {"WORD": "one", "MODE": "0700", "KEY": KEY.format("y"), "NUMBER": "1"},
    "two": {"WORD": "two", "MODE": "0750", "KEY": KEY.format("z"), "NUMBER": "2"},
    "six": {"WORD": "six", "MODE": "0755", "KEY": KEY.format("x"), "NUMBER": "6"},
}


def text(**other: str) -> str:
    """The spec, each kind with these values; `rest` is for those that are not named, and an empty value
    leaves the kind out.
    """
    rest = other.pop("rest", "two")
    lines = ["version: 1", "host: h1"]
    for kind, (name, fields) in RESOURCES.items():
        value = other.get(kind, rest)
        entries = [f"  {name}: {_filled(fields, value)}"] if value not in ("", "new") else []
        entries += [f"  {name}: {_filled(fields, rest)}"] if value == "new" else []
        entries += ["  {}: {}".format(*NEW[kind])] if value == "new" else []
        lines += [f"{kind}:", *entries] if entries else []
    if other.get("groups") == "new":
        lines += ["groups:", "  {}: {}".format(*NEW["groups"])]
    return "\n".join(lines) + "\n"


def _filled(fields: str, value: str) -> str:
    for word, said in VALUES[value].items():
        fields = fields.replace(word, said)
    return fields


class Scene:
    """A copy of a tree on which the spec was applied with the first values; the plan with the second ones is
    saved.
    """

    def __init__(self, base: Path) -> None:
        self.tree = Tree(base)
        self.spec = base / "host.yaml"
        self.file = base / "plan.json"

    def write(self, **values: str) -> None:
        """Another spec."""
        self.spec.write_text(text(**values))

    def plan(self, *options: object) -> Done:
        """Save a plan for approval."""
        return self.tree.plan(self.spec, "--out", self.file, *options)

    def apply(self, *options: object) -> Done:
        """Apply what was approved."""
        return run("apply", self.spec, "--root", self.tree.root, "--approved", self.file, *options)

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Somebody edits the saved plan, and makes the digest of it anew."""
        data = json.loads(self.file.read_text())
        change(data)
        self.file.write_text(json.dumps(data | {SEAL: seal(data)}))

    def hold(self, *words: object) -> None:
        """`hold` on this tree."""
        done = run("hold", *words, "--root", self.tree.root)
        assert (0, "") == (done.code, done.err)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scene that every test has a copy of."""
    tree = make_tree(tmp_path_factory.mktemp("prepared") / "base")
    for name in ("home", "var/log", "etc/logrotate.d", "etc/profile.d"):
        (tree.root / name).mkdir(exist_ok=True)
    for name in ("/bin/bash", "/usr/sbin/logrotate"):
        tree.put(name, "", 0o755)
    tree.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    tree.put("/etc/hostname", "h1\n")
    scene = Scene(tree.base)
    scene.write(rest="one")
    first = tree.apply(scene.spec)
    scene.write()
    second = scene.plan()
    data = json.loads(scene.file.read_text())

    assert (0, 0, []) == (first.code, second.code, data["diagnostics"]), first.said
    assert set(RESOURCES) == {row["type"] for row in data["resource_changes"]}
    return tree.base


@pytest.fixture
def scene(prepared: Path, tmp_path: Path) -> Scene:
    """A scene of one's own."""
    subprocess.run(["cp", "-a", prepared, tmp_path / "base"], check=True)
    return Scene(tmp_path / "base")


Way = Callable[[Scene], object]


def _as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_file(path: Path) -> None:
    path.rmdir()
    path.write_text("")


def _touch(path: Path, act: Callable[[Path], object]) -> Way:
    return lambda scene: act(scene.tree.path(str(path)))


def _edit_line(name: str, old: str, new: str) -> Way:
    def act(scene: Scene) -> None:
        path = scene.tree.path(name)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return act


OBJECTS = {
    "files": "/etc/a",
    "services": "/etc/systemd/system/s.service",
    "timers": "/etc/systemd/system/t.service",
    "logrotate": "/etc/logrotate.d/l",
    "users": "/etc/reconciler/profile.d/u.sh",
}
BY_HAND: dict[str, Callable[[Path], object]] = {
    "content": lambda path: path.write_text(path.read_text() + "# by hand\n"),
    "mode": lambda path: path.chmod(0o600),
    "gone": lambda path: path.unlink(),
    "a link": _as_link,
    "a directory": _as_directory,
}


def _declared(kind: str, value: str) -> Way:
    return lambda scene: scene.write(**{kind: value})


def _applied(kind: str) -> Way:
    return lambda scene: scene.tree.apply(scene.spec, "--target", kind)


def _ways() -> dict[str, Way]:
    found: dict[str, Way] = {}
    for kind in RESOURCES:
        found[f"{kind}: declared otherwise"] = _declared(kind, "six")
        found[f"{kind}: as it was before"] = _declared(kind, "one")
        found[f"{kind}: no longer declared"] = _declared(kind, "")
    for kind in NEW:
        found[f"{kind}: one more declared"] = _declared(kind, "new")
    for kind in ("files", "services", "timers", "logrotate"):
        for what, act in BY_HAND.items():
            found[f"{kind}: {what} by hand"] = _touch(Path(OBJECTS[kind]), act)
    found["directories: mode by hand"] = _touch(Path("/srv/d"), lambda path: path.chmod(0o711))
    found["directories: gone by hand"] = _touch(Path("/srv/d"), lambda path: path.rmdir())
    found["directories: a file by hand"] = _touch(Path("/srv/d"), _as_file)
    found["users: comment by hand"] = _edit_line("/etc/passwd", "one", "somebody")
    found["ssh_keys: another key by hand"] = _edit_line("/home/u/.ssh/authorized_keys", "MDEy", "MDEw")
    for kind in RESOURCES:
        found[f"{kind}: applied alone"] = _applied(kind)
    return found


WAYS = _ways()


def _approval(change: Callable[[dict[str, Any]], object]) -> Way:
    return lambda scene: scene.edit(lambda data: change(data["approval"]))


def _of_a(approval: dict[str, Any]) -> dict[str, str]:
    return approval["changes"]['files["/etc/a"]']  # type: ignore[no-any-return]  # read from JSON


EDITED: dict[str, Way] = {
    "host": _approval(lambda said: said.update(host="h2")),
    "machine": _approval(lambda said: said.update(machine="another")),
    "tool": _approval(lambda said: said.update(tool="9.9")),
    "the digest of an input": _approval(lambda said: said["inputs"].update({"services.s": "sha256:0"})),
    "an input less": _approval(lambda said: said["inputs"].pop("services.s")),
    "an input more": _approval(lambda said: said["inputs"].update({"services.x": "sha256:0"})),
    "a verb": _approval(lambda said: _of_a(said).update(verb="delete")),
    "the actions": _approval(lambda said: _of_a(said).update(actions="sha256:0")),
    "what was found": _approval(lambda said: _of_a(said).update(found="sha256:0")),
    "a change less": _approval(lambda said: said["changes"].pop("services.s")),
    "a change more": _approval(lambda said: said["changes"].update({"services.x": _of_a(said)})),
    "blocked": _approval(lambda said: said["blocked"].append("services.s")),
    "uncovered": _approval(lambda said: said["uncovered"].append("services.s")),
    "the digest": lambda scene: scene.edit(lambda data: data.update(approval_digest="sha256:0")),
    "no digest": lambda scene: scene.edit(lambda data: data.update(approval_digest="")),
    "no approval": lambda scene: scene.edit(lambda data: data.pop("approval")),
}


def _new_state(scene: Scene) -> None:
    """Another lineage: the state is lost, and nothing is ours."""
    shutil.rmtree(scene.tree.state)


def _damage(scene: Scene) -> None:
    (scene.tree.state / "witness").unlink()
    scene.write(files="")


def _another_host(scene: Scene) -> None:
    scene.spec.write_text(scene.spec.read_text().replace("host: h1", "host: h2"))
    scene.tree.put("/etc/hostname", "h2\n")


def _hold_ends(scene: Scene) -> None:
    """The plan that is approved says that it is held."""
    scene.hold("add", 'files["/etc/a"]', "--for", "1h", "--why", "x")
    assert 0 == scene.plan().code
    scene.hold("remove", 'files["/etc/a"]')


def _before_the_first_ledger(scene: Scene) -> None:
    """Approved when nothing was applied here yet; somebody has applied something else since."""
    shutil.rmtree(scene.tree.state)
    assert 0 == scene.plan("--adopt").code
    scene.spec.write_text(
        "version: 1\nhost: h1\nlogrotate: {l: {paths: [/var/log/l.log], rotate: 1, adopt: true}}\n"
    )
    assert 0 == scene.tree.apply(scene.spec).code
    scene.write()


OTHERWISE: dict[str, Way] = {
    "applied twice": lambda scene: scene.apply(),
    "another lineage": _new_state,
    "a damaged state, and less declared": _damage,
    "another host": _another_host,
    "the hold it was approved with has ended": _hold_ends,
    "before the first ledger": _before_the_first_ledger,
}

EVERY = (
    {f"object or spec: {name}": way for name, way in WAYS.items()}
    | {f"edited: {name}": way for name, way in EDITED.items()}
    | {f"otherwise: {name}": way for name, way in OTHERWISE.items()}
)


def test_there_are_enough_of_them() -> None:
    """At least the sixty that were promised."""
    assert len(EVERY) >= 60


@pytest.mark.parametrize("name", EVERY)
def test_what_makes_an_approval_stale(name: str, scene: Scene) -> None:
    """It is refused with exit code 3, and nothing is touched."""
    EVERY[name](scene)
    before = scene.tree.manifest()
    done = scene.apply()

    assert (3, before) == (done.code, scene.tree.manifest())
    assert "plan --out FILE" in done.said


# -------------------------------------------------------------------------------------------------- not stale


def _new_run(scene: Scene) -> None:
    """The ledger grows: something that is not in this spec is applied in between."""
    scene.write(files="new", rest="one")
    assert 0 == scene.tree.apply(scene.spec, "--target", 'files["/etc/new"]').code
    scene.write()
    assert 0 == scene.tree.apply(scene.spec, "--target", 'files["/etc/new"]').code


FRESH: dict[str, Way] = {
    "nothing": lambda _: None,
    "a growing ledger": _new_run,
    "something else in /etc": lambda scene: scene.tree.put("/etc/other", "x"),
    "something else in a directory of ours": lambda scene: scene.tree.put("/srv/d/theirs", "x"),
    "another account": _edit_line("/etc/passwd", "root:", "other:x:4000:4000::/:/bin/sh\nroot:"),
    "time": lambda scene: scene.edit(lambda data: data.update(timestamp="2001-01-01T00:00:00Z")),
    "another line in a user's home": lambda scene: scene.tree.put("/home/u/notes", "x"),
    "the age of what is touched": _touch(Path("/etc/a"), lambda path: path.touch()),
    "a comment in the spec": lambda scene: scene.spec.write_text("# a word\n" + scene.spec.read_text()),
    "what is told of the steps": lambda scene: scene.edit(lambda data: data.update(steps=[])),
}


@pytest.mark.parametrize("name", FRESH)
def test_what_does_not(name: str, scene: Scene) -> None:
    """It is applied without a question, all of it."""
    FRESH[name](scene)
    done = scene.apply()

    assert (0, "two\n") == (done.code, scene.tree.path("/etc/a").read_text()), done.said
    assert "No changes." in scene.tree.plan(scene.spec).out


HELD = (
    'files["/etc/a"]',
    "services.s",
    "users.u",
    "ssh_keys.u",
    "timers.t",
    "logrotate.l",
    'directories["/srv/d"]',
)


@pytest.mark.parametrize("address", HELD)
def test_a_hold_after_the_approval_takes_away_and_adds_nothing(address: str, scene: Scene) -> None:
    """A resource that is held by now is left alone, the rest of the approved plan is applied; the remainder
    is another plan, to be approved as such.
    """
    scene.hold("add", address, "--for", "1h", "--why", "not now")
    before = scene.tree.path("/etc/a").read_text()
    done = scene.apply("--detailed-exitcode")
    left = json.loads(scene.tree.plan(scene.spec, "--json").out)
    scene.hold("remove", address)
    after = scene.apply()

    assert (2, "one\n") == (done.code, before), done.said
    assert any(row["address"].startswith(address) for row in left["resource_changes"])
    assert all(row["held"] for row in left["resource_changes"])
    assert 3 == after.code


def test_a_hold_does_not_let_anything_else_through(scene: Scene) -> None:
    """With something on hold the rest is compared as strictly as ever."""
    scene.hold("add", "services.s", "--for", "1h", "--why", "not now")
    scene.write(files="six")
    before = scene.tree.manifest()
    done = scene.apply()

    assert (3, before) == (done.code, scene.tree.manifest())
    assert 'Declared otherwise than approved: files["/etc/a"].' in done.said
