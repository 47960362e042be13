"""Planted bugs: each is a small change of the source, applied to a copy, and the harness that must catch it.

`python -m tests.faults.mutants` plants all of them and prints who caught which; with names as arguments only
those.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_COPIED = (
    "reconciler",
    "tests",
    "schemas",
    "examples",
    "pyproject.toml",
    "docs",
    "README.md",
    "Makefile",
    "LICENSE",
    "requirements.lock",
)
_LIMIT = 600
"""Seconds for one selection of tests."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`edits` are texts that occur once each in `file`, and what stands there instead.

    `tests` is what must catch it.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    harness: str


def _mutant(name: str, file: str, old: str, new: str, harness: str, *tests: str) -> Mutant:
    return Mutant(name, file, ((old, new),), tests, harness)


POWER = ("power cut", "tests/faults/test_power.py::test_nothing_is_lost[ext4]")
# Whatever ext4 and XFS flush for the ledger flushes the names as well: here the calls themselves are looked
# at.
SYNCED = ("what is made durable, and when", "tests/host/test_batches.py")
BATCH = ("power cut of a batch", "tests/host/test_power_cut.py")
KILLS = (
    "killed at every moment",
    "tests/faults/test_every_moment.py::test_killed_at_every_moment[a watched file changes]",
)
LEFT = ("leftovers of a killed run", "tests/faults/test_leftovers.py")
DAMAGE = ("ledger damage", "tests/state/test_damage.py::test_damage_is_noticed_or_harmless")
SWAPS = (
    "paths through links",
    "tests/host/test_safe_paths.py",
    "tests/host/test_homes.py::test_refused_and_nothing_changes",
)
RIGHTS = ("no moment with more rights", "tests/faults/test_races.py::test_no_moment_with_more_rights")
FLIPS = ("racing writer", "tests/faults/test_races.py::test_a_flip_at_the_worst_moment_is_reported_and_kept")
ORDER = ("order of the journal", "tests/engine/test_applier.py")

MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "no fsync of a file",
        "host/files/path_actions.py",
        '        failpoints.hit("write.attributes")\n        os.fsync(fd)\n',
        '        failpoints.hit("write.attributes")\n',
        *POWER,
    ),
    _mutant(
        "no fsync of a directory",
        "host/files/dir_entry.py",
        "                os.fsync(self.fd)\n",
        "                pass\n",
        *SYNCED,
    ),
    _mutant(
        "no fsync of the directories of a batch",
        "host/files/sync_batch.py",
        "                os.fsync(fd)\n",
        "                pass\n",
        *BATCH,
    ),
    _mutant(
        "the database does not wait for the disk",
        "host/state/open.py",
        '"synchronous = FULL"',
        '"synchronous = OFF"',
        *POWER,
    ),
    Mutant(
        "ledger after the effect",
        "engine/execution.py",
        (
            (
                "    if not ready or not _intend(run, ready, saved):\n        return\n",
                "    if not ready:\n        return\n",
            ),
            (
                "    run.journal.done(run.number, results)\n",
                "    if _intend(run, ready, saved):\n        run.journal.done(run.number, results)\n",
            ),
        ),
        ORDER[1:],
        ORDER[0],
    ),
    _mutant(
        "pending rows not written",
        "engine/execution.py",
        "    rows = [run.pending[address] for address in sorted(addresses) if address in run.pending]\n",
        "    rows: list[LedgerRow] = []\n",
        *ORDER,
    ),
    _mutant(
        "owed rows not written",
        "engine/execution.py",
        "            [replace(row, run=row.run or run.number) for row in owing.values()],\n",
        "            [],\n",
        # a restart is also derived from when a process was started: killed at every moment, nothing is lost
        # by it any more
        *ORDER,
    ),
    _mutant(
        "owed cleared before the restart",
        "engine/execution.py",
        "            _arm_before(run, remaining)\n",
        "            _arm_before(run, remaining)\n            run.journal.settle(run.number, [], [],"
        " list(run.owing.values()))\n",
        *KILLS,
    ),
    _mutant(
        "prune before create",
        "engine/ordering.py",
        'return (Phase.WRITE, 1, last, -path.count("/"), path)',
        'return (Phase.WRITE, -1, last, -path.count("/"), path)',
        "order of the steps",
        "tests/engine/test_order.py",
    ),
    _mutant(
        "a removal may be durable before what replaces it",
        "host/files/files.py",
        "            self.sync()  # the successor of a removed path is durable before the removal\n",
        "            pass\n",
        *SYNCED,
    ),
    Mutant(
        "chmod after the rename",
        "host/files/path_actions.py",
        (
            (
                "os.open(temporary, _NEW, 0o600 & int(action.mode, 8), dir_fd=place.fd)",
                "os.open(temporary, _NEW, 0o666, dir_fd=place.fd)",
            ),
            ("            ownership.hold(fd, int(action.mode, 8), action.owner, action.group)\n", ""),
            (
                '        failpoints.hit("write.renamed")\n',
                (
                    '        failpoints.hit("write.renamed")\n        os.chmod(place.name, mode,'
                    " dir_fd=place.fd)\n"
                ),
            ),
        ),
        RIGHTS[1:],
        RIGHTS[0],
    ),
    _mutant(
        "links are followed on the way",
        "host/files/safe_path.py",
        "_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC",
        *SWAPS,
    ),
    _mutant(
        "root acts in homes as root",
        "host/files/homes/as_user.py",
        "        if not isinstance(ownership, KernelOwnership) or home.uid == 0 or os.geteuid() != 0:\n",
        "        if True:\n",
        "acting as the user",
        "tests/host/test_homes.py",
        "tests/faults/test_races.py::test_a_user_who_swaps_wins_nothing",
    ),
    _mutant(
        "the rights of the user before stay for the next one",
        "host/files/homes/as_user.py",
        "if n == 0 or errand.rights != errands[n - 1].rights\n",
        "if n == 0\n",
        "acting as the user",
        "tests/host/test_batches.py",
    ),
    _mutant(
        "a hard link is changed through",
        "host/files/path_actions.py",
        "    if status.st_nlink > 1:\n        detail",
        "    if status.st_nlink > 99:\n        detail",
        "paths through links",
        "tests/host/test_safe_paths.py",
    ),
    _mutant(
        "write without a loop",
        "host/files/ownership.py",
        "    while rest:\n        rest = rest[os.write(fd, rest) :]\n",
        "    os.write(fd, rest)\n",
        "short writes",
        "tests/faults/test_races.py::test_a_short_write_is_gone_on_with",
    ),
    _mutant(
        "lock released early",
        "app/apply.py",
        "    with Lock(directory, timeout_seconds=timeout):\n        yield\n",
        "    with Lock(directory, timeout_seconds=timeout):\n        pass\n    yield\n",
        "lock at every failpoint",
        "tests/faults/test_races.py::test_the_lock_is_held_from_the_first_effect_to_the_last",
    ),
    _mutant(
        "a shared lock",
        "host/state/lock.py",
        "        while not _try_lock(descriptor, fcntl.LOCK_EX):\n",
        "        while not _try_lock(descriptor, fcntl.LOCK_SH):\n",
        "twelve at once",
        "tests/state/test_lock.py::test_one_at_a_time",
    ),
    _mutant(
        "no undo copy when the disk is full",
        "host/state/write.py",
        "            self._connection.execute(_SAVE, (blob, zlib.compress(saved.content)))\n",
        "            try:\n                self._connection.execute(_SAVE, (blob,"
        " zlib.compress(saved.content)))\n            except sqlite3.OperationalError:\n               "
        " return\n",
        "full disk",
        "tests/state/test_store.py::test_a_full_disk_refuses_the_change",
    ),
    _mutant(
        "what came out of the exchange is not looked at",
        "host/files/publish.py",
        "    if displaced != expects:\n",
        "    if not displaced:\n",
        *FLIPS,
    ),
    _mutant(
        "a plain rename",
        "host/files/publish.py",
        "        exchanged = exchange(place.fd, temporary, place.name)\n",
        "        exchanged = False\n",
        *FLIPS,
    ),
    _mutant(
        "a damaged row is believed",
        "host/state/read.py",
        "        if isinstance(text, bytes) and schema.checksum(name, text) == stored:\n",
        "        if isinstance(text, bytes):\n",
        *DAMAGE,
    ),
    _mutant(
        "a table of another layout is believed",
        "host/state/read.py",
        '    return f"its table {min(missing)[0]} is not as it was made" if missing else ""\n',
        '    return ""\n',
        "damage and the command",
        "tests/faults/test_damage_all.py::test_the_command_goes_on",
    ),
    _mutant(
        "a lost row is not missed",
        "host/state/read.py",
        '    if meta and not problem and f"{total:064x}" != meta.digest:\n',
        "    if meta and not problem and total < 0:\n",
        "ledger damage",
        "tests/state/test_reading.py",
        "tests/state/test_damage.py",
    ),
    _mutant(
        "the witness is ignored",
        "host/state/read.py",
        "    return _against_witness(meta, beside.witness)\n",
        '    return ""\n',
        "older ledger",
        "tests/state/test_reading.py::test_an_older_database_than_its_witness",
    ),
    _mutant(
        "another machine's ledger is believed",
        "host/state/read.py",
        "    if meta.machine_id != machine_id:\n",
        "    if not meta.machine_id:\n",
        "foreign ledger",
        "tests/state/test_reading.py::test_another_machine",
    ),
    _mutant(
        "temporary names can be told",
        "host/files/temporary_names.py",
        "{os.urandom(8).hex()}{after}",
        "{'0' * 16}{after}",
        "temporary names",
        "tests/faults/test_races.py::test_nobody_can_tell_the_temporary_name",
    ),
    Mutant(
        "guards after the first effect",
        "app/apply.py",
        (
            (
                (
                    "    if planned.plan is None or planned.refused:\n        return Applied(planned)\n    if"
                    " not planned.plan.empty and"
                ),
                (
                    "    if planned.plan is None:\n        return Applied(planned)\n    if not"
                    " planned.plan.empty and"
                ),
            ),
            (
                (
                    "        if planned.plan is None or planned.refused:\n            return"
                    " Applied(planned)\n        assert"
                ),
                "        if planned.plan is None:\n            return Applied(planned)\n        assert",
            ),
        ),
        ("tests/faults/test_refusals.py",),
        "refusals touch nothing",
    ),
    _mutant(
        "nothing is swept",
        "engine/execution.py",
        "        sweep(run, unfinished)\n",
        "        del unfinished\n",
        *LEFT,
    ),
    _mutant(
        "only the directories that kinds name are swept",
        "engine/leftovers.py",
        "    paths |= {path for action in unfinished for path in _touched(action)}\n",
        "",
        *LEFT,
    ),
    _mutant(
        "a hidden value in the words of a plan",
        "render/masking.py",
        "    hidden = _hidden(value, key, HIDDEN)\n    if (\n",
        "    hidden = value\n    if (\n",
        "canaries",
        "tests/cli/test_canaries.py",
    ),
    _mutant(
        "a file is written in a way of its own",
        "host/files/edit_lines.py",
        "    path_actions.write_file(root, ownership, write)\n",
        '    with open(root.root + action.path, "wb") as file:\n        file.write(new)\n',
        "no other way to write",
        "tests/faults/test_writing.py",
    ),
)

