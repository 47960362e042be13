"""Accounts: shadow-utils on a live system, edits of the files where no system runs, sessions."""
