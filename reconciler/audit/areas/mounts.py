"""Mounts: what file systems let their files do."""
