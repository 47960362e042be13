"""Faults of services."""

from tests.audit.planted import Fault

PLANTED = {
    "unit-failed": Fault("systemd-run --quiet --unit=broken --wait /bin/false || true", "broken.service"),
    "service-exposed": Fault(
        "systemd-run --quiet --unit=exposed python3 -m http.server 8082\n"
        "for i in $(seq 50); do ss -Htln | grep -q :8082 && break; sleep 0.1; done",
        "exposed.service",
    ),
    "unit-overridden": Fault("systemctl mask --quiet fstrim.timer", "fstrim.timer"),
}
