"""groups: a local group."""

ORDER = 10
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
