"""A file as a part: one way to look at it, and one to write, change or remove it."""

from __future__ import annotations

import pytest

from reconciler.core.actions import ABSENT, Action, Check, MakeDirectory, RemovePath, SetAccess, WriteFile
from reconciler.core.address import Address
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Document, FieldChange, Observed, Origin, Part, Verb
from reconciler.core.diagnostic import Source
from reconciler.core.kind import Impossible
from reconciler.core.model.resource import Resource
from reconciler.core.spec import Declared
from reconciler.kinds.shared import file_part

pytestmark = pytest.mark.slow

ADDRESS, PATH = Address("files", "/etc/a"), "/etc/a"
WANTED: Document = {
    "type": "file",
    "content": digest(b"new"),
    "mode": "0640",
    "owner": "root",
    "group": "root",
}


def _change(before: Document | None, verb: Verb, *differ: str) -> Change:
    fields = tuple(FieldChange((name,), None, None, Origin.INTENT) for name in differ)
    part = Part(ADDRESS, WANTED, Declared(ADDRESS, Resource(), Source("host.yaml", 1)), b"new")
    observed = Observed(before, expects="seen")
    return Change(ADDRESS, verb, Origin.INTENT, fields, None if verb is Verb.DELETE else part, observed)


def _actions(change: Change, directories: tuple[str, ...] = ()) -> list[Action]:
    given = file_part.steps(change, PATH, ("content",), check=Check.VISUDO, directories=directories)
    return [step.action for step in given]


def test_an_absent_file_is_written_below_its_directories() -> None:
    """Where nothing is, the missing directories come first, and the file is written only if it is absent."""
    made, written = _actions(_change(None, Verb.CREATE, "content"), ("/etc",))
    assert made == MakeDirectory("/etc", "0755", "root", "root")
    assert isinstance(written, WriteFile)
    assert (written.expects, written.mode, written.check) == (ABSENT, "0640", Check.VISUDO)


def test_only_what_differs_is_done() -> None:
    """Another content or type is written, another mode or owner is set, and another field does nothing."""
    before = {**WANTED, "mode": "0600"}
    for field in ("content", "type"):
        [written] = _actions(_change(before, Verb.UPDATE, field, "mode"))
        assert isinstance(written, WriteFile)
        assert written.expects == "seen"
    assert _actions(_change(before, Verb.UPDATE, "mode")) == [SetAccess(PATH, "0640", "root", "root")]
    assert _actions(_change(before, Verb.UPDATE, "sourced")) == []


def test_a_file_that_goes_is_removed_only_as_it_was_seen() -> None:
    """The removal expects what was observed."""
    assert _actions(_change(WANTED, Verb.DELETE)) == [RemovePath(PATH, "seen")]


@pytest.mark.parametrize("type_", ["directory", "socket", "fifo"])
def test_what_is_in_the_way_stays(type_: str) -> None:
    """Nothing but a file or a link is replaced, and the reason says what to do."""
    with pytest.raises(Impossible, match=rf"^/etc/a is a {type_}, not a file; move it away by hand, nothing"):
        _actions(_change({**WANTED, "type": type_}, Verb.UPDATE, "type", "content"))
