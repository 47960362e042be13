"""The command line itself: what is wrong with it ends with 64, never with a code
that means something else.
"""

from __future__ import annotations

import pytest

from reconciler._version import __version__
from tests.cli.command import Tree, fresh, run

COMMANDS = ("validate", "plan", "apply", "drift", "show", "schema")

WRONG: dict[str, tuple[str, ...]] = {
    "No such option: --nope": ("plan", "--nope"),
    "No such command 'paln'": ("paln",),
    "No such option: --nope ": ("--nope",),
    "Option '--root' requires an argument": ("plan", "--root"),
    "'soon' is not a valid float": ("apply", "--lock-timeout", "soon"),
    "-1.0 is not in the range": ("apply", "--lock-timeout", "-1"),
    "write a number of seconds": ("apply", "--lock-timeout", "nan"),
    "Got unexpected extra argument": ("plan", "a.yaml", "b.yaml"),
    "Missing argument 'RUN|PLANFILE'": ("show",),
    "'pal' is not one of 'host', 'plan'": ("schema", "pal"),
    "'draft-04' is not one of": ("schema", "--draft", "draft-04"),
    "is not an address; write services.NAME": ("plan", "--target", "no address"),
    "is not an address; write services.NAME ": ("apply", "--exclude", "files[/etc/x]"),
    "--target: the value is empty": ("drift", "--target", ""),
    "--commit: the value is empty": ("apply", "--commit", ""),
    "--commit: the value is empty ": ("plan", "--commit="),
    "--snapshot: the value is empty": ("plan", "--snapshot", " "),
    "--out: the value is empty": ("plan", "--out", ""),
    "--approved: the value is empty": ("apply", "--approved", ""),
    "--root: the value is empty": ("history", "--root", ""),
    "is not an address; write services.NAME   ": ("apply", "--unprotect", "x\ny"),
    "there is no kind 'file'; the kinds are ": ("plan", "--target", "file.x"),
    "choose from other-host, empty-spec, many-destroyed, older-commit": ("apply", "--allow", "everything"),
    "--root: the value is empty ": ("apply", "--root", ""),
    "to work on the running host, leave --root out ": ("plan", "--root", "/"),
    "to work on the running host, leave --root out  ": ("drift", "--root", "//"),
}


@pytest.mark.parametrize("message", WRONG)
def test_usage_errors_exit_64(message: str) -> None:
    """Every mistake of the command line ends with 64 and says what is wrong with it."""
    done = run(*WRONG[message])

    assert 64 == done.code
    assert message.strip() in done.said
    assert "" == done.out


def test_usage_errors_exit_64_in_a_process() -> None:
    """The process ends with the code, too."""
    assert 64 == fresh("plan", "--nope").code
    assert 64 == fresh().code


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command: str) -> None:
    """--help ends with 0, names the command as it is typed, and explains every argument and option."""
    done = run(command, "--help")
    lines = done.out.splitlines()
    options = [line for line in lines if line.startswith("  --")]

    assert 0 == done.code
    assert lines[0].startswith(f"Usage: reconciler {command} [OPTIONS]")
    assert options
    following = dict(zip(lines, [*lines[1:], ""], strict=True))
    assert [] == [
        line for line in options if "  " not in line.strip() and not following[line].startswith("   ")
    ]
    assert {"plan", "apply", "drift", "show"} & {command} == (
        {command} if any("--root DIR" in line for line in options) else set()
    )


def test_the_list_of_commands() -> None:
    """reconciler --help names every command; without arguments the same is an error of usage."""
    done = run("--help")

    assert 0 == done.code
    assert all(f"  {command}  " in done.out for command in COMMANDS)
    assert 64 == run().code


def test_version() -> None:
    """--version says the version and nothing else."""
    assert (0, f"reconciler {__version__}\n") == ((done := fresh("--version")).code, done.out)


# what does not exist: what must be said
SELECTIONS = {
    "services.nope": "services.nope",
    'files["/etc/nope"]': "/etc/nope",
    "groups.g/part": "groups.g/part",
}


@pytest.mark.parametrize("option", ["--target", "--exclude"])
@pytest.mark.parametrize("address", SELECTIONS)
def test_selecting_nothing_is_an_error(tree: Tree, option: str, address: str) -> None:
    """A target that is not there would make apply do nothing, an exclude that is not there everything: both
    are told instead.
    """
    spec, before = tree.spec("groups: {g: {}}\n"), tree.manifest()
    for done in (
        tree.plan(spec, option, address),
        tree.apply(spec, option, address),
        tree.drift(spec, option, address),
    ):
        assert 1 == done.code
        assert f"{SELECTIONS[address]}" in done.said
        assert "neither in the spec nor among what was applied here" in done.said
        assert "No changes" not in done.out
    assert before == tree.manifest()
