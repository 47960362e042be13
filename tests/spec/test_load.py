"""load(): from a tree of files to a Spec."""

from __future__ import annotations

import gc
from unicodedata import category

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.address import Address
from reconciler.core.diagnostic import Source
from reconciler.core.spec import Spec
from reconciler.spec.load import load
from tests.spec.fakes import KINDS, DictReader, Lamp, text_of
from tests.spec.test_bad_input import CASES

HEAD = "version: 1\nhost: h\n"


def test_a_spec() -> None:
    """Resources come in the order of the kinds and of the file, with typed values, and the place of their
    keys.
    """
    text = (
        HEAD + "teams:\n  ops: {size: 2}\nlamps:\n  hall:\n    path: /x\n    label: 8000\n    words: [1, b,"
        " 1.50]\n  'two': {path: /y}\n"
    )
    spec, found = load(DictReader({"hosts/h.yaml": text}), KINDS)

    assert [] == found
    assert spec is not None
    assert "h" == spec.host
    assert "c0ffee" == spec.commit
    assert {"command": "/usr/local/bin/reconciler", "scheduler": "timer", "timezone": "host"} == spec.settings
    assert ["lamps.hall", "lamps.two", "teams.ops"] == [str(item.address) for item in spec.resources]
    assert [(6, 3, 4), (10, 3, 3), (4, 3, 3)] == [
        (item.source.line, item.source.column, item.source.length) for item in spec.resources
    ]
    assert Source("hosts/h.yaml", 6, 3, 4) == spec.resources[0].source
    lamp = spec.resources[0].resource
    assert isinstance(lamp, Lamp)
    assert ("8000", ["1", "b", "1.50"]) == (lamp.label, lamp.words)


def test_resources_hold_no_marked_data() -> None:
    """Text that was unquoted and ambiguous is exact str, lists and maps are exact list and dict: nothing of
    the loader stays behind.
    """
    text = HEAD + "lamps: {a: {path: /x, label: 0644, words: [yes], settings: {a: no}}}\n"
    spec, _ = load(DictReader({"hosts/h.yaml": text}), KINDS)
    assert spec is not None
    lamp = spec.resources[0].resource
    assert isinstance(lamp, Lamp)

    assert (str, list, str, dict, str) == (
        type(lamp.label),
        type(lamp.words),
        type(lamp.words[0]),
        type(lamp.settings),
        type(lamp.settings["a"]),
    )


def test_sources_are_read_relative_to_the_file_they_are_named_in() -> None:
    """Also from an included file, from nested models, lists and unions; by the path as written; each file
    once.
    """
    files: dict[str, bytes | str] = {
        "hosts/h.yaml": (
            HEAD
            + "include: [../profiles/p.yaml]\nlamps: {a: {path: /x, plan: p.txt, lens: {shape: ../s}, either:"
            " {shape: p.txt}}}\n"
        ),
        "profiles/p.yaml": (
            "lamps: {a: {plan: never, plans: [./sub/q]}, b: {path: /y, lenses: [{shape: p.txt}]}}\n"
        ),
        "hosts/p.txt": b"host's\xff",
        "s": "S",
        "profiles/p.txt": "profile's",
        "profiles/sub/q": "Q",
    }
    spec, found = load(DictReader(files), KINDS)

    assert [] == [*map(text_of, found)]
    assert spec is not None
    by_name = {item.address.name: dict(item.sources) for item in spec.resources}
    assert {"p.txt": b"profile's"} == by_name["b"]
    assert b"S" == by_name["a"]["../s"]
    assert b"Q" == by_name["a"]["./sub/q"]
    assert ("hosts/h.yaml", "profiles/p.yaml") == spec.files[:2]
    assert set(files) == set(spec.files)
    assert len(files) == len(spec.files)


def test_the_same_path_from_two_files_is_refused() -> None:
    """`sources` has one entry per path as written: two files behind one spelling in one resource would be
    mixed up.
    """
    files: dict[str, bytes | str] = {
        "hosts/h.yaml": HEAD + "include: [../profiles/p.yaml]\nlamps: {a: {path: /x, plan: p.txt}}\n",
        "profiles/p.yaml": "lamps: {a: {plans: [p.txt]}}\n",
        "hosts/p.txt": "one",
        "profiles/p.txt": "two",
    }
    _, found = load(DictReader(files), KINDS)

    [diagnostic] = found
    assert "`p.txt` is another file here than elsewhere in this resource. Write ./p.txt here." in text_of(
        diagnostic
    )
    assert text_of(diagnostic).startswith("hosts/h.yaml:4:29: Ambiguous source file: ")


