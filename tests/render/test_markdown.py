"""The comment on a pull request: what it says, that it always fits, and that nothing from outside is anything
but text in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.core.address import Address
from reconciler.core.changes import Change, Observed, Origin, Verb
from reconciler.core.plan import Plan
from reconciler.render.markdown_text import code, fenced, host_name, marker
from reconciler.render.plan.markdown import LIMIT, failure_markdown, plan_markdown
from tests.render import plans

OURS = {"<details>", "</details>", "</summary>", "<pre>", "</pre>", "<code>", "</code>"}
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(text: str) -> Iterator[Token]:
    """All tokens of a Markdown text, those inside of paragraphs too."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def shape(text: str) -> list[tuple[str, str, str]]:
    """The structure of a Markdown text: every token, with what is in it only where it must be ours."""
    return [
        (token.type, token.tag, "" if token.type in ("fence", "code_inline", "inline") else token.content)
        for token in tokens(text)
    ]


def fences(text: str) -> list[str]:
    """The contents of the fenced blocks."""
    return [token.content for token in PARSER.parse(text) if token.type == "fence"]


def spoken(text: str) -> str:
    """The text outside code: words, and HTML."""
    return "\n".join(
        token.content
        for token in tokens(text)
        if token.type in ("text", "html_block", "html_inline", "link_open")
    )


# ----------------------------------------------------------------------------------------------- what it says


def test_the_parts_of_a_comment() -> None:
    """Marker, deletions, counts, lists with places, access, restarts with reasons, policy, holds, and the
    diff in column 0.
    """
    said = plan_markdown(
        plans.ALL["update"]() | {"approval_digest": "sha256:" + "b" * 64}, ci="https://ci.example.org/run/7"
    )

    assert said.startswith(
        f"<!-- reconciler plan host=gpu-01 digest=sha256:{'b' * 64} -->\n\n## Plan Result (gpu-01)\n"
    )
    for line in (
        "[CI run](https://ci.example.org/run/7) · basis: live host · no commit",
        "### :warning: Resource Deletion will happen (1 object)",
        "* `services.old` · `hosts/gpu-01.yaml:31`",
        "<pre><code>Plan: 0 to add, 2 to change, 1 to destroy, 1 to forget.</code></pre>",
        "**Update** (2)",
        "* `services.ml-api` · `hosts/gpu-01.yaml:4` (`restart`)",
        "* `restart` `ml-api.service` because `Service.ExecStart changed`",
        "**Policy** pass",
        "* `restart` `ml-training.service` because `/etc/ml-api/config.yaml changed`",
        "-   services.old  # was hosts/gpu-01.yaml:31",
        "!   services.ml-api  # hosts/gpu-01.yaml:4",
        "-          port: 8000",
        "+          port: 8080",
    ):
        assert line in said.split("\n")
    assert said.index("services.old") < said.index("services.ml-api")


def test_drift_is_apart() -> None:
    """Objects that are only put back are in a section of their own; a conflict is not."""
    said = plan_markdown(plans.ALL["drift"]())
    changes, drift = fences(said)

    assert ":information_source: 3 objects changed outside of Git" in said
    assert 'files["/etc/motd"]' in changes
    assert ['directories["/srv/models"]', 'files["/etc/ml-api/config.yaml"]', "services.ml-api"] == [
        name
        for name in ('directories["/srv/models"]', 'files["/etc/ml-api/config.yaml"]', "services.ml-api")
        if name in drift
    ]
    assert 'files["/etc/motd"]' not in drift


def test_nothing_to_do() -> None:
    """An empty plan says so, and has no diff."""
    said = plan_markdown(plans.ALL["nothing"]())

    assert "<pre><code>No changes. Your host matches the configuration.</code></pre>" in said
    assert [] == fences(said)
    assert "<details>" not in said


def test_what_is_blocked_and_unreadable() -> None:
    """A change that will not be done is listed with the reason, and so is an object that could not be read."""
    said = plan_markdown(plans.ALL["trouble"]())

    assert "**Blocked**, will not be done (2)" in said
    assert '* `files["/etc/motd"]` · `hosts/gpu-01.yaml:20`: `it is on the host already and not ours`' in said
    assert '* `files["/root/secret.conf"]`: `permission denied: run plan as root to see it`' in said
    assert "* Run 11 was interrupted; apply will recover it." in said


def test_a_plan_from_a_snapshot_says_how_old_it_is() -> None:
    """And what the snapshot does not have, so that nobody takes it for the host itself."""
    data = plans.ALL["nothing"]() | {"unknown": ["the shell of alice"], "complete": False}
    data["basis"] |= {"kind": "snapshot", "taken": "2026-01-01T00:00:00Z", "age_seconds": 725}
    said = plan_markdown(data)

    assert "basis: snapshot of `2026-01-01T00:00:00Z`, 12 min old · no commit" in said
    assert "* `the snapshot does not have`: `the shell of alice`" in said
    assert "No changes" not in said


