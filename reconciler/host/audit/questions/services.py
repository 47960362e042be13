"""Units that failed, and the exposure of services."""

from __future__ import annotations

from reconciler.host.audit.question import Program

QUESTIONS = {
    "failed-units": Program(("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full")),
    "unit-exposures": Program(("systemd-analyze", "security", "--json=short", "--no-pager")),
}
