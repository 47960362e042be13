"""Faults of SSH."""

from tests.audit.planted import Fault

_KEYS_ONLY = "echo 'PasswordAuthentication no' > /etc/ssh/sshd_config.d/00-keys.conf"

PLANTED = {
    "ssh-password-authentication": Fault(
        "echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/00-keys.conf",
        "PasswordAuthentication",
        before=_KEYS_ONLY,
    ),
}
