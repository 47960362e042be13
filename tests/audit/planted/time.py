"""Faults of time. The hosts of the tests are containers: the mark of that is taken away first."""

from tests.audit.planted import Fault


def _service(unit: str) -> str:
    """Lines of sh that run a service of this name, which sets nothing."""
    return (
        f"printf '[Service]\\nExecStart=/bin/sleep infinity\\n' > /run/systemd/system/{unit}\n"
        f"systemctl daemon-reload\nsystemctl start {unit}\n"
    )


_BEFORE = "rm -f /run/systemd/container\n" + _service("chrony.service")

PLANTED = {
    "clock-unset": Fault("systemctl stop chrony.service", "clock", before=_BEFORE, alone=True),
    "clock-set-twice": Fault(_service("openntpd.service"), "openntpd.service", before=_BEFORE, alone=True),
}
