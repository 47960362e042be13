"""The parts of its caller's environment that make a program under sudo a shell: a PATH of their own, a
variable that is kept, any variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from reconciler.core.basics.lazy_regex import Late
from reconciler.core.host import FileType
from reconciler.formats.shell_commands import commands, run_files
from reconciler.formats.shell_programs import SHELLS, WRAPPERS
from reconciler.formats.sudo import environment
from reconciler.formats.sudo.policy import Policy, Who
from reconciler.formats.sudo.programs import Program
from reconciler.policy.symlinks import Followed

_LARGEST = 1 << 18
"""Bytes of a script that is read: what is larger is a program."""
_BUILTINS = frozenset(
    ". : [ alias bg break cd command continue declare echo eval exec exit export false fg "  # noqa: SIM905
    "getopts hash help jobs kill let local printf "
    "pwd read readonly return set shift source test time times trap true type typeset ulimit umask unalias"
    " unset wait fi done esac "
    "function mapfile readarray pushd popd dirs shopt builtin [[ ]] { } ! if then else elif while until for"
    " do case in select".split()
)
_PATTERN = "*?[^"
_SHELL_ARGUMENTS = Late(r"\$\{?[@*#1-9!]|\b(?:shift|getopts?|read|BASH_ARGV|stdin|xargs)\b")
_PYTHON_ARGUMENTS = Late(
    r"argv|argparse|getopt|optparse|click|typer|fire|docopt|input\(|stdin|absl|\bcli\b|main\b.*import|import\b.*main"
)
"""Texts with any of these do something with what they are given."""


def shell_by(policy: Policy, who: Who, program: Program, files: Followed) -> str:
    """Why a program that sudo lets somebody run starts whatever they want; empty if it does not.

    Raises HostError for what cannot be read.
    """
    path = program.path
    if environment.sets_any(policy, who, path, program.sets):
        return "SETENV has it load any library"
    if any(char in path for char in _PATTERN) or path.endswith("/"):
        return ""
    own = environment.own_path(policy, who, path)
    kept_names = environment.passed_variables(policy, who, path)
    if preloads := next((name for name in sorted(environment.LOADERS) if _is_kept(name, kept_names)), ""):
        return f"{preloads}, which is kept, has it load any library"
    if not own and not kept_names:
        return ""
    arguments = tuple(word for word in program.arguments or () if word.startswith("/"))
    scripts = dict.fromkeys(
        run_files((path, *(arguments if path.rpartition("/")[2] in (*SHELLS, *WRAPPERS) else ())))
    )
    return next(
        filter(None, (_by_script(script, files, who, own=own, kept_names=kept_names) for script in scripts)),
        "",
    )


def ignores_arguments(path: str, files: Followed) -> bool:
    """Whether a program is a script that does nothing with its arguments, and reads nothing from a
    terminal.
    """
    text = files.known_text(path)
    words = text.split("\n", 1)[0][2:].split() if text.startswith("#!") else []
    if not words:
        return False
    interpreter, _ = _interpreter(words)
    if interpreter in SHELLS:
        return _SHELL_ARGUMENTS.search(text) is None
    return interpreter.startswith("python") and _PYTHON_ARGUMENTS.search(text) is None


def _by_script(path: str, files: Followed, who: Who, *, own: bool, kept_names: frozenset[str]) -> str:
    text = _script(path, files)
    words = text.split("\n", 1)[0][2:].split()
    if not words:
        return ""
    interpreter, by_name = _interpreter(words)
    if own and by_name:
        return f"{path} looks for {interpreter} on the PATH of {who.name}"
    if own and interpreter in SHELLS and (name := next(_looked_for(text), "")):
        return f"{path} looks for {name} on the PATH of {who.name}"
    variables = next(
        (names for pattern, names in environment.INTERPRETERS if pattern.fullmatch(interpreter)), frozenset()
    )
    variable = next(
        (name for name in sorted(variables) if name != "PATH" and _is_kept(name, kept_names)),
        "",
    )
    return f"{interpreter} takes {variable} of {who.name}" if variable else ""


def _is_kept(name: str, kept_names: frozenset[str]) -> bool:
    """Whether sudo keeps a variable; the names that it keeps may have wildcards."""
    return any(fnmatchcase(name, kept_name) for kept_name in kept_names)


def _script(path: str, files: Followed) -> str:
    """The text of a script; empty for what is none."""
    entry = files.entry(path)
    if entry is None or entry.type is not FileType.FILE or entry.size > _LARGEST:
        return ""
    text = files.text(path) or ""
    return text if text.startswith("#!") else ""


def _interpreter(words: list[str]) -> tuple[str, bool]:
    """The interpreter of a script, and whether env(1) looks for it on the PATH."""
    name = words[0].rpartition("/")[2]
    operands = (
        [word for word in words[1:] if not word.startswith("-") and "=" not in word] if name == "env" else []
    )
    return (operands[0].rpartition("/")[2], "/" not in operands[0]) if operands else (name, False)


def _looked_for(text: str) -> Iterator[str]:
    """The programs that a script of the shell names without a directory, before it sets a PATH itself."""
    for command in commands(text):
        if "PATH" in (command.variables or {}):
            return
        name = command.words[0] if command.words else ""
        if (
            name
            and "/" not in name
            and "$" not in name
            and name not in _BUILTINS
            and name.replace("-", "").replace("_", "").isalnum()
        ):
            yield name
