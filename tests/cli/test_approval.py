"""`plan --out` and `apply --approved`: what makes an approval stale, and what does not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler._version import __version__
from reconciler.app import apply as applying
from reconciler.app.plan import plan as planning
from reconciler.core.approval import SEAL, fingerprint, seal
from reconciler.host.state.files import make_state_directory
from tests.cli.command import Done, Tree, run

INCLUDED = 'files:\n  /etc/included: {content: "included\\n", mode: "0644"}\n'
FIRST = """\
include: [base.yaml]
settings: {scheduler: timer}
files:
  /etc/a: {content: "one\\n", mode: "0644"}
  /etc/source: {source: text, mode: "0644"}
  /etc/same: {content: "same\\n", mode: "0644"}
services:
  s: {exec_start: [/usr/bin/true], description: one}
"""
SECOND = FIRST.replace("one", "two")
"""/etc/a and the service change; the rest is as it was."""


class Scene:
    """A tree on which FIRST was applied and a plan of SECOND was saved."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.file = tree.base / "plan.json"
        self.options: list[object] = []
        tree.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        tree.put("/etc/hostname", "h1\n")
        (tree.base / "base.yaml").write_text(INCLUDED)
        (tree.base / "text").write_text("text\n")
        assert 0 == tree.apply(tree.spec(FIRST)).code
        self.write(SECOND)
        (tree.base / "text").write_text("changed\n")
        assert 0 == self.plan().code

    @property
    def spec(self) -> Path:
        """The spec."""
        return self.tree.base / "host.yaml"

    def write(self, text: str) -> None:
        """Another spec."""
        self.tree.spec(text)

    def replace(self, old: str, new: str) -> Scene:
        """Another word in the spec."""
        text = self.spec.read_text()
        assert old in text
        self.write(text.replace(old, new))
        return self

    def plan(self, *options: object) -> Done:
        """Save the plan that is reviewed."""
        return self.tree.plan(self.spec, "--out", self.file, *options)

    def apply(self, *options: object) -> Done:
        """Apply what was reviewed."""
        return run(
            "apply", self.spec, "--root", self.tree.root, "--approved", self.file, *self.options, *options
        )

    def saved(self, change: Callable[[dict[str, Any]], object], *, sealed: bool = False) -> None:
        """Another saved plan; `sealed`: with a digest that belongs to it, as whoever knows the format can
        make one.
        """
        data = json.loads(self.file.read_text())
        change(data)
        data |= {SEAL: seal(data)} if sealed else {}
        self.file.write_text(json.dumps(data))


@pytest.fixture
def scene(tree: Tree) -> Scene:
    """A plan that waits for its apply."""
    return Scene(tree)


def test_what_was_approved_is_applied(scene: Scene) -> None:
    """With nothing different the plan is carried out, without a question."""
    done = scene.apply()

    assert (0, "Apply complete! Resources: 0 added, 3 changed, 0 destroyed.") == (
        done.code,
        done.out.splitlines()[-1],
    )
    assert ("two\n", "changed\n") == tuple(
        scene.tree.path(f"/etc/{name}").read_text() for name in ("a", "source")
    )


# ---------------------------------------------------------------------------------------------------- stale


def _other_machine(scene: Scene) -> None:
    """The state would be damaged if only the id were another: this is a clone whose state was begun anew."""
    shutil.rmtree(scene.tree.state)
    scene.tree.put("/etc/machine-id", "fedcba9876543210fedcba9876543210\n")


def _unit_comment(scene: Scene) -> None:
    unit = scene.tree.path("/etc/systemd/system/s.service")
    unit.write_text(unit.read_text() + "# somebody was here\n")


def _forged(scene: Scene) -> None:
    """Somebody makes the saved plan agree with another spec, but not the digest."""
    scene.replace("two", "six")
    other = json.loads(scene.tree.plan(scene.spec, "--json").out)
    scene.saved(lambda data: data.update(approval=other["approval"]))


def _a_link(scene: Scene) -> None:
    scene.tree.path("/etc/a").unlink()
    scene.tree.path("/etc/a").symlink_to("same")


def _apart(scene: Scene) -> None:
    scene.plan("--exclude", "files")
    scene.options.extend(["--exclude", "files"])


def _a_silent_part(scene: Scene) -> None:
    scene.plan("--target", "services.s")
    scene.saved(lambda data: data.pop("partial"))


