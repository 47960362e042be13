"""Faults of accounts."""

from tests.audit.planted import Fault

PLANTED = {
    "uid-0": Fault("useradd --non-unique --uid 0 toor", "toor"),
}
