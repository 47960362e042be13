"""Processes: what runs that nobody can account for."""
