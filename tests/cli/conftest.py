"""Trees for the tests of the command."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
import typer.main

import reconciler.cli.main
import reconciler.spec.load
from reconciler.host.tree import TreeHost
from reconciler.kinds import discover
from reconciler.spec.model import host_model
from tests.cli.command import OPENED, Tree, make_tree


@pytest.fixture(scope="package", autouse=True)
def _made_once() -> Iterator[None]:
    """The command line's parser and the spec's model, which every process makes once, are made once here; the
    hosts that stay open are known.
    """
    model, make, command_line = host_model(discover()), TreeHost.__init__, reconciler.cli.main.command_line

    made = cache(command_line)

    def remembered(host: TreeHost, root: str, state: str) -> None:
        make(host, root, state)
        OPENED.append(host)

    with (
        mock.patch.object(TreeHost, "__init__", remembered),
        mock.patch.object(reconciler.spec.load, "host_model", return_value=model),
        mock.patch.object(reconciler.cli.main, "command_line", lambda names: made(tuple(names))),
        mock.patch.object(typer.main, "get_command", cache(typer.main.get_command)),
    ):
        yield


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A tree of one's own."""
    return make_tree(tmp_path)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """One tree for all tests of a module that must not change it."""
    return make_tree(tmp_path_factory.mktemp("untouched"))
