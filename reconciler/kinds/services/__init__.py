"""services: a systemd service."""

ORDER = 50
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
