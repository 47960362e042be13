"""ssh_keys: the keys with which a user can log in."""

ORDER = 25
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
OF_ACCOUNTS = True
"""The names of its addresses are accounts: each says something of that one account."""
