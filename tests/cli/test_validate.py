"""All mistakes at once, in the order of the file, for people and for programs."""

from __future__ import annotations

import json
import re

from tests.cli.command import Tree, everywhere, run

TEN = """\
version: 1
host: -h1
groups:
  Bad: {}
  g: {gid: 0, gdi: 5}
files:
  /etc/a: {content: "x", mode: 0644}
  /etc/b: {content: "a\\eb", mode: "0644"}
  etc/c: {content: x, mode: "0644"}
  /etc/d: {content: x, mode: "0644", owner: "Root User"}
  /etc/e: {source: gone, mode: "0644"}
services:
  s: {exec_start: [], restart: sometimes}
  s: {}
"""
TEN_PLACES = ["2:7", "4:3", "5:12", "5:15", "7:32", "8:21", "9:3", "10:45", "11:20", "13:19", "13:32", "14:3"]


def test_all_mistakes_are_told_at_once(untouched: Tree) -> None:
    """A spec with a dozen mistakes gives a dozen diagnostics, each once, in the order of the file, whichever
    command reads it.
    """
    for _, done in everywhere(untouched, untouched.spec(TEN)):
        assert 1 == done.code
        assert TEN_PLACES == re.findall(r"--> \S*host\.yaml:(\d+:\d+)", done.err)


def test_json_says_the_same(untouched: Tree) -> None:
    """--json has one entry per mistake, with its range and the line it is in."""
    spec = untouched.spec(TEN)
    done = run("validate", spec, "--json")
    told = json.loads(done.out)

    assert (1, "") == (done.code, done.err)
    assert (False, len(TEN_PLACES), 0) == (told["valid"], told["error_count"], told["warning_count"])
    assert TEN_PLACES == [
        f"{item['range']['start']['line']}:{item['range']['start']['column']}" for item in told["diagnostics"]
    ]
    lines = TEN.splitlines()
    for item in told["diagnostics"]:
        start, end = item["range"]["start"], item["range"]["end"]

        assert str(spec) == item["range"]["filename"]
        assert start["line"] == end["line"]
        assert start["column"] < end["column"]
        assert lines[start["line"] - 1] == item["snippet"]["code"]
        assert item["summary"]
        assert item["detail"].endswith((".", "?"))


def test_several_files_are_checked_together(untouched: Tree) -> None:
    """Each valid file is told, the mistakes of all others are, and one bad file makes the whole fail."""
    good = untouched.spec("groups: {g: {}}\n", "good.yaml")
    bad = untouched.spec("groups: {g: {gid: 0}}\n", "bad.yaml")
    worse = untouched.spec("grops: {}\n", "worse.yaml")
    done = run("validate", bad, good, worse)

    assert 1 == done.code
    assert f"Success! {good} is valid: 1 resource for host h1.\n" == done.out
    assert "bad.yaml:3:19" in done.err
    assert "worse.yaml:3:1" in done.err
    assert 0 == run("validate", good, good).code
    told = json.loads(run("validate", bad, good, worse, "--json").out)
    assert 2 == told["error_count"]


def test_a_valid_spec_says_so(untouched: Tree) -> None:
    """Exit code 0, on standard output, and as JSON."""
    spec = untouched.spec("groups: {a: {}, b: {}}\n")

    assert (0, f"Success! {spec} is valid: 2 resources for host h1.\n", "") == _parts(run("validate", spec))
    assert json.loads(run("validate", spec, "--json").out)["valid"]


def test_warnings_do_not_fail(untouched: Tree) -> None:
    """A spec that is valid and probably not meant is told about, with its place, and is valid."""
    spec = untouched.spec("services:\n  s: {exec_start: [/home/x/serve], environment: {API_TOKEN: x}}\n")
    done = run("validate", spec)

    assert 0 == done.code
    assert 2 == done.err.count("warning: ")
    assert 2 == done.err.count("host.yaml:4:3")
    assert "Success!" in done.out


def test_mistakes_in_included_files_name_those(untouched: Tree) -> None:
    """The place is that in the file where the mistake is."""
    untouched.spec("groups: {g: {gid: 0}}\n", "profiles/base.yaml")
    done = run("validate", untouched.spec("include: [profiles/base.yaml]\n"))

    assert 1 == done.code
    assert "profiles/base.yaml:3:19" in done.err


def _parts(done: object) -> tuple[object, ...]:
    return (done.code, done.out, done.err)  # type: ignore[attr-defined]  # a Done
