"""The jobs of systemd: the units that one request starts and stops besides those that it names."""
