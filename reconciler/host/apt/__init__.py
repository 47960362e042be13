"""apt-get and dpkg of the running host."""