def test_a_refused_plan_has_failed() -> None:
    """The title says so, and the policy names the rule."""
    data = plans.ALL["update"]() | {"errored": True}
    data["diagnostics"] = [
        {
            "severity": "error",
            "summary": "too much",
            "detail": "d",
            "address": None,
            "rule": "many-destroyed",
            "refusal": True,
        }
    ]
    said = plan_markdown(data)

    assert "## :x: Plan Failed (gpu-01)" in said
    assert "**Policy** :x: refused by `many-destroyed`" in said


def test_who_gains_access() -> None:
    """One row for each account, losses marked, repairs of drift told."""
    rows = [
        {
            "account": "alice",
            "effect": "gains",
            "what": "group",
            "detail": "docker",
            "address": "users.alice",
        },
        {
            "account": "bob",
            "effect": "loses",
            "what": "ssh key",
            "detail": "SHA256:x bob@home",
            "address": "users.bob",
            "drift": True,
        },
        {"account": "alice", "effect": "gains", "what": "group", "detail": "sudo", "address": "users.alice"},
    ]
    said = plan_markdown(plans.ALL["nothing"]() | {"access": rows})

    assert "* `alice`: **gains** `group docker`, `group sudo`" in said
    assert "* `bob`: **loses** `ssh key SHA256:x bob@home` (put back)" in said


def test_archives_that_go_are_above_the_counts() -> None:
    """Archives that nobody can bring back are listed where deletions are, with their ids; however long the
    list, the comment fits.
    """
    row = {
        "severity": "warning",
        "summary": "4 archives would be deleted",
        "detail": "`x` <b>20260528T202640Z-000000000</b>",
    }
    rows = [{**row, "address": "backups.d", "rule": "archives-go", "refusal": False, "range": None}] * 12
    said = plan_markdown(plans.ALL["update"]() | {"diagnostics": rows})
    heading = said.index("### :warning: Archives will be let go")

    assert heading < said.index("<pre>")
    assert "* `backups.d`: `4 archives would be deleted`. `` `x` <b>20260528T202640Z-000000000</b> ``" in said
    assert "and 4 more" in said
    assert "Archives will be let go" not in plan_markdown(plans.ALL["update"]())


def test_a_context_line_is_no_removal() -> None:
    """A line of a file that begins with a dash, and stays, is not moved to column 0."""
    texts = {plans.CONFIG: ("- a\n- b\n", "- a\n- c\n")}
    (changes,) = fences(plan_markdown(plans.data_of(plans.update(), texts=texts)))

    assert "           - a" in changes.split("\n")
    assert ["-          - b", "+          - c"] == [
        line for line in changes.split("\n") if line.endswith(("- b", "- c"))
    ]


# ---------------------------------------------------------------------------------------------------- it fits


def large(number: int, width: int = 8) -> dict[str, Any]:
    """So many files that are created, and as many accesses gained; a tenth of them also goes, and is put
    back.
    """
    new, gone, back = [], [], []
    for n in range(number):
        address = Address("files", f"/etc/{n:0{width}}")
        part = plans.part(address, plans.file_document(b"x\n"), n + 1, b"x\n")
        new.append(Change(address, Verb.CREATE, Origin.INTENT, (), part))
        if n % 10 == 0:
            gone.append(
                Change(
                    Address("files", f"/gone/{n}"),
                    Verb.DELETE,
                    Origin.REMOVED,
                    (),
                    None,
                    Observed(part.document),
                )
            )
            back.append(
                Change(
                    Address("files", f"/back/{n}"),
                    Verb.CREATE,
                    Origin.DRIFT,
                    (),
                    part,
                    Observed(None),
                    part.document,
                )
            )
    access = [
        {"account": f"u{n}", "effect": "gains", "what": "group", "detail": "sudo", "address": f"users.u{n}"}
        for n in range(number)
    ]
    return plans.data_of(Plan("gpu-01", changes=(*new, *gone, *back)), access=access)


@pytest.mark.slow
@pytest.mark.parametrize("width", [8, 200, 4000])
def test_ten_thousand_changes(width: int) -> None:
    """The comment stays below the limit, is well-formed, keeps the counts, and says
    how many it leaves out.
    """
    data = large(10_000, width)
    said = plan_markdown(data)
    changes = fences(said)[0]
    shown = sum(line.startswith(("+   files", "-   files")) for line in changes.split("\n"))

    assert len(said.encode()) <= LIMIT < 60_001
    assert "<pre><code>Plan: 11000 to add, 0 to change, 1000 to destroy.</code></pre>" in said
    assert "Resource Deletion will happen (1,000 objects)" in said
    assert f"**{11_000 - shown:,} changes are left out above**" in said
    assert (
        said.count("<details>")
        == said.count("</details>")
        == sum("<details>" in content for _, _, content in shape(said))
    )
    assert {"fence", "bullet_list_open"} <= {kind for kind, _, _ in shape(said)}


