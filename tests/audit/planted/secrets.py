"""Faults of secrets."""

from tests.audit.planted import Fault

PLANTED = {
    "private-keys-readable": Fault(
        "mkdir -p /srv/keys && ssh-keygen -q -t ed25519 -N '' -f /srv/keys/id_ed25519"
        " && chmod 0644 /srv/keys/id_ed25519",
        "/srv/keys/id_ed25519",
    ),
    "credentials-readable": Fault(
        "mkdir -p /srv/app && echo 'DB_PASSWORD=Xk7-planted-92' > /srv/app/.env && chmod 0644 /srv/app/.env",
        "/srv/app/.env",
    ),
}
