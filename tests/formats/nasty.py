"""Command lines, environments and unit texts that break careless writers, and a way to try them on a systemd
that runs.

No test by itself. `install(root)` writes one unit per case below a root directory, the host starts
`unit_names()`, `mismatches(root)` compares what each process got with what was asked for, byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from reconciler.formats.systemd import unit

PYTHON = "/usr/bin/python3"
OUT = "/var/tmp/nasty"
DUMP = """import json, sys
def strings(name):
    with open("/proc/self/" + name, "rb") as file:
        return [item.hex() for item in file.read().split(b"\\0")[:-1]]
with open(sys.argv[1], "w") as out:
    json.dump({"argv": strings("cmdline"), "environ": strings("environ")}, out)
"""
"""Itself an argument with line breaks, quotes and backslashes."""

_WORDS = [
    "",
    " ",
    "  two  blanks  ",
    "a\tb",
    "trailing ",
    " leading",
    ";",
    ";;",
    "a;b",
    "; /bin/touch /tmp/pwned",
    r"\;",
    '";"',
    "#",
    "# no comment",
    "#no-comment",
    "$",
    "$$",
    "$$$",
    "$HOME",
    "$$HOME",
    "${HOME}",
    "a${HOME}b",
    "$${HOME}",
    "a$HOME",
    "$HOME$HOME",
    "${HOME",
    "${HOME:-x}",
    "$1",
    "$@",
    "$(id)",
    "`id`",
    "$$MAINPID",
    "a$MAINPID",
    "$MAINPID ",
    "${MAINPID}",
    "%",
    "%%",
    "%%%",
    "%n",
    "%i",
    "%Y-%m-%d",
    "+%F",
    "%Z",
    "100%",
    "% n",
    "%20",
    "%%n",
    "\\",
    "\\\\",
    "\\\\\\",
    "\\n",
    "a\\",
    "a\\ b",
    "\\x41",
    "\\u0041",
    "\\101",
    "\\s",
    "\\$HOME",
    '"',
    "'",
    '""',
    "''",
    "it's",
    'say "hi"',
    '"\'"',
    "'\"'",
    '\\"',
    "\\'",
    'a"b c"d',
    '"unbalanced',
    "unbalanced'",
    "|",
    "||",
    "&",
    "&&",
    ">",
    ">/tmp/x",
    "2>&1",
    "<",
    "*",
    "/etc/*",
    "?",
    "[a-z]",
    "{a,b}",
    "~",
    "~root",
    "!",
    "!!",
    "-",
    "--",
    "-rf",
    "@",
    "+",
    ":",
    "=",
    "A=b",
    "[Service]",
    "ExecStart=/bin/false",
    "\u00e9\u00fc\u00df",
    "\u65e5\u672c\u8a9e",
    "\U0001f600",
    "e\u0301",
    "\u00a0",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ufffd",
    "\n",
    "a\nb",
    "a\r\nb",
    "\nExecStart=/bin/false",
    "\\\n",
    "\x01\x02\x1b[31m\x7f",
    "\x80\x85\x9f",
    "\a\b\f\v",
    "x" * 5000,
    "\\" * 999,
    "$" * 999,
    "%" * 999,
    '"' * 999,
]

ARGV: list[list[str]] = (
    [[word] for word in _WORDS]
    + [["a", word, "b", word] for word in (";", "", "#", "$HOME", "%n", "\\", '"', "'", " ", "\u00e9")]
    + [
        _WORDS[:60],
        _WORDS[60:],
        ["-c", "for i in 1 2; do echo \"$i\" '%d' \\; done > /dev/null 2>&1"],
        ["--format={{.Names}}\t{{json .}}", "--filter", 'label="a b"'],
        ["^(?:[a-z]+\\.)*\\d{2,}$", "s/\\(a\\)/\\1%$/g"],
        [str(number) for number in range(500)],
    ]
)
"""Arguments that must reach a program exactly."""

PROGRAMS = [
    "/opt/nasty/plain",
    "/opt/nasty/with blank",
    "/opt/nasty/50%n",
    "/opt/nasty/a$b",
    "/opt/nasty/$MAINPID",
    "/opt/nasty/semi;colon",
    "/opt/nasty/-dash+@:!",
    "/opt/nasty/#hash",
    "/opt/nasty/\u00e9\u65e5",
    "/opt/nasty/;",
    "/opt//nasty/./plain",
]
"""Paths of programs that systemd can run."""

REFUSED_PROGRAMS = [
    "",
    "relative",
    "./relative",
    "~/bin/x",
    "$HOME/x",
    "-/bin/true",
    "+/bin/true",
    "!/bin/true",
    "/bin/",
    "/",
    '/opt/a"b',
    "/opt/a'b",
    "/opt/a\\b",
    "/opt/a\nb",
    "/opt/a\tb",
    "/opt/a$$b",
    "/opt/a${b}",
    "/opt/a\x7fb",
]
"""Paths of programs that systemd does not run as written, or at all."""

REFUSED_WORDS = ["a\0b", "\ud800", "\uffff", "\ufffe", "\ufdd0", "\U0010ffff", "\U0001fffe"]
"""Words that systemd does not let through: with a noncharacter it does not load the whole unit."""

ENVIRONMENT: list[dict[str, str]] = [
    {f"NASTY_{number}": word}
    for number, word in enumerate(
        word for word in _WORDS if not any((ord(c) < 32 and c not in "\t\n") or ord(c) == 127 for c in word)
    )
] + [
    {"_": "underscore", "a": "lower", "A1": "digit"},
    {"TWO": "a b", "WORDS": "c d", "QUOTES": "\"'\"'", "END": "x\\"},
    {
        "URL": "postgresql://u:p%40ss@h:5432/db?a=b&c=d#e",
        "JSON": '{"a": ["b c", "\\u00e9"]}',
        "LINES": "a\nb\n",
    },
]
"""Environments that must reach a program exactly."""

QUIRKS: list[tuple[str, str, str | None, list[str]]] = [
    (
        "comments",
        "[Unit]\n# a\n ; b\nDescription=x\n[Service]\nEnvironment=A=1\n\t#Environment=B=1\n",
        "x",
        ["A=1"],
    ),
    ("no trailing comments", "[Unit]\nDescription=x # y ; z\n[Service]\n", "x # y ; z", []),
    ("blanks around everything", "  [Unit]\t\n \tDescription \t= \t x  y \t\n[Service]\n", "x  y", []),
    ("continuation", "[Unit]\nDescription=a \\\n  b\\\nc\n[Service]\n", "a    b c", []),
    (
        "comment inside a continuation",
        "[Unit]\nDescription=a \\\n# no\n  ; no\\\n b\n[Service]\n",
        "a   b",
        [],
    ),
    (
        "blank line ends a continuation",
        "[Unit]\nDescription=a \\\n\n[Service]\nEnvironment=A=1\n",
        "a",
        ["A=1"],
    ),
    (
        "swallowed directive",
        "[Unit]\nDescription=a\\\nConditionPathExists=/nope\n[Service]\n",
        "a ConditionPathExists=/nope",
        [],
    ),
    ("even backslashes", "[Unit]\nDescription=a\\\\\n[Service]\nEnvironment=B=1\n", "a\\\\", ["B=1"]),
    ("backslash and blank is none", "[Unit]\nDescription=a\\ \n[Service]\nEnvironment=A=1\n", "a\\", ["A=1"]),
    ("continuation at the end of the file", "[Service]\nEnvironment=A=1 \\", None, ["A=1"]),
    (
        "CR ends a line",
        "[Unit]\rDescription=a\r[Service]\rEnvironment=A=1\rEnvironment=B=1",
        "a",
        ["A=1", "B=1"],
    ),
    ("CRLF", "[Unit]\r\nDescription=a \\\r\n b\r\n[Service]\r\nEnvironment=A=1\r\n", "a   b", ["A=1"]),
    ("LF CR", "[Unit]\n\rDescription=a \\\n\rb\n\r[Service]\n\rEnvironment=A=1\n\r", "a  b", ["A=1"]),
    ("CR inside a value", "[Unit]\nDescription=a\rDescription=b\n[Service]\n", "b", []),
    ("NUL ends a line", "[Unit]\nDescription=a\0Description=b\n[Service]\n", "b", []),
    (
        "form feed is no blank",
        "[Unit]\nDescription=a\n[Service]\n\x0cEnvironment=A=1\nEnvironment=B=1\n",
        "a",
        ["B=1"],
    ),
    ("other line separators are none", "[Unit]\nDescription=a\u2028b\x85c\n[Service]\n", "a\u2028b\x85c", []),
    ("byte order mark", "\ufeff[Unit]\nDescription=a\n[Service]\n", "a", []),
    (
        "repeated sections",
        "[Unit]\nDescription=a\n[Service]\nEnvironment=A=1\n[Unit]\nDescription=b\n[Service]\nEnvironment=B=1\n",
        "b",
        ["A=1", "B=1"],
    ),
    ("reset", "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=1\n", None, ["B=1"]),
    (
        "reset to nothing",
        "[Unit]\nDescription=a\nDescription=\n[Service]\nEnvironment=A=1\nEnvironment= \n",
        None,
        [],
    ),
    (
        "names are case-sensitive",
        "[Unit]\ndescription=a\n[service]\nEnvironment=A=1\n[Service]\nEnvironment=B=1\n",
        None,
        ["B=1"],
    ),
    (
        "unknown section",
        "[Unit]\nDescription=a\n[Sevice]\nEnvironment=A=1\n[X-Mine]\nEnvironment=B=1\n[Service]\n",
        "a",
        [],
    ),
    ("before the first section", "Description=a\n[Service]\nEnvironment=A=1\n", None, ["A=1"]),
    ("no assignment", "[Unit]\nDescription\n=a\n[Service]\nfoo\nEnvironment=A=1\n", None, ["A=1"]),
    ("equals signs", "[Service]\nEnvironment = A==1\n", None, ["A==1"]),
    (
        "bracket in a value",
        "[Unit]\nDescription=[Service]\n[Service]\nEnvironment=A=1\n",
        "[Service]",
        ["A=1"],
    ),
]
"""(what, text, Description, Environment): how systemd reads such a file.

