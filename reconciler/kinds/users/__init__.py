"""users: an account with its home, environment, aliases and sudo rules."""

ORDER = 20
"""Its place in specs, plans and reference pages: kinds that others build on come first."""
OF_ACCOUNTS = True
"""The names of its addresses are accounts: each says something of that one account."""
