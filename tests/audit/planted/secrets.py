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
    "secrets-in-units": Fault(
        "printf '[Service]\\nExecStart=/bin/true\\nEnvironment=API_TOKEN=Zq8-planted-93\\n'"
        " > /etc/systemd/system/told.service && chmod 0600 /etc/systemd/system/told.service",
        "/etc/systemd/system/told.service",
    ),
    "secrets-in-environment-files": Fault(
        "printf '[Service]\\nExecStart=/bin/true\\nEnvironmentFile=-/srv/told.conf\\n' > /etc/systemd/system/told2.service"
        " && echo 'DB_PASSWORD=Xk7-planted-92' > /srv/told.conf && chmod 0644 /srv/told.conf",
        "/srv/told.conf",
    ),
}
