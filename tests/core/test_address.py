"""Addresses: what a plan asks of them many thousand times."""

from __future__ import annotations

import pytest

from reconciler.core.address import Address


def test_an_address_is_looked_up_without_a_call_of_python() -> None:
    """Hash, equality and order are a tuple's own: a plan of ten thousand resources asks for three million
    hashes.
    """
    assert (tuple.__hash__, tuple.__eq__, tuple.__lt__) == (Address.__hash__, Address.__eq__, Address.__lt__)


def test_an_address_prints_as_it_is_written() -> None:
    """In an f-string, alone and with its part; its repr has the names of the fields."""
    address = Address("users", "alice", "home")

    assert ("users.alice/home", "users.alice", 'files["/a b"]') == (
        f"{address}",
        str(address.resource),
        str(Address("files", "/a b")),
    )
    assert "Address(kind='users', name='alice', part='home')" == repr(address)
    assert sorted([address, address.resource]) == [address.resource, address]


def test_an_address_does_not_change() -> None:
    """It is a key of every mapping that a plan is made with."""
    with pytest.raises(AttributeError):
        Address("users", "alice").name = "bob"  # type: ignore[misc]  # what is refused


@pytest.mark.parametrize(
    "name",
    ['/srv/a"]  # x.yaml:3 (no change)', "/srv/a  # x.yaml:1", 'a\\"]', "\\", '"', "/srv/a\\b", "\n\\\n"],
)
def test_no_name_ends_its_own_quotes(name: str) -> None:
    """A name with a quote in it stands between its quotes, and is read back as it is."""
    text = str(Address("files", name, "part"))
    inside = text.removeprefix('files["').removesuffix('"]/part')

    assert text == f'files["{inside}"]/part'
    assert '"' not in inside.replace("\\\\", "").replace('\\"', "")
    assert Address("files", name, "part") == Address.parse(text)
