"""The text of a plan that people see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.actions import Unit, UnitVerb
from reconciler.core.basics.digest import digest
from reconciler.core.changes import Change, Observed, Origin, Verb
from reconciler.core.host import UnitRelation
from reconciler.core.plan import Plan
from reconciler.core.state import Memory, OwedRow
from reconciler.core.steps import Cause, Step
from reconciler.engine.units import own_unit_guard
from reconciler.render.plan.drift_text import drift_text
from reconciler.render.plan.settled import is_settled, settled_text
from reconciler.render.plan.text import final_line, plan_text
from reconciler.render.plan.text_diff import unified
from reconciler.render.plan.values import dotted, element_changes, pair, scalar
from reconciler.render.terminal import visible
from tests.render import plans

Golden = Callable[[str, str], None]

_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00a0\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_COLOUR = re.compile(r"\x1b\[(?:1|2|3[1-6]|0)m")


@pytest.mark.parametrize("name", plans.ALL)
def test_plan_reads_as_stored(name: str, golden: Golden) -> None:
    """Every kind of difference reads as in its golden file."""
    text = plan_text(plans.ALL[name]())

    golden(f"plan-{name}", text)


@pytest.mark.parametrize("name", plans.ALL)
@pytest.mark.parametrize("colour", [False, True])
def test_a_settled_plan_is_one_line(name: str, colour: bool) -> None:  # a parameter of the test
    """A plan counts as settled only if its text in full is the one line, whatever part of another plan it is
    given.
    """
    nothing, other = plans.ALL["nothing"](), plans.ALL[name]()
    one_line = settled_text(colour=colour)

    assert is_settled(nothing)
    for part in other:
        data = {**nothing, part: other[part]}
        assert not is_settled(data) or plan_text(data, colour=colour, verbose=True) == one_line, part


_MORE = {
    "access": [{}],
    "applyable": True,
    "basis": {"kind": "snapshot"},
    "complete": False,
    "errored": True,
    "exposure": [{}],
    "holds": [{}],
    "partial": {"targets": ["files"], "excludes": []},
    "recorded": ["files.a"],
    "schedule": [{}],
    "unknown": ["units"],
}
"""Values that make a plan with nothing to do another one, by the part of its document."""


@pytest.mark.parametrize("part", _MORE)
def test_a_plan_that_has_more_to_tell_is_not_settled(part: str) -> None:
    """A hold, a snapshot, a choice of resources: with each of them the text of a plan is not one line."""
    assert not is_settled({**plans.ALL["nothing"](), part: _MORE[part]})


@pytest.mark.parametrize("note", ["interrupted_run", "state_damaged"])
def test_a_plan_from_a_bad_state_is_not_settled(note: str) -> None:
    """A killed run and a damaged state are told although nothing is to be done."""
    nothing = plans.ALL["nothing"]()

    assert not is_settled({**nothing, "basis": {**nothing["basis"], note: "x"}})


@pytest.mark.parametrize("name", ["update", "secret", "create"])
def test_verbose_plan_reads_as_stored(name: str, golden: Golden) -> None:
    """In full, a plan also has whole digests, what removals hold and the steps in order."""
    golden(f"plan-{name}-verbose", plan_text(plans.ALL[name](), verbose=True))


@pytest.mark.parametrize("name", ["update", "drift", "nothing"])
def test_drift_reads_as_stored(name: str, golden: Golden) -> None:
    """The drift view has only what changed outside of the spec."""
    golden(f"drift-{name}", drift_text(plans.ALL[name]()))


@pytest.mark.parametrize("name", ["update", "drift", "trouble"])
def test_coloured_plan_reads_as_stored(name: str, golden: Golden) -> None:
    """Colours are as in the golden file; ESC is stored as its picture."""
    golden(f"plan-{name}-colour", plan_text(plans.ALL[name](), colour=True).replace("\x1b", "\u241b"))


@pytest.mark.parametrize("name", plans.ALL)
def test_colour_changes_only_the_colour(name: str) -> None:
    """Without its colour codes the coloured text is the plain one."""
    data = plans.ALL[name]()

    assert plan_text(data) == _COLOUR.sub("", plan_text(data, colour=True))


@pytest.mark.parametrize("name", plans.ALL)
def test_saved_plan_reads_like_a_fresh_one(name: str) -> None:
    """The text comes from the JSON form alone, so a document that went through a file reads the same."""
    data = plans.ALL[name]()

    assert plan_text(data) == plan_text(json.loads(json.dumps(data)))


@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_from_outside_acts_on_the_terminal(verbose: bool) -> None:  # a parameter of the test
    """Control characters, escapes, bidirectional and unseen characters of names, values, files and messages
    are spelled out.
    """
    data = plans.ALL["hostile"]()
    text = plan_text(data, verbose=verbose) + drift_text(data, verbose=verbose)

    assert _UNSAFE.search(json.dumps(data, ensure_ascii=False)), (
        "the plan is not hostile, the test would prove nothing"
    )
    assert _UNSAFE.findall(text) == []
    assert "\\x1b[2J" in text
    assert "\\u202e" in text


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    """Whatever goes in, nothing unprintable comes out, and printable ASCII stays as it is."""
    shown = visible(text)

    assert shown.isprintable()
    assert text == shown or not (text.isascii() and text.isprintable())


@pytest.mark.parametrize("secret", ["hunter2", "old-secret", digest(plans.SECRET), digest(b"old-secret")])
def test_secrets_are_nowhere(secret: str) -> None:
    """Neither content nor plain digest of a sensitive part is in the document or in the text."""
    data = plans.ALL["secret"]()

    assert secret not in json.dumps(data)
    assert secret[:19] not in plan_text(data, verbose=True)


def test_change_of_a_secret_is_told() -> None:
    """That a sensitive value changes is said, with its access changes."""
    text = plan_text(plans.ALL["secret"]())

    assert "content: (sensitive value), changes" in text
    assert "mode:    0600 -> 0640" in text


def test_counts_name_imports_and_forgotten_only_when_there_are_some() -> None:
    """The final line is Terraform's, word by word."""
    data = plans.ALL["nothing"]() | {"applyable": True}
    told = data["summary"]

    assert final_line(data) == "Plan: 0 to add, 0 to change, 0 to destroy."
    full = data | {"summary": told | {"import": 1, "add": 2, "change": 3, "destroy": 4, "forget": 5}}
    assert final_line(full) == "Plan: 1 to import, 2 to add, 3 to change, 4 to destroy, 5 to forget."


