"""audit: the policy of the security audit, and when it runs."""

ORDER = 90
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
