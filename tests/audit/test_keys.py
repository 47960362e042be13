"""Keys that the spec declares are told by their fingerprint, wherever it declares them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.audit.intent import Intent
from reconciler.formats.ssh import authorized_keys

_ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx0rTbKQAZBFqyvLvpbyNhvzHhSGGFoiI1IFIbsbZf6"


@pytest.mark.parametrize(
    "resources",
    [
        {"ssh_keys": {"ann": SimpleNamespace(keys=[_ONE], exactly=None)}},
        {"ssh_keys": {"ann": SimpleNamespace(keys=None, exactly=[SimpleNamespace(key=_ONE)])}},
        {"users": {"ann": SimpleNamespace(ssh_keys=[_ONE])}},
        {"users": {"ann": SimpleNamespace(ssh_keys=SimpleNamespace(exactly=[_ONE]))}},
    ],
)
def test_a_declared_key_is_known_by_its_fingerprint(resources: dict[str, Any]) -> None:
    """Under ssh_keys and under users, as a line and as a block, as a list and as `exactly`."""
    key = authorized_keys.parse(_ONE)

    assert Intent(resources).fingerprints("ann") == {key.fingerprint}
    assert Intent(resources).fingerprints("bob") == frozenset()


def test_nothing_declared_is_no_key() -> None:
    """A user without keys, and no spec at all, declare none."""
    assert Intent().fingerprints("ann") == frozenset()
    keyless: dict[str, Any] = {"users": {"ann": SimpleNamespace(ssh_keys=None)}}
    assert Intent(keyless).fingerprints("ann") == frozenset()
