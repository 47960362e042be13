"""Start-up is a feature: what a command may import. A count of modules is steady where seconds are not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEAVY = (
    "pydantic",
    "pydantic_core",
    "ruamel",
    "rich",
    "deepdiff",
    "jsonschema",
    "asyncio",
    "ssl",
    "urllib.request",
    "importlib.metadata",
)
"""30 to 110 ms each."""

_PROGRAM = """
import atexit, os, sys
from pathlib import Path
sys.argv = ["reconciler", *{arguments!r}]
atexit.register(lambda: os.write(2, " ".join(["imported:", *sorted(sys.modules)]).encode() + b"\\n"))
from reconciler.cli.main import main
main()
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends, whatever it ends with."""
    program = _PROGRAM.format(arguments=arguments)
    argv = [sys.executable, "-c", program]
    said = subprocess.run(
        argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120
    )
    lines = [line for line in said.stderr.splitlines() if line.startswith("imported:")]
    assert lines, said.stderr
    return set(lines[-1].split()[1:])


def test_the_probe_sees_imports() -> None:
    """The probe is not blind: a program that imports rich is seen to."""
    program = "import rich.console, sys; print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert "rich.console" in said


@pytest.mark.parametrize("heavy", HEAVY)
def test_version_imports_nothing_heavy(heavy: str, version_imports: set[str]) -> None:
    """`reconciler --version` answers without any of the expensive libraries."""
    assert heavy not in version_imports


@pytest.fixture(scope="module")
def version_imports() -> set[str]:
    """The modules that `reconciler --version` imports."""
    return imported("--version")


FOR_OTHERS = (
    "reconciler.audit",
    "reconciler.host.audit",
    "deepdiff",
    "jsonschema",
    "rich",
    "asyncio",
    "ssl",
    "urllib.request",
    "multiprocessing",
    "reconciler.render.apply_events",
    "reconciler.render.plan.markdown",
    "reconciler.core.secrets.masking",
    "reconciler.engine.fingerprint",
    "reconciler.policy.access.changes",
    "reconciler.policy.approval",
)
"""Modules that a plan that finds nothing to do, and a validation that finds nothing wrong, can do without.

typer itself brings difflib and subprocess, pydantic importlib.metadata.
"""
MODELS = {"pydantic", "pydantic_core", "yaml", "reconciler.kinds.services.kind", "reconciler.spec.load"}
"""Modules that understand a spec: a plan of a spec that was understood before does without them, and asks
only whether the host is still so.
"""
FOR_CHANGES = {
    "reconciler.app.plan.lockout",
    "reconciler.app.plan.plan",
    "reconciler.app.plan.processes",
    "reconciler.core.journal",
    "reconciler.core.kind",
    "reconciler.core.result",
    "reconciler.core.spec",
    "reconciler.engine.inputs",
    "reconciler.engine.planner",
    "reconciler.engine.units.stale_processes",
    "reconciler.host.files.dir_entry",
    "reconciler.host.files.sync_batch",
    "reconciler.host.files.xattrs",
    "reconciler.host.spec_source.git",
    "reconciler.host.systemd.own_unit",
    "reconciler.kinds.shared.file_part",
    "reconciler.kinds.shared.units",
    "reconciler.kinds.users",
    "reconciler.policy.lockout.guard",
    "reconciler.render.masking",
    "reconciler.render.plan.pending",
    "reconciler.render.plan.text",
}
"""Modules that a plan needs only where something changes, or where the spec has a kind that this one lacks."""
_SPEC = """\
version: 1
host: h1
groups: {ml: {gid: 2000}}
directories: {/opt: {mode: "0755", group: ml}}
files: {/opt/f: {content: "x", mode: "0644"}, /opt/s: {content: "x", mode: "0600", sensitive: true}}
services: {s: {exec_start: [/opt/f], watch: [/opt/f], hardening: strict, directives: {Service: {OOMScoreAdjust: 5}}}}
"""


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A spec and a tree that is as the spec says."""
    base = tmp_path_factory.mktemp("settled")
    (base / "host.yaml").write_text(_SPEC)
    (base / "tree/etc/systemd/system").mkdir(parents=True)
    spec, tree = str(base / "host.yaml"), str(base / "tree")
    for arguments, said in ((["apply", "--auto-approve"], "Apply complete!"), (["plan"], "No changes.")):
        program = _PROGRAM.format(arguments=(arguments[0], spec, "--root", tree, *arguments[1:]))
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
        )

        assert said in done.stdout, done.stderr
    return spec, tree


