"""Paths that a spec names, and how the kernel and other programs walk them."""
