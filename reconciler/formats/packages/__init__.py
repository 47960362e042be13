"""Packages: dpkg's own list, versions, and the simulations of apt-get."""
