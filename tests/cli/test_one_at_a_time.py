"""Twelve applies at the same moment: exactly one works, the others say who it is or wait, and the state is as
if there had been one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.state.read import read_memory
from tests.cli.command import ENVIRONMENT, Tree, argv, run

pytestmark = pytest.mark.slow

ROUNDS = 100 if os.environ.get("RECONCILER_FAULTS") else 3
APPLIES = 12

DRIVER = """
import contextlib, io, json, os, sys, time
from reconciler.app import apply as applying
from reconciler.app.specs import SpecChoice, load_spec
from reconciler.cli.main import run
from reconciler.host.state import lock

base, rounds, applies, broken = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "broken"
work = applying._apply_locked
if broken:
    lock._try_lock = lambda *_: True


def results(n):
    return [name for name in os.listdir(base) if name.startswith(f"result-{n}-") and not name.endswith(".new")]


def guarded(*arguments):
    inside = base + "/inside"
    try:
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        open(f"{base}/together", "w").close()
        return work(*arguments)
    try:
        end = time.monotonic() + 120
        # Who is refused must be told so while we are here, not when we are gone.
        while not patient and len(results(n)) < applies - 1 and not os.path.exists(base + "/together") and time.monotonic() < end:
            time.sleep(0.002)
        return work(*arguments)
    finally:
        os.unlink(inside)


def one(number, gate):
    os.read(gate, 1)
    out, err = io.StringIO(), io.StringIO()
    words = ["apply", f"{base}/host.yaml", "--root", f"{base}/tree", "--auto-approve"] + (["--lock-timeout", "120"] if patient else [])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    with open(f"{base}/result-{n}-{number}.new", "w") as file:
        json.dump({"code": code, "said": " ".join((out.getvalue() + err.getvalue()).split())}, file)
    os.rename(f"{base}/result-{n}-{number}.new", f"{base}/result-{n}-{number}")


applying._apply_locked = guarded
for n in range(rounds):
    patient = n % 2 == 1
    text = 'version: 1\\nhost: h1\\nfiles:\\n' + "".join(f'  /etc/f{i}: {{content: "{n}", mode: "0644"}}\\n' for i in range(3))
    with open(f"{base}/host.yaml", "w") as file:
        file.write(text)
    load_spec(SpecChoice(f"{base}/host.yaml"), bytes)  # the model is made here, once
    gate, opener = os.pipe()
    children = []
    for number in range(applies):
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            try:
                one(number, gate)
            finally:
                os._exit(0)
        children.append(pid)
    os.close(gate)
    os.close(opener)  # all of them go at once
    for pid in children:
        os.waitpid(pid, 0)
    found = [json.load(open(f"{base}/{name}")) for name in results(n)]
    files = [open(f"{base}/tree/etc/f{i}").read() for i in range(3)]
    print(json.dumps({"patient": patient, "found": found, "files": files, "together": os.path.exists(base + "/together")}), flush=True)
"""


def _rounds(tree: Tree, number: int, lock: str = "lock") -> list[dict[str, Any]]:
    """So many rounds in processes forked from one that has everything imported; what came of each."""
    words = [sys.executable, "-c", DRIVER, str(tree.base), str(number), str(APPLIES), lock]
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=3000)

    assert (0, "") == (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_harness_sees_two_at_once(tree: Tree) -> None:
    """With a lock that locks nobody out, the harness finds two of them at work."""
    assert [True] == [one["together"] for one in _rounds(tree, 1, "broken")]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(3000)
def test_twelve_applies_at_once(tree: Tree) -> None:
    """In each round one works; the others are refused meanwhile, with its process and age, or wait for their
    turn.

    All is done, once.
    """
    found = _rounds(tree, ROUNDS)
    memory = read_memory(str(tree.state), "")
    told = [one["said"] for each in found for one in each["found"] if one["code"] == 75]

    assert ROUNDS == len(found)
    assert not any(each["together"] for each in found)
    for n, each in enumerate(found):
        codes = sorted(one["code"] for one in each["found"])

        assert ([0] * APPLIES if each["patient"] else [0] + [75] * (APPLIES - 1)) == codes
        assert [str(n)] * 3 == each["files"]
    assert ("", 0, 3) == (memory.damaged, memory.interrupted, len(memory.rows))
    assert all("another apply is running" in said for said in told)
    # Whoever looks in the instant before the holder has written itself down cannot say who it is.
    assert any("(process " in said and "has been at it for" in said for said in told)
    assert "No changes." in tree.plan(tree.base / "host.yaml").out
    assert ROUNDS == len(_runs(tree))


def _runs(tree: Tree) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = json.loads(
        run("history", "--root", tree.root, "--limit", "1000", "--json").out
    )
    return data


def test_the_lock_is_free_when_its_holder_is_killed(tree: Tree) -> None:
    """An apply that is killed in the middle of its work keeps nobody out, and the next one ends what it
    began.
    """
    spec = tree.spec('files:\n  /etc/a: {content: "x", mode: "0644"}\n')
    words = argv("apply", spec, "--root", tree.root, "--auto-approve")
    killed = subprocess.run(
        words,
        capture_output=True,
        env={**ENVIRONMENT, "RECONCILER_TESTING": "1", "RECONCILER_FAILPOINT": "state.intend.done:1"},
        check=False,
    )
    done = tree.apply(spec)

    assert (-signal.SIGKILL, 0) == (killed.returncode, done.code)
    assert "x" == Path(tree.path("/etc/a")).read_text()
