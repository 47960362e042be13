"""Homes as the audit reads them: a link of root's at the top is followed, and nothing below."""

from __future__ import annotations

import json

from reconciler.app.audit.snapshot import recorded
from reconciler.core.host import Entry, FileType, UnsafePath
from reconciler.formats.audit.people.accounts import parse_homes
from reconciler.host.audit.answers import HostAnswers
from reconciler.host.simulation.host import EmptyView
from reconciler.host.snapshot.recorder import Recorder


class _Linked(EmptyView):
    """A host whose /home leads elsewhere, with a link in the way of the home of eve."""

    def entry(self, path: str) -> Entry | None:
        if path == "/home":
            return Entry(FileType.LINK, "0777", "root", "root", target="/data/home")
        if path.startswith("/data/home/eve"):
            raise UnsafePath("a link is in the way", path)
        known = {
            **dict.fromkeys(("/", "/data", "/data/home"), "0755"),
            "/data/home/ann": "0700",
            "/data/home/ann/.netrc": "0644",
        }
        kind = FileType.FILE if path.endswith("rc") else FileType.DIRECTORY
        return Entry(kind, known[path], "ann", "ann") if path in known else None

    def read(self, path: str) -> bytes:
        return b"ann:x:1000:1000::/home/ann:/bin/sh\neve:x:1001:1001::/home/eve:/bin/sh\n"


def test_homes_behind_a_link_of_root_are_known() -> None:
    """/home that leads to /data/home is followed; a link below it makes the home unknown, and no error."""
    homes = parse_homes(HostAnswers(_Linked(running=True)).answer("homes"))

    assert homes["ann"].entry is not None
    assert homes["ann"].entry.mode == 0o700
    assert homes["ann"].files[".netrc"].mode == 0o644
    assert homes["eve"].unknown


def test_a_home_that_is_not_there_is_no_unknown_one() -> None:
    """Nothing at the path is a fact."""
    (home,) = parse_homes(json.dumps({"ann": {"home": None}})).values()

    assert home.entry is None
    assert not home.unknown


def test_a_snapshot_has_the_answer_about_homes_and_not_each_path_behind_it() -> None:
    """Dozens of paths for each account would fill a snapshot, and a plan from it asks for none of them."""
    recorder = Recorder(_Linked(running=True))
    answers = recorded(recorder, "2026-11-30T00:00:00Z")

    assert "homes" in answers
    assert not [path for path in recorder.paths if path.endswith((".netrc", ".bashrc"))]
