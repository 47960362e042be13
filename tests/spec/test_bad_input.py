"""Bad input: refused with the place, the reason and what to do, all of it at once, never with a traceback."""

from __future__ import annotations

import pytest

from reconciler.spec.load import load
from tests.spec.fakes import KINDS, DictReader, text_of

HEAD = "version: 1\nhost: h\n"
LAMP = HEAD + "lamps:\n  a:\n    path: /x\n"
BOMB = "x: &a [l, l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"x{level}: &a{level} [{', '.join(['*a' if not level else f'*a{level - 1}'] * 10)}]\n"
    for level in range(9)
)

CASES: dict[str, tuple[str | bytes, list[tuple[str, str]]]] = {
    "empty": ("", [("1:1", "Empty spec")]),
    "comments only": ("# nothing\n", [("1:1", "Empty spec")]),
    "empty document": ("---\n", [("1:1", "Empty spec")]),
    "null": ("~\n", [("1:1", "Empty spec")]),
    "a list": ("- a\n", [("1:1", "Not a map")]),
    "a word": ("hello\n", [("1:1", "Not a map")]),
    "truncated in quotes": (HEAD + 'lamps: {a: {path: "/x\n', [("3:21", "a closing quote is missing")]),
    "truncated in braces": (HEAD + "lamps: {a: {path: /x\n", [("3:20", "lacks a `,` or its `}`")]),
    "truncated after a key": (HEAD + "lamps:\n", [("3:7", "`lamps` takes a map; found nothing. Write `{}`")]),
    "truncated resource": (HEAD + "lamps:\n  a:\n", [("4:5", "`a` takes a map; found nothing")]),
    "duplicate key": (HEAD + "host: i\n", [("3:1", "`host` is in this map already, in line 2")]),
    "duplicate resource": (LAMP + "  a: {path: /y}\n", [("6:3", "`a` is in this map already, in line 4")]),
    "duplicate key in a flow map": (
        HEAD + "teams: {a: {size: 1, size: 2}}\n",
        [("3:22", "`size` is in this map already")],
    ),
    "two documents": (HEAD + "---\n" + HEAD, [("3:1", "More than one document")]),
    "tag": (HEAD + "teams: {a: {size: !!int 5}}\n", [("3:19", "Tags are not allowed")]),
    "python tag": (HEAD + "teams: !!python/object:os.system {a: {}}\n", [("3:8", "Tags are not allowed")]),
    "local tag": (HEAD + "teams: !x [a]\n", [("3:8", "Tags are not allowed")]),
    "bare tag": (HEAD + "teams: {a: {size: ! 5}}\n", [("3:19", "Tags are not allowed")]),
    "tag directive": ("%TAG ! tag:x,2000:\n---\n" + HEAD, [("1:1", "Remove the %YAML or %TAG line")]),
    "older YAML": ("%YAML 1.1\n---\n" + HEAD, [("1:1", "Remove the %YAML or %TAG line")]),
    "alias bomb": (BOMB, [("5:45", "stand for more than 100,000 values")]),
    "alias in itself": (HEAD + "teams: &t {a: *t}\n", [("3:15", "stands inside what it refers to")]),
    "unknown alias": (HEAD + "teams: {a: *none}\n", [("3:12", "There is no `&none` before this line")]),
    "deep": (HEAD + "teams: " + "[" * 70, [("3:71", "nest 64 levels")]),
    "deep through aliases": (
        "x0: &x0 [1]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}]\n" for i in range(1, 70)),
        [("64:12", "those behind aliases included")],
    ),
    "tab": ("version: 1\nhost:\n\th\n", [("3:1", "A tab cannot indent")]),
    "at sign": (HEAD + "teams: @x\n", [("3:8", "A value cannot begin with `@`. Put it in quotes")]),
    "colon in a value": (HEAD + "teams: a: b\n", [("3:9", "Put the value in quotes if it holds `: `")]),
    "bad indentation": (HEAD + "teams:\n  a: {}\n b: {}\n", [("5:2", "Check the indentation")]),
    "open bracket": (HEAD + "teams: [1, 2\nlamps: {}\n", [("4:6", "It began in line 3")]),
    "number as key": (HEAD + "teams:\n  8080: {}\n", [("4:3", 'Quote it: "8080"')]),
    "boolean as key": (HEAD + "teams:\n  yes: {}\n", [("4:3", 'Quote it: "yes"')]),
    "null as key": (HEAD + "teams:\n  ~: {}\n", [("4:3", 'Quote it: "~"')]),
    "no key": (HEAD + "teams:\n  ?\n  : {}\n", [("4:4", "The key is empty")]),
    "list as key": (HEAD + "teams:\n  ? [a]\n  : {}\n", [("4:5", "A key is plain text")]),
    "merge of a word": (HEAD + "teams: {a: {<<: word}}\n", [("3:17", "`<<` takes a map or a list of maps")]),
    "not UTF-8": (HEAD.encode() + b"# \xff\n", [("3:3", "Byte 0xff is not valid UTF-8")]),
    "UTF-16": (HEAD.encode("utf-16"), [("1:1", "Save the file as UTF-8")]),
    "NUL": (HEAD + "teams: {}\0\n", [("3:10", "NUL (U+0000)")]),
    "carriage returns": (HEAD.replace("\n", "\r\n"), [("1:11", "Windows line ends")]),
    "carriage return in a value": (LAMP + "    label: a\rb\n", [("6:13", "carriage return")]),
    "escape sequence": (LAMP + "    label: \x1b[31mred\n", [("6:12", "escape (U+001B)")]),
    "C1": (LAMP + "    label: a\x9bb\n", [("6:13", "U+009B (control character)")]),
    "next line": (LAMP + "    label: a\x85b\n", [("6:13", "next line (U+0085)")]),
    "bidi": (LAMP + "    label: a\u202eb # x\n", [("6:13", "U+202E (bidirectional control")]),
    "bidi in a comment": (HEAD + "# \u2066x\n", [("3:3", "U+2066 (bidirectional control")]),
    "line separator": (LAMP + "    label: a\u2028b\n", [("6:13", "line separator (U+2028)")]),
    "escaped control": (LAMP + '    label: "a\\x07b"\n', [("6:12", "U+0007 (control character)")]),
    "escaped bidi": (LAMP + '    label: "a\\u202eb"\n', [("6:12", "U+202E")]),
    "escaped NUL": (LAMP + '    label: "a\\0b"\n', [("6:12", "NUL (U+0000)")]),
    "escaped carriage return": (LAMP + '    label: "a\\rb"\n', [("6:12", "carriage return (U+000D)")]),
    "escaped in a key": (HEAD + 'teams: {"a\\eb": {}}\n', [("3:9", "escape (U+001B)")]),
    "newline in one line of text": (
        LAMP + '    label: "a\\nb"\n',
        [("6:12", "`label`: Write text without control characters: this has a line break")],
    ),
    "tab in one line of text": (LAMP + '    label: "a\\tb"\n', [("6:12", "this has a tab")]),
    "block scalar in one line of text": (
        LAMP + "    label: |\n      a\n",
        [("6:12", "this has a line break")],
    ),
    "unquoted mode": (LAMP + "    mode: 0644\n", [("6:11", 'Write the mode in quotes, as "0644"')]),
    "unquoted decimal mode": (LAMP + "    mode: 755\n", [("6:11", 'Write the mode in quotes, as "0755"')]),
    "octal mode": (LAMP + "    mode: 0o644\n", [("6:11", "Write the mode in quotes")]),
    "symbolic mode": (LAMP + "    mode: u=rwx\n", [("6:11", "four octal digits in quotes")]),
    "text for a number": (
        HEAD + 'teams: {a: {size: "5"}}\n',
        [("3:19", '`size` takes a whole number; found the text "5". Write it as 5, without')],
    ),
    "fraction for a number": (
        HEAD + "teams: {a: {size: 1.5}}\n",
        [("3:19", "takes a whole number; found the number `1.5`")],
    ),
    "odd number": (
        HEAD + "teams: {a: {size: 1_000}}\n",
        [("3:19", "found the text `1_000`. Write it as 1000")],
    ),
    "boolean for a number": (
        HEAD + "teams: {a: {size: true}}\n",
        [("3:19", "takes a whole number; found `true`")],
    ),
    "number for text": (
        HEAD + "lamps: {a: {path: 5}}\n",
        [("3:19", 'takes text; found the number `5`. Write it in quotes: "5"')],
    ),
    "boolean for text": (LAMP + "    label: true\n", [("6:12", 'Write it in quotes: "true"')]),
    "yes for a boolean": (LAMP + "    lit: yes\n", [("6:10", "Write `true`, without quotes")]),
    "quoted boolean": (LAMP + '    lit: "false"\n', [("6:10", "Write `false`, without quotes")]),
    "number for a boolean": (LAMP + "    lit: 1\n", [("6:10", "takes true or false; found the number `1`")]),
    "text for a list": (
        HEAD + "teams: {a: {members: bob}}\n",
        [("3:22", 'takes a list; found the text "bob". Write `[bob]`')],
    ),
    "map for a list": (
        HEAD + "teams: {a: {members: {b: 1}}}\n",
        [("3:22", "takes a list; found a map. Begin each item with a dash")],
    ),
    "list for a map": (HEAD + "teams: [a]\n", [("3:8", "`teams` takes a map; found a list")]),
    "bad item": (
        HEAD + "teams: {a: {members: [bob, [x]]}}\n",
        [("3:28", "An item of `members` takes text; found a list")],
    ),
    "too many": (
        HEAD + "teams: {a: {members: [a, b, c, d]}}\n",
        [("3:22", "`members` may have at most 3 items")],
    ),
    "too small": (
        HEAD + "teams: {a: {size: -1}}\n",
        [("3:19", "`size` must be at least 0; found the number `-1`")],
    ),
    "no member of a union": (
        LAMP + "    words: {a: 1}\n",
        [("6:12", "`words` takes a list, or text; found a map")],
    ),
    "inside a union": (
        LAMP + "    either: {widht: 3}\n",
        [("6:14", "`widht` is not a key of `either`. Did you mean `width`?")],
    ),
    "item inside a union": (
        LAMP + "    words: [a, [b]]\n",
        [("6:16", "An item of `words` takes text; found a list")],
    ),
    "choice": (
        LAMP + "    color: gren\n",
        [("6:12", "takes one of 'red' or 'green'; found the text \"gren\". Did you mean `green`?")],
    ),
    "choice or boolean": (
        LAMP + "    masked: maskd\n",
        [("6:13", "takes true or false, or 'masked'; found the text \"maskd\". Did you mean")],
    ),
    "duration": (LAMP + "    burn: 5 bananas\n", [("6:11", "systemd.time(7)")]),
    "relative path": (HEAD + "lamps: {a: {path: x}}\n", [("3:19", "Write an absolute path")]),
    "path with dots": (HEAD + "lamps: {a: {path: /a/../b}}\n", [("3:19", "no '..'")]),
    "validator": (LAMP + "    label: HELLO\n", [("6:12", "Do not shout HELLO")]),
    "unknown top-level key": (
        HEAD + "lampz: {}\n",
        [("3:1", "`lampz` is not a key of a spec. Did you mean `lamps`?")],
    ),
    "unknown key": (
        LAMP + "    paht: /y\n",
        [("6:5", "`paht` is not a key of `a`. Did you mean `path`? Known keys: ")],
    ),
    "systemd's spelling": (LAMP + "    LoadCredential: x\n", [("6:5", "Did you mean `load_credential`?")]),
    "unknown setting": (HEAD + "settings: {comand: /x}\n", [("3:12", "Did you mean `command`?")]),
    "missing key": (HEAD + "lamps:\n  a: {}\n", [("4:3", "`a` needs `path`: where it hangs.")]),
    "no version": ("host: h\n", [("1:1", "Write `version: 1` first")]),
    "no host": ("version: 1\n", [("1:1", "A spec needs `host`: the static hostname")]),
    "newer version": (
        "version: 2\nhost: h\n",
        [("1:10", "Version 2 is not supported: this release reads `version: 1`")],
    ),
    "quoted version": (
        'version: "1"\nhost: h\n',
        [("1:10", "Write the version as a plain number: `version: 1`")],
    ),
    "true version": ("version: true\nhost: h\n", [("1:10", "Write the version as a plain number")]),
    "fractional version": ("version: 1.0\nhost: h\n", [("1:10", "Write the version as a plain number")]),
    "host like an option": ("version: 1\nhost: -rf\n", [("2:7", "Write a host name")]),
    "host with a newline": ('version: 1\nhost: "h\\n"\n', [("2:7", "Write a host name")]),
    "name ../x": (HEAD + 'teams: {"../x": {}}\n', [("3:9", "Write small letters, digits")]),
    "name -rf": (HEAD + "teams: {-rf: {}}\n", [("3:9", "beginning with small letters or `_`")]),
    "name a@b": (HEAD + "teams: {a@b: {}}\n", [("3:9", "Write small letters, digits")]),
    "name ä": (HEAD + "teams: {ä: {}}\n", [("3:9", "Write small letters, digits")]),
    "name with a newline": (HEAD + 'teams: {"a\\n": {}}\n', [("3:9", "Write small letters, digits")]),
    "name of the other kind": (
        HEAD + 'lamps: {"../x": {path: /x}}\n',
        [("3:9", "at most 41 characters. The name on its label. For example: `hall-1`.")],
    ),
    "missing source": (LAMP + "    plan: p.txt\n", [("6:11", "hosts/p.txt does not exist")]),
    "absolute source": (LAMP + "    plan: /etc/shadow\n", [("6:11", "/etc/shadow is absolute")]),
    "source outside": (LAMP + "    plans: [a/../../../x]\n", [("6:13", "leads outside the spec's tree")]),
    "missing include": ("include: [x.yaml]\n", [("1:11", "hosts/x.yaml does not exist")]),
    "include of itself": (
        HEAD + "include: [h.yaml]\n",
        [("3:11", "in a circle: hosts/h.yaml includes hosts/h.yaml")],
    ),
    "include as text": (HEAD + "include: x.yaml\n", [("3:10", "`include` is a list of paths")]),
    "include of a number": (HEAD + "include: [5]\n", [("3:11", "a path relative to this file")]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_with_place_and_reason(name: str) -> None:
    """Each mistake gives its one diagnostic, at the exact place, saying what is wrong and what to write; and
    no spec.
    """
    text, expected = CASES[name]

    spec, found = load(DictReader({"hosts/h.yaml": text}), KINDS)

    assert spec is None
    assert [place for place, _ in expected] == [
        f"{item.source.line}:{item.source.column}" for item in found if item.source
    ], [*map(text_of, found)]
    assert len(expected) == len(found)
    for (_, fragment), item in zip(expected, found, strict=True):
        assert fragment in text_of(item)


def test_all_mistakes_come_at_once() -> None:
    """Five mistakes of five sorts, one of them in the text itself, give five diagnostics in the order of the
    lines.
    """
    text = LAMP + "    mode: 0644\n    mod: 1\n    path: /z\n  b: {}\nteams:\n  x: {size: big}\n"

    _, found = load(DictReader({"hosts/h.yaml": text}), KINDS)

    assert [
        "6:11 Bad value",
        "7:5 Unknown key",
        "8:5 Duplicate key",
        "9:3 Missing key",
        "11:13 Wrong type",
    ] == [f"{item.source.line}:{item.source.column} {item.summary}" for item in found if item.source]


def test_the_caret_covers_what_is_wrong() -> None:
    """The snippet is the line, and column and length mark exactly the wrong word in it."""
    text = (
        LAMP
        + '    label: "a\\tb"   # quoted\n    color: gren # colour\n    paht: 1\n'
        + "    lens: {width: 0, shape: ünï}\n    masked: [a, b]  # list\n"
    )

    _, found = load(DictReader({"hosts/h.yaml": text}), KINDS)

    marked = [
        item.snippet[item.source.column - 1 :][: item.source.length]
        for item in found
        if item.source and item.snippet
    ]
    assert ['"a\\tb"', "gren", "paht", "0", "ünï", "[a, b]"] == marked


def test_a_resource_error_names_the_resource() -> None:
    """The address of the resource is part of the diagnostic."""
    _, found = load(DictReader({"hosts/h.yaml": HEAD + 'lamps: {"a/b": {path: /x}}\n'}), KINDS)

    assert ['lamps["a/b"]'] == [str(item.address) for item in found]


def test_windows_line_ends_are_said_once() -> None:
    """A file of a hundred lines that all end in CR LF gives one diagnostic about it."""
    _, found = load(DictReader({"hosts/h.yaml": (HEAD + "# x\n" * 100).replace("\n", "\r\n")}), KINDS)

    assert 1 == len(found)


def test_binary_files_do_not_flood() -> None:
    """Many forbidden characters are listed up to a bound."""
    _, found = load(DictReader({"hosts/h.yaml": HEAD + "# " + "\x07" * 5000}), KINDS)

    assert 21 == len(found)
    assert "There are more of them" in found[-1].detail


def test_what_follows_from_a_reported_mistake_is_not_reported() -> None:
    """An include that cannot be read makes no `missing key`, and a key that is not text no `unknown key`."""
    _, found = load(DictReader({"hosts/h.yaml": "version: 1\ninclude: [gone.yaml]\n8080: x\n"}), KINDS)

    assert ["Cannot read the included file", "Key is not text"] == [item.summary for item in found]


SECRET = "hunter2-CANARY"
LEAKS = {
    "value of a secret key": f"settings: {{db_password: [{SECRET}]}}\n",
    "wrong type": f"load_credential: [{SECRET}]\n",
    "control character": f'load_credential: "{SECRET}\\n"\n',
    "below a secret key": f"words:\n      api_token:\n        - {SECRET}\n",
    "unknown key": f"passwrd: {SECRET}\n    passphrase: {SECRET}\n",
    "unclosed quote": f'password: "{SECRET}\n',
    "quote closed too late": f'password: "{SECRET}\n    x: "y"\n',
    "syntax error below a secret key": f"api_token:\n      here:\n      - a: b: {SECRET}\n",
    "several lines": f'password: "x\n      {SECRET}\n      y\n',
    "private key": f"label: |\n      -----BEGIN OPENSSH PRIVATE KEY----- {SECRET}\n",
    "sensitive resource": f"sensitive: true\n    color: {SECRET}\n",
    "validator's text": f"load_credential: {{a: {SECRET}}}\n",
}


@pytest.mark.parametrize(
    "name", [name for name in LEAKS if name not in ("unknown key", "sensitive resource")]
)
def test_secrets_are_not_printed(name: str) -> None:
    """A value at or below a key that looks like a secret appears neither in the message nor in the quoted
    line.
    """
    _, found = load(DictReader({"hosts/h.yaml": LAMP + "    " + LEAKS[name]}), KINDS)

    assert found
    assert SECRET not in repr(found)


def test_a_sensitive_resource_is_not_quoted() -> None:
    """`sensitive: true` keeps every line of the resource out of the diagnostics."""
    _, found = load(DictReader({"hosts/h.yaml": LAMP + "    " + LEAKS["sensitive resource"]}), KINDS)

    assert ["Not an allowed value"] == [item.summary for item in found]
    assert SECRET not in repr(found)


def test_forbidden_characters_do_not_reach_the_terminal() -> None:
    """Neither message nor quoted line holds a control character, whatever the spec holds."""
    _, found = load(
        DictReader({"hosts/h.yaml": HEAD + 'teams: {"\x1b]0;x\x07": 5, "\\e[2J": {}, "\\e[2J": {}}\n'}), KINDS
    )

    assert found
    assert all(character.isprintable() for item in found for character in item.detail + (item.snippet or ""))