def test_a_missing_file_is_named_as_it_is_written() -> None:
    """The name of a file at the beginning of a message keeps its small letter."""
    _, found = load(DictReader({"hosts/h.yaml": HEAD + "lamps: {a: {path: /x, plan: nofile}}\n"}), KINDS)

    assert ["hosts/h.yaml:3:29: Cannot read the source file: hosts/nofile does not exist."] == [
        *map(text_of, found)
    ]


def test_source_files_have_a_bound() -> None:
    """More than 8 MiB is refused at the field."""
    files: dict[str, bytes | str] = {
        "hosts/h.yaml": HEAD + "lamps: {a: {path: /x, plan: big}}\n",
        "hosts/big": b"x" * (8 * 1024 * 1024 + 1),
    }
    _, found = load(DictReader(files), KINDS)

    [diagnostic] = found
    assert text_of(diagnostic).startswith("hosts/h.yaml:3:29: Cannot read the source file: ")
    assert text_of(diagnostic).endswith(": hosts/big has more than 8 MiB; a file named in a spec may not.")


def digest_of(files: dict[str, str]) -> str:
    """The digest of a good spec."""
    spec, found = load(DictReader(files), KINDS)
    assert isinstance(spec, Spec), found
    return spec.digest


def test_the_digest_covers_names_and_bytes_of_all_files() -> None:
    """Any byte of any file that was read changes it; a file that was not read does not."""
    files = {
        "hosts/h.yaml": HEAD + "include: [i.yaml]\nlamps: {a: {path: /x, plan: p}}\n",
        "hosts/i.yaml": "teams: {}\n",
        "hosts/p": "P",
    }
    first = digest_of(files)

    assert first.startswith("sha256:")
    assert first == digest_of(dict(files) | {"hosts/other": "x"})
    assert 4 == len({first, *(digest_of(files | {name: files[name] + "\n"}) for name in files)})
    assert first != digest_of(
        {
            "hosts/h.yaml": files["hosts/h.yaml"].replace("plan: p", "plan: q"),
            "hosts/i.yaml": "teams: {}\n",
            "hosts/q": "P",
        }
    )


def test_a_spec_that_cannot_be_read() -> None:
    """The reader's words become a diagnostic."""
    spec, found = load(DictReader({}), KINDS)

    assert spec is None
    assert ["Cannot read the spec: hosts/h.yaml does not exist."] == [*map(text_of, found)]


def test_the_garbage_collector_is_left_as_it_was() -> None:
    """Loading switches it off only for itself, also when the spec is bad."""
    load(DictReader({"hosts/h.yaml": "["}), KINDS)

    assert gc.isenabled()


def test_an_error_in_one_resource_that_is_used_twice_is_said_once() -> None:
    """A bad value behind an anchor is one mistake."""
    text = HEAD + "teams:\n  a: &a {size: big}\n  b: *a\n  c: {<<: *a}\n"
    _, found = load(DictReader({"hosts/h.yaml": text}), KINDS)

    assert ["hosts/h.yaml:4:16"] == [text_of(item).split(": ")[0] for item in found]
    assert Address("teams", "a") == found[0].address


fragments = st.sampled_from(
    [
        "version: 1\n",
        "host: h\n",
        "lamps:\n",
        "teams: ",
        "  a: ",
        "{",
        "}",
        "[",
        "]",
        "path: /x",
        ", ",
        ": ",
        "\n",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "'",
        '"',
        "0644",
        "yes",
        "\t",
        "# ",
        "| \n",
        ">",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "? ",
        "é",
        "\u202e",
        "\r",
        "\x00",
        "include: [h.yaml]\n",
        "\\x07",
        "@",
        "plan: p",
        "mode: 7",
        "~",
    ]
)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(fragments, max_size=25).map("".join) | st.text(max_size=60))
@example("a: &a\n b: *a\n")
@example("<<: *a\n")
def test_no_text_raises(text: str) -> None:
    """Whatever is written, the answer is a Spec or diagnostics that can be printed."""
    spec, found = load(DictReader({"hosts/h.yaml": text.encode("utf-8", "surrogatepass")}), KINDS)

    assert (spec is None) == bool(found)
    # Code points for private use, or that this Python's Unicode does not know yet, are neither printable nor
    # a danger.
    assert all(
        char.isprintable() or category(char) in ("Cn", "Co") for item in found for char in text_of(item)
    )
    assert all(item.source.line >= 1 and item.source.column >= 1 for item in found if item.source)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(CASES)), st.integers(0, 300))
def test_no_bytes_raise(noise: bytes, name: str, at: int) -> None:
    """Nor do any bytes, in the middle of a spec or alone."""
    text = CASES[name][0]
    data = text.encode() if isinstance(text, str) else text
    for content in (noise, data[:at] + noise + data[at:], data[:at]):
        spec, found = load(DictReader({"hosts/h.yaml": content}), KINDS)

        assert (spec is None) == bool(found)
