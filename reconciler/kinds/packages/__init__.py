"""packages: a Debian package that the host has, or has not."""

ORDER = 5
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
