"""The fields of a resource that are paths are told by its model, which does not change while a command runs."""

from __future__ import annotations

from unittest.mock import patch

from reconciler.core.model import places
from reconciler.kinds.users.model import User


def test_a_model_is_read_once_for_all_its_resources() -> None:
    """A thousand users ask what they hand on; the types of the fields are taken
    apart for the first at most.
    """
    list(places.handed_on(User()))
    with patch.object(places, "_below", side_effect=AssertionError("asked again")):
        assert [] == [path for _ in range(1_000) for path in places.handed_on(User())]
