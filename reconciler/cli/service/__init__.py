"""reconciler service: its commands, and those for health and holds."""