@pytest.mark.slow
def test_what_fits_is_used() -> None:
    """A comment that is cut is no shorter than it has to be: most of the room is used."""
    assert len(plan_markdown(large(10_000)).encode()) > LIMIT * 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["x" * 5_000_000 + "\n", "line\n" * 15_000, "`" * 100_000 + "\n", "é" * 200_000 + "\n"]
)
def test_one_giant_diff(line: str) -> None:
    """One change of any size, beside a small one: both the limit and the small one are kept."""
    said = plan_markdown(
        plans.data_of(plans.update(), texts={plans.CONFIG: (line, line.replace("x", "y") + "end\n")})
    )

    assert len(said.encode()) <= LIMIT
    assert any("services.ml-api" in block for block in fences(said))
    assert [kind for kind, _, _ in shape(said) if kind == "fence"] == ["fence"]


def test_one_resource_that_does_not_fit_is_left_out_alone() -> None:
    """It is cut between resources: what comes after it is shown."""
    plan = plans.update()
    many = [f"V{n}={'x' * 60}" for n in range(3_000)]
    fields = plans.fields(Origin.INTENT, ("unit.Service.Environment", [], many))
    service = plans.part(plans.API, plans.service_document(Environment=many), 4)
    first = Change(plans.API, Verb.UPDATE, Origin.INTENT, fields, service, Observed(plans.service_document()))
    said = plan_markdown(
        plans.data_of(
            replace(plan, changes=(first, *(one for one in plan.changes if one.address != plans.API)))
        )
    )

    assert "**1 change is left out above**" in said
    assert "/etc/ml-api/config.yaml" in fences(said)[0]
    assert "V1=" not in said


@pytest.mark.slow
def test_many_complaints_and_restarts_fit() -> None:
    """Every list of a plan is long at once: it still fits."""
    data = large(3_000, 300)
    text = "word " * 2_000
    data["diagnostics"] = [
        {
            "severity": severity,
            "summary": text,
            "detail": text,
            "address": None,
            "rule": text,
            "refusal": True,
        }
        for severity in ("error", "warning")
        for _ in range(500)
    ]
    effects = [
        {"kind": "restart", "unit": f"{n}-{text}", "why": text, "disruptive": True, "held": held}
        for n in range(500)
        for held in (0, 1)
    ]
    data["resource_changes"][0]["effects"] = effects
    data["resource_changes"][1]["blocked"] = text
    for entry in data["resource_changes"][2:1000]:
        entry["blocked"] = text
    data["unreadable"] = [{"address": text, "reason": text}] * 500
    data["basis"] |= {"state_damaged": text, "interrupted_run": 5}
    said = plan_markdown(data, ci="https://ci.example.org/" + "x" * 400)

    assert len(said.encode()) <= LIMIT
    assert len(failure_markdown(text, data["diagnostics"]).encode()) <= LIMIT
    assert "<pre><code>Plan: " in said


# -------------------------------------------------------------------------------------------- nothing gets in

NASTY = (
    "<img src=x onerror=alert(1)>",
    "</details></summary></pre><script>alert(1)</script>",
    "-->",
    "--!>",
    "<!--",
    "]]>",
    "@everyone and @octocat",
    "a@b.example.org",
    "#1 GH-1 owner/repo#2",
    "```\n</details>\n```diff",
    "~~~",
    "`",
    "``",
    "`````",
    "x`y``z",
    "[link](javascript:alert(1))",
    "![i](https://evil.example.org/x.png)",
    "https://evil.example.org",
    "www.evil.example.org",
    "<https://evil.example.org>",
    "* item",
    "# heading",
    "| a | b |\n|---|---|",
    "---",
    "&lt;b&gt; &#64;user &commat;user",
    "\\`\\<b>",
    "\u202egnp.exe\u2066",
    "\x1b[2J\x00\x9b\r\n\n",
    " lead and trail ",
    "$\\alpha$ :warning:",
    "\x01+\x01",
    "::error::x",
    "*a* _b_ **c** ~~d~~",
)
TEXTS = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text("`~<>@#*_[]()!|&\\\n \x01+-ab\u202e", max_size=8)),
    min_size=1,
    max_size=5,
).map("".join)
KEPT = {
    "severity",
    "actions",
    "origin",
    "action_reason",
    "phase",
    "effect",
    "action",
    "verb",
    "op",
    "mode",
    "format_version",
    "timestamp",
}
"""Words of ours by which a renderer decides."""