def test_incomplete_plan_never_says_no_changes() -> None:
    """A plan that could not read everything never says that there are no changes: the rest may differ."""
    data = plans.data_of(Plan("h", memory=Memory(unreadable="permission denied")))

    assert plan_text(data).endswith("\nNothing to do in what could be read; the plan is incomplete.\n")


def test_broken_plan_never_says_no_changes() -> None:
    """With an error nothing is known about the host."""
    data = plans.ALL["nothing"]() | {"errored": True}

    assert "No changes" not in plan_text(data)


def test_reported_drift_never_says_no_changes() -> None:
    """Drift that is only reported leaves the host different from the spec."""
    plan = plans.drift()
    data = plans.data_of(replace(plan, changes=plan.changes[1:2], steps=()))

    assert not data["applyable"]
    assert plan_text(data).endswith("Plan: 0 to add, 0 to change, 0 to destroy.\n")


def test_held_effect_alone_is_no_change_but_is_shown() -> None:
    """A restart that only a person may do is told in every plan."""
    step = plans.unit_step(UnitVerb.RESTART, (plans.TRAINING, "Service.Nice changed", "t.service"), held=True)
    row = OwedRow("restart", "t.service", plans.TRAINING, "Service.Nice changed", held=True, run=3)
    text = plan_text(plans.data_of(Plan("h", steps=(step,), owed=(row,))))

    assert text.count("> owed: restart t.service (on_change forbids it): runs with older configuration") == 1
    assert text.endswith("\nNo changes. Your host matches the configuration.\n")
    kept = own_unit_guard.WORDS[UnitRelation.PART]
    other = Step(
        Unit(UnitVerb.RESTART, ("t.service",)),
        (Cause(plans.TRAINING, "Service.Nice changed", "t.service", kept=kept),),
        held=True,
    )
    text = plan_text(plans.data_of(Plan("h", steps=(other,))))

    assert "> owed: restart t.service: runs with older configuration" in text

    # The same when an earlier run has left it: on_change has nothing to do with it.
    left = plan_text(plans.data_of(Plan("h", steps=(other,), owed=(row,))))

    assert "on_change forbids it" not in left
    assert f"because Service.Nice changed; {kept} (since run 3)" in " ".join(left.split())
    assert "this run is a part of it" in text


