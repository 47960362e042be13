"""history, rollback and doctor as commands: text, data, exit codes, and what they leave alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.app import show
from reconciler.app.doctor import doctor
from reconciler.app.doctor import findings as doctor_findings
from reconciler.app.plan.options import PlanOptions
from reconciler.core import action_data
from reconciler.core.state import Memory
from reconciler.host import installation
from reconciler.host.files.temporary_names import TEMPORARY
from reconciler.host.state.store import Store
from reconciler.render.show import run_text
from tests.breaking import failing
from tests.case import Case, Expected
from tests.cli.command import Done, Tree, run
from tests.worlds import simulated, swapped

ONE = """\
files:
  /srv/a.conf: {content: "one\\n", mode: "0640"}
  /srv/b.conf: {content: "b\\n", mode: "0600"}
"""
TWO = """\
files:
  /srv/a.conf: {content: "two\\n", mode: "0600"}
  /srv/c.conf: {content: "c\\n", mode: "0600"}
"""
A, C = 'files["/srv/a.conf"]', 'files["/srv/c.conf"]'


def do(tree: Tree, command: str, *arguments: object) -> Done:
    """One of the commands on this tree."""
    return run(command, *arguments, "--root", tree.root)


def rollback(tree: Tree, *arguments: object) -> Done:
    """Roll back without a question."""
    return do(tree, "rollback", "--auto-approve", *arguments)


def runs(tree: Tree) -> list[dict[str, Any]]:
    """The runs that `history --json` lists."""
    said: list[dict[str, Any]] = json.loads(do(tree, "history", "--json").out)
    return said


@pytest.fixture
def twice(tree: Tree) -> Tree:
    """A tree to which first one spec was applied, then another."""
    for text in (ONE, TWO):
        done = tree.apply(tree.spec(text))

        assert 0 == done.code, done.said
    return tree


# ---------------------------------------------------------------------------------------------------- history


def test_history_before_the_first_apply(tree: Tree) -> None:
    """There is nothing to list, which is no error; and no state is made."""
    assert (0, "There was no apply here yet.\n") == (do(tree, "history").code, do(tree, "history").out)
    assert not tree.state.exists()


def test_history_is_newest_first(twice: Tree) -> None:
    """Number, result, counts, spec and who began it; --limit cuts; nothing is written."""
    before = twice.manifest()
    rows = runs(twice)
    lines = do(twice, "history", "--limit", "1").out.splitlines()

    assert [2, 1] == [row["run"] for row in rows]
    assert ["applied", "applied"] == [row["status"] for row in rows]
    assert [{"applied": 3}, {"applied": 2}] == [row["counts"] for row in rows]
    assert all(row["by"]["user"] and row["seconds"] >= 0 and row["spec_digest"] for row in rows)
    assert ["RUN", "2"] == [line.split()[0] for line in lines]
    assert before == twice.manifest()


def test_history_wants_a_number(tree: Tree) -> None:
    """A limit that is none is a typing error."""
    assert 64 == do(tree, "history", "--limit", "0").code
    assert 64 == do(tree, "history", "--limit", "many").code


def test_history_and_show_keep_what_only_a_rollback_needs_to_themselves(twice: Tree) -> None:
    """Documents of the ledger are in neither."""
    for said in (
        do(twice, "show", "2", "--json").out,
        do(twice, "history", "--json").out,
        do(twice, "status", "--json").out,
    ):
        assert "ledger" not in json.loads(said)
        assert "pending" not in said or "last_run" in said
        assert '"before"' not in said


# --------------------------------------------------------------------------------------------------- rollback


def test_rollback_shows_does_and_says_what_is_next(twice: Tree) -> None:
    """The last run is undone: content, mode, what was removed and what was made; the text says what the spec
    will do.
    """
    done = rollback(twice)

    assert 0 == done.code, done.said
    assert done.out.startswith("Rollback of run 2 (applied, ")
    assert "-two" in done.out
    assert "+one" in done.out
    assert "The spec still says otherwise" in done.out
    assert ("one\n", 0o640) == (
        twice.path("/srv/a.conf").read_text(),
        twice.path("/srv/a.conf").stat().st_mode & 0o777,
    )
    assert ("b\n", 0o600) == (
        twice.path("/srv/b.conf").read_text(),
        twice.path("/srv/b.conf").stat().st_mode & 0o777,
    )
    assert not twice.path("/srv/c.conf").exists()
    assert [2, None, None] == [row["undoes"] for row in runs(twice)]
    assert "undid run 2" in do(twice, "status").out
    assert 2 == twice.plan(twice.spec(TWO), "--detailed-exitcode").code
    assert 0 == twice.plan(twice.spec(ONE), "--detailed-exitcode").code


def test_without_a_yes_nothing_is_done(twice: Tree) -> None:
    """Where nobody can be asked the rollback is shown, refused with 3, and nothing is written."""
    before = twice.manifest_but("lock")
    done = do(twice, "rollback")

    assert 3 == done.code
    assert "give --auto-approve" in done.err
    assert done.out.endswith("Nothing was changed.\n")
    assert before == twice.manifest_but("lock")


def test_what_was_changed_since_is_refused_as_a_whole(twice: Tree) -> None:
    """One file that is neither as before nor as the run left it stops all of it; --exclude leaves it,
    --overwrite gives it up.
    """
    twice.put("/srv/a.conf", "by hand\n", 0o600)
    before = twice.manifest_but("lock")
    refused = rollback(twice)

    assert 3 == refused.code
    assert "/srv/a.conf was changed since" in refused.said
    assert before == twice.manifest_but("lock")
    excluded = rollback(twice, "--exclude", A)

    assert 0 == excluded.code, excluded.said
    assert "by hand\n" == twice.path("/srv/a.conf").read_text()
    assert not twice.path("/srv/c.conf").exists()
    overwritten = rollback(twice, "2", "--overwrite", A)

    assert 0 == overwritten.code, overwritten.said
    assert "one\n" == twice.path("/srv/a.conf").read_text()
    assert 0 == rollback(twice).code
    assert "by hand\n" == twice.path("/srv/a.conf").read_text()


def test_an_action_of_a_later_version_is_not_undone(twice: Tree) -> None:
    """A step that this version does not know stops the rollback of its part, and nothing else is done."""
    before = twice.manifest_but("lock")
    with mock.patch.dict(action_data._MEMBERS):
        action_data._MEMBERS.pop("WriteFile")
        refused = rollback(twice)

    assert 3 == refused.code
    assert "its run did WriteFile, which this version does not know: update the tool" in refused.said
    assert before == twice.manifest_but("lock")


def test_only_a_target_is_undone(twice: Tree) -> None:
    """--target undoes one object; the ledger speaks of the others as before."""
    done = rollback(twice, "--target", C)

    assert 0 == done.code, done.said
    assert "two\n" == twice.path("/srv/a.conf").read_text()
    assert not twice.path("/srv/c.conf").exists()
    planned = json.loads(twice.plan(twice.spec(TWO), "--json").out)
    assert [C] == [
        row["address"] for row in planned["resource_changes"] if row["change"]["actions"] != ["no-op"]
    ]


def test_rollback_of_nothing(tree: Tree) -> None:
    """Before the first apply, of a run that is not there, and of one that changed nothing: an error that says
    so.
    """
    assert (1, True) == ((done := rollback(tree)).code, "no apply here yet" in done.said)
    assert not tree.state.exists()
    tree.apply(tree.spec(ONE))
    assert (1, True) == (
        (done := rollback(tree, "7")).code,
        "There is no run 7; the last one is 1" in done.said,
    )
    tree.path("/srv/new").write_text("x\n")
    tree.path("/srv/new").chmod(0o600)
    tree.apply(tree.spec(ONE + '  /srv/new: {content: "x\\n", mode: "0600"}\n'))
    assert (1, True) == ((done := rollback(tree, "2")).code, "Run 2 changed nothing" in done.said)


def test_a_secret_is_not_shown(tree: Tree) -> None:
    """The content of a sensitive file is in no form of a rollback."""
    text = 'files:\n  /srv/key: {{content: "{}\\n", mode: "0600", sensitive: true}}\n'
    for secret in ("CANARY-ONE", "CANARY-TWO"):
        done = tree.apply(tree.spec(text.format(secret)))
        assert 0 == done.code, done.said
    said = [do(tree, "rollback", "--json").out, rollback(tree).out, do(tree, "show", "3", "--json").out]

    assert "CANARY-ONE\n" == tree.path("/srv/key").read_text()
    assert not [one for one in said if "CANARY" in one]


def test_rollback_as_data(twice: Tree) -> None:
    """--json is one document: what is undone, the steps, and the result; without a yes it has no result."""
    asked = do(twice, "rollback", "--json")
    done = rollback(twice, "--json")
    shown, did = json.loads(asked.out), json.loads(done.out)

    assert (3, 0) == (asked.code, done.code)
    assert shown["result"] is None
    assert shown["steps"] == did["steps"]
    assert {"WriteFile", "RemovePath"} == {step["action"] for step in did["steps"]}
    assert 3 == did["result"]["run"]
    assert [] == did["diagnostics"]


def test_a_second_rollback_of_the_same_run_has_nothing_to_do(twice: Tree) -> None:
    """A resource that is as it was needs no step, and no run is written down."""
    rollback(twice, "2")
    again = rollback(twice, "2")

    assert 0 == again.code
    assert "Nothing to do: everything is as it was before that run." in again.out
    assert 3 == len(runs(twice))


# ---------------------------------------------------------------------------------------------------- doctor


def findings(tree: Tree, *arguments: object) -> dict[str, tuple[str, str | None]]:
    """The findings of `doctor --json`, by check: what is wrong, what to type next."""
    data = json.loads(do(tree, "doctor", *arguments, "--json").out)
    return {
        row["check"]: (row["what"], row["next"]) for row in data["findings"] if row["status"] == "finding"
    }


def test_doctor_finds_nothing_wrong(twice: Tree) -> None:
    """After an apply all is well: exit 0, every question answered, nothing written."""
    before = twice.manifest()
    done = do(twice, "doctor")

    assert (0, "") == (done.code, done.err), done.out
    assert done.out.endswith("No findings.\n")
    assert {} == findings(twice)
    assert before == twice.manifest()


def test_doctor_before_the_first_apply(tree: Tree) -> None:
    """Nothing applied is nothing wrong."""
    assert {} == findings(tree, tree.spec(ONE))
    assert not tree.state.exists()


def test_doctor_finds_what_is_wrong(twice: Tree) -> None:
    """Modes, a spec that is broken or gone, a spec of another host, a failed run: each with what to type."""
    twice.state.chmod(0o755)
    (twice.state / "state.db").chmod(0o644)
    found = findings(twice)

    assert 2 == do(twice, "doctor").code
    assert f"chmod go-rwx {twice.state / 'state.db'}" == found["state"][1]
    twice.state.chmod(0o700)
    (twice.state / "state.db").chmod(0o600)
    assert "spec" in findings(twice, twice.spec("files: [\n", "broken.yaml"))
    assert "reconciler validate" in str(findings(twice, twice.base / "none.yaml")["spec"][1])
    twice.put("/etc/hostname", "other\n")
    assert "the spec is for h1, /etc/hostname says other" == findings(twice)["hostname"][0]


def test_doctor_names_the_package_of_a_missing_program(tmp_path: Path) -> None:
    """On a live host each program that the spec's kinds call must be there; of one that is not, the apt line
    is told.
    """
    spec = tmp_path / "host.yaml"
    spec.write_text("version: 1\nhost: h1\nusers:\n  alice: {sudo: [{run: [/usr/bin/true]}]}\n")
    patient = doctor_findings.Patient(None, str(spec))
    with (
        mock.patch.object(doctor_findings, "read_memory", return_value=Memory()),
        mock.patch.object(
            installation, "find_program", lambda name: "" if name == "visudo" else f"/usr/sbin/{name}"
        ),
    ):
        found = list(doctor.QUESTIONS["programs"](patient))

    assert [("visudo is missing, and the spec needs it", "apt-get install sudo")] == [
        (one.what, one.next) for one in found
    ]


def test_doctor_tells_of_an_interrupted_run(twice: Tree) -> None:
    """A run that never ended is told, with what goes on from there."""
    with Store.open(str(twice.state), "", now=lambda: 1) as store:
        store.begin("", "", "h1", "0", [])
    what, remedy = findings(twice)["last run"]

    assert "run 3 was interrupted" == what
    assert str(remedy).startswith("reconciler apply")
    assert "run 3 was killed" in do(twice, "status").out


def test_doctor_tells_of_a_damaged_ledger(twice: Tree) -> None:
    """A ledger that does not verify is told as damaged, and a rollback does not trust it."""
    (twice.state / "state.db").write_bytes(b"no database")
    refused = rollback(twice)

    assert findings(twice)["ledger"][0].startswith("it is damaged: ")
    assert 1 == refused.code
    assert "damaged" in refused.said


def test_doctor_tells_of_leftovers(twice: Tree) -> None:
    """A temporary file that a killed run left is told."""
    name = TEMPORARY[0] + "0123456789abcdef" + TEMPORARY[1]
    twice.put(f"/srv/{name}", "half\n")

    assert f"/srv/{name} was left by a run that was killed" == findings(twice)["leftovers"][0]


def test_a_start_that_failed_is_shown_as_failed(tmp_path: Path) -> None:
    """systemd was told and the unit did not come up: the step is no success, and says why; the others are."""
    world = simulated(tmp_path)
    spec = {"services": {"api": {"exec_start": ["/usr/bin/sleep", "1"]}}}
    loaded = Case("started in vain", "", {}, Expected(), Expected()).loaded(spec)
    done = failing(world, loaded, PlanOptions(), 2, receipt=True)
    with swapped((show, "state_directory", lambda _: world.state)):
        run, problem = show.load_run(1, None)

    assert "" == problem
    assert done.result is not None
    assert run is not None
    assert ["done", "done", "failed", "done"] == [step["state"] for step in run["steps"]]
    assert "api.service: broken on purpose" in run_text(run)
    assert "FAILED" in run_text(run)
