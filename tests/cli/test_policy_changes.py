"""Fields that protect: a change of one is shown, counted, approved and recorded, though no file on the host
changes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.core.model.resource import policy_fields
from reconciler.kinds import discover
from tests.cli.command import Tree, run

SERVICE = (
    'services:\n  s: {exec_start: [/usr/bin/true], FIELDS}\nfiles:\n  /etc/a: {content: "a\\n", mode: "0644",'
    " MORE}\n"
)
SECRET = "sensitive: true"
PAIRS: dict[str, tuple[str, str, str]] = {
    "on_change goes": ("on_change: none", "", "may now be restarted by configuration changes"),
    "health goes": (
        "health: {tcp: 'localhost:80'}",
        "",
        "no longer asked after a start whether it is healthy",
    ),
    "health is another": ("health: {tcp: 'localhost:80'}", "health: {tcp: 'localhost:81'}", "localhost:81"),
    "watch goes": ("watch: [/etc/a]", "", "no longer restarted when a file changes that it watched"),
    "watch is added": ("", "watch: [/etc/a]", "`watch`"),
    "drift is ignored": ("", "drift: ignore", "neither told nor put back"),
    "drift is enforced again": ("drift: ignore", "", "put back again"),
    "protection is lifted": ("protect: true", "protect: false", "no longer protected"),
    "protection is added": ("", "protect: true", "protected from now on"),
}


def text(fields: str, more: str = "") -> str:
    """A spec with these fields in its service."""
    return SERVICE.replace(", FIELDS", f", {fields}" if fields else "").replace(
        ", MORE", f", {more}" if more else ""
    )


def document(tree: Tree, spec: Any) -> dict[str, Any]:
    """The plan as data."""
    said: dict[str, Any] = json.loads(tree.plan(spec, "--json").out)
    return said


@pytest.mark.parametrize("name", PAIRS)
def test_a_change_of_policy_is_a_change(name: str, tree: Tree) -> None:
    """It is one change without a step, told before the harmless ones; once applied the plan is empty, in full
    and the short way.
    """
    before, after, words = PAIRS[name]
    assert 0 == run("apply", tree.spec(text(before)), "--root", tree.root, "--auto-approve").code
    spec = tree.spec(text(after))
    planned, data = tree.plan(spec, "--detailed-exitcode"), document(tree, spec)
    comment = tree.plan(spec, "--format", "markdown").out
    applied = run("apply", spec, "--root", tree.root, "--auto-approve")
    again = [
        tree.plan(spec, "--detailed-exitcode").code,
        tree.plan(spec, "--detailed-exitcode", "--verbose").code,
    ]

    assert (2, True) == (planned.code, "Plan: 0 to add, 1 to change, 0 to destroy." in planned.out)
    assert (1, [], True) == (data["summary"]["change"], data["steps"], data["applyable"])
    assert words in comment.partition("### :warning: Protection changes")[2].partition("**Update**")[0]
    assert (0, True) == (applied.code, "1 changed" in applied.out)
    assert [0, 0] == again
    assert [] == document(tree, spec)["recorded"]


def test_it_needs_approval(tree: Tree) -> None:
    """Nobody said yes: nothing is recorded, and the next plan says it again."""
    assert 0 == run("apply", tree.spec(text("on_change: none")), "--root", tree.root, "--auto-approve").code
    spec = tree.spec(text(""))

    assert 3 == run("apply", spec, "--root", tree.root).code
    assert 2 == tree.plan(spec, "--detailed-exitcode").code


@pytest.mark.parametrize(
    ("before", "after", "words"), [("", SECRET, "is a secret"), (SECRET, "", "may be shown")]
)
def test_what_is_secret(before: str, after: str, words: str, tree: Tree) -> None:
    """That a content may be shown from now on is approved, like what takes it back; no view of that plan
    shows it.
    """
    assert 0 == run("apply", tree.spec(text("", before)), "--root", tree.root, "--auto-approve").code
    spec = tree.spec(text("", after))
    planned = tree.plan(spec, "--detailed-exitcode")
    comment = tree.plan(spec, "--format", "markdown").out
    applied = run("apply", spec, "--root", tree.root, "--auto-approve")

    assert (2, 0) == (planned.code, applied.code)
    assert words in comment
    assert 0 == tree.plan(spec, "--detailed-exitcode").code
    assert [] == document(tree, spec)["recorded"]


def test_a_line_that_is_gone_lifts_no_protection(tree: Tree) -> None:
    """`protect` outlives its line: that is no change."""
    assert 0 == run("apply", tree.spec(text("protect: true")), "--root", tree.root, "--auto-approve").code

    assert 0 == tree.plan(tree.spec(text("")), "--detailed-exitcode").code


def test_with_another_change(tree: Tree) -> None:
    """Beside a change of the unit file it is in the same entry, and both are applied."""
    assert 0 == run("apply", tree.spec(text("on_change: none")), "--root", tree.root, "--auto-approve").code
    spec = tree.spec(text("description: other"))
    (entry,) = document(tree, spec)["resource_changes"]
    run("apply", spec, "--root", tree.root, "--auto-approve")

    assert [False, True] == [path.get("policy", False) for path in entry["paths"]]
    assert 0 == tree.plan(spec, "--detailed-exitcode").code


def test_every_kind_has_it() -> None:
    """A kind inherits the fields that all have, and its model marks its own."""
    found = {name: policy_fields(kind.model) for name, kind in discover().items()}

    assert all("drift" in fields for fields in found.values())
    assert {"drift", "watch", "on_change", "health"} == found["services"]
