"""Bad values in every field of every kind, made from the models, and bad names and paths: refused end to end,
before any effect.
"""

from __future__ import annotations

import json
import re
from typing import Any
from zlib import crc32

import pytest
from jsonschema import Draft202012Validator

from reconciler.kinds import discover
from reconciler.spec.annotations import fields_of
from reconciler.spec.schema import host_schema
from tests.breaking import some
from tests.cli.command import Tree, everywhere, run
from tests.cli.samples import BASES, Place, fields, is_valid, places, spec_with

pytestmark = pytest.mark.slow

FORBIDDEN = {
    "carriage return": "\r",
    "NUL": "\0",
    "escape": "\x1b",
    "C1": "\x9b",
    "next line": "\x85",
    "delete": "\x7f",
    "bidi": "\u202e",
    "bidi isolate": "\u2066",
    "line separator": "\u2028",
    "byte order mark": "\ufeff",
}
MANY_LINES = [("files", "content")]
"""Fields that are text of many lines, on purpose."""
PLACES = places()


def _wrong(
    tree: Tree, text: str, line: int = 5, *, advice: str = "", only_validate: bool = False
) -> list[str]:
    """The problems with the refusal of this spec; empty if it is refused as it must be."""
    spec, problems = tree.spec(text), []
    for command, done in [("validate", run("validate", spec))] if only_validate else everywhere(tree, spec):
        if done.code != 1:
            problems.append(f"{command} ends with {done.code}")
        if not re.search(rf"host\.yaml:{line}:\d+", done.err):
            problems.append(f"{command} names no place in line {line}: {done.err}")
        if advice not in done.said:
            problems.append(f"{command} does not say {advice!r}: {done.said}")
        if not all(character.isprintable() or character == "\n" for character in done.err):
            problems.append(f"{command} prints what it refuses")
    return problems


def test_every_place_has_a_valid_text() -> None:
    """A text refused below is refused for the character alone: without it each place takes its text."""
    assert [] == [str(place) for place in PLACES if not place.texts or not is_valid(place.spec(place.valid))]
    assert 60 < len(PLACES)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_forbidden_characters_in_every_text(untouched: Tree, place: Place) -> None:
    """Control characters, line separators and bidirectional controls, written as escapes, are refused in
    every place for text.

    In the short form a third of them in each, all of them between the places.
    """
    before = untouched.manifest()
    wrong = {
        name: problems
        for name, character in some([*FORBIDDEN.items()], crc32(str(place).encode()) % 3)
        for text in (f"{place.valid}{character}", f"{place.valid[:1]}{character}{place.valid[1:]}")
        if (
            problems := _wrong(
                untouched,
                place.spec(text),
                advice="Remove the",
                only_validate=name not in ("escape", "bidi", "delete"),
            )
        )
    }

    assert {} == wrong
    assert before == untouched.manifest()


@pytest.mark.parametrize(
    "place", [place for place in PLACES if (place.kind, place.field) not in MANY_LINES], ids=str
)
def test_line_breaks_in_every_line_of_text(untouched: Tree, place: Place) -> None:
    """No place for one line of text takes a line break: not inside, not at the end,
    not before, and no tab.
    """
    before = untouched.manifest()
    texts = [
        f"{place.valid}\n",
        f"\n{place.valid}",
        f"{place.valid[:1]}\n{place.valid[1:]}",
        f"{place.valid}\nExecStartPre=/bin/sh",
        f"{place.valid}\t",
    ]
    wrong = {
        text: problems
        for text in texts
        if (problems := _wrong(untouched, place.spec(text), only_validate=text != texts[0]))
    }

    assert {} == wrong
    assert before == untouched.manifest()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_characters_as_they_are(untouched: Tree, name: str) -> None:
    """The same characters written raw: in a value, in a key, in a comment."""
    character = FORBIDDEN[name]
    for text in (
        f'version: 1\nhost: h1\nfiles:\n  /etc/f:\n    content: "a{character}b"\n    mode: "0644"\n',
        f"version: 1\nhost: h1\nfiles:\n  /etc/f:\n    content: a{character}b\n    mode: '0644'\n",
        f'version: 1\nhost: h1\nservices:\n  s:\n    "a{character}b": x\n',
        f"version: 1\nhost: h1\nservices:\n  s:\n    # a{character}b\n",
    ):
        assert [] == _wrong(untouched, text, advice="Remove the")


VALUES: list[Any] = [
    *(1, -1, 0, 10**30, 1.5, True, None, "", "x y", "x" * 70_000),
    *([], [[]], [{}], [1], [True], [None], {}, {"a": {}}, {"a": []}, {"a": None}, {"": "x"}),
]
_SCHEMA = Draft202012Validator(host_schema(discover()))


