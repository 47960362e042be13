"""Logs: whether what happened can be told afterwards."""
