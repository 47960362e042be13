"""Terminals, pipes, closed streams, full disks, colours and signals: in processes of their own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.host.state.lock import Lock
from tests.cli.command import ENVIRONMENT, Tree, argv, fresh, run

pytestmark = pytest.mark.slow

TWO = 'files:\n  /etc/a: {content: "a\\n", mode: "0644"}\n  /etc/b: {content: "b\\n", mode: "0644"}\n'
GREEN = "\x1b[32m"


def _own_terminal() -> None:
    """In the child: standard input is the terminal of its session, so that Ctrl-C reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _on_terminal(
    *arguments: object, answer: bytes | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run with all three streams on a terminal, and answer when asked; the exit code and what was on the
    screen.
    """
    ours, theirs = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm"} | dict(env or {})
    process = subprocess.Popen(
        argv(*arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509  # no threads here
    )
    os.close(theirs)
    screen, sent = b"", b""
    with suppress(OSError):  # EIO: the other side is closed
        ready = select.poll()
        ready.register(ours, select.POLLIN | select.POLLHUP)
        for _ in range(1000):
            if not ready.poll(500):
                # Python may have looked for signals just before it began to wait: whoever types it again is
                # heard.
                os.write(ours, sent if sent == b"\x03" else b"")
                continue
            screen += os.read(ours, 65_536)
            if answer is not None and not sent and screen.rstrip().endswith(b"Type 'yes' to go ahead:"):
                sent = answer
                os.write(ours, answer)
    os.close(ours)
    return process.wait(60), screen.decode(errors="replace").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"yes\n", 0),
        (b"no\n", 3),
        (b"y\n", 3),
        (b"YES\n", 3),
        (b"\n", 3),
        (b"\x04", 3),
        (b"\xff\n", 3),
        (b"\x03", 130),
    ],
)
def test_the_question(tree: Tree, answer: bytes, code: int) -> None:
    """On a terminal the plan is shown and the literal yes is asked for; anything else changes nothing and is
    no success.
    """
    ended, screen = _on_terminal("apply", tree.spec(TWO), "--root", tree.root, answer=answer)

    assert code == ended, screen
    assert 1 == screen.count("Plan: 2 to add, 0 to change, 0 to destroy.")
    assert (code == 0) == tree.path("/etc/a").exists()
    assert ("Nothing was changed." in screen) == (code == 3)
    assert "Traceback" not in screen


def test_progress_on_a_terminal(tree: Tree) -> None:
    """While applying, a terminal is shown each step; a pipe is not."""
    _, screen = _on_terminal("apply", tree.spec(TWO), "--root", tree.root, "--auto-approve")

    assert "[1/2]" in screen
    assert "[2/2]" in screen
    assert (
        "[1/2]"
        not in fresh("apply", tree.spec(TWO.replace("a\\n", "A")), "--root", tree.root, "--auto-approve").err
    )


def test_without_a_terminal_nobody_is_asked(tree: Tree) -> None:
    """Without --auto-approve, and nobody there to answer, nothing is changed and that is no success."""
    done = run("apply", tree.spec(TWO), "--root", tree.root, stdin=b"yes\n")

    assert 3 == done.code
    assert "--auto-approve" in done.err
    assert not tree.path("/etc/a").exists()
    assert 3 == run("apply", tree.spec(TWO), "--root", tree.root, "--json").code
    assert not tree.path("/etc/a").exists()


COLOURS: dict[str, tuple[tuple[str, ...], dict[str, str], bool]] = {
    "terminal": ((), {}, True),
    "--no-color": (("--no-color",), {}, False),
    "NO_COLOR": ((), {"NO_COLOR": "1"}, False),
    "NO_COLOR empty": ((), {"NO_COLOR": ""}, True),
    "dumb": ((), {"TERM": "dumb"}, False),
    "NO_COLOR wins": ((), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_on_a_terminal(untouched: Tree, name: str) -> None:
    """A terminal gets colours unless it, the environment or the command line says no."""
    options, env, coloured = COLOURS[name]
    _, screen = _on_terminal("plan", untouched.spec(TWO), "--root", untouched.root, *options, env=env)

    assert coloured == (GREEN in screen)


def test_colours_in_a_pipe(untouched: Tree) -> None:
    """A pipe gets none unless FORCE_COLOR asks for them; --no-color wins; JSON never has any."""
    plan = ("plan", untouched.spec(TWO), "--root", untouched.root)

    assert "\x1b" not in run(*plan).out
    assert GREEN in run(*plan, env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in run(*plan, env={"FORCE_COLOR": "0"}).out
    assert "\x1b" not in run(*plan, "--no-color", env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in run(*plan, "--json", env={"FORCE_COLOR": "1"}).out


def _shell(script: str, *arguments: object) -> tuple[int, str, str]:
    """Run a command line with what the shell does to its streams; `"$@"` is the command."""
    done = subprocess.run(
        ["/bin/bash", "-c", script, "-", *argv(*arguments)],
        capture_output=True,
        env=ENVIRONMENT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def _big(tree: Tree) -> Path:
    """A spec whose plan does not fit into a pipe."""
    return tree.spec(
        "files:\n"
        + "".join(f'  /etc/f{n}: {{content: "{"x" * 120}\\n", mode: "0644"}}\n' for n in range(300))
    )


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-", "</dev/null >/dev/null 2>&1"]
)
def test_closed_streams(tree: Tree, streams: str) -> None:
    """With any of the streams closed an apply does what it is told, to the byte, and ends with 0."""
    code, _, err = _shell(f'"$@" {streams}', "apply", tree.spec(TWO), "--root", tree.root, "--auto-approve")

    assert (0, "") == (code, err)
    assert "a\n" == tree.path("/etc/a").read_text()
    assert 0 == tree.plan(tree.spec(TWO), "--detailed-exitcode").code


def test_a_closed_standard_input_is_no_yes(tree: Tree) -> None:
    """Nobody to ask is no approval."""
    code, _, err = _shell('"$@" <&-', "apply", tree.spec(TWO), "--root", tree.root)

    assert 3 == code
    assert "--auto-approve" in err


def test_a_reader_who_leaves(tree: Tree) -> None:
    """`plan | head -1`: one line, no complaint, and the plan's own exit code."""
    script = 'set -o pipefail; "$@" | head -1'
    code, out, err = _shell(script, "plan", _big(tree), "--root", tree.root, "--detailed-exitcode")

    assert (2, "") == (code, err)
    assert 1 == out.count("\n")


@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_a_reader_who_leaves_does_not_stop_an_apply(tree: Tree, option: str) -> None:
    """`apply | head -1` applies everything: what was begun is finished, whoever reads."""
    spec = _big(tree)
    code, _, err = _shell(
        'set -o pipefail; "$@" | head -1', "apply", spec, "--root", tree.root, "--auto-approve", option
    )

    assert (0, "") == (code, err)
    assert 0 == tree.plan(spec, "--detailed-exitcode").code


def test_a_full_disk_does_not_stop_an_apply_and_is_told(tree: Tree) -> None:
    """Where the output cannot be written the apply is finished, and that the output
    is missing is an error.
    """
    spec = tree.spec(TWO)
    code, _, err = _shell('"$@" >/dev/full', "apply", spec, "--root", tree.root, "--auto-approve")

    assert (1, "reconciler: the output could not be written: No space left on device\n") == (code, err)
    assert 0 == tree.plan(spec, "--detailed-exitcode").code
    assert 1 == _shell('"$@" >/dev/full', "schema")[0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_terminals_without_the_characters(tree: Tree, encoding: str) -> None:
    """Characters that the terminal's encoding lacks are spelled out."""
    spec = tree.spec('files:\n  /etc/a: {content: "Grüße €\\n", mode: "0644"}\n')
    done = subprocess.run(
        argv("plan", spec, "--root", tree.root),
        capture_output=True,
        env=ENVIRONMENT | {"PYTHONIOENCODING": encoding},
        check=False,
        timeout=60,
    )

    assert (0, b"") == (done.returncode, done.stderr)
    assert "\\u20ac" in done.stdout.decode(encoding)


def test_an_interrupt_while_waiting_for_the_lock(tree: Tree) -> None:
    """Ctrl-C ends an apply that waits with 130, without a traceback."""
    tree.apply(tree.spec(TWO))
    with Lock(str(tree.state)):
        command = argv(
            "apply",
            tree.spec(TWO.replace("a\\n", "A")),
            "--root",
            tree.root,
            "--auto-approve",
            "--lock-timeout",
            "60",
        )
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        _wait_until_it_waits(process, tree.state / "lock")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert b"reconciler: interrupted; the next plan shows what is left\n" == err


def _wait_until_it_waits(process: subprocess.Popen[bytes], lock: Path) -> None:
    """Until the process has opened the lock."""
    folder = Path(f"/proc/{process.pid}/fd")
    for _ in range(600):
        with suppress(OSError):
            if any(link.readlink() == lock for link in folder.iterdir()):
                return
        time.sleep(0.05)
    raise AssertionError("it does not wait for the lock")


def test_a_held_lock(tree: Tree) -> None:
    """Another apply is 75, with who holds it and since when; plan does not wait; with --lock-timeout apply
    waits.
    """
    tree.apply(tree.spec(TWO))
    changed = tree.spec(TWO.replace("a\\n", "A"))
    with Lock(str(tree.state), command="reconciler apply"):
        before = tree.manifest()
        busy = fresh("apply", changed, "--root", tree.root, "--auto-approve")
        short = fresh(
            "apply", changed, "--root", tree.root, "--auto-approve", "--lock-timeout", "0.2", "--json"
        )

        assert 75 == busy.code
        assert f"reconciler apply (process {os.getpid()}) has been at it for" in busy.said
        assert "--lock-timeout" in busy.said
        assert 75 == short.code
        assert ["version", "diagnostic"] == [json.loads(line)["type"] for line in short.out.splitlines()]
        assert 2 == fresh("plan", changed, "--root", tree.root, "--detailed-exitcode").code
        assert before == tree.manifest()
        waiting = subprocess.Popen(
            argv("apply", changed, "--root", tree.root, "--auto-approve", "--lock-timeout", "60"),
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
        )
        _wait_until_it_waits(waiting, tree.state / "lock")
    assert 0 == waiting.wait(60)
    assert "A" == tree.path("/etc/a").read_text()


def test_an_interrupt_while_applying(tree: Tree) -> None:
    """Ctrl-C in the middle of an apply: 130, no traceback, and the next apply finishes what is left."""
    spec = _big(tree)
    command = argv("apply", spec, "--root", tree.root, "--auto-approve", "--json")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    assert process.stdout is not None
    for line in process.stdout:
        if b'"apply_progress"' in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=60)

    assert 130 == process.returncode, err
    assert b"Traceback" not in err
    plan = tree.plan(spec, "--detailed-exitcode")
    assert 2 == plan.code
    assert "No changes" not in plan.out
    assert 0 == tree.apply(spec).code
    assert 0 == tree.plan(spec, "--detailed-exitcode").code