STALE: dict[str, tuple[Callable[[Scene], object], str]] = {
    "edited file": (
        lambda scene: scene.replace('content: "two', 'content: "six'),
        'Declared otherwise than approved: files["/etc/a"].',
    ),
    "included file": (
        lambda scene: (scene.tree.base / "base.yaml").write_text(INCLUDED.replace("included\\n", "other\\n")),
        'Declared otherwise than approved: files["/etc/included"].',
    ),
    "source file": (
        lambda scene: (scene.tree.base / "text").write_text("swapped\n"),
        'Declared otherwise than approved: files["/etc/source"].',
    ),
    "another service": (
        lambda scene: scene.replace("description: two", "description: six"),
        "approved: services.s.",
    ),
    "a setting": (
        lambda scene: scene.replace("scheduler: timer", "scheduler: cron"),
        "Declared otherwise than approved: settings.",
    ),
    "a word without effect": (
        lambda scene: scene.replace('"same\\n"', '"same\\n", protect: true'),
        'approved: files["/etc/same"].',
    ),
    "one more resource": (
        lambda scene: scene.replace("files:\n", 'files:\n  /etc/more: {content: x, mode: "0644"}\n'),
        'Declared now, but not when it was approved: files["/etc/more"].',
    ),
    "one resource less": (
        lambda scene: scene.replace('  /etc/same: {content: "same\\n", mode: "0644"}\n', ""),
        'No longer declared: files["/etc/same"].',
    ),
    "content of a touched object": (
        lambda scene: scene.tree.path("/etc/a").write_text("by hand\n"),
        'Changed on the host since the approval: files["/etc/a"].',
    ),
    "mode of a touched object": (
        lambda scene: scene.tree.path("/etc/a").chmod(0o600),
        'Changed on the host since the approval: files["/etc/a"].',
    ),
    "a touched object is gone": (
        lambda scene: scene.tree.path("/etc/a").unlink(),
        'approval: files["/etc/a"].',
    ),
    "a touched object is a link": (
        _a_link,
        'Changed on the host since the approval: files["/etc/a"].',
    ),
    "a comment in a touched unit": (_unit_comment, "Changed on the host since the approval: services.s."),
    "another host": (
        lambda scene: (scene.replace("host: h1", "host: h2"), scene.tree.put("/etc/hostname", "h2\n")),
        "is for host h1, this one is for h2.",
    ),
    "another machine of that name": (_other_machine, "is for another machine with the name h1"),
    "another version": (lambda _: setattr(planning, "__version__", "9.9"), "this is version 9.9."),
    "applied twice": (
        lambda scene: scene.apply(),
        "Nothing of it is left to do; it may have been applied already",
    ),
    "applied in part": (
        lambda scene: scene.tree.apply(scene.spec, "--target", "services.s"),
        "Approved, but no longer to be done: services.s.",
    ),
    "only a part": (
        lambda scene: scene.options.extend(["--target", "services.s"]),
        "This apply is asked for with --target",
    ),
    "all but a part": (
        lambda scene: scene.options.extend(["--exclude", "services.s"]),
        "This apply is asked for with --target",
    ),
    "a plan of a part": (
        lambda scene: scene.plan("--target", "services.s"),
        "The saved plan was made with --target or --exclude",
    ),
    "a plan of a part, and an apply of it": (
        _apart,
        "The saved plan was made with --target or --exclude",
    ),
    "a plan of a part that says nothing of it": (
        _a_silent_part,
        "a plan without what an approval covers",
    ),
    "edited saved plan": (_forged, "The saved plan is not as `plan --out` wrote it"),
    "a plan without an approval": (
        lambda scene: scene.saved(lambda data: data.pop("approval")),
        "`plan --out FILE` saves one that has it.",
    ),
    "no plan": (lambda scene: scene.file.write_text("{}"), "is not a saved plan"),
    "a newer format": (
        lambda scene: scene.saved(lambda data: data.update(format_version="2.0")),
        "is not a saved plan",
    ),
    "no file": (lambda scene: scene.file.unlink(), "No such file"),
}


