"""Our own units: what `install` declares."""
