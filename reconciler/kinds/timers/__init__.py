"""timers: a job that runs by the clock."""

ORDER = 60
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
