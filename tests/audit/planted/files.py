"""Faults of files."""

from tests.audit.planted import Fault

PLANTED = {
    "account-files": Fault("chmod 0644 /etc/shadow", "/etc/shadow"),
}
