"""Containers: ways from one to the host."""
