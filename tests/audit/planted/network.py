"""Faults of the network."""

from tests.audit.planted import Fault

PLANTED = {
    "port-undeclared": Fault(
        "systemd-run --quiet python3 -m http.server 8080\n"
        "for i in $(seq 50); do ss -Htln | grep -q :8080 && break; sleep 0.1; done",
        "tcp 0.0.0.0:8080",
    ),
}