def test_owed_effect_is_told_once() -> None:
    """An effect left due by an earlier run is a plan of its own, in one place."""
    step = plans.unit_step(UnitVerb.RESTART, (plans.API, "Service.ExecStart changed", "a.service"))
    row = OwedRow("restart", "a.service", plans.API, "Service.ExecStart changed", run=3)
    text = plan_text(plans.data_of(Plan("h", steps=(step,), owed=(row,))))

    assert text.count("restart a.service") == 1
    assert "No changes" not in text


def test_effect_on_an_unchanged_service_is_shown() -> None:
    """A service that restarts because a watched file changed has a block though it does not change itself."""
    text = plan_text(plans.ALL["update"]())

    assert "    services.ml-training\n      > owed: restart ml-training.service" in text


def test_removal_of_a_field_is_shown_as_one() -> None:
    """A directive that goes away reads as unset."""
    change = Change(
        plans.API,
        Verb.UPDATE,
        Origin.INTENT,
        plans.fields(Origin.INTENT, ("unit.Service.Nice", "5", None)),
        plans.part(plans.API, {"unit": {"Service": {}}}, 1),
        Observed({"unit": {"Service": {"Nice": "5"}}}),
    )
    text = plan_text(plans.data_of(Plan("h", changes=(change,))))

    assert "      - Service.Nice: 5 -> (unset)\n" in text


def test_long_file_is_cut_and_says_so() -> None:
    """No more than a hundred lines of a file, unless all are asked for."""
    content = "".join(f"line {number}\n" for number in range(150))
    data = plans.data_of(plans.create(), texts={plans.CONFIG: (None, content)})

    assert "(50 more lines; --verbose shows all)" in plan_text(data)
    assert "line 149" not in plan_text(data)
    assert "line 149" in plan_text(data, verbose=True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "(unset)"),
        (True, "true"),
        (8, "8"),
        ("0644", "0644"),
        ("", '""'),
        (" a", '" a"'),
        ("(unset)", '"(unset)"'),
        ("a -> b", '"a -> b"'),
        ("a\x1bb\\", '"a\\u001bb\\\\"'),
        (["a", "b"], "[a, b]"),
        (["a, b"], '["a, b"]'),
        ("sha256:" + "a" * 64, "sha256:" + "a" * 12),
    ],
)
def test_values_cannot_be_misread(value: object, shown: str) -> None:
    """Text is quoted only where it could be taken for something else."""
    assert shown == scalar(value)


def test_values_that_look_alike_are_told_apart() -> None:
    """A number and the same digits as text, or digests with one beginning, do not read as equal."""
    assert pair("8", 8) == ('"8"', "8")
    alike = ["sha256:" + "a" * 63 + end for end in "bc"]
    assert alike[0] in pair(*alike)[0]


def test_path_keys_that_are_no_words_are_quoted() -> None:
    """Keys with dots cannot be mistaken for a path."""
    assert dotted(["a", "b.c", "d"]) == 'a["b.c"].d'


def test_list_elements_are_compared_in_order() -> None:
    """Duplicates and moves are seen, equal elements are counted."""
    assert element_changes(["b", "a", "b"], ["b", "c", "b"]) == ([("-", "a"), ("+", "c")], 2)
    assert element_changes(["a", "b"], ["b", "a"])[0] != []