Values that `show` prints as they stand.
"""


def _unit(argv: list[str], environment: dict[str, str]) -> str:
    service: dict[str, str | list[str]] = {
        "Type": "oneshot",
        "Environment": [unit.environment_value(name, value) for name, value in environment.items()],
        "ExecStart": unit.exec_line(argv),
    }
    return unit.render(
        {"Unit": {"Description": unit.escape_specifiers("100% nasty")}, "Service": service}, ["A nasty case"]
    )


def _cases() -> dict[str, tuple[list[str], dict[str, str]]]:
    """{unit name without suffix: (argv, environment)}."""
    cases: dict[str, tuple[list[str], dict[str, str]]] = {}
    cases |= {
        f"nasty-argv-{n}": ([PYTHON, "-c", DUMP, f"{OUT}/nasty-argv-{n}", *words], {})
        for n, words in enumerate(ARGV)
    }
    cases |= {
        f"nasty-env-{n}": ([PYTHON, "-c", DUMP, f"{OUT}/nasty-env-{n}"], values)
        for n, values in enumerate(ENVIRONMENT)
    }
    cases |= {
        f"nasty-program-{n}": ([path, "-c", DUMP, f"{OUT}/nasty-program-{n}"], {})
        for n, path in enumerate(PROGRAMS)
    }
    return cases


def unit_names() -> list[str]:
    """The units that `install` writes and the host has to start."""
    return [f"{name}.service" for name in _cases()]


def install(root: Path) -> None:
    """Write all units, and the oddly named programs, below `root`."""
    (root / OUT.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path in PROGRAMS:
        link = root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(PYTHON)
    for name, (argv, environment) in _cases().items():
        file = root / "etc/systemd/system" / f"{name}.service"
        file.write_text(_unit(argv, environment), encoding="utf-8")


def mismatches(root: Path) -> list[str]:
    """Units whose process did not get exactly what was asked for, or did not run."""
    wrong = []
    for name, (argv, environment) in _cases().items():
        file = root / OUT.lstrip("/") / name
        got = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        if got is None:
            wrong.append(f"{name}: did not run: {argv[3:]!r:.200} {environment!r:.200}")
            continue
        wanted = [word.encode().hex() for word in argv]
        if got["argv"] != wanted:
            wrong.append(
                f"{name}: {argv[0]} {argv[4:]!r:.300}: got"
                f" {[bytes.fromhex(word) for word in got['argv'][4:]]!r:.300}"
            )
        missing = {f"{key}={value}".encode().hex() for key, value in environment.items()} - set(
            got["environ"]
        )
        if missing:
            wrong.append(
                f"{name}: {environment!r:.300}: not in"
                f" {[bytes.fromhex(item) for item in got['environ']]!r:.300}"
            )
    return wrong


RANDOM = 200
"""Random command lines in one boot."""
_BATCH = 20
"""Command lines of one unit: a oneshot may have many."""


def _batches(argvs: Sequence[Sequence[str]]) -> list[list[tuple[int, Sequence[str]]]]:
    numbered = list(enumerate(argvs))
    return [numbered[start : start + _BATCH] for start in range(0, len(numbered), _BATCH)]


def install_all(root: Path, argvs: Sequence[Sequence[str]]) -> list[str]:
    """Units that run all of these command lines; their names."""
    (root / OUT.lstrip("/")).mkdir(parents=True, exist_ok=True)
    names = []
    for number, batch in enumerate(_batches(argvs)):
        lines = [
            unit.exec_line([PYTHON, "-c", DUMP, f"{OUT}/random-{index}", *words]) for index, words in batch
        ]
        text = unit.render({"Service": {"Type": "oneshot", "ExecStart": lines}}, ["Random cases"])
        (root / "etc/systemd/system" / f"random-{number}.service").write_text(text, encoding="utf-8")
        names.append(f"random-{number}.service")
    return names


def unlike(root: Path, argvs: Sequence[Sequence[str]]) -> list[str]:
    """Command lines of which the process got something else, or that did not run."""
    wrong = []
    for index, words in enumerate(argvs):
        file = root / OUT.lstrip("/") / f"random-{index}"
        got = json.loads(file.read_text(encoding="utf-8"))["argv"][4:] if file.exists() else None
        if got != [word.encode().hex() for word in words]:
            wrong.append(
                f"{words!r:.300}: got {None if got is None else [bytes.fromhex(word) for word in got]!r:.300}"
            )
    return wrong