@pytest.mark.parametrize("name", STALE)
def test_what_makes_an_approval_stale(name: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused with exit 3 before anything is written, and it is said what is different."""
    happens, said = STALE[name]
    monkeypatch.setattr(planning, "__version__", __version__)
    happens(scene)
    before = scene.tree.manifest()
    done = scene.apply()

    assert (3, before) == (done.code, scene.tree.manifest())
    assert said in done.said
    assert "plan --out FILE" in done.said or name in ("no plan", "a newer format", "no file")


@pytest.mark.parametrize("name", STALE)
def test_json_says_so_too(name: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event stream has the refusal as a diagnostic."""
    happens, said = STALE[name]
    monkeypatch.setattr(planning, "__version__", __version__)
    happens(scene)
    done = scene.apply("--json")
    told = [
        event["diagnostic"]
        for event in map(json.loads, done.out.splitlines())
        if event["type"] == "diagnostic"
    ]

    assert 3 == done.code
    assert [True] == [item["refusal"] for item in told if item["rule"] == "approval"]
    assert said in " ".join(item["detail"].replace("\n", " ") for item in told)


def test_every_reason_is_told_at_once(scene: Scene) -> None:
    """Resources that are declared otherwise, are new or were changed on the host are all named, and what to
    do is said once.
    """
    scene.replace("description: two", "description: six")
    scene.replace("files:\n", 'files:\n  /etc/more: {content: x, mode: "0644"}\n')
    scene.tree.path("/etc/a").write_text("by hand\n")
    said = scene.apply().said

    assert "Declared otherwise than approved: services.s." in said
    assert 'Declared now, but not when it was approved: files["/etc/more"].' in said
    assert 'Changed on the host since the approval: files["/etc/a"].' in said
    assert 1 == said.count("Make a new plan with")


def test_a_refused_plan_is_no_approval(tree: Tree) -> None:
    """Whoever approved a plan that says it is refused has not approved what --allow makes of it."""
    tree.put("/etc/hostname", "h2\n")
    spec, file = tree.spec('files:\n  /etc/a: {content: x, mode: "0644"}\n'), tree.base / "plan.json"
    tree.plan(spec, "--out", file)
    refused = run("apply", spec, "--root", tree.root, "--approved", file, "--allow", "other-host")
    tree.plan(spec, "--out", file, "--allow", "other-host")

    assert (3, True) == (refused.code, "was itself refused by a guard" in refused.said)
    assert 0 == run("apply", spec, "--root", tree.root, "--approved", file, "--allow", "other-host").code


def test_an_adoption_must_be_approved(tree: Tree) -> None:
    """A plan in which an object was refused does not approve taking it over."""
    tree.put("/etc/a", "theirs\n")
    spec, file = tree.spec('files:\n  /etc/a: {content: x, mode: "0644"}\n'), tree.base / "plan.json"
    tree.plan(spec, "--out", file)

    assert 3 == run("apply", spec, "--root", tree.root, "--approved", file, "--adopt").code
    tree.plan(spec, "--out", file, "--adopt")
    assert 3 == run("apply", spec, "--root", tree.root, "--approved", file).code
    assert 0 == run("apply", spec, "--root", tree.root, "--approved", file, "--adopt").code


def test_a_secret_is_compared_by_the_host_s_own_key(tree: Tree) -> None:
    """Its content is covered once the host has a key; before the first apply it
    cannot be, and that is said.
    """
    text = 'groups: {g: {}}\nfiles:\n  /etc/p: {content: "%s", mode: "0600", sensitive: true}\n'
    spec, file = tree.spec(text % "hunter2"), tree.base / "plan.json"
    tree.plan(spec, "--out", file)
    first = run("apply", spec, "--root", tree.root, "--approved", file)
    second = tree.apply(spec, "--exclude", 'files["/etc/p"]')
    tree.plan(spec, "--out", file)
    tree.spec(text % "swapped")
    third = run("apply", spec, "--root", tree.root, "--approved", file)
    tree.spec(text % "hunter2")
    fourth = run("apply", spec, "--root", tree.root, "--approved", file)

    assert [3, 0, 3, 0] == [done.code for done in (first, second, third, fourth)]
    assert "--exclude" in first.said
    assert 'Declared otherwise than approved: files["/etc/p"].' in third.said
    assert "hunter2" == tree.path("/etc/p").read_text()


# -------------------------------------------------------------------------------------------------- not stale


def _grow(scene: Scene) -> None:
    """Something that is not in this spec comes and goes in between."""
    for text in (SECOND + "groups: {later: {}}\n", SECOND):
        scene.write(text)
        assert 0 == scene.tree.apply(scene.spec, "--target", "groups").code


def _repair(scene: Scene) -> None:
    """An apply puts something back in between."""
    scene.tree.path("/etc/same").unlink()
    assert 0 == scene.tree.apply(scene.spec, "--target", 'files["/etc/same"]').code


FRESH: dict[str, Callable[[Scene], object]] = {
    "a growing ledger": _grow,
    "more runs": _repair,
    "an unrelated object": lambda scene: scene.tree.put("/etc/unrelated", "somebody's\n"),
    "the passing of time": lambda scene: scene.saved(
        lambda data: data.update(timestamp="2001-01-01T00:00:00Z"), sealed=True
    ),
    "drift elsewhere": lambda scene: scene.tree.path("/etc/same").write_text("by hand\n"),
    "something else is gone": lambda scene: scene.tree.path("/etc/included").unlink(),
    "a comment and another order": (
        lambda scene: scene.replace("files:\n", "# a comment\nfiles:\n").replace(
            "exec_start: [/usr/bin/true], description: two", "description: two, exec_start: [/usr/bin/true]"
        )
    ),
    "another file name": lambda scene: (
        shutil.move(scene.tree.base / "base.yaml", scene.tree.base / "moved.yaml"),
        scene.replace("base.yaml", "moved.yaml"),
    ),
    "a default that is written out": lambda scene: scene.replace(
        "description: two", "description: two, restart: on-failure"
    ),
}


@pytest.mark.parametrize("name", FRESH)
def test_what_does_not_make_an_approval_stale(name: str, scene: Scene) -> None:
    """It is applied, and what was changed by hand elsewhere is put back with it."""
    FRESH[name](scene)
    done = scene.apply()

    assert (0, "") == (done.code, done.err)
    assert ("two\n", "same\n") == tuple(scene.tree.path(f"/etc/{file}").read_text() for file in ("a", "same"))


def test_another_commit_with_the_same_content(scene: Scene) -> None:
    """An approval is of what a commit says, not of its id."""
    base = scene.tree.base

    def git(*words: str) -> str:
        author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", "-C", base, *author, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", "host.yaml", "base.yaml", "text")
    git("commit", "-q", "-m", "one")
    first = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "-m", "two")
    second = git("rev-parse", "HEAD")
    scene.plan("--commit", first)
    done = scene.apply("--commit", second)

    assert (first, 0) == (json.loads(scene.file.read_text())["spec"]["commit"], done.code)
    assert first != second


