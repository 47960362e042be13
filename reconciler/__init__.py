"""A declarative desired-state reconciler for Linux hosts."""

from reconciler._version import __version__

__all__ = ["__version__"]
