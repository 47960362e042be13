"""The first apply of a host plans once, and again only if that plan may be another one by now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from reconciler.app import apply as applying
from reconciler.engine import planner
from tests.cli.command import run

SPEC = 'version: 1\nhost: gpu-01\nfiles:\n  /etc/x: {content: "1", mode: "0644"}\n'
SECRET = 'version: 1\nhost: gpu-01\nfiles:\n  /etc/x: {content: "1", mode: "0600", sensitive: true}\n'


@pytest.fixture
def plans() -> Iterator[mock.Mock]:
    """A count of the plans that are made."""
    with mock.patch.object(planner, "make_plan", wraps=planner.make_plan) as counted:
        yield counted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty tree."""
    (tmp_path / "root/etc").mkdir(parents=True)
    return tmp_path / "root"


def apply(place: Path, spec: str) -> str:
    """Apply without a question."""
    (place.parent / "host.yaml").write_text(spec)
    done = run("apply", place.parent / "host.yaml", "--root", place, "--auto-approve")

    assert 0 == done.code, done.said
    return done.said


def test_a_first_apply_plans_once(root: Path, plans: mock.Mock) -> None:
    """The plan made before the lock is the one that is applied, and the next plan is empty."""
    apply(root, SPEC)
    count = plans.call_count

    assert 1 == count
    assert "No changes" in apply(root, SPEC)


def test_a_secret_is_planned_again_with_the_key_of_the_host(root: Path, plans: mock.Mock) -> None:
    """Digests of secrets are made with a key that the first apply makes: what the ledger has must be made
    with that one.
    """
    apply(root, SECRET)
    count = plans.call_count

    assert 2 == count
    assert "No changes" in apply(root, SECRET)


def test_another_apply_meanwhile_is_not_overlooked(root: Path, plans: mock.Mock) -> None:
    """If another apply was the first when the lock is had, its ledger counts: what
    it made is not made again.
    """
    locked, other = applying._locked, SPEC.replace("/etc/x", "/etc/y")

    def late(*args: object) -> object:
        with mock.patch.object(applying, "_locked", locked):
            apply(root, SPEC)
        (root.parent / "host.yaml").write_text(other)
        return locked(*args)  # type: ignore[arg-type]  # passed through

    (root.parent / "other.yaml").write_text(other)
    with mock.patch.object(applying, "_locked", late):
        done = run("apply", root.parent / "other.yaml", "--root", root, "--auto-approve")

    assert 0 == done.code, done.said
    assert 3 == plans.call_count
    assert not (root / "etc/x").exists()
    assert (root / "etc/y").exists()
