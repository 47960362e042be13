"""Snapshots: taking one, and planning from one."""
