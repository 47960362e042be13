"""directories: a directory with its mode and owner."""

ORDER = 30
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
