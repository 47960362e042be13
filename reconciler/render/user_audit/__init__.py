"""How `user audit` is told: as text, and the schema of its JSON."""
