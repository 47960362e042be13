"""What several kinds are made of. Knows no kind."""
