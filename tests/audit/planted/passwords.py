"""Faults of passwords."""

from tests.audit.planted import Fault

PLANTED = {
    "password-empty": Fault("useradd guest; passwd --delete guest", "guest"),
}
