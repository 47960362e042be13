"""files: a regular file with its content, mode and owner."""

ORDER = 40
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
