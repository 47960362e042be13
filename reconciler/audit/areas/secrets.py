"""Secrets: passwords and keys that lie about."""