def test_an_approved_plan_that_does_nothing(scene: Scene) -> None:
    """Approving that nothing is to be done is an approval, too."""
    scene.apply()
    scene.plan()

    assert 0 == scene.apply().code


# -------------------------------------------------------------------------------------------- never a payload


def test_a_saved_plan_is_never_executed(scene: Scene) -> None:
    """Whatever steps somebody writes into the file: only what is planned afresh is done."""
    scene.saved(
        lambda data: [step.update(path="/etc/planted", mode="6777") for step in data["steps"]], sealed=True
    )
    scene.saved(lambda data: data.update(resource_changes=[], steps=data["steps"]), sealed=True)
    done = scene.apply()

    assert 0 == done.code
    assert not scene.tree.path("/etc/planted").exists()
    assert "two\n" == scene.tree.path("/etc/a").read_text()


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.update(resource_changes=[]),
        lambda data: data["summary"].update(change=0),
        lambda data: data.update(timestamp="2001-01-01T00:00:00Z"),
        lambda data: data.pop("document_digest"),
    ],
)
def test_what_people_read_is_bound_to_the_approval(
    edit: Callable[[dict[str, Any]], object], scene: Scene
) -> None:
    """A saved plan whose readable part was edited is shown to nobody and applied by nobody."""
    assert 0 == run("show", str(scene.file)).code
    scene.saved(edit)
    shown, done = run("show", str(scene.file)), scene.apply()

    assert (3, "", True) == (shown.code, shown.out, "was edited" in shown.err)
    assert (3, True) == (done.code, "is not as `plan --out` wrote it" in done.out)
    assert "two\n" != scene.tree.path("/etc/a").read_text()


def test_what_is_planned_again_under_the_lock_is_compared_again(scene: Scene) -> None:
    """A change on the host between the look and the lock is not applied as approved."""
    make = make_state_directory

    def meanwhile(directory: str) -> None:
        make(directory)
        scene.tree.path("/etc/a").write_text("in between\n")

    with mock.patch.object(applying, "make_state_directory", meanwhile):
        done = scene.apply()

    assert (3, "in between\n") == (done.code, scene.tree.path("/etc/a").read_text())


def test_the_digest_is_that_of_the_approval(scene: Scene) -> None:
    """Anybody can compute the digest from the published part."""
    data = json.loads(scene.file.read_text())

    assert data["approval_digest"] == fingerprint(data["approval"])
    assert ['files["/etc/a"]', 'files["/etc/source"]', "services.s"] == list(data["approval"]["changes"])
    assert 0o600 == scene.file.stat().st_mode & 0o7777