_ARGUMENT = (
    "                from reconciler.host.process.run import run\n\n"
    '                run(["true", getattr(action, "content", b"").decode()], timeout=9)\n'
    "                return Receipt(self._files.execute(action))\n"
)
BOOTED = Mutant(
    "content handed to a program as an argument",
    "host/live.py",
    (
        (
            "                return Receipt(self._files.execute(action))\n",
            _ARGUMENT,
        ),
    ),
    ("tests/booted/test_secrets.py::test_no_secret_comes_out",),
    "secrets of a booted host",
)
MUTANTS = (*MUTANTS, BOOTED)

IN_SHORT = ("write without a loop", "lock released early")
"""Planted in `make test` as well."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a mutant: the exit status of pytest, which is 1 when a test has failed, and the first
    test that did.
    """

    mutant: Mutant
    code: int
    caught_by: str
    seconds: float
    out: str = ""

    @property
    def caught(self) -> bool:
        """Whether a test failed, and not only the import."""
        return self.code == 1 and bool(self.caught_by)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the source and the tests that may be damaged."""
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        place.chmod(0o755)
        for item in _COPIED:
            source = REPOSITORY / item
            if source.is_dir():
                shutil.copytree(source, place / item, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place / item)
        yield place


def rotten(mutant: Mutant, package: Path = REPOSITORY / "reconciler") -> str:
    """Why it cannot be planted any more; empty when it can."""
    text = (package / mutant.file).read_text("utf-8")
    for old, new in mutant.edits:
        if text.count(old) != 1:
            return f"{mutant.name}: occurs {text.count(old)} times in {mutant.file}: {old!r}"
        if old == new:
            return f"{mutant.name}: changes nothing"
    return ""


@contextmanager
def planted(mutant: Mutant, place: Path) -> Iterator[None]:
    """The copy with this bug in it."""
    file = place / "reconciler" / mutant.file
    good = file.read_text("utf-8")
    text = good
    for old, new in mutant.edits:
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    try:
        yield
    finally:
        file.write_text(good, "utf-8")


def run(place: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Pytest's exit status and output for these tests of the copy, in their short form and always with the
    same seeds.
    """
    unwanted = ("RECONCILER_FAULTS", "RECONCILER_TEST_ALL", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {
        "RECONCILER_FAULTS_SEED": "1",
        "CI": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(place),
    }
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(
            argv, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT
        )
    except subprocess.TimeoutExpired:
        return -1, "did not end in time"
    return done.returncode, done.stdout + done.stderr


def judge(mutant: Mutant, place: Path) -> Verdict:
    """Plant it and see who notices."""
    started = time.monotonic()
    with planted(mutant, place):
        code, out = run(place, mutant.tests)
    failed = next(
        (line.split()[1].split("[")[0] for line in out.splitlines() if line.startswith("FAILED ")), ""
    )
    return Verdict(mutant, code, failed, time.monotonic() - started, out)


def all_tests(mutants: Sequence[Mutant]) -> list[str]:
    """The tests that are run without a bug, to see that they pass."""
    return sorted({test for mutant in mutants for test in mutant.tests})


def table(verdicts: Sequence[Verdict]) -> str:
    """Mutant, harness and test, in Markdown."""
    rows = [
        f"| {one.mutant.name} | {one.mutant.harness if one.caught else '**not caught**'} |"
        f" `{one.caught_by}` |"
        for one in verdicts
    ]
    return "\n".join(["| planted bug | caught by | test |", "|---|---|---|", *rows])


def planted_table(mutants: Sequence[Mutant] = MUTANTS) -> str:
    """For docs/reliability.md: planted bug, where, and who must catch it."""
    rows = [
        f"| {one.name} | `{one.file}` | {one.harness}:"
        f" {', '.join(sorted({test.split('::')[0] for test in one.tests}))} |"
        for one in mutants
    ]
    return "\n".join(["| planted bug | in | caught by |", "|---|---|---|", *rows])


def main(names: Sequence[str]) -> int:
    """Plant them all, or those that are named."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with copied() as place:
        verdicts = []
        for mutant in chosen:
            verdict = judge(mutant, place)
            verdicts.append(verdict)
            print(
                f"{'caught' if verdict.caught else 'NOT CAUGHT'} in {verdict.seconds:.0f} s: {mutant.name}"
                f" {verdict.caught_by}",
                flush=True,
            )
            if not verdict.caught:
                print(verdict.out[-1500:])
        code, out = run(place, all_tests(chosen))
    print(table(verdicts))
    print("Without a bug they pass." if code == 0 else out[-3000:])
    return 0 if code == 0 and all(verdict.caught for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