@pytest.mark.parametrize(("kind", "field"), fields())
def test_wrong_types_in_every_field(untouched: Tree, kind: str, field: str) -> None:
    """A value that the published schema does not accept is refused with the place of the field; nothing makes
    a traceback.

    In the short form a third of the values in each, all of them between the fields.
    """
    before, refused = untouched.manifest(), 0
    wrong: dict[str, list[str]] = {}
    for value in some(VALUES, crc32(f"{kind}.{field}".encode()) % 3):
        if value is None and (kind, field) == ("services", "exec_start"):
            continue  # null is as good as left out there, and what is missing has the place of the service
        name, base = BASES[kind]
        text = spec_with(kind, field, json.dumps(value))
        block = base | {field: value}
        section = block if discover()[kind].single else {name: block}
        if _SCHEMA.is_valid({"version": 1, "host": "h1", kind: section}):
            assert run("validate", untouched.spec(text)).code in (0, 1)
            continue
        refused += 1
        problems = _wrong(untouched, text, only_validate=refused > 2)
        wrong |= {repr(value)[:20]: problems} if problems else {}

    assert {} == wrong
    assert refused
    assert before == untouched.manifest()


@pytest.mark.parametrize(("kind", "field"), fields())
def test_unknown_keys_in_every_kind(untouched: Tree, kind: str, field: str) -> None:
    """A misspelt key is named with the key that was meant."""
    for misspelt in (f"{field}x", field.replace("_", ""), field.title().replace("_", "")):
        if misspelt not in fields_of(discover()[kind].model):
            assert [] == _wrong(
                untouched,
                spec_with(kind, misspelt, "x"),
                advice=f"Did you mean `{field}`?",
                only_validate=True,
            )


NAMES = [
    "",
    "../x",
    "-rf",
    "--help",
    "a@b",
    "ä",
    "x\n",
    "\n",
    "x" * 300,
    "a b",
    "a;id",
    "$(id)",
    "a\tb",
    "a\\b",
    "x/",
    ".",
    "..",
    "a'b",
    'a"b',
    "%n",
    "*",
]
MORE_NAMES = {
    "ssh_keys": ["1a"],
    "timers": ["a/b", "t.timer"],
    "users": ["A", "1a", "a.b", "x;id"],
    "backups": ["a.b", "a/b", ".a", "a:b", "x" * 64],
    "logrotate": ["a.b", "app~", ".app", "a/b", "-a", "app.dpkg-old"],
    "services": [
        "a/b",
        ".hidden",
        "ml-api.service",
        "-x",
        "a%i",
        "a.service.service",
        "apt-daily.timer",
        "ssh.socket",
        "var.mount",
    ],
    "groups": ["Root", "9x", "a.b", "a:b", "a,b", "x" * 32, "-", "root:x:0:", "$x"],
    "files": ["etc/x", "~/x", "//x", "/", "/etc/x\n", "/a\nb"],
    "directories": ["etc/x", "~/x", "//x", "/x\n"],
}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in BASES for name in NAMES + MORE_NAMES.get(kind, [])]
)
def test_bad_names_of_every_kind(untouched: Tree, kind: str, name: str) -> None:
    """A name that the system underneath would take for something else is refused at the key; `/` as a file by
    policy.
    """
    before = untouched.manifest()
    spec = untouched.spec(f"{kind}:\n  {json.dumps(name)}: {json.dumps(BASES[kind][1])}\n")
    for command, done in everywhere(untouched, spec):
        policy = name == "/" and command != "validate"

        assert (command, 3 if policy else 1) == (command, done.code), done.said
        assert "host.yaml:4:3" in done.err
        assert "line 4" not in done.said
    assert before == untouched.manifest()


def test_a_unit_suffix_is_told(untouched: Tree) -> None:
    """Who writes the whole name of the unit is told what to write."""
    done = run("validate", untouched.spec("services:\n  ml-api.service: {exec_start: [/usr/bin/true]}\n"))

    assert "Leave `.service` out: write `ml-api`." in done.said


