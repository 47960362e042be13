"""Backups: whether what is lost could be put back."""