def poisoned(node: Any, text: str, key: str = "") -> Any:
    """The document with this text in the place of every other."""
    if isinstance(node, dict):
        return {name: poisoned(item, text, name) for name, item in node.items()}
    if isinstance(node, list):
        return [poisoned(item, text, key) for item in node]
    if not isinstance(node, str) or key in KEPT or (key == "kind" and node in ("live", "offline")):
        return node
    return text


SAMPLES: dict[str, dict[str, Any]] = {name: json.loads(json.dumps(plans.ALL[name]())) for name in plans.ALL}
for _name, _data in SAMPLES.items():
    _data["access"] = [
        {"account": f"{_name}", "effect": effect, "what": "group", "detail": "x", "address": "users.x"}
        for effect in ("gains", "loses", "changes")
    ]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(text=TEXTS, name=st.sampled_from(sorted(SAMPLES)))
@example("```", "update")
@example("</details>@octocat", "trouble")
def test_text_from_outside_is_never_more_than_text(text: str, name: str) -> None:
    """Whatever the host and the spec say in the place of every text: the comment has the same structure as
    with harmless words.
    """
    said, harmless = (plan_markdown(poisoned(SAMPLES[name], f"q {part} q")) for part in (text, "y z"))

    assert shape(harmless)[1:] == shape(said)[1:]
    assert "@" not in spoken(said)
    assert "evil" not in spoken(said).replace(marker("plan", f"q {text} q", f"q {text} q"), "")


@pytest.mark.parametrize("text", NASTY)
def test_each_nasty_text(text: str) -> None:
    """The same for each by itself, in a failed plan too, and without letters around it."""
    rows = [
        {
            "severity": "error",
            "summary": text,
            "detail": text,
            "address": text,
            "rule": text,
            "refusal": False,
        }
    ]
    said, harmless = failure_markdown(text, rows), failure_markdown("y z", rows)

    assert [kind for kind, _, _ in shape(harmless)] == [kind for kind, _, _ in shape(said)]
    assert not {"link_open", "image", "html_inline"} & {kind for kind, _, _ in shape(said)}
    for data in SAMPLES.values():
        comment = plan_markdown(poisoned(data, text))
        inline = [content for kind, _, content in shape(comment) if kind == "html_inline"]
        blocks = [content for kind, _, content in shape(comment) if kind == "html_block"][1:]
        assert [] == inline
        assert {"<details", "</detail", "<pre><c"} >= {
            content[:8].split(">")[0] if content[1] != "p" else content[:7] for content in blocks
        }
        assert not {"link_open", "image"} & {kind for kind, _, _ in shape(comment)}
        assert "@" not in spoken(comment)


@pytest.mark.parametrize("text", ["plain", *NASTY])
def test_the_hidden_marker_is_one_comment(text: str) -> None:
    """Nothing ends the marker early, and it holds no space beside its own."""
    (found,) = [token for token in PARSER.parse(marker("plan", text, text)) if token.type == "html_block"]

    assert found.content.strip() == marker("plan", text, text)
    assert (1, 1) == (found.content.count("<!--"), found.content.count("-->"))
    assert 6 == len(found.content.split())


@settings(deadline=None)
@given(st.text("` ab\n~<", min_size=1, max_size=40))
def test_code_is_code(text: str) -> None:
    """A code span is one, from its first to its last character; a fence ends where we end it."""
    kinds = [
        token.type
        for token in tokens(f"* {code(text)}")
        if token.type in ("text", "code_inline", "fence", "html_inline")
    ]
    (fence,) = [
        token for token in PARSER.parse("\n".join(fenced(text.split("\n"), "diff"))) if token.type != "inline"
    ]

    assert (["code_inline"] if text.strip(" ") else ["text"]) == kinds
    assert ("fence", text + "\n") == (fence.type, fence.content)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpu-01", True),
        ("a.b.example.org", True),
        ("www.example.org", False),
        ("a b", False),
        ("a_b_", False),
    ],
)
def test_only_plain_names_stand_in_the_heading(name: str, plain: bool) -> None:
    """A host's name that could be anything else stands in code."""
    assert (host_name(name) == name) == plain


def test_the_parser_is_not_blind() -> None:
    """The parser finds the tokens that the tests look for where there are some."""
    found = {
        kind for kind, _, _ in shape("# <b>x</b> @a\n\n![i](x) <https://a.example.org>\n\n<details>\n\n```\n")
    }

    assert {"heading_open", "html_inline", "image", "link_open", "html_block", "fence"} <= found
    assert "@a" in spoken("# <b>x</b> @a")
