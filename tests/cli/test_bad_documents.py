"""Bad documents, end to end: refused by validate, plan and apply with place and advice, and the host is as it
was.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import Tree, everywhere, fresh, run

pytestmark = pytest.mark.slow

HEAD = "version: 1\nhost: h1\n"
FILE = HEAD + "files:\n  /etc/f:\n    content: x\n"
GROUP = HEAD + "groups:\n  g: {gid: "
BOMB = "x: &a [l, l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"x{level}: &a{level} [{', '.join(['*a' if not level else f'*a{level - 1}'] * 10)}]\n"
    for level in range(9)
)

# name: (the spec, line:column, what must be said)
CASES: dict[str, tuple[str | bytes, str, str]] = {
    "empty": ("", "1:1", "begins with `version: 1`"),
    "comments only": ("# nothing here\n", "1:1", "begins with `version: 1`"),
    "null": ("~\n", "1:1", "begins with `version: 1`"),
    "a list": ("- a\n", "1:1", "a map of keys and values"),
    "truncated in quotes": (FILE + '    mode: "06', "6:14", "a closing quote is missing"),
    "truncated in braces": (HEAD + "files: {/etc/f: {content: x", "3:27", "lacks a `,` or its `}`"),
    "truncated in a key": (FILE + "    mod", "6:7", "A key without a `:`"),
    "truncated after a key": (FILE + "    mode:\n", "6:10", "Write a value, or remove the key"),
    "truncated at a resource": (HEAD + "files:\n  /etc/f:\n", "4:10", "`/etc/f` takes a map; found nothing"),
    "truncated at a section": (HEAD + "files:\n", "3:7", "Write `{}`"),
    "truncated before a required key": (FILE, "4:3", "`/etc/f` needs `mode`"),
    "duplicate key": (FILE + "    content: y\n", "6:5", "in line 5. Keep one"),
    "duplicate resource": (HEAD + "groups:\n  g: {}\n  g: {}\n", "5:3", "in line 4. Keep one"),
    "duplicate section": (HEAD + "groups: {}\ngroups: {}\n", "4:1", "in line 3. Keep one"),
    "two documents": (HEAD + "---\n" + HEAD, "3:1", "A spec is one document"),
    "python tag": (HEAD + "groups: !!python/object/apply:os.system [id]\n", "3:9", "Tags are not allowed"),
    "text tag": (FILE + "    mode: !!str 0644\n", "6:11", "Tags are not allowed"),
    "custom tag": (FILE + "    mode: !vault abc\n", "6:11", "Tags are not allowed"),
    "alias bomb": (BOMB, "5:45", "stand for more than 100,000 values"),
    "alias in itself": (HEAD + "groups: &g {g: *g}\n", "3:16", "stands inside what it refers to"),
    "nested too deeply": (HEAD + "groups: " + "[" * 100, "3:72", "nest 64 levels"),
    "not UTF-8": (HEAD.encode() + b"# \xff\n", "3:3", "Save the file as UTF-8"),
    "UTF-16": (HEAD.encode("utf-16"), "1:1", "Save the file as UTF-8"),
    "Windows line ends": (HEAD.replace("\n", "\r\n"), "1:11", "save it with Unix ones"),
    "binary": (b"\x7fELF\x02\x01\x01" + bytes(64), "1:1", "Remove the U+007F"),
    "tab": (HEAD + "groups:\n\tg: {}\n", "4:1", "use spaces"),
    "octal mode": (FILE + "    mode: 0644\n", "6:11", 'in quotes, as "0644"'),
    "decimal mode": (FILE + "    mode: 644\n", "6:11", 'in quotes, as "0644"'),
    "short mode": (FILE + '    mode: "644"\n', "6:11", 'four octal digits in quotes: "0644"'),
    "mode with a nine": (FILE + '    mode: "0999"\n', "6:11", 'four octal digits in quotes: "0644"'),
    "mode with a line break": (FILE + '    mode: "0644\\n"\n', "6:11", 'four octal digits in quotes: "0644"'),
    "mode that is true": (FILE + "    mode: true\n", "6:11", "takes text; found `true`"),
    "gid 0": (GROUP + "0}\n", "4:12", "must be at least 1"),
    "negative gid": (GROUP + "-1}\n", "4:12", "must be at least 1"),
    "gid beyond 32 bits": (GROUP + "4294967295}\n", "4:12", "must be at most 4294967294"),
    "quoted gid": (GROUP + '"2000"}\n', "4:12", "Write it as 2000, without quotes"),
    "fraction as gid": (GROUP + "2000.0}\n", "4:12", "takes a whole number"),
    "true as gid": (GROUP + "true}\n", "4:12", "takes a whole number; found `true`"),
    "octal gid": (GROUP + "0100}\n", "4:12", "takes a whole number"),
    "content and source": (FILE + '    source: f\n    mode: "0644"\n', "5:5", "exactly one of them"),
    "neither content nor source": (
        HEAD + 'files:\n  /etc/f: {mode: "0644"}\n',
        "4:11",
        "exactly one of them",
    ),
    "no version": ("host: h1\n", "1:1", "Write `version: 1` first"),
    "newer version": ("version: 2\nhost: h1\n", "1:10", "this release reads `version: 1`"),
    "no host": ("version: 1\n", "1:1", "A spec needs `host`"),
    "unknown section": (HEAD + "serivces: {}\n", "3:1", "Did you mean `services`?"),
    "unknown setting": (HEAD + "settings: {comand: /x}\n", "3:12", "Did you mean `command`?"),
    "relative command": (HEAD + "settings: {command: reconciler}\n", "3:21", "Write an absolute path"),
    "host like an option": ("version: 1\nhost: -rf\n", "2:7", "Write a host name"),
    "host with a path": ("version: 1\nhost: ../h1\n", "2:7", "Write a host name"),
    "include is text": (HEAD + "include: base.yaml\n", "3:10", "is a list of paths"),
    "include is missing": (HEAD + "include: [gone.yaml]\n", "3:11", "does not exist"),
    "include outside the tree": (
        HEAD + "include: [../../../etc/passwd]\n",
        "3:11",
        "leads outside the spec's tree",
    ),
    "include by absolute path": (HEAD + "include: [/etc/passwd]\n", "3:11", "is absolute"),
    "include of itself": (HEAD + "include: [host.yaml]\n", "3:11", "cannot include each other in a circle"),
    "shell in a command": (HEAD + 'services:\n  s: {exec_start: "sleep 1 && id"}\n', "4:19", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_documents_are_refused(untouched: Tree, name: str) -> None:
    """Exit code 1, the place as file:line:column, the advice, and neither tree nor state is touched."""
    text, place, advice = CASES[name]
    spec, before = untouched.base / "host.yaml", untouched.manifest()
    spec.write_bytes(text.encode() if isinstance(text, str) else text)
    for command, done in everywhere(untouched, spec):
        assert (command, 1) == (command, done.code), done.said
        assert f"host.yaml:{place}" in done.err, done.err
        assert advice in done.said
        assert "" == done.out
    assert before == untouched.manifest()


def test_the_manifest_notices_changes(untouched: Tree) -> None:
    """The oracle of this module is not blind: a file that is rewritten with its own content is noticed."""
    before, path = untouched.manifest(), untouched.path("/etc/group")
    path.write_text(path.read_text())

    assert before != untouched.manifest()


@pytest.mark.parametrize(
    "name", ["empty", "python tag", "content and source", "truncated in braces", "nested too deeply"]
)
def test_standard_input_is_refused_likewise(untouched: Tree, name: str) -> None:
    """A bad spec on standard input is refused with its place."""
    text, place, advice = CASES[name]
    before = untouched.manifest()
    for command, done in everywhere(untouched, "-", stdin=text.encode() if isinstance(text, str) else text):
        assert (command, 1) == (command, done.code)
        assert f"<stdin>:{place}" in done.err
        assert advice in done.said
    assert before == untouched.manifest()


@pytest.mark.parametrize("name", ["empty", "binary", "alias bomb", "nested too deeply", "duplicate key"])
def test_fresh_processes_refuse_likewise(untouched: Tree, name: str) -> None:
    """The installed command says the same, without a traceback."""
    text, place, advice = CASES[name]
    spec = untouched.base / "host.yaml"
    spec.write_bytes(text.encode() if isinstance(text, str) else text)
    done = fresh("apply", "host.yaml", "--root", "tree", "--auto-approve", cwd=untouched.base)

    assert 1 == done.code
    assert done.err.startswith("error: ")
    assert f"host.yaml:{place}" in done.err
    assert advice in done.said
    assert "Traceback" not in done.err
    assert not untouched.state.exists()


def test_a_cycle_of_includes_is_refused(untouched: Tree) -> None:
    """Two files that include each other are named with the place of the second include."""
    spec = untouched.spec("include: [a.yaml]\n")
    untouched.spec("version: 1\ninclude: [host.yaml]\n", "a.yaml")
    for _, done in everywhere(untouched, spec):
        assert 1 == done.code
        assert "a.yaml:2:11" in done.err
        assert "host.yaml includes a.yaml includes host.yaml" in done.said


# what `source:` says: what must be said of it
SOURCES = {
    "../outside": "leads outside the spec's tree",
    "/etc/passwd": "is absolute",
    "gone": "does not exist",
    "link": "is a symbolic link",
    "folder": "is not a regular file",
    "folder/": "is a directory; name a file",
    "folder/../../outside": "leads outside the spec's tree",
    "linked/outside": "through a link",
    "pipe": "is not a regular file",
    ".": "is a directory; name a file",
    "": "must have 1 or more characters",
    "a\\nb": "relative to the file it stands in",
}


@pytest.mark.parametrize("source", SOURCES)
def test_bad_sources_are_refused(tree: Tree, source: str) -> None:
    """A source is a regular file in the spec's own tree; everything else is refused at the field, and nothing
    of it is quoted.
    """
    (tree.base / "outside").write_text("OUTSIDE-CANARY")
    spec = tree.spec(f'files:\n  /etc/f: {{source: "{source}", mode: "0644"}}\n', "repo/host.yaml")
    folder = spec.parent
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("host.yaml")
    (folder / "linked").symlink_to("..")
    _fifo(folder / "pipe")
    before = tree.manifest()
    for command, done in everywhere(tree, spec):
        assert (command, 1) == (command, done.code), done.said
        assert "host.yaml:4:20" in done.err
        assert SOURCES[source] in done.said
        assert "OUTSIDE-CANARY" not in done.said
    assert before == tree.manifest()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


# what the command line names: what must be said of it
NO_SPECS = {
    "gone.yaml": "gone.yaml does not exist",
    "gone/host.yaml": "host.yaml does not exist",
    "tree": "is not a regular file",
    "link.yaml": "is a symbolic link",
    "pipe": "is not a regular file",
    "a\nb": "does not exist",
    "x" * 300: "is too long for a file name",
}


@pytest.mark.parametrize("name", NO_SPECS)
def test_specs_that_cannot_be_read(tree: Tree, name: str) -> None:
    """The reason is told for every way in which a path may not be a spec."""
    (tree.base / "link.yaml").symlink_to(tree.spec(""))
    _fifo(tree.base / "pipe")
    before = tree.manifest()
    for command, done in everywhere(tree, tree.base / name):
        assert (command, 1) == (command, done.code), done.said
        assert NO_SPECS[name] in done.said
    assert before == tree.manifest()


def test_the_default_spec_is_named_when_it_is_missing(tree: Tree) -> None:
    """Without SPEC the message says which file was looked for."""
    for arguments in (
        ("validate",),
        ("plan", "--root", tree.root),
        ("apply", "--root", tree.root),
        ("drift", "--root", tree.root),
    ):
        done = run(*arguments)

        assert 1 == done.code
        assert "/etc/reconciler/host.yaml does not exist" in done.said


@pytest.mark.parametrize("root", ["gone", "tree/etc/passwd"])
def test_a_root_that_is_no_directory(tree: Tree, root: str) -> None:
    """--root names a directory; nothing is created beside one that is not there."""
    spec = tree.spec("groups: {g: {}}\n")
    for command in ("plan", "apply", "drift"):
        done = run(
            command, spec, "--root", tree.base / root, *(["--auto-approve"] if command == "apply" else [])
        )

        assert 1 == done.code
        assert "is not a directory" in done.said
    assert {"tree", "host.yaml"} == {path.name for path in tree.base.iterdir()}
