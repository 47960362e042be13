"""The places that lie in a directory, whatever the spelling of its path."""

from __future__ import annotations

import pytest

from reconciler.policy.root_reach.places import PLACES, places_below

ABOVE = sorted(
    {"/".join(steps[:n]) or "/" for steps in (place.path.split("/") for place in PLACES) for n in range(1, 9)}
)


@pytest.mark.parametrize("directory", [*ABOVE, "/etc/", "/lib", "/bin", "/srv", "/home/alice"])
def test_each_place_in_a_directory_is_found(directory: str) -> None:
    """Each place below a directory is found there, and none elsewhere; links of a merged /usr stand for it."""
    whole = {"/lib": "/usr/lib", "/bin": "/usr/bin"}.get(directory, directory).rstrip("/")

    assert [place for place in PLACES if place.path.startswith(f"{whole}/")] == list(places_below(directory))
