"""Modules that several kinds are made of. They know no kind."""
