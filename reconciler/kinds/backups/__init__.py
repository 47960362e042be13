"""backups: archives made by the clock, verified and let go."""

ORDER = 80
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
