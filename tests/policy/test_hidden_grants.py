"""Ways to hide a grant of root in a spec: the first line of text, JSON and Markdown names the person for
each, or the plan is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from reconciler.app.plan.options import PlanOptions
from reconciler.app.plan.planned import Planned
from reconciler.cli.shared.output import plan_data
from reconciler.core.diagnostic import errors
from reconciler.render.plan.markdown import plan_markdown
from reconciler.render.plan.text import plan_text
from tests import worlds
from tests.case import Case, Expected, Host
from tests.policy.test_lockout import DEBIAN
from tests.policy.test_root_access import told
from tests.worlds import prepared

Row = Mapping[str, Any]
PEOPLE = ("alice", "eve", "mallory")
_NUMBERS = {name: 1000 + at for at, name in enumerate(PEOPLE)}
_GROUPS = {"sudo": (27, ""), "docker": (998, ""), "disk": (6, ""), "dev": (2000, "eve")}
ACCOUNTS = {
    "/etc/passwd": "".join(
        (
            "root:x:0:0:root:/root:/bin/bash\n",
            *(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/bash\n" for name, uid in _NUMBERS.items()),
            "nobody:x:65534:65534::/:/usr/sbin/nologin\n",
        )
    ),
    "/etc/group": "".join(
        (
            "root:x:0:\n",
            *(f"{name}:x:{gid}:\n" for name, gid in _NUMBERS.items()),
            *(f"{name}:x:{gid}:{members}\n" for name, (gid, members) in _GROUPS.items()),
            "nogroup:x:65534:\n",
        )
    ),
    "/etc/gshadow": "".join(f"{name}:!::\n" for name in ("root", *_NUMBERS, *_GROUPS, "nogroup")),
    "/etc/shadow": "".join(
        f"{name}:{'*' if name == 'root' else '$6$x$y'}:19000:0:99999:7:::\n"
        for name in ("root", *PEOPLE, "nobody")
    ),
}
HOST: Mapping[str, Mapping[str, str]] = {
    **{path: dict(entry) for path, entry in DEBIAN.items()},
    **{f"/home/{name}": {"owner": name, "group": name, "mode": "0755"} for name in PEOPLE},
    **{
        path: {}
        for path in (
            "/etc/cron.d",
            "/etc/cron.daily",
            "/var/spool/cron/crontabs",
            "/etc/ld.so.conf.d",
            "/var/backups/data",
        )
    },
    **{
        path: {}
        for path in (
            "/etc/apt/apt.conf.d",
            "/etc/dpkg/dpkg.cfg.d",
            "/etc/sysusers.d",
            "/etc/tmpfiles.d",
            "/etc/security",
        )
    },
    **{
        path: {}
        for path in (
            "/etc/udev/rules.d",
            "/etc/modprobe.d",
            "/etc/sysctl.d",
            "/etc/polkit-1/rules.d",
            "/etc/docker",
        )
    },
    **{
        path: {}
        for path in (
            "/etc/update-motd.d",
            "/etc/systemd/system-generators",
            "/root/.ssh",
            "/srv/app",
            "/srv/dev",
            "/usr/local/sbin",
        )
    },
    "/tmp": {"mode": "1777"},
}


@cache
def rows(name: str = "hidden_grants.yaml") -> tuple[Row, ...]:
    """The specs, as they stand in the file."""
    return tuple(YAML(typ="safe").load(Path(__file__).with_name(name).read_text()))


def planned(row: Row, place: Path) -> Planned:
    """The plan for a spec on a simulated Debian."""
    paths = {
        path: {"content": entry} if isinstance(entry, str) else entry
        for path, entry in row.get("host", {}).items()
    }
    nothing = Expected()
    case = Case(
        "hidden", "", row["spec"], nothing, nothing, Host(paths={**HOST, **paths}), row.get("applied")
    )
    return prepared(worlds.simulated(place, ACCOUNTS), case).plan(case.loaded(), PlanOptions(adopt=True))


def test_there_are_enough() -> None:
    """Sixty at least, and no name twice."""
    names = [row["name"] for row in rows()]

    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_a_hidden_grant_of_root_is_the_first_thing_that_is_told(row: Row, tmp_path: Path) -> None:
    """The person who becomes root stands in the first line of text and Markdown and in the first row of JSON,
    with the way to it.
    """
    plan = planned(row, tmp_path)
    assert plan.refused is row.get("refused", False)
    if plan.refused:
        refusal = " ".join(f"{problem.summary} {problem.detail}" for problem in errors(plan.diagnostics))
        assert row["path"] in refusal
        assert row["who"] in refusal
        return
    assert [] == [f"{problem.summary}: {problem.detail}" for problem in errors(plan.diagnostics)]
    text, markdown, access = told(plan)

    who = row["who"]
    if row.get("becomes"):
        _is_told_below(row, plan)
        return
    assert access, text
    assert ("gains", "root") == (access[0]["effect"], access[0]["what"])
    assert who == (access[0]["account"] or "everybody")
    said = r"may become" if row.get("may") else r"becomes?"
    for line in (text, markdown):
        assert (
            re.search(rf"{access[0].get('holder', who)}\b.* {said} root \(", line)
            or access[0].get("holder", "\n") in line
        ), line
        assert row["path"] in line


def _is_told_below(row: Row, plan: Planned) -> None:
    """Who becomes a person that is not root stands in Access, with the way to it, and not above the plan."""
    who, person, data = row["who"], row["becomes"], plan_data(plan)
    text, markdown = " ".join(plan_text(data).split()), plan_markdown(data)
    gained = [entry for entry in data["access"] if entry["what"] == "person"]
    assert [(who, person)] == [(entry["account"] or "everybody", entry["person"]) for entry in gained]
    assert row["path"] in gained[0]["detail"]
    assert "root" not in {entry["what"] for entry in data["access"]}
    assert f"becomes {person} (" in text.partition("Access:")[2]
    assert "**becomes** " in markdown
    for first in (text.partition("Plan for")[0], markdown.partition("## ")[0]):
        assert "become" not in first
    assert "no account gains or loses" not in markdown


@pytest.mark.parametrize("row", rows("harmless_specs.yaml"), ids=lambda row: row["name"])
def test_what_only_looks_like_a_grant_of_root_is_not_told_as_one(row: Row, tmp_path: Path) -> None:
    """A reviewer who is alarmed for nothing reads no alarm: what an ordinary administrator writes makes
    nobody root.
    """
    plan = planned(row, tmp_path)
    assert [] == [f"{problem.summary}: {problem.detail}" for problem in errors(plan.diagnostics)]
    text, markdown, access = told(plan)

    assert [] == [entry for entry in access if entry["what"] in ("root", "person")]
    assert "become" not in text + markdown
