"""Helpers that know nothing of hosts or specs: frozen values, lazy expressions, globs, digests."""
