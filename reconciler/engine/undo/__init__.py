"""Undoing a run, by a person's `rollback` or after a failed start."""