@pytest.mark.parametrize("command", ["plan", "plan --detailed-exitcode", "validate", "apply --auto-approve"])
def test_nothing_to_do_imports_little(settled: tuple[str, str], command: str) -> None:
    """Neither validate, nor a plan or an apply with nothing to do, imports what only other work needs."""
    spec, tree = settled
    name, *options = command.split()
    found = imported(name, spec, *options, *(() if name == "validate" else ("--root", tree)))

    short = name == "plan"
    assert set() == found & set(FOR_OTHERS)
    assert (set() if short else MODELS) == found & MODELS
    assert not short or set() == FOR_CHANGES & found
    assert ("reconciler.kinds.services.observe" if short else "reconciler.kinds.services.kind") in found


def test_a_plan_with_changes_is_what_needs_them(settled: tuple[str, str], tmp_path: Path) -> None:
    """The other way round: a service whose unit differs brings in deepdiff, so the names above are spelled as
    Python does.
    """
    spec = tmp_path / "host.yaml"
    spec.write_text(_SPEC.replace("OOMScoreAdjust: 5", "OOMScoreAdjust: 6"))

    assert "deepdiff" in imported("plan", str(spec), "--root", settled[1])


@pytest.mark.parametrize("name", sorted(FOR_CHANGES))
def test_what_a_settled_plan_lacks_is_there(name: str) -> None:
    """Each of the modules has the name that it is given here: one that was renamed would be lacked for ever."""
    assert find_spec(name) is not None


def test_a_look_at_a_host_imports_nothing_that_changes_it() -> None:
    """Accounts, keys, files and units are observed without the models of a spec, and without what removes
    homes, writes files or judges a start.
    """
    kinds = ("backups", "files", "groups", "logrotate", "services", "ssh_keys", "timers", "users")
    looking = ", ".join(f"reconciler.kinds.{kind}.observe" for kind in kinds)
    program = f"import reconciler.host.live, {looking}, sys; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    changing = {
        *("reconciler.kinds.shared.keys.parts", "reconciler.kinds.users.home_removal"),
        *("reconciler.kinds.users.root_files", "reconciler.kinds.users.traces"),
    }

    assert "reconciler.kinds.users.observe" in modules
    assert set() == (FOR_CHANGES - {"reconciler.kinds.users"} | changing) & set(modules)
    assert all(find_spec(name) for name in changing)


def test_the_journal_needs_no_reporting() -> None:
    """An apply's messages to systemd's journal do not bring in the modules that figures, mails and webhooks
    need.
    """
    program = "import reconciler.app.apply, reconciler.app.journald, sys; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "reconciler.app.journald" in said
    assert set() == {
        "reconciler.app.report",
        "reconciler.jobs.report",
        "reconciler.host.notify",
        "reconciler.engine.undo.auto_rollback",
    } & set(said)
    assert set() == {"reconciler.host.systemd.gate", "reconciler.host.systemd.probes"} & set(said)


PLUGIN = """
import sys
from importlib.metadata import EntryPoint, EntryPoints
import importlib.metadata

importlib.metadata.entry_points = lambda **asked: EntryPoints([EntryPoint("bad", "bad_plugin", "pydantic")])
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "bad_plugin":
            print("imported a plugin")
sys.meta_path.insert(0, Finder())
if {refused}:
    from reconciler.host.process.environment import refuse_plugins
    refuse_plugins()
import warnings
warnings.simplefilter("ignore")
from pydantic import BaseModel
class Model(BaseModel):
    a: int
print(Model(a="1").a)
"""


@pytest.mark.parametrize("refused", [True, False])
def test_no_plugin_of_pydantic_is_imported(refused: bool) -> None:
    """A plugin that an installed package registers with pydantic is not imported by us; without
    `refuse_plugins` it would be.
    """
    plain = {name: value for name, value in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    program = [sys.executable, "-c", PLUGIN.format(refused=refused)]
    said = subprocess.run(program, capture_output=True, text=True, check=True, env=plain).stdout

    assert (not refused) == ("imported a plugin" in said)
    assert said.endswith("1\n")


def test_what_is_registered_for_the_end_is_done() -> None:
    """The process leaves at once, with its code, everything printed, and after what asked to be called at its
    end.
    """
    program = (
        "import atexit, sys\n"
        "from reconciler.host.process.streams import guard_streams, leave\n"
        "atexit.register(lambda: open(1, 'w', closefd=False).write('at the end\\n'))\n"
        "out, err = guard_streams()\nprint('before')\nout.flush()\nleave(7)\nprint('after')"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (7, "before\nat the end\n", "") == (said.returncode, said.stdout, said.stderr)
