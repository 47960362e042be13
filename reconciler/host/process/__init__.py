"""Running programs, and this process itself."""
