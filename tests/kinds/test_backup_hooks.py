"""Commands of a backup job: their forms in the spec, the job file and the unit that come of them, and what a
plan says about them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.diagnostic import errors
from reconciler.core.kind import RequirementType
from reconciler.formats.backups import job as backup_job
from reconciler.formats.backups.job import Hook, NotAJob
from reconciler.kinds.backups.kind import KIND
from reconciler.policy.root_reach.texts.scripts import backup
from reconciler.policy.root_reach.texts.values import Use
from reconciler.render.masking import mask
from tests.kinds.test_backups import job_of, loaded, parts

pytestmark = pytest.mark.slow

OUTSIDE = "+/usr/bin/nsenter --target=1 --mount --net --"
FULL = {
    "before": [["/bin/freeze"], {"run": ["/bin/dump", "--all"], "user": "postgres", "timeout": "5min"}],
    "after": [{"run": ["/bin/thaw"], "timeout": "30s"}],
    "on_failure": [["/bin/mail", "root"]],
}


def config(**fields: Any) -> dict[str, Any]:
    """The job file that comes of these fields."""
    declared, found = loaded(**fields)
    assert declared is not None, found
    content = parts(declared)["config"].content
    assert content is not None
    document: dict[str, Any] = json.loads(content)
    return document


def service(**fields: Any) -> dict[str, Any]:
    """The [Service] section that comes of these fields."""
    declared, found = loaded(**fields)
    assert declared is not None, found
    directives: dict[str, Any] = parts(declared)["service"].document["unit"]["Service"]
    return directives


def test_all_forms_arrive() -> None:
    """Each command arrives with its user and its time; the times that are left out are those of its place."""
    declared, found = loaded(**FULL, before_timeout="2h")
    assert declared is not None
    job = job_of(declared)

    assert [] == errors(found)
    assert (Hook(("/bin/freeze",), "", 7200), Hook(("/bin/dump", "--all"), "postgres", 300)) == job.before
    assert (Hook(("/bin/thaw",), "", 30),) == job.after
    assert (Hook(("/bin/mail", "root"), "", 300),) == job.on_failure


def test_plain_commands_before_stay_as_they_were() -> None:
    """A job file with argv alone does not change with this version."""
    assert [["/bin/dump"]] == config(before=[["/bin/dump"]])["before"]
    assert [["/bin/dump"]] == config(before=[{"run": ["/bin/dump"]}])["before"]
    assert [] == config()["before"]
    assert "hooks" not in config(before=[["/bin/dump"]])


def test_an_older_version_refuses_the_others() -> None:
    """It would not find `before`, and says so: it would freeze and never thaw."""
    document = config(**FULL)

    assert "before" not in document
    assert ["after", "before", "on_failure"] == sorted(document["hooks"])
    assert "before" not in config(after=[["/bin/thaw"]])


@pytest.mark.parametrize(
    "hooks",
    [
        {"between": [{"run": ["/bin/x"]}]},
        {"after": [{"run": ["/bin/x"], "shell": True}]},
        {"after": [{"run": "/bin/x"}]},
        {"after": [{"run": []}]},
        {"after": [{"user": "x"}]},
        {"after": 3},
        [],
    ],
)
def test_a_newer_version_asks_for_more(hooks: Any) -> None:
    """Commands of a form that this version does not know are refused, not left out."""
    document = {name: value for name, value in config().items() if name != "before"}
    with pytest.raises(NotAJob):
        backup_job.job({**document, "hooks": hooks}, "x")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"after": [["thaw"]]}, "absolute path of the program"),
        ({"on_failure": [{"run": ["mail"]}]}, "absolute path of the program"),
        ({"after": [[]]}, "1 or more"),
        ({"after": ["/bin/thaw"]}, "after"),
        ({"after": [{"user": "x"}]}, "run"),
        ({"after": [{"run": ["/bin/x"], "when": "now"}]}, "when"),
        ({"after": [{"run": ["/bin/x"], "timeout": "0"}]}, "0d are days"),
        ({"after": [{"run": ["/bin/x"], "user": "a b"}]}, "user"),
    ],
)
def test_wrong_commands(fields: dict[str, Any], told: str) -> None:
    """Each says what is wrong, and where."""
    _, found = loaded(**fields)

    assert [line for line in errors(found) if told in f"{line.summary} {line.detail} {line.source}"], found


def test_commands_run_outside_of_the_sandbox() -> None:
    """They run in the host's own namespaces by lines with `+`; the archive and the drill, which comes once all
    has thawed, do not.
    """
    program = "/usr/local/bin/reconciler backup"
    before, archive, after = (
        f"{OUTSIDE} {program} before x",
        f"{program} archive x",
        f"{OUTSIDE} {program} after x",
    )

    assert f"{program} run x" == service()["ExecStart"]
    assert [before, archive] == service(**FULL)["ExecStart"] == service(before=[["/bin/x"]])["ExecStart"]
    assert [before, archive, after, f"{program} drill-if-due x"] == service(**FULL, restore_drill="monthly")[
        "ExecStart"
    ]


def test_the_unit_sees_to_the_end() -> None:
    """systemd runs what is owed however the run ended, and gives it its time; a job without needs none."""
    directives = service(**FULL)

    assert f"{OUTSIDE} /usr/local/bin/reconciler backup after x" == directives["ExecStopPost"]
    assert ("mixed", "420s") == (directives["KillMode"], directives["TimeoutStopSec"])
    assert not {"ExecStopPost", "KillMode", "TimeoutStopSec"} & set(service(before=[["/bin/dump"]]))


def test_programs_and_users_are_needed() -> None:
    """They come before the job, and a plan says which of them are missing."""
    declared, _ = loaded(**FULL)
    assert declared is not None
    needed = [(need.type, need.name, need.fatal) for need in KIND.requires(declared)]

    assert {
        Address("files", "/bin/thaw"),
        Address("files", "/bin/mail"),
        Address("users", "postgres"),
    } <= set(KIND.references(declared))
    assert (RequirementType.PROGRAM, "/bin/thaw", False) in needed
    assert (RequirementType.USER, "postgres", False) in needed


def test_root_runs_what_is_roots() -> None:
    """Access knows the programs of all commands, and as whom they run."""
    uses = [use for use in backup(json.dumps(config(**FULL))) if isinstance(use, Use)]
    by_path = {use.path: use.account for use in uses}

    assert ("", "postgres", "") == (by_path["/bin/thaw"], by_path["/bin/dump"], by_path["/bin/mail"])
    assert ["/bin/x"] == [use.path for use in backup('{"before": [["/bin/x"]]}') if isinstance(use, Use)]
    assert [] == [*backup('{"hooks": 3}'), *backup('{"hooks": {"after": 3}, "before": [3]}')]


def test_secrets_in_commands_are_masked() -> None:
    """A password on a command line stands in the job file, which only root reads, and in no plan."""
    document = config(after=[{"run": ["/bin/dump", "--password", "hunter2secret"], "user": "x"}])

    assert "hunter2secret" in json.dumps(document)
    assert "hunter2secret" not in json.dumps(mask({"job": document}))