PATHS = {
    "etc/x": (1, "Write an absolute path"),
    "./x": (1, "Write an absolute path"),
    "/etc/../root/x": (1, "no '..'"),
    "/etc/./x": (1, "no '.'"),
    "/etc//x": (1, "no '//'"),
    "//etc/x": (1, "no '//'"),
    "/etc/x/": (1, "no '/' at the end"),
    "/etc/..": (1, "no '..'"),
    "/etc/shadow": (3, "belongs to the account tools"),
    "/etc/passwd": (3, "belongs to the account tools"),
    "/etc/group-": (3, "belongs to the account tools"),
    "/etc/gshadow": (3, "belongs to the account tools"),
    "/etc/subuid": (3, "belongs to the account tools"),
    "/etc/sudoers": (3, "belongs to the account tools"),
    "/etc/pam.d/sshd": (3, "locks everybody out"),
    "/etc/ssh/ssh_host_ed25519_key": (3, "the host's own identity"),
    "/etc/machine-id": (3, "the host's own identity"),
    "/etc/hostname": (3, "the host's own identity"),
    "/etc/ld.so.preload": (3, "loaded into every program"),
    "/proc/sys/kernel/core_pattern": (3, "not a place for files of a configuration"),
    "/sys/x": (3, "not a place for files of a configuration"),
    "/dev/sda": (3, "not a place for files of a configuration"),
    "/var/lib/reconciler": (3, "Reconciler's own state"),
    "/var/lib/reconciler/state.db": (3, "Reconciler's own state"),
    "/var/lib/reconciler/key": (3, "Reconciler's own state"),
    "/usr/local/bin/reconciler": (3, "Reconciler's own command"),
    "/etc/systemd/system/x.service": (3, "declared under `services:`"),
    "/etc/systemd/system/multi-user.target.wants/x.service": (3, "declared under `services:`"),
    "/etc/systemd/system": (3, "declared under `services:`"),
    "/etc/systemd/system/a.d/b.d/c": (3, "declared under `services:`"),
    "/run/systemd/system/x.service": (3, "systemd's own"),
    "/etc": (3, "a directory of the system itself"),
    "/": (3, "a directory of the system itself"),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", ["files", "directories"])
def test_bad_paths_are_refused(untouched: Tree, kind: str, path: str) -> None:
    """Paths in another than their plain form are wrong (1), those that are not ours to manage are refused (3)
    whatever is allowed.
    """
    code, advice = PATHS[path]
    before = untouched.manifest()
    spec = untouched.spec(f"{kind}:\n  {json.dumps(path)}: {json.dumps(BASES[kind][1])}\n")
    options = (
        "--adopt",
        *(f"--allow={name}" for name in ("other-host", "empty-spec", "many-destroyed", "older-commit")),
    )
    results = [
        (code, untouched.plan(spec)),
        (code, untouched.apply(spec)),
        (code, untouched.apply(spec, *options)),
        (1, run("validate", spec)),
    ]
    for expected, done in results:
        assert expected == done.code, done.said
        assert "host.yaml:4:3" in done.err
        assert advice in done.said
        assert "CANARY" not in done.said
    assert before == untouched.manifest()


def test_our_own_command_is_denied_wherever_it_is(untouched: Tree) -> None:
    """`settings.command` says where our program is, and the deny list follows it."""
    text = (
        "settings: {command: /opt/bin/reconciler}\nfiles:\n  /opt/bin/reconciler: {content: x, mode:"
        ' "0755"}\n'
    )
    done = untouched.apply(untouched.spec(text))

    assert 3 == done.code
    assert "Reconciler's own command" in done.said


@pytest.mark.parametrize("name", ["reconciler", "reconciler-apply"])
def test_our_own_units_are_denied(untouched: Tree, name: str) -> None:
    """A service cannot take the place of one of ours."""
    done = untouched.apply(untouched.spec(f"services:\n  {name}: {{exec_start: [/usr/bin/true]}}\n"))

    assert 3 == done.code
    assert "one of Reconciler's own units" in done.said


def test_drop_ins_of_vendor_units_are_ordinary_files(tree: Tree) -> None:
    """The deny list covers units, not their drop-ins: those, and their directories, can be declared."""
    spec = tree.spec(
        'directories:\n  /etc/systemd/system/nginx.service.d: {mode: "0755"}\n'
        'files:\n  /etc/systemd/system/nginx.service.d/limits.conf: {content: "[Service]\\n", mode: "0644"}\n'
    )
    done = tree.apply(spec)

    assert 0 == done.code, done.said
    assert "[Service]\n" == tree.path("/etc/systemd/system/nginx.service.d/limits.conf").read_text()


# a path: what `plan` exits with, and what is said
NO_PLACES = {
    "/etc/" + "x" * 256: (0, "File name too long"),
    "/etc" + "/x" * 2100: (1, "may have at most 4096 characters"),
    "/etc/passwd/x": (1, "directory /etc/passwd does not exist"),
    "/srv/link/x": (0, "write /srv/real instead"),
}


@pytest.mark.parametrize("path", NO_PLACES, ids=lambda path: path[:12])
def test_paths_that_cannot_be_reached(tree: Tree, path: str) -> None:
    """A name too long, a path through a file or a link: the plan says so and never `No changes`, and apply
    fails.
    """
    code, advice = NO_PLACES[path]
    tree.path("/srv/real").mkdir()
    tree.path("/srv/link").symlink_to("real")
    before = tree.manifest()
    spec = tree.spec(f"files:\n  ? {path}\n  : {{content: x, mode: '0644'}}\n")
    done = tree.plan(spec)

    assert code == done.code, done.said
    assert advice in done.said
    assert "No changes" not in done.out
    assert tree.apply(spec).code in (1, 4)
    assert before.items() <= tree.manifest().items()
    done = tree.apply(spec, "--json")
    assert done.code in (1, 4)
    assert advice in done.out
