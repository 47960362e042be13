"""The jobs of systemd: what one request starts and stops besides what it names."""