def test_diff_shows_a_missing_line_end_and_foreign_separators() -> None:
    """A missing final line end is said; only a line feed ends a line."""
    diff = unified("a\nb", "a\nb\u2028c\n")

    assert diff == ["@@ -1,2 +1,2 @@", " a", "-b", "\\ No newline at end of file", "+b\u2028c"]


def test_huge_files_get_no_diff() -> None:
    """Above the bound only digest and size are shown, rather than waiting for minutes."""
    assert None is unified("a\n" * 15_000, "b\n" * 15_000)


def test_drift_view_leaves_out_what_was_intended() -> None:
    """Differences that come from the spec are no drift, and neither is a diff that belongs to them."""
    config = plans.fields(Origin.INTENT, ("content", digest(b"a"), digest(b"b")))
    mode = plans.fields(Origin.DRIFT, ("mode", "0666", "0644"))
    before, after = plans.file_document(b"a", "0666"), plans.part(plans.CONFIG, plans.file_document(b"b"), 1)
    change = Change(plans.CONFIG, Verb.UPDATE, Origin.INTENT, config + mode, after, Observed(before))
    data = plans.data_of(Plan("h", changes=(change,)), texts={plans.CONFIG: ("a", "b")})

    assert "+b" in plan_text(data)
    assert "+b" not in drift_text(data)
    assert "! mode: 0666 -> 0644" in drift_text(data)


def test_many_removals_do_not_take_forever() -> None:
    """Steps are found by address, not by search: twice as many take about twice as many looks."""
    looks = [_looks(number) for number in (200, 400)]

    assert looks[1] < 3 * looks[0]


def _looks(number: int) -> int:
    """How many function calls rendering so many removals takes."""
    import cProfile
    import pstats

    data = plans.ALL["update"]()
    gone = next(entry for entry in data["resource_changes"] if entry["address"] == str(plans.OLD))
    step = next(step for step in data["steps"] if step["action"] == "RemovePath")
    data["resource_changes"] = [dict(gone, address=f"services.s{index}") for index in range(number)]
    data["steps"] = [
        dict(step, causes=[{"address": f"services.s{index}", "why": "", "unit": ""}])
        for index in range(number)
    ]
    profile = cProfile.Profile()
    profile.runcall(plan_text, data)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # documented, missing from the stubs


def test_access_is_one_paragraph() -> None:
    """Who gains and loses what stands together before the counts, wrapped; nobody's is not mentioned."""
    rows = [
        {"account": "alice", "effect": "gains", "what": "group", "detail": "sudo", "address": "users.alice"},
        {
            "account": "bob",
            "effect": "loses",
            "what": "account",
            "detail": "disabled",
            "address": "users.bob",
        },
        {
            "account": "",
            "effect": "changes",
            "what": "file",
            "detail": "root reads x, which is\x1b[2J created",
            "address": "x",
            "drift": True,
        },
        {
            "account": "alice",
            "effect": "loses",
            "what": "ssh key",
            "detail": "SHA256:x alice@laptop",
            "address": "users.alice",
        },
    ]
    said = plan_text(plans.ALL["update"]() | {"access": rows})

    assert (
        "\n\nAccess: alice gains group sudo; loses ssh key SHA256:x alice@laptop. bob loses account"
        " disabled.\n  root reads x, which is\\x1b[2J created (put back).\n\n" in said
    )
    assert "Access" not in plan_text(plans.ALL["update"]())


def test_who_may_become_root_stands_behind_who_does() -> None:
    """A way that hangs on what is not known is told with `may`; whoever has a sure
    way as well becomes root.
    """
    ways = (("eve", "x", True), ("alice", "y", True), ("alice", "z", False), ("mallory", "x", True))
    rows = [
        {"account": who, "effect": "gains", "what": "root", "detail": by, "address": ""}
        | ({"likely": True} if likely else {})
        for who, by, likely in ways
    ]
    said = plan_text(plans.ALL["update"]() | {"access": rows})

    assert said.startswith("alice becomes root (y; z).\neve and mallory may become root (x).\n\n")
