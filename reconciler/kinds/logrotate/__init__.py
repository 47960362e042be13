"""logrotate: how logs are rotated."""

ORDER = 70
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
