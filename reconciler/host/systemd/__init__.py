"""systemd and its journal, asked and told."""
