"""Random mixes of people who come, change and leave on a real Debian: plan, journal and account files agree.

Judged by getent and id.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.booted.booted import BootedHost
from tests.breaking import FULL
from tests.people_mixes import ACCOUNT_FILES, ALLOWED, GROUPS, people

pytestmark = pytest.mark.booted

SPEC = "/root/host.yaml"
OPTIONS = tuple(word for rule in ALLOWED for word in ("--allow", rule))
FURNISH = """
for name in $(getent passwd | awk -F: '$3 >= 1000 && $3 < 60000 { print $1 }'); do
  mkdir -p /var/lib/systemd/linger && touch "/var/lib/systemd/linger/$name"
  echo "0 0 1 1 * true" | crontab -u "$name" -
done
"""
SPOOLS = ("/var/lib/systemd/linger", "/var/spool/cron/crontabs")


def _write(host: BootedHost, spec: dict[str, Any]) -> None:
    host.write(SPEC, json.dumps({"version": 1, "host": "testhost", **spec}))


def _apply(host: BootedHost) -> None:
    done = host.reconciler("apply", SPEC, "--auto-approve", *OPTIONS, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr


def _lines(host: BootedHost) -> dict[str, list[str]]:
    """The account files, and what lingers and has a crontab."""
    lists = {path: host.run("ls", path, check=False).stdout.split() for path in SPOOLS}
    return {**{path: host.read(path).splitlines() for path in ACCOUNT_FILES}, **lists}


def _members(host: BootedHost) -> dict[str, str]:
    """The answer of `id` for every account that is not shut out."""
    names = [row.split(":")[0] for row in host.read("/etc/shadow").splitlines() if row.split(":")[7] != "1"]
    return {name: " ".join(sorted(host.run("id", name).stdout.replace(",", " ").split())) for name in names}


def _words(steps: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("action", "op", "name", "path", "verb")
    return [tuple(step.get(key) for key in keys) for step in steps]


def _named(steps: list[dict[str, Any]]) -> set[str]:
    """Whom the steps name, and the groups that may have them as members."""
    names = {str(step["name"]) for step in steps if "name" in step}
    return (
        names
        | {step["path"].rpartition("/")[2] for step in steps if "path" in step}
        | ({*GROUPS} if names else set())
    )


@pytest.mark.parametrize("seed", range(1000, 1010 if FULL else 1004))
def test_what_a_plan_shows_is_what_an_apply_does(seed: int) -> None:
    """The journal has the plan's steps, in its order; nobody else's line changes; a rollback gives everybody
    their groups back.
    """
    draw = Random(seed)  # noqa: S311  # a mix that can be drawn again
    first, second = people(draw), people(draw)
    with BootedHost() as host:
        _write(host, first)
        _apply(host)
        host.run("sh", "-c", FURNISH)
        _write(host, second)
        before, members = _lines(host), _members(host)
        planned = json.loads(host.reconciler("plan", SPEC, "--json", *OPTIONS, check=False).stdout)
        _apply(host)
        ran = json.loads(host.reconciler("show", "2", "--json").stdout)
        after = _lines(host)

        assert _words(planned["steps"]) == _words([step["action"] for step in ran["steps"]])
        assert {"done"} == {step["state"] for step in ran["steps"]}
        changed = {line.split(":")[0] for path in before for line in {*before[path]} ^ {*after[path]}}
        assert changed <= _named(planned["steps"]), "nobody else's line"
        assert "No changes" in host.reconciler("plan", SPEC, *OPTIONS).stdout
        assert "" == host.run("grpck", "-r", check=False).stderr
        done = host.reconciler("rollback", "--auto-approve", check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
        assert members == _members(host)
